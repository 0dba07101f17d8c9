"""make reread: what was paid for and could not be read once, read again with today's code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from emulator_process import Emulator
from flowsheets import lock, paths
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from forked import commands
from pages import answer, reading
from station import PDF, Station, billed

SPOILT = "I cannot say yet what this page holds."


def whole(text: str = "Bongwater - Too Much Sleep") -> str:
    return json.dumps(reading(text))


def failed(station: Station, pages: int) -> Station:
    """A station with so many failed pages, out of tries; `max_tokens` is what they failed with."""
    station.rendered(pages)
    db = database.connect(station.data)
    ids = [PageId(PDF, number) for number in range(1, pages + 1)]
    error = "not_json: the response is not JSON"
    states.flip(db, ids, "rendered", "failed", attempts=3, last_error=error, model_version="m-1")
    db.close()
    return station


def keep(station: Station, number: int, text: str, at: str = "2026-05-01T10:00:00+00:00") -> Path:
    """A response of a real-time call, as process.py keeps it."""
    path = paths.real_time_response(station.data, PageId(PDF, number), at)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer(text)))
    return path


def keep_batch(station: Station, name: str, texts: dict[int, str], at: str, **line: Any) -> Path:
    """A settled batch's folder with responses for pages; `line` changes the manifest's lines."""
    folder = station.data / "batches" / name
    folder.mkdir(parents=True)
    sent, got = [], []
    for index, (number, text) in enumerate(texts.items()):
        png = paths.png(station.data, PageId(PDF, number)).read_bytes()
        key = f"{name}-{index:05d}"
        sent.append(
            {
                "index": index,
                "key": key,
                "pdf_path": PDF,
                "page_number": number,
                "image_sha256": digest(png),
                "batch_id": f"batches/{name}",
                **line,
            }
        )
        got.append({"key": key, "response": answer(text)})
    events = [
        {"at": at, "event": "built"},
        {"at": at, "event": "create_sent", "model": "m-2"},
        {"at": at, "event": "created", "batch_id": f"batches/{name}"},
        {"at": at, "event": "bound"},
        {"at": at, "event": "settled"},
    ]
    for file, lines in (("manifest", sent), ("responses", reversed(got)), ("journal", events)):
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder


def digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def first_text(station: Station, number: int) -> str:
    text: str = station.result(number)["quadrants"][0]["entries"][0]["raw_text"]
    return text


def test_kept_responses_complete_failed_pages_and_cost_nothing(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    emulator.faults(answer_not_json="all")
    online.good("process", MAX_ATTEMPTS="1")
    assert online.statuses() == ["failed", "failed"]
    paid, before, calls = online.usage(), billed(emulator.ledger()), emulator.ledger()["requests"]
    (saved,) = (online.data / "responses").rglob("page-01.*.json")
    body = json.loads(saved.read_bytes())
    body["candidates"][0]["content"]["parts"] = [{"text": f"```json\n{whole()}\n```"}]
    saved.write_text(json.dumps(body))
    said = online.good("reread").splitlines()
    assert said[-1] == ("read 2 failed pages again: 1 completed, 1 still failed. Next: make status")
    assert online.statuses() == ["completed", "failed"]
    assert first_text(online, 1) == "Bongwater - Too Much Sleep"
    row = online.rows()[0]
    assert row["last_error"] is None
    assert row["result_path"].endswith("page-01.json")
    assert row["model_version"] == body["modelVersion"]
    assert online.usage() == paid
    assert billed(emulator.ledger()) == before
    assert emulator.ledger()["requests"] == calls
    assert "1 still failed" in online.good("reread")


def test_a_key_or_an_api_is_not_needed(station: Station) -> None:
    failed(station, 1)
    keep(station, 1, whole())
    said = station.good("reread", GEMINI_API_KEY="")
    assert "1 completed, 0 still failed" in said
    assert station.result(1)["model_version"] == "gemini-x"


def test_responses_of_a_batch_are_found_by_their_key(station: Station) -> None:
    failed(station, 3)
    keep_batch(
        station, "b", {1: whole("one"), 2: SPOILT, 3: whole("three")}, "2026-05-01T10:00:00+00:00"
    )
    said = station.good("reread")
    assert "read 3 failed pages again: 2 completed, 1 still failed" in said
    assert station.statuses() == ["completed", "failed", "completed"]
    assert (first_text(station, 1), first_text(station, 3)) == ("one", "three")


def test_the_newest_valid_response_wins(station: Station) -> None:
    failed(station, 2)
    for number in (1, 2):
        keep(station, number, whole("oldest"), "2026-05-01T09:00:00+00:00")
        keep(station, number, SPOILT, "2026-05-01T12:00:00+00:00")
    keep_batch(station, "b", {1: whole("newer")}, "2026-05-01T10:00:00+00:00")
    keep_batch(station, "c", {2: whole("older still")}, "2026-05-01T08:00:00+00:00")
    station.good("reread")
    assert (first_text(station, 1), first_text(station, 2)) == ("newer", "oldest")


def test_only_failed_pages_are_read_again(station: Station) -> None:
    failed(station, 2)
    set_status(station, 1, "rendered")
    for number in (1, 2):
        keep(station, number, whole())
    assert "read 1 failed page again: 1 completed" in station.good("reread")
    assert station.statuses() == ["rendered", "completed"]


def test_a_page_without_a_kept_response_is_counted(station: Station) -> None:
    failed(station, 2)
    keep(station, 1, SPOILT)
    said = station.good("reread")
    assert "0 completed, 2 still failed (1 without a kept response)" in said
    assert station.rows()[0]["last_error"] == "not_json: the response is not JSON"
    assert [row["attempts"] for row in station.rows()] == [3, 3]


def test_nothing_failed_is_no_error(station: Station) -> None:
    station.rendered(1)
    assert "read 0 failed pages again: 0 completed, 0 still failed" in station.good("reread")


def test_a_page_drawn_anew_since_is_left_alone(station: Station) -> None:
    failed(station, 2)
    keep_batch(
        station, "b", {1: whole()}, "2026-05-01T10:00:00+00:00", image_sha256=digest(b"another")
    )
    saved = keep(station, 2, whole())
    os.utime(saved, (1, 1))  # its image is newer
    assert "0 completed, 2 still failed" in station.good("reread")
    assert not (station.data / "results").exists()


def test_a_text_that_somebody_did_not_want_does_not_come_back(online: Station) -> None:
    online.rendered(1)
    online.good("process")
    online.good("retry", f"PDF={PDF}", "PAGE=1")
    set_status(online, 1, "failed")
    assert "0 completed, 1 still failed" in online.good("reread")
    keep(online, 1, whole("newer"), states.now())
    assert "1 completed" in online.good("reread")
    assert first_text(online, 1) == "newer"


def test_a_key_that_is_there_twice_is_not_used(station: Station) -> None:
    failed(station, 2)
    folder = keep_batch(
        station, "b", {1: whole("one"), 2: whole("two")}, "2026-05-01T10:00:00+00:00"
    )
    lines = (folder / "responses.jsonl").read_text().splitlines()
    doubled = [line for line in lines if '"b-00000"' in line]
    (folder / "responses.jsonl").write_text("\n".join([*lines, *doubled]) + "\n")
    assert "1 completed, 1 still failed" in station.good("reread")
    assert station.statuses() == ["failed", "completed"]


def test_a_result_that_exists_is_not_replaced(station: Station) -> None:
    failed(station, 3)
    path = paths.result(station.data, PageId(PDF, 1))
    path.parent.mkdir(parents=True)
    ours = {"model_version": "gemini-x", "extracted_at": "2026-05-06T04:12:00Z"}
    contents = [
        json.dumps(reading("another text") | ours),
        "{",
        json.dumps(reading("of a killed run") | ours),
    ]
    for number, content in enumerate(contents, 1):
        path.with_name(f"page-{number:02d}.json").write_text(content)
        keep(station, number, whole("of a killed run"))
    done = station.make("reread")
    assert done.returncode == 0
    assert "1 completed, 2 still failed" in done.stdout
    assert station.statuses() == ["failed", "failed", "completed"]
    assert f"Warning: {path} has another text: the page stays failed" in done.stderr
    names = [path.with_name(f"page-{number:02d}.json") for number in (1, 2, 3)]
    assert [name.read_text() for name in names] == contents


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 5000, b"[]", b'{"candidates": 3}'])
def test_an_odd_file_stops_nobody(station: Station, content: bytes) -> None:
    failed(station, 2)
    keep(station, 1, whole()).write_bytes(content)
    keep(station, 2, whole())
    damaged = keep_batch(station, "b", {1: whole()}, "2026-05-01T10:00:00+00:00")
    (damaged / "manifest.jsonl").write_text("{")
    done = station.make("reread")
    assert done.returncode == 0
    assert "1 completed, 1 still failed" in done.stdout
    assert "Its responses are left out" in done.stderr


def test_while_a_real_time_run_is_alive_nothing_is_read_again(station: Station) -> None:
    failed(station, 1)
    keep(station, 1, whole())
    with lock.held(station.data, "process"):
        assert station.good("reread").startswith("nothing read again: ")
    assert station.statuses() == ["failed"]


def test_killed_at_any_step_the_next_run_completes_the_pages(station: Station) -> None:
    failed(station, 2)
    for number in (1, 2):
        keep(station, number, whole(f"page {number}"))
    for step in range(1, 60):
        environment = station.environment(FATE="kill", STEP=str(step))
        done = commands().run("scripts/reread.py", env=environment)
        station.good("reread")
        assert station.statuses() == ["completed"] * 2
        assert [first_text(station, number) for number in (1, 2)] == ["page 1", "page 2"]
        if not done.fate_met:
            return
        for number in (1, 2):
            set_status(station, number, "failed")
            paths.result(station.data, PageId(PDF, number)).unlink()
    raise AssertionError("it never got through")


def set_status(station: Station, number: int, status: str) -> None:
    db = Database(station.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = ? WHERE page_number = ?", [status, number])
