"""make process: real time, the default way."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from emulator_process import Emulator, wait_for
from flowsheets import files
from station import PDF, TOP, Station, billed, room_for


def test_pages_are_read_now_and_each_text_lands_on_its_page(online: Station) -> None:
    online.rendered(3)
    done = online.make("process", "LIMIT=2", "JOBS=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("processed 2 pages: 2 completed, 0 failed")
    assert online.statuses() == ["completed", "completed", "rendered"]
    texts = {online.result(number)["comments_raw"] for number in (1, 2)}
    assert len(texts) == 2


def test_a_prompt_below_the_minimum_goes_on_without_a_cache_in_one_line(online: Station) -> None:
    online.rendered(1)
    done = online.make("process")
    assert done.stderr.startswith("no prompt cache, going on without: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_answer_is_on_disk_verbatim(online: Station) -> None:
    online.rendered(1)
    online.good("process")
    (kept,) = (online.data / "responses" / PDF.removesuffix(".pdf")).iterdir()
    answer = json.loads(kept.read_bytes())
    assert answer["modelVersion"] == "emulator-quick"
    assert answer["usageMetadata"]["promptTokenCount"] > 1000


def test_a_failed_page_is_tried_again_until_it_has_no_tries_left(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(answer_not_json="all")
    online.rendered(1)
    for attempt in (1, 2):
        assert "0 completed, 1 failed" in online.good("process", MAX_ATTEMPTS="2")
        row = online.rows()[0]
        assert (row["status"], row["attempts"]) == ("failed", attempt)
        assert "not_json" in row["last_error"]
    assert "processed 0 pages" in online.good("process", MAX_ATTEMPTS="2")


def test_tries_of_both_ways_are_counted_together(online: Station, emulator: Emulator) -> None:
    emulator.faults(answer_not_json="all")
    online.rendered(1)
    online.good("process", MAX_ATTEMPTS="2")
    online.fetched(online.submitted())
    assert online.rows()[0]["attempts"] == 2
    assert "no pages wait" in online.good("batch-submit", MAX_ATTEMPTS="2")


def test_a_wrong_key_stops_the_run_and_costs_no_try(online: Station) -> None:
    online.rendered(2)
    assert "API key not valid" in online.error("process", GEMINI_API_KEY="wrong")
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2


def test_an_api_out_of_reach_stops_the_run_and_costs_no_try(station: Station) -> None:
    station.rendered(1)
    assert "cannot be reached" in station.error("process")
    assert [(r["status"], r["attempts"]) for r in station.rows()] == [("rendered", 0)]


def test_the_sdk_repeats_what_the_api_did_not_do(online: Station, emulator: Emulator) -> None:
    emulator.faults(generate_503=1)
    online.rendered(1)
    assert "1 completed" in online.good("process")


@pytest.fixture
def hasty(online: Station) -> Station:
    """A station whose SDK does not wait between its tries, some 15 s in all."""
    (online.folder / "sitecustomize.py").write_text(
        "import types, tenacity.nap\n"
        "tenacity.nap.time = types.SimpleNamespace(sleep=lambda seconds: None)\n"
    )
    online.real = True
    return online


def test_a_quota_that_is_used_up_stops_the_run_and_costs_no_try(
    hasty: Station, emulator: Emulator
) -> None:
    hasty.rendered(4)
    before = emulator.ledger()
    emulator.faults(generate_429=True)
    done = hasty.make("process", "JOBS=1", PYTHONPATH=str(hasty.folder), GEMINI_CACHE="off")
    assert "Error: Gemini API: answered 429 RESOURCE_EXHAUSTED" in done.stderr
    assert "Wait, or ask for more quota" in done.stderr
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert [(r["status"], r["attempts"]) for r in hasty.rows()] == [("rendered", 0)] * 4
    after = emulator.ledger()
    refused = len(after["requests"]) - len(before["requests"])
    assert refused <= 2 * 5  # the SDK's tries of the first page, and of one under way by then
    assert after["answers"] == before["answers"]
    emulator.faults(generate_429=None)
    assert "4 completed" in hasty.good("process")


def test_a_refusal_for_a_moment_is_repeated_and_nobody_notices(
    hasty: Station, emulator: Emulator
) -> None:
    hasty.rendered(2)
    emulator.faults(generate_429=2, generate_503=2)
    said = hasty.good("process", "JOBS=1", PYTHONPATH=str(hasty.folder))
    assert "2 completed, 0 failed" in said
    assert [(r["status"], r["attempts"]) for r in hasty.rows()] == [("completed", 0)] * 2


def test_an_api_that_is_down_for_every_page_stops_the_run_and_costs_no_try(
    hasty: Station, emulator: Emulator
) -> None:
    hasty.rendered(2)
    before = emulator.ledger()["answers"]
    emulator.faults(generate_503=True)
    done = hasty.make("process", PYTHONPATH=str(hasty.folder))
    assert done.returncode != 0
    assert "Error: Gemini API: answered 503" in done.stderr
    assert [(r["status"], r["attempts"]) for r in hasty.rows()] == [("rendered", 0)] * 2
    assert emulator.ledger()["answers"] == before


def test_a_cut_connection_is_not_repeated_within_the_run(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    before = billed(emulator.ledger())
    emulator.faults(generate_cut_after=1)
    assert "0 completed, 1 failed" in online.good("process")
    assert sum(billed(emulator.ledger()).values()) == sum(before.values()) + 1
    assert "connection broke" in online.rows()[0]["last_error"]


def test_a_run_that_was_killed_leaves_no_page_in_processing(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    from sqlite_utils import Database

    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = 'processing'")
    assert "2 completed" in online.good("process")


def test_an_answer_saved_before_the_kill_is_used_and_not_paid_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    online.good("process")
    paid = sum(billed(emulator.ledger()).values())
    from sqlite_utils import Database

    db = Database(online.data / "jobs.db")
    with db.atomic():  # as if the kill had come between the answer and the row
        db.execute("UPDATE jobs SET status = 'processing', updated_at = '2026-01-01T00:00:00'")
    assert online.make("batch-fetch").returncode == 0
    assert online.statuses() == ["completed"]
    assert sum(billed(emulator.ledger()).values()) == paid


def test_an_interrupted_run_puts_its_pages_back(online: Station, emulator: Emulator) -> None:
    online.rendered(4)
    earlier = len([c for c in emulator.ledger()["requests"] if c["status"] == 503])
    emulator.faults(generate_503=2)  # the first call is repeated after some seconds
    run = subprocess.Popen(
        [TOP / ".venv/bin/python", TOP / "scripts/process.py", "--jobs", "1"],
        env=online.environment(),
        stderr=subprocess.DEVNULL,
    )

    def asked() -> bool:
        return len([c for c in emulator.ledger()["requests"] if c["status"] == 503]) > earlier

    wait_for(asked, 20)
    run.send_signal(signal.SIGTERM)
    run.wait(30)
    assert "processing" not in online.statuses()
    # the call under way may be paid for: it is waited for
    assert online.statuses() == ["completed", "rendered", "rendered", "rendered"]


def test_two_runs_at_once_do_not_take_the_same_page(online: Station) -> None:
    from filelock import FileLock

    online.rendered(1)
    with FileLock(online.data / "process.lock"):
        assert "nothing processed" in online.good("process")
    assert online.statuses() == ["rendered"]


def test_process_and_submit_at_once_share_the_pages_and_pay_once(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(12)
    before = billed(emulator.ledger())
    environment = online.environment()
    runs = [
        subprocess.Popen(["make", "-s", *words], cwd=TOP, env=environment, stdout=subprocess.PIPE)
        for words in (["process", "JOBS=2"], ["batch-submit"], ["process", "JOBS=2"])
    ]
    for run in runs:
        run.communicate(timeout=120)
        assert run.returncode == 0
    for folder in online.folders() if (online.data / "batches").exists() else []:
        online.fetched(folder.name)
    online.good("process")
    assert online.statuses() == ["completed"] * 12
    after = billed(emulator.ledger())
    paid = {image: after[image] - before.get(image, 0) for image in after}
    assert sorted(count for count in paid.values() if count) == [1] * 12


def test_an_answer_whose_result_cannot_be_written_is_kept_and_used_later(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    before = sum(billed(emulator.ledger()).values())
    (online.data / "results").write_text("a file where a folder should be")
    stopped = online.make("process")
    assert stopped.returncode != 0
    assert "cannot be written" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    (online.data / "results").unlink()
    online.good("process")
    assert online.statuses() == ["completed"]
    assert sum(billed(emulator.ledger()).values()) == before + 1


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of an API that knows no flex for this model: 400 to each call."""

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            message = "Service tier FLEX is not supported for this model."
            error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
            self.send_response(400)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"error": error}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_tier_that_the_api_refuses_stops_the_run_and_costs_no_try(
    station: Station, refusing: str
) -> None:
    station.rendered(2)
    station.base_url = refusing
    done = station.make("process", "TIER=flex", "JOBS=1")
    assert done.returncode != 0
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert said.startswith("Error: TIER: answered 400 INVALID_ARGUMENT: Service tier FLEX is not")
    assert "Traceback" not in done.stderr
    assert [(r["status"], r["attempts"]) for r in station.rows()] == [("rendered", 0)] * 2


def test_a_tier_without_sense_is_one_clear_line(station: Station) -> None:
    station.rendered(1)
    assert station.error("process", "TIER=cheap") == (
        "Error: TIER: 'cheap' is unknown. Give TIER=flex, TIER=standard, or none"
    )


@pytest.mark.parametrize("address", ["http://[bad", "ftp://x", "nonsense", "http://x:port"])
def test_an_address_that_is_none_is_one_clear_line(online: Station, address: str) -> None:
    online.rendered(1)
    for command in ("process", "batch-submit"):
        said = online.error(command, GOOGLE_GEMINI_BASE_URL=address)
        assert "GOOGLE_GEMINI_BASE_URL" in said
    assert [row["attempts"] for row in online.rows()] == [0]


def test_without_room_on_the_disk_for_its_response_no_page_is_paid_for(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    before = len(emulator.ledger()["answers"])
    with room_for(files.ANSWER_BYTES - 1):
        done = online.make("process")
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "cannot be written (File too large). Make room" in said
    assert len(emulator.ledger()["answers"]) == before
    assert (online.rows()[0]["status"], online.rows()[0]["attempts"]) == ("rendered", 0)
    assert "1 completed" in online.good("process")


@pytest.mark.parametrize("value", ["true", "yes", "2"])
def test_a_switch_that_is_neither_0_nor_1_spends_nothing(
    online: Station, emulator: Emulator, value: str
) -> None:
    online.rendered(1)
    before = emulator.ledger()["answers"]
    assert f"BATCH: '{value}' is not 0 or 1" in online.error("process", f"BATCH={value}")
    assert emulator.ledger()["answers"] == before
    assert online.statuses() == ["rendered"]
