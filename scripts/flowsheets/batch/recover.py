"""jobs.db brought in line with the folders, which are the record of what was sent and came back.

Every command that moves pages does this first, the same way. It asks no API. After a kill, with an
older jobs.db put back, or with none, each page comes to where the folders say that it is:

- a page belongs to the latest folder under batches/ that holds it (see folder.py);
- a response that was billed has a row in `usage`; one without a row is new to this database, and
  its outcome is applied to its page, unless the page is out elsewhere;
- a claim without a folder goes back to the queue.

What this database has taken in already is not read again (jobs/folders.py).
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlite_utils import Database

from flowsheets import files, lock, paths
from flowsheets.batch import proof, restore, results, runs
from flowsheets.batch.folder import (
    CLOSED,
    Batch,
    aside_folders,
    batch_folders,
    load_batch,
    open_folders,
    page_of,
)
from flowsheets.batch.results import Outcome, Tally
from flowsheets.errors import Problem
from flowsheets.jobs import database, folders, pauses, states
from flowsheets.money import usage
from flowsheets.page import response
from flowsheets.page.response import Unread
from flowsheets.paths import PageId
from flowsheets.settings import Settings

# What a row may say of a page that a folder holds, where jobs.db is older than the folder.
_OLDER = ("pending", "rendering", "rendered", "failed", "processing", "low_confidence")
# What it may say of a page whose response it does not know.
_BEFORE_RESPONSE = ("pending", "rendering", "rendered", "failed", "processing")


@dataclass
class Found:
    """What was put right: pages by what was done."""

    claimed: int = 0  # are out in a batch, and jobs.db did not know
    released: int = 0  # were claimed, and never sent
    applied: Tally = field(default_factory=Tally)  # had a response that jobs.db did not know
    recorded: int = 0  # responses that are in the books again
    written: int = 0  # results that were gone, written again from the kept response

    def __str__(self) -> str:
        parts = {
            f"{self.claimed} pages are out in their batch": self.claimed,
            f"{self.applied} from responses that are kept": self.applied.pages,
            f"{self.written} results written again": self.written,
            f"{self.recorded} responses in the books again": self.recorded,
        }
        return ", ".join(text for text, count in parts.items() if count)


def run(db: Database, settings: Settings) -> Found:
    """Do all of it; for the holder of the `jobs` lock."""
    found = Found()
    drop_broken_builds(settings.data_root)
    with suppress(FileNotFoundError):
        files.delete_unfinished(paths.real_time_runs(settings.data_root).parent)
    _take_in_batches(db, settings, found)
    if _something_in_real_time(db, settings.data_root):
        with suppress(lock.Held), lock.held(settings.data_root, "process"):
            take_in_real_time(db, settings, found)  # else a run is alive, and they are its own
    return found


def run_beside(db: Database, settings: Settings) -> None:
    """The same, for the holder of the `process` lock.

    Where another command holds the `jobs` lock, that one has brought the batches in line.
    """
    found = Found()
    with suppress(lock.Held), lock.held(settings.data_root, "jobs"):
        _take_in_batches(db, settings, found)
    take_in_real_time(db, settings, found)


def rebuild(db: Database, settings: Settings) -> Found:
    """Read every folder again, and look for each result; for the holder of the `jobs` lock."""
    with database.transaction(db):
        folders.forget_all(db)
    found = run(db, settings)
    _record_comparisons(db, settings, found)
    return found


def say(found: Found) -> None:
    """One line where jobs.db had to be put right; nothing otherwise."""
    if what := str(found):
        click.echo(f"jobs.db was behind the folders: {what}")


def know(db: Database, batch: Batch) -> None:
    """This command has brought folder and database in line: the next one need not read it again."""
    proof.note(db, batch)
    stamp = folders.stamp(batch.folder)
    if folders.known_stamp(db, batch.name) == stamp:
        return
    with database.transaction(db):
        folders.take_in(db, batch.name, stamp, batch.sequence, batch.state, batch.batch_id)


# --- batches ------------------------------------------------------------------------------------

Holders = dict[PageId, str]  # page -> name of the folder that it belongs to


def _take_in_batches(db: Database, settings: Settings, found: Found) -> None:
    known, names = folders.known(db), folders.states(db)
    changed: list[Batch] = []
    unchanged: list[Batch] = []
    for folder in batch_folders(settings.data_root):
        is_known = known.get(folder.name) == folders.stamp(folder)
        if is_known and names[folder.name] in CLOSED:
            continue  # holds nothing, and has nothing new
        with suppress(Problem):  # a damaged folder is reported by whoever works on it
            (unchanged if is_known else changed).append(_load(folder, db))
    for batch in changed:
        if not batch.events and names.get(batch.name) in CLOSED:
            batch.add("settled", journal_lost=True)  # this database knows that it was closed
    holders = _holders([*unchanged, *changed])
    for batch in sorted(changed, key=_order):
        _take_in(batch, db, settings, holders, found)
    for batch in unchanged:  # a row may have been changed by hand since
        _claim_held(batch, db, settings, holders, found)
    _claim_of_lost_folders(db, settings.data_root, found)
    found.released += lost_claims(db, settings.data_root)


def take_in(batch: Batch, db: Database, settings: Settings) -> Found:
    """Bring the rows of one folder's pages in line with it."""
    found = Found()
    held = [load_batch(folder) for folder in open_folders(settings.data_root, db)]
    _take_in(batch, db, settings, _holders(held), found)
    return found


def _take_in(
    batch: Batch, db: Database, settings: Settings, holders: Holders, found: Found
) -> None:
    _apply_unknown(batch, db, settings, holders, found)
    _claim_held(batch, db, settings, holders, found)
    _pause_again(batch, db)
    know(db, batch)


def _load(folder: Path, db: Database) -> Batch:
    """The folder, its manifest made again where that can be done. Raises `Problem`."""
    try:
        return load_batch(folder)
    except Problem:
        if not restore.mend_manifest(folder, db):
            raise
        return load_batch(folder)


def _holders(batches: list[Batch]) -> Holders:
    """Each page that an open folder holds, with the latest one that does."""
    return {
        page_of(line): batch.name for batch in sorted(batches, key=_order) for line in batch.held()
    }


def _order(batch: Batch) -> tuple[int, str]:
    """Folders in the order in which they were built; of a lost journal, first."""
    return batch.sequence, batch.name


def _apply_unknown(
    batch: Batch, db: Database, settings: Settings, holders: Holders, found: Found
) -> None:
    """Responses on disk that are not in the books: recorded, and their pages moved.

    Of an open folder they are fetch's, which first looks whether the file is whole; but for those
    that it was about to apply when it was stopped, where this database does not know of the batch.
    """
    if not batch.batch_id or not batch.responses.exists():
        return
    fetchs = _left_to_fetch(batch, db) if batch.open else set()
    known = usage.pages_of_batch(db, batch.batch_id)
    check = results.check_file(batch)
    reader = results.Reader.of(
        batch, settings.data_root, check, results.NO_RESPONSE, settings.model
    )
    outcomes = []
    for line, answers in results.by_line(batch, check):
        page = page_of(line)
        gone = _result_is_gone(db, settings.data_root, page)
        if not answers or page in fetchs or (page in known and not gone):
            continue
        wanted = (gone or line["index"] not in batch.retried) and page not in holders
        outcomes.append(reader.outcome(line, answers, wanted))
    _apply(db, settings.data_root, [o for o in outcomes if _was_billed(o)], batch.batch_id, found)


def _left_to_fetch(batch: Batch, db: Database) -> set[PageId]:
    """Pages of an open batch whose responses nothing has applied, or fetch goes on with."""
    applied = batch.applied
    return {
        page_of(line)
        for line in batch.lines
        if line["index"] not in applied or states.is_out(db, page_of(line), batch.batch_id)
    }


def _was_billed(outcome: Outcome) -> bool:
    """An error row cost nothing and says nothing of a page that waits."""
    return outcome.billed is not None


def _apply(
    db: Database, data_root: Path, outcomes: list[Outcome], batch_id: str | None, found: Found
) -> None:
    """Apply outcomes to rows that do not know of them."""
    found.recorded += len(outcomes)
    states.register(db, [outcome.page for outcome in outcomes])  # of a jobs.db that was lost
    found.written += sum(
        results.is_page(outcome.reading) and _result_is_gone(db, data_root, outcome.page)
        for outcome in outcomes
    )
    found.applied += results.apply(db, data_root, outcomes, old=_BEFORE_RESPONSE)
    if batch_id:
        found.applied += results.apply(db, data_root, outcomes, old="submitted", in_batch=batch_id)


def _result_is_gone(db: Database, data_root: Path, page: PageId) -> bool:
    """Whether the row says that the page is completed, and its result is not there."""
    job = states.row(db, page)
    return bool(job and job["status"] == "completed" and not paths.result(data_root, page).exists())


def _claim_held(
    batch: Batch, db: Database, settings: Settings, holders: Holders, found: Found
) -> None:
    """Rows of the pages that the folder holds say `submitted`, and in which batch."""
    held = [line for line in batch.held() if holders[page_of(line)] == batch.name]
    if not held:
        return
    bound = batch.batch_id if batch.state == "bound" else None
    billed = usage.pages_of_batch(db, batch.batch_id) if batch.batch_id else set()
    pages = [page_of(line) for line in held]
    rows = states.rows_of(db, pages)
    with database.transaction(db):
        for line, page in zip(held, pages, strict=True):
            if page in billed:  # its outcome was applied
                continue
            if page not in rows:
                states.register(db, [page])
            status = rows[page]["status"] if page in rows else "pending"
            if status == "completed" and paths.result(settings.data_root, page).exists():
                continue
            if status == "submitted" and rows[page]["batch_id"] in (bound, batch.batch_id):
                continue
            moved = states.flip(
                db,
                [page],
                (*_OLDER, "submitted", "completed"),
                "submitted",
                batch_id=bound,
                within_batch_index=line["index"] if bound else None,
            )
            found.claimed += len(moved)


def _claim_of_lost_folders(db: Database, data_root: Path, found: Found) -> None:
    """Rows that name a batch without a folder: the batch has the page all the same.

    Fetch makes the folder again, of the pages that are `submitted` (restore.py).
    """
    set_back = states.set_back_while_out(db)
    if not set_back:
        return
    on_disk = set()
    for folder in batch_folders(data_root):
        with suppress(Problem):
            on_disk.add(load_batch(folder).batch_id)
    for page, batch_id in set_back:
        if batch_id not in on_disk:
            olds = ("pending", "rendering", "rendered")
            found.claimed += len(states.flip(db, [page], olds, "submitted", in_batch=batch_id))


def _pause_again(batch: Batch, db: Database) -> None:
    """A pause that the journal notes, for the pages that still wait for it to end."""
    closed = batch.last("settled", "refused")
    if batch.open or not closed or "pause" not in closed:
        return
    known = pauses.all_of(db)
    rows = states.rows_of(db, batch.pages)
    waiting = [p for p in batch.pages if p not in known and p in rows]
    returned = [p for p in waiting if rows[p]["status"] in ("rendered", "pending")]
    with database.transaction(db):
        pauses.add(db, returned, closed["pause"], closed.get("reason", ""), closed)


def lost_claims(db: Database, data_root: Path) -> int:
    """Pages claimed for a batch whose folder never appeared go back to the queue; how many.

    Nothing of them was sent: a folder is there before anything is. Only for the holder of the
    `jobs` lock, since a folder that is being built looks just so. With a damaged folder about,
    whose pages are not known, nothing is moved.
    """
    unbound = states.unbound(db)
    if not unbound:
        return 0
    try:
        holders = _holders([load_batch(folder) for folder in open_folders(data_root, db)])
    except Problem:
        return 0
    lost = [page for page in unbound if page not in holders]
    return len(states.flip(db, lost, "submitted", "rendered", in_batch=None))


def drop_broken_builds(data_root: Path) -> None:
    """Delete what a killed build left, and the prompt cache that it may have asked for."""
    for part in paths.batches(data_root).glob(".*.part"):
        if (part / "journal.jsonl").exists():
            from flowsheets.batch import prompt_cache  # hardly ever wanted here

            prompt_cache.drop(part.name.removeprefix(".").removesuffix(".part"))
        shutil.rmtree(part, ignore_errors=True)


def note_retried(db: Database, data_root: Path, pages: list[PageId]) -> None:
    """Write down, beside the responses, that you want these finished pages to be read again.

    Without it a jobs.db that was lost later would complete them from the old responses.
    """
    wanted: dict[str, list[PageId]] = {}
    for page, row in states.rows_of(db, pages).items():
        for saved in paths.real_time_responses(data_root, page):
            saved.rename(paths.retried(saved))
        if row["batch_id"]:
            wanted.setdefault(row["batch_id"], []).append(page)
    for name in folders.of_batches(db, wanted):
        with suppress(Problem):  # of a damaged folder, nothing can be noted
            batch = load_batch(paths.batches(data_root) / name)
            own = set(wanted[str(batch.batch_id)])
            batch.add("retried", indexes=[n["index"] for n in batch.lines if page_of(n) in own])
            know(db, batch)


# --- real time ----------------------------------------------------------------------------------


def _something_in_real_time(db: Database, data_root: Path) -> bool:
    return bool(states.in_status(db, "processing")) or any(_changed_responses(db, data_root))


def take_in_real_time(db: Database, settings: Settings, found: Found | None = None) -> None:
    """Responses on disk that are not in the books, and pages that a killed run left.

    A response that was saved was billed, so it is used; a page in `processing` without one goes
    back to the queue. For the holder of the `process` lock.
    """
    found = found or Found()
    how = runs.all_of(settings.data_root)
    for pdf_path, name, stamp in list(_changed_responses(db, settings.data_root)):
        pages = paths.pages_with_responses(settings.data_root, pdf_path)
        states.register(db, pages)  # of a jobs.db that was lost
        for page in pages:
            outcomes = _unknown_responses(db, settings, page, how)
            _apply(db, settings.data_root, outcomes, None, found)
        with database.transaction(db):
            folders.take_in_responses(db, name, stamp)
    left = states.in_status(db, "processing")
    for page in left:
        for part in paths.broken_responses(settings.data_root, page):
            part.unlink(missing_ok=True)
    # An older result is put aside before a page is claimed: one that is there is of this run.
    read = [page for page in left if paths.result(settings.data_root, page).exists()]
    with database.transaction(db):
        for page in read:
            result = str(paths.result(settings.data_root, page))
            states.flip(db, [page], "processing", "completed", result_path=result, last_error=None)
    found.released += len(states.flip(db, left, "processing", "rendered", model_version=None))


def _changed_responses(db: Database, data_root: Path) -> Iterator[tuple[str, str, str]]:
    """(pdf_path, path below DATA_ROOT, stamp) of each folder that this database knows otherwise."""
    known = folders.known_responses(db)
    for pdf_path in states.pdfs(db):
        folder = paths.responses_folder(data_root, PageId(pdf_path, 1))
        stamp, name = folders.folder_stamp(folder), str(folder.relative_to(data_root))
        if stamp != "-" and known.get(name) != stamp:
            yield pdf_path, name, stamp


def _unknown_responses(
    db: Database, settings: Settings, page: PageId, how: list[runs.Asked]
) -> list[Outcome]:
    """Responses on disk without a row in `usage`, oldest first; all where the result is gone.

    One from before a `make retry`, or whose page is out in a batch, is recorded alone; where a
    completed page has lost its result, the one from before is better than none.
    """
    saved = paths.real_time_responses(settings.data_root, page)
    if not saved:
        return []
    known = usage.requests_of_page(db, page)
    gone = _result_is_gone(db, settings.data_root, page)
    job = states.row(db, page) or {}
    outcomes = []
    for path in saved:
        at = paths.asked_for(path)[0]
        if at in known and not gone:
            continue
        model = job.get("model_version") or settings.model
        outcome = read_saved(page, path, model, asked=runs.of(how, at))
        alone = (paths.was_retried(path) and not gone) or job.get("status") == "submitted"
        outcomes.append(outcome._replace(reading=None) if alone else outcome)
    return _with_the_newest_page(outcomes)


def _with_the_newest_page(outcomes: list[Outcome]) -> list[Outcome]:
    """Of several pages that were read, the newest alone is taken; the others are recorded."""
    read = [n for n, one in enumerate(outcomes) if results.is_page(one.reading)]
    return [one._replace(reading=None) if n in read[:-1] else one for n, one in enumerate(outcomes)]


def read_saved(page: PageId, saved: Path, model: str, asked: runs.Asked | None = None) -> Outcome:
    """What came of a page, from its real-time response on disk, and what was billed for it.

    `model` is named where it is not known how the page was `asked` for; that guides no estimate.
    """
    answer = None
    try:
        answer = response.parse(saved.read_bytes())
        reading = response.read(answer)
    except ValueError:
        reading = Unread("not_json", "the response is not JSON")
    at, tier = paths.asked_for(saved)
    thinking: str | None = "unknown"
    if asked:
        model, thinking = asked.model, asked.thinking
    version = results.model_version(answer, model)
    mode, tokens = usage.mode(answer, tier), usage.tokens(answer)
    how = asked.identity if asked else {}
    billed = usage.Answer(page, None, mode, model, version, tokens, at, thinking, **how)
    return Outcome(page, reading, version, billed)


# --- comparisons --------------------------------------------------------------------------------


def _record_comparisons(db: Database, settings: Settings, found: Found) -> None:
    """What comparisons and second readings were billed, from their own folders."""
    # With what they compare by, wanted by a rebuild alone.
    from flowsheets.batch import aside, compare

    for folder in aside_folders(settings.data_root):
        with suppress(Problem):
            batch = load_batch(folder)
            billed = [*compare.of_real_time(batch).paid, *aside.paid(batch)]
            with database.transaction(db):
                before = db.conn.total_changes
                usage.note(db, map(usage.row, billed))
                found.recorded += db.conn.total_changes - before
