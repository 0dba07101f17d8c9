"""The printed form: where it lies on a sheet, and which of its rows a scan shows writing in.

It needs the page's image alone, no transcription of it, so writing that was not read shows. A scan
lies some 25 px off, and the rules of each block say by how much. All lengths are px on a sheet of
2550 x 4200, 300 dpi, as measured on the station's sheets of 1990.
"""

from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops

WIDTH, HEIGHT = 2550, 4200
ROWS = 21  # a block
FIRST_RULES = (650, 2352)  # upper and lower half; a row is written on its rule
ROW_STEPS = (75.05, 75.2)  # from rule to rule
COLUMNS = ((403, 1298), (1459, 2330))  # the text's rules, left and right block
TYPES = ((253, 373), (1308, 1430))  # the type letters' rules, left and right block
HEAD = 160  # from the top of a block's Hour and Jock down to its first rule

ENDS = 60  # of a rule, left out: the sheet may lie to the side, and holds a bar in the middle
WRITING = (30, 630)  # from the rule's left end: where an artist's name is; notes are at the right
SHIFT = 36  # up or down; half a row, so that a block is never fitted a row off
BETWEEN = (55, 10)  # above a row's rule: what is its own, without the rules
ASIDE, RUN_ON, TAILS = 60, 160, 20  # left, right, above and below a row that is cut out

# How much blacker than its block the rules have to be for the form to count as found, in shares. On
# the station's pages they are .42 to .95 blacker, and lines between the rules .13 at the most.
FOUND = 0.25
# Share of black above which a row is written on. Against the transcriptions of 34 real pages: of
# 1,913 written rows 1.3 % have less, of 807 empty ones 3.3 % more, most often by the row above's
# tails. A block's count is off by 0.2 rows on average, and by 2 too many at the most.
WRITTEN = 0.02

# A type letter, circled or not: so much black, so wide and so high, and a line of pixels through it
# meets its strokes more than once. On 34 real pages 565 of 597 letters are seen. A stroke or an
# arrow that crosses the column meets most lines once: one page of strokes alone shows 12 marks, the
# other pages without letters 6 at the most, and the page with the fewest letters 19.
TYPE_INSET = 5  # px at each end of the rule, where neighbours' tails reach in
TYPE_INK, TYPE_SIZE, TYPE_STROKES = 0.02, 20, 1.5

Profile = list[float]  # share of black, 0 to 1, in each line of pixels of a column


class Block(NamedTuple):
    """`written` rows carry ink, `typed` rows a type letter, as far as the scan shows it; the rules
    lie `shift` px lower than the form has them.
    """

    written: int
    shift: int
    typed: int


Box = tuple[int, int, int, int]  # left, top, right, bottom


def blocks(png: Path) -> tuple[Block | None, ...]:
    """Each block of a scan, in the form's order; None where the form is not found.

    Raises `OSError` where the image cannot be read.
    """
    return tuple(_block(side, half) for side, half in _sides(png))


def written_rows(png: Path) -> tuple[tuple[int, ...] | None, ...]:
    """The rows of each block that carry writing, from 0; None where the form is not found.

    Raises `OSError` where the image cannot be read.
    """
    return tuple(_written_rows(side, half) for side, half in _sides(png))


def shifts(png: Image.Image) -> tuple[int | None, ...]:
    """How many px lower the rules of each block lie; None where the form is not found."""
    upright = sheet(png)
    ruled = [_profile(upright, left + ENDS, right - ENDS) for left, right in COLUMNS]
    return tuple(_shift(ruled[side], half) for half in (0, 1) for side in (0, 1))


def row_box(block: int, row: int, shift: int, to_row: int | None = None) -> Box:
    """Where a row of a block lies, or the rows up to another one, with what is written above and
    below the rule and in the type column.
    """
    half, side = divmod(block, 2)
    first, last = (
        FIRST_RULES[half] + ROW_STEPS[half] * number + shift
        for number in (row, row if to_row is None else to_row)
    )
    left, right = TYPES[side][0] - ASIDE, COLUMNS[side][1] + RUN_ON
    top, bottom = first - ROW_STEPS[half] - TAILS, last + TAILS
    return max(left, 0), max(round(top), 0), min(right, WIDTH), min(round(bottom), HEIGHT)


def _sides(png: Path) -> list[tuple["_Side", int]]:
    """The side and the half of each block, in the form's order."""
    with Image.open(png) as file:
        image = sheet(file)
        sides = [_side(image, side) for side in (0, 1)]
    return [(sides[side], half) for half in (0, 1) for side in (0, 1)]


def sheet(image: Image.Image) -> Image.Image:
    """The image at the size that all lengths are for."""
    if image.size == (WIDTH, HEIGHT):
        return image
    return image.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX)


class _Side(NamedTuple):
    """Profiles of a side's rules and of what is written on them, and its column of type letters."""

    ruled: Profile
    written: Profile
    types: Image.Image  # white on black


def _side(image: Image.Image, side: int) -> _Side:
    left, right = COLUMNS[side]
    begin, end = (left + x for x in WRITING)
    types = image.crop((TYPES[side][0] + TYPE_INSET, 0, TYPES[side][1] - TYPE_INSET, HEIGHT))
    return _Side(
        _profile(image, left + ENDS, right - ENDS),
        _profile(image, begin, end),
        ImageChops.invert(types.convert("L")),
    )


def _profile(image: Image.Image, left: int, right: int) -> Profile:
    column = image.crop((left, 0, right, HEIGHT)).convert("L")
    column = column.resize((1, HEIGHT), Image.Resampling.BOX)
    return [1 - grey / 255 for grey in column.tobytes()]


def _block(side: _Side, half: int) -> Block | None:
    shift = _shift(side.ruled, half)
    if shift is None:
        return None
    bands = _bands(half, shift)
    return Block(
        written=sum(_is_written(side.written[top:bottom]) for top, bottom in bands),
        shift=shift,
        typed=sum(_has_letter(side.types, top, bottom) for top, bottom in bands),
    )


def _written_rows(side: _Side, half: int) -> tuple[int, ...] | None:
    shift = _shift(side.ruled, half)
    if shift is None:
        return None
    bands = enumerate(_bands(half, shift))
    return tuple(row for row, (top, end) in bands if _is_written(side.written[top:end]))


def _shift(ruled: Profile, half: int) -> int | None:
    rules = _rules(half)
    fits = {shift: _fit(ruled, rules, shift) for shift in range(-SHIFT, SHIFT + 1)}
    best = max(fits.values())
    if best < FOUND:
        return None
    equal = [shift for shift, fit in fits.items() if fit == best]  # a rule is 3 or 4 px thick
    return equal[len(equal) // 2]


def _rules(half: int) -> list[int]:
    return [round(FIRST_RULES[half] + ROW_STEPS[half] * row) for row in range(ROWS)]


def _bands(half: int, shift: int) -> list[tuple[int, int]]:
    """From where to where above its rule each row of a block is its own."""
    above, below = BETWEEN
    return [(rule + shift - above, rule + shift - below) for rule in _rules(half)]


def _is_written(row: Profile) -> bool:
    return sum(row) / len(row) > WRITTEN


def _has_letter(column: Image.Image, top: int, bottom: int) -> bool:
    """Whether the row's part of the type column (white on black) shows more than a stroke."""
    mark = column.crop((0, top, column.width, bottom)).point(lambda grey: 255 * (grey > 127))
    left, upper, right, lower = mark.getbbox() or (0, 0, 0, 0)
    ink = mark.histogram()[255] / (mark.width * mark.height)
    if ink < TYPE_INK or right - left < TYPE_SIZE or lower - upper < TYPE_SIZE:
        return False
    shifted = ImageChops.offset(mark, 1, 0)
    shifted.paste(0, (0, 0, 1, mark.height))
    strokes = ImageChops.subtract(mark, shifted).histogram()[255]  # each where it begins
    inked_lines = sum(map(bool, mark.resize((1, mark.height), Image.Resampling.BOX).tobytes()))
    return strokes >= TYPE_STROKES * max(inked_lines, 1)


def _fit(ruled: Profile, rules: list[int], shift: int) -> float:
    """How much blacker the page is where the rules would lie, so shifted, give or take 1 px."""
    lines = (ruled[rule + shift - 1 : rule + shift + 2] for rule in rules)
    block = ruled[rules[0] - SHIFT : rules[-1] + SHIFT]
    return sum(map(max, lines)) / len(rules) - sum(block) / len(block)
