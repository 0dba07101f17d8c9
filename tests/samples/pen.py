"""One pen on one sheet: strokes, circles, arrows, braces and scribbles.

A sheet is an "L" image where 0 is bare paper and 255 is full ink, so that ink only ever adds.
"""

import math
import random
from itertools import pairwise

from PIL import Image, ImageDraw

INK = 255
# A stroke is drawn as overlapping dots; this many steps between two given points keeps it whole.
STEPS = 24

Point = tuple[float, float]


def stroke(
    sheet: Image.Image, points: list[Point], width: float, rng: random.Random, shake: float = 2.0
) -> None:
    """Draw a curve through `points`, `width` px thick, off by some `shake` px as a hand is."""
    draw = ImageDraw.Draw(sheet)
    shaken = [(x + rng.gauss(0, shake), y + rng.gauss(0, shake)) for x, y in points]
    padded = [shaken[0], *shaken, shaken[-1]]
    radius = width / 2
    pressure = 1.0
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(STEPS + 1):
            x, y = _between(before, start, end, after, step / STEPS)
            # Pressure wanders, but a pen that is down keeps at least 3/4 of its width.
            pressure = min(1.15, max(0.75, pressure + rng.gauss(0, 0.03)))
            r = radius * pressure
            draw.ellipse((x - r, y - r, x + r, y + r), fill=INK)
        distance = math.dist(start, end)
        if distance > STEPS * width:  # the dots of a long stroke stand apart: join them
            curve = [_between(before, start, end, after, i / STEPS) for i in range(STEPS + 1)]
            draw.line(curve, fill=INK, width=max(2, round(width * 0.9)))


def _between(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    """The point at `t` (0 to 1) between b and c on the Catmull-Rom curve through all four."""

    def axis(i: int) -> float:
        return 0.5 * (
            2 * b[i]
            + (c[i] - a[i]) * t
            + (2 * a[i] - 5 * b[i] + 4 * c[i] - d[i]) * t**2
            + (3 * b[i] - a[i] - 3 * c[i] + d[i]) * t**3
        )

    return axis(0), axis(1)


def circle(
    sheet: Image.Image, centre: Point, rx: float, ry: float, width: float, rng: random.Random
) -> None:
    """A circle as drawn in one go: not quite round, its end running past its start."""
    start = rng.uniform(-2.4, -0.9)
    turn = math.tau * rng.uniform(1.0, 1.12)
    lean = rng.uniform(-0.12, 0.12)
    points = []
    for i in range(15):
        angle = start + turn * i / 14
        grow = 1 + 0.10 * i / 14
        x, y = rx * grow * math.cos(angle), ry * grow * math.sin(angle)
        points.append((centre[0] + x - lean * y, centre[1] + y + lean * x))
    stroke(sheet, points, width, rng, shake=1.3)


def line(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A free line through `points`: a bracket, a rule between two rows, a joining curve."""
    stroke(sheet, points, width, rng, shake=2.5)


def arrow(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A line through `points` with a head at its last one."""
    line(sheet, points, width, rng)
    (x0, y0), (x, y) = points[-2:]
    heading = math.atan2(y - y0, x - x0)
    for side in (-1, 1):
        back = heading + math.pi + side * rng.uniform(0.40, 0.62)
        reach = rng.uniform(24, 36)
        tip = (x + reach * math.cos(back), y + reach * math.sin(back))
        stroke(sheet, [(x, y), tip], width, rng, shake=1.5)


def brace(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A curly brace from the first to the last of two points, its tip to the right."""
    (x, top), (_, bottom) = points
    middle = (top + bottom) / 2
    line(
        sheet,
        [
            (x - 16, top),
            (x + 8, top + 18),
            (x + 12, middle - 22),
            (x + 34, middle),
            (x + 12, middle + 22),
            (x + 8, bottom - 18),
            (x - 16, bottom),
        ],
        width,
        rng,
    )


def scribble(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """Blacken the box between two corners, as one does to a word that was wrong."""
    (left, top), (right, bottom) = points
    zigzag: list[Point] = []
    x = left
    while x < right:
        zigzag += [(x, bottom - rng.uniform(0, 8)), (x + 12, top + rng.uniform(0, 8))]
        x += rng.uniform(7, 12)
    stroke(sheet, zigzag, width, rng, shake=3)
    for _ in range(4):
        y0, y1 = rng.uniform(top + 6, bottom - 6), rng.uniform(top + 6, bottom - 6)
        stroke(sheet, [(left - 6, y0), ((left + right) / 2, y1), (right + 8, y0)], width, rng)


def check(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A check mark whose foot stands at the one point."""
    x, y = points[0]
    stroke(sheet, [(x - 15, y - 20), (x, y), (x + 34, y - 58)], width, rng, shake=1.5)


def star(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A five-pointed star in one line around the one point."""
    x, y = points[0]
    corners = [math.tau * (i * 2 / 5 - 0.25) for i in range(6)]
    for a, b in pairwise(corners):
        ends = [(x + 27 * math.cos(t), y + 27 * math.sin(t)) for t in (a, b)]
        stroke(sheet, ends, width, rng, shake=1.5)


def oval(sheet: Image.Image, points: list[Point], width: float, rng: random.Random) -> None:
    """A ring around the box between two corners."""
    (left, top), (right, bottom) = points
    centre = ((left + right) / 2, (top + bottom) / 2)
    circle(sheet, centre, (right - left) / 2, (bottom - top) / 2, width, rng)


# The marks that a page's data may name -> what draws them from a list of points.
MARKS = {
    "line": line,
    "arrow": arrow,
    "brace": brace,
    "scribble": scribble,
    "check": check,
    "star": star,
    "oval": oval,
}
