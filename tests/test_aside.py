"""A batch aside: read and kept, and no job and no result changes."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlite_utils import Database

from emulator_process import Emulator, wait_for
from flowsheets import paths, settings
from flowsheets.batch import aside, budget, submit
from flowsheets.batch.folder import Batch, aside_folders, load_batch, new_name
from flowsheets.errors import Problem
from flowsheets.jobs import database
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from flowsheets.settings import Settings
from station import PDF, Station, billed

NAME = aside.Name("make second", "read")


@pytest.fixture
def second(online: Station, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A station with three rendered pages, and its settings in this process."""
    online.rendered(3)
    for name, value in online.environment().items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.fixture
def db(second: Settings) -> Database:
    return database.connect(second.data_root)


def begun(config: Settings, pages: int = 3) -> Batch:
    folder = paths.second_readings(config.data_root) / new_name(datetime.now(UTC))
    return aside.begin(folder, [PageId(PDF, n) for n in range(1, pages + 1)], config)


def finish(batch: Batch, db: Database, config: Settings) -> Batch:
    wait_for(lambda: aside.go_on(load_batch(batch.folder), db, config, NAME), 30)
    return load_batch(batch.folder)


def test_its_responses_are_read_and_paid_and_no_job_changes(
    online: Station, second: Settings, db: Database, emulator: Emulator
) -> None:
    rows, before = online.rows(), sum(billed(emulator.ledger()).values())
    batch = finish(begun(second), db, second)
    assert batch.state == "settled"
    readings = aside.readings(batch)
    assert sorted(readings) == [0, 1, 2]
    assert all(isinstance(page, PageReading) for page in readings.values())
    assert online.rows() == rows
    assert not (online.data / "results").exists()
    assert [(r["page_number"], r["batch_id"]) for r in online.usage()] == [
        (n, batch.batch_id) for n in (1, 2, 3)
    ]
    assert [answer.page.page_number for answer in aside.paid(batch)] == [1, 2, 3]
    assert aside.go_on(batch, db, second, NAME)  # again: nothing is asked
    assert sum(billed(emulator.ledger()).values()) == before + 3
    online.good("batch-fetch")
    assert online.rows() == rows
    db.table("usage").delete_where()
    assert "3 responses in the books again" in online.good("rebuild")
    assert online.rows() == rows


def test_an_open_one_counts_as_out_for_the_limit(second: Settings, db: Database) -> None:
    limited = dataclasses.replace(second, max_usd=Decimal("0.50"))
    budget.hold_to_limit(db, limited, 1)
    begun(second)
    with pytest.raises(Problem, match=r"1 page and what is still out \(\$0\.597\)"):
        budget.hold_to_limit(db, limited, 1)


@pytest.mark.parametrize("fault", ["create_503_after", "create_cut_after"])
def test_a_create_with_an_unclear_end_is_adopted_and_not_made_again(
    second: Settings, db: Database, emulator: Emulator, fault: str
) -> None:
    emulator.faults(**{fault: 1})
    before = len(emulator.ledger()["batches"])
    finish(begun(second, 1), db, second)
    assert len(emulator.ledger()["batches"]) == before + 1


def test_one_that_has_to_wait_names_the_command_that_goes_on_with_it(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    emulator.faults(create_429=1)
    batch = begun(second, 1)
    with pytest.raises(submit.Later, match=r"make second goes on with it"):
        aside.go_on(batch, db, second, NAME)
    finish(batch, db, second)
    assert len(aside.paid(load_batch(batch.folder))) == 1


def test_a_setting_that_the_model_does_not_take_is_named_and_closes_it(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    before = emulator.ledger()["answers"]
    batch = begun(dataclasses.replace(second, thinking="minimal"), 1)
    with pytest.raises(aside.Refused, match=r"^GEMINI_THINKING: .*MINIMAL is not supported"):
        finish(batch, db, second)
    assert load_batch(batch.folder).state == "refused"
    with pytest.raises(aside.Refused, match=r"^GEMINI_THINKING: "):
        aside.go_on(load_batch(batch.folder), db, second, NAME)
    assert emulator.ledger()["answers"] == before


def test_a_create_that_is_refused_for_good_says_why_and_costs_nothing(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    emulator.faults(create_400=1)
    with pytest.raises(aside.Refused, match=r"answered 400.*make second begins anew"):
        finish(begun(second, 1), db, second)


@pytest.mark.parametrize("fault", ["batch_failed", "batch_expired", "batch_cancelled_before"])
def test_one_that_ended_without_a_file_says_how(
    second: Settings, db: Database, emulator: Emulator, fault: str
) -> None:
    emulator.faults(**{fault: True})
    with pytest.raises(aside.Refused, match=r"ended as (FAILED|EXPIRED|CANCELLED).*make second"):
        finish(begun(second, 1), db, second)


def test_a_file_with_an_unknown_key_is_counted_and_nothing_of_it_is_used(
    online: Station, second: Settings, db: Database, emulator: Emulator
) -> None:
    emulator.faults(line_unknown=True)
    batch = begun(second, 2)
    with pytest.raises(Problem, match=r"has a key that was not sent.*remove "):
        finish(batch, db, second)
    assert aside.outcomes(load_batch(batch.folder)) == {}
    assert len(online.usage()) == 2


def test_a_file_that_is_short_is_loaded_again(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    emulator.faults(file_short=1)
    batch = begun(second, 3)
    wait_for(lambda: not aside.go_on(batch, db, second, NAME) and batch.last("short"), 30)
    emulator.faults(file_short=None)
    finish(batch, db, second)
    assert len(aside.readings(load_batch(batch.folder))) == 3


def test_responses_that_are_on_disk_ask_nothing_of_an_api_that_has_lost_them(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    batch = finish(begun(second, 1), db, second)
    batch.events = [e for e in batch.events if e["event"] != "settled"]
    emulator.faults(download_404=True)
    assert aside.go_on(batch, db, second, NAME)


def test_a_page_that_the_model_refuses_is_told_from_those_it_reads(
    second: Settings, db: Database, emulator: Emulator
) -> None:
    emulator.faults(answer_recitation="1")
    batch = finish(begun(second, 2), db, second)
    assert list(aside.readings(batch)) == [0]
    unread = aside.outcomes(batch)[1]
    assert isinstance(unread, Unread)
    assert unread.code == "recitation"


def test_without_an_image_there_is_no_folder(second: Settings) -> None:
    paths.png(second.data_root, PageId(PDF, 1)).unlink()
    with pytest.raises(Problem, match=r"images are gone"):
        begun(second, 1)
    assert aside_folders(second.data_root) == []
