"""The printed form: where everything stands on a sheet, and the sheet's print itself.

Measured on scans at 300 pixels an inch. The station on it is made up, so that nobody takes a
sample for a page of a real archive.
"""

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from samples import pen
from samples.hands import Fonts

SIZE = (2550, 4200)  # px: 8.5 by 14 inches
ROWS = 21  # ruled rows a block

TYPE_FONT = "courier-prime"
TYPE_SIZE = 50  # px an em: a typewriter's 30 px a character
LABEL = 116  # px from the start of "Hour" or "Jock" to its rule
LOGO_FONT = "permanent-marker"

DATE_START, DATE_END, DATE_LINE = 1070, 1702, 430
BAR = (1278, 645, 1298, 3860)  # left, top, right, bottom
COMMENT_LINES = ((340, 3961), (70, 4018), (70, 4068))  # (start of the rule, its y)
COMMENT_END = 2400


@dataclass(frozen=True)
class Block:
    """One hour of the sheet: x of its rules, y of its first row and the rows' distance, in px."""

    hour: tuple[int, int]
    jock: tuple[int, int]
    header: int
    type: tuple[int, int]
    text: tuple[int, int]
    first: float
    pitch: float
    reach: int  # x up to which handwriting may run on past the text rule

    @property
    def is_left(self) -> bool:
        """Whether the margin beside it is the sheet's left one."""
        return self.type[1] < BAR[0]

    def rule(self, row: int) -> float:
        """y of the rule that row `row`, from 0, is written on."""
        return self.first + self.pitch * row


_LEFT = {"hour": (360, 482), "jock": (602, 1266), "type": (253, 373), "text": (403, 1298)}
_RIGHT = {"hour": (1416, 1536), "jock": (1656, 2317), "type": (1308, 1430), "text": (1459, 2330)}
_TOP = {"header": 548, "first": 650.0, "pitch": 75.05}
_BOTTOM = {"header": 2251, "first": 2352.0, "pitch": 75.2}

# position -> block, in the order in which results list them
BLOCKS: dict[str, Block] = {
    "top_left": Block(**_LEFT, **_TOP, reach=1264),  # type: ignore[arg-type]
    "top_right": Block(**_RIGHT, **_TOP, reach=2450),  # type: ignore[arg-type]
    "bottom_left": Block(**_LEFT, **_BOTTOM, reach=1264),  # type: ignore[arg-type]
    "bottom_right": Block(**_RIGHT, **_BOTTOM, reach=2450),  # type: ignore[arg-type]
}

# Typed words: (x, y of the baseline, text)
WORDS = (
    (150, 112, "Indicate types"),
    (135, 212, "Hit=Hit"),
    (135, 261, "Std=Standard"),
    (135, 310, "O=Other"),
    (195, 360, "=Request"),
    (520, 208, "For playbox"),
    (670, 258, "=Heavy"),
    (670, 308, "=Medium"),
    (670, 358, "=Light"),
    (1790, 112, "FM 90.9"),
    (1790, 164, "Box 7  Student Union"),
    (1790, 214, "Elm Falls, NC 27000"),
    (915, 428, "Date:"),
    (66, 3958, "Comments:"),
)
# Letters in printed circles: (x, y of the centre, letter)
CIRCLED = ((152, 344, "r"), (628, 242, "H"), (628, 293, "M"), (628, 344, "L"))


def print_form(fonts: Fonts) -> Image.Image:
    """The empty sheet. Every sheet is the same: copies of one master."""
    rng = random.Random("form")
    sheet = Image.new("L", SIZE, 0)
    draw = ImageDraw.Draw(sheet)
    font = fonts.load(TYPE_FONT, TYPE_SIZE)
    for x, y, text in WORDS:
        draw.text((x, y), text, pen.INK, font, "ls", stroke_width=0.3)
    for x, y, letter in CIRCLED:
        draw.text((x, y), letter, pen.INK, font, "mm", stroke_width=0.3)
        draw.ellipse((x - 21, y - 23, x + 21, y + 23), outline=pen.INK, width=4)
    _logo(sheet, fonts, rng)
    _rule(draw, DATE_START, DATE_END, DATE_LINE, rng)
    for block in BLOCKS.values():
        for name, (start, end) in (("Hour", block.hour), ("Jock", block.jock)):
            at = (start - LABEL, block.header - 2)
            draw.text(at, name, pen.INK, font, "ls", stroke_width=0.3)
            _rule(draw, start, end, block.header, rng)
        for row in range(ROWS):
            _rule(draw, *block.type, block.rule(row), rng)
            _rule(draw, *block.text, block.rule(row), rng)
    for start, y in COMMENT_LINES:
        _rule(draw, start, COMMENT_END, y, rng)
    _bar(draw, rng)
    return sheet


def _logo(sheet: Image.Image, fonts: Fonts, rng: random.Random) -> None:
    """The call letters as if brushed, with one heavy stroke below."""
    draw = ImageDraw.Draw(sheet)
    draw.text((1290, 238), "WJQX", pen.INK, fonts.load(LOGO_FONT, 150), "ms", stroke_width=2)
    for lift in range(0, 22, 4):
        pen.stroke(sheet, [(1122, 288 - lift), (1280, 272 - lift / 2), (1462, 258)], 10, rng)


def _rule(draw: ImageDraw.ImageDraw, start: int, end: int, y: float, rng: random.Random) -> None:
    """A drawn rule, 3 or 4 px thick, its ends and height not quite even."""
    start, end = start + rng.randint(-3, 3), end + rng.randint(-3, 3)
    rise = rng.uniform(-1.5, 1.5)
    for x in range(start, end, 70):
        stop = min(end, x + 70)
        height = y + rise * (x - start) / (end - start)
        thick = rng.choice((3, 3, 4))
        draw.rectangle((x, round(height), stop, round(height) + thick - 1), fill=pen.INK)


def _bar(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """The thick bar between the columns: felt pen along a ruler, ragged on both sides."""
    left, top, right, bottom = BAR
    heights = range(top, bottom, 18)
    west = [(left + rng.gauss(0, 1.6), y) for y in heights]
    east = [(right + rng.gauss(0, 1.6), y + 9) for y in heights]
    draw.polygon([*west, (left + 3, bottom), (right - 2, bottom + 4), *reversed(east)], pen.INK)
