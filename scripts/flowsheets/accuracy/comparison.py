"""Two folders of readings: against the truth, paired by page, or else against each other."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tabulate import tabulate  # type: ignore[import-untyped]

from flowsheets import display
from flowsheets.accuracy import agreement, intervals, score
from flowsheets.accuracy.intervals import Paired
from flowsheets.accuracy.readings import Readings
from flowsheets.accuracy.score import Counts, Ratio
from flowsheets.accuracy.table import SAYS, share, with_interval
from flowsheets.accuracy.truth import KINDS, TruthPage

FIGURES = {
    "cer": ("characters in error (CER)", score.cer),
    "cer.lenient": ("- without case, punctuation, blanks", score.cer_lenient),
    "wer": ("words in error (WER)", score.wer),
    "row_recall": ("rows found", score.row_recall),
    "row_precision": ("rows read that are there", score.row_precision),
    "row_text": ("rows with the right text", Ratio("strict.right", "rows")),
    "circle.lenient": ("circles right", Ratio("circle.lenient", "circle")),
}
HEAD = ("", "A", "B", "B - A", "95 %", "pages lower", "higher", "equal", "sign test", "of")
DECIDING = 5  # pages that are named

AGREEMENT = {
    "characters": "characters that differ",
    "rows": "rows that one of them lacks",
    "row_text": "rows in both, with another text",
    "circle": "rows in both, with another circle",
    "hour": "hours that differ",
    "jock": "DJs that differ",
    "date": "dates that differ",
}


class Comparison(NamedTuple):
    """B against A by the truth of one kind. `a` and `b` are the counts of the same pages."""

    kind: str
    pages: list[str]
    a: list[Counts]
    b: list[Counts]
    figures: dict[str, Paired]


def by_truth(truth: Sequence[TruthPage], a: Readings, b: Readings) -> list[Comparison]:
    """A comparison for each kind of truth, of the pages that both have read."""
    found = []
    for kind in KINDS:
        pages = [t for t in truth if t.kind == kind and t.name in a.pages and t.name in b.pages]
        if not pages:
            continue
        here = [score.page_counts(page.page, a.pages[page.name]) for page in pages]
        there = [score.page_counts(page.page, b.pages[page.name]) for page in pages]
        figures = {
            name: intervals.paired(here, there, figure) for name, (_, figure) in FIGURES.items()
        }
        found.append(Comparison(kind, [page.name for page in pages], here, there, figures))
    return found


def lines(comparison: Comparison) -> Iterator[str]:
    """The comparison, line by line."""
    pages = len(comparison.pages)
    yield f"{comparison.kind}, {pages} pages read by both: {SAYS[comparison.kind]}"
    table = []
    for name, found in comparison.figures.items():
        row = [FIGURES[name][0], share(found.a), share(found.b), *_difference(found, pages)]
        signs = [found.lower, found.higher, found.equal, f"p = {found.p:.2g}"]
        table.append([*row, *signs, _of(comparison, FIGURES[name][1])])
    yield tabulate(table, HEAD, disable_numparse=True)
    yield _sentence(comparison)


def agree(a: Readings, b: Readings, pages: Iterable[str]) -> list[Counts]:
    """How far two folders agree, a page each. A page is let go of once it was compared, since a
    station's pages do not fit into memory.
    """
    counted = []
    for page in pages:
        here, there = a.add(page), b.add(page)
        if here and there:
            counted.append(agreement.of_pages(here, there))
        for readings in (a, b):
            readings.pages.pop(page, None)
    return counted


def agreement_lines(counted: list[Counts]) -> Iterator[str]:
    """How far two readings agree, line by line."""
    pages, total = len(counted), score.total(counted)
    table = []
    for name, label in AGREEMENT.items():
        strict, lenient = agreement.FIGURES[name]
        said = [*with_interval(intervals.interval(counted, strict), pages), "", ""]
        if lenient:
            said[2:] = with_interval(intervals.interval(counted, lenient), pages)
        table.append([label, *said, f"{total[strict.whole]:,} {strict.whole}"])
    head = ("without truth", "strictly", "95 %", "leniently", "95 %", "of")
    yield tabulate(table, head, disable_numparse=True)
    yield f"rows of A alone: {total['lone.a']:,}, of B alone: {total['lone.b']:,}"
    yield ""
    stated = []
    for side in ("a", "b"):
        for word in score.CONFIDENCES:
            figures = agreement.by_confidence(side, word)
            ends = [with_interval(intervals.interval(counted, one), pages) for one in figures]
            rows = f"{total[figures[0].whole]:,}"
            stated.append([f"{side.upper()}, {word}", rows, *ends[0], *ends[1]])
    stated_head = ("stated confidence", "rows", "other text", "95 %", "characters", "95 %")
    yield tabulate(stated, stated_head, disable_numparse=True)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison for other programs."""
    return {
        "kind": comparison.kind,
        "pages": comparison.pages,
        "figures": {
            name: {
                "a": found.a,
                "b": found.b,
                "difference": found.difference._asdict(),
                "settled": found.settled,
                "pages_lower": found.lower,
                "pages_higher": found.higher,
                "pages_equal": found.equal,
                "p": found.p,
                "deciding": [comparison.pages[index] for index in found.deciding],
            }
            for name, found in comparison.figures.items()
        },
    }


def agreement_as_json(counted: list[Counts]) -> dict[str, Any]:
    """How far two readings agree, for other programs."""
    total = score.total(counted)
    figures: dict[str, Any] = {}
    for name, (strict, lenient) in agreement.FIGURES.items():
        figures[name] = _share(counted, strict, total)
        if lenient:
            figures[f"{name}.lenient"] = _share(counted, lenient, total)
    return {
        "pages": len(counted),
        "differ": figures,
        "rows_of_a_alone": total["lone.a"],
        "rows_of_b_alone": total["lone.b"],
        "confidence": {
            side: {
                word: {
                    name: _share(counted, figure, total)
                    for name, figure in zip(
                        ("rows", "characters"), agreement.by_confidence(side, word), strict=True
                    )
                }
                for word in score.CONFIDENCES
            }
            for side in ("a", "b")
        },
    }


def _share(counted: list[Counts], figure: Ratio, total: Counts) -> dict[str, Any]:
    return {**intervals.interval(counted, figure)._asdict(), "n": total[figure.whole]}


def _of(comparison: Comparison, figure: Ratio) -> str:
    """Of how many the figure is a share, in A and, if it is another number, in B."""
    a, b = (score.total(counts)[figure.whole] for counts in (comparison.a, comparison.b))
    return f"{a:,}" if a == b else f"{a:,} and {b:,}"


def _difference(found: Paired, pages: int) -> tuple[str, str]:
    value, low, high = found.difference
    if value is None:
        return "-", ""
    if low is None or high is None:
        return _points(value), "no page differs" if pages > 1 else "one page"
    return _points(value), f"{_points(low)} to {_points(high)}"


def _points(value: float) -> str:
    """A difference of two shares, in percentage points."""
    return f"{100 * value:+.1f}"


def _sentence(comparison: Comparison) -> str:
    """Whether the difference in characters is settled, and the pages that decide it."""
    found = comparison.figures["cer"]
    if not found.difference.value:
        return "A and B have the same share of characters in error"
    better = "B" if found.difference.value < 0 else "A"
    settled = "is settled" if found.settled else "is within its interval: more pages may turn it"
    named = [
        f"{comparison.pages[index]} ({share(score.cer(comparison.a[index]))} and"
        f" {share(score.cer(comparison.b[index]))})"
        for index in found.deciding[:DECIDING]
    ]
    rest = len(found.deciding) - len(named)
    more = f" and {rest} more" if rest else ""
    said = (
        f"{better} has fewer characters in error, which {settled}. Without these"
        f" {len(found.deciding)} of {len(comparison.pages)} pages it would be gone:"
        f" {', '.join(named)}{more}"
    )
    return display.plain(said)
