"""The form on a scan, block by block: where its ruled rows lie, and how many of them carry ink.

It needs the page's image alone, no reading of it, so what was not read shows. The form is known; a
scan lies some 25 px off, and the rules of each block tell by how much. All lengths are px on a
sheet of 2550 x 4200, 300 dpi.
"""

from pathlib import Path
from typing import NamedTuple

from PIL import Image

WIDTH, HEIGHT = 2550, 4200
ROWS = 21  # a block
FIRST_RULES = (650, 2352)  # upper and lower half; text stands on its rule
ROW_STEPS = (75.05, 75.2)  # from rule to rule
COLUMNS = ((403, 1298), (1459, 2330))  # the text's rules, left and right block
ENDS = 60  # of a rule, left out: the sheet may lie to the side, and holds a bar in the middle
WRITING = (30, 630)  # from the rule's left end: where an artist's name is; notes stand at the right
SHIFT = 36  # up or down; half a row, so that a block is never fitted a row off
BETWEEN = (55, 10)  # above a row's rule: what is its own, without the rules

# How much blacker than its block the rules have to be for the form to count as found, in shares. On
# the station's pages they are .42 to .95 blacker, and lines between the rules .13 at the most.
FOUND = 0.25
# Share of black above which a row is written on. Against the readings of 34 real pages: of 1,913
# written rows 1.3 % have less, of 807 empty ones 3.3 % more, most often by the row above's tails.
# A block's count is off by 0.2 rows on average, and by 2 too many at the most.
WRITTEN = 0.02

Profile = list[float]  # share of black, 0 to 1, in each line of pixels of a column


class Block(NamedTuple):
    """`written` rows carry ink; the rules lie `shift` px lower than the form has them."""

    written: int
    shift: int


def blocks(png: Path) -> tuple[Block | None, ...]:
    """Each block of a scan, in the form's order; None where the form is not found.

    Raises `OSError` where the image cannot be read.
    """
    with Image.open(png) as file:
        image: Image.Image = file
        if image.size != (WIDTH, HEIGHT):
            image = image.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        sides = [_side(image, left, right) for left, right in COLUMNS]
    return tuple(_block(*sides[side], half) for half in (0, 1) for side in (0, 1))


def _side(image: Image.Image, left: int, right: int) -> tuple[Profile, Profile]:
    """The profiles of a side's rules, and of what is written on them."""
    begin, end = (left + x for x in WRITING)
    return _profile(image, left + ENDS, right - ENDS), _profile(image, begin, end)


def _profile(image: Image.Image, left: int, right: int) -> Profile:
    column = image.crop((left, 0, right, HEIGHT)).convert("L")
    column = column.resize((1, HEIGHT), Image.Resampling.BOX)
    return [1 - grey / 255 for grey in column.tobytes()]


def _block(ruled: Profile, written: Profile, half: int) -> Block | None:
    rules = [round(FIRST_RULES[half] + ROW_STEPS[half] * row) for row in range(ROWS)]
    fits = {shift: _fit(ruled, rules, shift) for shift in range(-SHIFT, SHIFT + 1)}
    best = max(fits.values())
    if best < FOUND:
        return None
    equal = [shift for shift, fit in fits.items() if fit == best]  # a rule is 3 or 4 px thick
    shift = equal[len(equal) // 2]
    above, below = BETWEEN
    rows = [written[rule + shift - above : rule + shift - below] for rule in rules]
    return Block(sum(sum(row) / len(row) > WRITTEN for row in rows), shift)


def _fit(ruled: Profile, rules: list[int], shift: int) -> float:
    """How much blacker the page is where the rules would lie, so shifted, give or take 1 px."""
    lines = (ruled[rule + shift - 1 : rule + shift + 2] for rule in rules)
    block = ruled[rules[0] - SHIFT : rules[-1] + SHIFT]
    return sum(map(max, lines)) / len(rules) - sum(block) / len(block)
