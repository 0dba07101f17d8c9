"""Table `date_checks` of jobs.db: pages that contradict their PDF's name, noted as they are read.

`make review` finds them too, and more, but only when it is run, and from the results; a page is
noted here in the transaction that completes it, and the command that reads it says so.
"""

from sqlite_utils import Database

from flowsheets.paths import PageId

SCHEMA = """
CREATE TABLE IF NOT EXISTS date_checks (
    pdf_path    TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    noted_at    TEXT NOT NULL,
    PRIMARY KEY (pdf_path, page_number, reason)
)
"""
DATE = "date_contradicts_name"

Noted = dict[PageId, tuple[str, str]]  # page -> why its date cannot be right, and when it was noted


def note(db: Database, page: PageId, contradiction: str | None, at: str) -> None:
    """Note why the date of the page's new result cannot be right, in the caller's transaction; a
    note on an older result is deleted. `at` is an ISO time.
    """
    forget(db, page)
    if contradiction:
        row = (*page, DATE, contradiction, at)
        db.conn.execute("INSERT INTO date_checks VALUES (?, ?, ?, ?, ?)", row)


def forget(db: Database, page: PageId) -> None:
    """Delete the page's note, in the caller's transaction: the page is to be read again."""
    db.conn.execute("DELETE FROM date_checks WHERE pdf_path = ? AND page_number = ?", page)


def clear(db: Database, page: PageId, at: str) -> None:
    """Delete the page's note of that time: its result was put right or verified since."""
    db.conn.execute(
        "DELETE FROM date_checks WHERE pdf_path = ? AND page_number = ? AND noted_at = ?",
        (*page, at),
    )


def noted(db: Database) -> Noted:
    """Every page that has a note."""
    found = db.execute("SELECT pdf_path, page_number, detail, noted_at FROM date_checks")
    return {PageId(pdf, number): (detail, at) for pdf, number, detail, at in found}


def line(db: Database, since: str = "", *, in_batches: bool | None = None) -> str | None:
    """One line on the pages noted since an ISO time; None where there are none.

    `in_batches` counts only the pages that a batch has read (True), or a real-time run (False).
    """
    sql = "SELECT count(*) FROM date_checks r JOIN jobs j USING (pdf_path, page_number)"
    sql += " WHERE r.noted_at >= ?"
    if in_batches is not None:
        sql += f" AND j.batch_id IS {'NOT ' if in_batches else ''}NULL"
    (count,) = db.execute(sql, [since]).fetchone()
    if not count:
        return None
    whose = "1 page to check: its date is not within its PDF's"
    if count > 1:
        whose = f"{count:,} pages to check: their date is not within their PDF's"
    return f"{whose}. Next: make review"
