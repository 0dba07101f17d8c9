"""The report of `make accuracy` as lines on a terminal; the HTML has the same tables."""

from collections import Counter
from collections.abc import Iterator

from tabulate import tabulate  # type: ignore[import-untyped]

from flowsheets import display
from flowsheets.accuracy import score
from flowsheets.accuracy.intervals import Interval
from flowsheets.accuracy.partial import Answer
from flowsheets.accuracy.readings import Readings
from flowsheets.accuracy.report import Report, confusion
from flowsheets.accuracy.sections import FIGURES, WORST_ROWS, Section, WrongRow
from flowsheets.accuracy.truth import FROM_READING, TYPED, VERIFIED, Truth

NAMED = 5  # pages of a list that are named
CELL = 60  # letters of a row's text that are shown

SAYS = {
    TYPED: "typed by people",
    FROM_READING: "begun as a reading, which leads the eye, then corrected",
    VERIFIED: "a reading, corrected in the verifier: it leads the eye",
}
FIGURE_HEAD = ("", "strictly", "95 %", "leniently", "95 %", "of")
CONFIDENCE_HEAD = ("stated confidence", "rows", "wrong strictly", "95 %", "leniently", "95 %")


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    yield truth_line(report.truth, report.digest)
    yield from left_out(report.truth)
    yield readings_line(report.readings)
    yield from unread(report)
    for section in report.sections:
        yield ""
        yield heading(section)
        yield tabulate(figures(section), FIGURE_HEAD, disable_numparse=True)
        yield pairs_line(section)
        if (notes := confusion_table(section))[1:]:
            yield ""
            yield tabulate(notes[1:], notes[0], disable_numparse=True)
        yield ""
        yield tabulate(confidence(section), CONFIDENCE_HEAD, disable_numparse=True)
        yield ""
        yield f"worst pages: {worst_pages(section)}"
        if section.wrong_rows:
            yield f"worst of {len(section.wrong_rows)} rows with another text:"
            for row in section.wrong_rows[:WORST_ROWS]:
                yield f"  {wrong_row(row)}"
    if report.partial:
        yield ""
        yield from partial_lines(report)


def truth_line(known: Truth, digest: str) -> str:
    """What was measured by."""
    kinds = Counter(page.kind for page in known.pages)
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in SAYS if kinds[kind])
    reviewers = ", ".join(sorted({page.reviewer for page in known.pages}))
    drawn = sum(page.drawn for page in known.pages)
    pages = f"{len(known.pages)} pages ({said}; {drawn} of them drawn at random) by {reviewers}"
    return f"truth: {pages if known.pages else 'no whole page'}; digest {digest[:16]}"


def left_out(known: Truth) -> Iterator[str]:
    """Truth that does not count, or not wholly."""
    if known.nameless:
        yield f"not counted, without a reviewer's name: {_some([str(p) for p in known.nameless])}"
    if known.drafts:
        yield f"not counted, drafts of the verifier: {_some([str(p) for p in known.drafts])}"
    untyped = [(page.name, page.untyped) for page in known.pages if page.untyped]
    if untyped:
        rows = sum(rows for _, rows in untyped)
        yield f"{rows} rows were left untyped, and do not count: {_some([n for n, _ in untyped])}"


def readings_line(readings: Readings) -> str:
    """A folder, and what has read it."""
    models = ", ".join(f"{model} {pages}" for model, pages in sorted(readings.models.items()))
    said = f"readings: {readings.folder}, {readings.models.total()} pages ({models or 'no model'})"
    return display.plain(said)


def unread(report: Report) -> Iterator[str]:
    """Pages of the truth that are in no figure."""
    if report.unread:
        without = set(report.unread)
        blocks = (p.page.quadrants for p in report.truth.pages if p.name in without)
        rows = sum(len(block.entries) for quadrants in blocks for block in quadrants)
        yield f"{len(without)} pages of the truth, {rows} rows, are in no figure:"
    yield from not_read(report.readings)


def not_read(readings: Readings) -> Iterator[str]:
    """Pages that a folder has no reading of, and why."""
    if readings.missing:
        yield f"without a result: {_some(readings.missing)}"
    if readings.damaged:
        damaged = [f"{page}: {why}" for page, why in readings.damaged.items()]
        yield f"their results are damaged: {_some(damaged)}"
    if readings.by_hand:
        yield f"a person's text, and no reading: {_some(readings.by_hand)}"


def heading(section: Section) -> str:
    """What the pages of a section have in common."""
    return f"{section.kind}, {len(section.pages)} pages: {SAYS[section.kind]}"


def figures(section: Section) -> list[list[str]]:
    """A line a figure: strictly and leniently, with intervals, and of how many it is a share."""
    table = []
    for figure in FIGURES:
        strict, lenient = section.figures[figure.name]
        n, other = (section.total[f.whole] if f else 0 for f in (figure.strict, figure.lenient))
        leniently = f" ({other:,} leniently)" if other not in (0, n) else ""
        table.append(
            [
                figure.label,
                *with_interval(strict, len(section.pages)),
                *(with_interval(lenient, len(section.pages)) if lenient else ("", "")),
                f"{n:,} {figure.unit}{leniently}",
            ]
        )
    return table


def pairs_line(section: Section) -> str:
    """The rows by what became of them."""
    total = section.total
    return (
        f"{total['rows']:,} rows of the truth: {total['equal']:,} as they stand, {total['text']:,}"
        f" with another text, {total['shifted']:,} shifted to another row, {total['missing']:,}"
        f" missing; {total['extra']:,} extra rows were read"
    )


def confidence(section: Section) -> list[list[str]]:
    """A line a stated confidence: how many of the rows read so are wrong."""
    return [
        [
            word,
            f"{section.total[f'confidence.{word}']:,}",
            *with_interval(strict, len(section.pages)),
            *with_interval(lenient, len(section.pages)),
        ]
        for word, (strict, lenient) in section.confidence.items()
    ]


def confusion_table(section: Section) -> list[list[str]]:
    """The truth's notes against those that were read; without notes the head alone."""
    table = confusion(section)
    said = [
        note for note in (*score.NOTES, score.MISSING) if any(note in r for r in table.values())
    ]
    head = ["note in truth \\ as read", *said]
    if set(table) | set(said) <= {"none", score.MISSING, score.EXTRA}:
        return [head]
    return [head, *([there, *(str(row.get(n, 0)) for n in said)] for there, row in table.items())]


def worst_pages(section: Section) -> str:
    """The pages with most characters in error."""
    said = (
        f"{p.truth.name} ({share(score.cer(p.counts))} of {p.counts['strict.letters']:,} letters)"
        for p in section.worst_pages
    )
    return display.plain(", ".join(said))


def wrong_row(row: WrongRow) -> str:
    """A row that was not read as it stands, in a line."""
    place = f"{row.page} {row.position} row {row.row}, {row.kind}"
    return f"{display.plain(place)}: {_quoted(row.truth)} was read as {_quoted(row.read)}"


def partial_lines(report: Report) -> Iterator[str]:
    """Found of asked, and each miss."""
    answers = report.answers
    fields = Counter(answer.field for answer in answers)
    found = Counter(answer.field for answer in answers if answer.found)
    by_field = ", ".join(f"{field} {found[field]} of {fields[field]}" for field in fields)
    exactly = sum(answer.found and answer.exactly for answer in answers)
    yield (
        f"partial truth, {len(report.partial)} pages: {found.total()} of {len(answers)} texts found"
        f" ({by_field or 'no page was read'}), {exactly} of them to the letter"
    )
    if report.unanswered:
        yield f"{report.unanswered} texts are of pages that have no result"
    for answer in answers:
        if not answer.found:
            yield f"  {miss(answer)}"


def miss(answer: Answer) -> str:
    """A text that was not found, and what stands where it should, in a line."""
    place = f" {answer.position}" if answer.position else ""
    row = f" row {answer.row}" if answer.row is not None else ""
    said = (
        f"{display.plain(answer.page)}{place}{row}: no {answer.field} has {_quoted(answer.wanted)}"
    )
    if answer.nearest and answer.nearest.text:
        nearest = answer.nearest
        at = f" in row {nearest.row}" if nearest.row is not None else ""
        said += f"; nearest{at}: {_quoted(nearest.text)} ({answer.likeness:.0%} alike)"
    if answer.elsewhere:
        other = answer.elsewhere
        said += f"; it is in {other.position} row {other.row}: {_quoted(other.text)}"
    return said


def with_interval(interval: Interval, pages: int) -> tuple[str, str]:
    """A figure, and its interval in words."""
    if interval.value is None:
        return "-", ""
    if interval.low is None or interval.high is None:
        return share(interval.value), "no page differs" if pages > 1 else "one page"
    return share(interval.value), f"{100 * interval.low:.1f} to {share(interval.high)}"


def share(value: float | None) -> str:
    """A share in percent."""
    return "-" if value is None else f"{value:.1%}"


def _quoted(text: str | None) -> str:
    return "nothing" if text is None else f'"{display.shortened(text, CELL)}"'


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return display.plain(f"{len(names)} ({', '.join(names[:NAMED])}{more})")
