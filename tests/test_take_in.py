"""What recover does with each folder and row, without an API: nothing is bought twice or lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from flowsheets import clock, files, lock, paths
from flowsheets.batch import compare, prompt_cache, recover
from flowsheets.batch.folder import Batch, load_batch
from flowsheets.jobs import pauses, states
from flowsheets.settings import Settings
from folders import PAGES, TOKENS, built, came, error, events, good, row, sent, statuses
from pages import answer

AT = "2026-11-24T10:00:00.000001+00:00"


@pytest.fixture
def root(config: Settings) -> Path:
    """Where the batches' folders are."""
    return paths.batches(config.data_root)


def lost(db: Database) -> None:
    """Rows as a backup from before any batch has them; no bill, and no folder is known."""
    for table in ("usage", "folders", "pauses"):
        db.execute(f"DELETE FROM {table}")
    columns = "status = 'rendered', batch_id = NULL, within_batch_index = NULL, attempts = 0"
    db.execute(f"UPDATE jobs SET {columns}, result_path = NULL, model_version = NULL")
    db.conn.commit()


def closed(folder: Path, db: Database, *lines: Any, **facts: Any) -> Batch:
    """A batch that was settled with these lines in its result file."""
    batch = sent(folder, db, **facts)
    came(batch, *(line(batch) for line in lines))
    batch.add("settled")
    return batch


def first(batch: Batch) -> dict[str, Any]:
    return good(batch, 0)


def second(batch: Batch) -> dict[str, Any]:
    return good(batch, 1)


def test_pages_of_an_open_batch_are_out_in_it_whatever_an_older_row_says(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    batch.add("applied", failed=[0])
    for status in ("pending", "rendered", "failed", "processing"):
        lost(jobs_db)
        states.flip(jobs_db, PAGES, ("rendered", "submitted"), status)
        found = recover.run(jobs_db, config)
        assert found.claimed == 1
        assert row(jobs_db, 0)["status"] != "submitted"  # its outcome was noted
        out = row(jobs_db, 1)
        expected = ("submitted", "batches/b", 1)
        assert (out["status"], out["batch_id"], out["within_batch_index"]) == expected
    assert recover.run(jobs_db, config).claimed == 0


def test_a_folder_without_a_batch_holds_its_pages_and_names_none(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    built(root / "b", jobs_db)
    lost(jobs_db)
    assert recover.run(jobs_db, config).claimed == 2
    assert [(row(jobs_db, n)["status"], row(jobs_db, n)["batch_id"]) for n in (0, 1)] == [
        ("submitted", None),
        ("submitted", None),
    ]


def test_a_page_that_is_completed_or_billed_is_not_claimed_again(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    files.write_whole(paths.result(config.data_root, PAGES[0]), b"{}")
    states.flip(jobs_db, PAGES[:1], "submitted", "completed")
    came(batch, second(batch))
    _bill(jobs_db, batch, 1)
    states.flip(jobs_db, PAGES[1:], "submitted", "failed")
    assert recover.run(jobs_db, config).claimed == 0
    assert statuses(jobs_db) == ["completed", "failed"]
    paths.result(config.data_root, PAGES[0]).unlink()
    batch.add("warned")  # so that it is read again
    assert recover.run(jobs_db, config).claimed == 1
    assert statuses(jobs_db) == ["submitted", "failed"]


def _bill(db: Database, batch: Batch, index: int) -> None:
    page = PAGES[index]
    row = {"pdf_path": page.pdf_path, "page_number": page.page_number, "batch_id": batch.batch_id}
    asked = {"mode": "batch", "model": "m", "model_version": "m", "requested_at": AT}
    db.table("usage").insert(row | asked)


def test_a_page_belongs_to_the_latest_folder_that_holds_it(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    sent(root / "z", jobs_db, sequence=1)
    lost(jobs_db)
    states.flip(jobs_db, PAGES, "rendered", "submitted")
    later = sent(root / "a", jobs_db, sequence=2)
    later.add("applied", returned=[1])
    lost(jobs_db)
    recover.run(jobs_db, config)
    assert [row(jobs_db, n)["batch_id"] for n in (0, 1)] == ["batches/a", "batches/z"]


def test_responses_of_a_closed_batch_are_counted_and_complete_the_pages_that_wait(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    closed(root / "b", jobs_db, first, lambda batch: error(batch, 1, 13))
    lost(jobs_db)
    found = recover.run(jobs_db, config)
    assert str(found).startswith("1 completed, 0 failed")
    assert "1 responses in the books again" in str(found)
    assert statuses(jobs_db) == ["completed", "rendered"]
    assert row(jobs_db, 1)["attempts"] == 0  # an error row says nothing of a page that waits
    assert jobs_db.table("usage").count == 1
    assert not str(recover.run(jobs_db, config))
    assert str(recover.rebuild(jobs_db, config)) == ""
    assert jobs_db.table("usage").count == 1


def test_a_batch_that_was_closed_before_its_rows_were_moved_moves_them(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    closed(root / "b", jobs_db, first, second)
    states.flip(jobs_db, PAGES[1:], "submitted", "submitted", batch_id="batches/other")
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["completed", "submitted"]
    assert jobs_db.table("usage").count == 2


def test_pages_without_any_row_gain_theirs_from_folders_and_responses(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    batch.add("applied", returned=[0])
    saved_response(config, 0)
    jobs_db.execute("DELETE FROM jobs")
    jobs_db.conn.commit()
    recover.run(jobs_db, config)
    assert (row(jobs_db, 0)["status"], row(jobs_db, 1)["status"]) == ("completed", "submitted")


def test_of_an_open_batch_the_responses_are_left_to_fetch(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    came(batch, first(batch), second(batch))
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["submitted"] * 2
    assert jobs_db.table("usage").count == 0


def test_a_page_that_is_out_again_or_set_back_is_counted_and_not_moved(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = closed(root / "a", jobs_db, first, second, sequence=1)
    batch.add("retried", indexes=[0])
    lost(jobs_db)
    states.flip(jobs_db, PAGES, "rendered", "submitted")
    other = sent(root / "b", jobs_db, sequence=2)
    other.add("applied", returned=[0])
    lost(jobs_db)
    recover.run(jobs_db, config)
    assert [row(jobs_db, n)["status"] for n in (0, 1)] == ["rendered", "submitted"]
    assert row(jobs_db, 1)["batch_id"] == "batches/b"
    assert jobs_db.table("usage").count == 2


def test_a_result_that_is_gone_is_written_again_and_not_counted_again(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = closed(root / "b", jobs_db, first, second)
    lost(jobs_db)
    recover.run(jobs_db, config)
    before = list(jobs_db.table("usage").rows)
    paths.result(config.data_root, PAGES[0]).unlink()
    assert "1 results written again" in str(recover.rebuild(jobs_db, config))
    assert paths.result(config.data_root, PAGES[0]).exists()
    assert statuses(jobs_db) == ["completed"] * 2
    assert list(jobs_db.table("usage").rows) == before
    assert batch.state == "settled"


def test_a_folder_that_lost_its_journal_stays_closed_where_that_is_known(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = closed(root / "b", jobs_db)
    states.flip(jobs_db, PAGES, "submitted", "rendered", batch_id=None)
    recover.run(jobs_db, config)
    (batch.folder / "journal.jsonl").unlink()
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["rendered"] * 2
    assert load_batch(batch.folder).state == "settled"


# --- claims -------------------------------------------------------------------------------------


def test_a_claim_without_a_folder_goes_back_but_not_beside_a_damaged_one(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = built(root / "b", jobs_db)
    (batch.folder / "manifest.jsonl").write_text("{ no json\n")
    assert recover.run(jobs_db, config).released == 0
    assert statuses(jobs_db) == ["submitted"] * 2
    shutil.rmtree(batch.folder)
    assert recover.run(jobs_db, config).released == 2
    assert statuses(jobs_db) == ["rendered"] * 2


def test_a_claim_whose_folder_is_there_stays(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    built(root / "b", jobs_db)
    assert recover.lost_claims(jobs_db, config.data_root) == 0
    assert statuses(jobs_db) == ["submitted"] * 2


def test_what_a_killed_build_left_is_deleted_here_and_at_the_api(
    config: Settings, jobs_db: Database, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(prompt_cache, "drop", dropped.append)
    Batch(root / ".one.part", []).add("cache_asked")
    (root / ".two.part").mkdir()
    recover.run(jobs_db, config)
    assert list(root.iterdir()) == []
    assert dropped == ["one"]


# --- pauses and retries -------------------------------------------------------------------------


def test_a_pause_is_noted_again_for_the_pages_that_still_wait(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    batch.add("settled", pause=2, reason="down")
    lost(jobs_db)
    states.flip(jobs_db, PAGES[:1], "rendered", "failed")
    recover.run(jobs_db, config)
    assert {p: pause[:2] for p, pause in pauses.all_of(jobs_db).items()} == {PAGES[1]: (2, "down")}
    pauses.add(jobs_db, PAGES[1:], 3, "since then", clock.stamp())
    batch.add("warned")
    recover.run(jobs_db, config)
    assert pauses.all_of(jobs_db)[PAGES[1]].times == 3


def test_a_batch_that_is_out_again_pauses_nothing(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = sent(root / "b", jobs_db)
    batch.add("settled", pause=2)
    batch.add("reopened")
    batch.add("applied", returned=[0, 1])
    lost(jobs_db)
    recover.run(jobs_db, config)
    assert pauses.all_of(jobs_db) == {}


def test_a_retry_is_written_beside_the_responses_of_its_pages_alone(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    batch = closed(root / "b", jobs_db, first, second)
    recover.run(jobs_db, config)
    saved = paths.real_time_response(config.data_root, PAGES[0], AT)
    files.write_whole(saved, b"{}")
    recover.note_retried(jobs_db, config.data_root, PAGES[:1])
    assert not saved.exists()
    assert paths.retried(saved).exists()
    assert load_batch(batch.folder).retried == {0}
    assert events(batch).count("retried") == 1
    lost(jobs_db)
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["rendered", "completed"]


# --- real time ----------------------------------------------------------------------------------


def saved_response(config: Settings, number: int, content: bytes | None = None) -> Path:
    path = paths.real_time_response(config.data_root, PAGES[number], AT)
    files.write_whole(path, content or json.dumps(answer(usageMetadata=TOKENS)).encode())
    return path


def running(db: Database) -> None:
    states.register(db, PAGES)
    states.flip(db, PAGES, "pending", "processing", model_version="gemini-asked")


def test_what_a_killed_run_had_been_answered_is_used_and_the_rest_waits(
    config: Settings, jobs_db: Database
) -> None:
    running(jobs_db)
    saved = saved_response(config, 0)
    part = saved.with_name(paths.real_time_response(config.data_root, PAGES[1], AT).name + ".part")
    part.write_bytes(b"")
    found = recover.run(jobs_db, config)
    assert (found.applied.completed, found.released) == (1, 1)
    assert statuses(jobs_db) == ["completed", "rendered"]
    assert not part.exists()
    assert row(jobs_db, 1)["model_version"] is None
    (billed,) = jobs_db.table("usage").rows
    assert (billed["model"], billed["batch_id"]) == ("gemini-asked", None)
    recover.take_in_real_time(jobs_db, config)
    assert jobs_db.table("usage").count == 1


def test_a_run_in_real_time_brings_in_line_what_no_other_command_does(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    closed(root / "b", jobs_db, first)
    lost(jobs_db)
    states.flip(jobs_db, PAGES, "rendered", "processing")
    with lock.held(config.data_root, "jobs"):
        recover.run_beside(jobs_db, config)
    assert statuses(jobs_db) == ["rendered"] * 2
    assert jobs_db.table("usage").count == 0
    recover.run_beside(jobs_db, config)
    assert statuses(jobs_db) == ["completed", "rendered"]
    assert jobs_db.table("usage").count == 1


def test_a_rebuild_counts_what_comparisons_were_billed_once_and_moves_no_page(
    config: Settings, jobs_db: Database
) -> None:
    states.register(jobs_db, PAGES)
    batch = sent(paths.comparisons(config.data_root) / "c", None)
    content = json.dumps(answer(usageMetadata=TOKENS)).encode()
    files.write_whole(compare.real_time_answer(batch, 0, AT), content)
    assert str(recover.rebuild(jobs_db, config)) == "1 responses in the books again"
    came(batch, first(batch), second(batch))
    assert str(recover.rebuild(jobs_db, config)) == "2 responses in the books again"
    assert str(recover.rebuild(jobs_db, config)) == ""
    modes = sorted((r["mode"], r["page_number"]) for r in jobs_db.table("usage").rows)
    assert modes == [("batch", 1), ("batch", 2), ("realtime", 1)]
    assert statuses(jobs_db) == ["pending"] * 2


def test_a_run_that_is_alive_keeps_its_pages(config: Settings, jobs_db: Database) -> None:
    running(jobs_db)
    with lock.held(config.data_root, "process"):
        recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["processing"] * 2


def test_a_page_of_a_killed_run_whose_result_is_there_is_completed(
    config: Settings, jobs_db: Database
) -> None:
    running(jobs_db)
    files.write_whole(paths.result(config.data_root, PAGES[0]), b"{}")
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["completed", "rendered"]
    assert row(jobs_db, 0)["result_path"] == str(paths.result(config.data_root, PAGES[0]))


def test_a_kept_response_that_is_not_json_is_counted_and_its_pages_failure(
    config: Settings, jobs_db: Database
) -> None:
    running(jobs_db)
    saved_response(config, 0, b"{ cut")
    recover.run(jobs_db, config)
    assert row(jobs_db, 0)["status"] == "failed"
    assert row(jobs_db, 0)["last_error"] == "not_json: the response is not JSON"
    (billed,) = jobs_db.table("usage").rows
    assert billed["usd"] is None


def test_a_kept_response_that_was_set_aside_or_whose_page_is_out_moves_no_page(
    config: Settings, jobs_db: Database, root: Path
) -> None:
    sent(root / "b", jobs_db)
    saved = saved_response(config, 0)
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["submitted"] * 2
    assert jobs_db.table("usage").count == 1
    saved.rename(paths.retried(saved))
    lost(jobs_db)
    load_batch(root / "b").add("given_back")
    recover.run(jobs_db, config)
    assert statuses(jobs_db) == ["rendered"] * 2
    assert jobs_db.table("usage").count == 1
