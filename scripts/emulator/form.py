"""The printed form on a scanned page: where its rules lie, and which box belongs to which row.

The form's geometry is known (`RULES` and below, in pixels at 300 dpi), but a scanner pulls each
sheet a little off: some 25 px either way, some thousandths askew, a hair stretched. `fit` finds the
rules again and turns the page straight; the methods of `Form` then say where each line of
handwriting lies on the straightened page.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.bool_]  # (height, width), True where the page is black

PAGE_WIDTH, PAGE_HEIGHT = 2550, 4200  # legal paper at 300 dpi; all below is in these pixels
ROWS = 21  # ruled rows a block
POSITIONS = ("top_left", "top_right", "bottom_left", "bottom_right")
HALF_TOPS = (650.0, 2352.0)  # the first row's rule, upper and lower half; text stands on its rule
ROW_STEPS = (75.05, 75.2)  # from rule to rule; the lower half is printed a hair wider
HEAD_RULES = (548.0, 2251.0)  # under Hour and Jock
DATE_RULE = 430.0
COMMENT_RULES = (3961.0, 4018.0, 4068.0)
TYPE_SPANS = ((253, 373), (1308, 1430))  # left and right block, x of the rule's ends
TEXT_SPANS = ((403, 1298), (1459, 2330))
HOUR_SPANS = ((360, 482), (1416, 1536))
JOCK_SPANS = ((602, 1266), (1656, 2317))
DATE_SPAN = (1070, 1702)
COMMENT_SPANS = ((340, 2400), (55, 2400), (55, 2400))  # the first line begins after "Comments:"
BAR = 1268  # left edge of the thick bar between the columns

STRIP = 50  # px, width of the strips that rules are sought in: longer than a letter's strokes, and
#             so short that a rule askew is almost level in it
STRIPS = PAGE_WIDTH // STRIP
RULE_WAVER = 2  # a rule is 3 to 4 px thick: the same rule, this many px off, still counts as met
CENTRED = 0.04  # what an exact fit is worth more: less than the twelfth that one row off costs
CLEAR = 18  # px above and below a rule that a printed rule leaves white, and a black area does not
MAX_SHIFT, MAX_SLOPE = 110, 0.03  # how far off a page may be: px, and px down per px to the right
MIN_MET = 0.55  # share of the form's rules that must be found; real pages have 0.9 and more
SNAP = 9  # px up or down within which a single rule lies, once the page is straight


class Line(NamedTuple):
    """Where one line of handwriting belongs, in pixels of the straightened page."""

    rule: int  # y of the printed rule that it stands on
    above: int  # how far up from the rule it reaches
    left: int
    right: int
    limit: int  # x up to which writing that began between left and right may run on


@dataclass(frozen=True)
class Form:
    """One page's form: the straightened page, and where its rules lie on it."""

    ink: Ink
    rules: NDArray[np.float64]  # (4, ROWS): y of each row's rule, blocks in the order of POSITIONS
    comment_rules: tuple[float, ...]
    x_shifts: tuple[int, int]  # to be added to the nominal x, upper and lower half

    def text(self, block: int, row: int) -> Line:
        """Artist and song. On the right they may run to the page's edge, on the left to the bar."""
        left, right = self._span(TEXT_SPANS, block)
        edge = PAGE_WIDTH if block % 2 else self.x_shifts[block // 2] + BAR
        return Line(round(self.rules[block, row]), 63, left - 20, min(right, edge), edge)

    def type_circle(self, block: int, row: int) -> Line:
        left, right = self._span(TYPE_SPANS, block)
        beside = 8 if block % 2 else 25  # px; on the right the bar is near
        return Line(round(self.rules[block, row]), 63, left - beside, right + 20, right + 20)

    def hour(self, block: int) -> Line:
        left, right = self._span(HOUR_SPANS, block)
        return Line(self._head_rule(block), 72, left - 6, right + 6, right + 6)

    def jock(self, block: int) -> Line:
        left, right = self._span(JOCK_SPANS, block)
        return Line(self._head_rule(block), 72, left - 4, right, right)

    def date(self) -> Line:
        rule = DATE_RULE - HALF_TOPS[0] + self.rules[:2, 0].mean()
        left, right = (x + self.x_shifts[0] for x in DATE_SPAN)
        return Line(round(rule), 80, left - 8, right, right + 100)

    def comments(self) -> list[Line]:
        shift = self.x_shifts[1]
        return [
            Line(round(rule), 50, left + shift, right + shift, right + shift)
            for rule, (left, right) in zip(self.comment_rules, COMMENT_SPANS, strict=True)
        ]

    def _span(self, spans: tuple[tuple[int, int], ...], block: int) -> tuple[int, int]:
        left, right = spans[block % 2]
        return left + self.x_shifts[block // 2], right + self.x_shifts[block // 2]

    def _head_rule(self, block: int) -> int:
        half = block // 2
        return round(float(self.rules[block, 0]) + HEAD_RULES[half] - HALF_TOPS[half])


def fit(ink: Ink) -> Form | None:
    """Find the printed form on a page of shape (PAGE_HEIGHT, PAGE_WIDTH); None where it is not."""
    slope, y_shift, met = _slope_and_shift(ink)
    if met < MIN_MET:
        return None
    ink = straighten(ink, slope)
    rules = np.array([_rules(ink, half, side, y_shift) for half in (0, 1) for side in (0, 1)])
    x_shifts = (_x_shift(ink, rules[:2]), _x_shift(ink, rules[2:]))
    lower_by = float(rules[2:, -1].mean()) - _nominal(1)[-1]
    comment_rules = tuple(_snap(ink, y + lower_by, COMMENT_SPANS[0]) for y in COMMENT_RULES)
    return Form(ink, rules, comment_rules, x_shifts)


def straighten(ink: Ink, slope: float) -> Ink:
    """Turn the page by `slope` (px down per px right) about its middle, by whole pixels.

    Two shears by slices, down and across, are exact on 1 bit and cost a copy of the page each;
    resampling would blur strokes that are 4 px wide.
    """
    if abs(slope) * PAGE_HEIGHT < 1:
        return ink
    for _ in range(2):
        height, width = ink.shape
        moved = np.zeros((width, height), bool)  # transposed, so that the second pass is the first
        offsets = np.rint(slope * (np.arange(width) - width / 2)).astype(int)
        starts = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1))
        for left, right in zip(starts, [*starts[1:], width], strict=True):
            down = int(offsets[left])
            rows = slice(max(0, -down), min(height, height - down))
            source = slice(rows.start + down, rows.stop + down)
            moved[left:right, rows] = ink[source, left:right].T
        ink, slope = moved, -slope
    return ink


def _nominal(half: int) -> NDArray[np.float64]:
    return HALF_TOPS[half] + ROW_STEPS[half] * np.arange(ROWS, dtype=np.float64)


def _slope_and_shift(ink: Ink) -> tuple[float, int, float]:
    """The slope and y shift under which the form's rules fit best, and the share met, 0 to 1."""
    cover = ink.reshape(PAGE_HEIGHT, STRIPS, STRIP).sum(2, np.uint8).T / np.float32(STRIP)
    # A black area covers every place; a printed rule has paper above it, or below.
    alone = np.pad(cover <= 0.6, ((0, 0), (CLEAR, CLEAR)), constant_values=True)
    rule = (cover > 0.8) & (alone[:, : -2 * CLEAR] | alone[:, 2 * CLEAR :])
    # A rule within RULE_WAVER counts as met, and a little more the nearer its middle is.
    padded = np.pad(rule, ((0, 0), (RULE_WAVER, RULE_WAVER))).astype(np.float32)
    offs = 2 * RULE_WAVER + 1
    near = np.add.reduce([padded[:, off : off + PAGE_HEIGHT] for off in range(offs)]) / offs
    fits = (near > 0) + CENTRED * near

    places = _places()
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 61)
    slope, shift = _best(fits, places, slopes, np.arange(-MAX_SHIFT, MAX_SHIFT + 1, RULE_WAVER))
    slope, shift = _best(
        near, places, slope + np.linspace(-1e-3, 1e-3, 11), shift + np.arange(-3, 4)
    )
    met = near[places[0], _heights(places, slope, np.array([shift]))] > 0
    return slope, shift, float(met.mean())


def _places() -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Strips and nominal y where a rule has to be: the blocks' 84 rules, Jock's four.

    Rows repeat every 75 px. A fit one row off misses Jock's rules, and the blocks' first or last.
    """
    strips: list[int] = []
    ys: list[float] = []
    for half in (0, 1):
        for side in (0, 1):
            rules = [(y, TEXT_SPANS[side]) for y in _nominal(half)]
            for y, (left, right) in [*rules, (HEAD_RULES[half], JOCK_SPANS[side])]:
                # 60 px off each end: how far the page lies to the side is not known yet
                inner = range((left + 60) // STRIP + 1, (right - 60) // STRIP)
                strips += inner
                ys += [y] * len(inner)
    return np.array(strips), np.array(ys)


def _heights(
    places: tuple[NDArray[np.int_], NDArray[np.float64]], slope: float, shifts: NDArray[np.int_]
) -> NDArray[np.int_]:
    """(shifts, places) -> y on the page, turned about its middle and shifted."""
    strips, ys = places
    turned = ys + slope * ((strips + 0.5) * STRIP - PAGE_WIDTH / 2)
    return np.clip(np.rint(turned).astype(int) + shifts[:, None], 0, PAGE_HEIGHT - 1)


def _best(
    fits: NDArray[np.float32],
    places: tuple[NDArray[np.int_], NDArray[np.float64]],
    slopes: NDArray[np.float64],
    shifts: NDArray[np.int_],
) -> tuple[float, int]:
    means = np.array([fits[places[0], _heights(places, s, shifts)].mean(1) for s in slopes])
    slope, shift = np.unravel_index(means.argmax(), means.shape)
    return float(slopes[slope]), int(shifts[shift])


def _snap(ink: Ink, y: float, span: tuple[int, int]) -> float:
    """The y of the printed rule near `y`: the middle of the darkest rows of the page there."""
    left, right = span
    top = round(y) - SNAP
    darkness = ink[top : top + 2 * SNAP + 1, left + 60 : right - 60].sum(1)
    return top + float(np.flatnonzero(darkness >= darkness.max() * 0.7).mean())


def _rules(ink: Ink, half: int, side: int, y_shift: float) -> NDArray[np.float64]:
    """The y of a block's 21 rules on a straightened page.

    A word may be darker than its rule, so each rule has to agree with the line fit through all.
    """
    nominal = _nominal(half) + y_shift
    found = np.array([_snap(ink, y, TEXT_SPANS[side]) for y in nominal])
    off = found - nominal
    good = np.abs(off - np.median(off)) <= 4
    rows = np.arange(ROWS)
    line = np.polyval(np.polyfit(rows[good], found[good], 1), rows)
    return np.where(np.abs(found - line) <= 3, found, line)


def _x_shift(ink: Ink, rules: NDArray[np.float64]) -> int:
    """How far right of nominal a half's rules lie: where their ends and gaps fit best."""
    on_rule = np.zeros(PAGE_WIDTH, np.float64)
    for y in np.rint(rules).astype(int).ravel():
        on_rule += ink[y - 2 : y + 3].any(0)
    on_rule = on_rule / rules.size - 0.5
    # +1 just inside a rule's end, -1 just outside it, nothing elsewhere: letters count little
    wanted = np.zeros(PAGE_WIDTH, np.float64)
    for left, right in (*TYPE_SPANS, *TEXT_SPANS):
        wanted[left : left + 20] = wanted[right - 20 : right] = 1
        wanted[left - 15 : left] = -1
        if right != TEXT_SPANS[0][1]:  # that end runs into the bar
            wanted[right : right + 15] = -1
    shifts = range(-MAX_SHIFT, MAX_SHIFT + 1)
    return max(shifts, key=lambda shift: float(np.roll(wanted, shift) @ on_rule))
