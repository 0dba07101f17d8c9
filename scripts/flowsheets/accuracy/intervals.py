"""How sure a figure is: intervals by drawing pages anew, and two readings of the same pages.

Errors cluster on pages, so pages are drawn, never rows. Plain percentiles of such draws are too
narrow where few pages carry most errors: of 95 % intervals of 20 pages 83 % held the truth. So each
draw is also measured in its own standard error (the bootstrap-t of Efron and Tibshirani, "An
Introduction to the Bootstrap", chapter 12.5), that of a ratio of two sums; where one page in ten is
wrong and the others are not, this in turn says too little. Each end is the wider one of the two.
How often these intervals hold the truth is simulated in tests/test_intervals.py.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import comb, exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsheets.accuracy.score import Counts, Ratio, total

# Draws: the ends of an interval are then off by some 3 % of its width. Of so many pages that it is
# narrow they are fewer, so that 16,000 pages take no gigabyte.
DRAWS, PAGES_DRAWN = 2000, 4_000_000
TAIL = 0.025  # left out at each end: 95 % intervals
SEED = 1  # the same pages give the same interval

# Student's t at 95 % for fewer pages than these: their draws repeat themselves. pages -> t
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182}
ALIKE = 1e-12  # a standard error below it is what rounding leaves of 0

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A figure and its 95 % interval. The ends are None without a figure, and where pages say
    nothing of it: there is one, or none differs from the others, and all were read without a fault.
    """

    value: float | None
    low: float | None
    high: float | None


class Paired(NamedTuple):
    """B's figure less A's, over the same pages.

    `lower`, `higher` and `equal` are pages where B's figure is so; `p` is the two-sided sign test's
    over those that differ. `deciding` are the pages, as positions, without which the difference
    would be gone or reversed, the weightiest first.
    """

    a: float | None
    b: float | None
    difference: Interval
    lower: int
    higher: int
    equal: int
    p: float
    deciding: tuple[int, ...]

    @property
    def settled(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        _, low, high = self.difference
        return low is not None and high is not None and not low <= 0 <= high


def interval(pages: Sequence[Counts], figure: Ratio, seed: int = SEED) -> Interval:
    """The figure of all pages together, with its interval."""
    value = figure(total(pages))
    if value is None or len(pages) < 2:
        return Interval(value, None, None)
    counted = _counted(pages, figure)
    error = float(_errors(counted, np.ones((1, len(pages))))[0])
    if error < ALIKE:
        return Interval(value, None, None)
    if t := STUDENT.get(len(pages)):
        return Interval(value, *_student_of_share(value, t * error))
    times = _draws(len(pages), seed)
    drawn, errors = _values(counted, times), _errors(counted, times)
    low, high = _ends(value, error, drawn, errors)
    return Interval(value, max(low, 0.0), min(high, 1.0))


def paired(
    pages_a: Sequence[Counts], pages_b: Sequence[Counts], figure: Ratio, seed: int = SEED
) -> Paired:
    """The difference of a figure between two readings of the same pages, in the same order."""
    if len(pages_a) != len(pages_b):
        raise ValueError("the two readings are not of the same pages")
    each = [_difference(figure, x, y) for x, y in zip(pages_a, pages_b, strict=True)]
    lower = sum(d < 0 for d in each if d is not None)
    higher = sum(d > 0 for d in each if d is not None)
    return Paired(
        figure(total(pages_a)),
        figure(total(pages_b)),
        _interval_of_difference(pages_a, pages_b, figure, seed),
        lower,
        higher,
        len(each) - lower - higher,
        sign_test(lower, higher),
        _deciding(pages_a, pages_b, figure),
    )


def sign_test(lower: int, higher: int) -> float:
    """How likely so uneven a split is, two-sided, if either way were as likely."""
    n, least = lower + higher, min(lower, higher)
    return min(1.0, 2 * sum(comb(n, k) for k in range(least + 1)) / (1 << n))


def _interval_of_difference(
    pages_a: Sequence[Counts], pages_b: Sequence[Counts], figure: Ratio, seed: int
) -> Interval:
    value = _difference(figure, total(pages_a), total(pages_b))
    if value is None or len(pages_a) < 2:
        return Interval(value, None, None)
    a, b = _counted(pages_a, figure), _counted(pages_b, figure)
    error = float(_errors_of_difference(a, b, np.ones((1, len(pages_a))))[0])
    if error < ALIKE:
        return Interval(value, None, None)
    if t := STUDENT.get(len(pages_a)):
        return Interval(value, max(value - t * error, -1.0), min(value + t * error, 1.0))
    times = _draws(len(pages_a), seed)
    drawn = _values(b, times) - _values(a, times)
    low, high = _ends(value, error, drawn, _errors_of_difference(a, b, times))
    return Interval(value, max(low, -1.0), min(high, 1.0))


def _difference(figure: Ratio, a: Counts, b: Counts) -> float | None:
    here, there = figure(a), figure(b)
    return None if here is None or there is None else there - here


# --- draws --------------------------------------------------------------------------------------


class _Counted(NamedTuple):
    """Of each page the two counts of a ratio."""

    part: Floats
    whole: Floats


def _counted(pages: Sequence[Counts], figure: Ratio) -> _Counted:
    parts, wholes = ([float(page[name]) for page in pages] for name in (figure.part, figure.whole))
    return _Counted(np.array(parts), np.array(wholes))


@lru_cache(maxsize=1)  # all figures of a report are of the same pages
def _draws(pages: int, seed: int) -> Floats:
    """How often each draw (a line) has each page (a column). One seed and one number of pages give
    the same draws, so that two readings of the same pages are drawn alike.
    """
    random = np.random.default_rng(seed)
    return random.multinomial(
        pages, [1 / pages] * pages, size=min(DRAWS, PAGES_DRAWN // pages + 1)
    ).astype(np.float64)


def _values(pages: _Counted, times: Floats) -> Floats:
    """The ratio in each draw; NaN where there is nothing to be a part of."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (times @ pages.part) / (times @ pages.whole)


def _residuals(pages: _Counted, times: Floats) -> Floats:
    """By how much each page (a column) moves the ratio of each draw (a line)."""
    ratio = _values(pages, times)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (pages.part - ratio * pages.whole) / (times @ pages.whole)[:, None]


def _errors(pages: _Counted, times: Floats) -> Floats:
    """The standard error of the ratio in each draw."""
    return _spread(_residuals(pages, times), times)


def _errors_of_difference(a: _Counted, b: _Counted, times: Floats) -> Floats:
    return _spread(_residuals(b, times) - _residuals(a, times), times)


def _spread(residuals: Floats, times: Floats) -> Floats:
    pages = times.shape[1]
    squares: Floats = (times * residuals**2).sum(axis=1)
    spread: Floats = np.sqrt(pages / (pages - 1) * squares)
    return spread


def _ends(value: float, error: float, drawn: Floats, errors: Floats) -> tuple[float, float]:
    """The interval's ends: the draws' percentiles, or, where that is wider, as far from the figure
    as draws are, in their own standard errors. A draw without a figure is left out, and of the
    latter one of pages alike.
    """
    known = np.isfinite(drawn)
    low, high = np.quantile(drawn[known], [TAIL, 1 - TAIL]).tolist()
    usable = known & (errors > ALIKE)
    if not usable.any():
        return low, high
    off = (drawn[usable] - value) / errors[usable]
    least, most = np.quantile(off, [TAIL, 1 - TAIL]).tolist()
    return min(low, value - most * error), max(high, value - least * error)


def _student_of_share(value: float, wide: float) -> tuple[float, float]:
    """Student's interval of a share, on the scale of its odds, where it is less lopsided."""
    odds, wide = log(value / (1 - value)), min(wide / (value * (1 - value)), 500.0)
    return 1 / (1 + exp(wide - odds)), 1 / (1 + exp(-wide - odds))


# --- the pages that decide ----------------------------------------------------------------------


def _deciding(
    pages_a: Sequence[Counts], pages_b: Sequence[Counts], figure: Ratio
) -> tuple[int, ...]:
    """Pages are left out one by one, the one that carries most of the difference first, until it is
    gone or reversed.
    """
    a, b = total(pages_a), total(pages_b)
    whole = _difference(figure, a, b)
    if not whole:
        return ()
    carried = []
    for index, (one, other) in enumerate(zip(pages_a, pages_b, strict=True)):
        left = _difference(figure, _less(a, one), _less(b, other)) or 0.0
        carried.append((abs(whole) - left * (1 if whole > 0 else -1), index))
    found: list[int] = []
    for weight, index in sorted(carried, key=lambda one: (-one[0], one[1])):
        if weight <= 0:
            break
        found.append(index)
        a, b = _less(a, pages_a[index]), _less(b, pages_b[index])
        if (_difference(figure, a, b) or 0.0) * whole <= 0:
            break
    return tuple(found)


def _less(counts: Counts, page: Counts) -> Counts:
    rest = Counts(counts)
    rest.subtract(page)
    return rest
