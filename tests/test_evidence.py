"""What the API says of a batch, and what of it is believed: its own counts are evidence."""

import hashlib
import json

import pytest

from emulator_process import Emulator, wait_for
from station import Station, billed


def bought(station: Station, emulator: Emulator, before: dict[str, int]) -> list[int]:
    """How often each of the station's images was billed since `before`."""
    after = billed(emulator.ledger())
    images = [
        hashlib.sha256(png.read_bytes()).hexdigest()
        for png in sorted((station.data / "pages").rglob("*.png"))
    ]
    return [after.get(image, 0) - before.get(image, 0) for image in images]


def fetch_until_said(station: Station) -> str:
    """`make batch-fetch` until it says something on stderr; returns that."""
    return str(wait_for(lambda: station.make("batch-fetch").stderr, 30))


def hours_ago(station: Station, event: str, hours: int) -> None:
    """The first event of that name in the first folder's journal is so old."""
    journal = station.folders()[0] / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    first = next(noted for noted in events if noted["event"] == event)
    first["up"] -= hours * 3600
    journal.write_text("".join(json.dumps(noted) + "\n" for noted in events))


def test_a_file_with_fewer_responses_than_the_api_counts_is_loaded_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(4, "short.pdf")
    before = billed(emulator.ledger())
    emulator.faults(file_short=2)
    batch_id = online.submitted()
    said = fetch_until_said(online)
    assert said.startswith(f"Warning: {batch_id}: its result file holds 2 responses, the API")
    assert "counts 4; its pages stay submitted" in said
    assert online.statuses() == ["submitted"] * 4
    assert "the others may still come" in online.error("batch-rescue", f"ID={batch_id}")
    assert "4 completed" in online.fetched(batch_id)
    assert bought(online, emulator, before) == [1, 1, 1, 1]
    assert len(online.usage()) == 4


def test_a_line_that_never_comes_holds_the_pages_for_a_day_and_then_rescue_is_the_way_out(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    emulator.faults(line_missing="0,1")
    batch_id = online.submitted()
    fetch_until_said(online)
    assert online.make("batch-fetch").stderr == ""  # once a day
    hours_ago(online, "short", 25)
    said = online.error("batch-fetch")
    assert f"make batch-rescue ID={batch_id}" in said
    assert online.statuses() == ["submitted"] * 3
    assert "1 used (1 completed, 0 failed), 2 given back" in online.good(
        "batch-rescue", f"ID={batch_id}"
    )


def test_a_settled_batch_that_had_missing_lines_is_looked_at_again_on_request(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "again.pdf")
    before = billed(emulator.ledger())
    emulator.faults(file_short=2)
    batch_id = online.submitted()
    fetch_until_said(online)
    assert "1 given back" in online.good("batch-rescue", f"ID={batch_id}", "SURE=1")
    emulator.faults(file_short=None)
    said = online.good("batch-fetch", f"ID={batch_id}")
    assert "1 more responses are kept and counted by make cost, 1 pages that waited" in said
    assert online.statuses() == ["completed"] * 2
    assert bought(online, emulator, before) == [1, 1]
    assert len(online.usage()) == 2


def test_a_file_that_is_named_while_the_batch_is_running_is_not_loaded(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    emulator.faults(file_while_running=1)
    batch_id = online.submitted()
    wait_for(lambda: "RUNNING" in online.good("batch-status", f"ID={batch_id}"), 30)
    for _ in range(3):
        assert online.good("batch-fetch") == ""
    assert not (online.folders()[0] / "responses.jsonl").exists()
    assert online.statuses() == ["submitted"] * 3


def test_cancelled_is_not_believed_for_ever(online: Station, emulator: Emulator) -> None:
    online.rendered(2, "cancelled.pdf")
    before = billed(emulator.ledger())
    emulator.faults(cancelled_before_succeeded=1)
    batch_id = online.submitted()
    assert "0 failed, 2 returned" in online.fetched(batch_id)
    assert online.good("batch-fetch") == ""  # looked at once an hour
    hours_ago(online, "settled", 2)
    said = str(wait_for(lambda: online.good("batch-fetch"), 30))
    assert "2 more responses are kept and counted by make cost, 2 pages that waited" in said
    assert online.statuses() == ["completed"] * 2
    assert bought(online, emulator, before) == [1, 1]
    assert len(online.usage()) == 2


def test_partially_succeeded_is_an_end(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_partially_succeeded=True)
    online.rendered(2)
    assert "2 completed" in online.fetched(online.submitted())


@pytest.mark.parametrize("fault", [{"results_size_0": True}, {"results_get_400": True}])
def test_a_result_file_that_the_api_says_nothing_of_is_used(
    online: Station, emulator: Emulator, fault: dict[str, bool]
) -> None:
    emulator.faults(**fault)
    online.rendered(2)
    assert "2 completed" in online.fetched(online.submitted())


def test_rescue_ends_also_where_the_file_cannot_be_loaded(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status", f"ID={batch_id}"), 30)
    emulator.faults(download_400=True)
    assert "400" in online.error("batch-fetch")
    assert "0 used" in online.good("batch-rescue", f"ID={batch_id}", "SURE=1")
    assert online.statuses() == ["rendered"] * 2


def test_succeeded_without_a_file_is_no_end_for_rescue_either(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rescue

    monkeypatch.setattr(rescue, "STOP_SECONDS", 0)
    online.rendered(2, "nofile.pdf")
    before = billed(emulator.ledger())
    emulator.faults(succeeded_before_file=30)
    batch_id = online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status", f"ID={batch_id}"), 30)
    said = online.error("batch-rescue", f"ID={batch_id}")
    assert "its responses may still come" in said
    assert online.statuses() == ["submitted"] * 2
    assert "2 completed" in online.fetched(batch_id)
    assert bought(online, emulator, before) == [1, 1]


# --- what meets every page, in real time --------------------------------------------------------


@pytest.mark.parametrize("fault", ["place_400", "schema_400", "spending_429", "html_200"])
def test_a_refusal_of_every_page_stops_the_run_with_one_line_and_no_try(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(5)
    before = billed(emulator.ledger())
    emulator.faults(between_only=":generateContent", **{fault: True})
    done = online.make("process")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 5
    assert billed(emulator.ledger()) == before
    assert online.usage() == []


def test_a_refused_create_costs_no_try_and_is_not_uploaded_for_ever(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    emulator.faults(place_400=True)
    for _ in range(2):  # the second time it is known not to pass by itself
        assert "location is not supported" in online.error("batch-submit")
    assert "2 pages wait" in online.good("batch-submit")
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2
    emulator.faults(place_400=None)
    assert "submitted" in online.good("batch-submit", "SURE=1")


def test_half_of_the_rows_with_an_error_cost_each_of_these_a_try_and_run_the_next_time(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(4, "half.pdf")
    before = billed(emulator.ledger())
    emulator.faults(line_error="half:13")
    assert "2 completed, 2 failed" in online.fetched(online.submitted())
    emulator.faults(line_error=None)
    assert "2 completed" in online.fetched(online.submitted())
    assert bought(online, emulator, before) == [1, 1, 1, 1]


# --- middleboxes --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["html_200", "string_200"])
def test_a_create_that_was_answered_by_something_in_between_is_unclear(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1)
    known = len(emulator.ledger()["batches"])
    emulator.faults(between_only=":batchGenerateContent", **{fault: 1})
    done = online.make("batch-submit", SUBMIT_GRACE="3600")
    assert done.returncode == 1
    assert "not an answer of the Gemini API" in done.stderr or "unclear" in done.stderr
    assert "Traceback" not in done.stderr
    assert online.statuses() == ["submitted"]
    online.good("batch-submit", SUBMIT_GRACE="0")
    assert len(emulator.ledger()["batches"]) == known + 1


def test_somebody_elses_batch_without_metadata_hides_nothing(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    emulator.faults(create_503_after=1, listing_metadata_null=True)
    known = len(emulator.ledger()["batches"])
    assert online.submitted()
    assert len(emulator.ledger()["batches"]) == known + 1
