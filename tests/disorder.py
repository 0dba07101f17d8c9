"""A station where everything goes wrong, in any order, and what must be true of it at the end.

`Disorder` is hypothesis' state machine: its rules are the commands that people and cron run, and
what befalls them. `test_disorder.py` runs a few fixed examples, `explore.py` as many as you like.

At the end of each example the faults stop, whoever must act acts as the commands say, and then
`_judge` holds the station to what the product promises. Two things are allowed, and nothing more:

- A page that a person wants again is billed again: `make retry`, a finished row that was set back
  by hand, `make batch-rescue SURE=1`, or a rescue after the 48 h that the API keeps its responses.
  So is one whose real-time call was under way when its process was killed or its network cut: then
  no response of it is on disk, and none can be.
- A page may be billed once more for a batch that nothing on disk knows of any more: its folder is
  gone as a whole, neither the page's row nor its usage names the batch, and the page has no result.
  That takes two damages (jobs.db lost or older, and the folder of that batch lost), or a folder
  that was lost between its create and the response to it, when jobs.db does not have the id yet.
  Where the folder is there and cannot be read, nothing may be bought until a person says `SURE=1`.
"""

import functools
import hashlib
import io
import itertools
import json
import re
import shutil
import sqlite3
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from PIL import Image
from sqlite_utils import Database

from emulator_process import Emulator
from emulator_vertex import JOBS, client
from forked import Done, commands
from station import KEY, Station
from vertex_door import vertex_door

HOUR = 3600
ROUNDS = 22  # of submit and fetch, until all must be done; most of them some hours apart
HOURS = 4
RESULTS_LIVE = 44  # hours that a person has to fetch what the API keeps for 48
CALM_ROUNDS = 3  # of them at once, before time passes and a person looks at what is said
MAY_LAG = 11  # listings that a new batch is missing from
ENDED = ("completed", "failed")

FATES = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.just("kill"), st.integers(1, 40)),
    st.tuples(st.just("copy"), st.integers(1, 40)),
    st.tuples(st.just("cut"), st.integers(1, 8)),
    st.tuples(st.just("full"), st.integers(1, 30)),
)
CREATE_FAULTS: dict[str, Any] = {
    "create_503_after": 1,
    "create_503_before": 1,
    "create_cut_after": 1,
    "create_429": 1,
    "create_400": 1,
    "create_name_number": 1,
    "create_file_expired": 1,
    "upload_cut": 1,
    "upload_500": 1,
    "upload_no_file": 1,
    "storage_429": 1,
}
BATCH_FAULTS: dict[str, Any] = {
    "line_unknown": True,
    "line_error": "0:13",
    "succeeded_before_file": 2,
    "batch_failed": True,
    "batch_expired": True,
    "batch_cancelled_before": True,
    "batch_cancelled_after": 1,
    "get_503": 1,
    "download_cut": 1,
    "download_byte": 1,
    "download_404": 1,
    "download_403": 1,
}
OTHER_FAULTS: dict[str, Any] = {
    "all_503": 2,
    "generate_503": 1,
    "generate_429": 1,
    "generate_cut_after": 1,
    "html_200": 1,
    "string_200": 1,
    "place_400": 1,
    "spending_429": 1,
    "listing_null": 1,
}
VERTEX_FAULTS: dict[str, Any] = {
    "object_cut_after": 2,
    "object_cut_before": 1,
    "object_503": 1,
    "bucket_503": 1,
    "bucket_403": 1,
    "bearer_401": 1,
    "create_403": 1,
    "job_failed": 13,
    "job_failed_after": 1,
    "job_expired_after": 1,
    "job_output_denied": True,
    "job_exports_nothing": True,
    "job_incremental": 1,
    "job_incremental_alone": True,
    "job_shards": 2,
    "job_counts": True,
    "line_no_key": "all",
    "line_no_echo": "all",
    "line_doubled": "0",
    "line_other_text": "0",
    "line_key_of_next": "0",
    "line_deadline": "0",
}
FILES = ("manifest.jsonl", "journal.jsonl", "batch.json", "responses.jsonl")

Fate = tuple[str, int] | None
Page = str  # pdf_path#page_number
numbers = itertools.count(1)  # of PDFs: no two examples have a page in common


class Broken(AssertionError):
    """A promise that was not kept. `kind`: twice, lost, limbo, wrong_text, key, or command."""

    def __init__(self, kind: str, what: object) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass
class World:
    """What examples have in common: the API, the place of their folders, and their counts."""

    emulator: Emulator
    folder: Path
    broken: str = ""  # see broken.py
    vertex: bool = False  # through that door
    counts: Counter[str] = field(default_factory=Counter)
    failing: Callable[["Disorder", Exception], None] = lambda machine, error: None


def action(
    when: Callable[["Disorder"], Any] = lambda self: True, **arguments: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A rule that is written down with its values, so that explore.py can do it again."""

    def decorate(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def noted(self: "Disorder", **values: Any) -> None:
            self.steps.append((method.__name__, values))
            self.world.counts["actions"] += 1
            with self.noted():
                method(self, **values)

        made: Callable[..., None] = rule(**arguments)(noted)  # type: ignore[no-untyped-call]
        return precondition(when)(made)

    return decorate


class Disorder(RuleBasedStateMachine):
    """A station, its volunteers, and everything that can go wrong."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.emulator = world.emulator
        self.folder = Path(tempfile.mkdtemp(dir=world.folder))
        self.station = Station(self.folder, self.emulator.url)
        self.station.scans.mkdir()
        if world.vertex:
            self.station.door = vertex_door(self.emulator)
        self.copies = self.folder / "copies"
        self.copies.mkdir()
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.said: list[str] = []  # what the commands said on stderr, for whoever reads a failure
        self.images: dict[Page, set[str]] = {}  # the digests of each page's PNGs
        self.again: Counter[Page] = Counter()  # how often a person wanted a page again
        self.interrupted: Counter[Page] = Counter()  # real-time calls killed or cut
        self.manifests: dict[str, dict[Page, int]] = {}  # batch -> its pages, as ever seen
        self.forgotten: set[tuple[str, Page]] = set()  # that nothing on disk knows of
        self.wanted: Counter[Page] = Counter()  # bills that a retry must lead to
        self.backups: dict[Path, bytes] = {}  # of damaged files, where there is one
        self.key, self.later, self.wall, self.boot = KEY, 0.0, 0.0, 1
        self.failed = self.shuffled = False
        self.reader: sqlite3.Connection | None = None
        self.calm()

    # --- commands -------------------------------------------------------------------------------

    def calm(self) -> None:
        for name in self.emulator.faults():
            if not (name == "lines_shuffled" and self.shuffled):  # no fault: the API may do so
                self.emulator.faults(**{name: None})

    def run(self, script: str, *args: str, fate: Fate = None) -> Done:
        more = {"FATE": fate[0], "STEP": str(fate[1])} if fate else {}
        if self.world.broken:
            more["BROKEN"] = self.world.broken
        environment = self.station.environment(
            SUBMIT_GRACE="300",
            MAX_ATTEMPTS="99",
            BATCH_PAGES="2",
            GEMINI_API_KEY=self.key,
            LATER=str(self.later),
            WALL=str(self.wall),
            BOOT=f"boot-{self.boot}",
            HURRY="0.05",
            COPIES=str(self.copies),
            **more,
        )
        done = commands().run(f"scripts/{script}", *args, env=environment)
        self.said.append(f"{script} {' '.join(args)} -> {done.returncode}\n{done.stderr}")
        self.world.counts["commands"] += 1
        if done.returncode < 0:
            self.world.counts["kills"] += 1
        if "Traceback" in done.stderr:
            raise Broken("command", f"a traceback of {script}")
        if done.returncode > 0 and "Error: " not in done.stderr:
            raise Broken("command", f"{script} failed and does not say why")
        return done

    @initialize(pages=st.integers(1, 4), so_far=st.integers(0, 3), shuffled=st.booleans())
    def open_the_station(self, **values: Any) -> None:
        """With pages that are rendered, and built, sent and fetched so far."""
        with self.noted():
            self.begin(**values)

    def begin(self, pages: int, so_far: int, shuffled: bool) -> None:
        self.steps.append(("begin", {"pages": pages, "so_far": so_far, "shuffled": shuffled}))
        self.shuffled = shuffled
        self.emulator.faults(lines_shuffled=shuffled or None)
        self._scan(pages)
        for script in ("build_requests.py", "submit.py", "fetch.py")[:so_far]:
            self.run(script)

    @action(pages=st.integers(1, 3))
    def scan(self, pages: int) -> None:
        self._scan(pages)

    def _scan(self, pages: int) -> None:
        self._close_reader()
        pdf = f"{next(numbers)}.pdf"
        self.station.rendered(pages, pdf)
        for number in range(1, pages + 1):
            self.images[f"{pdf}#{number}"] = {_digest(self.station.png(number, pdf))}

    @action(fate=FATES, limit=st.sampled_from(("", "1", "3")))
    def batch_submit(self, fate: Fate, limit: str) -> None:
        self.run("build_requests.py", "--limit", limit, fate=fate)
        self.run("submit.py", fate=fate)

    @action(fate=FATES)
    def build_alone(self, fate: Fate) -> None:
        self.run("build_requests.py", fate=fate)

    @action(fate=FATES)
    def batch_fetch(self, fate: Fate) -> None:
        self.run("fetch.py", fate=fate)

    @action(fate=FATES, sure=st.sampled_from(("", "1")))
    def batch_run(self, fate: Fate, sure: str) -> None:
        self.run("run.py", "--sure", sure, fate=fate)

    @action()
    def batch_status(self) -> None:
        self.run("status.py")
        self.run("overview.py")

    @action(fate=FATES)
    def process(self, fate: Fate) -> None:
        failed = self._pages("failed")
        cut = bool(self.emulator.faults().get("generate_cut_after"))
        done = self.run("process.py", "--limit", "2", fate=fate)
        if done.returncode < 0:
            self.interrupted.update(self._pages("processing"))
        if cut or (fate and fate[0] == "cut"):
            self.interrupted.update(set(self._pages("failed")) - set(failed))

    @action(when=lambda self: self._folders(), fate=FATES, which=st.integers(0, 20))
    def batch_cancel(self, fate: Fate, which: int) -> None:
        if ids := self._ids():
            self.run("cancel.py", ids[which % len(ids)], fate=fate)

    @action(
        when=lambda self: self._folders(), fate=FATES, which=st.integers(0, 20), sure=st.booleans()
    )
    def batch_rescue(self, fate: Fate, which: int, sure: bool) -> None:
        if ids := self._ids():
            self._rescue(ids[which % len(ids)], sure, fate)

    def _rescue(self, name: str, sure: bool, fate: Fate = None) -> Done:
        self._look()
        done = self.run("rescue.py", name, "--sure", "1" if sure else "", fate=fate)
        expired = self.later > RESULTS_LIVE * HOUR
        if sure or expired or "is still" in done.stderr:  # said so, and given back by a person
            self.again.update(list(self.manifests.get(self._folder_name(name), ())))
        return done

    def _folder_name(self, wanted: str) -> str:
        """The name of the folder, which is the batch's at the API, for a batch's id as well."""
        names = {one["id"]: one["displayName"] for one in self.emulator.ledger()["batches"]}
        if wanted.startswith("gs://"):  # a job that is known by its output alone
            return wanted.split("/")[-3]
        return str(names.get(f"batches/{wanted}") or names.get(wanted, wanted))

    @action(when=lambda self: self._results(), fate=FATES, which=st.integers(0, 20))
    def retry(self, fate: Fate, which: int) -> None:
        rows = [row for row in self._rows() if row["status"] in ENDED]
        if rows:
            row = rows[which % len(rows)]
            done = self._retry(row["pdf_path"], row["page_number"], fate)
            if done.returncode == 0 and not fate:
                self._want(_name(row))

    def _want(self, page: Page) -> None:
        """The page must be billed once more, where jobs.db knows of all that was."""
        billed = len(self._billed(page))
        if billed == sum(_name(row) == page for row in self._usage()):
            self.wanted[page] = 1 + billed

    def _retry(self, pdf: str, number: int, fate: Fate = None) -> Done:
        self.again[f"{pdf}#{number}"] += 1
        return self.run("retry.py", "--pdf", pdf, "--page", str(number), fate=fate)

    @action(fate=FATES)
    def rebuild(self, fate: Fate) -> None:
        self.run("rebuild.py", fate=fate)

    # --- what befalls the API and the way to it -------------------------------------------------

    @action(fault=st.sampled_from(sorted(CREATE_FAULTS)))
    def the_next_create_goes_wrong(self, fault: str) -> None:
        self._misbehave(**{fault: CREATE_FAULTS[fault]})

    @action(fault=st.sampled_from(sorted(BATCH_FAULTS)))
    def the_next_batch_goes_wrong(self, fault: str) -> None:
        self._misbehave(**{fault: BATCH_FAULTS[fault]})

    @action(fault=st.sampled_from(sorted(OTHER_FAULTS)))
    def the_api_misbehaves(self, fault: str) -> None:
        self._misbehave(**{fault: OTHER_FAULTS[fault]})

    def _misbehave(self, **faults: Any) -> None:
        self.emulator.faults(**faults)
        self.world.counts["faults"] += 1

    @action(when=lambda self: self.world.vertex, fault=st.sampled_from(sorted(VERTEX_FAULTS)))
    def vertex_ai_or_its_bucket_misbehaves(self, fault: str) -> None:
        self._misbehave(**{fault: VERTEX_FAULTS[fault]})

    @action(fault=st.sampled_from(("create_503_after", "create_cut_after")))
    def a_create_is_carried_out_and_neither_answered_nor_listed(self, fault: str) -> None:
        """And cron goes on."""
        self._misbehave(**{fault: 1, "listing_lag": MAY_LAG + 1})
        self.run("build_requests.py")
        self.run("submit.py")
        self.run("submit.py")

    @action()
    def the_api_behaves(self) -> None:
        self.calm()

    @action()
    def the_api_restarts(self) -> None:
        self.emulator.kill()
        self.emulator.start()

    @action(key=st.sampled_from((KEY, "another-key")))
    def a_key_is_set(self, key: str) -> None:
        self.key = key

    # --- clocks ---------------------------------------------------------------------------------

    @action(hours=st.sampled_from((1, 12)))
    def time_passes(self, hours: int) -> None:
        if self.later < RESULTS_LIVE / 2 * HOUR:
            self._pass(hours)

    def _pass(self, hours: int) -> None:
        """A new batch is listed long before."""
        self.emulator.faults(listing_lag=None)
        if not set(self.emulator.faults()) - {"lines_shuffled"}:
            self._list_new_batches()
        else:
            self.emulator.restart()
        self.later += hours * HOUR
        self.emulator.advance(hours * HOUR)

    def _list_new_batches(self) -> None:
        if self.world.vertex:
            with client(self.emulator) as api:
                for _ in range(MAY_LAG + 1):
                    api.get(JOBS).raise_for_status()
            return
        request = urllib.request.Request(f"{self.emulator.url}/v1beta/batches")
        request.add_header("x-goog-api-key", KEY)
        for _ in range(MAY_LAG + 1):
            urllib.request.urlopen(request).read()

    @action(days=st.sampled_from((-1, 0, 1)))
    def the_clock_is_set(self, days: int) -> None:
        self.wall = days * 24.0 * HOUR

    @action()
    def the_machine_starts_anew(self) -> None:
        self.boot += 1

    # --- damage ---------------------------------------------------------------------------------

    @action()
    def jobs_db_is_copied(self) -> None:
        if self._db.exists():
            self._close_reader()
            shutil.copy(self._db, self.copies / f"{len(self.steps)}.db")

    @action(when=lambda self: any(self.copies.iterdir()), which=st.integers(0, 20))
    def an_older_jobs_db_is_put_back(self, which: int) -> None:
        copies = sorted(self.copies.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        if copies:
            self._damage()
            self._delete_jobs_db()
            shutil.copy(copies[which % len(copies)], self._db)
            self._forget()

    @action(then=st.sampled_from(("discover", "fetch", "nothing")))
    def jobs_db_is_lost(self, then: str) -> None:
        self._damage()
        self._delete_jobs_db()
        self._forget()
        if then == "discover":
            self.run("discover.py")
            self.run("render.py", "--jobs", "1")
        elif then == "fetch":
            self.run("fetch.py")

    @action(
        when=lambda self: self._folders(),
        which=st.integers(0, 20),
        name=st.sampled_from(FILES),
        how=st.sampled_from(("lost", "a line less", "torn", "empty")),
        backup=st.booleans(),
    )
    def a_file_of_a_batch_is_damaged(self, which: int, name: str, how: str, backup: bool) -> None:
        folders = self._folders()
        path = folders[which % len(folders)] / name if folders else None
        if not path or not path.exists():
            return
        self._damage()
        whole = path.read_bytes()
        if backup:
            self.backups[path] = whole
        if how == "lost":
            path.unlink()
        elif how == "a line less":
            path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
        else:
            path.write_bytes(whole[: len(whole) * 2 // 3] if how == "torn" else b"")
        self._forget()

    @action(when=lambda self: self._folders(), which=st.integers(0, 20))
    def a_folder_of_a_batch_is_lost(self, which: int) -> None:
        if folders := self._folders():
            self._damage()
            shutil.rmtree(folders[which % len(folders)])
            self._forget()

    @action(when=lambda self: self._results(), which=st.none() | st.integers(0, 20))
    def results_are_lost(self, which: int | None) -> None:
        found = self._results()
        if found:
            self._damage()
            for path in found if which is None else [found[which % len(found)]]:
                path.unlink()
            self._forget()

    @action(which=st.integers(0, 20))
    def a_row_is_set_back_by_hand(self, which: int) -> None:
        rows = [row for row in self._rows() if row["status"] not in ("pending", "processing")]
        if not rows:
            return
        row = rows[which % len(rows)]
        if row["status"] in ENDED:  # one that is out belongs to its batch all the same
            self.again[_name(row)] += 1
        if row["status"] == "completed" and self._result(_name(row)).exists():
            self._want(_name(row))
        self._close_reader()
        at = f"datetime('now', '{self.later + self.wall:+.0f} seconds')"
        with closing(sqlite3.connect(self._db)) as db, db:
            db.execute(
                "UPDATE jobs SET status = 'rendered', attempts = 0,"
                f" updated_at = replace({at}, ' ', 'T') || '+00:00'"
                " WHERE pdf_path = ? AND page_number = ?",
                (row["pdf_path"], row["page_number"]),
            )

    @action(which=st.integers(0, 20))
    def an_image_is_compressed_anew(self, which: int) -> None:
        page = sorted(self.images)[which % len(self.images)]
        png = self._png(page)
        with Image.open(png) as image:
            same = io.BytesIO()
            image.save(same, "PNG", compress_level=1 + which % 9)
        png.write_bytes(same.getvalue())
        self.images[page].add(_digest(png))

    @action()
    def a_program_reads_jobs_db_for_long(self) -> None:
        if self._db.exists() and not self.reader:
            self.reader = sqlite3.connect(self._db, check_same_thread=False, isolation_level=None)
            self.reader.execute("BEGIN")
            with closing(self.reader.execute("SELECT count(*) FROM sqlite_master")) as cursor:
                cursor.fetchall()

    @action(when=lambda self: self.reader)
    def that_program_ends(self) -> None:
        self._close_reader()

    # --- what is known, and what is not any more -----------------------------------------------

    @property
    def _db(self) -> Path:
        return self.station.data / "jobs.db"

    def _close_reader(self) -> None:
        if self.reader:
            self.reader.close()
            self.reader = None

    def _delete_jobs_db(self) -> None:
        self._close_reader()
        for path in self.station.data.glob("jobs.db*"):
            path.unlink()

    def _rows(self) -> list[dict[str, Any]]:
        if not self._db.exists():
            return []
        db = Database(self._db)
        try:
            return list(db.table("jobs").rows) if "jobs" in db.table_names() else []
        finally:
            db.close()

    def _usage(self) -> list[dict[str, Any]]:
        db = Database(self._db)
        try:
            return list(db.table("usage").rows) if "usage" in db.table_names() else []
        finally:
            db.close()

    def _pages(self, status: str) -> list[Page]:
        return [_name(row) for row in self._rows() if row["status"] == status]

    def _folders(self) -> list[Path]:
        return sorted((self.station.data / "batches").glob("[!.]*"))

    def _results(self) -> list[Path]:
        return sorted((self.station.data / "results").rglob("page-??.json"))

    def _ids(self) -> list[str]:
        return [folder.name for folder in self._folders()]

    def _png(self, page: Page) -> Path:
        pdf, _, number = page.rpartition("#")
        return self.station.png(int(number), pdf)

    def _result(self, page: Page) -> Path:
        pdf, _, number = page.rpartition("#")
        stem = pdf.removesuffix(".pdf")
        return self.station.data / "results" / stem / f"page-{int(number):02d}.json"

    def _bodies(self, page: Page) -> int:
        """Real-time responses of the page that are on disk."""
        pdf, _, number = page.rpartition("#")
        folder = self.station.data / "responses" / pdf.removesuffix(".pdf")
        return len(list(folder.glob(f"page-{int(number):02d}.*.json")))

    def _look(self) -> None:
        """Which page is in which batch, as long as a manifest says so."""
        for folder in self._folders():
            for line in _json_lines(folder / "manifest.jsonl"):
                pages = self.manifests.setdefault(folder.name, {})
                pages[f"{line['pdf_path']}#{line['page_number']}"] = line["index"]

    def _damage(self) -> None:
        self.world.counts["damages"] += 1
        self._look()
        self.wanted.clear()  # whether it was wanted again may be what is damaged

    def _forget(self) -> None:
        """After a damage: pages of batches at the API that nothing on disk knows of."""
        ids: dict[str, set[str]] = {}
        for batch in self.emulator.ledger()["batches"]:
            ids.setdefault(batch["displayName"], set()).add(batch["id"])
        rows = {_name(row): row for row in self._rows()}
        usage = {(_name(row), row["batch_id"]) for row in self._usage()} if rows else set()
        for name, pages in self.manifests.items():
            own = ids.get(name, set())
            folder = self.station.data / "batches" / name
            if any((folder / file).exists() for file in (*FILES, "requests.jsonl")):
                continue
            for page in pages:
                in_row = page in rows and rows[page]["batch_id"] in own
                in_books = any((page, batch_id) in usage for batch_id in own)
                if own and not (in_row or in_books or self._result(page).exists()):
                    self.forgotten.add((name, page))

    # --- the end --------------------------------------------------------------------------------

    @contextmanager
    def noted(self) -> Iterator[None]:
        """An example that failed is over, and handed to whoever wants to look at it."""
        try:
            yield
        except Exception as error:
            self.failed = True
            self.world.failing(self, error)
            raise

    def teardown(self) -> None:
        if self.images and not self.failed:
            self.world.counts["examples"] += 1
            with self.noted():
                self._end()

    def _end(self) -> None:
        self._close_reader()
        self.calm()
        self.key, self.wall = KEY, 0.0
        self._pass(1)
        self._go_on_until_all_is_done()
        self._judge()
        shutil.rmtree(self.folder)

    def _go_on_until_all_is_done(self) -> None:
        """What cron does, and after some rounds a person who reads what it says."""
        self.run("discover.py")
        self.run("render.py", "--jobs", "1")
        for number in range(ROUNDS):
            if number > CALM_ROUNDS:
                self._pass(HOURS)
            sure = ("--sure", "1") if number > CALM_ROUNDS else ()
            said = self.run("build_requests.py", *sure).stderr
            said += self.run("submit.py").stderr
            said += self.run("fetch.py").stderr
            if number >= CALM_ROUNDS:
                self._act(said)
            if self._all_is_done():
                return
        if rows := self._not_done():
            raise Broken("limbo", "\n".join(map(str, rows)))
        raise Broken("lost", "a result is not there, and its response is")

    def _all_is_done(self) -> bool:
        return not self._not_done() and self._results_are_there()

    def _not_done(self) -> list[Any]:
        rows = {_name(row): row for row in self._rows()}
        return [
            rows.get(page, page)
            for page in self.images
            if page not in rows or rows[page]["status"] != "completed"
        ]

    def _results_are_there(self) -> bool:
        """Status names those that are gone, and what to do."""
        if all(self._result(page).exists() for page in self.images):
            return True
        self.run("rebuild.py")
        gone = [page for page in self.images if not self._result(page).exists()]
        for page in gone:
            if self._is_kept(page):  # in a damaged folder perhaps
                continue
            pdf, _, number = page.rpartition("#")
            self._retry(pdf, int(number))
        return not gone

    def _is_kept(self, page: Page) -> bool:
        """Whether a response to the page, as it came, is on disk in one piece."""
        for folder in self._folders():
            lines = {line["index"]: line for line in _json_lines(folder / "manifest.jsonl")}
            keys = {line["key"] for line in lines.values() if _name(line) == page}
            for answer in _json_lines(folder / "responses.jsonl"):
                if answer.get("key") in keys and "response" in answer:
                    return True
        return self._bodies(page) > 0

    def _act(self, said: str) -> None:
        """As a person does who reads the errors and warnings."""
        for line in set(said.splitlines()):
            damaged = re.search(r"(/\S+?\.jsonl?)(:\d+)?: .*Restore it", line)
            if damaged and self._restored(Path(damaged[1])):
                continue
            if sure := re.search(r"make batch-rescue ID=(\S+) SURE=1", line):
                self._rescue(sure[1], sure=True)
            elif rescue := re.search(r"make batch-rescue ID=(\S+)", line):
                self._give_up(rescue[1].removeprefix("batches/").rstrip("."))

    def _restored(self, path: Path) -> bool:
        """From a backup, or put aside; false where it can be neither."""
        if path in self.backups:
            path.write_bytes(self.backups.pop(path))
        elif path.exists():
            path.rename(path.with_name(f"{path.name}.aside"))
            self._forget()
        else:
            return False
        return True

    def _give_up(self, wanted: str) -> None:
        done = self._rescue(wanted, sure=False)
        if done.returncode and "SURE=1" in done.stderr and self.later > 60 * HOUR:
            self._rescue(wanted, sure=True)

    def _billed(self, page: Page) -> list[dict[str, Any]]:
        answers = self.emulator.ledger()["answers"]
        return [one for one in answers if one["image_sha256"] in self.images[page]]

    def _judge(self) -> None:
        self._look()
        books = Counter(_name(row) for row in self._usage())
        for page, images in self.images.items():
            text = json.loads(self._result(page).read_bytes())["comments_raw"]
            if text.removeprefix("sha256 ") not in images:
                raise Broken("wrong_text", page)
            self._judge_bills(page, books[page])
        for path in self.station.data.rglob("*"):
            if path.name.endswith(".part"):
                raise Broken("limbo", f"{path} is left over")
            if path.is_file() and any(k in path.read_bytes() for k in (b"test-key", b"another-k")):
                raise Broken("key", path)

    def _judge_bills(self, page: Page, books: int) -> None:
        billed = self._billed(page)
        now = [one for one in billed if one["mode"] != "batch"]
        lost = len(now) - self._bodies(page)
        if lost > self.interrupted[page]:
            raise Broken("lost", f"{page}: {len(now)} real-time calls, {self._bodies(page)} kept")
        forgotten = sum(one == page for _, one in self.forgotten)
        allowed = 1 + self.again[page] + max(lost, 0) + forgotten
        if len(billed) > allowed:
            raise Broken("twice", f"{page}: {allowed} allowed of {billed}")
        if len(billed) < max(1, self.wanted[page]):
            raise Broken("lost", f"{page}: {self.wanted[page]} wanted of {billed}")
        kept = self._bodies(page) + self._lines_kept(page)
        if not kept <= books <= len(billed) + self.interrupted[page]:
            raise Broken("lost", f"{page}: {kept} kept, {books} in the books, billed: {billed}")

    def _lines_kept(self, page: Page) -> int:
        """Batches whose responses on disk have one to the page."""
        kept = 0
        for folder in self._folders():
            lines = _json_lines(folder / "manifest.jsonl")
            keys = {line["key"] for line in lines if _name(line) == page}
            answers = _json_lines(folder / "responses.jsonl")
            kept += any(one.get("key") in keys and "response" in one for one in answers)
        return kept


def _name(row: dict[str, Any]) -> Page:
    return f"{row['pdf_path']}#{row['page_number']}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that are whole; none where it is missing."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found
