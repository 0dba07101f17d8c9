"""Rows cut out of a scan: the right one, wherever the sheet lay."""

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import forms
from flowsheets.accuracy.cutouts import Cut, cut_out


def image(uri: str | None) -> Image.Image:
    assert uri is not None
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(BytesIO(base64.b64decode(content)))


def ink(uri: str | None) -> int:
    """Black pixels of what is written, without the row's own rule and its neighbours'."""
    middle = image(uri).crop((200, 40, 800, 85))
    return middle.convert("L").histogram()[0]


@pytest.mark.parametrize("shift", [-25, 0, 25])
@pytest.mark.parametrize("block", range(4))
def test_a_row_is_cut_out_where_the_sheet_lay(tmp_path: Path, block: int, shift: int) -> None:
    written: list[list[int]] = [[], [], [], []]
    written[block] = [20]
    forms.form_with(written, shift).save(tmp_path / "page.png")
    cuts = [Cut(block, 20, 20), Cut(block, 18, 18), Cut(block, 0, 0)]
    last, other, first = cut_out(tmp_path / "page.png", cuts)
    assert ink(last) > 500
    assert ink(other) == ink(first) == 0


def test_two_rows_are_one_piece(tmp_path: Path) -> None:
    forms.form_with([[3, 4], [], [], []]).save(tmp_path / "page.png")
    one, both = cut_out(tmp_path / "page.png", [Cut(0, 3, 3), Cut(0, 3, 4)])
    assert image(both).height == pytest.approx(image(one).height + 75, abs=1)


def test_what_cannot_be_cut_out_is_none(tmp_path: Path) -> None:
    forms.form_with([[], [], [], []]).save(tmp_path / "page.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "page.png").read_bytes()[:200])
    assert cut_out(tmp_path / "page.png", [Cut(0, 21, 21), Cut(0, -1, -1)]) == [None, None]
    assert cut_out(tmp_path / "broken.png", [Cut(0, 1, 1)]) == [None]
    assert cut_out(tmp_path / "missing.png", [Cut(0, 1, 1)]) == [None]
