"""make batch-rescue: a person gives a batch up."""

from emulator_process import Emulator, wait_for
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
    assert "0 used" in online.good("batch-rescue", f"ID={batch_id}")
    assert online.statuses() == ["rendered"]


def test_a_folder_that_was_never_sent_gives_its_pages_back(station: Station) -> None:
    station.rendered(2)
    station.error("batch-submit")
    name = station.folders()[0].name
    assert "2 given back" in station.good("batch-rescue", f"ID={name}")
    assert station.statuses() == ["rendered"] * 2
    assert "settled" in station.good("batch-rescue", f"ID={name}")
