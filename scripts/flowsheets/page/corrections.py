"""What a person changed on a page: each row beside the model's, the edits, and how many of the
model's rows were wrong, by its own confidence.
"""

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import KeptEntry, KeptPage

CONFIDENCES = ("high", "medium", "low")
ALIKE = 0.6  # of two texts' letters, from which on they are taken for one row that was moved

# What a person can change, by where it is; confidence stays the model's word.
OF_PAGE = ("page_date_raw", "comments_raw")
OF_BLOCK = ("hour_raw", "jock_raw")
OF_ROW = ("row_index", "raw_text", "type_raw", "notes")

Edit = dict[str, Any]


class Pair(NamedTuple):
    """A row as the model read it and as the person left it; None where one of them has no such
    row.
    """

    model: KeptEntry | None
    person: KeptEntry | None

    @property
    def is_changed(self) -> bool:
        """Whether the person changed, moved, added or deleted the row."""
        if self.model is None or self.person is None:
            return True
        return any(getattr(self.model, name) != getattr(self.person, name) for name in OF_ROW)


class Counts(NamedTuple):
    """The model's rows and the changed ones of them, by confidence, and those that it missed."""

    rows: dict[str, int]
    changed: dict[str, int]
    added: int


def pairs(model: KeptPage | None, page: KeptPage) -> dict[str, list[Pair]]:
    """Each block's rows side by side, in the order of the page, deleted rows after the others."""
    read = {q.position: q.entries for q in model.quadrants} if model else {}
    return {q.position: _paired(list(read.get(q.position, [])), q.entries) for q in page.quadrants}


def edits(model: KeptPage, page: KeptPage) -> list[Edit]:
    """What differs: `field`, `from`, `to`, and the block and the printed row that it is in."""
    found = [*_fields({}, OF_PAGE, model, page)]
    beside = pairs(model, page)
    read = {quadrant.position: quadrant for quadrant in model.quadrants}
    for quadrant in page.quadrants:
        where = {"position": quadrant.position}
        found += _fields(where, OF_BLOCK, read[quadrant.position], quadrant)
        for pair in beside[quadrant.position]:
            found += _row_edits(where, pair)
    return found


def counts(model: KeptPage, page: KeptPage, positions: tuple[str, ...] = POSITIONS) -> Counts:
    """How many rows of these blocks were wrong."""
    rows, changed = dict.fromkeys(CONFIDENCES, 0), dict.fromkeys(CONFIDENCES, 0)
    added = 0
    for position, beside in pairs(model, page).items():
        for pair in beside if position in positions else ():
            if pair.model is None:
                added += 1
                continue
            rows[pair.model.confidence] += 1
            changed[pair.model.confidence] += pair.is_changed
    return Counts(rows, changed, added)


def _paired(read: list[KeptEntry], left: list[KeptEntry]) -> list[Pair]:
    """Rows belong together by text and printed row, by text, by printed row, by a text that is
    much alike, in this order.
    """
    partner: dict[int, KeptEntry] = {}  # place in `left` -> the model's row
    rules: tuple[Callable[[KeptEntry, KeptEntry], bool], ...] = (
        lambda one, other: (one.row_index, one.raw_text) == (other.row_index, other.raw_text),
        lambda one, other: one.raw_text == other.raw_text and bool(one.raw_text.strip()),
        lambda one, other: one.row_index == other.row_index,
        lambda one, other: _alike(one.raw_text, other.raw_text),
    )
    for belongs in rules:
        for place, entry in enumerate(left):
            if place in partner:
                continue
            found = next((n for n, one in enumerate(read) if belongs(one, entry)), None)
            if found is not None:
                partner[place] = read.pop(found)
    kept = [Pair(partner.get(place), entry) for place, entry in enumerate(left)]
    return [*kept, *(Pair(entry, None) for entry in read)]


def _alike(one: str, other: str) -> bool:
    if not 0.4 < (len(one) + 1) / (len(other) + 1) < 2.5 or len(one) > 500:
        return False
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio() >= ALIKE


def _row_edits(where: Edit, pair: Pair) -> Iterator[Edit]:
    if pair.model is None or pair.person is None:
        entry = pair.person or pair.model
        assert entry
        field = "added" if pair.person else "deleted"
        text = {"from": None, "to": entry.raw_text}
        if pair.model:
            text = {"from": entry.raw_text, "to": None, "confidence": entry.confidence}
        yield where | {"row_index": entry.row_index, "field": field} | text
        return
    row = where | {"row_index": pair.person.row_index}
    for edit in _fields(row, OF_ROW, pair.model, pair.person):
        yield edit | {"confidence": pair.model.confidence}


def _fields(where: Edit, names: tuple[str, ...], model: Any, person: Any) -> Iterator[Edit]:
    for name in names:
        before, after = getattr(model, name), getattr(person, name)
        if before != after:
            yield where | {"field": name, "from": before, "to": after}
