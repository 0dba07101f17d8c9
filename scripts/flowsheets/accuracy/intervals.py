"""How sure a figure is: intervals by drawing pages anew, and two readings of the same pages.

Errors cluster on pages, so pages are drawn, never rows. Of few pages such an interval is too narrow
(with n pages by the factor sqrt((n-1)/n), and by the normal distribution in place of Student's t);
the percentiles are moved outwards for both, after Hesterberg, "What Teachers Should Know about the
Bootstrap" (2014), section 3.3, expanded percentiles. How often the intervals then hold the truth is
simulated in tests/test_intervals.py.
"""

from collections.abc import Sequence
from math import comb, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from flowsheets.accuracy.score import Counts, Figure, total

DRAWS = 2000  # the ends of an interval are then off by some 2 % of its width
LEVEL = 0.95
SEED = 1  # the same pages give the same interval


class Interval(NamedTuple):
    """A figure and its 95 % interval; the ends are None where pages are too few to draw from."""

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


class Draws:
    """Pages drawn anew, so many times, for any figure of them.

    One seed and one number of pages give the same pages in each draw, so that two readings of the
    same pages are drawn alike.
    """

    def __init__(self, pages: Sequence[Counts], seed: int = SEED) -> None:
        self.pages, self.total = len(pages), total(pages)
        self.sums = _drawn(pages, seed) if len(pages) > 1 else []

    def interval(self, figure: Figure) -> Interval:
        """The figure of all pages together; a draw in which it is not defined is left out."""
        values = [value for value in map(figure, self.sums) if value is not None]
        return Interval(figure(self.total), *_ends(values, self.pages))

    def difference(self, other: "Draws", figure: Figure) -> Interval:
        """The other reading's figure less this one's."""
        pairs = zip(self.sums, other.sums, strict=True)
        values = [d for d in (_difference(figure, a, b) for a, b in pairs) if d is not None]
        ends = _ends(values, self.pages)
        return Interval(_difference(figure, self.total, other.total), *ends)


def interval(pages: Sequence[Counts], figure: Figure, seed: int = SEED) -> Interval:
    """The figure of all pages together, with its interval."""
    return Draws(pages, seed).interval(figure)


def paired(
    pages_a: Sequence[Counts], pages_b: Sequence[Counts], figure: Figure, seed: int = SEED
) -> Paired:
    """The difference of a figure between two readings of the same pages, in the same order."""
    if len(pages_a) != len(pages_b):
        raise ValueError("the two readings are not of the same pages")
    a, b = Draws(pages_a, seed), Draws(pages_b, seed)
    each = [_difference(figure, x, y) for x, y in zip(pages_a, pages_b, strict=True)]
    lower = sum(d < 0 for d in each if d is not None)
    higher = sum(d > 0 for d in each if d is not None)
    return Paired(
        figure(a.total),
        figure(b.total),
        a.difference(b, figure),
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


def _difference(figure: Figure, a: Counts, b: Counts) -> float | None:
    here, there = figure(a), figure(b)
    return None if here is None or there is None else there - here


def _deciding(
    pages_a: Sequence[Counts], pages_b: Sequence[Counts], figure: Figure
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
        left = _difference(figure, _less(a, one), _less(b, other))
        carried.append(((whole - (left or 0.0)) * (1 if whole > 0 else -1), index))
    found: list[int] = []
    for weight, index in sorted(carried, key=lambda one: (-one[0], one[1])):
        if weight <= 0:
            break
        found.append(index)
        a, b = _less(a, pages_a[index]), _less(b, pages_b[index])
        left = _difference(figure, a, b)
        if left is None or left * whole <= 0:
            break
    return tuple(found)


def _less(counts: Counts, page: Counts) -> Counts:
    rest = Counts(counts)
    rest.subtract(page)
    return rest


def _drawn(pages: Sequence[Counts], seed: int) -> list[Counts]:
    """The sums of the draws, each of as many pages as there are, some of them several times."""
    names = sorted({name for page in pages for name in page})
    table = np.array([[page[name] for name in names] for page in pages], dtype=np.float64)
    random = np.random.default_rng(seed)
    times = random.multinomial(len(pages), [1 / len(pages)] * len(pages), size=DRAWS)
    sums = (times @ table).astype(np.int64)  # exact below 2**53, and quicker than in integers
    return [Counts(dict(zip(names, line, strict=True))) for line in sums.tolist()]


def _ends(values: list[float], pages: int) -> tuple[float | None, float | None]:
    """The interval's ends among the values that were drawn."""
    if not values:
        return None, None
    wide = sqrt(pages / (pages - 1)) * _student(pages - 1)
    tail = NormalDist().cdf(-wide)
    low, high = np.quantile(values, [tail, 1 - tail]).tolist()
    return low, high


def _student(freedom: int) -> float:
    """The upper quantile of Student's t at LEVEL, by its expansion around the normal's (Abramowitz
    and Stegun 26.7.5); off by 2 % at three degrees of freedom, by 0.1 % from six on.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
