"""Second readings held against the first: what differs, as rows of flowsheets.db.

A page is compared again where its second reading, its text or its image is another file than it
was; what of it is gone is forgotten. The first reading is what the index has of the page.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import display, paths
from flowsheets.accuracy import disagreement, second_reading
from flowsheets.accuracy.disagreement import Disagreement
from flowsheets.accuracy.second_reading import OCR, About
from flowsheets.errors import warn
from flowsheets.index import stamps
from flowsheets.index.from_results import LARGEST_ROW
from flowsheets.page import shapes, verified
from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import KeptEntry, KeptPage, KeptQuadrant

# Why a second reading is not held against the first one.
NO_FIRST = "the page has no first reading"
OTHER_IMAGE = "its image is another one than the page has now"
DAMAGED = "its file is damaged"
NO_FORM = "it found no form on the page"
VERIFIED = "a person verified the page"

LETTERS = 1000  # of a text that are kept; a row has some thirty

Key = tuple[str, str]  # page, folder of the reader


class _Compared(NamedTuple):
    """One second reading, None where its file is damaged, and what it has differently."""

    about: About | None
    text: KeptPage | None
    not_compared: str | None
    found: list[Disagreement]


def update(db: Database, data_root: Path) -> None:
    """Bring `second_readings` and `disagreements` up to date, in the transaction `db` is in.

    A damaged file is one warning, and readings of images that have changed are one together.
    """
    now = {(page, folder): file for folder, page, file in second_reading.all_files(data_root)}
    before = dict(_stamps(db))
    if not now and not before:
        return
    twice = {page for page, _ in now}
    sql = "SELECT p.page, s.stamp FROM pages p LEFT JOIN sources s USING (page)"
    firsts = {page: _short(stamp) for page, stamp in db.execute(sql) if page in twice}
    images = str(paths.pngs(data_root))  # a text: there may be sixteen thousand pages
    states = {
        (page, folder): str((stamps.of(file.path), stamps.of(f"{images}/{page}.png"), firsts[page]))
        for (page, folder), file in now.items()
        if page in firsts
    }
    _forget(db, [key for key in before if before[key] != states.get(key)])
    for key, stamp in states.items():
        if before.get(key) != stamp:
            _store(db, key, stamp, _compared(db, data_root, key[0], Path(now[key].path)))
    _warn(db)


def _stamps(db: Database) -> Iterator[tuple[Key, str]]:
    for page, folder, stamp in db.execute("SELECT page, folder, stamp FROM second_readings"):
        yield (page, folder), stamp


def _short(stamp: str | None) -> str | None:
    """A text's stamp, which names all its files, as a few letters."""
    return hashlib.sha256(stamp.encode()).hexdigest()[:16] if stamp else None


def _forget(db: Database, keys: list[Key]) -> None:
    for table in ("disagreements", "second_readings"):
        db.conn.executemany(f"DELETE FROM {table} WHERE page = ? AND folder = ?", keys)


def _compared(db: Database, data_root: Path, page: str, file: Path) -> _Compared:
    try:
        content = file.read_bytes()
        about, text = second_reading.about(content), shapes.read(content)
    except (OSError, ValueError) as error:
        return _Compared(None, None, f"{DAMAGED} ({display.plain(shapes.why(error))})", [])
    first = _first(db, page)
    if why := _not_compared(db, data_root, page, about, text, first):
        return _Compared(about, text, why, [])
    assert first is not None
    return _Compared(about, text, None, disagreement.of(first, text, about.reader.witness))


def _not_compared(
    db: Database, data_root: Path, page: str, about: About, text: KeptPage, first: KeptPage | None
) -> str | None:
    if first is None:
        return NO_FIRST
    sql = "SELECT verified FROM pages WHERE page = ?"
    if db.execute(sql, [page]).fetchone() == (verified.COMPLETE,):
        return VERIFIED
    try:
        shown = second_reading.digest((paths.pngs(data_root) / f"{page}.png").read_bytes())
    except OSError:
        shown = about.image_sha256  # nothing contradicts it
    if shown != about.image_sha256:
        return OTHER_IMAGE
    if about.reader.model == OCR and text.oddities and not any(q.entries for q in text.quadrants):
        return NO_FORM
    return None


def _first(db: Database, page: str) -> KeptPage | None:
    """The page as the index has it; None where it has no text."""
    blocks = {
        position: KeptQuadrant(position=position, hour_raw=hour, jock_raw=jock)
        for position, hour, jock in db.execute(
            "SELECT position, hour_raw, jock_raw FROM blocks WHERE page = ?", [page]
        )
    }
    if len(blocks) < len(POSITIONS):
        return None
    columns = ("row_index", "raw_text", "type_raw", "confidence", "notes")
    sql = f"SELECT position, {', '.join(columns)} FROM entries WHERE page = ? ORDER BY ordinal"
    for position, *values in db.execute(sql, [page]):
        entry = KeptEntry.model_construct(**dict(zip(columns, values, strict=True)))
        blocks[position].entries.append(entry)
    date = db.execute("SELECT page_date_raw FROM pages WHERE page = ?", [page]).fetchone()[0]
    return KeptPage(page_date_raw=date, quadrants=list(blocks.values()))


def _store(db: Database, key: Key, stamp: str, one: _Compared) -> None:
    page, folder = key
    model = display.shortened(one.about.reader.name if one.about else folder, 100)
    score = disagreement.score(one.found)
    listed = one.about is not None and score >= one.about.reader.witness.listed
    read_at = one.text.extracted_at if one.text else None
    differs = f"reads otherwise: {disagreement.in_words(one.found)}" if one.found else "reads alike"
    reading = {
        "page": page,
        "folder": folder,
        "model": model,
        "model_version": one.text.model_version if one.text else None,
        "read_at": read_at.isoformat() if read_at else None,
        "image_sha256": one.about.image_sha256 if one.about else None,
        "not_compared": one.not_compared,
        "differences": len(one.found) if one.not_compared is None else None,
        "score": score if one.not_compared is None else None,
        "listed": int(listed),
        "detail": f"{model} {differs}.",
        "stamp": stamp,
    }
    _insert(db, "second_readings", [reading])
    sql = "SELECT pdf_path, page_number FROM pages WHERE page = ?"
    pdf_path, number = db.execute(sql, [page]).fetchone()
    where = {"page": page, "pdf_path": pdf_path, "page_number": number, "folder": folder}
    _insert(db, "disagreements", [where | {"model": model} | _row(found) for found in one.found])


def _row(found: Disagreement) -> dict[str, Any]:
    return found._asdict() | {
        "row_index": _column(found.row_index),
        "second_row": _column(found.second_row),
        "first": found.first and found.first[:LETTERS],
        "second": found.second and found.second[:LETTERS],
    }


def _column(row: int | None) -> int | None:
    return None if row is None else min(max(row, -LARGEST_ROW), LARGEST_ROW)


def _insert(db: Database, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        values = ", ".join(f":{column}" for column in rows[0])
        sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({values})"
        db.conn.executemany(sql, rows)


def _warn(db: Database) -> None:
    """What of the second readings is of no use, and what to do about it."""
    for pattern, what in (
        (OTHER_IMAGE, "are of another image than the page has now, and are not compared"),
        (f"{DAMAGED}%", "are damaged files, and are not compared"),
    ):
        sql = "SELECT count(*), min(page) FROM second_readings WHERE not_compared LIKE ?"
        count, first = db.execute(sql, [pattern]).fetchone()
        if count:
            warn(f"second readings that {what}: {count}. First {first}; make second reads it again")
