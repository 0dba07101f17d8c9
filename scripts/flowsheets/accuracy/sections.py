"""Readings measured by the truth of one kind: every figure of the report, with its interval."""

from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from flowsheets.accuracy import intervals, score, words
from flowsheets.accuracy.align import Kind, Pair
from flowsheets.accuracy.intervals import Interval
from flowsheets.accuracy.score import Counts, Ratio
from flowsheets.accuracy.truth import TruthPage
from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import KeptPage

WORST_PAGES, WORST_ROWS = 3, 10


class Measured(NamedTuple):
    """A page of the truth, its reading, and how the two differ."""

    truth: TruthPage
    read: KeptPage
    blocks: list[list[Pair]]
    counts: Counts


class Figure(NamedTuple):
    """A line of the table: the same share strictly and leniently; rows are counted in one way."""

    name: str  # in JSON
    label: str
    strict: Ratio
    lenient: Ratio | None
    unit: str  # of what it is a share


class WrongRow(NamedTuple):
    """A row that was not read as it stands in the truth."""

    page: str
    position: str
    row: int  # of the truth; of the reading, where it is extra
    read_row: int  # where it was read; its own row, where it is missing
    kind: Kind
    truth: str | None
    read: str | None
    edits: int


class Section(NamedTuple):
    """What is said of the pages of one kind of truth."""

    kind: str
    pages: list[Measured]
    total: Counts
    figures: dict[str, tuple[Interval, Interval | None]]  # name -> strictly, leniently
    confidence: dict[str, tuple[Interval, Interval]]  # word -> rows wrong strictly, leniently
    worst_pages: list[Measured]
    wrong_rows: list[WrongRow]  # all of them, the worst first


def _field(name: str, label: str, unit: str) -> Figure:
    return Figure(name, label, Ratio(f"{name}.strict", name), Ratio(f"{name}.lenient", name), unit)


FIGURES = (
    Figure("cer", "characters in error (CER)", score.cer, score.cer_lenient, "letters"),
    Figure("wer", "words in error (WER)", score.wer, score.wer_lenient, "words"),
    Figure("row_recall", "rows found", score.row_recall, None, "rows of the truth"),
    Figure("row_precision", "rows read that are there", score.row_precision, None, "rows read"),
    Figure(
        "row_text",
        "rows with the right text",
        Ratio("strict.right", "rows"),
        Ratio("lenient.right", "rows"),
        "rows of the truth",
    ),
    _field("circle", "circles right", "rows in both"),
    _field("circle.filled", "- where one is written", "rows in both"),
    _field("hour", "hours right", "blocks"),
    _field("hour.filled", "- where one is written", "blocks"),
    _field("jock", "DJs right", "blocks"),
    _field("jock.filled", "- where one is written", "blocks"),
    _field("date", "dates right", "pages"),
)


def measure(truth: TruthPage, read: KeptPage) -> Measured:
    """A page's reading against its truth."""
    blocks = score.page_pairs(truth.page, read)
    return Measured(truth, read, blocks, score.of_pairs(truth.page, read, blocks))


def section(kind: str, pages: list[Measured]) -> Section:
    """All figures of these pages."""
    counted = [page.counts for page in pages]
    return Section(
        kind,
        pages,
        score.total(counted),
        {figure.name: _both(counted, figure.strict, figure.lenient) for figure in FIGURES},
        {word: _wrong(counted, word) for word in score.CONFIDENCES},
        sorted(pages, key=_badness, reverse=True)[:WORST_PAGES],
        wrong_rows(pages),
    )


def wrong_rows(pages: Sequence[Measured]) -> list[WrongRow]:
    """Rows whose text is not strictly that of the truth, the worst first, in a fixed order."""
    found = [
        _wrong_row(page.truth.name, position, pair)
        for page in pages
        for position, block in zip(POSITIONS, page.blocks, strict=True)
        for pair in block
        if not _is_right(pair)
    ]
    order = {position: number for number, position in enumerate(POSITIONS)}
    return sorted(found, key=lambda row: (-row.edits, row.page, order[row.position], row.row))


def _both(
    counted: list[Counts], strict: Ratio, lenient: Ratio | None
) -> tuple[Interval, Interval | None]:
    other = intervals.interval(counted, lenient) if lenient else None
    return intervals.interval(counted, strict), other


def _wrong(counted: list[Counts], word: str) -> tuple[Interval, Interval]:
    """Of rows read with that confidence, the share that has another text, or is not there."""
    name = f"confidence.{word}"
    strict, lenient = (Ratio(f"{name}.{form}", name) for form in score.FORMS)
    return intervals.interval(counted, strict), intervals.interval(counted, lenient)


def _badness(page: Measured) -> tuple[float, int]:
    """A page's error, for its order; one that has no text at all is as bad as it has extra rows."""
    rate = score.cer(page.counts)
    extra = page.counts["extra"]
    return (rate if rate is not None else float(bool(extra)), page.counts["strict.edits"] + extra)


def _is_right(pair: Pair) -> bool:
    if not (pair.truth and pair.read):
        return False
    return words.strict(pair.truth.raw_text) == words.strict(pair.read.raw_text)


def _wrong_row(page: str, position: str, pair: Pair) -> WrongRow:
    truth = pair.truth.raw_text if pair.truth else None
    read = pair.read.raw_text if pair.read else None
    rows = [entry.row_index for entry in (pair.truth, pair.read) if entry]
    edits = Levenshtein.distance(words.strict(truth), words.strict(read))
    return WrongRow(page, position, rows[0], rows[-1], pair.kind, truth, read, edits)
