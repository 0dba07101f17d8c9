"""Table `mended_answers` of jobs.db: completed pages whose response was put right as it was read.

The page is whole and valid (`page.response` says what is forgiven), and a person may want to look
at it: `make review` lists it. A page is noted in the transaction that completes it.
"""

from collections.abc import Sequence

from sqlite_utils import Database

from flowsheets.paths import PageId

SCHEMA = """
CREATE TABLE IF NOT EXISTS mended_answers (
    pdf_path    TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    detail      TEXT NOT NULL,
    noted_at    TEXT NOT NULL,
    PRIMARY KEY (pdf_path, page_number)
)
"""


def note(db: Database, page: PageId, forgiven: Sequence[str], at: str) -> None:
    """What was forgiven in the page's new result, in the caller's transaction, instead of what was
    forgiven in an older one; `at` is an ISO time.
    """
    forget(db, page)
    if forgiven:
        row = (*page, "; ".join(forgiven), at)
        db.conn.execute("INSERT INTO mended_answers VALUES (?, ?, ?, ?)", row)


def forget(db: Database, page: PageId) -> None:
    """The page is to be read anew, in the caller's transaction."""
    db.conn.execute("DELETE FROM mended_answers WHERE pdf_path = ? AND page_number = ?", page)


def noted(db: Database) -> dict[PageId, str]:
    """Every page that is noted, with what was forgiven."""
    found = db.execute("SELECT pdf_path, page_number, detail FROM mended_answers")
    return {PageId(pdf, number): detail for pdf, number, detail in found}
