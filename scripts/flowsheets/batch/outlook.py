"""How far the pages are, at which pace, when they will be done, and what that will have cost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets import clock
from flowsheets.jobs import states
from flowsheets.money import estimate, prices, usage
from flowsheets.settings import Settings

WINDOW = timedelta(days=7)  # the pace is that of so long
LEAST = timedelta(hours=1)  # a shorter time says little of a pace
_LEFT = ("pending", "rendering", "rendered", "processing", "submitted")


class Outlook(NamedTuple):
    """How far the pages are; None where nothing is known yet."""

    left: int  # pages that have no result, and get one by themselves
    a_day: float | None  # pages read a day, of late
    done_on: date | None  # UTC, at this pace


def of(db: Database, settings: Settings) -> Outlook:
    """As jobs.db has it."""
    counts = states.counts(db)
    left = sum(counts.get(status, 0) for status in _LEFT)
    left += len(states.tried_again(db, settings.data_root, settings.max_attempts))
    a_day = _pace(db)
    return Outlook(left, a_day, _day(left / a_day) if a_day and left else None)


def usd_in_all(db: Database, settings: Settings, left: int) -> Decimal | None:
    """Dollars spent, and expected for what is left; None without a known price."""
    more = estimate.cost(settings.model, "batch", left, estimate.basis(db, settings).usual)
    return None if more is None else Decimal(usage.spent(db)[0]) + more


def line(db: Database, settings: Settings) -> str:
    """All of it in one line."""
    found = of(db, settings)
    spent, in_all = usage.spent(db)[0], usd_in_all(db, settings, found.left)
    parts = [f"{found.left:,} left", f"{prices.dollars(spent) if spent else '$0'} spent"]
    if found.left and in_all is not None:
        parts[-1] += f" of some {prices.dollars(in_all)} in all"
    if found.left and found.done_on:
        parts.append(f"done on {found.done_on} at {found.a_day:,.0f} pages a day")
    return ", ".join(parts)


def _pace(db: Database) -> float | None:
    """Pages read a day, from when the first of the last week's responses was asked for."""
    now = datetime.now(UTC)
    since = (now - WINDOW).isoformat(timespec="seconds")
    first = usage.first_since(db, since)
    read = states.read_since(db, since)
    if not (first and read):
        return None
    return read / (max(now - clock.moment(first), LEAST) / timedelta(days=1))


def _day(days: float) -> date | None:
    try:
        return (datetime.now(UTC) + timedelta(days=days)).date()
    except OverflowError:
        return None
