"""Which row of one reading is which row of another, within a block.

Matched by position, one row too many at the top makes every row below it wrong. So rows are aligned
by their text (Needleman-Wunsch), and their numbers only help where texts leave it open.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

from flowsheets.accuracy import words
from flowsheets.page.schema import Entry

Kind = Literal["equal", "text", "missing", "extra", "shifted"]

# What a row without a partner costs. Two of them cost as much as a pair in the same row that has no
# letter in common: such a pair is one row read wrongly, not a row missing and another made up.
ALONE = 0.5
# A row's difference in number: a tenth of a pair with nothing in common, so that a text one row
# off still finds its partner, and two equal texts go to the nearer one. It ends at five rows, so
# that an equal text is found however far a block has shifted, and a poor likeness is not.
A_ROW, ROWS_AT_MOST = 0.1, 5
TIE = 1e-9  # costs this close are equal, whatever the last bits of their sums


class Pair(NamedTuple):
    """A row of the truth and the row that was read for it.

    equal    the same text, strictly, in the same row
    text     in the same row, with another text
    shifted  with another row's number, whatever its text
    missing  of the truth alone
    extra    of the reading alone
    """

    kind: Kind
    truth: Entry | None
    read: Entry | None


def is_row(entry: Entry) -> bool:
    """Whether the entry has a text, a letter or a note: was typed, where it is of a draft."""
    return bool(entry.raw_text.strip() or (entry.type_raw or "").strip() or entry.notes)


def rows(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of a block that are rows, by number; those of one number as they were listed."""
    return sorted(filter(is_row, entries), key=lambda entry: entry.row_index)


def align(truth: Sequence[Entry], read: Sequence[Entry]) -> list[Pair]:
    """The rows of one block, from top to bottom, each row in one pair."""
    here, there = rows(truth), rows(read)
    return [_pair(t, r) for t, r in _cheapest(here, there)]


def likeness(one: str, other: str) -> float:
    """How much of two texts is the same, 0 to 1; case, punctuation and blanks count where there is
    nothing else.
    """
    a, b = words.lenient(one), words.lenient(other)
    if not (a and b):
        a, b = words.strict(one), words.strict(other)
    return Levenshtein.normalized_similarity(a, b)


def _pair(truth: Entry | None, read: Entry | None) -> Pair:
    if read is None:
        return Pair("missing", truth, None)
    if truth is None:
        return Pair("extra", None, read)
    if truth.row_index != read.row_index:
        return Pair("shifted", truth, read)
    same = words.strict(truth.raw_text) == words.strict(read.raw_text)
    return Pair("equal" if same else "text", truth, read)


def _cost(truth: Entry, read: Entry) -> float:
    off = min(abs(truth.row_index - read.row_index), ROWS_AT_MOST)
    return 1 - likeness(truth.raw_text, read.raw_text) + A_ROW * off


def _cheapest(truth: list[Entry], read: list[Entry]) -> list[tuple[Entry | None, Entry | None]]:
    """All rows in order, in the pairs that cost least; of equally cheap ways one with a pair."""
    costs = [[_cost(t, r) for r in read] for t in truth]
    rest = _costs_of_the_rest(costs, len(truth), len(read))
    found: list[tuple[Entry | None, Entry | None]] = []
    i = j = 0
    while i < len(truth) and j < len(read):
        paired, missing = costs[i][j] + rest[i + 1][j + 1], ALONE + rest[i + 1][j]
        cheapest = min(paired, missing, ALONE + rest[i][j + 1]) + TIE
        if paired <= cheapest:
            found.append((truth[i], read[j]))
            i, j = i + 1, j + 1
        elif missing <= cheapest:
            found.append((truth[i], None))
            i += 1
        else:
            found.append((None, read[j]))
            j += 1
    return [*found, *((t, None) for t in truth[i:]), *((None, r) for r in read[j:])]


def _costs_of_the_rest(costs: list[list[float]], here: int, there: int) -> list[list[float]]:
    """What the rows from the i-th of the truth and the j-th that was read on cost at least."""
    rest = [[ALONE * (here - i + there - j) for j in range(there + 1)] for i in range(here + 1)]
    for i in reversed(range(here)):
        below, line, prices = rest[i + 1], rest[i], costs[i]
        for j in reversed(range(there)):
            line[j] = min(prices[j] + below[j + 1], ALONE + below[j], ALONE + line[j + 1])
    return rest
