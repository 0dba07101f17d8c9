"""Where a row lies on the scan, in percent of the image, whatever its size.

A row is the band above its rule. Pages lie some 25 pixels higher or lower; `make review` measures
by how much, and without that the margin takes up some of it.
"""

from typing import NamedTuple

from flowsheets.page import form
from flowsheets.page.schema import POSITIONS

MARGIN = 10  # px around a row, on a sheet as `form` has it

# Left, top, right, bottom in px of a sheet as `form` has it: where the date is written, and the
# comments band.
DATE = (880, 340, 1760, 460)
COMMENTS = (40, 3885, 2480, 4130)


class Place(NamedTuple):
    """A rectangle on the scan, in percent of its width and height."""

    left: float
    top: float
    width: float
    height: float

    def __str__(self) -> str:
        return " ".join(f"{number:.2f}" for number in self)


def row(position: str, row_index: int, rows: int = 1, shift: int = 0) -> Place:
    """The place of a printed row, from 0, or of so many from it on; it never leaves the block.

    `shift` is how many pixels lower the block lies on this scan.
    """
    first = min(max(row_index, 0), form.ROWS - 1)
    last = min(max(row_index + rows, first + 1), form.ROWS)
    half, side = divmod(POSITIONS.index(position), 2)
    above_first = form.FIRST_RULES[half] + shift - form.ROW_STEPS[half]
    step = form.ROW_STEPS[half]
    return _place(side, above_first + step * first, above_first + step * last)


def block(position: str, shift: int = 0) -> Place:
    """The place of a whole block, from its Hour and Jock to its last rule."""
    half, side = divmod(POSITIONS.index(position), 2)
    first = form.FIRST_RULES[half] + shift
    return _place(side, first - form.HEAD, first + form.ROW_STEPS[half] * (form.ROWS - 1))


def px(position: str, shift: int = 0) -> dict[str, float]:
    """A block in px of a sheet: the sides of its rows, the top of the first, the height of each,
    and the top of Hour and Jock.
    """
    half, side = divmod(POSITIONS.index(position), 2)
    first = form.FIRST_RULES[half] + shift
    return {
        "left": form.TYPES[side][0],
        "right": form.COLUMNS[side][1],
        "top": first - form.ROW_STEPS[half],
        "step": form.ROW_STEPS[half],
        "head": first - form.HEAD,
    }


def _place(side: int, top: float, bottom: float) -> Place:
    left, right = form.TYPES[side][0], form.COLUMNS[side][1]
    return Place(
        100 * (left - MARGIN) / form.WIDTH,
        100 * (top - MARGIN) / form.HEIGHT,
        100 * (right - left + 2 * MARGIN) / form.WIDTH,
        100 * (bottom - top + 2 * MARGIN) / form.HEIGHT,
    )
