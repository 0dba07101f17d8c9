"""The course of a simulation: as a table of days, and as one picture (SVG)."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from flowsheets.batch.course import Course, Moment

ROWS = 24  # of the table at most; a long course has several days in a row


class Row(NamedTuple):
    """Some days of a course; what is out and kept is the most within them."""

    days: str  # "3", or "8-14"
    waves: int
    batches: int
    sent: int  # pages
    done: int  # pages, since the start
    batches_out: int
    tokens_out: int
    bytes_kept: int
    usd: float  # since the start


def rows(course: Course) -> list[Row]:
    """The calendar, a row for one day or for several, the first day being 1."""
    days = max(math.ceil(course.hours / 24), 1)
    each = math.ceil(days / ROWS)
    return [_row(course, day, min(day + each - 1, days)) for day in range(1, days + 1, each)]


def _row(course: Course, first: int, last: int) -> Row:
    begin, end = (first - 1) * 24, last * 24

    def within(hour: float) -> bool:
        return begin <= hour < end

    before = [moment for moment in course.moments if moment.hour < end]
    now = [moment for moment in before if moment.hour >= begin] or before[-1:]
    sent = [batch for batch in course.batches if within(batch.at)]
    return Row(
        days=str(first) if first == last else f"{first}-{last}",
        waves=sum(within(wave) for wave in course.waves),
        batches=len(sent),
        sent=sum(batch.pages for batch in sent),
        done=before[-1].done,
        batches_out=max(moment.batches_out for moment in now),
        tokens_out=max(moment.tokens_out for moment in now),
        bytes_kept=max(moment.bytes_kept for moment in now),
        usd=before[-1].usd,
    )


def table(found: Iterable[Row]) -> Iterator[str]:
    """The rows as text, under their heads."""
    heads = ("day", "waves", "batches", "pages sent", "done", "out", "M tokens", "GB", "$")
    widths = (9, 6, 8, 11, 11, 5, 9, 6, 10)
    yield "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    for row in found:
        cells = (
            row.days,
            f"{row.waves:,}",
            f"{row.batches:,}",
            f"{row.sent:,}",
            f"{row.done:,}",
            f"{row.batches_out:,}",
            f"{row.tokens_out / 1e6:,.1f}",
            f"{row.bytes_kept / 1e9:,.1f}",
            f"{row.usd:,.2f}",
        )
        yield "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


# --- the picture ----------------------------------------------------------------------------------

_WIDTH, _LEFT, _RIGHT, _TOP = 960, 90, 130, 60
_HEIGHT, _GAP = 170, 62  # of a panel, and below it
_INK, _PALE = "#222222", "#dddddd"
# Dark enough on white, and apart from each other also without colours by their dashes.
_COLOURS = ("#0b5394", "#b45f06", "#38761d")
_DASHES = ("", "7 4", "2 3")


class _Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]  # (days, value)
    limit: bool = False  # drawn across, and thin


class _Panel(NamedTuple):
    title: str
    unit: str
    days: float  # from 0 to there
    lines: Sequence[_Line]


def picture(title: str, courses: dict[str, Course], shown: str, limit: int) -> str:
    """Three panels: pages done, of each course by its name; over the days of the one that is
    `shown`, tokens enqueued below their limit, and files at the API.
    """
    course = courses[shown]
    days = max(course.hours / 24, 0.1)
    longest = max(days, *(one.hours / 24 for one in courses.values()))
    panels = (
        _Panel(
            "Pages done",
            "pages",
            longest,
            [_Line(name, _points(one, _done)) for name, one in courses.items()],
        ),
        _Panel(
            f"Tokens enqueued, {shown}",
            "million",
            days,
            [
                _Line("enqueued", _points(course, _tokens)),
                _Line("limit", [(0, limit / 1e6), (days, limit / 1e6)], limit=True),
            ],
        ),
        _Panel(
            f"Files at Google, {shown}", "GB", days, [_Line("uploads", _points(course, _stored))]
        ),
    )
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13"'
        f' fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="30" font-size="17">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _draw(panel, _TOP + number * (_HEIGHT + _GAP))
    return "\n".join([*parts, "</svg>", ""])


def _done(moment: Moment) -> float:
    return moment.done


def _tokens(moment: Moment) -> float:
    return moment.tokens_out / 1e6


def _stored(moment: Moment) -> float:
    return moment.bytes_kept / 1e9


def _points(course: Course, value: Callable[[Moment], float]) -> list[tuple[float, float]]:
    """(days, value), thinned to what a picture of this width shows."""
    moments = course.moments
    step = max(len(moments) // 1500, 1)
    kept = [*moments[::step], moments[-1]]
    return [(moment.hour / 24, value(moment)) for moment in kept]


def _draw(panel: _Panel, top: float) -> Iterator[str]:
    days = panel.days
    highest = max((value for line in panel.lines for _, value in line.points), default=0)
    each = _round_step(highest or 1)
    most = each * math.ceil((highest or 1) / each)
    width = _WIDTH - _LEFT - _RIGHT
    bottom = top + _HEIGHT

    def x(day: float) -> float:
        return _LEFT + width * day / days

    def y(value: float) -> float:
        return bottom - _HEIGHT * value / most

    yield f'<text x="{_LEFT}" y="{top - 10:.0f}" font-weight="bold">{escape(panel.title)}</text>'
    yield (
        f'<text transform="translate(22 {top + _HEIGHT / 2:.0f}) rotate(-90)"'
        f' text-anchor="middle">{escape(panel.unit)}</text>'
    )
    for number in range(round(most / each) + 1):
        at = y(number * each)
        yield (
            f'<path d="M{_LEFT} {at:.1f}H{_LEFT + width}" stroke="{_PALE}"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number * each:,.10g}</text>'
        )
    every = _round_step(days)
    for number in range(int(days / every) + 1):
        at = x(number * every)
        yield (
            f'<path d="M{at:.1f} {bottom}v5" stroke="{_INK}"/>'
            f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{number * every:g}</text>'
        )
    yield f'<text x="{_LEFT + width}" y="{bottom + 37}" text-anchor="end">days</text>'
    yield f'<path d="M{_LEFT} {top}V{bottom}H{_LEFT + width}" fill="none" stroke="{_INK}"/>'
    yield from _lines(panel.lines, x, y)


def _lines(
    lines: Sequence[_Line], x: Callable[[float], float], y: Callable[[float], float]
) -> Iterator[str]:
    """Each line as steps, and its name at its right end, none over another."""
    used: list[float] = []
    for number, line in enumerate(lines):
        colour = _INK if line.limit else _COLOURS[number % len(_COLOURS)]
        dashes = "7 4" if line.limit else _DASHES[number % len(_DASHES)]
        first, *others = line.points
        path = f"M{x(first[0]):.1f} {y(first[1]):.1f}"
        path += "".join(f"H{x(day):.1f}V{y(value):.1f}" for day, value in others)
        yield (
            f'<path d="{path}" fill="none" stroke="{colour}"'
            f' stroke-width="{1 if line.limit else 2}" stroke-dasharray="{dashes}"/>'
        )
        at = y(line.points[-1][1]) - (4 if line.points[-1][1] == 0 else -4)
        while any(abs(at - other) < 15 for other in used):
            at += 15
        used.append(at)
        end = x(line.points[-1][0]) + 6
        yield f'<text x="{end:.1f}" y="{at:.1f}" fill="{colour}">{escape(line.name)}</text>'


def _round_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, of which some five make `most`."""
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    return float(next(power * n for n in (1, 2, 5, 10) if power * n >= rough))
