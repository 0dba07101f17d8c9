"""The status of each page, as columns of `pages`: from jobs.db, the PDF's name, and the files."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.index import stamps
from flowsheets.page import dates
from flowsheets.paths import PageId

# Pages that are looked at together: in memory, and in one query of either database.
CHUNK = 500


class Job(NamedTuple):
    """The columns of `pages` that jobs.db and the page's files fill.

    Paths are those under the data root as it is now, not those in jobs.db; None without a file.
    """

    pdf_path: str
    page_number: int
    status: str
    attempts: int
    last_error: str | None
    pdf_first_date: str | None
    pdf_last_date: str | None
    mode: str | None  # of the page's last billed response that is not aside
    prompt: str | None  # digests, of the same one
    request: str | None
    usd: float | None  # what all of its responses cost
    batch_id: str | None
    image_path: str | None
    result_path: str | None


class Found(NamedTuple):
    """A page of jobs.db: its row for `pages`, its result, and what jobs.db has of a reviewer."""

    page: PageId
    name: str
    job: Job
    result: str
    result_stamp: stamps.Stamp
    verified_at: str | None
    reviewer_id: str | None


# Reasons of `make review` that other commands note in jobs.db -> the table with a row a page
# (pdf_path, page_number, detail). A reason to add has its line here, and one in `reviews.REASONS`.
NOTED = {
    "mended_answer": "mended_answers",
    "pdf_changed": "changed_scans",
}

# A row's own usage: how the last response came that may have made a result (SQLite takes a bare
# column from the row that has the max), and the sum of all.
_JOBS = """
SELECT j.pdf_path, j.page_number, j.status, j.attempts, j.last_error, j.batch_id,
    {verified_at}, {reviewer_id}, iif(u.aside IS NULL, u.mode, NULL),
    iif(u.aside IS NULL, u.prompt, NULL), iif(u.aside IS NULL, u.request, NULL),
    sum(u.usd), max(iif(u.aside IS NULL, u.requested_at, NULL))
FROM (SELECT * FROM jobs WHERE (pdf_path, page_number) > (?, ?)
      ORDER BY pdf_path, page_number LIMIT ?) j
LEFT JOIN usage u ON u.pdf_path = j.pdf_path AND u.page_number = j.page_number
GROUP BY j.pdf_path, j.page_number ORDER BY j.pdf_path, j.page_number
"""


def in_chunks(jobs_db: Database, data_root: Path) -> Iterator[list[Found]]:
    """Every page of jobs.db, in (pdf_path, page_number) order.

    A query a chunk: one that is open for as long as an index takes would keep other commands from
    writing.
    """
    optional = {name: _or_null(jobs_db, name) for name in ("verified_at", "reviewer_id")}
    sql = _JOBS.format(**optional)
    last: tuple[str, int] = ("", -1)
    while rows := jobs_db.execute(sql, [*last, CHUNK]).fetchall():
        yield [_found(row, str(data_root)) for row in rows]
        last = rows[-1][:2]


def count(jobs_db: Database) -> int:
    """How many pages `in_chunks` has."""
    return int(jobs_db.table("jobs").count)


def noted(jobs_db: Database) -> list[tuple[PageId, str, str]]:
    """Page, reason and detail of what other commands noted; a table that is missing has none."""
    tables = {*jobs_db.table_names(), *jobs_db.view_names()}
    return [
        (PageId(pdf_path, page_number), reason, detail or "")
        for reason, table in NOTED.items()
        if table in tables
        for pdf_path, page_number, detail in jobs_db.execute(
            f"SELECT pdf_path, page_number, detail FROM [{table}]"
        )
    ]


def _or_null(jobs_db: Database, column: str) -> str:
    """A column that existing databases may lack."""
    return f"j.{column}" if column in jobs_db["jobs"].columns_dict else "NULL"


def _found(row: tuple[Any, ...], data_root: str) -> Found:
    pdf_path, page_number, status, attempts, last_error, batch_id, at, by, *asked, usd, _ = row
    mode, prompt, request = asked
    page = PageId(pdf_path, page_number)
    image, result = paths.image_path(page), paths.result_path(page)
    stamp = stamps.of(f"{data_root}/{result}")
    first, last = _span(pdf_path)
    if mode is None and batch_id and status == "completed":
        mode = "batch"
    job = Job(
        *(pdf_path, page_number, status, attempts, last_error, first, last),
        *(mode, prompt, request, usd, batch_id),
        image if os.path.exists(f"{data_root}/{image}") else None,
        result if stamp != stamps.MISSING else None,
    )
    return Found(page, paths.page_name(page), job, f"{data_root}/{result}", stamp, at, by)


@lru_cache(maxsize=1)  # the pages of a PDF come one after the other
def _span(pdf_path: str) -> tuple[str | None, str | None]:
    """First and last day of what is in the PDF, in ISO."""
    span = dates.span(pdf_path)
    return (span[0].isoformat(), span[1].isoformat()) if span else (None, None)
