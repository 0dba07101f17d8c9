"""Which page on the list is worth a person's time first: most doubt for the least rows.

The gain of a page is how many of its rows are expected to be wrong, by the rows to be read there.
Of a row that nothing else speaks against, the model's confidence says how likely that is: as
people's corrections have it, and as long as there are few of them, as is guessed here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets.index import progress

# Guessed before anybody has checked anything, and how many checked rows such a guess is worth.
GUESSED = {"high": 0.02, "medium": 0.15, "low": 0.4}
WORTH = 20
OPENING = 5  # rows that could be read while a page is opened and understood

# Reasons that concern all rows of a page: each has a wrong date, or is not there.
ALL_ROWS = (
    "date_contradicts_name",
    "result_missing",
    "result_damaged",
    "verified_unused",
    "failed",
)
# Reasons whose badness is a number of rows.
BAD_ROWS = (
    "no_entries",
    "repeated_row",
    "periodic_text",
    "row_numbers",
    "more_rows_than_ink",
    "fewer_rows_than_ink",
    "type_letters_missing",
    "second_reading",
)
ONE_ROW = ("overlong_cell", "mended_answer", "more_rows_than_form", "pdf_changed", "older_prompt")
USUAL = 50  # rows of a page whose text is missing


class Reason(NamedTuple):
    """Why a page is on the list."""

    page: str
    reason: str
    badness: float


class Gain(NamedTuple):
    """A page's rows, and how many of them are expected to be wrong."""

    page: str
    doubt: float
    rows: int

    @property
    def gain(self) -> float:
        return self.doubt / (self.rows + OPENING)


def refresh(db: Database, found: Iterable[Any]) -> None:
    """Fill `gains` anew for the pages of `reviews`: each of `found` has page, reason, badness."""
    by_page: dict[str, list[Reason]] = {}
    for one in found:
        reason = Reason(one.page, one.reason, one.badness)
        by_page.setdefault(one.page, []).append(reason)
    rates = error_rates(progress.read(db))
    db.execute("DELETE FROM gains")
    db.conn.executemany(
        "INSERT INTO gains (page, doubt, rows, gain) VALUES (?, ?, ?, ?)",
        ((*one, one.gain) for one in _gains(db, by_page, rates)),
    )


def error_rates(seen: progress.Progress) -> dict[str, float]:
    """How likely a row of each confidence is wrong."""
    return {
        name: (seen.wrong[name] + WORTH * guess) / (seen.rows[name] + WORTH)
        for name, guess in GUESSED.items()
    }


def _gains(
    db: Database, by_page: dict[str, list[Reason]], rates: dict[str, float]
) -> Iterator[Gain]:
    counts = ", ".join(f"coalesce({name}_count, 0)" for name in rates)
    sql = f"SELECT {counts} FROM pages WHERE page = ?"
    for page, reasons in by_page.items():
        numbers = db.execute(sql, [page]).fetchone()
        count = sum(numbers)
        doubt = sum(n * rate for n, rate in zip(numbers, rates.values(), strict=True))
        doubt += sum(_rows(reason, count) for reason in reasons)
        rows = count or max(round(doubt), USUAL if _is_lost(reasons) else 1)
        yield Gain(page, min(doubt, rows), rows)


def _is_lost(reasons: list[Reason]) -> bool:
    return any(reason.reason in ALL_ROWS for reason in reasons)


def _rows(reason: Reason, count: int) -> float:
    """Rows that a reason puts in doubt, beside what their confidence says."""
    if reason.reason in ALL_ROWS:
        return count or USUAL
    if reason.reason == "same_text":
        return reason.badness * count
    if reason.reason in BAD_ROWS:
        return reason.badness
    return 1 if reason.reason in ONE_ROW else 0
