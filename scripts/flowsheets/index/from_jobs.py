"""Where each page stands, as columns of `pages`: from jobs.db, the PDF's name, and pages/."""

from collections.abc import Iterator
from pathlib import Path

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.index.from_results import Row
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
    "way",
    "usd",
    "batch_id",
    "image_path",
)


def of_all(jobs_db: Database, data_root: Path) -> Iterator[Row]:
    """A row a page of jobs.db, in (pdf_path, page_number) order, with the `COLUMNS`."""
    usage = _usage(jobs_db)
    for job in jobs_db.table("jobs").rows_where(order_by="pdf_path, page_number"):
        page = PageId(job["pdf_path"], job["page_number"])
        first, last = dates.span(page.pdf_path) or (None, None)
        way, usd = usage.get(page, (None, None))
        if way is None and job["batch_id"] and job["status"] == "completed":
            way = "batch"
        image = paths.png(data_root, page)
        yield {
            "pdf_path": page.pdf_path,
            "page_number": page.page_number,
            "status": job["status"],
            "attempts": job["attempts"],
            "last_error": job["last_error"],
            "pdf_first_date": first.isoformat() if first else None,
            "pdf_last_date": last.isoformat() if last else None,
            "way": way,
            "usd": usd,
            "batch_id": job["batch_id"],
            "image_path": image.relative_to(data_root).as_posix() if image.exists() else None,
        }


def page_id(row: Row) -> PageId:
    """The page that a row tells of."""
    return PageId(row["pdf_path"], row["page_number"])


def _usage(jobs_db: Database) -> dict[PageId, tuple[str, float | None]]:
    """The way of each page's last answer that was paid for, and what all of them cost."""
    if not jobs_db.table("usage").exists():
        return {}
    found = jobs_db.execute(
        "SELECT pdf_path, page_number, mode, sum(usd) OVER (PARTITION BY pdf_path, page_number)"
        " FROM usage ORDER BY requested_at"
    )
    return {PageId(pdf, number): (mode, usd) for pdf, number, mode, usd in found}
