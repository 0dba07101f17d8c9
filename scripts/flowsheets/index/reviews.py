"""Which pages a person should look at first, and why: table `reviews`, told from the others.

A page stands there once for each reason. Nothing here changes a page or a result.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import orjson
from sqlite_utils import Database

from flowsheets import paths
from flowsheets.index import from_results
from flowsheets.jobs import date_checks
from flowsheets.page.schema import POSITIONS

# The most urgent first: another page's text, then text that is missing or made up, then doubts.
REASONS = {
    date_checks.DATE: "the date on the page contradicts the PDF's name",
    "same_text": "the same text stands on another page",
    "no_entries": "the scan has writing, the result has no rows",
    "repeated_row": "one text, row after row",
    "fewer_rows_than_ink": "the scan has more written rows than the result",
    "failed": "failed, with no tries left",
    "low_confidence": "many rows are low in confidence",
}

# Of the station's first 34 pages one has more than a tenth of its rows low: a third of them.
LOW_SHARE, LOW_ENTRIES = 0.25, 8
# No row of those pages follows its like. A programme may hold a jingle or play a side through.
REPEATS = 5
# Rows of a block that carry ink and were not read. On those pages' 136 blocks the scan shows two
# rows more than the reading has, at the most.
UNREAD_ROWS = 4
# Numbers that two sketches share before the pages are compared, and the share of their rows then.
SHARED_NUMBERS, SHARED_ROWS = 4, 0.6
# A number that so many pages share is a jingle, not a page's text.
COMMON = 50


class Review(NamedTuple):
    """`badness` orders the pages of one reason, the worst first."""

    page: str
    reason: str
    badness: float
    detail: str


def refresh(db: Database, max_attempts: int, noted: date_checks.Noted) -> None:
    """Fill `reviews` anew, in the transaction that `db` is in; `noted` is what jobs.db has."""
    order = list(REASONS)
    found = sorted(
        _all(db, max_attempts, noted), key=lambda r: (order.index(r.reason), -r.badness, r.page)
    )
    db.execute("DELETE FROM reviews")
    db.conn.executemany(
        "INSERT INTO reviews (page, reason, detail, rank) VALUES (?, ?, ?, ?)",
        ((r.page, r.reason, r.detail, rank) for rank, r in enumerate(found, 1)),
    )


def _all(db: Database, max_attempts: int, noted: date_checks.Noted) -> Iterator[Review]:
    yield from _contradicting(db, noted)
    yield from _same_text(db)
    yield from _repeated(db)
    yield from _unread(db)
    yield from _failed(db, max_attempts)
    yield from _low(db)


def _contradicting(db: Database, noted: date_checks.Noted) -> Iterator[Review]:
    said = {paths.page_name(page): detail for page, (detail, _) in noted.items()}
    # What the result says goes before what was noted when it was made; it may be gone by now.
    sql = (
        "SELECT p.page, s.page, s.contradiction FROM pages p LEFT JOIN sources s ON s.page = p.page"
    )
    for page, result, contradiction in db.execute(sql):
        if why := contradiction if result else said.get(page):
            yield Review(page, date_checks.DATE, 0, f"{_plain(why)}.")


def _failed(db: Database, max_attempts: int) -> Iterator[Review]:
    sql = "SELECT page, attempts, last_error FROM pages WHERE status = 'failed' AND attempts >= ?"
    for page, attempts, last_error in db.execute(sql, [max_attempts]):
        why = _plain(last_error or "no reason is known").rstrip(".")
        times = "once" if attempts == 1 else f"{attempts} times"
        yield Review(page, "failed", 0, f"Failed {times}: {why}.")


def _low(db: Database) -> Iterator[Review]:
    sql = (
        "SELECT page, low_count, entry_count FROM pages"
        " WHERE entry_count >= ? AND low_count > ? * entry_count"
    )
    for page, low, count in db.execute(sql, [LOW_ENTRIES, LOW_SHARE]):
        yield Review(page, "low_confidence", low / count, f"{low} of {count} rows are low.")


def _repeated(db: Database) -> Iterator[Review]:
    sql = "SELECT page, run_length, run_text FROM sources WHERE run_length >= ?"
    for page, length, text in db.execute(sql, [REPEATS]):
        detail = f'"{_plain(text)}" stands {length} times, row after row.'
        yield Review(page, "repeated_row", length, detail)


def _unread(db: Database) -> Iterator[Review]:
    """Pages with a result and measured ink: `no_entries`, or `fewer_rows_than_ink`."""
    sql = (
        f"SELECT b.page, p.entry_count, b.position, b.rows_read, {', '.join(POSITIONS)}"
        " FROM ink JOIN blocks b ON b.page = ink.page JOIN pages p ON p.page = ink.page"
    )
    unread: dict[str, dict[str, tuple[int, int]]] = {}  # page -> position -> rows inked, read
    empty = Counter[str]()  # page without entries -> rows inked
    for page, count, position, read, *inked in db.execute(sql):
        ink = inked[POSITIONS.index(position)] or 0
        if count == 0:
            empty[page] += ink
        elif ink - read >= UNREAD_ROWS:
            unread.setdefault(page, {})[position] = (ink, read)
    for page, ink in empty.items():
        if ink >= UNREAD_ROWS:
            yield Review(page, "no_entries", ink, f"{ink} rows of the scan carry writing.")
    for page, blocks in unread.items():
        told = ", ".join(
            f"{blocks[position][0]} written rows in {position}, {blocks[position][1]} read"
            for position in POSITIONS
            if position in blocks
        )
        missing = sum(ink - read for ink, read in blocks.values())
        yield Review(page, "fewer_rows_than_ink", missing, f"{told[0].upper()}{told[1:]}.")


def _same_text(db: Database) -> Iterator[Review]:
    twins: dict[str, dict[str, float]] = {}  # page -> other page -> share of rows in common
    equal = "SELECT json_group_array(page) FROM sources WHERE sketch IS NOT NULL"
    for (names,) in db.execute(f"{equal} GROUP BY digest HAVING count(*) > 1"):
        pages = sorted(orjson.loads(names))
        for page, other in [*pairwise(pages), (pages[-1], pages[0])]:
            twins.setdefault(page, {})[other] = 1.0
    for page, other in _alike(db):
        if (share := _share(db, page, other)) >= SHARED_ROWS:
            twins.setdefault(page, {})[other] = share
            twins.setdefault(other, {})[page] = share
    for page, others in twins.items():
        other, share = max(others.items(), key=lambda twin: (twin[1], twin[0]))
        how = "All" if share == 1 else f"{share:.0%} of the"
        yield Review(page, "same_text", share, f"{how} rows stand on {other} as well.")


def _alike(db: Database) -> list[tuple[str, str]]:
    """Pairs of pages that may have much text in common and are not equal."""
    pages_by_number: dict[int, list[str]] = {}
    digests = {}
    for page, digest, sketch in db.execute(
        "SELECT page, digest, sketch FROM sources WHERE sketch IS NOT NULL ORDER BY page"
    ):
        digests[page] = digest
        for number in orjson.loads(sketch):
            pages_by_number.setdefault(number, []).append(page)
    shared = Counter[tuple[str, str]]()
    for pages in pages_by_number.values():
        if len(pages) <= COMMON:
            shared.update(combinations(pages, 2))
    return [
        (page, other)
        for (page, other), count in shared.items()
        if count >= SHARED_NUMBERS and digests[page] != digests[other]
    ]


def _share(db: Database, page: str, other: str) -> float:
    """Rows that two pages have in common, of those that the longer one has."""
    one, two = (
        Counter(
            from_results.normalised(text)
            for (text,) in db.execute("SELECT raw_text FROM entries WHERE page = ?", [name])
        )
        for name in (page, other)
    )
    return (one & two).total() / max(one.total(), two.total())


def _plain(text: str) -> str:
    """One line that does a terminal no harm."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
