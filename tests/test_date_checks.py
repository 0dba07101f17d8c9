"""A page whose date contradicts its PDF's name: said and noted as it is read, by either way."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from emulator_process import wait_for
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from pages import answer, reading
from results import ask, put, sheet
from results import row as entry
from station import PDF, Station

ONE = "1 page to check: its date is not within its PDF's. Next: make review"
WHY = '"Sun 7/1/90" is not within 1 to 6 April 1990'
RIGHT, WRONG = "Sun 4/1/90", "Sun 7/1/90"


def dated(date: str) -> str:
    """A page with that date, as the model writes it."""
    return json.dumps(reading() | {"page_date_raw": date})


def noted(station: Station) -> list[tuple[str, int, str, str]]:
    db = database.connect(station.data)
    rows = db.execute("SELECT pdf_path, page_number, reason, detail FROM date_checks").fetchall()
    db.close()
    return rows


def note(station: Station, page: int) -> None:
    """A note as fetch makes it, of a page that is completed already."""
    from flowsheets.jobs import date_checks

    db = database.connect(station.data)
    with database.transaction(db):
        date_checks.note(db, PageId(PDF, page), WHY, states.now())
    db.close()


def answered(station: Station, *dates: str) -> str:
    """A batch that ended, with pages of those dates in the result file; returns its id."""
    station.rendered(len(dates))
    batch_id = station.submitted()
    wait_for(lambda: "SUCCEEDED" in station.good("batch-status", f"ID={batch_id}"), 30)
    (folder,) = station.folders()
    sent = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    lines = [
        json.dumps({"key": line["key"], "response": answer(dated(date))})
        for line, date in zip(sent, dates, strict=True)
    ]
    (folder / "responses.jsonl").write_text("\n".join(lines))
    return batch_id


@pytest.fixture
def dating() -> Iterator[list[str]]:
    """An API in real time: its address, and the dates that its next answers have, in order."""
    dates: list[str] = []

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            page = ":generateContent" in self.path
            error = {"error": {"code": 400, "message": "too short", "status": "INVALID_ARGUMENT"}}
            self.send_response(200 if page else 400)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            body = answer(dated(dates.pop(1))) if page else error
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dates.append(f"http://127.0.0.1:{server.server_port}")
    yield dates
    server.shutdown()
    server.server_close()


def test_fetch_says_so_and_completes_the_page_as_any_other(online: Station) -> None:
    batch_id = answered(online, RIGHT, WRONG)
    said = online.good("batch-fetch").splitlines()
    assert said == [
        f"fetched {batch_id} 2 pages: 2 completed, 0 failed, 0 returned to the queue",
        ONE,
    ]
    assert online.statuses() == ["completed"] * 2
    assert online.result(2)["page_date_raw"] == WRONG
    assert noted(online) == [(PDF, 2, "date_contradicts_name", WHY)]
    assert ONE in online.good("status").splitlines()
    assert online.good("batch-fetch") == ""


def test_process_says_so_and_a_reading_without_contradiction_clears_it(
    station: Station, dating: list[str]
) -> None:
    station.rendered(1)
    station.base_url = dating[0]
    dating.append(WRONG)
    said = station.good("process").splitlines()
    assert said[0].startswith("processed 1 pages: 1 completed")
    assert said[1:] == [ONE]
    assert [page for _, page, _, _ in noted(station)] == [1]
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    assert noted(station) == []
    assert "to check" not in station.good("status")
    dating.append(RIGHT)
    assert len(station.good("process").splitlines()) == 1
    assert noted(station) == []


def test_the_review_has_the_page_once_also_where_its_result_is_lost(station: Station) -> None:
    result = put(station, 1, sheet(entry(0, "one"), date=WRONG))
    note(station, 1)
    for _ in range(2):
        assert station.good("review").count(f"{WHY}.") == 1
        reviews = ask(station, "SELECT reason, detail FROM reviews ORDER BY rank")
        assert reviews[0] == ("date_contradicts_name", f"{WHY}.")
        assert [reason for reason, _ in reviews[1:]] == ["result_missing"] * (not result.exists())
        result.unlink(missing_ok=True)


def test_a_result_that_is_put_right_by_hand_is_in_doubt_no_more(station: Station) -> None:
    put(station, 1, sheet(entry(0, "one"), date=WRONG))
    put(station, 2, sheet(entry(0, "two"), date=WRONG))
    note(station, 1)
    note(station, 2)
    assert "2 pages to check" in station.good("status")
    put(station, 1, sheet(entry(0, "one"), date=RIGHT))
    station.good("index")
    assert [page for _, page, _, _ in noted(station)] == [2]
    assert len(ask(station, "SELECT * FROM reviews")) == 1


def test_a_date_that_is_no_date_keeps_no_page_from_being_read(online: Station) -> None:
    answered(online, "1" * 40, "4/1 " * 5000, "\u0000 4/1 \ud83c")
    assert "3 completed" in online.good("batch-fetch")
    assert noted(online) == []


def test_the_table_of_an_older_database_is_renamed_and_keeps_its_rows(station: Station) -> None:
    put(station, 1, sheet(entry(0, "one"), date=WRONG))
    note(station, 1)
    before = noted(station)
    with sqlite3.connect(station.data / "jobs.db") as db:
        db.execute("ALTER TABLE date_checks RENAME TO reviews")
    assert noted(station) == before != []
