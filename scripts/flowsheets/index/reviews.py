"""Which pages to look at first, and why: table `reviews`, made from the other tables.

A page is there once for each reason. Nothing here changes a page or a result.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import orjson
from sqlite_utils import Database

from flowsheets import display, paths
from flowsheets.index import doubts
from flowsheets.jobs import date_checks
from flowsheets.page import prompts
from flowsheets.page.schema import POSITIONS
from flowsheets.page.verified import COMPLETE
from flowsheets.paths import PageId

# What is wrong with a page's files, whatever its text.
FILE_REASONS = {
    "result_missing": "completed, and the result file is missing",
    "result_damaged": "the result file is damaged",
    "verified_unused": "a person verified the page, and that file cannot be used",
}
SECOND = "second_reading"
# The most urgent first: another page's text, lost files, then text that is missing or made up, then
# doubts. A new reason is added here; where another command notes it in jobs.db, in
# `from_jobs.NOTED` as well. A page that a person verified as complete is on the list for its files
# alone, and for a failed try to read it again (`ALWAYS`).
REASONS = {
    date_checks.DATE: "the date on the page contradicts the PDF's name",
    "same_text": "the same text is on another page",
    **FILE_REASONS,
    "no_entries": "the scan has writing, the result has no rows",
    "repeated_row": "one text, row after row",
    "periodic_text": "text that goes in circles",
    "more_rows_than_form": "more rows than the form has",
    "row_numbers": "row numbers that are doubled, or that the form does not have",
    "overlong_cell": "a text that is longer than its place on the form",
    "more_rows_than_ink": "the result has more rows than the scan has written ones",
    "fewer_rows_than_ink": "the scan has more written rows than the result",
    "failed": "failed, with no tries left",
    "pdf_changed": "the PDF is another file since the page was read",
    "mended_answer": "the response had to be mended to be read",
    SECOND: "a second reader has much of it differently",
    "older_prompt": "the prompt that read it did not ask for all that today's asks for",
    "type_letters_missing": "no type letter was read, and the scan has some",
    "low_confidence": "many rows are low in confidence",
}
ALWAYS = (*FILE_REASONS, "failed")

# Of the station's first 34 pages one has more than a tenth of its rows low: a third of them.
LOW_SHARE, LOW_ENTRIES = 0.25, 8
# Rows of a block that carry ink and were not read. On those pages' 136 blocks the scan shows two
# rows more than the transcription has, at the most.
UNREAD_ROWS = 4
# Rows of a block that were read and carry no ink: 3 on those pages, at the most.
MADE_UP_ROWS = 5
# Type letters that a scan shows; strokes across the column look like 12 at the most (page.form).
SEEN_LETTERS = 15
# Numbers that two sketches share before the pages are compared, and the share of their rows then.
SHARED_NUMBERS, SHARED_ROWS = 4, 0.6
# A number that so many pages share is a jingle, not a page's text.
COMMON = 50
Noted = list[tuple[PageId, str, str]]  # page, reason, detail


class Review(NamedTuple):
    """`badness` orders the pages of one reason, the worst first."""

    page: str
    reason: str
    badness: float
    detail: str


class Block(NamedTuple):
    """One block: its page's entries, and its rows that were read and that carry ink."""

    page: str
    entry_count: int
    position: str
    read: int
    inked: int


def refresh(db: Database, max_attempts: int, dated: date_checks.Noted, noted: Noted) -> None:
    """Fill `reviews` anew, in the transaction that `db` is in.

    `dated` and `noted` are what jobs.db has: contradicting dates, and other commands' reasons.
    """
    order = list(REASONS)
    verified = _verified(db)
    found = sorted(
        (
            review
            for review in _all(db, max_attempts, dated, noted)
            if review.page not in verified or review.reason in ALWAYS
        ),
        key=lambda r: (order.index(r.reason), -r.badness, r.page),
    )
    db.execute("DELETE FROM reviews")
    db.conn.executemany(
        "INSERT OR IGNORE INTO reviews (page, reason, detail, rank) VALUES (?, ?, ?, ?)",
        ((r.page, r.reason, r.detail, rank) for rank, r in enumerate(found, 1)),
    )


def _verified(db: Database) -> set[str]:
    sql = "SELECT page FROM pages WHERE verified = ?"
    return {page for (page,) in db.execute(sql, [COMPLETE])}


def _all(
    db: Database, max_attempts: int, dated: date_checks.Noted, noted: Noted
) -> Iterator[Review]:
    yield from _contradicting(db, dated)
    yield from _same_text(db)
    yield from _missing(db)
    yield from _found(db)
    yield from _ink(db)
    yield from _failed(db, max_attempts)
    yield from _noted(db, noted)
    yield from _second(db)
    yield from _older_prompt(db)
    yield from _letters_missing(db)
    yield from _low(db)


def _contradicting(db: Database, dated: date_checks.Noted) -> Iterator[Review]:
    # What the text says goes before what was noted when it was made; it may be gone by now.
    found = dict(db.execute("SELECT page, contradiction FROM sources WHERE contradiction <> ''"))
    without_text = "SELECT count(*) FROM sources WHERE page = ?"
    for page, (detail, _) in dated.items():
        name = paths.page_name(page)
        if _is_known(db, name) and not db.execute(without_text, [name]).fetchone()[0]:
            found[name] = detail
    for name, why in found.items():
        yield Review(name, date_checks.DATE, 0, f"{display.plain(why)}.")


def _is_known(db: Database, page: str) -> bool:
    return db.execute("SELECT 1 FROM pages WHERE page = ?", [page]).fetchone() is not None


def _missing(db: Database) -> Iterator[Review]:
    sql = (
        "SELECT page FROM pages WHERE result_path IS NULL"
        " AND status IN ('completed', 'low_confidence')"
    )
    for (page,) in db.execute(sql):
        detail = "The result file is missing: make rebuild, else make retry."
        yield Review(page, "result_missing", 0, detail)


def _found(db: Database) -> Iterator[Review]:
    sql = "SELECT page, reason, badness, detail FROM findings"
    for page, reason, badness, detail in db.execute(sql):
        yield Review(page, reason, badness, detail)


def _noted(db: Database, noted: Noted) -> Iterator[Review]:
    for page, reason, detail in noted:
        if _is_known(db, name := paths.page_name(page)):
            yield Review(name, reason, 0, display.plain(detail))


def _second(db: Database) -> Iterator[Review]:
    sql = (
        "SELECT page, sum(score), group_concat(detail, ' ') FROM"
        " (SELECT * FROM second_readings WHERE listed ORDER BY score DESC, folder) GROUP BY page"
    )
    for page, score, detail in db.execute(sql):
        yield Review(page, SECOND, score, detail)


def _failed(db: Database, max_attempts: int) -> Iterator[Review]:
    sql = "SELECT page, attempts, last_error FROM pages WHERE status = 'failed' AND attempts >= ?"
    for page, attempts, last_error in db.execute(sql, [max_attempts]):
        why = display.plain(last_error or "no reason is known").rstrip(".")
        times = "once" if attempts == 1 else f"{attempts} times"
        yield Review(page, "failed", 0, f"Failed {times}: {why}.")


def _low(db: Database) -> Iterator[Review]:
    sql = (
        "SELECT page, low_count, entry_count FROM pages"
        " WHERE entry_count >= ? AND low_count > ? * entry_count"
    )
    for page, low, count in db.execute(sql, [LOW_ENTRIES, LOW_SHARE]):
        yield Review(page, "low_confidence", low / count, f"{low} of {count} rows are low.")


def _older_prompt(db: Database) -> Iterator[Review]:
    sql = "SELECT page, prompt FROM pages WHERE prompt IS NOT NULL AND entry_count IS NOT NULL"
    for page, prompt in db.execute(sql):
        if missing := prompts.not_asked_for(prompt):
            detail = f"It was read with the prompt {prompt}, which did not ask for: "
            yield Review(page, "older_prompt", len(missing), f"{detail}{', '.join(missing)}.")


def _letters_missing(db: Database) -> Iterator[Review]:
    columns = " + ".join(f"coalesce({position}_types, 0)" for position in POSITIONS)
    sql = (
        f"SELECT page, {columns} AS seen FROM ink JOIN pages USING (page)"
        " WHERE entry_count > 0 AND seen >= ? AND NOT EXISTS"
        " (SELECT 1 FROM entries e WHERE e.page = ink.page AND trim(e.type_raw) <> '')"
    )
    for page, seen in db.execute(sql, [SEEN_LETTERS]):
        detail = f"The scan shows some {seen} type letters, the result has none."
        yield Review(page, "type_letters_missing", seen, detail)


def _ink(db: Database) -> Iterator[Review]:
    """Pages with a text and a measured scan that do not agree on which rows are written."""
    empty = Counter[str]()  # page without entries -> rows inked
    unread: dict[str, list[Block]] = {}
    made_up: dict[str, list[Block]] = {}
    for block in _blocks(db):
        if block.entry_count == 0:
            empty[block.page] += block.inked
        elif block.inked > block.read:
            unread.setdefault(block.page, []).append(block)
        else:
            made_up.setdefault(block.page, []).append(block)
    for page, ink in empty.items():
        if ink >= UNREAD_ROWS:
            yield Review(page, "no_entries", ink, f"{ink} rows of the scan carry writing.")
    yield from _unequal("fewer_rows_than_ink", unread)
    yield from _unequal("more_rows_than_ink", made_up)


def _unequal(reason: str, pages: dict[str, list[Block]]) -> Iterator[Review]:
    for page, blocks in pages.items():
        counts = ", ".join(
            f"{block.inked} written rows in {block.position}, {block.read} read"
            for block in sorted(blocks, key=lambda block: POSITIONS.index(block.position))
        )
        badness = sum(abs(block.inked - block.read) for block in blocks)
        yield Review(page, reason, badness, f"{counts}.")


def _blocks(db: Database) -> Iterator[Block]:
    """Blocks of pages without entries, and those whose rows differ from the scan's by so many.

    Where the form was not found, the scan says nothing.
    """
    inked = " ".join(f"WHEN '{position}' THEN {position}" for position in POSITIONS)
    sql = (
        "SELECT b.page, p.entry_count, b.position, b.rows_read,"
        f" CASE b.position {inked} END AS inked"
        " FROM ink CROSS JOIN pages p ON p.page = ink.page CROSS JOIN blocks b ON b.page = ink.page"
        " WHERE inked IS NOT NULL AND (p.entry_count = 0 OR inked - b.rows_read >= ?"
        " OR b.rows_read - inked >= ?)"
    )
    for row in db.execute(sql, [UNREAD_ROWS, MADE_UP_ROWS]):
        yield Block(*row)


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
        yield Review(page, "same_text", share, f"{how} rows are on {other} as well.")


def _alike(db: Database) -> list[tuple[str, str]]:
    """Pairs of pages that may have much text in common and are not equal."""
    seen: set[int] = set()
    repeated: set[int] = set()  # few of the numbers: the others need no list of pages
    for _, numbers in _sketches(db):
        repeated.update(seen.intersection(numbers))
        seen.update(numbers)
    by_number: dict[int, list[int]] = {}
    for row, numbers in _sketches(db):
        for number in repeated.intersection(numbers):
            by_number.setdefault(number, []).append(row)
    shared = Counter[tuple[int, int]]()
    for rows in by_number.values():
        if len(rows) <= COMMON:
            shared.update(combinations(rows, 2))
    alike = [pair for pair, count in shared.items() if count >= SHARED_NUMBERS]
    sql = (
        "SELECT a.page, b.page FROM sources a, sources b"
        " WHERE a.rowid = ? AND b.rowid = ? AND a.digest <> b.digest"
    )
    return [(page, other) for pair in alike for page, other in db.execute(sql, pair)]


def _sketches(db: Database) -> Iterator[tuple[int, list[int]]]:
    """The checksums of each page that has any, by its row's number in `sources`."""
    sql = "SELECT rowid, sketch FROM sources WHERE sketch IS NOT NULL ORDER BY rowid"
    return ((row, orjson.loads(sketch)) for row, sketch in db.execute(sql))


def _share(db: Database, page: str, other: str) -> float:
    """Rows that two pages have in common, of those that the longer one has."""
    one, two = (
        Counter(
            doubts.normalised(text)
            for (text,) in db.execute("SELECT raw_text FROM entries WHERE page = ?", [name])
        )
        for name in (page, other)
    )
    return (one & two).total() / max(one.total(), two.total())
