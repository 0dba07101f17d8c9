"""The emulator's page reader on forms drawn here: rows land where they stand, blanks stay blank."""

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher
from io import BytesIO
from math import atan, cos, sin
from typing import Any

import pytest

pytest.importorskip(
    "onnxruntime", reason="the page reader needs scripts/emulator/requirements.txt installed"
)

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from emulator import form, reader

Read = Callable[[bytes], dict[str, Any]]

WIDTH, HEIGHT = 2550, 4200
BLANK: dict[str, list[int]] = {position: [] for position in form.POSITIONS}
# (block, row) -> text; the first and last rows too, where a grid fit one row off would show
ROWS = {
    (0, 0): "Lush - Sweetness",
    (0, 1): "Pixies - Debaser",
    (0, 20): "The Fall - Hit the North",
    (1, 7): "Galaxie 500 - Tugboat",
    (2, 0): "Bongwater - Too Much Sleep",
    (2, 20): "Prong - Lost and Found",
}


class Sheet:
    """A printed form that can be written on; `shift` in px, `slope` in px down per px right."""

    def __init__(self, shift: tuple[int, int] = (0, 0), slope: float = 0.0) -> None:
        self.shift, self.slope = shift, slope
        self.image = Image.new("L", (WIDTH, HEIGHT), "white")
        self.draw = ImageDraw.Draw(self.image)
        for half in (0, 1):
            for side in (0, 1):
                self.rule(form.HEAD_RULES[half], form.HOUR_SPANS[side])
                self.rule(form.HEAD_RULES[half], form.JOCK_SPANS[side])
                for row in range(form.ROWS):
                    y = form.HALF_TOPS[half] + form.ROW_STEPS[half] * row
                    self.rule(y, form.TYPE_SPANS[side])
                    self.rule(y, form.TEXT_SPANS[side])
        self.rule(form.DATE_RULE, form.DATE_SPAN)
        for y, span in zip(form.COMMENT_RULES, form.COMMENT_SPANS, strict=True):
            self.rule(y, span)
        self.draw.rectangle((1268, 645, 1288, 3860), fill="black")

    def rule(self, y: float, span: tuple[int, int]) -> None:
        self.draw.line((span[0], y, span[1], y), fill="black", width=4)

    def write(self, x: float, y: float, text: str, size: int = 52) -> None:
        font = ImageFont.load_default(size=size)
        self.draw.text((x, y - 8), text, fill="black", font=font, anchor="ls", stroke_width=1)

    def write_row(self, block: int, row: int, text: str) -> None:
        self.write(form.TEXT_SPANS[block % 2][0] + 20, self.row_y(block, row), text)

    def write_type(self, block: int, row: int, text: str) -> None:
        self.write(form.TYPE_SPANS[block % 2][0] + 30, self.row_y(block, row), text)

    def row_y(self, block: int, row: int) -> float:
        return form.HALF_TOPS[block // 2] + form.ROW_STEPS[block // 2] * row

    def scan(self, mode: str = "1", size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
        """The sheet as a scanner would give it: turned about its middle, shifted, as a PNG."""
        c, s = cos(atan(self.slope)), sin(atan(self.slope))
        x, y = WIDTH / 2, HEIGHT / 2
        dx, dy = x + self.shift[0], y + self.shift[1]
        # Pillow wants the way back: from a place on the scan to the place on the sheet
        back = (c, s, x - c * dx - s * dy, -s, c, y + s * dx - c * dy)
        turned = self.image.transform(
            self.image.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR, fillcolor=255
        )
        return png(turned.resize(size).convert(mode, dither=Image.Dither.NONE))


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def rows_of(page: dict[str, Any]) -> dict[str, list[int]]:
    return {q["position"]: [e["row_index"] for e in q["entries"]] for q in page["quadrants"]}


def assert_reads_like(read_text: str | None, written: str, at_least: float = 0.7) -> None:
    likeness = SequenceMatcher(None, (read_text or "").lower(), written.lower()).ratio()
    assert likeness >= at_least, f"{written!r} was read as {read_text!r}"


def assert_nothing_was_read(page: dict[str, Any]) -> None:
    assert rows_of(page) == BLANK
    assert page["page_date_raw"] is None
    assert page["comments_raw"] is None
    for quadrant in page["quadrants"]:
        assert quadrant["hour_raw"] is None
        assert quadrant["jock_raw"] is None


@pytest.fixture(scope="module")
def read() -> Read:
    return reader.load()


@pytest.mark.parametrize(
    ("shift", "slope"),
    [
        ((0, 0), 0.0),
        ((25, -25), 0.005),
        ((-33, 18), -0.007),
        ((40, 38), 0.02),  # half a row down: the nearest rules are equally far up and down
        ((-20, -70), -0.02),  # almost a whole row
    ],
)
def test_rows_are_found_where_they_stand_on_a_shifted_and_skewed_page(
    read: Read, shift: tuple[int, int], slope: float
) -> None:
    sheet = Sheet(shift, slope)
    for (block, row), text in ROWS.items():
        sheet.write_row(block, row, text)
    page = read(sheet.scan())
    assert rows_of(page) == {
        "top_left": [0, 1, 20],
        "top_right": [7],
        "bottom_left": [0, 20],
        "bottom_right": [],
    }
    for (block, row), text in ROWS.items():
        entries = {e["row_index"]: e for e in page["quadrants"][block]["entries"]}
        assert_reads_like(entries[row]["raw_text"], text)
        assert entries[row]["type_raw"] is None
    assert page["oddities"] == []


def test_date_hour_jock_and_comments_are_read_from_their_own_lines(read: Read) -> None:
    sheet = Sheet((-15, 9), 0.004)
    sheet.write(1090, form.DATE_RULE, "Sunday 4/1/90")
    sheet.write(375, form.HEAD_RULES[0], "2PM", size=44)
    sheet.write(1700, form.HEAD_RULES[1], "Night Lady")
    sheet.write(500, form.COMMENT_RULES[0], "New records are here", size=44)
    sheet.write(500, form.COMMENT_RULES[2], "Play them", size=44)
    page = read(sheet.scan())
    assert_reads_like(page["page_date_raw"], "Sunday 4/1/90")
    hours = [quadrant["hour_raw"] for quadrant in page["quadrants"]]
    assert_reads_like(hours.pop(0), "2PM")
    assert hours == [None, None, None]
    jocks = [quadrant["jock_raw"] for quadrant in page["quadrants"]]
    assert_reads_like(jocks.pop(3), "Night Lady")
    assert jocks == [None, None, None]
    first, last = page["comments_raw"].split("\n")
    assert_reads_like(first, "New records are here")
    assert_reads_like(last, "Play them")
    assert rows_of(page) == BLANK


def test_a_type_letter_is_kept_apart_from_the_text(read: Read) -> None:
    sheet = Sheet()
    for row, letter in enumerate(("H", "O", "Std")):
        sheet.write_row(1, row, "Yo La Tengo")
        sheet.write_type(1, row, letter)
    sheet.write_type(1, 5, "M")  # a letter beside an empty row makes no entry
    entries = read(sheet.scan())["quadrants"][1]["entries"]
    assert [entry["type_raw"] for entry in entries] == ["H", "O", "Std"]
    for entry in entries:
        assert_reads_like(entry["raw_text"], "Yo La Tengo")


def test_an_entry_has_the_keys_and_words_of_a_result(read: Read) -> None:
    sheet = Sheet()
    sheet.write_row(0, 3, "Pixies - Debaser")
    page = json.loads(json.dumps(read(sheet.scan())))
    assert list(page) == ["page_date_raw", "quadrants", "comments_raw", "oddities"]
    quadrant = page["quadrants"][0]
    assert list(quadrant) == ["position", "hour_raw", "jock_raw", "entries", "oddities"]
    (entry,) = quadrant["entries"]
    assert list(entry) == [
        "row_index", "raw_text", "type_raw", "confidence", "notes", "oddities",
    ]  # fmt: skip
    assert entry["confidence"] in ("high", "medium", "low")
    assert entry["notes"] is None
    assert entry["oddities"] == []


def test_text_running_on_to_the_page_edge_is_read_to_its_end(read: Read) -> None:
    sheet = Sheet()
    text = "Bongwater and the Legendary Pink Dots - Power"  # ends some 90 px past the rule
    sheet.write(1300 + form.TEXT_SPANS[0][0] - 200, sheet.row_y(1, 4), text)
    (entry,) = read(sheet.scan())["quadrants"][1]["entries"]
    assert_reads_like(entry["raw_text"][-12:], "Dots - Power", 0.6)


def test_a_scribble_is_an_entry_marked_illegible_with_low_confidence(read: Read) -> None:
    sheet = Sheet()
    pen = random.Random(1)
    points = [(pen.randint(450, 800), pen.randint(735, 790)) for _ in range(120)]
    sheet.draw.line(points, fill="black", width=5)
    (entry,) = read(sheet.scan())["quadrants"][0]["entries"]
    assert (entry["row_index"], entry["notes"], entry["confidence"]) == (2, "illegible", "low")


def test_a_form_nobody_wrote_on_is_blank_and_no_oddity(read: Read) -> None:
    page = read(Sheet((12, -20), -0.004).scan())
    assert_nothing_was_read(page)
    assert page["oddities"] == []


def test_a_grey_scan_at_half_the_size_is_scaled(read: Read) -> None:
    sheet = Sheet((10, 10), 0.003)
    sheet.write_row(2, 11, "Galaxie 500 - Tugboat")
    page = read(sheet.scan("L", (WIDTH // 2, HEIGHT // 2)))
    assert rows_of(page) == BLANK | {"bottom_left": [11]}
    assert_reads_like(page["quadrants"][2]["entries"][0]["raw_text"], "Galaxie 500 - Tugboat")


def test_a_scan_cut_short_below_the_form_is_not_stretched(read: Read) -> None:
    sheet = Sheet()
    sheet.write_row(3, 20, "Prong - Lost and Found")
    page = read(png(sheet.image.crop((0, 0, WIDTH, HEIGHT - 80))))
    assert rows_of(page) == BLANK | {"bottom_right": [20]}


def ruled_paper() -> Image.Image:
    image = Image.new("1", (WIDTH, HEIGHT), 1)
    for y in range(100, HEIGHT, 90):
        ImageDraw.Draw(image).line((0, y, WIDTH, y), fill=0, width=4)
    return image


def noise() -> Image.Image:
    grey = np.random.default_rng(7).integers(0, 256, (HEIGHT // 4, WIDTH // 4), np.uint8)
    return Image.fromarray(grey)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Image.new("1", (WIDTH, HEIGHT), 1), id="white"),
        pytest.param(Image.new("1", (WIDTH, HEIGHT), 0), id="black"),
        pytest.param(Image.new("RGB", (640, 480), "orange"), id="a small colour picture"),
        pytest.param(Image.new("RGBA", (1, 1)), id="one transparent pixel"),
        pytest.param(ruled_paper(), id="ruled paper"),
        pytest.param(noise(), id="noise"),
    ],
)
def test_a_picture_that_is_not_the_form_gives_a_blank_page_that_says_so(
    read: Read, picture: Image.Image
) -> None:
    page = read(png(picture))
    assert_nothing_was_read(page)
    (oddity,) = page["oddities"]
    assert "not found" in oddity


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header only", "overwritten"])
def test_a_damaged_png_is_a_value_error(read: Read, damage: str) -> None:
    whole = png(ruled_paper())
    damaged = {
        "empty": b"",
        "text": b"not a picture",
        "cut": whole[: len(whole) // 2],
        "header only": whole[:33],
        "overwritten": whole[:60] + bytes(len(whole) - 60),
    }[damage]
    with pytest.raises(ValueError, match="not a readable image"):
        read(damaged)


def test_two_threads_read_what_one_reads(read: Read) -> None:
    scans = []
    for block in (0, 3):
        sheet = Sheet((block * 5, 0))
        sheet.write_row(block, 2, "Bel Canto - Oyster")
        scans.append(sheet.scan())
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(read, scans * 2)) == [read(scan) for scan in scans] * 2


def test_without_the_model_file_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"Install scripts/emulator/requirements\.txt"):
        reader.load()
