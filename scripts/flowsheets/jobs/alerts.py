"""Table `alerts`: what a run has told you (see batch/alarm.py), so that each is told once.

A row stays as long as what it says is so, and goes when that is over: should it come again, you are
told again.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlite_utils import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    what TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    told INTEGER NOT NULL,
    at   TEXT NOT NULL
)
"""


class Told(NamedTuple):
    """Whether the command took the alert, and when it was last given to it (ISO, UTC)."""

    told: bool
    at: str


def given(db: Database) -> dict[str, Told]:
    """What -> how it was told, of all that has not ended."""
    rows = db.execute("SELECT what, told, at FROM alerts")
    return {what: Told(bool(told), at) for what, told, at in rows}


def note(db: Database, what: str, text: str, told: bool, at: str) -> None:
    """It was given to the command, in the caller's transaction."""
    db.conn.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?)", (what, text, told, at))


def end(db: Database, whats: Iterable[str]) -> None:
    """What they said is over, in the caller's transaction."""
    db.conn.executemany("DELETE FROM alerts WHERE what = ?", ((what,) for what in whats))
