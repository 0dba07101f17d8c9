"""A batch's folder, `batches/<name>/`: which page is which line, and what was done with it so far.

manifest.jsonl   a line a page: index, key, pdf_path, page_number, image_sha256, batch_id
requests.jsonl   what is uploaded: {"key", "request"} a line, in the same order
images.jsonl     a line a page: size and times of its image when it was read (see images.py)
journal.jsonl    a line an event: the intent before each call that counts, the outcome after it
batch.json       the API's last reply about the batch, verbatim
responses.jsonl  the result file, verbatim, kept

The folder's name is the batch's `display_name`, by which it is found again at the API. The journal
is the record of what was sent and of what became of each page; jobs.db is its index. The last event
that changes the state says which state the folder is in:

    built --uploaded--> uploaded --create_sent--> unclear --created--> created --bound--> bound
      ^                  |   ^  (create_unclear)    |                                     |   ^
      '-- upload_lost ---'   '---- create_failed ---'                             settled |   |
                                                                                          v   |
    refused: the API does not take it     given_back: a person gave it up       settled --reopened

A folder in `refused`, `given_back` or `settled` is closed: it holds no page any more. An open one
holds each of its pages until an `applied` event says that the page completed, failed or was
returned. A page belongs to the latest folder that holds it.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypedDict

import jsonlines
import orjson
from sqlite_utils import Database

from flowsheets import clock, files, paths
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.gemini.door import Door
from flowsheets.gemini.operation import Operation
from flowsheets.gemini.rows import Request
from flowsheets.jobs import folders
from flowsheets.page import prompts
from flowsheets.paths import PageId

State = Literal[
    "built", "uploaded", "unclear", "created", "bound", "settled", "refused", "given_back"
]
Event = Literal[
    # these change the state, as drawn above
    "built",
    "uploaded",
    "upload_lost",
    "create_sent",
    "create_unclear",
    "create_failed",
    "created",
    "bound",
    "settled",
    "refused",
    "given_back",
    "reopened",
    # these do not
    "cache_asked",  # before built: a prompt cache of the folder's name may exist
    "restored",  # the manifest was made again from jobs.db
    "fetched",  # in older journals: each page got its outcome, and none is named
    "upload_failed",  # there is no room for it at the API
    "looked_up",  # an unclear batch was not in the API's listing
    "cancel_asked",
    "downloaded",  # responses.jsonl: its size and digest, and whether the API confirmed them
    "short",  # the file held fewer responses than the API counts; it was put aside
    "torn",  # the file on disk was not the one that was downloaded; it was put aside
    "file_gone",  # the result file answered 403 or 404
    "quarantined",  # the file cannot be trusted as a whole
    "applied",  # what became of these pages: {"completed", "failed", "returned": [index, …]}
    "retried",  # finished pages that a person wants to be read again: {"indexes": [index, …]}
    "looked_late",  # a closed batch without a result file was asked for again
    "warned",  # a warning that is given once a day
    "real_time_failed",  # of a comparison: a page's real-time call failed, and is not repeated
]

_STATE_AFTER: dict[str, State] = {
    "built": "built",
    "uploaded": "uploaded",
    "upload_lost": "built",
    "create_sent": "unclear",
    "create_unclear": "unclear",
    "create_failed": "uploaded",
    "created": "created",
    "bound": "bound",
    "reopened": "bound",
    "settled": "settled",
    "refused": "refused",
    "given_back": "given_back",
}
CLOSED: tuple[State, ...] = ("settled", "refused", "given_back")
OUTCOMES = ("completed", "failed", "returned")


class Line(TypedDict):
    """A line of manifest.jsonl. `index` is from 0; `batch_id` null until the API gave one."""

    index: int
    key: str
    pdf_path: str
    page_number: int
    image_sha256: str
    batch_id: str | None


@dataclass
class Batch:
    """A batch's folder on disk: the lines of its manifest and the events of its journal."""

    folder: Path
    lines: list[Line]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        """As drawn above. Without its journal a folder with an id is `created`, else `unclear`.

        So is one whose id is lost: the API knows the batch by the folder's name.
        """
        last = self.last(*_STATE_AFTER)  # type: ignore[arg-type]
        state = _STATE_AFTER[last["event"]] if last else "created"
        return "unclear" if state in ("created", "bound") and not self.batch_id else state

    @property
    def door(self) -> Door:
        """Through which the batch is sent, asked for and fetched: as its journal states it."""
        stated = [event for event in self.events if "door" in event]
        return door.of(stated[-1] if stated else {}, self.batch_id, self.name)

    @property
    def sent(self) -> list[Request]:
        """Its requests, as a door wants to know of them."""
        return [Request(one["index"], one["key"], paths.name(page_of(one))) for one in self.lines]

    @property
    def open(self) -> bool:
        """Whether it may still hold pages."""
        return self.state not in CLOSED

    @property
    def bound(self) -> bool:
        """Whether it has a batch at the API, and its rows have the batch's id."""
        return self.state in ("bound", "settled")

    @property
    def may_be_sent(self) -> bool:
        """Whether the API has the batch, or may have it."""
        return self.state in ("unclear", "created", "bound")

    @property
    def batch_id(self) -> str | None:
        """`batches/…`, from the manifest, or from the journal where a kill came between."""
        if self.lines and self.lines[0]["batch_id"]:
            return self.lines[0]["batch_id"]
        created = self.last("created")
        return created["batch_id"] if created else None

    @cached_property
    def pages(self) -> list[PageId]:
        """In the order of the manifest."""
        return [page_of(line) for line in self.lines]

    @property
    def sequence(self) -> int:
        """Folders in the order in which they were built, from 1; 0 where that is not known."""
        built = self.last("built")
        return int(built.get("sequence", 0)) if built else 0

    @property
    def model(self) -> str | None:
        """The model that was asked, or will be; None where neither journal nor API says."""
        for noted in (self.last("create_sent"), self.last("built")):
            if noted and noted.get("model"):
                return str(noted["model"])
        return self.operation.model

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes in which each of its pages is read: `batch`, but for comparisons."""
        built = self.last("built")
        return tuple((built or {}).get("modes") or ("batch",))

    @property
    def asked_at(self) -> str | None:
        """When the batch was created, ISO in UTC."""
        noted = self.last("create_sent") or self.last("created")
        if noted:
            return str(noted["at"])
        created = self.operation.created
        return created.isoformat(timespec="milliseconds") if created else None

    @property
    def built_at(self) -> datetime | None:
        """When the folder was built; None without its journal."""
        return clock.moment(self.events[0]["at"]) if self.events else None

    @property
    def thinking(self) -> str | None:
        """The level in every request; None: the model's own. `unknown` without a journal."""
        built = self.last("built")
        return built.get("thinking") if built else "unknown"

    @property
    def asked(self) -> dict[str, Any]:
        """What is kept of its requests beside each response, see `request.identity`.

        Of a folder from before that was kept, the requests say which prompt they have.
        """
        built = self.last("built") or {}
        kept = {name: built.get(name) for name in ("answer", "prompt", "request")}
        if not kept["prompt"]:
            kept["prompt"] = prompts.of_request(self._first_request())
        return kept

    def _first_request(self) -> Any:
        try:
            with self.requests.open("rb") as file:
                return orjson.loads(file.readline())["request"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def cached_content(self) -> str | None:
        """`cachedContents/…` that every request of the batch names, or None."""
        built = self.last("built")
        return built.get("cached_content") if built else None

    @property
    def requests(self) -> Path:
        return self.folder / "requests.jsonl"

    @property
    def responses(self) -> Path:
        return self.folder / "responses.jsonl"

    @property
    def operation(self) -> Operation:
        """The API's last reply about the batch, from batch.json; an empty one without it."""
        try:
            reply = orjson.loads((self.folder / "batch.json").read_bytes())
        except (OSError, ValueError):
            reply = None
        return Operation(reply if isinstance(reply, dict) else {})

    @property
    def retried(self) -> set[int]:
        """Indexes of pages that were finished, and that you wanted to be read again since."""
        return {index for event in self.all("retried") for index in event.get("indexes", ())}

    def held(self) -> list[Line]:
        """The lines of pages that this folder still holds: none where it is closed."""
        if not self.open or self.last("fetched"):
            return []
        applied = self.applied
        return [line for line in self.lines if line["index"] not in applied]

    @property
    def applied(self) -> set[int]:
        """Indexes of the pages whose outcome was applied, or was about to be when a kill came."""
        return {index for event in self.events for index in _released(event)}

    def last(self, *events: Event) -> dict[str, Any] | None:
        """The last event of one of these names, or None."""
        return next((e for e in reversed(self.events) if e["event"] in events), None)

    def all(self, event: Event) -> list[dict[str, Any]]:
        """Every event of that name, oldest first."""
        return [e for e in self.events if e["event"] == event]

    def add(self, event: Event, **facts: Any) -> dict[str, Any]:
        """Add an event to the journal, on disk when this returns; returns the event."""
        noted = {**clock.stamp(), "event": event, **facts}
        self.events.append(noted)
        write_lines(self.folder / "journal.jsonl", self.events)
        return noted

    def set_batch_id(self, batch_id: str) -> None:
        """Write the API's id into every line of the manifest."""
        for line in self.lines:
            line["batch_id"] = batch_id
        write_lines(self.folder / "manifest.jsonl", self.lines)

    def keep_reply(self, reply: dict[str, Any]) -> None:
        """Keep the API's last reply about the batch, verbatim, as batch.json."""
        path = self.folder / "batch.json"
        content = orjson.dumps(reply, option=orjson.OPT_INDENT_2)
        if not path.exists() or path.read_bytes() != content:
            files.write_whole(path, content)


def _released(event: dict[str, Any]) -> Iterator[int]:
    """Indexes of pages that an event lets go of."""
    if event["event"] == "applied":
        for outcome in OUTCOMES:
            yield from event.get(outcome, ())


def new_name(now: datetime, letter: str = "") -> str:
    """A name that sorts by time, and that no other data folder with the same API key uses.

    With the `letter` of its door first.
    """
    return f"{letter}{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def _by_time(folder: Path) -> str:
    """What the names of two doors sort by."""
    return door.without_letter(folder.name)


def request_key(name: str, index: int) -> str:
    """The key of a request: unique among all batches, so that no response fits another batch."""
    return f"{name}-{index:05d}"


def index_of(key: str, name: str) -> int | None:
    """The index in a key that `request_key` made for the batch; None of any other key."""
    prefix, _, index = key.rpartition("-")
    return int(index) if prefix == name and index.isdecimal() else None


def page_of(line: Line) -> PageId:
    """The page of a manifest line."""
    return PageId(line["pdf_path"], line["page_number"])


def write_lines(path: Path, lines: Iterable[Any]) -> None:
    """JSON lines under `path`, whole or not at all."""
    with files.appearing(path) as file, jsonlines.Writer(file, dumps=orjson.dumps) as writer:
        writer.write_all(lines)


def load_batch(folder: Path) -> Batch:
    """Read a folder. Raises `Problem` naming the file and the line where one is damaged."""
    batch = Batch(folder, _read_manifest(folder / "manifest.jsonl"), load_journal(folder))
    wanted = _pages_written(batch)
    if wanted not in (None, len(batch.lines)):
        raise Problem(
            folder / "manifest.jsonl",
            f"has {len(batch.lines)} lines, and was written with {wanted}",
            _fix(folder / "manifest.jsonl"),
        )
    return batch


def _pages_written(batch: Batch) -> Any:
    """How many lines the manifest had: from the journal, or else from the requests; None unknown.

    A manifest that was cut at a line's end looks whole.
    """
    made = batch.last("built", "restored")
    if made:
        return made.get("pages")
    if not batch.requests.is_file():
        return None
    with batch.requests.open("rb") as file:
        return sum(1 for _ in file)


def batch_folders(data_root: Path, place: Callable[[Path], Path] = paths.batches) -> list[Path]:
    """Every batch's folder, by name; one that is being built has a dot before its name.

    `place` is `paths.batches`, or `paths.comparisons`, whose folders are batches' as well.
    """
    return _folders_in(place(data_root))


def aside_folders(data_root: Path) -> list[Path]:
    """Every batch's folder that changes no job: comparisons, their settings, second readings."""
    comparisons = paths.comparisons(data_root)
    each = (path for path in comparisons.glob("[!.]*") if path.is_dir())
    roots = (comparisons, *sorted(each), paths.second_readings(data_root))
    return [folder for root in roots for folder in _folders_in(root)]


def _folders_in(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    ours = ("manifest.jsonl", "journal.jsonl", "requests.jsonl", "batch.json", "responses.jsonl")
    found = (
        folder
        for folder in root.iterdir()
        if not folder.name.startswith(".") and any((folder / name).exists() for name in ours)
    )
    return sorted(found, key=_by_time)


def open_folders(
    data_root: Path,
    db: Database | None = None,
    place: Callable[[Path], Path] = paths.batches,
) -> list[Path]:
    """Folders that are not closed, oldest first; a damaged journal counts as open.

    Of a folder that `db` knows as closed, and that has not changed since, no file is read.
    """
    closed = folders.in_states(db, CLOSED) if db is not None else {}  # name -> stamp
    return [
        folder
        for folder in batch_folders(data_root, place)
        if not (folder.name in closed and closed[folder.name] == folders.stamp(folder))
        and _is_open(folder)
    ]


def _is_open(folder: Path) -> bool:
    try:
        return Batch(folder, [], load_journal(folder)).open
    except Problem:
        return True


def find_batch(data_root: Path, wanted: str, db: Database) -> Batch:
    """The batch that you name: `batches/abc`, `abc`, or the folder's name.

    Every folder is read only where neither its name nor `db` says which one it is. Raises `Problem`
    where none has that name.
    """
    name = wanted.strip().strip("/").removeprefix("batches/")
    ids = (name, f"batches/{name}")
    if not name:
        raise Problem("ID", "is missing", "Give ID=batches/…; make batch-status lists them")
    every = batch_folders(data_root)
    likely = {name, *folders.of_batches(db, ids)}
    every.sort(key=lambda folder: folder.name in likely)  # to the end, from where it is looked for
    damaged = None
    for folder in reversed(every):
        try:
            batch = load_batch(folder)
        except Problem as problem:
            if folder.name == name:
                raise
            damaged = problem
            continue
        if name == folder.name or batch.batch_id in ids or _job_number(batch) == name:
            return batch
    if damaged:
        raise damaged
    raise Problem(
        "ID",
        f"{wanted} is not a batch under {paths.batches(data_root)}",
        "make batch-status lists them",
    )


def _job_number(batch: Batch) -> str | None:
    """Of `projects/…/batchPredictionJobs/123`, what is typed."""
    return batch.batch_id.rpartition("/")[2] if batch.batch_id else None


def load_journal(folder: Path) -> list[dict[str, Any]]:
    """The events of a folder, oldest first; none where the journal is missing.

    Raises `Problem` naming the line where it is damaged.
    """
    path = folder / "journal.jsonl"
    if not path.exists():
        return []  # the manifest and the API say enough to go on
    events = list(_read_lines(path))
    for number, event in enumerate(events, 1):
        _check_event(event, path, number)
    return events


def is_event(event: Any) -> bool:
    """Whether a line of a journal is as `Batch.add` writes it."""
    try:
        _check_event(event, Path("."), 0)
    except Problem:
        return False
    return True


def _check_event(event: Any, path: Path, number: int) -> None:
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise _damaged(path, number, "is not an event")
    try:
        clock.moment(event["at"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, number, "has no time") from None
    if event["event"] == "created" and not isinstance(event.get("batch_id"), str):
        raise _damaged(path, number, "has no batch_id")
    if event["event"] == "uploaded" and not isinstance(event.get("file"), str):
        raise _damaged(path, number, "has no file")
    if not all(type(index) is int for index in _released(event)):
        raise _damaged(path, number, "has an index that is not a number")


def _read_manifest(path: Path) -> list[Line]:
    lines: list[Line] = []
    for number, line in enumerate(_read_lines(path), 1):
        _check_line(line, path, number)
        if lines and line["index"] <= lines[-1]["index"]:
            raise _damaged(path, number, f"index {line['index']} after {lines[-1]['index']}")
        line.setdefault("batch_id", None)
        lines.append(line)
    if not lines:
        raise _damaged(path, 1, "is missing")
    if len({line["key"] for line in lines}) != len(lines):
        raise _damaged(path, len(lines), "a key is there twice")
    if len({line["batch_id"] for line in lines}) != 1:
        raise _damaged(path, len(lines), "more than one batch_id")
    return lines


def _check_line(line: Any, path: Path, number: int) -> None:
    if not isinstance(line, dict):
        raise _damaged(path, number, "is not an object")
    for name, kind in (
        ("index", int),
        ("key", str),
        ("pdf_path", str),
        ("page_number", int),
        ("image_sha256", str),
    ):
        if type(line.get(name)) is not kind:
            raise _damaged(path, number, f"no {name}")
    if not isinstance(line.get("batch_id"), str | None):
        raise _damaged(path, number, "batch_id is not a text")


def _read_lines(path: Path) -> Iterator[Any]:
    try:
        with jsonlines.open(path, loads=orjson.loads) as reader:
            yield from reader
    except jsonlines.InvalidLineError as error:
        raise _damaged(path, error.lineno, "is not JSON") from error
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise Problem(path, what or str(error), _fix(path)) from error


def _damaged(path: Path, number: int, what: str) -> Problem:
    return Problem(f"{path}:{number}", what, _fix(path))


def _fix(path: Path) -> str:
    name = path.parent.name
    return (
        "Restore it from a backup, or put it aside: make batch-fetch makes the manifest of a batch"
        " that was sent again from jobs.db and the requests. Its pages stay as they are until then;"
        f" give them up with make batch-rescue ID={name} SURE=1"
    )
