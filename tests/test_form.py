"""Ink: the rows of a form that carry writing."""

from pathlib import Path

import pytest
from PIL import Image

import forms
from flowsheets.page import form


@pytest.mark.parametrize("shift", [-25, 0, 25])
def test_written_rows_are_counted_wherever_the_sheet_lay(tmp_path: Path, shift: int) -> None:
    page = forms.form_with([[0, 1, 20], [], range(21), [5]], shift)
    assert _rows(page, tmp_path) == (3, 0, 21, 1)
    assert {block and block.shift for block in form.blocks(tmp_path / "page.png")} == {shift}


def test_a_tail_and_a_note_at_the_right_are_no_row(tmp_path: Path) -> None:
    page = forms.form_with([[], [], [], []])
    page.paste(0, (460, 655, 470, 670))  # hangs down from the row above
    page.paste(0, (1160, 900, 1260, 940))  # right of where a row begins
    assert _rows(page, tmp_path) == (0, 0, 0, 0)


def test_an_image_without_the_form_is_not_measured(tmp_path: Path) -> None:
    assert _rows(Image.new("1", (2550, 4200), 1), tmp_path) == (None,) * 4
    assert _rows(Image.new("1", (2550, 4200), 0), tmp_path) == (None,) * 4
    assert _rows(Image.new("1", (102, 168), 1), tmp_path) == (None,) * 4


def test_a_scan_at_half_the_resolution_is_measured_all_the_same(tmp_path: Path) -> None:
    page = forms.form_with([[0, 1, 20], [], range(21), [5]]).convert("L").resize((1275, 2100))
    assert _rows(page, tmp_path) == (3, 0, 21, 1)


def _rows(page: Image.Image, folder: Path) -> tuple[int | None, ...]:
    page.save(folder / "page.png")
    return tuple(block and block.written for block in form.blocks(folder / "page.png"))
