"""Where two readings of one page disagree, field by field, and how much that is.

Neither reading is taken for right, and nothing is merged: what differs is for a person to look at.
Rows are aligned first, so that a row too many is one disagreement and not one a row below it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from flowsheets.accuracy import words
from flowsheets.accuracy.align import Pair, align, likeness
from flowsheets.page.schema import Entry, PageReading, Quadrant
from flowsheets.page.shapes import kind

Field = Literal["date", "hour", "dj", "rows", "shift", "circle", "text"]
# In the order in which they are named, and how a person calls them: one, several.
FIELDS: dict[Field, tuple[str, str]] = {
    "date": ("the date", "the date"),
    "rows": ("1 row that one of them lacks", "{} rows that one of them lacks"),
    "shift": ("1 row in another place", "{} rows in another place"),
    "text": ("the text of 1 row", "the text of {} rows"),
    "circle": ("1 type letter", "{} type letters"),
    "hour": ("1 hour", "{} hours"),
    "dj": ("1 DJ", "{} DJs"),
}

# A date concerns every play of its page, and a row is one of some sixty; the texts of two rows
# count by what differs in them.
DATE, ROW, SHIFT, CIRCLE, HOUR, DJ = 3.0, 1.0, 1.0, 0.5, 1.0, 1.0
# Texts with less in common than this have nothing in common: of unrelated rows of the station's
# pages nine in ten are below it.
UNRELATED = 0.25


class Witness(NamedTuple):
    """A second reader, and from where on what it says is worth a look.

    Without `usual` every letter counts. With it, a text counts below `far` of the likeness that
    this reader's texts usually have with the first reading's, by its own confidence; what it reads
    of hours and names says nothing, and a letter of a type circle only where it has one.
    """

    usual: Mapping[str, float] | None = None
    far: float = 0.0
    listed: float = 1.0  # a page with so much disagreement is on the list of make review


MODEL = Witness()
# The emulator's reader has a third of the letters wrong, and knows no name by heart. Medians of the
# likeness of its rows with Gemini's on the station's first 34 pages, after aligning. Measured there
# with far and listed as they are: see results/README.md.
OCR = Witness(usual={"high": 0.91, "medium": 0.77, "low": 0.57}, far=0.6, listed=3.0)
OCR_DATE = 0.6  # likeness of two dates, below which its reading is another one
LETTERS = ("H", "M", "L", "R", "O", "STD")  # what its type circles can be


class Disagreement(NamedTuple):
    """One thing that the readings have differently.

    `position` and the rows' numbers are null where it is about the page or the block; one of the
    numbers is, where one reading alone has the row. `weight` is 0 for a row that goes on what the
    row before it began: a shift is one disagreement, however long it is.
    """

    field: Field
    position: str | None
    row_index: int | None  # in the first reading
    second_row: int | None
    first: str | None
    second: str | None
    weight: float


class _Row(NamedTuple):
    """Two entries that are the same row, with all that the readings have of it."""

    first: Entry
    second: Entry
    one: str
    other: str


def of(first: PageReading, second: PageReading, witness: Witness = MODEL) -> list[Disagreement]:
    """Everything that the two readings have differently, from top to bottom."""
    found = [*_date(first, second, witness)]
    pages = zip(first.quadrants, second.quadrants, strict=True)
    lettered = [_has_letters(first), _has_letters(second)]
    if not witness.usual and lettered[0] != lettered[1]:
        found.append(_letters_of_one(first, second))
    for one, other in pages:
        found += _heading(one, other, witness)
        found += _rows(one, other, witness, circles=all(lettered))
    return found


def score(found: Iterable[Disagreement]) -> float:
    """How much the readings disagree; pages are ranked by it."""
    return round(sum(one.weight for one in found), 2)


def in_words(found: Sequence[Disagreement]) -> str:
    """What differs, in half a sentence: `the date, 7 rows in another place`."""
    counts = {field: sum(one.field == field for one in found) for field in FIELDS}
    return ", ".join(
        FIELDS[field][count > 1].format(count) for field, count in counts.items() if count
    )


def _date(first: PageReading, second: PageReading, witness: Witness) -> Iterator[Disagreement]:
    one, other = first.page_date_raw, second.page_date_raw
    same = likeness(one or "", other or "") >= OCR_DATE if witness.usual else _same(one, other)
    if not same and not (witness.usual and other is None):
        yield Disagreement("date", None, None, None, one, other, DATE)


def _heading(one: Quadrant, other: Quadrant, witness: Witness) -> Iterator[Disagreement]:
    if witness.usual:
        return
    fields: tuple[tuple[Field, str | None, str | None, float], ...] = (
        ("hour", one.hour_raw, other.hour_raw, HOUR),
        ("dj", one.jock_raw, other.jock_raw, DJ),
    )
    for field, a, b, weight in fields:
        if not _same(a, b):
            yield Disagreement(field, one.position, None, None, a, b, weight)


def _rows(
    one: Quadrant, other: Quadrant, witness: Witness, circles: bool
) -> Iterator[Disagreement]:
    position = one.position
    pairs = align(one.entries, other.entries)
    rows, alone = _joined(pairs)
    for pair in alone:
        yield from _alone(position, pair, witness)
    moved = [_is_elsewhere(row, rows[at - 1 : at], rows[at + 1 :]) for at, row in enumerate(rows)]
    for at, row in enumerate(rows):
        if moved[at]:
            goes_on = at > 0 and moved[at - 1]
            yield _disagreement("shift", position, row, 0.0 if goes_on else SHIFT)
        if not (moved[at] and row.first.row_index == row.second.row_index):
            yield from _text(position, row, witness)
        yield from _circle(position, row, witness, circles)


def _joined(pairs: Sequence[Pair]) -> tuple[list[_Row], list[Pair]]:
    """The rows that both have, and those of one alone.

    One reading may have as two rows what the other has as one: text that wraps. Such a row belongs
    to the row beside it where the two are more alike with it, or where that one is two rules high.
    """
    rows: list[_Row] = []
    alone: list[Pair] = []
    before: list[Pair] = []  # alone, and above the first row that both have, or right below one
    for pair in pairs:
        if pair.truth is None or pair.read is None:
            if not (rows and _belongs(rows, pair)):
                before.append(pair)
            continue
        rows.append(_Row(pair.truth, pair.read, pair.truth.raw_text, pair.read.raw_text))
        alone += [left for left in before if not _belongs(rows, left, above=True)]
        before = []
    return rows, alone + before


def _belongs(rows: list[_Row], pair: Pair, above: bool = False) -> bool:
    """Whether the row is a part of the last of `rows`, which then has its text."""
    row = rows[-1]
    one, other = _with(row.one, pair.truth, above), _with(row.other, pair.read, above)
    whole = pair.read is None or kind(row.first.notes) != "double_height"
    if whole and likeness(one, other) <= likeness(row.one, row.other):
        return False
    rows[-1] = row._replace(one=one, other=other)
    return True


def _with(text: str, more: Entry | None, above: bool) -> str:
    if more is None:
        return text
    return f"{more.raw_text} {text}" if above else f"{text} {more.raw_text}"


def _alone(position: str, pair: Pair, witness: Witness) -> Iterator[Disagreement]:
    if pair.truth is None and pair.read is not None:
        if witness.usual and (pair.read.confidence == "low" or not pair.read.raw_text.strip()):
            return  # specks, or the tails of the row above
        yield Disagreement(
            "rows", position, None, pair.read.row_index, None, pair.read.raw_text, ROW
        )
    elif pair.truth is not None:
        if witness.usual and kind(pair.truth.notes) == "crossed_out":
            return  # a line through the row hides it from such a reader
        yield Disagreement(
            "rows", position, pair.truth.row_index, None, pair.truth.raw_text, None, ROW
        )


def _is_elsewhere(row: _Row, before: Sequence[_Row], after: Sequence[_Row]) -> bool:
    """Whether the readings have the row in different places.

    Two neighbouring rows with nothing in common are rather one row off than misread both.
    """
    if row.first.row_index != row.second.row_index:
        return True
    return _is_unrelated(row) and any(_is_unrelated(one) for one in [*before, *after[:1]])


def _is_unrelated(row: _Row) -> bool:
    same_row = row.first.row_index == row.second.row_index
    return same_row and likeness(row.one, row.other) < UNRELATED


def _text(position: str, row: _Row, witness: Witness) -> Iterator[Disagreement]:
    if _same(row.one, row.other):
        return
    alike = likeness(row.one, row.other)
    if witness.usual and alike >= witness.far * witness.usual.get(row.second.confidence, 0):
        return
    yield _disagreement("text", position, row, max(1 - alike, 0.01))


def _circle(position: str, row: _Row, witness: Witness, circles: bool) -> Iterator[Disagreement]:
    a, b = row.first.type_raw, row.second.type_raw
    if not circles or _same(a, b):
        return
    if witness.usual and not (_letter(a) in LETTERS and _letter(b) in LETTERS):
        return
    yield Disagreement("circle", position, row.first.row_index, row.second.row_index, a, b, CIRCLE)


def _letters_of_one(first: PageReading, second: PageReading) -> Disagreement:
    """One reading has type letters, the other was hardly asked for any: one thing, not sixty."""
    one, other = (f"{_letters(page)} type letters" for page in (first, second))
    return Disagreement("circle", None, None, None, one, other, CIRCLE)


def _has_letters(page: PageReading) -> bool:
    return _letters(page) > 0


def _letters(page: PageReading) -> int:
    entries = (entry for quadrant in page.quadrants for entry in quadrant.entries)
    return sum(bool((entry.type_raw or "").strip()) for entry in entries)


def _letter(text: str | None) -> str:
    return words.lenient(text).upper()


def _same(one: str | None, other: str | None) -> bool:
    a, b = words.lenient(one), words.lenient(other)
    return a == b if a or b else words.strict(one) == words.strict(other)


def _disagreement(field: Field, position: str, row: _Row, weight: float) -> Disagreement:
    return Disagreement(
        field,
        position,
        row.first.row_index,
        row.second.row_index,
        row.one,
        row.other,
        weight,
    )
