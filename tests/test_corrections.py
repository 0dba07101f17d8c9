"""What people corrected is counted: in status, review and export, and in the order of the list."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from flowsheets.index import gains, progress
from flowsheets.page import corrections, shapes
from results import OURS, ask, indexed, indexed_anew, put, row, save, sheet
from station import PDF, Station

SONGS = [f"Artist {n} - Song {n}" for n in range(12)]
WRONG = "high, high_wrong, medium, medium_wrong, low, low_wrong, added"


def page(*rows: dict[str, Any], **more: Any) -> shapes.KeptPage:
    return shapes.read(json.dumps(sheet(*rows, **more)).encode())


def together(model: list[dict[str, Any]], person: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """The rows of the first block that belong together, by their texts."""
    beside = corrections.pairs(page(*model), page(*person))["top_left"]
    return [
        (pair.model and pair.model.raw_text, pair.person and pair.person.raw_text)
        for pair in beside
    ]


def test_a_row_belongs_to_the_one_that_it_was_made_of() -> None:
    model = [row(0, "Wire - Mop Ref"), row(1, "Slint - Glenn"), row(2, "Unrest - Isabel")]
    assert together(model, [row(0, "Wire - Map Ref"), *model[1:]]) == [
        ("Wire - Mop Ref", "Wire - Map Ref"),
        ("Slint - Glenn", "Slint - Glenn"),
        ("Unrest - Isabel", "Unrest - Isabel"),
    ]
    moved_down = [
        row(0, "a row that was missed"),
        *(r | {"row_index": n} for n, r in enumerate(model, 1)),
    ]
    assert together(model, moved_down) == [
        (None, "a row that was missed"),
        *((r["raw_text"], r["raw_text"]) for r in model),
    ]
    assert together(model, model[1:]) == [
        *((r["raw_text"], r["raw_text"]) for r in model[1:]),
        ("Wire - Mop Ref", None),
    ]
    assert together(model, [row(7, "Wire - Map Ref!"), *model[1:]])[0][0] == "Wire - Mop Ref"
    assert together([row(0, '"'), row(1, '"')], [row(0, '"'), row(1, '"')]) == [('"', '"')] * 2
    assert together([], [row(0, "typed")]) == [(None, "typed")]


def test_edits_say_what_differs_and_where() -> None:
    model = page(row(0, "Wire - Mop Ref", "low"), row(1, "made up"), hour_raw="2 AM")
    person = page(row(0, "Wire - Map Ref", "low", type_raw="H"), row(4, "new"), date="Mon 4/2/90")
    found = [
        (e.get("row_index"), e["field"], e["from"], e["to"])
        for e in corrections.edits(model, person)
    ]
    assert found == [
        (None, "page_date_raw", "Sun 4/1/90", "Mon 4/2/90"),
        (None, "hour_raw", "2 AM", model.quadrants[1].hour_raw),
        (0, "raw_text", "Wire - Mop Ref", "Wire - Map Ref"),
        (0, "type_raw", None, "H"),
        (4, "added", None, "new"),
        (1, "deleted", "made up", None),
    ]
    assert corrections.edits(model, model) == []


def test_what_was_checked_is_counted_by_the_models_confidence(station: Station) -> None:
    rows = [row(n, text, ("high", "medium", "low")[n % 3]) for n, text in enumerate(SONGS)]
    put(station, 1, sheet(*rows))
    assert "checked by people" not in station.good("index") + station.good("status")
    right = [
        *rows[:8],
        rows[8] | {"raw_text": "Other - Text"},
        rows[9],
        rows[10] | {"type_raw": "H"},
    ]
    save(station, 1, sheet(*right, row(20, "new")), status="complete")
    # 0, 3, 6, 9 are high; 1, 4, 7, 10 medium, of which 10 is another type; 2, 5, 8, 11 low, of
    # which 8 is another text and 11 deleted.
    assert indexed(station, f"SELECT {WRONG} FROM corrections") == [(4, 0, 4, 1, 4, 2, 1)]
    for said in (station.good("status"), station.good("review")):
        assert "1 page checked by people; 3 of 12 rows changed, 1 added" in said
        assert (
            "wrong by confidence: high 0 of 4 (0%), medium 1 of 4 (25%), low 2 of 4 (50%)" in said
        )
        assert max(map(len, said.splitlines())) <= 80


def test_a_draft_counts_for_the_blocks_that_are_checked(station: Station) -> None:
    put(station, 1, sheet(row(0, "Wire - Mop Ref")))
    path = save(station, 1, sheet(row(0, "Wire - Map Ref")), status="draft")
    assert indexed(station, "SELECT count(*) FROM corrections") == [(0,)]
    assert "0 pages checked by people, 1 in draft" in station.good("status")
    about = path.with_name(path.name.replace("verified", "corrections"))
    about.write_text(json.dumps({"status": "draft", "checked": ["top_left"]}))
    assert indexed(station, f"SELECT {WRONG} FROM corrections") == [(1, 1, 0, 0, 0, 0, 0)]


def test_a_later_reading_is_not_held_against_the_models_first(station: Station) -> None:
    put(station, 1, sheet(row(0, "Wire - Mop Ref")))
    save(station, 1, sheet(row(0, "Wire - Map Ref")))
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    path = put(station, 1, {})
    later = OURS | {"extracted_at": "2026-09-01T00:00:00Z"}
    path.write_text(json.dumps(sheet(row(0, "Wire - Map Ref")) | later))
    assert indexed(station, f"SELECT {WRONG} FROM corrections") == [(1, 1, 0, 0, 0, 0, 0)]
    assert ask(station, "SELECT read_again_at FROM sources") == [("2026-09-01T00:00:00+00:00",)]
    assert ask(station, "SELECT text, m.raw_text FROM plays JOIN model_rows m USING (entry)") == [
        ("Wire - Map Ref", "Wire - Mop Ref")
    ]


def test_the_export_has_the_models_text_beside_the_persons(station: Station) -> None:
    put(station, 1, sheet(row(0, "Wire - Mop Ref"), row(1, "made up")))
    save(station, 1, sheet(row(0, "Wire - Map Ref"), row(2, "new")))
    put(station, 2, sheet(row(0, "Slint - Glenn")))
    station.good("export")
    with (station.data / "export/plays.csv").open(newline="") as file:
        plays = [(p["raw_text"], p["verified_text"], p["text"]) for p in csv.DictReader(file)]
    assert plays == [
        ("Wire - Mop Ref", "Wire - Map Ref", "Wire - Map Ref"),
        ("", "new", "new"),
        ("Slint - Glenn", "", "Slint - Glenn"),
    ]
    dictionary = (station.data / "export/plays.dictionary.csv").read_text()
    assert "raw_text" in dictionary
    assert "verified_text" in dictionary


def test_the_page_with_most_doubt_for_the_least_rows_is_shown_first(station: Station) -> None:
    low = [row(n, text, "low" if n < 6 else "high") for n, text in enumerate(SONGS)]
    put(station, 1, sheet(*low))
    put(station, 2, sheet(*(row(n, f"B{n} - C{n}", "low") for n in range(9))))
    put(station, 3, sheet(row(0, "D - E"), row(1, "F - G"), date="Sun 7/1/90"))
    said = station.good("review")
    order = ask(station, "SELECT page, gain FROM gains ORDER BY gain DESC")
    assert [(name[-1], round(gain, 3)) for name, gain in order] == [
        ("3", round(2 / 7, 3)),  # the date of all of its rows is wrong
        ("2", round(9 * 0.4 / 14, 3)),
        ("1", round((6 * 0.4 + 6 * 0.02) / 17, 3)),
    ]
    listed = [said.rindex(f"page-0{number}") for number in (3, 2, 1)]
    assert listed == sorted(listed)


def test_the_doubt_follows_what_corrections_say() -> None:
    none = progress.Progress(
        0, 0, dict.fromkeys(gains.GUESSED, 0), dict.fromkeys(gains.GUESSED, 0), 0
    )
    assert gains.error_rates(none) == gains.GUESSED
    seen = none._replace(
        rows={"high": 1000, "medium": 0, "low": 180}, wrong={"high": 0, "medium": 0, "low": 180}
    )
    rates = gains.error_rates(seen)
    assert rates["high"] < 0.001
    assert rates["medium"] == gains.GUESSED["medium"]
    assert rates["low"] == pytest.approx((180 + 8) / 200)


def test_status_without_an_index_says_nothing_of_it(tmp_path: Path) -> None:
    assert progress.of_data_root(tmp_path) is None
    (tmp_path / "flowsheets.db").write_bytes(b"no database at all" * 100)
    assert progress.of_data_root(tmp_path) is None


def test_what_a_person_settled_is_off_the_list(station: Station) -> None:
    put(station, 1, sheet(*(row(n, text, "low") for n, text in enumerate(SONGS))))
    indexed_anew(station)
    assert ask(station, "SELECT count(*) FROM gains") == [(1,)]
    save(station, 1, sheet(*(row(n, text, "low") for n, text in enumerate(SONGS))))
    assert "no page to check" in station.good("review")
    assert ask(station, "SELECT count(*) FROM gains") == [(0,)]
