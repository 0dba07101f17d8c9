"""The form on a scan: the rows that carry writing, and the type letters."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

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


@pytest.mark.parametrize("shift", [-25, 0, 25])
def test_type_letters_in_their_circles_are_counted(tmp_path: Path, shift: int) -> None:
    typed = [range(0, 21, 2), [], [20], range(5)]
    page = forms.form_with([range(21)] * 4, shift, typed)
    page.save(tmp_path / "page.png")
    assert [block and block.typed for block in form.blocks(tmp_path / "page.png")] == [11, 0, 1, 5]


def test_strokes_and_arrows_across_the_type_column_are_no_letters(tmp_path: Path) -> None:
    page = forms.form_with([range(21), [], [], []])
    pen = ImageDraw.Draw(page)
    for row in range(0, 20, 2):
        rule = round(form.FIRST_RULES[0] + form.ROW_STEPS[0] * row)
        pen.line((230, rule - 70, 380, rule + 5), fill=0, width=6)  # as DJs tick rows off
    pen.line((300, 2400, 340, 3800), fill=0, width=4)  # an arrow down the column
    page.save(tmp_path / "page.png")
    assert [block and block.typed for block in form.blocks(tmp_path / "page.png")] == [0] * 4


def _rows(page: Image.Image, folder: Path) -> tuple[int | None, ...]:
    page.save(folder / "page.png")
    return tuple(block and block.written for block in form.blocks(folder / "page.png"))
