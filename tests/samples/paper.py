"""What copying and scanning do to a filled sheet, down to its 1-bit image."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from samples import pen
from samples.hands import grain

# Ink above this is black. Below the middle, as thin strokes would break too often there.
THRESHOLD = 112


@dataclass(frozen=True)
class Feed:
    """How a sheet lay on the glass."""

    tilt: float = 0.0  # degrees, counter-clockwise
    shift: tuple[int, int] = (0, 0)  # px right, px down
    edge: int = 8  # px of black along the left edge
    fade: int = 0  # px from the top left corner where the copy has lost its ink
    specks: int = 14


def scan(sheet: Image.Image, feed: Feed, rng: random.Random) -> Image.Image:
    """The sheet's ink as a 1-bit image, upright, white paper."""
    if feed.fade:
        _fade(sheet, feed.fade)
    ink = _lay(sheet, feed).filter(ImageFilter.GaussianBlur(1.0))
    # Noise either side of the threshold roughens every edge, as on a copy of a copy.
    ink = ImageChops.subtract(ink, grain(ink.size, 2, 70, rng), 1.0, 20)
    _edge(ink, feed.edge, rng)
    _specks(ink, feed.specks, rng)
    return ink.point([0 if v > THRESHOLD else 255 for v in range(256)]).convert(
        "1", dither=Image.Dither.NONE
    )


def _lay(sheet: Image.Image, feed: Feed) -> Image.Image:
    """Turn the sheet about its middle and shift it."""
    sine, cosine = math.sin(math.radians(feed.tilt)), math.cos(math.radians(feed.tilt))
    cx, cy = sheet.width / 2, sheet.height / 2
    dx, dy = cx + feed.shift[0], cy + feed.shift[1]
    inverse = (
        cosine,
        -sine,
        cx - cosine * dx + sine * dy,
        sine,
        cosine,
        cy - sine * dx - cosine * dy,
    )
    return sheet.transform(
        sheet.size, Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC, fillcolor=0
    )


def _fade(sheet: Image.Image, reach: int) -> None:
    """Take the ink away from the top left corner, softly."""
    box = (0, 0, reach + 200, 460)
    light = Image.new("L", (box[2], box[3]), 0)
    ImageDraw.Draw(light).ellipse((-300, 40, reach, 400), fill=255)
    light = light.filter(ImageFilter.GaussianBlur(25))
    sheet.paste(ImageChops.subtract(sheet.crop(box), light), (0, 0))


def _edge(ink: Image.Image, width: int, rng: random.Random) -> None:
    """The dark beside the sheet, along the left edge of the glass."""
    lean = rng.uniform(-4, 4)
    points: list[pen.Point] = [(0, 0)]
    for y in range(0, ink.height + 40, 40):
        points.append((max(2.0, width + lean * y / ink.height + rng.gauss(0, 0.7)), y))
    points.append((0, ink.height))
    ImageDraw.Draw(ink).polygon(points, pen.INK)


def _specks(ink: Image.Image, count: int, rng: random.Random) -> None:
    """Dust, and one hair-thin trace at the foot as the sheet's end leaves."""
    draw = ImageDraw.Draw(ink)
    for _ in range(count):
        x, y, r = rng.uniform(40, ink.width), rng.uniform(0, ink.height), rng.expovariate(0.7) + 0.7
        draw.ellipse((x - r, y - r, x + r, y + r * rng.uniform(0.6, 1.2)), fill=pen.INK)
    x, y = rng.uniform(100, 1200), ink.height - rng.uniform(6, 14)
    draw.line((x, y, x + rng.uniform(300, 1100), y - rng.uniform(-2, 2)), pen.INK, 2)
