"""Table `pauses`: pages that wait before they are sent again by themselves.

What meets every page of a batch is not a page's fault, so it costs no try. Without a pause a cron
job would send the same pages again each minute. The pause doubles: 1 h, 2 h, 4 h … 24 h.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import clock
from flowsheets.paths import PageId

LONGEST_HOURS = 24

SCHEMA = """
CREATE TABLE IF NOT EXISTS pauses (
    pdf_path    TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    times       INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    at          TEXT NOT NULL,
    boot        TEXT,
    up          REAL,
    PRIMARY KEY (pdf_path, page_number)
)
"""


class Pause(NamedTuple):
    """`times` in a row the page's batch failed for every page; `left` until it is sent again."""

    times: int
    reason: str
    left: timedelta


def add(db: Database, pages: Iterable[PageId], times: int, reason: str, noted: Any) -> None:
    """Let the pages wait from `noted` (a clock.stamp) on, in the caller's transaction.

    With `times` 0 they are remembered, and do not wait.
    """
    db.conn.executemany(
        "INSERT OR REPLACE INTO pauses VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((*page, times, reason, noted["at"], noted.get("boot"), noted.get("up")) for page in pages),
    )


def end(db: Database, pages: Iterable[PageId]) -> None:
    """The pages had an outcome of their own, or a person wants them: they wait no longer."""
    db.conn.executemany("DELETE FROM pauses WHERE pdf_path = ? AND page_number = ?", pages)


def all_of(db: Database) -> dict[PageId, Pause]:
    """Every page that is remembered, also those whose pause is over."""
    found = db.execute("SELECT pdf_path, page_number, times, reason, at, boot, up FROM pauses")
    pauses = {}
    for pdf_path, page_number, times, reason, at, boot, up in found:
        hours = min(2 ** (times - 1), LONGEST_HOURS) if times > 0 else 0
        since = clock.elapsed({"at": at} | ({"boot": boot, "up": up} if boot else {}))
        left = max(timedelta(hours=hours) - since, timedelta())
        pauses[PageId(pdf_path, page_number)] = Pause(times, reason, left)
    return pauses


def waiting(db: Database) -> dict[PageId, Pause]:
    """The pages that still wait."""
    return {page: pause for page, pause in all_of(db).items() if pause.left}
