"""What of a page was read right, as counts that add up, and the figures that are made of them.

Rows come from `align`. Their text counts where a row is missing (all its letters are lost) and
where one is extra (all its letters are made up). Circle and note count on rows that both have, so
that a lost row is one fault. Hour, DJ and date are one field each; null read as null is right.
Of a page that is not typed to its end, blocks without anything typed do not count, nor does a date
that is null.

A rate above 1 counts as 1, page by page: a page that was read as an endless repetition is wrong
as a whole, and outweighs no other. What a page without any text has extra shows in the extra rows.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from rapidfuzz.distance import Levenshtein

from flowsheets.accuracy import words
from flowsheets.accuracy.align import Pair, align, is_row
from flowsheets.page.schema import Entry, PageReading, Quadrant
from flowsheets.page.shapes import kind

FORMS = ("strict", "lenient")
FIELDS = ("circle", "hour", "jock", "date")
CONFIDENCES = ("high", "medium", "low")
NOTES = ("none", "continuation", "double_height", "crossed_out", "illegible", "other")
PAIRS = ("equal", "text", "shifted", "missing", "extra")
MISSING, EXTRA = "missing", "extra"  # in place of a note where one side has no such row


class Counts(Counter[str]):
    """Counts of one page, or the sum of several; a name that was not counted is 0.

    pages, unread                       with a result; of these `unread` have none, all rows missing
    rows, read                          of the truth; that were read
    found                               of both
    equal, text, shifted, missing, extra   pairs by kind
    <form>.edits, .letters              characters, <form> being strict or lenient
    <form>.word_edits, .words
    <form>.right                        rows with that text, wherever they stand
    <field>, <field>.strict, .lenient   places, and how many are right
    <field>.filled, .filled.strict, .filled.lenient   the same where the truth is not null
    notes.<truth>.<read>                rows by their notes
    confidence.<word>, .strict, .lenient   rows read so, and how many of them have another text
    """

    def __add__(self, other: Counter[str]) -> Self:  # type: ignore[override]
        total = type(self)(self)
        total.update(other)
        return total


@dataclass(frozen=True)
class Ratio:
    """A figure: the share of one count in another, both by name; None where there is nothing to be
    a part of.
    """

    part: str
    whole: str

    def __call__(self, counts: Counts) -> float | None:
        return counts[self.part] / counts[self.whole] if counts[self.whole] else None


def total(pages: Iterable[Counts]) -> Counts:
    """The pages' counts together."""
    everything = Counts()
    for page in pages:
        everything.update(page)
    return everything


def page_pairs(truth: PageReading, read: PageReading | None) -> list[list[Pair]]:
    """The rows of each block, in the form's order; without what was read in rows that were listed
    in the truth, and not typed.
    """
    blocks = read.quadrants if read else [None] * len(truth.quadrants)
    return [
        [] if _is_untyped(there) else _block_pairs(there.entries, here.entries if here else [])
        for there, here in zip(truth.quadrants, blocks, strict=True)
    ]


def _is_untyped(block: Quadrant) -> bool:
    """Whether the block has rows to be typed, and nobody has begun with it."""
    heading = words.strict(block.hour_raw) or words.strict(block.jock_raw)
    return bool(block.entries) and not heading and not any(map(is_row, block.entries))


def _block_pairs(truth: Sequence[Entry], read: Sequence[Entry]) -> list[Pair]:
    untyped = {entry.row_index for entry in truth if not is_row(entry)}
    return [
        pair
        for pair in align(truth, read)
        if pair.truth or not pair.read or pair.read.row_index not in untyped
    ]


def page_counts(truth: PageReading, read: PageReading | None) -> Counts:
    """What of the page was read right. Without a reading all rows are missing, and no field is
    counted; `unread` says so, for who wants to leave such pages out.
    """
    return of_pairs(truth, read, page_pairs(truth, read))


def of_pairs(truth: PageReading, read: PageReading | None, blocks: list[list[Pair]]) -> Counts:
    """`page_counts` of a page whose rows are aligned already."""
    counts = Counts(pages=1, unread=int(read is None))
    pairs = [pair for block in blocks for pair in block]
    for pair in pairs:
        _count_row(counts, pair)
    _count_text(counts, pairs)
    if read:
        if truth.page_date_raw or not any(map(_is_untyped, truth.quadrants)):
            _count_field(counts, "date", truth.page_date_raw, read.page_date_raw)
        for there, here in zip(truth.quadrants, read.quadrants, strict=True):
            if _is_untyped(there):
                continue
            _count_field(counts, "hour", there.hour_raw, here.hour_raw)
            _count_field(counts, "jock", there.jock_raw, here.jock_raw)
    return counts


# --- figures ------------------------------------------------------------------------------------


cer = Ratio("strict.edits", "strict.letters")  # characters in error
cer_lenient = Ratio("lenient.edits", "lenient.letters")
wer = Ratio("strict.word_edits", "strict.words")  # words in error
wer_lenient = Ratio("lenient.word_edits", "lenient.words")
row_recall = Ratio("found", "rows")  # rows of the truth that were read, wherever they stand
row_precision = Ratio("found", "read")  # rows that were read and are in the truth


# --- counting -----------------------------------------------------------------------------------


def _count_row(counts: Counts, pair: Pair) -> None:
    counts[pair.kind] += 1
    truth, read = pair.truth, pair.read
    counts["rows"] += truth is not None
    counts["read"] += read is not None
    counts["found"] += bool(truth and read)
    noted = _note(truth.notes) if truth else EXTRA
    counts[f"notes.{noted}.{_note(read.notes) if read else MISSING}"] += 1
    right = {form: bool(truth and read) for form in FORMS}
    if truth and read:
        _count_field(counts, "circle", truth.type_raw, read.type_raw)
        right["strict"] = words.strict(truth.raw_text) == words.strict(read.raw_text)
        right["lenient"] = words.lenient(truth.raw_text) == words.lenient(read.raw_text)
    for form in FORMS:
        counts[f"{form}.right"] += right[form]
    if read:
        counts[f"confidence.{read.confidence}"] += 1
        for form in FORMS:
            counts[f"confidence.{read.confidence}.{form}"] += not right[form]


def _count_text(counts: Counts, pairs: list[Pair]) -> None:
    for form, letters, split in (
        ("strict", words.strict, words.strict_words),
        ("lenient", words.lenient, words.lenient_words),
    ):
        edits = letters_of_truth = word_edits = words_of_truth = 0
        for pair in pairs:
            truth = pair.truth.raw_text if pair.truth else None
            read = pair.read.raw_text if pair.read else None
            edits += Levenshtein.distance(letters(truth), letters(read))
            letters_of_truth += len(letters(truth))
            word_edits += Levenshtein.distance(split(truth), split(read))
            words_of_truth += len(split(truth))
        counts[f"{form}.edits"] += min(edits, letters_of_truth)
        counts[f"{form}.letters"] += letters_of_truth
        counts[f"{form}.word_edits"] += min(word_edits, words_of_truth)
        counts[f"{form}.words"] += words_of_truth


def _count_field(counts: Counts, field: str, truth: str | None, read: str | None) -> None:
    right = {
        "strict": words.strict(truth) == words.strict(read),
        "lenient": words.lenient(truth) == words.lenient(read),
    }
    kinds = [field, f"{field}.filled"] if words.strict(truth) else [field]
    for name in kinds:
        counts[name] += 1
        for form in FORMS:
            counts[f"{name}.{form}"] += right[form]


def _note(notes: str | None) -> str:
    said = kind(notes) or "none"
    return said if said in NOTES else "other"
