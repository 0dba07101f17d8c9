"""make batch-rescue: a person gives a batch up."""

import pytest

import rescue
from emulator_process import Emulator, wait_for
from flowsheets.gemini import developer
from flowsheets.gemini.client import ApiProblem
from station import Station


def test_a_stuck_batch_is_cancelled_and_its_pages_freed(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_running=1)
    online.rendered(3)
    batch_id = online.submitted()
    wait_for(lambda: "1 done" in online.good("batch-status"), 30)
    said = online.good("batch-rescue", f"ID={batch_id}")
    assert "1 used (1 completed, 0 failed), 2 given back" in said
    assert sorted(online.statuses()) == ["completed", "rendered", "rendered"]
    assert "2 completed" in online.good("process")


def test_of_a_refused_file_every_response_that_is_sure_is_used(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(line_doubled="1", line_unknown=True, line_not_json="2")
    online.rendered(4)
    batch_id = online.submitted()
    said = wait_for(lambda: online.make("batch-fetch").stderr, 30)
    assert "make batch-rescue" in said
    assert online.statuses() == ["submitted"] * 4
    assert "2 used (2 completed, 0 failed), 2 given back" in online.good(
        "batch-rescue", f"ID={batch_id}"
    )
    assert online.statuses() == ["completed", "rendered", "rendered", "completed"]


def test_a_batch_that_the_api_no_longer_knows_gives_its_pages_back(
    online: Station, emulator: Emulator
) -> None:
    import urllib.request

    online.rendered(1)
    batch_id = online.submitted()
    request = urllib.request.Request(
        f"{emulator.url}/v1beta/{batch_id}",
        method="DELETE",
        headers={"x-goog-api-key": "test-key"},
    )
    urllib.request.urlopen(request).read()
    assert "knows no such batch" in online.error("batch-fetch")
    assert online.statuses() == ["submitted"]
    assert "proves nothing" in online.error("batch-rescue", f"ID={batch_id}")
    assert online.statuses() == ["submitted"]
    assert "0 used" in online.good("batch-rescue", f"ID={batch_id}", "SURE=1")
    assert online.statuses() == ["rendered"]


def test_a_folder_that_was_never_sent_gives_its_pages_back(station: Station) -> None:
    station.rendered(2)
    station.error("batch-submit")
    name = station.folders()[0].name
    assert "2 given back" in station.good("batch-rescue", f"ID={name}")
    assert station.statuses() == ["rendered"] * 2
    assert "settled" in station.good("batch-rescue", f"ID={name}")


def test_a_batch_that_ends_just_before_the_cancel_is_used(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status"), 30)
    for name, value in online.environment().items():
        monkeypatch.setenv(name, value)
    get, running = developer.get, {"metadata": {"state": "BATCH_STATE_RUNNING"}}
    answers = iter([running])
    monkeypatch.setattr(developer, "get", lambda name: next(answers, None) or get(name))

    def too_late(name: str) -> None:
        raise ApiProblem("answered 400: it has ended", "", code=400, unclear=False)

    monkeypatch.setattr(developer, "cancel", too_late)
    rescue.main([batch_id], standalone_mode=False)
    assert online.statuses() == ["completed"] * 2


def test_late_responses_of_a_batch_that_was_given_up_complete_the_pages_that_still_wait(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2)
    batch_id = online.submitted()
    for name, value in online.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rescue, "STOP_SECONDS", 0)
    monkeypatch.setattr(developer, "cancel", lambda name: None)  # without effect
    monkeypatch.setattr(developer, "tidy_up", lambda file, name: None)
    rescue.main([batch_id], standalone_mode=False)
    assert online.statuses() == ["rendered"] * 2
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    said = wait_for(
        lambda: "after it was" in (x := online.good("batch-fetch", f"ID={batch_id}")) and x, 30
    )
    assert "2 more responses are kept" in said
    assert [row["mode"] for row in online.usage()] == ["batch"] * 2
    assert online.statuses() == ["completed"] * 2
