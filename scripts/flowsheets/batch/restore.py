"""A batch whose folder or manifest was lost, or that was closed too early, from jobs.db.

A page's row keeps the batch's id and the page's index in it, and the API keeps the batch's name:
the keys follow from both. So whatever happened to `batches/`, a page that is `submitted` comes to a
true status.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from flowsheets import files, paths
from flowsheets.batch import images
from flowsheets.batch.folder import (
    Batch,
    Line,
    batch_folders,
    index_of,
    is_event,
    load_batch,
    load_journal,
    open_folders,
    request_key,
    write_lines,
)
from flowsheets.errors import Problem, warn
from flowsheets.gemini.operation import Operation
from flowsheets.jobs import folders, states
from flowsheets.money import usage
from flowsheets.paths import PageId


def lost_folders(db: Database, data_root: Path) -> None:
    """See to it that each batch with `submitted` pages has an open folder; asks the API for names.

    Only for the holder of the `jobs` lock. Raises `ApiProblem`.
    """
    out = states.batches_out(db)
    if not out:
        return
    for batch_id in sorted(out - {b.batch_id for b in _loadable(open_folders(data_root, db))}):
        closed = [b for b in _loadable(batch_folders(data_root)) if b.batch_id == batch_id]
        if closed:
            _add_lines_of_rows(closed[-1], db)
            closed[-1].add("reopened", reason="jobs.db has pages that are still submitted")
        else:
            _restore(batch_id, db, data_root)


def _add_lines_of_rows(batch: Batch, db: Database) -> None:
    """Lines that the manifest lost, of pages that jobs.db has in the batch."""
    known = {line["index"]: line for line in batch.lines}
    lines = _from_rows(batch.folder, db, batch.batch_id) | known
    if len(lines) == len(known):
        return
    files.put_aside(batch.folder / "manifest.jsonl")
    write_lines(batch.folder / "manifest.jsonl", (line for _, line in sorted(lines.items())))
    batch.add("restored", pages=len(lines))
    warn(f"{batch.folder}: its manifest was cut, and is made again from jobs.db")


def mend_manifest(folder: Path, db: Database) -> bool:
    """Make a manifest again that was cut or is missing; false where too little is known.

    From jobs.db, what is whole of the damaged one, and the images in requests.jsonl. Asks no API;
    for the holder of the `jobs` lock. The damaged one is kept beside it.
    """
    path = folder / "manifest.jsonl"
    batch = _what_is_whole(folder)
    whole = {line["index"]: line for line in batch.lines}
    batch_id = _known_id(batch, db)
    wanted = _count(batch)
    if whole and len(whole) == wanted == len(list(_whole_lines(path))):
        return False  # it is the journal that is damaged
    rows = _from_rows(folder, db, batch_id)
    lines = rows | whole
    if len(lines) != wanted:
        lines = _from_requests(folder, db) | lines
    if not lines or (len(lines) != wanted if wanted else not batch.requests.exists()):
        return False
    what = "damaged" if path.exists() else "lost"
    if path.exists():
        files.put_aside(path)
    write_lines(path, (line | {"batch_id": batch_id} for _, line in sorted(lines.items())))
    source = "jobs.db" if len(lines) == len(rows) else "what else is kept of it"
    warn(f"{folder}: its manifest was {what}, and is made again from {source} ({len(lines)} pages)")
    return True


def _count(batch: Batch) -> int | None:
    """Pages of the batch; None where neither its journal nor its requests say."""
    built = batch.last("built", "restored")
    if built and isinstance(built.get("pages"), int):
        return int(built["pages"])
    if not batch.requests.is_file():
        return None
    with batch.requests.open("rb") as file:
        return sum(1 for _ in file)


def _what_is_whole(folder: Path) -> Batch:
    """A damaged folder as far as its lines can be read."""
    events = [
        one
        for one in _whole_lines(folder / "journal.jsonl")
        if isinstance(one, dict) and is_event(one)
    ]
    return Batch(folder, list(_readable(folder / "manifest.jsonl")), events)


def _known_id(batch: Batch, db: Database) -> str | None:
    """The batch's id, by its own files, or by what this database took in of them."""
    return batch.batch_id or folders.batch_ids(db).get(batch.name)


def _from_rows(folder: Path, db: Database, batch_id: str | None) -> dict[int, Line]:
    data_root = folder.parents[1]
    rows = states.of_batch(db, batch_id) if batch_id else []
    return {i: _line(folder.name, i, page, str(batch_id), data_root) for i, page in rows}


def _from_requests(folder: Path, db: Database) -> dict[int, Line]:
    """Each request's line, of the page that has the very image that was sent."""
    lines: dict[int, Line] = {}
    taken: set[PageId] = set()
    pages = _PagesByImage(db, folder.parents[1])
    for key, image in images.all_sent(folder / "requests.jsonl"):
        index = index_of(key, folder.name)
        page = next((page for page in pages.with_image(image) if page not in taken), None)
        if page is None or index is None:
            continue
        taken.add(page)
        lines[index] = Line(
            index=index,
            key=key,
            pdf_path=page.pdf_path,
            page_number=page.page_number,
            image_sha256=_digest(paths.png(folder.parents[1], page)),
            batch_id=None,
        )
    return lines


class _PagesByImage:
    """The pages that show a given image."""

    def __init__(self, db: Database, data_root: Path) -> None:
        self._db = db
        self._data_root = data_root

    def with_image(self, image: bytes) -> Iterator[PageId]:
        """A PNG is the page's own file; one that was sent as WebP has the pixels of that file."""
        if image.startswith(b"\x89PNG"):
            digest = hashlib.sha256(image).hexdigest()
            for page in self._by_size.get(len(image), ()):
                if _digest(paths.png(self._data_root, page)) == digest:
                    yield page
        else:
            yield from self._by_pixels.get(images.pixels(image), ())

    @cached_property
    def _by_size(self) -> dict[int, list[PageId]]:
        """Size of an image in bytes -> the pages whose images have it: few are looked into."""
        by_size: dict[int, list[PageId]] = {}
        for page in states.all_pages(self._db):
            with suppress(OSError):
                by_size.setdefault(paths.png(self._data_root, page).stat().st_size, []).append(page)
        return by_size

    @cached_property
    def _by_pixels(self) -> dict[str | None, list[PageId]]:
        """What an image shows -> the pages that show it: 50 ms a page, and hardly ever wanted."""
        by_pixels: dict[str | None, list[PageId]] = {}
        for page in states.all_pages(self._db):
            with suppress(OSError):
                shown = images.pixels(paths.png(self._data_root, page).read_bytes())
                by_pixels.setdefault(shown, []).append(page)
        by_pixels.pop(None, None)
        return by_pixels


def _readable(path: Path) -> Iterable[Line]:
    """The lines of a damaged manifest that are whole."""
    for line in _whole_lines(path):
        with suppress(ValueError, KeyError, TypeError):
            yield Line(
                index=int(line["index"]),
                key=str(line["key"]),
                pdf_path=str(line["pdf_path"]),
                page_number=int(line["page_number"]),
                image_sha256=str(line["image_sha256"]),
                batch_id=line.get("batch_id"),
            )


def _whole_lines(path: Path) -> Iterable[Any]:
    """The lines of a damaged file that are JSON; none where it is missing."""
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError:
        return
    for one in raw:
        with suppress(ValueError):
            yield orjson.loads(one)


# --- what is not known any more -----------------------------------------------------------------


def refuse_while_pages_are_unknown(db: Database, data_root: Path) -> None:
    """Whoever is about to pay asks first whether a damaged folder may have its pages out.

    Raises `Problem` where a folder cannot be read, was sent or may have been, and jobs.db does not
    know all of its pages either: one of the pages that wait may be billed already.
    """
    for folder in batch_folders(data_root):
        try:
            load_batch(folder)
        except Problem as problem:
            if not _all_known(folder, db):
                raise Problem(
                    folder,
                    "cannot be read, and jobs.db does not know which pages it has out; nothing is"
                    f" sent until then, as it may be billed already ({problem.message})",
                    "Restore its files from a backup, or give it up, which may be billed twice:"
                    f" make batch-rescue ID={folder.name} SURE=1",
                ) from problem


def _all_known(folder: Path, db: Database) -> bool:
    """Whether jobs.db or a result says for each page of a damaged folder what became of it."""
    batch = _what_is_whole(folder)
    events = {one["event"] for one in batch.events}
    journal_is_whole = "built" in events and _is_whole(folder)
    if journal_is_whole and not events & {"create_sent", "created"}:
        return True  # never sent
    wanted = _count(batch)
    batch_id = _known_id(batch, db)
    if wanted is None or not (batch_id or events & {"refused", "given_back"}):
        return False
    known = {page for _, page in states.of_batch(db, batch_id)} if batch_id else set()
    known |= usage.pages_of_batch(db, batch_id) if batch_id else set()
    data_root = folder.parents[1]
    known |= {page for page in batch.pages if paths.result(data_root, page).exists()}
    returned = {index for one in batch.all("applied") for index in one.get("returned", ())}
    return len(known) + len(returned) >= wanted or bool(events & {"refused", "given_back"})


def _is_whole(folder: Path) -> bool:
    try:
        return bool(load_journal(folder))
    except Problem:
        return False


def put_aside(folder: Path) -> Path:
    """Take a folder that cannot be read out of the way, by a person's decision: its new name."""
    kept = folder.with_name(f".{folder.name}.given_up")
    files.rename(folder, kept)
    return kept


def _loadable(folders: Iterable[Path]) -> list[Batch]:
    batches = []
    for folder in folders:
        try:
            batches.append(load_batch(folder))
        except Problem:
            continue  # reported by the command that works on it
    return batches


def _restore(batch_id: str, db: Database, data_root: Path) -> None:
    operation = _operation(batch_id)
    name = _name(batch_id, operation.name)
    folder = paths.batches(data_root) / name
    if (folder / "manifest.jsonl").exists() or not (_all_known(folder, db) or not folder.is_dir()):
        return  # damaged, and reported by the command that loads it
    lines = [
        _line(name, index, page, batch_id, data_root)
        for index, page in states.of_batch(db, batch_id)
    ]
    if not lines:
        return
    write_lines(folder / "manifest.jsonl", lines)
    batch = Batch(folder, lines, load_journal(folder))
    batch.add("restored", pages=len(lines))
    if not batch.last("created"):
        # As the journal would have it, so that prices and what is to be cleaned up are right.
        if operation.input_file:
            batch.add("uploaded", file=operation.input_file)
        batch.add("cache_asked")
        sent = batch.add("create_sent", file=operation.input_file, model=operation.model)
        if operation.created:  # the next event writes it down: when it was created, not now
            sent["at"] = operation.created.isoformat(timespec="milliseconds")
            sent.pop("boot", None)
        batch.add("created", batch_id=batch_id)
    batch.add("bound")
    warn(f"{folder}: its manifest was lost, and is made again from jobs.db ({len(lines)} pages)")


def _line(name: str, index: int, page: PageId, batch_id: str, data_root: Path) -> Line:
    return Line(
        index=index,
        key=request_key(name, index),
        pdf_path=page.pdf_path,
        page_number=page.page_number,
        image_sha256=_digest(paths.png(data_root, page)),
        batch_id=batch_id,
    )


def _operation(batch_id: str) -> Operation:
    """The API's last reply; of a batch that is gone, an empty one."""
    from flowsheets.gemini import door  # hardly ever wanted here
    from flowsheets.gemini.client import ApiProblem

    try:
        return Operation(door.of({}, batch_id, "").get(batch_id))
    except ApiProblem as problem:
        if not problem.gone:
            raise
        return Operation({})


def _name(batch_id: str, name: str | None) -> str:
    """The folder's name, which is the batch's name at the API; of a batch that is gone, its id."""
    own = batch_id.rpartition("/")[2]
    return name if name and "/" not in name and not name.startswith(".") else own


def _digest(png: Path) -> str:
    """Of the image as it is now: which one was sent is not known any more."""
    return hashlib.sha256(png.read_bytes()).hexdigest() if png.is_file() else ""
