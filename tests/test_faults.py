"""What goes wrong at the API: each page is paid for once, and comes to a true status."""

import hashlib
import json
from datetime import timedelta

import pytest

import build_requests
import submit
from emulator_process import Emulator, wait_for
from flowsheets.gemini import client
from station import Station, billed


def bought(emulator: Emulator, before: dict[str, int]) -> list[int]:
    """How often each image was paid for since `before`."""
    after = billed(emulator.ledger())
    return [
        after[image] - before.get(image, 0)
        for image in after
        if after[image] != before.get(image, 0)
    ]


def batches(emulator: Emulator) -> int:
    return len(emulator.ledger()["batches"])


@pytest.mark.parametrize("fault", ["create_503_after", "create_cut_after"])
def test_a_create_that_was_carried_out_is_adopted_and_not_repeated(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(2)
    before, known = billed(emulator.ledger()), batches(emulator)
    emulator.faults(**{fault: 1})
    batch_id = online.submitted()
    assert online.journal()[2:] == ["create_sent", "create_unclear", "created", "bound"]
    online.fetched(batch_id)
    assert batches(emulator) == known + 1
    assert bought(emulator, before) == [1, 1]
    assert online.statuses() == ["completed"] * 2


def test_a_create_that_no_listing_shows_waits_for_the_grace_and_is_then_adopted(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    known = batches(emulator)
    emulator.faults(create_503_after=1, listing_lag=4)
    assert "503" in online.error("batch-submit", SUBMIT_GRACE="0")
    # Not yet listed, and within the grace: nothing is created, and cron hears nothing of it.
    quiet = online.make("batch-fetch", SUBMIT_GRACE="300")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    online.fetched(online.folders()[0].name, SUBMIT_GRACE="300")
    assert batches(emulator) == known + 1


@pytest.mark.parametrize("fault", ["create_503_before", "create_cut_before"])
def test_a_create_that_was_not_carried_out_is_made_once_after_the_grace(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1)
    known = batches(emulator)
    emulator.faults(**{fault: 1})
    assert "unclear" in online.error("batch-submit", SUBMIT_GRACE="300")
    assert online.statuses() == ["submitted"]
    assert "processed 0 pages" in online.good("process")
    assert online.good("batch-fetch", SUBMIT_GRACE="0") == ""  # it creates nothing
    assert batches(emulator) == known
    online.good("batch-submit", SUBMIT_GRACE="0")
    online.fetched(online.folders()[0].name)
    assert batches(emulator) == known + 1


def test_a_full_queue_keeps_the_upload_and_the_next_submit_goes_on(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    emulator.faults(create_429=1)
    said = online.error("batch-submit")
    assert "429" in said
    assert "The upload is kept" in said
    online.good("batch-submit")
    assert online.journal().count("uploaded") == 1
    assert len(online.folders()) == 1


def test_a_request_that_is_refused_for_good_gives_its_pages_back(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    emulator.faults(create_400=1)
    said = online.error("batch-submit")
    assert "400" in said
    assert "2 pages are back in the queue" in said
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2
    assert online.journal()[-1] == "refused"
    assert online.good("batch-fetch") == ""


def test_an_upload_that_expired_is_made_again(online: Station, emulator: Emulator) -> None:
    online.rendered(1)
    emulator.faults(create_file_expired=1)
    assert online.submitted()
    assert online.journal().count("uploaded") == 2


@pytest.mark.parametrize("fault", ["upload_500", "upload_cut"])
def test_an_upload_that_breaks_off_is_made_again(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1)
    emulator.faults(**{fault: 1})
    assert online.submitted()


def test_an_upload_that_waited_too_long_for_its_turn_is_made_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    emulator.faults(create_429=1)
    online.error("batch-submit")
    emulator.advance(timedelta(hours=49).total_seconds())  # a file lives 48
    assert "1 completed" in online.fetched(online.submitted())
    emulator.advance(-timedelta(hours=49).total_seconds())
    assert online.journal().count("uploaded") == 2


def test_a_create_without_an_answer_is_adopted(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(1)
    known = batches(emulator)
    for name, value in online.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client, "CALL_SECONDS", 1)
    client._client_of.cache_clear()
    emulator.faults(create_timeout_after=1, hold_seconds=5)
    build_requests.main([], standalone_mode=False)
    submit.main([], standalone_mode=False)
    client._client_of.cache_clear()
    assert online.journal()[2:] == ["create_sent", "create_unclear", "created", "bound"]
    assert batches(emulator) == known + 1


def test_an_api_that_is_down_is_one_clear_line_in_every_command(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    emulator.faults(all_503=True)
    for words in (("batch-fetch",), ("batch-rescue", f"ID={batch_id}")):
        assert "503" in online.error(*words)
    emulator.faults(all_503=None)
    assert "2 completed" in online.fetched(batch_id)


def test_an_api_that_is_out_of_reach_is_one_line_however_many_batches_are_out(
    online: Station,
) -> None:
    online.rendered(3)
    online.good("batch-submit", BATCH_PAGES="1")
    assert len(online.folders()) == 3
    online.base_url = "http://127.0.0.1:9"
    assert "cannot be reached" in online.error("batch-fetch")
    assert "cannot be reached" in online.error("batch-status")


def test_one_folders_trouble_does_not_keep_the_others_from_being_sent(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    emulator.faults(create_503_before=1)
    said = online.error("batch-submit", "LIMIT=2", BATCH_PAGES="1", SUBMIT_GRACE="300")
    assert "unclear" in said
    assert len([row for row in online.rows() if row["batch_id"]]) == 1


def test_polls_that_answer_503_are_repeated(online: Station, emulator: Emulator) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    emulator.faults(get_503=1)
    assert batch_id in online.good("batch-status")


@pytest.mark.parametrize("fault", ["download_cut", "download_byte"])
def test_a_damaged_download_is_made_again(online: Station, emulator: Emulator, fault: str) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    emulator.faults(**{fault: 1})
    assert "2 completed" in online.fetched(batch_id)
    assert list(online.folders()[0].glob("*.part")) == []


@pytest.mark.parametrize("fault", ["download_404", "download_403"])
def test_a_result_file_that_is_gone_is_a_warning_and_rescue_is_the_way_out(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    emulator.faults(**{fault: True})
    done = wait_for(lambda: (d := online.make("batch-fetch")).stderr and d, 30)
    assert done.returncode == 0
    assert done.stderr.startswith(f"Warning: {batch_id}: its result file cannot be had since ")
    assert online.make("batch-fetch").stderr == ""  # once a day
    assert "result file gone since" in online.good("status")
    assert "proves nothing" in online.error("batch-rescue", f"ID={batch_id}")
    assert online.statuses() == ["submitted"]
    assert "1 given back" in online.good("batch-rescue", f"ID={batch_id}", "SURE=1")
    assert online.statuses() == ["rendered"]


def test_succeeded_before_its_file_is_there_is_asked_again(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(succeeded_before_file=3)
    online.rendered(1)
    assert "1 completed" in online.fetched(online.submitted())


def test_a_batch_that_failed_as_a_whole_costs_no_page_a_try_and_waits_before_it_goes_again(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_failed=True)
    online.rendered(2)
    assert "2 returned to the queue" in online.fetched(online.submitted())
    assert [(row["status"], row["attempts"]) for row in online.rows()] == [("rendered", 0)] * 2
    assert online.rows()[0]["last_error"].startswith(
        "batch_failed: the batch failed as a whole: the API answered "
    )
    known = batches(emulator)
    said = online.good("batch-submit")
    assert "2 pages wait after a failure of every page of their batch (batch_failed)" in said
    assert "the next for 60 min" in said
    assert batches(emulator) == known
    online.fetched(online.good("batch-submit", "SURE=1").split("submitted ")[1].split()[0])
    assert "the next for 120 min" in online.good("batch-submit")
    emulator.faults(batch_failed=None)
    online.fetched(online.good("batch-submit", "SURE=1").split("submitted ")[1].split()[0])
    assert online.statuses() == ["completed"] * 2


@pytest.mark.parametrize("fault", ["batch_expired", "batch_cancelled_before"])
def test_a_batch_that_never_ran_gives_its_pages_back_without_a_try(
    online: Station, emulator: Emulator, fault: str
) -> None:
    emulator.faults(**{fault: True})
    online.rendered(1)
    assert "1 returned to the queue" in online.fetched(online.submitted())
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)]


def test_of_a_batch_that_was_cancelled_midway_the_results_are_used(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_cancelled_after=1)
    online.rendered(3)
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    journal = online.folders()[0] / "journal.jsonl"  # as `make batch-cancel` writes it, in time
    asked = {"at": "2026-01-01T00:00:00+00:00", "event": "cancel_asked"}
    journal.write_text(journal.read_text() + json.dumps(asked) + "\n")
    assert "1 completed, 0 failed, 2 returned to the queue" in online.fetched(batch_id)
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [
        ("completed", 0),
        ("rendered", 0),
        ("rendered", 0),
    ]
    emulator.faults(batch_cancelled_after=None)
    online.fetched(online.submitted())
    assert bought(emulator, before) == [1, 1, 1]


def test_a_late_batch_is_a_warning_once_a_day_and_rescue_is_the_way_out(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(1)
    emulator.advance(-timedelta(hours=25).total_seconds())
    batch_id = online.submitted()
    emulator.advance(timedelta(hours=25).total_seconds())
    (folder,) = online.folders()
    said = online.make("batch-fetch")
    assert said.returncode == 0
    assert said.stderr.startswith(f"Warning: {batch_id}: PENDING for 25 h; the way out is make")
    assert len(said.stderr.splitlines()) == 1
    assert online.make("batch-fetch").stderr == ""
    journal = folder / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    events[-1]["at"] = "2001-01-01T00:00:00.000+00:00"  # a day and more ago
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert "PENDING for 25 h" in online.make("batch-fetch").stderr
    assert "1 given back" in online.good("batch-rescue", f"ID={batch_id}")
    assert online.statuses() == ["rendered"]


def test_a_state_that_nobody_knows_changes_nothing(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_state="BATCH_STATE_PAUSED")
    online.rendered(1)
    online.submitted()
    done = wait_for(lambda: (d := online.make("batch-fetch")).stderr and d, 30)
    assert "BATCH_STATE_PAUSED" in done.stderr
    assert done.returncode == 0
    assert online.statuses() == ["submitted"]


def test_keys_and_not_positions_say_which_page_it_is(online: Station, emulator: Emulator) -> None:
    emulator.faults(lines_shuffled=True, line_key_in_metadata="1", answer_u2028="0")
    online.rendered(5)
    assert "5 completed, 0 failed" in online.fetched(online.submitted())
    for number in (1, 2, 3, 4, 5):
        digest = hashlib.sha256(online.png(number).read_bytes()).hexdigest()
        assert digest in online.result(number)["comments_raw"]


def test_each_strange_answer_is_its_own_pages_matter(online: Station, emulator: Emulator) -> None:
    emulator.faults(
        answer_in_parts="0",
        answer_with_thoughts="1",
        answer_recitation="2",
        answer_max_tokens="3",
        answer_blocked="4",
        answer_not_json="5",
        answer_three_blocks="6",
        answer_new_field="7",
        line_error="8:3",
        line_status="9:8",
    )
    online.rendered(10)
    assert "3 completed, 7 failed" in online.fetched(online.submitted())
    reasons = [row["last_error"] for row in online.rows()]
    assert [reason is None for reason in reasons] == [n in (0, 1, 7) for n in range(10)]
    for number, word in (
        (2, "RECITATION"),
        (3, "MAX_TOKENS"),
        (4, "blocked"),
        (5, "not_json"),
        (6, "quadrants"),
        (8, "INVALID_ARGUMENT"),
        (9, "RESOURCE_EXHAUSTED"),
    ):
        assert word in reasons[number]


@pytest.mark.parametrize(
    ("folder", "before", "broken", "after"),
    [
        ("pages", "discover", "render", "render"),
        ("batches", "", "batch-submit", "batch-submit"),
        ("results", "batch-submit", "batch-fetch", "batch-fetch"),
        ("responses", "", "process", "process"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_clear_line_and_nothing_is_lost(
    online: Station, folder: str, before: str, broken: str, after: str
) -> None:
    if folder == "pages":
        online.data.mkdir()
        online.scan(1)
    else:
        online.rendered(1)
    if before:
        online.good(before)
    (online.data / folder).write_text("in the way: stops root too, whom no permission stops")

    def broke() -> str:
        done = online.make(broken)
        return done.stderr

    said = wait_for(broke, 30)
    errors = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert f"{online.data}/{folder}" in errors[0]
    assert "nothing is lost" in errors[0]
    (online.data / folder).unlink()
    wait_for(lambda: "1" in online.good(after), 30)
    statuses = {"pages": "rendered", "batches": "submitted"}
    assert online.statuses() == [statuses.get(folder, "completed")]
