"""Where a row stands on the scan, in percent of the image, whatever its size.

Measured on the station's sheets of 1990, 2550 x 4200 pixels: a row is the band above its rule.
Pages lie some 25 pixels higher or lower; `make review` measures by how much, and without that the
margin takes up some of it.
"""

from typing import NamedTuple

WIDTH, HEIGHT = 2550, 4200  # pixels of a scan, in which the figures below are given
FIRST_RULE = {"top": 650.0, "bottom": 2352.0}
PITCH = {"top": 75.05, "bottom": 75.2}
COLUMNS = {"left": (253.0, 1298.0), "right": (1308.0, 2330.0)}
HEAD = 160.0  # from the top of a block's Hour and Jock down to its first rule
ROWS = 21
MARGIN = 10.0
POSITIONS = ("top_left", "top_right", "bottom_left", "bottom_right")


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
    last = min(row_index + rows, ROWS)
    first = min(row_index, last - 1)
    half = position.partition("_")[0]
    rule = FIRST_RULE[half] + shift - PITCH[half]  # the line above the first row
    return _place(position, rule + PITCH[half] * first, rule + PITCH[half] * last)


def block(position: str, shift: int = 0) -> Place:
    """The place of a whole block, from its Hour and Jock to its last rule."""
    half = position.partition("_")[0]
    first = FIRST_RULE[half] + shift
    return _place(position, first - HEAD, first + PITCH[half] * (ROWS - 1))


def _place(position: str, top: float, bottom: float) -> Place:
    left, right = COLUMNS[position.partition("_")[2]]
    return Place(
        100 * (left - MARGIN) / WIDTH,
        100 * (top - MARGIN) / HEIGHT,
        100 * (right - left + 2 * MARGIN) / WIDTH,
        100 * (bottom - top + 2 * MARGIN) / HEIGHT,
    )
