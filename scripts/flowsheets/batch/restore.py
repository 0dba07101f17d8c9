"""A batch whose folder was lost or closed too early, put together again from jobs.db.

A page's row keeps the batch's id and the page's index in it, and the API keeps the batch's name:
the keys follow from both. So whatever happened to `batches/`, a page that is `submitted` comes to a
true status.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.batch.folder import (
    Batch,
    Line,
    batch_folders,
    load_batch,
    open_folders,
    request_key,
    write_lines,
)
from flowsheets.errors import Problem, warn
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import Operation
from flowsheets.paths import PageId


def lost_folders(db: Database, data_root: Path) -> None:
    """See to it that each batch with `submitted` pages has an open folder; asks the API for names.

    Only for the holder of the `jobs` lock. Raises `ApiProblem`.
    """
    rows = db.execute(
        "SELECT DISTINCT batch_id FROM jobs WHERE status = 'submitted' AND batch_id IS NOT NULL"
    )
    out = {str(batch_id) for (batch_id,) in rows}
    if not out:
        return
    for batch_id in sorted(out - {b.batch_id for b in _loadable(open_folders(data_root))}):
        closed = [b for b in _loadable(batch_folders(data_root)) if b.batch_id == batch_id]
        if closed:
            closed[-1].note("reopened", reason="jobs.db has pages that are still submitted")
        else:
            _restore(batch_id, db, data_root)


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
        return  # damaged, and told by whoever loads it
    rows = db.execute(
        "SELECT within_batch_index, pdf_path, page_number FROM jobs"
        " WHERE batch_id = ? AND within_batch_index IS NOT NULL ORDER BY within_batch_index",
        [batch_id],
    )
    lines = [
        Line(
            index=index,
            key=request_key(name, index),
            pdf_path=pdf_path,
            page_number=page_number,
            image_sha256=_digest(paths.png(data_root, PageId(pdf_path, page_number))),
            batch_id=batch_id,
        )
        for index, pdf_path, page_number in rows
    ]
    if not lines:
        return
    write_lines(folder / "manifest.jsonl", lines)
    batch = load_batch(folder)
    batch.note("restored", pages=len(lines))
    if not batch.last("created"):
        # As the journal would have it, so that prices and what is to be tidied up are right.
        if operation.input_file:
            batch.note("uploaded", file=operation.input_file)
        batch.note("cache_asked")
        sent = batch.note("create_sent", file=operation.input_file, model=operation.model)
        if operation.created:  # the next note writes it down: when it was asked for, not now
            sent["at"] = operation.created.isoformat(timespec="milliseconds")
        batch.note("created", batch_id=batch_id)
    batch.note("bound")
    warn(f"{folder}: its manifest was lost, and is made again from jobs.db ({len(lines)} pages)")


def _operation(batch_id: str) -> Operation:
    """The API's word; of a batch that is gone, nothing."""
    try:
        return Operation(calls.get_batch(batch_id))
    except ApiProblem as problem:
        if problem.code not in (403, 404) or problem.key_refused:
            raise
        return Operation({})


def _name(batch_id: str, name: str | None) -> str:
    """The folder's name, which is the batch's name at the API; of a batch that is gone, its id."""
    own = batch_id.removeprefix("batches/")
    return name if name and "/" not in name and not name.startswith(".") else own


def _digest(png: Path) -> str:
    """Of the image as it is now: nobody knows any more which one was sent."""
    return hashlib.sha256(png.read_bytes()).hexdigest() if png.is_file() else ""
