"""Finished pages in a station's data folder, as fetch and process leave them."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flowsheets import paths, settings
from flowsheets.index import tables, update
from flowsheets.index.update import Tally
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from pages import reading
from station import PDF, Station

OURS = {"model_version": "gemini-x", "extracted_at": "2026-05-06T04:12:00.690591Z"}

STEM = "1990-04apr0106"  # the PDF's name
# A reviewer as the existing verifier writes one, and that time as the index has it.
ADA = {"user_id": 7, "username": "ada", "real_name": "Ada L.", "verified_at": "2026-03-01T10:00:00"}
AT = "2026-03-01T10:00:00+00:00"


def row(row_index: int, text: str, confidence: str = "high", **more: Any) -> dict[str, Any]:
    """One entry."""
    entry = {"row_index": row_index, "raw_text": text, "confidence": confidence}
    return {**entry, "type_raw": None, "notes": None, "oddities": [], **more}


def sheet(*rows: dict[str, Any], date: str = "Sun 4/1/90", **more: Any) -> dict[str, Any]:
    """A page whose first block has these rows; `more` goes into that block."""
    page = reading()
    page["page_date_raw"] = date
    page["quadrants"][0] |= {"entries": list(rows), **more}
    return page


def put(station: Station, number: int, page: dict[str, Any], pdf: str = PDF) -> Path:
    """Make a page completed with that result; returns the result's path."""
    station.data.mkdir(exist_ok=True)
    db = database.connect(station.data)
    one = PageId(pdf, number)
    states.register(db, [one])
    states.flip(db, [one], ("pending", "rendered", "completed"), "completed")
    db.close()
    path = paths.result(station.data, one)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**page, **OURS}))
    return path


def indexed_anew(station: Station) -> Tally:
    """What `make index` does, without a process of its own."""
    with patch.dict(os.environ, station.environment()):
        config = settings.load()
    jobs_db = database.connect(station.data)
    with tables.writing(station.data) as db:
        tally = update.update(config, jobs_db, db)
    jobs_db.close()
    return tally


def indexed(station: Station, sql: str) -> list[tuple[Any, ...]]:
    """What flowsheets.db answers to a question, once it is up to date."""
    indexed_anew(station)
    return ask(station, sql)


def ask(station: Station, sql: str) -> list[tuple[Any, ...]]:
    """What flowsheets.db answers as it is, opened as a browser opens it."""
    path = station.data / "flowsheets.db"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def save(
    station: Station,
    number: int,
    page: dict[str, Any],
    by: Any = ADA,
    status: str | None = "complete",
    named: str | None = "",
) -> Path:
    """Verify a page as the existing verifier does; `named` is the path in jobs.db, if another."""
    path = station.data / "verifier" / f"{STEM}-page{number:02d}.verified.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(page | OURS | {"verified_by": by}))
    if status:
        beside = path.with_name(path.name.replace("verified.json", "corrections.json"))
        beside.write_text(json.dumps({"status": status, "edits": []}))
    if named is not None:
        columns = {"verified_path": named or str(path), "verified_at": AT, "reviewer_id": "r-7"}
        set_columns(station, number, **columns)
    return path


def set_columns(station: Station, number: int, **columns: Any) -> None:
    with sqlite3.connect(station.data / "jobs.db") as db:
        sets = ", ".join(f"{name} = ?" for name in columns)
        db.execute(f"UPDATE jobs SET {sets} WHERE page_number = ?", (*columns.values(), number))
