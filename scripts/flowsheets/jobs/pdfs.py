"""The PDFs that discover has seen, and from which of them each page was drawn.

A page's image is out of date where its PDF was another file when the page was drawn. Both sides
are facts in jobs.db, so nothing is inferred from times: `drawings.pdf_sha256` is the PDF
that a page was drawn from, `pdfs.sha256` the PDF as discover last saw it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets.jobs import states
from flowsheets.jobs.database import transaction
from flowsheets.paths import PageId


class Pdf(NamedTuple):
    """A PDF under SCANS_ROOT: size in bytes, digest in hex."""

    pdf_path: str
    bytes: int
    sha256: str
    pages: int


def known(db: Database) -> dict[str, Pdf | None]:
    """Each PDF that has jobs, by path; None where an older database does not say which file."""
    rows = db.execute(
        "SELECT DISTINCT jobs.pdf_path, bytes, sha256, pages FROM jobs LEFT JOIN pdfs"
        " USING (pdf_path) ORDER BY jobs.pdf_path"
    )
    return {path: Pdf(path, *facts) if facts[1] else None for path, *facts in rows}


def note(db: Database, pdf: Pdf) -> None:
    """Keep the PDF as it is now. Pages that were drawn before are known as drawn from the old one.

    Where no older one is known, what is drawn already is taken as drawn from this one.
    """
    with transaction(db):
        db.execute(
            "INSERT OR IGNORE INTO drawings (pdf_path, page_number)"
            " SELECT pdf_path, page_number FROM jobs"
            " WHERE pdf_path = ? AND image_path IS NOT NULL",
            [pdf.pdf_path],
        )
        db.execute(
            "UPDATE drawings SET pdf_sha256 ="
            " coalesce((SELECT sha256 FROM pdfs WHERE pdfs.pdf_path = drawings.pdf_path), ?)"
            " WHERE pdf_path = ? AND pdf_sha256 IS NULL",
            [pdf.sha256, pdf.pdf_path],
        )
        db.execute(
            "INSERT OR REPLACE INTO pdfs (pdf_path, bytes, sha256, pages, noted_at)"
            " VALUES (?, ?, ?, ?, ?)",
            [*pdf, states.now()],
        )


def drawn(db: Database, pages: Iterable[tuple[PageId, str]]) -> None:
    """Keep how each page was drawn (`bitmap` or `renderer`), and that it was from today's PDF."""
    with transaction(db):
        db.conn.executemany(
            "INSERT OR REPLACE INTO drawings"
            " (pdf_path, page_number, drawn_by, pdf_sha256, drawn_at)"
            " VALUES (?1, ?2, ?3, (SELECT sha256 FROM pdfs WHERE pdf_path = ?1), ?4)",
            [(*page, drawn_by, states.now()) for page, drawn_by in pages],
        )


def outdated(db: Database, pdf_path: str | None = None) -> list[PageId]:
    """Pages that were drawn from a PDF that is another file by now, in order."""
    where, values = ("", []) if pdf_path is None else (" WHERE pdf_path = ?", [pdf_path])
    rows = db.execute(
        f"SELECT pdf_path, page_number FROM outdated_drawings{where}"
        " ORDER BY pdf_path, page_number",
        values,
    )
    return [PageId(*row) for row in rows]


def read_from_another(db: Database) -> list[PageId]:
    """Outdated pages that have a result: a person should hold it against the new scan."""
    rows = db.execute(
        "SELECT pdf_path, page_number FROM changed_scans ORDER BY pdf_path, page_number"
    )
    return [PageId(*row) for row in rows]
