"""What the planner is told: from jobs.db, the folders and the disk."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from emulator_process import Emulator, wait_for
from flowsheets import settings
from flowsheets.batch import situation
from flowsheets.batch.situation import Situation
from flowsheets.jobs import database
from station import Station


def look(station: Station, **more: str) -> Situation:
    with patch.dict(os.environ, station.environment(**more)):
        return situation.look(database.connect(station.data), settings.load())


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The journal of a folder, each event changed."""
    journal = folder / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in events:
        change(event)
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.fixture
def out(online: Station, emulator: Emulator) -> Station:
    """A station with a batch of three pages that stays out, and two pages that wait."""
    emulator.faults(batch_stays_pending=True)
    online.rendered(5)
    online.good("batch-submit", "LIMIT=3")
    return online


def test_what_is_out_counts_by_its_own_journal(out: Station) -> None:
    now = look(out)
    (folder,) = out.folders()
    built = json.loads((folder / "journal.jsonl").read_text().splitlines()[0])
    assert (now.state.batches_out, now.state.waiting) == (1, 2)
    assert now.state.tokens_out == built["tokens"] == 3 * now.page.tokens
    assert now.state.bytes_kept == built["bytes"] == (folder / "requests.jsonl").stat().st_size
    assert now.page.bytes == built["bytes"] // 3
    assert (now.state.trial.out, now.state.trial.passed) == (3, False)
    assert now.unsent is None


def test_an_older_folder_is_estimated(out: Station) -> None:
    (folder,) = out.folders()
    before = look(out).state

    def as_it_was(event: dict[str, Any]) -> None:
        event.pop("tokens", None)
        event.pop("request", None)

    changed(folder, as_it_was)
    now = look(out).state
    assert now.tokens_out == before.tokens_out
    assert now.trial.out == 0


def test_an_upload_lives_for_two_days(out: Station) -> None:
    (folder,) = out.folders()

    def make_older(event: dict[str, Any]) -> None:
        event["at"] = f"2026-01-01{event['at'][10:]}"
        event.pop("boot", None)

    changed(folder, make_older)
    now = look(out).state
    assert (now.batches_out, now.bytes_kept) == (1, 0)


def test_what_a_batch_has_ended_with_is_not_enqueued(online: Station) -> None:
    online.rendered(3)
    online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status"))
    now = look(online).state
    assert (now.batches_out, now.tokens_out) == (0, 0)
    assert now.bytes_kept > 0  # until it is fetched
    online.good("batch-fetch")
    assert look(online).state.bytes_kept == 0


def test_limits_are_those_of_the_tier_unless_they_are_given(out: Station) -> None:
    assert look(out).limits.tokens == 5_000_000
    assert look(out, GEMINI_TIER="2").limits.tokens == 500_000_000
    assert look(out, GEMINI_TIER="3").limits.tokens == 1_000_000_000
    assert look(out, GEMINI_TIER="3", MAX_ENQUEUED_TOKENS="70000").limits.tokens == 70_000


def test_pages_of_a_pdf_that_is_gone_do_not_want_an_image(station: Station) -> None:
    station.data.mkdir()
    station.scan(3)
    station.scan(2, "gone.pdf")
    station.good("discover")
    (station.scans / "gone.pdf").unlink()
    assert look(station).state.undrawn == 3


def test_a_folder_that_cannot_fit_gives_its_pages_back_and_deletes_its_upload(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(create_429=1)
    online.rendered(60)
    assert online.make("batch-submit", "LIMIT=60").returncode == 1
    said = online.good("batch-run", MAX_ENQUEUED_TOKENS="40000")
    now = look(online, MAX_ENQUEUED_TOKENS="40000").state
    assert said == ""  # the create was refused: smaller ones go out after the pause
    assert (now.waiting, now.unsent, now.bytes_kept) == (60, None, 0)
    assert online.journal()[-1] == "given_back"
