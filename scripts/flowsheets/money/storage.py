"""What prompt caches cost while they are kept: table `caches` of jobs.db, a row a cache of a
real-time run. A batch's cache is in the journal of its folder.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets.money import prices

# `ends_at` is when the API lets it end by itself, `ended_at` when we deleted it before; ISO, UTC.
SCHEMA = """
CREATE TABLE IF NOT EXISTS caches (
    name     TEXT PRIMARY KEY,
    model    TEXT NOT NULL,
    tokens   INTEGER NOT NULL,
    made_at  TEXT NOT NULL,
    ends_at  TEXT NOT NULL,
    ended_at TEXT
)
"""


class Kept(NamedTuple):
    """A prompt cache: month (UTC) and model; dollars for storage so far, None if unknown."""

    month: str
    model: str
    usd: float | None


def made(db: Database, name: str, model: str, tokens: int, seconds: int) -> None:
    """Record a cache made now, which lives for so many seconds, in the caller's transaction."""
    now = datetime.now(UTC)
    ends = now + timedelta(seconds=seconds)
    db.conn.execute(
        "INSERT OR IGNORE INTO caches VALUES (?, ?, ?, ?, ?, NULL)",
        (name, model, tokens, now.isoformat(), ends.isoformat()),
    )


def ended(db: Database, name: str) -> None:
    """Record that a cache was deleted now, in the caller's transaction."""
    db.conn.execute(
        "UPDATE caches SET ended_at = ? WHERE name = ? AND ended_at IS NULL",
        (datetime.now(UTC).isoformat(), name),
    )


def kept(db: Database) -> Iterator[Kept]:
    """The caches of real-time runs, oldest first."""
    for model, tokens, *times in db.execute(
        "SELECT model, tokens, made_at, ends_at, ended_at FROM caches ORDER BY made_at"
    ):
        made_at, ends_at, ended_at = (datetime.fromisoformat(at) if at else None for at in times)
        assert made_at
        assert ends_at
        yield cost(model, tokens, made_at, min(ends_at, ended_at or datetime.now(UTC)))


def cost(model: str, tokens: int, begin: datetime, end: datetime) -> Kept:
    """So many tokens, kept from `begin` to `end`."""
    hours = Decimal(max(0.0, (end - begin).total_seconds())) / 3600
    hour = prices.CACHE_HOUR.get(model)
    usd = None if hour is None else float(hour * tokens * hours / 1_000_000)
    return Kept(begin.astimezone(UTC).strftime("%Y-%m"), model, usd)
