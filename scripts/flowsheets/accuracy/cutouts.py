"""Rows cut out of their scans, as data: URIs for a page that no server serves."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from flowsheets.page import form


class Cut(NamedTuple):
    """Rows of a block, from one to another, by the block's number in the form's order."""

    block: int
    first: int
    last: int


def cut_out(png: Path, cuts: Sequence[Cut]) -> list[str | None]:
    """Each as a data: URI; None where the image cannot be read, or the form is not on it."""
    try:
        with Image.open(png) as file:
            sheet = form.sheet(file)
            shifts = form.shifts(sheet)
            return [_cut(sheet, shifts[cut.block], cut) for cut in cuts]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return [None] * len(cuts)


def _cut(sheet: Image.Image, shift: int | None, cut: Cut) -> str | None:
    if not 0 <= cut.first <= cut.last < form.ROWS:
        return None
    # Where rules are too faint to be found, the form's own place is within a row of theirs.
    box = form.row_box(cut.block, cut.first, shift or 0, cut.last)
    file = BytesIO()
    sheet.crop(box).convert("1", dither=Image.Dither.NONE).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
