"""The station's form, full size, with marks for writing: just what finds and counts ruled rows."""

from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from flowsheets.page import form


def form_with(
    written: Sequence[Iterable[int]], shift: int = 0, typed: Sequence[Iterable[int]] = ()
) -> Image.Image:
    """A form whose blocks, in order, are written on in these rows; all of it `shift` px lower.

    `typed` are the rows, by block, with a type letter in a circle.
    """
    page = Image.new("1", (form.WIDTH, form.HEIGHT), 1)
    pen = ImageDraw.Draw(page)
    for block, rows in enumerate(written):
        half, side = divmod(block, 2)
        left, right = form.COLUMNS[side]
        letter = form.TYPES[side][0] + 35
        circled = typed[block] if typed else ()
        for row in range(form.ROWS):
            rule = round(form.FIRST_RULES[half] + form.ROW_STEPS[half] * row) + shift
            pen.rectangle((left, rule - 1, right, rule + 1), fill=0)
            pen.rectangle((form.TYPES[side][0], rule - 1, form.TYPES[side][1], rule + 1), fill=0)
            if row in circled:
                pen.ellipse((letter, rule - 55, letter + 60, rule - 5), outline=0, width=4)
                pen.text((letter + 20, rule - 50), "H", fill=0, font_size=36)
            if row in rows:
                pen.text((left + 40, rule - 50), "WRITING - WRITTEN", fill=0, font_size=40)
    return page
