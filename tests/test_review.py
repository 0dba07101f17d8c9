"""make review: which pages to look at first, and why."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import forms
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from results import ask, indexed_anew, put, row, sheet
from station import PDF, Station

PAGE = "1990/April 1990/1990-04apr0106/page-0"
SONGS = [f"Artist {n} - Song {n}" for n in range(20)]


def _rows(texts: list[str], confidence: str = "high") -> list[dict[str, Any]]:
    return [row(n, text, confidence) for n, text in enumerate(texts)]


def _reviews(station: Station) -> list[tuple[Any, ...]]:
    return ask(station, "SELECT page, reason, detail FROM reviews ORDER BY rank")


def test_a_good_page_is_left_in_peace_and_nothing_is_changed(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS)))
    before = station.tree()
    assert station.good("review").startswith("no page stands out")
    after = {name: data for name, data in station.tree().items() if "flowsheets.db" not in name}
    assert after == before


def test_a_date_that_contradicts_the_name_comes_first(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS[:10], "low")))
    put(station, 2, sheet(*_rows(SONGS[10:]), date="Sun 7/1/90"))
    said = station.good("review")
    date = (f"{PAGE}2", "date_contradicts_name", '"Sun 7/1/90" is not within 1 to 6 April 1990.')
    low = (f"{PAGE}1", "low_confidence", "10 of 10 rows are low.")
    assert _reviews(station) == [date, low]
    assert said.index(date[2]) < said.index(low[2])
    assert "2 pages to look at" in said
    found = ask(station, "SELECT page, page_date_raw, status FROM pages_to_check")
    assert found[0] == (f"{PAGE}2", "Sun 7/1/90", "completed")


def test_some_low_rows_are_no_reason(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS[:3], "low")))  # few
    put(station, 2, sheet(*_rows(SONGS[3:5], "low"), *_rows(SONGS)[5:13]))  # a fifth
    indexed_anew(station)
    assert _reviews(station) == []


def test_the_same_text_on_two_pages_is_on_the_list_for_both(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS[:10])))
    put(station, 2, sheet(*_rows([text.upper() for text in SONGS[:10]])))
    put(station, 3, sheet(*_rows(SONGS[:3])))
    put(station, 4, sheet(*_rows(SONGS[:3])))  # two equal pages of three rows say nothing
    indexed_anew(station)
    assert _reviews(station) == [
        (f"{PAGE}1", "same_text", f"All rows are on {PAGE}2 as well."),
        (f"{PAGE}2", "same_text", f"All rows are on {PAGE}1 as well."),
    ]


def test_nearly_the_same_text_is_seen_as_well(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS)))
    put(station, 2, sheet(*_rows(["Misread - Misread", *SONGS[1:]])))
    put(station, 3, sheet(*_rows(["Misread - Misread", *[f"Another {n}" for n in range(19)]])))
    indexed_anew(station)
    details = [detail for _, reason, detail in _reviews(station) if reason == "same_text"]
    assert details == [f"95% of the rows are on {PAGE}{n} as well." for n in (2, 1)]


def test_a_text_row_after_row_is_on_the_list_and_ditto_marks_are_not(station: Station) -> None:
    put(station, 1, sheet(*_rows(["Loop - Loop"] * 6)))
    put(station, 2, sheet(*_rows(['"'] * 9)))
    put(station, 3, sheet(*_rows(["Loop - Loop"] * 3 + SONGS[:3])))
    indexed_anew(station)
    found = [(page, reason) for page, reason, _ in _reviews(station)]
    assert found == [(f"{PAGE}1", "repeated_row")]
    assert _reviews(station)[0][2] == '"Loop - Loop" is on 6 rows in a row.'


def test_writing_that_was_not_read_is_found_on_the_scan(station: Station) -> None:
    _scan(station, 1, [range(8), [], [], []])
    put(station, 1, sheet())  # nothing was read
    _scan(station, 2, [range(3), range(10), [], []])
    put(station, 2, sheet(*_rows(SONGS[:3])))  # a block was left out
    _scan(station, 3, [range(12), [], [], []])
    doubled = [row(2 * n, text, notes="double_height") for n, text in enumerate(SONGS[:6])]
    put(station, 3, sheet(*doubled))  # right: one entry on two rows each
    _scan(station, 4, [[], [], [], []])
    put(station, 4, sheet())  # right: an empty form
    station.good("review")
    expected = [
        (f"{PAGE}1", "no_entries", "8 rows of the scan carry writing."),
        (f"{PAGE}2", "fewer_rows_than_ink", "10 written rows in top_right, 0 read."),
    ]
    assert _reviews(station) == expected
    # A page that is read anew is off the list with the next index.
    put(station, 1, sheet(*_rows(SONGS[10:18])))
    indexed_anew(station)
    assert _reviews(station) == expected[1:]


@pytest.mark.parametrize("damage", ["no image", "a length in it"])
def test_an_image_that_cannot_be_read_is_a_warning(station: Station, damage: str) -> None:
    station.rendered(1)
    put(station, 1, sheet(*_rows(SONGS)))
    whole = station.png(1).read_bytes()
    at = whole.index(b"IDAT") - 4  # where the chunk's length stands
    broken = whole[:at] + (3).to_bytes(4) + whole[at + 4 :]
    station.png(1).write_bytes(b"no image" if damage == "no image" else broken)
    done = station.make("review")
    assert done.returncode == 0
    assert "page-01 cannot be read" in done.stderr
    assert "on 1 scans the form" in done.stderr
    assert "no page stands out" in done.stdout


def test_a_page_without_tries_left_is_on_the_list_with_its_reason(station: Station) -> None:
    station.data.mkdir()
    db = database.connect(station.data)
    pages = [PageId(PDF, 1), PageId(PDF, 2)]
    states.register(db, pages)
    reason = "blocked: \x1b[31mSAFETY"
    for page, tries in zip(pages, (3, 2), strict=True):
        for _ in range(tries):
            states.flip(
                db, [page], ("pending", "failed"), "failed", count_try=True, last_error=reason
            )
    db.close()
    said = station.good("review")
    assert _reviews(station) == [(f"{PAGE}1", "failed", "Failed 3 times: blocked: [31mSAFETY.")]
    assert "\x1b" not in said


def test_the_limit_shortens_the_table_and_says_so(station: Station) -> None:
    for number in range(1, 4):
        put(station, number, sheet(*_rows(SONGS[number:]), date="8/8/90"))
    said = station.good("review", "LIMIT=1")
    assert said.count("is not within") == 1
    assert "more: make review LIMIT=" in said
    assert station.error("review", "LIMIT=x").startswith("Error: LIMIT: ")


def _scan(station: Station, number: int, written: list[Any]) -> Path:
    path = station.png(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    forms.form_with(written).save(path)
    return path


def test_a_scan_is_measured_once_and_again_where_it_changed(station: Station) -> None:
    _scan(station, 1, [range(8), [], [], []])
    put(station, 1, sheet(*_rows(SONGS[:8])))
    station.good("review")
    measured = "SELECT top_left, top_right, bottom_left, bottom_right FROM ink"
    assert ask(station, measured) == [(8, 0, 0, 0)]
    with sqlite3.connect(station.data / "flowsheets.db") as db:
        db.execute("UPDATE ink SET top_left = 9")
    station.good("review")
    assert ask(station, measured) == [(9, 0, 0, 0)]
    _scan(station, 1, [range(8), range(2), [], []])
    station.good("review")
    assert ask(station, measured) == [(8, 2, 0, 0)]
