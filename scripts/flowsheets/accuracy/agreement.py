"""How far two readings of the same pages agree, where no truth is known: neither is the right one.

The same whichever comes first: of a pair of rows the longer text counts, of a lone row its own.
"""

from collections.abc import Iterable

from rapidfuzz.distance import Levenshtein

from flowsheets.accuracy import words
from flowsheets.accuracy.align import Pair, align
from flowsheets.accuracy.score import Counts, Ratio
from flowsheets.page.schema import PageReading, Quadrant

# Figures, all of them shares that differ.
FIGURES = {
    "characters": (Ratio("edits", "letters"), Ratio("lenient.edits", "lenient.letters")),
    "rows": (Ratio("lone", "rows"), None),  # of one reading alone
    "row_text": (Ratio("other_text", "both"), Ratio("lenient.other_text", "both")),
    "circle": (Ratio("circle", "both"), Ratio("lenient.circle", "both")),
    "hour": (Ratio("hour", "blocks"), Ratio("lenient.hour", "blocks")),
    "jock": (Ratio("jock", "blocks"), Ratio("lenient.jock", "blocks")),
    "date": (Ratio("date", "pages"), Ratio("lenient.date", "pages")),
}


def of_pages(a: PageReading, b: PageReading) -> Counts:
    """What of a page differs, as counts that add up. `<side>.<confidence>` are rows that a reading
    is so sure of; `.other` of them have another text in the other reading, or are not in it;
    `.edits` and `.letters` are their characters.
    """
    counts = Counts(pages=1)
    _differ(counts, "date", a.page_date_raw, b.page_date_raw)
    for one, other in zip(a.quadrants, b.quadrants, strict=True):
        counts["blocks"] += 1
        _differ(counts, "hour", one.hour_raw, other.hour_raw)
        _differ(counts, "jock", one.jock_raw, other.jock_raw)
        for pair in _pairs(one, other):
            _count(counts, pair)
    return counts


def by_confidence(side: str, word: str) -> tuple[Ratio, Ratio]:
    """Of the rows that a reading (a or b) is so sure of, the share that is not so in the other one,
    and the share of their characters that differ.
    """
    name = f"{side}.{word}"
    return Ratio(f"{name}.other", name), Ratio(f"{name}.edits", f"{name}.letters")


def _pairs(one: Quadrant, other: Quadrant) -> Iterable[Pair]:
    """The rows of a block, a as truth. Of ways that cost the same, `align` takes one by the order
    that it is given: so it is given the same order either way.
    """
    if _key(one) <= _key(other):
        return align(one.entries, other.entries)
    turned = align(other.entries, one.entries)
    return [Pair(pair.kind, pair.read, pair.truth) for pair in turned]


def _key(block: Quadrant) -> list[tuple[int, str]]:
    return [(entry.row_index, entry.raw_text) for entry in block.entries]


def _count(counts: Counts, pair: Pair) -> None:
    a, b = pair.truth, pair.read
    texts = [entry.raw_text if entry else None for entry in (a, b)]
    edits = Levenshtein.distance(*map(words.strict, texts))
    letters = max(len(words.strict(text)) for text in texts)
    for form, name in ((words.strict, ""), (words.lenient, "lenient.")):
        one, other = map(form, texts)
        counts[f"{name}edits"] += Levenshtein.distance(one, other)
        counts[f"{name}letters"] += max(len(one), len(other))
        counts[f"{name}other_text"] += bool(a and b) and one != other
    counts["rows"] += 1
    if a and b:
        counts["both"] += 1
        _differ(counts, "circle", a.type_raw, b.type_raw)
    else:
        counts["lone"] += 1
        counts["lone.a" if a else "lone.b"] += 1
    same = bool(a and b) and words.strict(texts[0]) == words.strict(texts[1])
    for side, entry in (("a", a), ("b", b)):
        if entry:
            counts[f"{side}.{entry.confidence}"] += 1
            counts[f"{side}.{entry.confidence}.other"] += not same
            counts[f"{side}.{entry.confidence}.edits"] += edits
            counts[f"{side}.{entry.confidence}.letters"] += letters


def _differ(counts: Counts, name: str, one: str | None, other: str | None) -> None:
    counts[name] += words.strict(one) != words.strict(other)
    counts[f"lenient.{name}"] += words.lenient(one) != words.lenient(other)
