"""make batch-status: the API's word on batches."""

import json

from emulator_process import Emulator, wait_for
from station import Station


def test_a_batch_passes_from_pending_to_succeeded(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2)
    batch_id = online.submitted()
    said = online.good("batch-status", f"ID={batch_id}")
    assert said.startswith(f"{batch_id} PENDING, 2 requests, 0 done, 0 failed, 0 min")
    emulator.faults(batch_stays_pending=None)
    assert wait_for(lambda: "SUCCEEDED, 2 requests, 2 done" in online.good("batch-status"), 30)


def test_the_id_may_be_given_in_three_ways(online: Station) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    for name in (batch_id, batch_id.removeprefix("batches/"), online.folders()[0].name):
        assert online.good("batch-status", f"ID={name}").startswith(batch_id)


def test_the_reply_is_kept_verbatim_and_no_page_changes(online: Station) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    before = online.rows()
    online.good("batch-status")
    reply = json.loads((online.folders()[0] / "batch.json").read_text())
    assert reply["name"] == batch_id
    assert reply["metadata"]["state"].startswith("BATCH_STATE_")
    assert online.rows() == before


def test_running_with_counts(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_running=1, line_error="0:13")
    online.rendered(3)
    online.submitted()
    assert wait_for(lambda: "RUNNING, 3 requests" in online.good("batch-status"), 30)


def test_a_state_that_nobody_knows_is_shown_by_its_name(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_state="BATCH_STATE_PAUSED")
    online.rendered(1)
    online.submitted()
    assert wait_for(lambda: "BATCH_STATE_PAUSED, 1 requests" in online.good("batch-status"), 30)
    done = online.make("batch-status")
    assert done.stderr == ""


def test_no_open_batch_is_said(online: Station) -> None:
    online.rendered(1)
    assert "no open batches" in online.good("batch-status")


def test_an_unknown_id_is_one_clear_line(online: Station) -> None:
    online.rendered(1)
    assert online.error("batch-status", "ID=batches/nope").startswith(
        "Error: ID: batches/nope is not a batch"
    )


def test_one_batchs_trouble_does_not_hide_the_others(online: Station) -> None:
    online.rendered(2)
    online.good("batch-submit", BATCH_PAGES="1")
    first, second = online.folders()
    manifest = first / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace("batches/", "batches/not-"))
    done = online.make("batch-status")
    assert done.returncode == 1
    assert "the API knows no such batch with this key. Check GEMINI_API_KEY" in done.stderr
    assert json.loads((second / "batch.json").read_text())["name"] in done.stdout
