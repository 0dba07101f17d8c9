"""make review: which pages to look at first, and why."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import forms
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from results import ask, indexed_anew, put, row, save, sheet
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
    assert station.good("review").startswith("no page to check")
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


def test_a_page_is_low_from_8_rows_on_of_which_more_than_a_quarter_are(station: Station) -> None:
    put(station, 1, sheet(*_rows(SONGS[:7], "low")))  # 7 rows
    put(station, 2, sheet(*_rows([f"B{n} - C{n}" for n in range(8)], "low")))
    put(station, 3, sheet(*_rows(SONGS[7:9], "low"), *_rows(SONGS)[9:15]))  # 2 of 8
    put(station, 4, sheet(*_rows(SONGS[15:18], "low"), *_rows(list("abcdefgh"))[3:8]))  # 3 of 8
    indexed_anew(station)
    low = [(page[-1], detail) for page, reason, detail in _reviews(station) if "low" in reason]
    assert low == [("2", "8 of 8 rows are low."), ("4", "3 of 8 rows are low.")]


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
    assert "no page to check" in done.stdout


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


def _scan(station: Station, number: int, written: list[Any], typed: Any = ()) -> Path:
    path = station.png(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    forms.form_with(written, 0, typed).save(path)
    return path


def _found(station: Station) -> list[tuple[int, str, str]]:
    """Page number, reason and detail, without making the list again."""
    return [(int(page[-2:]), reason, detail) for page, reason, detail in _reviews(station)]


def _letters(n: int) -> str:
    """So many letters, none of them again and again."""
    return "".join(f"{number} " for number in range(n))[:n]


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


def test_400_rows_of_a_pair_in_a_block_of_21_are_found_by_all_that_is_wrong(
    station: Station,
) -> None:
    pair = ["Bongwater - Too Much Sleep", "Wire - Map Ref"]
    put(station, 1, sheet(*_rows(pair * 200)))
    put(station, 2, sheet(*(row(0, f"Song {n}") for n in range(400))))
    indexed_anew(station)
    numbers = "top_left has row 21, 22, 23, 24, 25 and 374 others, the form rows 0 to 20."
    over = "400 rows in top_left; the form has 21 a block."
    assert _found(station) == [
        (
            1,
            "periodic_text",
            '400 rows are the same 2 again and again, from "Bongwater - Too Much Sleep" on.',
        ),
        (1, "more_rows_than_form", over),
        (2, "more_rows_than_form", over),
        (1, "row_numbers", numbers),
        (2, "row_numbers", "top_left has row 0 more than once."),
    ]


def test_few_texts_in_any_order_and_words_in_circles_are_found(station: Station) -> None:
    shuffled = [SONGS[(n * n) % 7 % 5] for n in range(20)]
    put(station, 1, sheet(*_rows(shuffled)))
    put(station, 2, sheet(row(0, "the same thing " * 6)))
    put(station, 3, sheet(row(0, "Girls Girls Girls - Girls Girls Girls")))
    put(station, 4, sheet(row(0, "ooooo" * 5)))
    put(station, 5, sheet(*_rows(["La La La La La", "Ha Ha Ha", "--------------------------"])))
    put(station, 6, sheet(*_rows(SONGS[:9] + SONGS[:4])))  # a playlist that has a few again
    indexed_anew(station)
    found = [(page, reason) for page, reason, _ in _found(station)]
    assert sorted(found) == [(page, "periodic_text") for page in (1, 2, 4)]


def test_doubled_and_impossible_row_numbers_are_found(station: Station) -> None:
    put(station, 1, sheet(row(3, "one"), row(3, "two"), row(4, "three")))
    put(station, 2, sheet(row(20, "one"), row(21, "two")))
    put(station, 3, sheet(row(3, "one"), row(3, "and on", notes="continuation")))
    put(station, 4, sheet(row(20, "over the last rule", notes="double_height")))
    indexed_anew(station)
    assert _found(station) == [
        (1, "row_numbers", "top_left has row 3 more than once."),
        (2, "row_numbers", "top_left has row 21, the form rows 0 to 20."),
    ]


@pytest.mark.parametrize(
    ("where", "room"),
    [
        ("top_left row 0", 100),
        ("The type of top_left row 0", 150),
        ("The DJ of top_left", 100),
        ("The hour of top_left", 40),
        ("The comments band", 600),
        ("The date", 60),
        ("An oddity", 500),
    ],
)
def test_a_text_that_its_place_has_no_room_for_is_found(
    station: Station, where: str, room: int
) -> None:
    for number, letters in ((1, room), (2, room + 1), (3, 36_000)):
        text = _letters(letters)
        page = sheet(row(0, text if where == "top_left row 0" else "one"), date="")
        block = page["quadrants"][0]
        if "type" in where:
            block["entries"][0]["type_raw"] = text
        elif where in ("The comments band", "The date", "An oddity"):
            page |= {
                "The comments band": {"comments_raw": text},
                "The date": {"page_date_raw": text},
            }.get(where, {"oddities": [text]})
        elif where != "top_left row 0":
            block["jock_raw" if "DJ" in where else "hour_raw"] = text
        put(station, number, page)
    indexed_anew(station)
    detail = "{} has {:,} letters, more than the {} that it has room for."
    assert _found(station) == [
        (3, "overlong_cell", detail.format(where, 36_000, room)),
        (2, "overlong_cell", detail.format(where, room + 1, room)),
    ]


def test_a_text_over_two_rules_has_twice_the_room(station: Station) -> None:
    put(station, 1, sheet(row(0, _letters(200), notes="double_height")))
    put(station, 2, sheet(row(0, _letters(201), notes="double_height")))
    indexed_anew(station)
    assert [(page, reason) for page, reason, _ in _found(station)] == [(2, "overlong_cell")]


def test_more_rows_than_the_scan_has_writing_are_found(station: Station) -> None:
    for number, written in ((1, 3), (2, 16)):
        _scan(station, number, [range(written), [], [], []])
        put(station, number, sheet(*_rows([f"{number} {text}" for text in SONGS[:18]])))
    _scan(station, 3, [[], [], [], []])
    put(station, 3, sheet(*_rows(SONGS)))
    station.good("review")
    assert _found(station) == [
        (3, "more_rows_than_ink", "0 written rows in top_left, 20 read."),
        (1, "more_rows_than_ink", "3 written rows in top_left, 18 read."),
    ]


def test_type_letters_that_were_not_read_are_found_on_the_scan(station: Station) -> None:
    for number, typed in ((1, 18), (2, 18), (3, 5)):
        _scan(station, number, [range(20), [], [], []], [range(typed), [], [], []])
        rows = _rows([f"{number} {text}" for text in SONGS])
        if number == 2:
            rows[0]["type_raw"] = "H"
        put(station, number, sheet(*rows))
    station.good("review")
    assert _found(station) == [
        (
            1,
            "type_letters_missing",
            "The scan shows some 18 type letters, the result has none.",
        )
    ]


def test_a_response_that_was_mended_is_on_the_list_with_what_was_mended(station: Station) -> None:
    for number in (1, 2):
        put(station, number, sheet(*_rows(SONGS[number * 5 : number * 5 + 5])))
    save(station, 2, sheet(*_rows(SONGS[:5])))
    with sqlite3.connect(station.data / "jobs.db") as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS mended_answers"
            " (pdf_path TEXT, page_number INTEGER, detail TEXT, noted_at TEXT)"
        )
        db.executemany(
            "INSERT INTO mended_answers VALUES (?, ?, 'a fence, \x1b[31m', '2026-01-01')",
            [(PDF, 1), (PDF, 2), ("gone.pdf", 1)],
        )
    assert "\x1b" not in station.good("review")
    assert _found(station) == [(1, "mended_answer", "a fence, [31m")]


def test_a_page_that_a_person_completed_is_on_the_list_for_its_files_alone(
    station: Station,
) -> None:
    wrong = sheet(*_rows(["Loop - Loop"] * 30, "low"), date="8/8/90")
    put(station, 1, wrong)
    save(station, 1, wrong)
    put(station, 2, wrong)
    save(station, 2, wrong, status="draft")
    said = station.good("review")
    assert {page for page, _, _ in _found(station)} == {2}
    assert "Ada L., 2026-03-01 (draft)" in said
    put(station, 1, wrong).unlink()
    indexed_anew(station)
    assert [reason for page, reason, _ in _found(station) if page == 1] == ["result_missing"]
