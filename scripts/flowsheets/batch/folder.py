"""A batch's folder, `batches/<name>/`: which page is which line, and what was done with it so far.

manifest.jsonl   a line a page: index, key, pdf_path, page_number, image_sha256, batch_id
requests.jsonl   what is uploaded: {"key", "request"} a line, in the same order
journal.jsonl    a line an event: the intent before each call that counts, the outcome after it
batch.json       the API's last word on the batch, verbatim
responses.jsonl  the result file, verbatim, kept

The folder's name is the batch's `display_name`, by which it is found again at the API. Events, in
the order of a good life: built, uploaded, create_sent, created, bound, settled. Others:
create_failed (nothing was made), create_unclear, upload_lost, refused, cancel_asked, warned,
fetched (what came of how many pages in a run),
file_gone, quarantined, given_back, cache_asked (before built), restored (from jobs.db), reopened.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import jsonlines
import orjson

from flowsheets import files, paths
from flowsheets.errors import Problem
from flowsheets.paths import PageId

# After one of these a folder asks for nothing more.
CLOSING = ("settled", "refused", "given_back")


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
    """A batch's folder as it stands on disk: its manifest's lines and its journal's events."""

    folder: Path
    lines: list[Line]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def batch_id(self) -> str | None:
        """`batches/…`, from the manifest, or from the journal where a kill came between."""
        if self.lines and self.lines[0]["batch_id"]:
            return self.lines[0]["batch_id"]
        created = self.last("created")
        return created["batch_id"] if created else None

    @property
    def pages(self) -> list[PageId]:
        return [page_of(line) for line in self.lines]

    @property
    def open(self) -> bool:
        return _open(self.events)

    @property
    def may_be_sent(self) -> bool:
        """Whether a create was carried out, or may have been."""
        words = ("create_sent", "create_unclear", "create_failed", "created")
        last = self.last(*words)
        return last is not None and last["event"] != "create_failed"

    @property
    def cached_content(self) -> str | None:
        """`cachedContents/…` that every request of the batch names, or None."""
        built = self.last("built")
        return built.get("cached_content") if built else None

    def last(self, *names: str) -> dict[str, Any] | None:
        """The last event of one of these names, or None."""
        return next((e for e in reversed(self.events) if e["event"] in names), None)

    def note(self, event: str, **facts: Any) -> dict[str, Any]:
        """Add an event to the journal, on disk when this returns; returns the event."""
        noted = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            **facts,
        }
        self.events.append(noted)
        write_lines(self.folder / "journal.jsonl", self.events)
        return noted

    def set_batch_id(self, batch_id: str) -> None:
        """Write the API's id into every line of the manifest."""
        for line in self.lines:
            line["batch_id"] = batch_id
        write_lines(self.folder / "manifest.jsonl", self.lines)


def new_name(now: datetime) -> str:
    """A name that sorts by time, and that no other data folder with the same API key uses."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def request_key(name: str, index: int) -> str:
    """The key of a request: unique among all batches, so that no response fits another batch."""
    return f"{name}-{index:05d}"


def page_of(line: Line) -> PageId:
    """The page that a manifest line stands for."""
    return PageId(line["pdf_path"], line["page_number"])


def write_lines(path: Path, lines: Iterable[Any]) -> None:
    """JSON lines under `path`, whole or not at all."""
    with files.appearing(path) as file, jsonlines.Writer(file, dumps=orjson.dumps) as writer:
        writer.write_all(lines)


def load_batch(folder: Path) -> Batch:
    """Read a folder. Raises `Problem` naming the file and the line where one is damaged."""
    return Batch(folder, _read_manifest(folder / "manifest.jsonl"), _read_journal(folder))


def batch_folders(data_root: Path, place: Callable[[Path], Path] = paths.batches) -> list[Path]:
    """Every batch's folder, oldest first; one that is being built has a dot before its name.

    `place` is `paths.batches`, or `paths.comparisons`, whose folders are batches' as well.
    """
    root = place(data_root)
    if not root.is_dir():
        return []
    ours = ("manifest.jsonl", "journal.jsonl")
    return sorted(
        folder
        for folder in root.iterdir()
        if not folder.name.startswith(".") and any((folder / name).exists() for name in ours)
    )


def open_folders(data_root: Path, place: Callable[[Path], Path] = paths.batches) -> Iterator[Path]:
    """Folders that are not closed, oldest first; a damaged journal counts as open."""
    for folder in batch_folders(data_root, place):
        try:
            events = _read_journal(folder)
        except Problem:
            events = []
        if _open(events):
            yield folder


def find_batch(data_root: Path, wanted: str) -> Batch:
    """The batch that a person names: `batches/abc`, `abc`, or the folder's name.

    Raises `Problem` where nothing is named so.
    """
    name = wanted.strip().strip("/").removeprefix("batches/")
    if not name:
        raise Problem("ID", "is missing", "Give ID=batches/…; make batch-status lists them")
    damaged = None
    for folder in reversed(batch_folders(data_root)):
        try:
            batch = load_batch(folder)
        except Problem as problem:
            if folder.name == name:
                raise
            damaged = problem
            continue
        if name == folder.name or batch.batch_id == f"batches/{name}":
            return batch
    if damaged:
        raise damaged
    raise Problem(
        "ID", f"no batch {wanted} under {paths.batches(data_root)}", "make batch-status lists them"
    )


def _open(events: list[dict[str, Any]]) -> bool:
    words = [e["event"] for e in events if e["event"] in (*CLOSING, "reopened")]
    return not words or words[-1] == "reopened"


def _read_journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "journal.jsonl"
    if not path.exists():
        return []  # the manifest and the API say enough to go on
    events = list(_read_lines(path))
    for number, event in enumerate(events, 1):
        if not isinstance(event, dict) or "event" not in event or "at" not in event:
            raise _damaged(path, number, "no event")
    return events


def _read_manifest(path: Path) -> list[Line]:
    lines: list[Line] = []
    for number, line in enumerate(_read_lines(path), 1):
        if not isinstance(line, dict):
            raise _damaged(path, number, "no object")
        for name, kind in (
            ("index", int),
            ("key", str),
            ("pdf_path", str),
            ("page_number", int),
            ("image_sha256", str),
        ):
            if not isinstance(line.get(name), kind):
                raise _damaged(path, number, f"no {name}")
        if lines and line["index"] <= lines[-1]["index"]:
            raise _damaged(path, number, f"index {line['index']} after {lines[-1]['index']}")
        line.setdefault("batch_id", None)
        lines.append(line)  # type: ignore[arg-type]
    if not lines:
        raise _damaged(path, 1, "no line")
    if len({line["key"] for line in lines}) != len(lines):
        raise _damaged(path, len(lines), "a key stands twice")
    if len({line["batch_id"] for line in lines}) != 1:
        raise _damaged(path, len(lines), "more than one batch_id")
    return lines


def _read_lines(path: Path) -> Iterator[Any]:
    try:
        with jsonlines.open(path, loads=orjson.loads) as reader:
            yield from reader
    except jsonlines.InvalidLineError as error:
        raise _damaged(path, error.lineno, "no JSON") from error
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise Problem(path, what or str(error), _FIX) from error


def _damaged(path: Path, number: int, what: str) -> Problem:
    return Problem(f"{path}:{number}", what, _FIX)


_FIX = (
    "Restore it from a backup, or put it aside: make batch-fetch makes the manifest of a batch"
    " that was sent again from jobs.db. Its pages stay as they are until then"
)
