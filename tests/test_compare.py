"""make compare: the same pages both ways, paid for once each, and nothing else changed."""

import json
import shutil

import pytest

from emulator_process import Emulator, wait_for
from flowsheets import files
from forked import commands
from station import Station, billed, room_for


def finished(station: Station, *words: str) -> str:
    """Run it until both ways are there; returns what it says then."""
    return str(
        wait_for(lambda: "readings:" in (said := station.good("compare", *words)) and said, 60)
    )


def paid(emulator: Emulator, before: dict[str, int]) -> list[int]:
    after = billed(emulator.ledger())
    return [n - before.get(image, 0) for image, n in after.items() if n != before.get(image, 0)]


def test_the_same_pages_both_ways_cost_one_half_in_a_batch(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(4)
    before, rows = billed(emulator.ledger()), online.rows()
    said = finished(online, "LIMIT=3")
    assert "batch: 0.50 of real time as billed, 0.50 for the same tokens; one half is 0.50" in said
    assert "readings: 3 of 3 pages read both ways" in said
    assert "by one of them; characters that differ: 0.0%" in said
    assert online.rows() == rows
    assert not (online.data / "results").exists()
    assert paid(emulator, before) == [2, 2, 2]
    usage = [(row["mode"], row["page_number"]) for row in online.usage()]
    assert sorted(usage) == [(mode, n) for mode in ("batch", "realtime") for n in (1, 2, 3)]


def test_once_finished_it_is_shown_again_and_not_paid_for_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "again.pdf")
    before = billed(emulator.ledger())
    said = finished(online)
    assert online.good("compare", "LIMIT=5", GEMINI_API_KEY="") == said[said.index("2 pages of") :]
    assert paid(emulator, before) == [2, 2]


def test_its_pages_may_be_in_a_real_batch_at_the_same_time(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2, "both.pdf")
    assert "is PENDING. Next: make compare, to finish" in online.good("compare")
    batch_id = online.submitted()
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    finished(online)
    assert {row["batch_id"] for row in online.rows()} == {batch_id}
    assert "2 completed" in online.fetched(batch_id)


def test_readings_that_differ_are_measured(online: Station, emulator: Emulator) -> None:
    emulator.faults(answer_three_blocks="0")  # of the batch alone: in real time no row is 0
    online.rendered(2, "differ.pdf")
    assert "readings: 1 of 2 pages read both ways" in finished(online)


def test_a_limit_on_dollars_holds_for_both_ways(online: Station) -> None:
    online.rendered(2, "dear.pdf")
    said = online.error("compare", MAX_USD="1")
    assert "MAX_USD: 2 pages may cost up to $1.19, the limit is $1.00; until 10 pages" in said
    assert "Give LIMIT=1, a larger MAX_USD" in said
    assert not (online.data / "compare").exists()


@pytest.mark.parametrize("fate", ["kill", "cut", "full"])
def test_broken_off_anywhere_it_goes_on_and_pays_for_each_way_once(
    online: Station, emulator: Emulator, fate: str
) -> None:
    for step in range(2, 150, 11):
        station = Station(online.folder / f"{step}", online.base_url)
        station.scans.mkdir(parents=True)
        station.rendered(1, f"{fate}{step}.pdf")
        before = billed(emulator.ledger())
        environment = station.environment(FATE=fate, STEP=str(step))
        done = commands().run("scripts/compare.py", env=environment)
        assert "Traceback" not in done.stderr
        finished(station)
        (times,) = paid(emulator, before)
        (folder,) = (station.data / "compare").iterdir()
        journal = folder / "journal.jsonl"
        failed = "real_time_failed" in [json.loads(e)["event"] for e in journal.open()]
        # A real-time call that a kill came upon may be paid for again, and nothing else.
        assert times == 2 or (fate == "kill" and times == 3) or failed
        if not done.fate_met:
            return
    raise AssertionError("it never got through")


@pytest.mark.parametrize("fault", ["download_404", "download_403"])
def test_a_result_file_that_is_gone_says_what_to_do(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1, f"{fault}.pdf")
    emulator.faults(**{fault: True})
    failed = wait_for(lambda: (done := online.make("compare")).returncode and done, 20)
    (folder,) = (online.data / "compare").iterdir()
    said = failed.stderr.splitlines()[-1]
    assert "is gone (answered 40" in said
    assert f"to give it up and compare anew, remove {folder}" in said
    emulator.faults(**{fault: None})  # it may come back
    finished(online)


def test_one_that_is_given_up_is_begun_anew(online: Station, emulator: Emulator) -> None:
    online.rendered(1, "anew.pdf")
    emulator.faults(download_404=True)
    wait_for(lambda: online.make("compare").returncode, 20)
    emulator.faults(download_404=None)
    (folder,) = (online.data / "compare").iterdir()
    shutil.rmtree(folder)
    finished(online)


def test_without_room_on_the_disk_for_its_response_no_page_is_paid_for(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(1, "full.pdf")
    before = len(emulator.ledger()["answers"])
    with room_for(files.ANSWER_BYTES - 1):
        said = online.error("compare")
    assert "cannot be written (File too large). Make room" in said
    assert len(emulator.ledger()["answers"]) == before


def test_one_from_before_prompts_were_kept_is_finished_and_shown(online: Station) -> None:
    online.rendered(1, "older.pdf")
    said = finished(online)
    (folder,) = (online.data / "compare").iterdir()
    journal = folder / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for name in ("answer", "prompt", "request"):
        del events[0][name]
    journal.write_text("".join(json.dumps(event) + "\n" for event in events[:1]))
    assert finished(online) == said[said.index("1 pages of") :]  # its requests have the prompt
