"""Handwriting: a hand is a font made uneven, so that no letter comes out the same twice.

Every letter is turned, sized and placed a little differently, then the whole line is warped
and its ink thinned here and there as a ball-point's is.
"""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from samples import pen

# A line longer than its place is squeezed, as people do; below this it is no longer legible.
TIGHTEST = 0.66
WORD_GAP = 0.8  # of a letter's mean width, at least


@dataclass(frozen=True)
class Hand:
    """How one person writes."""

    font: str  # name of the font's package
    size: int  # px an em; the rows are 75 px apart
    weight: float  # px added around each stroke
    slant: float  # px to the right for each px up
    unrest: float  # 1 is a steady hand, 2 a hurried one
    pen: float  # px, the width of its circles, arrows and lines
    tab: int = 0  # px from the row's start to a second column for the track; 0: none
    dry: int = 95  # how much of the ink (of 255) the pen fails to give at worst


HANDS = {
    "neat": Hand("kalam", 60, 0.5, 0.02, 1.1, 5),
    "small": Hand("patrick-hand", 58, 0.5, 0.10, 1.4, 4, tab=440),
    "scrawl": Hand("reenie-beanie", 75, 1.4, 0.06, 1.9, 4, dry=125),
    "round": Hand("gloria-hallelujah", 51, 0.8, -0.03, 1.4, 5),
    "lean": Hand("nothing-you-could-do", 52, 1.3, 0.0, 1.5, 5),
    "script": Hand("homemade-apple", 46, 1.1, 0.0, 0.8, 4, dry=75),
    "block": Hand("rock-salt", 37, 1.0, 0.0, 1.3, 6),
    "marker": Hand("covered-by-your-grace", 68, 1.3, 0.04, 1.7, 7, dry=60),
    "tall": Hand("shadows-into-light", 62, 1.2, 0.08, 1.7, 5),
    "school": Hand("schoolbell", 57, 0.7, 0.0, 1.7, 5, tab=430),
    "quick": Hand("caveat", 72, 1.0, 0.05, 1.8, 4, dry=110),
}


class Fonts:
    """The fonts of one folder, `<folder>/<name>/files/<name>-latin-400-normal.woff2`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.load = cache(self._load)  # a page asks for the same few fonts hundreds of times

    def _load(self, name: str, size: int) -> ImageFont.FreeTypeFont:
        file = self.folder / name / "files" / f"{name}-latin-400-normal.woff2"
        # The basic layout needs no shaping library, so every machine sets the same letters.
        return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


def write(
    sheet: Image.Image,
    at: pen.Point,
    text: str,
    hand: Hand,
    fonts: Fonts,
    rng: random.Random,
    room: float,
    scale: float = 1.0,
    angle: float = 0.0,
) -> float:
    """Write `text` from `at` (left end of the baseline) and return how many px wide it became.

    `room` is the px it may take before it is squeezed. `angle` turns it, in degrees, about `at`.
    Raises ValueError where even squeezed it does not fit: shorten the text, or give it more room.
    """
    size = round(hand.size * scale)
    tile, baseline, width = _letters(text, size, hand, fonts, rng)
    squeeze = min(1.0, room / width)
    if squeeze < TIGHTEST:
        raise ValueError(f"{text!r} is {width:.0f} px wide and has room for {room:.0f}")
    tile = _lean(tile, baseline, hand.slant, rng.gauss(0, 0.005 * hand.unrest), squeeze, size)
    tile = _warp(tile, size, 0.032 * hand.unrest, rng)
    tile = ImageChops.subtract(tile, grain(tile.size, 14, hand.dry, rng))
    left, top = round(at[0]) - size, round(at[1]) - baseline
    if angle:
        # Turned about the baseline's start, which first moves to the middle of a square.
        half = max(tile.size)
        square = Image.new("L", (2 * half, 2 * half), 0)
        square.paste(tile, (half - size, half - baseline))
        tile = square.rotate(angle, Image.Resampling.BICUBIC)
        left, top = round(at[0]) - half, round(at[1]) - half
    add_ink(sheet, tile, (left, top))
    return width * squeeze


def _letters(
    text: str, size: int, hand: Hand, fonts: Fonts, rng: random.Random
) -> tuple[Image.Image, int, float]:
    """Set the letters one by one; return the tile, its baseline's y and the text's width in px.

    The text starts one `size` from the tile's left edge: room for what leans out.
    """
    font = fonts.load(hand.font, size)
    baseline = round(size * 1.6)
    tile = Image.new("L", (round(font.getlength(text) * 1.25) + 3 * size, round(size * 2.8)), 0)
    # Some of the fonts have spaces so narrow that words would run together.
    gap = WORD_GAP * font.getlength("nearest") / len("nearest")
    x, drift = float(size), 0.0
    for i, letter in enumerate(text):
        following = text[i + 1 : i + 2]
        advance = font.getlength(letter + following) - font.getlength(following)
        if letter == " ":
            x += max(advance, gap) * rng.uniform(0.9, 1.4)
            continue
        drift = 0.8 * drift + rng.gauss(0, 0.010 * size * hand.unrest)
        box = round(size * 3)
        glyph = Image.new("L", (box, box), 0)
        draw = ImageDraw.Draw(glyph)
        own = fonts.load(hand.font, round(size * (1 + rng.gauss(0, 0.03 * hand.unrest))))
        weight = max(0.0, hand.weight + rng.gauss(0, 0.12))
        draw.text((box / 2, box / 2), letter, pen.INK, own, "ls", stroke_width=weight)
        glyph = glyph.rotate(rng.gauss(0, 1.3 * hand.unrest), Image.Resampling.BICUBIC)
        add_ink(tile, glyph, (round(x - box / 2), round(baseline + drift - box / 2)))
        x += advance * (1 + rng.gauss(0, 0.02 * hand.unrest))
    return tile, baseline, x - size


def _lean(
    tile: Image.Image, baseline: int, slant: float, climb: float, squeeze: float, size: int
) -> Image.Image:
    """Slant the letters, let the line climb or sink, squeeze it; the start stays at x = size."""
    # Output to input, as Pillow wants it: x_in = size + (x - size)/squeeze + slant*(y - baseline)
    a, b = 1 / squeeze, slant
    c = size - size / squeeze - slant * baseline
    return tile.transform(
        tile.size,
        Image.Transform.AFFINE,
        (a, b, c, climb, 1, -climb * size),
        Image.Resampling.BICUBIC,
    )


def _warp(tile: Image.Image, size: int, strength: float, rng: random.Random) -> Image.Image:
    """Pull the tile about on a grid, a cell some two thirds of a letter, so that letters differ."""
    cell = round(size * 0.55)
    columns, rows = tile.width // cell + 1, tile.height // cell + 1
    pull = strength * size
    nodes = {
        (i, j): (i * cell + rng.gauss(0, pull), j * cell + rng.gauss(0, pull))
        for i in range(columns + 1)
        for j in range(rows + 1)
    }
    mesh = []
    for i in range(columns):
        for j in range(rows):
            corners = nodes[i, j], nodes[i, j + 1], nodes[i + 1, j + 1], nodes[i + 1, j]
            quad = tuple(value for corner in corners for value in corner)
            mesh.append(((i * cell, j * cell, (i + 1) * cell, (j + 1) * cell), quad))
    return tile.transform(tile.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def grain(size: tuple[int, int], cell: int, depth: int, rng: random.Random) -> Image.Image:
    """Soft noise from 0 to `depth`, in clouds some `cell` px across."""
    small = (size[0] // cell + 2, size[1] // cell + 2)
    noise = Image.frombytes("L", small, rng.randbytes(small[0] * small[1]))
    levels = [value * depth // 255 for value in range(256)]
    return noise.resize(size, Image.Resampling.BICUBIC).point(levels)


def add_ink(sheet: Image.Image, tile: Image.Image, at: tuple[int, int]) -> None:
    """Lay the tile's ink on the sheet; what falls off the sheet's edge is lost."""
    left, top = max(0, at[0]), max(0, at[1])
    right = min(sheet.width, at[0] + tile.width)
    bottom = min(sheet.height, at[1] + tile.height)
    if left >= right or top >= bottom:
        return
    part = tile.crop((left - at[0], top - at[1], right - at[0], bottom - at[1]))
    under = sheet.crop((left, top, right, bottom))
    sheet.paste(ImageChops.lighter(under, part), (left, top))
