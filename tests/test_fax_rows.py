"""CCITT bitmaps read code by code, against libtiff, which wrote them."""

import random

import pytest
from PIL import Image

from flowsheets.page import fax_rows
from flowsheets.page.ccitt import Fax
from pages_of_all_kinds import tiff


def random_bitmap(chance: random.Random) -> Image.Image:
    """Runs of every length that has a code of its own, from either colour."""
    wide, high = chance.choice([8, 300, 1728, 2600, 5300]), chance.randrange(1, 12)
    image = Image.new("1", (wide, high))
    for row in range(high):
        at, color = 0, chance.randrange(2)
        while at < wide:
            run = chance.choice([1, 2, 3, 7, 63, 64, chance.randrange(1, 2700)])
            image.paste(color, (at, row, min(at + run, wide), row + 1))
            at, color = at + run, 1 - color
    return image


CODINGS = {
    "G4": ("group4", {}, -1, False),
    "G3": ("group3", {}, 0, False),
    "G3, mixed": ("group3", {"_292": 1}, 4, False),
    "G3, rows at bytes": ("tiff_ccitt", {}, 0, True),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_all_rows_of_what_libtiff_writes_are_read_and_one_more_is_missing(coding: str) -> None:
    compression, tags, k, aligned = CODINGS[coding]
    chance = random.Random(4)
    for _ in range(60):
        image = random_bitmap(chance)
        data = tiff(image, compression, **tags)
        bitmap = Fax(data, image.width, image.height, k, True, aligned)
        assert fax_rows.are_whole(bitmap)
        assert not fax_rows.are_whole(bitmap._replace(height=image.height + 1))
        if image.height > 1:
            assert not fax_rows.are_whole(bitmap._replace(height=image.height - 1))
