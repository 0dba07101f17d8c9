"""Partial truth: some texts that a page must have, and what stands there in place of a miss."""

import json
from pathlib import Path
from typing import Any

import pytest

from results import STEM, put, row, sheet
from station import PDF, Station


def ask(station: Station, number: int, *rows: dict[str, Any], **block: Any) -> Path:
    """Ask for these rows in the first block of a page."""
    quadrant = {"position": "top_left", "rows": list(rows), **block}
    return ask_for(station, f"{STEM}-page{number:02d}", {"quadrants": [quadrant]})


def ask_for(station: Station, name: str, content: Any) -> Path:
    path = station.data / "truth" / f"{name}.truth.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def answers(station: Station) -> dict[str, Any]:
    partial: dict[str, Any] = json.loads(station.good("accuracy", "FORMAT=json"))["partial"]
    return partial


def text(substring: str, **more: Any) -> dict[str, Any]:
    return {"raw_substring": substring, **more}


@pytest.fixture
def page(station: Station) -> Station:
    """A station with one page of four rows, one of them in two."""
    rows = (
        row(0, "BONGWATER - Too Much Sleep"),
        row(1, "The Dead"),
        row(2, "Milkmen - Punk Rock Girl", notes="continuation"),
        row(3, "Lush - Sweetness"),
    )
    content = sheet(*rows, date="Tues 4/3/90", hour_raw="9 pm", jock_raw="Andrea")
    content["quadrants"][3]["entries"] = [row(8, "Cramps - Muleskinner Blues")]
    put(station, 1, content)
    return station


def test_what_is_there_is_found_whatever_its_case_and_blanks(page: Station) -> None:
    ask(page, 1, text("bong water"), text("TOO MUCH"), text("Lush -"))
    found = answers(page)
    assert (found["asked"], found["found"], found["found_exactly"]) == (3, 3, 1)
    assert found["misses"] == []


def test_rows_that_are_not_named_are_no_fault(page: Station) -> None:
    ask(page, 1, text("Lush"))
    assert answers(page)["found"] == 1


def test_a_row_counts_together_with_what_continues_it(page: Station) -> None:
    ask(page, 1, text("Dead Milkmen"))
    assert answers(page)["found"] == 1


def test_date_hour_and_dj_are_asked_for(page: Station) -> None:
    ask_for(
        page,
        f"{STEM}-page01",
        {
            "page_date_substrings": ["tues", "4/3", "90", "4/30"],
            "quadrants": [
                {"position": "top_left", "hour_raw": "9", "jock_substring": "ANDR"},
                {"position": "top_right", "hour_raw": "9", "jock_substring": "ANDR"},
            ],
        },
    )
    found = answers(page)
    assert (found["asked"], found["found"]) == (8, 5)
    missed = [(miss["field"], miss["position"]) for miss in found["misses"]]
    assert missed == [("date", None), ("hour", "top_right"), ("jock", "top_right")]


def test_a_number_is_whole(page: Station) -> None:
    put(page, 2, sheet(row(0, "x"), hour_raw="19"))
    ask(page, 2, hour_raw="9")
    assert answers(page)["found"] == 0


def test_a_miss_is_named_with_the_text_that_is_nearest(page: Station) -> None:
    ask(page, 1, text("BANGWATER"), text("CRAMPS"))
    near, elsewhere = answers(page)["misses"]
    assert near["nearest"] == {
        "position": "top_left",
        "row": 0,
        "text": "BONGWATER - Too Much Sleep",
    }
    assert 0.8 < near["likeness"] < 1
    assert elsewhere["elsewhere"]["position"] == "bottom_right"
    said = page.good("accuracy")
    assert 'no row has "BANGWATER"; nearest in row 0: "BONGWATER - Too Much Sleep"' in said
    assert 'it is in bottom_right row 8: "Cramps - Muleskinner Blues"' in said


def test_a_text_asked_for_in_a_row_has_to_be_there(page: Station) -> None:
    ask(page, 1, text("Lush", row_index=3), text("Lush", row_index=0))
    (miss,) = answers(page)["misses"]
    assert miss["row"] == 0
    assert miss["elsewhere"] == {"position": "top_left", "row": 3, "text": "Lush - Sweetness"}


def test_a_text_asked_for_twice_has_to_be_there_twice(page: Station) -> None:
    ask(page, 1, text("Lush"), text("lush"))
    assert answers(page)["found"] == 1


def test_a_page_without_a_result_is_counted_apart(page: Station) -> None:
    ask(page, 1, text("Lush"))
    ask_for(page, f"{PDF.removesuffix('.pdf')}/page-02", {"page_date_substrings": ["90"]})
    found = answers(page)
    assert (found["asked"], found["without_reading"], found["found"]) == (2, 1, 1)
    assert "1 texts are of pages that have no result" in page.good("accuracy")


def test_a_page_that_is_registered_and_was_not_read_is_one_without_a_result(page: Station) -> None:
    ask(page, 1, text("Lush"))
    page.rendered(3)
    ask(page, 3, text("Prong"))
    done = page.make("accuracy")
    assert done.stderr == ""
    assert "1 texts are of pages that have no result" in done.stdout


def test_of_two_pdfs_of_one_name_the_folder_says_which(page: Station) -> None:
    other = f"tapes/{STEM}.pdf"
    put(page, 1, sheet(row(0, "Prong")), other)
    path = ask(page, 1, text("Prong"))
    done = page.make("accuracy")
    assert "put it into that PDF's folder" in done.stderr
    moved = page.data / "truth" / "tapes" / STEM / path.name
    moved.parent.mkdir(parents=True)
    path.rename(moved)
    assert answers(page)["found"] == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"quadrants": [{"position": "middle"}]}, "quadrants.0.position"),
        ({"quadrants": [{"position": "top_left", "rows": [{"raw_substrin": "x"}]}]}, "raw_substri"),
        ([], "is not partial truth"),
    ],
)
def test_a_file_of_another_shape_is_one_line_and_the_others_count(
    page: Station, content: Any, says: str
) -> None:
    ask(page, 1, text("Lush"))
    ask_for(page, f"{STEM}-page02", content)
    put(page, 2, sheet(row(0, "x")))
    done = page.make("accuracy")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
    assert "1 of 1 texts found" in done.stdout


def test_a_file_of_no_page_is_one_line(page: Station) -> None:
    ask(page, 1, text("Lush"))
    ask_for(page, "1999-01jan0101-page07", {})
    ask_for(page, "notes", {})
    lines = page.make("accuracy").stderr.splitlines()
    assert len(lines) == 2
    assert "is of no page" in lines[0]
    assert "is not named" in lines[1]
