"""What makes one page's text suspicious by itself: too many rows, too long a cell, one text again
and again. Measured on the station's first 34 pages, of which none shows any of it but one: a row
that it numbers 21, where the form has rows 0 to 20.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from flowsheets import display
from flowsheets.page import form
from flowsheets.page.shapes import KeptPage, KeptQuadrant, kind

# Letters that a rule can hold, and then some: the longest row of those pages has 61, over two rules
# 69, a DJ's name 17, the comments 56. An oddity is a sentence of the model's own.
ROW_LETTERS = 100
HOUR_LETTERS, JOCK_LETTERS, TYPE_LETTERS, DATE_LETTERS = 40, 100, 150, 60
COMMENTS_LETTERS, ODDITY_LETTERS = 600, 500

# No row of those pages follows its like. A programme may hold a jingle or play a side through.
REPEATS = 5
# Letters that a text needs to count as one; less is a ditto mark.
RUN_CHARACTERS = 3
LONGEST_PERIOD, ROUNDS = 10, 3  # rows that come again in the same order, and how often
# Of so many rows, so few may be different ones: those pages have 98 % and more.
FEW_ROWS, DIFFERENT = 12, 0.5
# Inside one cell: so many words that go in so many rounds, or one letter so often. A song may well
# be called La La La.
CELL_WORDS, CELL_ROUNDS, CELL_LETTERS = 8, 4, 20

SHOWN = 60  # letters of a text in a detail

_SIGNS = re.compile(r"[\W_]+")
_ONE_LETTER = re.compile(rf"([^\W_])\1{{{CELL_LETTERS - 1},}}")


class Finding(NamedTuple):
    """Why a page is to be checked; `badness` orders the pages of one reason, the worst first."""

    reason: str
    badness: float
    detail: str


class Run(NamedTuple):
    """So many items from `begin` on, of which each equals the one `period` before it."""

    length: int
    begin: int
    period: int


def of(page: KeptPage) -> Iterator[Finding]:
    """Each reason once at the most."""
    yield from _repeated(page)
    yield from _periodic(page)
    yield from _more_rows_than_form(page)
    yield from _row_numbers(page)
    yield from _overlong(page)


@lru_cache(maxsize=256)  # a page's rows, which several doubts are about
def normalised(text: str) -> str:
    """The text as two transcriptions of the same row have it in common: its letters and digits."""
    return _SIGNS.sub("", text.casefold())


def longest_run(items: Sequence[str], period: int) -> Run:
    """The longest run of items of that period; one without a text of some length does not count."""
    best = Run(0, 0, period)
    begin = 0
    for at in range(period, len(items) + 1):
        if at < len(items) and items[at] == items[at - period]:
            continue
        length = at - begin
        if length > max(best.length, period) and _says_something(items[begin : begin + period]):
            best = Run(length, begin, period)
        begin = at - period + 1
    return best


def _says_something(items: Sequence[str]) -> bool:
    return any(len(item) >= RUN_CHARACTERS for item in items)


def _repeated(page: KeptPage) -> Iterator[Finding]:
    texts = _row_texts(page)
    run = longest_run([normalised(text) for text in texts], 1)
    if run.length >= REPEATS:
        text = display.shortened(texts[run.begin], SHOWN)
        yield Finding("repeated_row", run.length, f'"{text}" is on {run.length} rows in a row.')


def _periodic(page: KeptPage) -> Iterator[Finding]:
    """The worst of: rows in the same order again, few different rows, a cell in circles."""
    found = [*_rounds(page), *_few_different(page), *_cells_in_circles(page)]
    if found:
        yield max(found, key=lambda finding: finding.badness)


def _rounds(page: KeptPage) -> Iterator[Finding]:
    texts = _row_texts(page)
    plain = [normalised(text) for text in texts]
    if _again(plain) < (ROUNDS - 1) * 2:
        return
    for period in range(2, LONGEST_PERIOD + 1):
        run = longest_run(plain, period)
        shown = plain[run.begin : run.begin + period]
        if run.length >= ROUNDS * period and len(set(shown)) > 1:
            first = display.shortened(texts[run.begin], SHOWN)
            detail = f'{run.length} rows are the same {period} again and again, from "{first}" on.'
            yield Finding("periodic_text", run.length, detail)
            return


def _few_different(page: KeptPage) -> Iterator[Finding]:
    texts = [text for text in map(normalised, _row_texts(page)) if len(text) >= RUN_CHARACTERS]
    different = len(set(texts))
    run = longest_run(texts, 1).length
    if len(texts) >= FEW_ROWS and different < DIFFERENT * len(texts) and run < len(texts) / 2:
        detail = f"{len(texts)} rows have only {different} different texts."
        yield Finding("periodic_text", len(texts) - different, detail)


def _cells_in_circles(page: KeptPage) -> Iterator[Finding]:
    for where, text, _ in _cells(page):
        if len(text) < CELL_LETTERS:
            continue
        if _circles(text.casefold().split()) or _ONE_LETTER.search(text):
            shown, place = display.shortened(text, SHOWN), display.shortened(where, SHOWN)
            yield Finding("periodic_text", 1, f'{place} goes in circles: "{shown}"')


def _circles(words: list[str]) -> bool:
    if _again(words) < CELL_WORDS - CELL_WORDS // CELL_ROUNDS:
        return False
    runs = (longest_run(words, period) for period in range(1, LONGEST_PERIOD + 1))
    return any(run.length >= max(CELL_WORDS, CELL_ROUNDS * run.period) for run in runs)


def _again(items: list[str]) -> int:
    """How many of the items are there before: without enough of them, nothing goes in circles."""
    return len(items) - len(set(items))


def _more_rows_than_form(page: KeptPage) -> Iterator[Finding]:
    over = {q.position: len(q.entries) for q in page.quadrants if len(q.entries) > form.ROWS}
    if over:
        blocks = ", ".join(f"{count} rows in {position}" for position, count in over.items())
        detail = f"{blocks}; the form has {form.ROWS} a block."
        yield Finding("more_rows_than_form", max(over.values()), detail)


def _row_numbers(page: KeptPage) -> Iterator[Finding]:
    found = [text for quadrant in page.quadrants for text in _wrong_numbers(quadrant)]
    if found:
        yield Finding("row_numbers", len(found), f"{'; '.join(found)}.")


def _wrong_numbers(quadrant: KeptQuadrant) -> Iterator[str]:
    # A continuation may share its row with what it continues, or with another one.
    counts = Counter(e.row_index for e in quadrant.entries if kind(e.notes) != "continuation")
    doubled = sorted(row for row, count in counts.items() if count > 1)
    if doubled:
        yield f"{quadrant.position} has {_numbers(doubled)} more than once"
    rows = sorted({e.row_index for e in quadrant.entries} - set(range(form.ROWS)))
    if rows:
        yield f"{quadrant.position} has {_numbers(rows)}, the form rows 0 to {form.ROWS - 1}"


def _numbers(rows: list[int]) -> str:
    shown = ", ".join(display.shortened(str(row), 12) for row in rows[:5])
    more = f" and {len(rows) - 5} others" if len(rows) > 5 else ""
    return f"row {shown}{more}"


def _overlong(page: KeptPage) -> Iterator[Finding]:
    over = [(len(text) / most, where, len(text), most) for where, text, most in _cells(page)]
    worst = max(over, default=(0, "", 0, 0))
    if worst[0] > 1:
        _, where, length, most = worst
        shown = display.shortened(where, SHOWN)
        detail = f"{shown} has {length:,} letters, more than the {most} that it has room for."
        yield Finding("overlong_cell", length, detail)


def _cells(page: KeptPage) -> Iterator[tuple[str, str, int]]:
    """Where each text is, the text, and the letters that it has room for."""
    yield "The date", page.page_date_raw or "", DATE_LETTERS
    yield "The comments band", page.comments_raw or "", COMMENTS_LETTERS
    yield from (("An oddity", text, ODDITY_LETTERS) for text in page.oddities)
    for quadrant in page.quadrants:
        position = quadrant.position
        yield f"The hour of {position}", quadrant.hour_raw or "", HOUR_LETTERS
        yield f"The DJ of {position}", quadrant.jock_raw or "", JOCK_LETTERS
        yield from (
            (f"An oddity of {position}", text, ODDITY_LETTERS) for text in quadrant.oddities
        )
        for entry in quadrant.entries:
            row = f"{position} row {entry.row_index}"
            rules = 2 if kind(entry.notes) == "double_height" else 1
            yield row, entry.raw_text, rules * ROW_LETTERS
            yield f"The type of {row}", entry.type_raw or "", TYPE_LETTERS
            yield from ((f"An oddity of {row}", text, ODDITY_LETTERS) for text in entry.oddities)


def _row_texts(page: KeptPage) -> list[str]:
    """The page's rows as they follow each other, block by block."""
    return [
        entry.raw_text
        for quadrant in page.quadrants
        for entry in sorted(quadrant.entries, key=lambda entry: entry.row_index)
    ]
