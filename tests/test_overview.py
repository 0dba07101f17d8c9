"""make status: where the pages are, without asking the API."""

import json
import re
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

from emulator_process import Emulator, wait_for
from flowsheets.jobs import database, date_checks, states
from flowsheets.money import usage
from flowsheets.paths import PageId
from results import put, row, sheet
from station import PDF, TOP, Station


def test_pages_by_status_and_open_batches(station: Station) -> None:
    assert "is not a folder" in station.error("status")
    station.rendered(3)
    station.scan(1, "later.pdf")
    station.good("discover")
    said = station.good("status").splitlines()
    assert [line.split()[:2] for line in said[:2]] == [["pending", "1"], ["rendered", "3"]]
    assert said[-1] == "no open batches"


def test_bars_are_as_long_as_the_shares(station: Station) -> None:
    pages(station, 1000, failed=["SAFETY"])
    pending, failed = station.good("status").splitlines()[:2]
    assert pending.split()[:3] == ["pending", "999", "99%"]  # 100% is all of them
    assert failed.split()[1:] == ["1", "<1%", "#"]
    assert pending.count("#") == 48


def test_failed_pages_are_grouped_by_code_the_most_frequent_first(station: Station) -> None:
    pages(
        station,
        20,
        failed=[
            "wrong_shape: the response does not fit: quadrants.0.hour_raw: 1",
            "wrong_shape: the response does not fit: quadrants.1.entries.7.notes: 22",
            "wrong_shape: the response does not fit: oddities",
            "no_pdf: /scans/May 1990/1990-05may0106.pdf is missing",
            "no_pdf: /scans/June 1990/1990-06jun0106.pdf is missing",
            "row_error_13: the API answered\x1b[31m 13 INTERNAL",
            "the answer was cut off after 900 tokens",  # older rows have no code
            "the answer was cut off after 901 tokens",
            "the answer was cut off after 901 tokens",
            *("Error: one", "Error: two", "RECITATION"),
        ],
    )
    said = station.good("status", MAX_ATTEMPTS="1")
    groups = re.findall(r"^ +(\d+)  (.*)", said, re.MULTILINE)
    assert groups[0] == ("3", "wrong_shape: the response does not fit: oddities")
    assert sorted(groups[1:3]) == [
        ("2", "no_pdf: /scans/June 1990/1990-06jun0106.pdf is missing"),
        ("2", "the answer was cut off after 901 tokens"),
    ]
    assert ("1", "row_error_13: the API answered[31m 13 INTERNAL") in groups
    assert len(groups) == 5
    assert "and 3 more reasons" in said
    assert "12 with no tries left" in said


def test_refused_pages_are_counted_apart_with_the_way_out(station: Station) -> None:
    refused = [
        "recitation: the model stopped: RECITATION",
        "max_tokens: the response was cut off after 32768 tokens (MAX_TOKENS)",
        "max_tokens: the response was cut off after 32769 tokens (MAX_TOKENS)",
    ]
    pages(station, 20, failed=[*refused, "not_json: the response is not JSON"])
    for attempts in ("1", "3"):  # whether they have tries left or not
        said = station.good("status", MAX_ATTEMPTS=attempts)
        waits = "3 wait for you: make retry CODE=max_tokens; another GEMINI_MODEL may read them"
        assert waits in said.splitlines()
    assert "1 with no tries left" in station.good("status", MAX_ATTEMPTS="1")


def test_an_ordinary_station_fits_a_screen_of_24_lines_of_80(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(6)
    online.good("batch-submit", BATCH_PAGES="1", LIMIT="6")
    pages(online, 20, failed=[f"{'long ' * 30}{word}" for word in "abcdefgh"])
    said = online.good("status").splitlines()
    assert "$1.25 spent on 1 page; 1 answer without a known price. Next: make cost" in said
    assert "1 page to check: its date is not within its PDF's. Next: make review" in said
    assert said[-1] == "and 2 more, as last asked. Next: make batch-status, or make batch-fetch"
    assert len(said) < 24
    assert max(map(len, said)) <= 80


def pages(station: Station, count: int, failed: list[str]) -> None:
    """Pages of a PDF: pending, but for those that failed; one was paid for, and is in doubt."""
    station.data.mkdir(exist_ok=True)
    ids = [PageId("many.pdf", number) for number in range(1, count + 1)]
    with closing(database.connect(station.data)) as db, database.transaction(db):
        states.register(db, ids)
        for page, error in zip(ids, failed, strict=False):
            states.flip(db, [page], "pending", "failed", count_try=True, last_error=error)
        answer = usage.Answer(ids[0], None, "realtime", "m", "m", None, states.now())
        usage.note(db, [(*usage.row(answer)[:-2], 1.25, "list")])
        usage.note(db, [usage.row(answer._replace(requested_at="2026-01-01"))])
        date_checks.note(db, ids[0], '"8/8/90" is not within', states.now())


def test_an_open_batch_is_named_with_its_next_step(online: Station, emulator: Emulator) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    name = batch_id.removeprefix("batches/")
    (row,) = (line for line in online.good("status").splitlines() if name in line)
    assert row.split()[:5] == [name, "2", "0", "0", "PENDING"]
    assert row.endswith(" 0 min")
    assert "make batch-fetch" in online.good("status")
    online.fetched(batch_id)
    assert "no open batches" in online.good("status")


def test_a_refused_result_file_is_named_with_the_way_out(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(line_unknown=True)
    online.rendered(1)
    batch_id = online.submitted()
    wait_for(lambda: online.make("batch-fetch").stderr, 30)
    said = online.good("status")
    assert "result file refused" in said
    assert f"make batch-rescue ID={batch_id}" in said


def test_help_and_status_import_no_sdk(station: Station) -> None:
    station.rendered(1)
    code = (
        "import sys; sys.argv = ['overview.py']; import runpy\n"
        "try: runpy.run_path('scripts/overview.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print('google.genai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TOP,
        env={**station.environment(), "PYTHONPATH": "scripts"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_completed_pages_without_a_result_file_are_named(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")))
    assert "no result file" not in station.good("status")
    for number in (2, 3):
        put(station, number, sheet(row(0, "two"))).unlink()
    line = f"2 completed pages have no result file, first {PDF} page 2. Next: make rebuild"
    assert line in station.good("status").splitlines()


def test_status_tells_the_pace_the_day_of_completion_and_the_oldest_batch(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(4)
    online.fetched(online.submitted())
    emulator.faults(batch_stays_pending=True)
    online.rendered(3, "more.pdf")
    online.good("batch-submit")
    said = online.good("status")
    tomorrow = datetime.now(UTC) + timedelta(days=3 / 96)  # four pages within the first hour
    assert f"oldest batch 0 h of 48; 96 pages a day, done on {tomorrow.date()}" in said


def test_status_as_json_is_for_scripts(online: Station, emulator: Emulator) -> None:
    online.rendered(2)
    emulator.faults(batch_stays_pending=True)
    batch_id = online.submitted()
    found = json.loads(online.good("status", "FORMAT=json"))
    assert found["pages"] == {"submitted": 2}
    assert (found["left"], found["pages_a_day"], found["done_on"]) == (2, None, None)
    assert found["oldest_batch_hours"] == 0.0
    assert found["deadline_hours"] == 48
    (batch,) = found["batches"]
    assert (batch["batch_id"], batch["pages"], batch["status"]) == (batch_id, 2, "PENDING")
    assert batch["trouble"] is None
    assert online.error("status", "FORMAT=xml").startswith("Error: FORMAT: 'xml' is unknown")


def test_status_as_json_of_an_empty_station_is_an_object(station: Station) -> None:
    station.data.mkdir()
    found = json.loads(station.good("status", "FORMAT=json"))
    assert (found["pages"], found["batches"], found["left"]) == ({}, [], 0)
