"""make batch-cancel: asked to stop; what ran is kept."""

from emulator_process import Emulator, wait_for
from station import Station


def test_a_batch_cancelled_before_its_start_gives_its_pages_back(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2)
    batch_id = online.submitted()
    assert online.good("batch-cancel", f"ID={batch_id}").startswith(f"asked {batch_id} to stop")
    assert "0 completed, 0 failed, 2 returned" in online.fetched(batch_id)
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2
    assert [r["batch_id"] for r in online.rows()] == [None, None]


def test_a_batch_cancelled_after_its_start_keeps_what_ran(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_running=1)
    online.rendered(3)
    batch_id = online.submitted()
    wait_for(lambda: "1 done" in online.good("batch-status"), 30)
    online.good("batch-cancel", f"ID={batch_id}")
    assert "1 completed, 0 failed, 2 returned" in online.fetched(batch_id)
    assert sorted(online.statuses()) == ["completed", "rendered", "rendered"]


def test_a_settled_batch_is_left_alone(online: Station) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    online.fetched(batch_id)
    before = online.tree()
    assert "nothing to cancel" in online.good("batch-cancel", f"ID={batch_id}")
    assert online.tree() == before


def test_no_id_is_one_clear_line(online: Station) -> None:
    online.rendered(1)
    assert online.error("batch-cancel").startswith("Error: ID: is missing. ")
    assert online.error("batch-rescue").startswith("Error: ID: is missing. ")
