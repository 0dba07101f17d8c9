"""The status of each page, as columns of `pages`: from jobs.db, the PDF's name, and the files."""

import os
from collections.abc import Iterator
from pathlib import Path

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.index.from_results import Row
from flowsheets.jobs import states
from flowsheets.page import dates
from flowsheets.paths import PageId

COLUMNS = (
    "pdf_path",
    "page_number",
    "status",
    "attempts",
    "last_error",
    "pdf_first_date",
    "pdf_last_date",
    "mode",
    "prompt",
    "request",
    "usd",
    "batch_id",
    "image_path",
    "result_path",
)

# Reasons of `make review` that other commands note in jobs.db -> the table with a row a page
# (pdf_path, page_number, detail). A reason to add has its line here, and one in `reviews.REASONS`.
NOTED = {
    "mended_answer": "mended_answers",
    "pdf_changed": "changed_scans",
}


def of_all(jobs_db: Database, data_root: Path) -> Iterator[Row]:
    """A row a page of jobs.db, in (pdf_path, page_number) order, with the `COLUMNS`.

    Paths are those under the data root as it is now, not those in jobs.db; null without a file.
    """
    usage = _usage(jobs_db)
    for job in states.all_rows(jobs_db):
        page = PageId(job["pdf_path"], job["page_number"])
        first, last = dates.span(page.pdf_path) or (None, None)
        mode, prompt, request, usd = usage.get(page, (None, None, None, None))
        if mode is None and job["batch_id"] and job["status"] == "completed":
            mode = "batch"
        yield {
            "pdf_path": page.pdf_path,
            "page_number": page.page_number,
            "status": job["status"],
            "attempts": job["attempts"],
            "last_error": job["last_error"],
            "pdf_first_date": first.isoformat() if first else None,
            "pdf_last_date": last.isoformat() if last else None,
            "mode": mode,
            "prompt": prompt,
            "request": request,
            "usd": usd,
            "batch_id": job["batch_id"],
            "image_path": _if_there(paths.png(data_root, page), data_root),
            "result_path": _if_there(paths.result(data_root, page), data_root),
        }


def page_id(row: Row) -> PageId:
    """The page that a row is about."""
    return PageId(row["pdf_path"], row["page_number"])


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


def _if_there(path: Path, data_root: Path) -> str | None:
    there = os.path.exists(path)  # false for a path that no file can have
    return path.relative_to(data_root).as_posix() if there else None


Usage = tuple[str | None, str | None, str | None, float | None]


def _usage(jobs_db: Database) -> dict[PageId, Usage]:
    """Mode, prompt and request of each page's last billed response, and what all of them cost.

    A response aside makes no result: it counts by what it cost alone.
    """
    if not jobs_db.table("usage").exists():
        return {}
    found = jobs_db.execute(
        "SELECT pdf_path, page_number, iif(aside IS NULL, mode, NULL),"
        " iif(aside IS NULL, prompt, NULL), iif(aside IS NULL, request, NULL),"
        " sum(usd) OVER (PARTITION BY pdf_path, page_number)"
        " FROM usage ORDER BY aside IS NULL, requested_at"
    )
    return {PageId(pdf, number): (m, p, r, usd) for pdf, number, m, p, r, usd in found}
