"""The corpus at a glance: its pages by status and month, what they cost, what to check."""

import asyncio
import sqlite3
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from flowsheets import paths
from flowsheets.batch.folder import load_batch, open_folders
from flowsheets.errors import Problem
from flowsheets.index import progress
from flowsheets.jobs import date_checks
from flowsheets.jobs.database import Database
from flowsheets.money import usage

FIRST_YEAR, LAST_YEAR = 1990, 2001  # drawn even where no page is from then
OF_EACH = 100  # pages of a reason on one screen; the table holds them all
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# As the index has it, so that its index on this expression is used.
MONTH = "substr(coalesce(page_date, pdf_first_date), 1, 7)"

Row = dict[str, Any]


async def glance(db: Any, data_root: Path) -> dict[str, Any]:
    """What the front page shows, read afresh."""
    statuses = await rows(
        db, "SELECT status, count(*) AS pages FROM pages GROUP BY status ORDER BY pages DESC"
    )
    months = await rows(
        db,
        f"SELECT {MONTH} AS month, count(*) AS pages,"
        " sum(status = 'completed') AS completed FROM pages GROUP BY 1",
    )
    counts = await rows(
        db,
        "SELECT (SELECT count(*) FROM entries) AS entries, (SELECT count(*) FROM djs) AS djs,"
        " (SELECT count(DISTINCT pdf_path) FROM pages) AS pdfs,"
        " (SELECT count(*) FROM pages WHERE verified IS NOT NULL) AS verified",
    )
    return {
        "total": sum(row["pages"] for row in statuses),
        "statuses": statuses,
        "counts": counts[0],
        "years": _years({row["month"]: row for row in months if row["month"]}),
        "months": MONTHS,
        "undated": sum(row["pages"] for row in months if not row["month"]),
        "doubts": await asyncio.to_thread(_doubts, data_root),
        "progress": await asyncio.to_thread(progress.of_data_root, data_root),
        "spend": await asyncio.to_thread(_spend, data_root),
        "batches": await asyncio.to_thread(_batches, data_root),
        "reasons": await rows(
            db,
            "SELECT reason, count(*) AS pages FROM reviews GROUP BY reason ORDER BY min(rank)",
        ),
    }


async def month(db: Any, name: str) -> list[Row]:
    """The pages of a month, `1990-04`, or of an unknown one, by date, then PDF and page."""
    which = f"{MONTH} IS NULL" if name == "unknown" else f"{MONTH} = :month"
    return await rows(
        db,
        "SELECT page, pdf_path, page_number, status, last_error, page_date_raw, page_date,"
        f" entry_count, low_count, verified, verified_by, verified_at FROM pages WHERE {which}"
        " ORDER BY coalesce(page_date, pdf_first_date), pdf_path, page_number",
        {"month": name},
    )


async def to_check(db: Any) -> list[dict[str, Any]]:
    """The pages to look at first, by reason, most urgent first: of each the worst."""
    found = await rows(
        db,
        "SELECT * FROM (SELECT r.reason, r.page, r.detail, r.rank, p.pdf_path, p.page_number,"
        " p.status, p.page_date_raw, p.verified, p.verified_by, p.verified_at,"
        " min(r.rank) OVER same AS first, count(*) OVER same AS pages,"
        " row_number() OVER (PARTITION BY r.reason ORDER BY r.rank) AS number"
        " FROM reviews r JOIN pages p ON p.page = r.page WINDOW same AS (PARTITION BY r.reason))"
        f" WHERE number <= {OF_EACH} ORDER BY first, rank",
    )
    groups = [list(group) for _, group in groupby(found, lambda row: row["reason"])]
    return [{"name": g[0]["reason"], "count": g[0]["pages"], "pages": g} for g in groups]


async def by_gain(db: Any) -> list[Row]:
    """Pages with a text that are worth a person's time: most doubt for the least rows first."""
    return await rows(
        db,
        "SELECT g.page, g.doubt, g.rows, p.pdf_path, p.page_number, p.page_date_raw, p.verified,"
        " p.verified_by, p.verified_at FROM gains g JOIN pages p ON p.page = g.page"
        " WHERE p.entry_count IS NOT NULL"
        f" ORDER BY g.gain DESC, p.pdf_path, p.page_number LIMIT {OF_EACH}",
    )


async def rows(db: Any, sql: str, values: Row | None = None) -> list[Row]:
    """The rows of one query."""
    return [dict(row) for row in (await db.execute(sql, values or {})).rows]


def _years(by_month: dict[str, Row]) -> list[tuple[int, list[Row | None]]]:
    """Each year with its twelve months; None for a month without pages."""
    known = {int(month[:4]) for month in by_month}
    years = range(min({FIRST_YEAR, *known}), max({LAST_YEAR, *known}) + 1)
    return [
        (year, [by_month.get(f"{year}-{number:02d}") for number in range(1, 13)]) for year in years
    ]


def _spend(data_root: Path) -> list[Row]:
    """What was billed in each mode, from jobs.db: a page that was read twice was billed twice."""
    try:
        with _jobs_db(data_root) as jobs_db:
            return usage.by_mode(jobs_db)
    except sqlite3.Error:
        return []  # without the table there, or without the file


def _doubts(data_root: Path) -> str | None:
    """What fetch and process noted, also since the last index."""
    try:
        with _jobs_db(data_root) as jobs_db:
            return date_checks.line(jobs_db)
    except sqlite3.Error:
        return None  # without the table there, or without the file


def _open_folders(data_root: Path) -> list[Path]:
    """Without the journals of those that jobs.db knows as closed."""
    try:
        with _jobs_db(data_root) as jobs_db:
            return open_folders(data_root, jobs_db)
    except sqlite3.Error:
        return open_folders(data_root)


def _jobs_db(data_root: Path) -> closing[Database]:
    """jobs.db, to be read alone. Raises `sqlite3.Error` where it is not there."""
    path = f"{paths.jobs_db(data_root).resolve().as_uri()}?mode=ro"
    return closing(Database(sqlite3.connect(path, uri=True)))


def _batches(data_root: Path) -> list[Row]:
    """The batches that are open, from their folders; no API is asked."""
    found: list[Row] = []
    for folder in _open_folders(data_root):
        try:
            batch = load_batch(folder)
        except Problem as problem:
            found.append({"name": folder.name, "problem": problem.message})
            continue
        created = batch.last("created")
        found.append(
            {
                "name": batch.batch_id or batch.name,
                "pages": len(batch.lines),
                "since": created["at"][:16].replace("T", " ") if created else None,
                "refused": batch.last("quarantined", "file_gone") is not None,
            }
        )
    return found
