"""A batch whose folder or manifest was lost, or that was closed too early, from jobs.db.

A page's row keeps the batch's id and the page's index in it, and the API keeps the batch's name:
the keys follow from both. So whatever happened to `batches/`, a page that is `submitted` comes to a
true status.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import orjson
from sqlite_utils import Database

from flowsheets import files, paths
from flowsheets.batch.folder import (
    Batch,
    Line,
    batch_folders,
    load_batch,
    load_journal,
    open_folders,
    request_key,
    write_lines,
)
from flowsheets.errors import Problem, warn
from flowsheets.gemini.operation import Operation
from flowsheets.jobs import states
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
            closed[-1].add("reopened", reason="jobs.db has pages that are still submitted")
        else:
            _restore(batch_id, db, data_root)


def mend_manifest(folder: Path, db: Database) -> bool:
    """Make a manifest again that was cut or is missing; false where jobs.db knows too little.

    Asks no API; for the holder of the `jobs` lock. The damaged one is kept beside it.
    Raises `Problem` where the journal is damaged as well.
    """
    batch = Batch(folder, [], load_journal(folder))
    built = batch.last("built", "restored")
    if not (built and batch.batch_id):
        return False
    path = folder / "manifest.jsonl"
    data_root = folder.parents[1]
    lines = {
        index: _line(folder.name, index, page, batch.batch_id, data_root)
        for index, page in states.of_batch(db, batch.batch_id)
    }
    lines |= {line["index"]: line for line in _readable(path, batch.batch_id)}
    if len(lines) != built.get("pages"):
        return False
    what = "damaged" if path.exists() else "lost"
    if path.exists():
        files.put_aside(path)
    write_lines(path, (line for _, line in sorted(lines.items())))
    warn(f"{folder}: its manifest was {what}, and is made again from jobs.db ({len(lines)} pages)")
    return True


def _readable(path: Path, batch_id: str) -> Iterable[Line]:
    """The lines of a damaged manifest that are whole."""
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError:
        return
    for one in raw:
        with suppress(ValueError, KeyError, TypeError):
            line = orjson.loads(one)
            yield Line(
                index=int(line["index"]),
                key=str(line["key"]),
                pdf_path=str(line["pdf_path"]),
                page_number=int(line["page_number"]),
                image_sha256=str(line["image_sha256"]),
                batch_id=batch_id,
            )


def _loadable(folders: Iterable[Path]) -> list[Batch]:
    batches = []
    for folder in folders:
        try:
            batches.append(load_batch(folder))
        except Problem:
            continue  # whoever works on that folder says so
    return batches


def _restore(batch_id: str, db: Database, data_root: Path) -> None:
    operation = _operation(batch_id)
    name = _name(batch_id, operation.name)
    folder = paths.batches(data_root) / name
    if (folder / "manifest.jsonl").exists():
        return  # damaged, and reported by whoever loads it
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
    from flowsheets.gemini import calls  # hardly ever wanted here
    from flowsheets.gemini.client import ApiProblem

    try:
        return Operation(calls.get_batch(batch_id))
    except ApiProblem as problem:
        if not problem.gone:
            raise
        return Operation({})


def _name(batch_id: str, name: str | None) -> str:
    """The folder's name, which is the batch's name at the API; of a batch that is gone, its id."""
    own = batch_id.removeprefix("batches/")
    return name if name and "/" not in name and not name.startswith(".") else own


def _digest(png: Path) -> str:
    """Of the image as it is now: which one was sent is not known any more."""
    return hashlib.sha256(png.read_bytes()).hexdigest() if png.is_file() else ""
