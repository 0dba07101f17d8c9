"""Second readings in batches: which pages a reader was paid for, and what it read.

second/<name>/ is a batch's folder like those of batches/, with the responses verbatim; the readings
in second/readings/ are made from it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from flowsheets import paths
from flowsheets.accuracy import second_reading
from flowsheets.accuracy.second_reading import About, Reader
from flowsheets.batch import aside, images
from flowsheets.batch.folder import Batch, batch_folders, load_batch, page_of
from flowsheets.errors import Problem
from flowsheets.jobs import folders, states
from flowsheets.page import schema
from flowsheets.paths import PageId
from flowsheets.settings import Settings

NAME = aside.Name("make second", "read")
Image = tuple[PageId, str]  # a page, and the digest of its image


def asked_with(settings: Settings) -> Reader:
    """The reader that these settings ask."""
    return Reader(settings.model, settings.thinking, settings.media_resolution)


def all_batches(data_root: Path) -> list[Batch]:
    """Every batch of second readings, oldest first.

    Raises `Problem` where a folder is damaged: which of its pages were paid for is not known.
    """
    found = []
    for folder in batch_folders(data_root, paths.second_readings):
        try:
            found.append(load_batch(folder))
        except Problem as problem:
            where, what, _ = problem.told
            fix = f"Restore it; or remove {folder}, and its pages may be billed again"
            raise Problem(where, what, fix) from problem
    return found


def reader(batch: Batch) -> Reader:
    """Who was asked and how: the model from the journal, the rest from the requests."""
    try:
        with batch.requests.open("rb") as file:
            request = orjson.loads(file.readline())["request"]
        level = _level(request)
    except (OSError, ValueError, *_NO_REQUEST):
        level = None
    return Reader(batch.model or "unknown", batch.thinking, level)


_NO_REQUEST = (AttributeError, IndexError, KeyError, StopIteration, TypeError)


def _level(request: Any) -> str | None:
    """The media resolution in a request, as the setting has it. Raises one of `_NO_REQUEST`."""
    level = request["generationConfig"].get("mediaResolution")
    if level is None:
        parts = request["contents"][0]["parts"]
        level = next(part["mediaResolution"]["level"] for part in parts if "inlineData" in part)
    return str(level).removeprefix("MEDIA_RESOLUTION_").lower()


def paid_for(batches: Iterable[Batch], who: Reader) -> set[Image]:
    """What this reader read, or is about to: none of it is paid for again.

    A page that was not billed may be asked for again: its response never came, or was an error. Of
    a batch whose result file is gone every page counts as billed.
    """
    found: set[Image] = set()
    for batch in batches:
        if batch.state in ("refused", "given_back") or reader(batch) != who:
            continue
        lines = batch.lines
        if not batch.open and batch.responses.exists():
            billed = {answer.page for answer in aside.paid(batch)}
            lines = [line for line in lines if page_of(line) in billed]
        found |= {(page_of(line), line["image_sha256"]) for line in lines}
    return found


def write_readings(data_root: Path, batches: Iterable[Batch]) -> int:
    """Write what the batches' responses hold and is not there yet; returns how many pages.

    Of a page that a reader has read twice, since its image had changed, the later reading counts.
    """
    written = 0
    seen: set[tuple[Reader, PageId]] = set()
    for batch in reversed([batch for batch in batches if batch.state == "settled"]):
        who = reader(batch)
        there = {
            page_of(line)
            for line in batch.lines
            if second_reading.read_of(data_root, who, page_of(line)) == line["image_sha256"]
        }
        wanted = {page for page in batch.pages if page not in there and (who, page) not in seen}
        for page in _write(data_root, batch, who, wanted) if wanted else ():
            there.add(page)
            written += 1
        seen |= {(who, page) for page in there}
    return written


def _write(data_root: Path, batch: Batch, who: Reader, wanted: set[PageId]) -> Iterator[PageId]:
    """Write these pages' readings, as far as their responses are pages; gives those."""
    readings = aside.readings(batch)
    versions = {answer.page: answer.model_version for answer in aside.paid(batch)}
    for line in batch.lines:
        page, reading = page_of(line), readings.get(line["index"])
        if reading is not None and page in wanted:
            result = schema.result(reading, versions.get(page) or who.model)
            about = About(who, line["image_sha256"], batch.name)
            second_reading.write(data_root, page, result, about)
            yield page


def changed(db: Database, data_root: Path, pages: Iterable[PageId]) -> list[PageId]:
    """Pages whose image shows something else than the one that their result was read from.

    What was sent is known of pages that a batch read; of the others nothing says that it changed.
    """
    rows = states.rows_of(db, pages)
    batch_of = {page: row["batch_id"] for page, row in rows.items() if row["batch_id"]}
    names = set(folders.of_batches(db, set(batch_of.values())))
    found = (
        _changed_since(paths.batches(data_root) / name, batch_of, data_root)
        for name in sorted(names)
    )
    return [page for pages in found for page in pages]


def _changed_since(folder: Path, batch_of: dict[PageId, str], data_root: Path) -> list[PageId]:
    try:
        batch = load_batch(folder)
    except Problem:
        return []  # nothing says that they changed; batch-fetch reports the folder
    lines = [line for line in batch.lines if batch_of.get(page_of(line)) == batch.batch_id]
    return [page_of(line) for line in lines if not images.unchanged(batch, data_root, line)]
