"""make export: every play for other programs."""

import csv
import errno
import json
from typing import Any

import pytest

from flowsheets import display
from results import put, row, sheet
from station import PDF, Station


def _csv(station: Station) -> list[dict[str, str]]:
    with (station.data / "export" / "plays.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _jsonl(station: Station) -> list[dict[str, Any]]:
    lines = (station.data / "export" / "plays.jsonl").read_bytes().split(b"\n")
    return [json.loads(line) for line in lines if line]


def test_a_line_a_play_with_all_that_is_known_of_it(station: Station) -> None:
    page = sheet(
        row(4, "Bongwater - Too", type_raw="H", notes="other"),
        row(5, "Much Sleep", notes="continuation"),
        hour_raw="2 AM",
        jock_raw="SCOTT",
    )
    put(station, 1, page)
    said = station.good("export")
    assert said.startswith("exported 1 plays to ")
    expected = {
        "entry": "1990/April 1990/1990-04apr0106/page-01/top_left/04",
        "pdf_path": PDF,
        "page_number": 1,
        "position": "top_left",
        "row_index": 4,
        "page_date_raw": "Sun 4/1/90",
        "page_date": "1990-04-01",
        "hour_raw": "2 AM",
        "jock_raw": "SCOTT",
        "dj": "SCOTT",
        "artist": "Bongwater",
        "track": "Too Much Sleep",
        "artist_guess": None,
        "artist_rule": "one_dash",
        "raw_text": "Bongwater - Too",
        "verified_text": None,
        "text": "Bongwater - Too Much Sleep",
        "type_raw": "H",
        "confidence": "high",
        "notes": "other",
        "crossed_out": 0,
        "verified": None,
        "verified_by": None,
        "verified_at": None,
    }
    assert _jsonl(station) == [expected]
    texts = {column: "" if value is None else str(value) for column, value in expected.items()}
    assert _csv(station) == [texts]
    dictionary = (station.data / "export" / "plays.dictionary.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in dictionary] == ["column", *expected, "(any)"]


def test_two_exports_are_equal_and_follow_the_pages(station: Station) -> None:
    page = sheet(row(2, "c"), row(1, "b"), row(0, "a"))
    page["quadrants"][1]["entries"] = [row(0, "d")]
    page["quadrants"][2]["entries"] = [row(0, "e")]
    put(station, 10, page)
    put(station, 2, page)
    station.good("export")
    plays = _jsonl(station)
    assert [play["raw_text"] for play in plays] == [*"abcde"] * 2
    assert [play["page_number"] for play in plays] == [2] * 5 + [10] * 5
    before = station.tree()
    (station.data / "flowsheets.db").unlink()
    station.good("export")
    after = station.tree()
    assert {n: b for n, b in after.items() if n.startswith("export/")} == {
        n: b for n, b in before.items() if n.startswith("export/")
    }


def test_a_formula_is_harmless_in_a_spreadsheet_and_verbatim_in_jsonl(station: Station) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "a=1", "<script>", 'a,"b"']
    put(station, 1, sheet(*(row(n, text) for n, text in enumerate(texts)), jock_raw="=cmd"))
    station.good("export")
    cells = [play["raw_text"] for play in _csv(station)]
    assert cells == [f"'{text}" for text in texts[:7]] + texts[7:]
    assert {play["jock_raw"] for play in _csv(station)} == {"'=cmd"}
    assert [play["raw_text"] for play in _jsonl(station)] == texts


def test_an_export_that_breaks_off_leaves_the_old_one(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(station, 1, sheet(row(0, "one")))
    station.good("export")
    put(station, 1, sheet(row(0, "two")))

    def full(_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(display, "harmless", full)
    assert "cannot be written" in station.error("export")
    assert list((station.data / "export").glob("*.part")) == []
    assert [play["text"] for play in _jsonl(station)] == ["one"]
    assert [play["text"] for play in _csv(station)] == ["one"]
