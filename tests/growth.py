"""A station of many pages, as years of batches leave it, for `make bench GROWTH=`."""

import copy
import io
import json
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from PIL import Image
from sqlite_utils import Database

from flowsheets import clock, files, paths
from flowsheets.batch.folder import Line, request_key, write_lines
from flowsheets.index import stamps, tables
from flowsheets.jobs import database, folders, states
from flowsheets.money import usage
from flowsheets.page.schema import POSITIONS
from flowsheets.paths import PageId

MODEL = "gemini-3.1-pro-preview"
A_BATCH = 40  # pages; 16,000 pages are 400 batches
WAITING = 100  # pages that are not sent yet: half of them are built, the others fetched later
AT = "2026-05-06T04:12:00.690591Z"


def grow(
    data: Path,
    pages: int,
    readings: list[dict[str, Any]],
    response_of: Callable[[str], dict[str, object]],
) -> None:
    """So many completed pages, in batches that are settled, and some pages that wait."""
    db = database.connect(data)
    ids = wait(data, pages + WAITING)
    responses = cycle([response_of(json.dumps(one)) for one in readings])
    for number, begin in enumerate(range(0, pages, A_BATCH), 1):
        _complete(data, db, ids[begin : min(begin + A_BATCH, pages)], number, readings, responses)


def wait(data: Path, pages: int) -> list[PageId]:
    """So many pages that wait to be sent, each with a small image."""
    db = database.connect(data)
    ids = [PageId(f"{n // 10:06d} 1990-04apr0106.pdf", n % 10 + 1) for n in range(pages)]
    states.register(db, ids)
    states.flip(db, ids, "pending", "rendered")
    image = io.BytesIO()
    Image.new("1", (100, 100)).save(image, "PNG")
    files.write_all((paths.png(data, page), image.getvalue()) for page in ids)
    return ids


def fetch_more(
    data: Path, readings: list[dict[str, Any]], response_of: Callable[[str], dict[str, object]]
) -> None:
    """What a fetch leaves: the pages that still wait are completed."""
    db = database.connect(data)
    own = states.in_status(db, "rendered")
    responses = cycle([response_of(json.dumps(one)) for one in readings])
    _complete(data, db, own, folders.last_sequence(db) + 1, readings, responses)


def measure_ink(data: Path) -> None:
    """As `make review` measures the scans of all pages that have a text: each agrees with it."""
    with tables.writing(data) as db:
        pages = db.execute("SELECT page, image_path FROM pages WHERE entry_count > 0").fetchall()
        for page, image in pages:
            sql = "SELECT position, rows_read FROM blocks WHERE page = ?"
            read = dict(db.execute(sql, [page]).fetchall())
            row = [page, *stamps.of(data / image), *(read[one] for one in POSITIONS), *[0] * 8]
            db.conn.execute(f"INSERT OR REPLACE INTO ink VALUES ({', '.join('?' * len(row))})", row)


def _complete(
    data: Path,
    db: Database,
    own: list[PageId],
    number: int,
    readings: list[dict[str, Any]],
    responses: Iterator[dict[str, object]],
) -> None:
    _batch(data, number, own, responses)
    files.write_all(
        (paths.result(data, page), _result(page, reading))
        for page, reading in zip(own, cycle(readings), strict=False)
    )
    _rows(db, data, f"batches/b{number:05d}", own)


def _result(page: PageId, reading: dict[str, Any]) -> bytes:
    """The reading as the page's own: no other page has its rows, and its date is right."""
    own = copy.deepcopy(reading)
    own |= {"page_date_raw": "4/1/90", "model_version": MODEL, "extracted_at": AT}
    for quadrant in own["quadrants"]:
        quadrant["jock_raw"] = f"{quadrant['jock_raw']} {page.pdf_path[:4]}"  # DJs come and go
        for entry in quadrant["entries"]:
            entry["raw_text"] += f" {page.pdf_path[:6]}{page.page_number}"
    return json.dumps(own, indent=2).encode()


def _batch(
    data: Path, number: int, own: list[PageId], responses: Iterator[dict[str, object]]
) -> None:
    """A settled batch's folder; every other one had a prompt cache."""
    batch_id = f"batches/b{number:05d}"
    folder = paths.batches(data) / f"20260101-000000-{number:06d}-0000"
    lines = [
        Line(
            index=index,
            key=request_key(folder.name, index),
            pdf_path=page.pdf_path,
            page_number=page.page_number,
            image_sha256="0" * 64,
            batch_id=batch_id,
        )
        for index, page in enumerate(own)
    ]
    cache = {"cached_content": "cachedContents/c", "cached_tokens": 1200} if number % 2 else {}
    completed = list(range(len(own)))
    events: list[dict[str, Any]] = [
        {"event": "built", "pages": len(own), "sequence": number, "model": MODEL, **cache},
        {"event": "uploaded", "file": "files/f"},
        {"event": "create_sent", "file": "files/f", "model": MODEL},
        {"event": "created", "batch_id": batch_id},
        {"event": "bound"},
        {"event": "applied", "completed": completed},
        {"event": "settled", "completed": len(own), "failed": 0, "returned": 0, "cache_died": 0},
    ]
    write_lines(folder / "manifest.jsonl", lines)
    write_lines(folder / "journal.jsonl", ({**clock.stamp(), **event} for event in events))
    write_lines(
        folder / "responses.jsonl",
        ({"key": line["key"], "response": next(responses)} for line in lines),
    )


def _rows(db: Database, data: Path, batch_id: str, own: list[PageId]) -> None:
    tokens = usage.Tokens(3400, 0, 2600, 0, 6000, "STOP")
    answers = [
        usage.Answer(page, batch_id, "batch", MODEL, MODEL, tokens, "2026-05-06T04:12:00.000+00:00")
        for page in own
    ]
    with database.transaction(db):
        usage.note(db, map(usage.row, answers))
        for index, page in enumerate(own):
            states.flip(
                db,
                [page],
                "rendered",
                "completed",
                batch_id=batch_id,
                within_batch_index=index,
                result_path=str(paths.result(data, page)),
                model_version=MODEL,
            )
