"""Table `beliefs`: what the API had no room for, and how much is believed to fit since.

What was out then and half of what was refused, for a day, or until as much is accepted (see
batch/plan.py, which decides by it). A row is the refusal that a folder's journal
notes, so it is taken in once.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import clock

SCHEMA = """
CREATE TABLE IF NOT EXISTS beliefs (
    source    TEXT PRIMARY KEY,
    what      TEXT NOT NULL,
    total     INTEGER NOT NULL,
    fits      INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    in_a_row  INTEGER NOT NULL,
    disproved INTEGER NOT NULL,
    at        TEXT NOT NULL,
    boot      TEXT,
    up        REAL
)
"""


class Belief(NamedTuple):
    """A refusal; `noted` is a clock.stamp."""

    source: str  # folder and time of the event in its journal
    what: str  # tokens, bytes
    total: int
    fits: int
    reason: str
    in_a_row: bool  # nothing was accepted since
    noted: dict[str, Any]


def known(db: Database, source: str) -> bool:
    """Whether this refusal was taken in."""
    return db.execute("SELECT 1 FROM beliefs WHERE source = ?", [source]).fetchone() is not None


def add(db: Database, belief: Belief) -> None:
    """Take a refusal in, in the caller's transaction."""
    noted = belief.noted
    db.conn.execute(
        "INSERT OR IGNORE INTO beliefs VALUES (?, ?, ?, ?, ?, 1, 0, ?, ?, ?)",
        (*belief[:5], noted["at"], noted.get("boot"), noted.get("up")),
    )


def accepted(db: Database, what: str, disproved: Iterable[str]) -> None:
    """A create was accepted: no row of refusals goes on, and these say nothing any more."""
    db.conn.execute("UPDATE beliefs SET in_a_row = 0 WHERE what = ?", (what,))
    sql = "UPDATE beliefs SET disproved = 1 WHERE source = ?"
    db.conn.executemany(sql, ((source,) for source in disproved))


def held(db: Database) -> list[Belief]:
    """Those that are not disproved, whatever their age."""
    found = db.execute(
        "SELECT source, what, total, fits, reason, in_a_row, at, boot, up FROM beliefs"
        " WHERE NOT disproved"
    )
    return [
        Belief(source, what, total, fits, reason, bool(in_a_row), _stamp(at, boot, up))
        for source, what, total, fits, reason, in_a_row, at, boot, up in found.fetchall()
    ]


def _stamp(at: str, boot: str | None, up: float | None) -> dict[str, Any]:
    return {"at": at} | ({"boot": boot, "up": up} if boot else {})


def forget_old(db: Database, days: int = 3) -> None:
    """Delete what has said nothing for long, in the caller's transaction."""
    for source, at in db.execute("SELECT source, at FROM beliefs").fetchall():
        if clock.by_the_calendar({"at": at}).days >= days:
            db.conn.execute("DELETE FROM beliefs WHERE source = ?", (source,))
