"""jobs.db is an index: lost, older or wrong, it is brought in line with the folders, at no cost."""

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from sqlite_utils import Database

from emulator_process import Emulator, wait_for
from flowsheets import paths
from flowsheets.paths import PageId
from pages import answer, reading
from station import Station, billed

THIS_YEAR = f"{datetime.now(UTC):%Y}"


def bought(emulator: Emulator, before: dict[str, int]) -> list[int]:
    """How often each image was billed since `before`."""
    after = billed(emulator.ledger())
    return [n - before.get(image, 0) for image, n in after.items() if n != before.get(image, 0)]


def events(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def write_events(folder: Path, journal: list[dict[str, object]]) -> None:
    (folder / "journal.jsonl").write_text("".join(json.dumps(e) + "\n" for e in journal))


def ended(station: Station, batch_id: str) -> None:
    wait_for(lambda: "SUCCEEDED" in station.good("batch-status", f"ID={batch_id}"), 30)


@pytest.mark.parametrize("first", [("batch-fetch",), ("discover", "render"), ("discover",)])
def test_a_lost_jobs_db_buys_nothing_again_whatever_is_run_first(
    online: Station, emulator: Emulator, first: tuple[str, ...]
) -> None:
    pdf = f"lost-{len(first)}-{first[0]}.pdf"
    online.rendered(3, pdf)
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    for path in online.data.glob("jobs.db*"):
        path.unlink()
    for command in first:
        online.good(command)
    online.good("discover")
    online.good("render")
    assert "submitted" not in online.good("batch-submit")
    assert "processed 0 pages" in online.good("process")
    if online.statuses() != ["completed"] * 3:
        online.fetched(batch_id)
    assert online.statuses() == ["completed"] * 3
    assert bought(emulator, before) == [1, 1, 1]


def test_a_backup_from_when_an_older_batch_was_out_does_not_free_the_pages_of_the_next(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "older.pdf")
    before = billed(emulator.ledger())
    emulator.faults(line_error="1:13")
    first = online.submitted()
    backup = (online.data / "jobs.db").read_bytes()
    assert "1 completed, 1 failed" in online.fetched(first)
    emulator.faults(line_error=None, batch_stays_pending=True)
    second = online.submitted()
    (online.data / "jobs.db").write_bytes(backup)
    assert "submitted" not in online.good("batch-submit")
    assert [(r["status"], r["batch_id"]) for r in online.rows()] == [
        ("completed", first),
        ("submitted", second),
    ]
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    online.fetched(second)
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


def test_a_backup_taken_during_a_real_time_run_buys_nothing_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "during.pdf")
    before = billed(emulator.ledger())
    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = 'processing', model_version = 'gemini-x'")
    db.close()
    backup = (online.data / "jobs.db").read_bytes()
    with (online.data / "jobs.db").open("r+b"):
        online.good("process")
    assert bought(emulator, before) == [1, 1]
    (online.data / "jobs.db").write_bytes(backup)
    online.good("process")
    online.good("batch-submit")
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


def test_a_closed_batch_that_lost_its_journal_takes_no_page_out_of_a_live_one(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "closed.pdf")
    emulator.faults(line_error="1:13")
    first = online.submitted()
    online.fetched(first)
    emulator.faults(line_error=None, batch_stays_pending=True)
    second = online.submitted()
    (online.folders()[0] / "journal.jsonl").unlink()
    online.good("batch-fetch")
    assert online.rows()[1]["batch_id"] == second
    for path in online.data.glob("jobs.db*"):  # and with no database that knew better
        path.unlink()
    online.good("discover")
    online.good("render")
    online.make("batch-fetch")
    assert online.rows()[1]["batch_id"] == second
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    online.fetched(second)
    assert online.statuses() == ["completed"] * 2


def test_a_result_that_is_gone_is_written_again_from_its_response_at_no_cost(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "gone.pdf")
    online.good("process", "LIMIT=1")
    online.fetched(online.submitted())
    before = billed(emulator.ledger())
    wanted = [online.result(n, "gone.pdf") for n in (1, 2)]
    shutil.rmtree(online.data / "results")
    assert "2 results written again" in online.good("rebuild")
    for number, old in zip((1, 2), wanted, strict=True):
        new = online.result(number, "gone.pdf")
        assert new | {"extracted_at": ""} == old | {"extracted_at": ""}
    assert billed(emulator.ledger()) == before


def test_the_books_are_made_again_from_the_responses(online: Station, emulator: Emulator) -> None:
    online.rendered(3, "books.pdf")
    online.good("process", "LIMIT=1")
    online.fetched(online.submitted())
    wanted = [{**row, "price_list": ""} for row in online.usage()]
    for path in online.data.glob("jobs.db*"):
        path.unlink()
    online.good("discover")
    online.good("rebuild")
    found = [{**row, "price_list": ""} for row in online.usage()]
    assert [r["total_token_count"] for r in found] == [r["total_token_count"] for r in wanted]
    assert [r["usd"] for r in found] == [r["usd"] for r in wanted]
    assert [r["requested_at"] for r in found] == [r["requested_at"] for r in wanted]
    assert online.statuses() == ["completed"] * 3


def test_a_copy_of_a_folder_that_was_not_sent_yet_makes_no_second_batch(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1, "copied.pdf")
    emulator.faults(create_429=1)
    online.error("batch-submit")
    copy = online.folder / "copy"
    shutil.copytree(online.data, copy)
    batch_id = online.submitted()
    known = len(emulator.ledger()["batches"])
    shutil.rmtree(online.data)
    shutil.copytree(copy, online.data)
    assert online.submitted() == batch_id
    assert len(emulator.ledger()["batches"]) == known


def test_a_row_that_was_set_back_asks_for_its_page_again_and_the_old_result_is_kept(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1, "back.pdf")
    online.good("process")
    old = online.result(1, "back.pdf")
    db = Database(online.data / "jobs.db")
    with db.atomic():  # as the verifier of the real-time project does it
        db.execute("UPDATE jobs SET status = 'rendered', attempts = 0")
    db.close()
    before = billed(emulator.ledger())
    said = online.good("batch-submit")
    assert "back.pdf page 1: its row was set back, so it is read again; its old result" in said
    online.fetched(online.folders()[0].name)
    assert bought(emulator, before) == [1]
    new = online.result(1, "back.pdf")
    assert new["extracted_at"] > old["extracted_at"]
    (kept,) = (online.data / "results" / "back").glob("page-01.json.*")
    assert json.loads(kept.read_text()) == old


def test_a_row_older_than_its_result_is_completed_and_not_read_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1, "existing.pdf")
    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET updated_at = '2020-01-01T00:00:00+00:00'")
    db.close()
    result = online.data / "results" / "existing" / "page-01.json"
    result.parent.mkdir(parents=True)
    result.write_text("{}")
    assert "processed 0 pages" in online.good("process")
    assert online.statuses() == ["completed"]
    assert result.read_text() == "{}"


def test_a_png_that_was_compressed_anew_is_the_same_page(online: Station) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    with Image.open(online.png(1)) as image:
        same = io.BytesIO()
        image.save(same, "PNG", compress_level=1)
        other = image.copy()
    assert same.getvalue() != online.png(1).read_bytes()
    online.png(1).write_bytes(same.getvalue())
    other.paste(0, (0, 0, 9, 9))
    other.putpixel((0, 0), 255)
    other.save(online.png(2))
    assert "1 completed, 1 failed" in online.fetched(batch_id)
    assert online.rows()[1]["last_error"].startswith("image_changed: ")


def test_a_torn_result_file_is_put_aside_and_loaded_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "torn.pdf")
    batch_id = online.submitted()
    online.fetched(batch_id)
    folder = online.folders()[0]
    whole = (folder / "responses.jsonl").read_bytes()
    journal = [e for e in events(folder) if e["event"] not in ("applied", "settled")]
    write_events(folder, journal)
    (folder / "responses.jsonl").write_bytes(whole[: whole.index(b"\n") + 1])
    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = 'submitted'")
        db.execute("DELETE FROM usage")
    db.close()
    shutil.rmtree(online.data / "results")
    before = billed(emulator.ledger())
    assert "3 used (3 completed, 0 failed), 0 given back" in online.good(
        "batch-rescue", f"ID={batch_id}"
    )
    assert (folder / "responses.jsonl").read_bytes() == whole
    assert billed(emulator.ledger()) == before


# --- an unclear create --------------------------------------------------------------------------


def unclear(online: Station, emulator: Emulator, pdf: str) -> Path:
    """A folder whose create was not carried out, which is not known."""
    online.rendered(1, pdf)
    emulator.faults(create_503_before=1)
    assert "unclear" in online.error("batch-submit", SUBMIT_GRACE="3600")
    return online.folders()[0]


def test_another_key_never_creates_an_unclear_batch_anew(
    online: Station, emulator: Emulator
) -> None:
    unclear(online, emulator, "key.pdf")
    known = len(emulator.ledger()["batches"])
    said = online.error("batch-submit", SUBMIT_GRACE="0", GEMINI_API_KEY="another-key")
    assert "API key not valid" in said or "sent with another key" in said
    assert len(emulator.ledger()["batches"]) == known
    journal = b"".join(content for content in online.tree().values())
    assert b"test-key" not in journal
    assert online.submitted()


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_was_a_year_off_at_the_create_changes_no_grace(
    online: Station, emulator: Emulator, years: int
) -> None:
    folder = unclear(online, emulator, f"clock{years}.pdf")
    journal = events(folder)
    for event in journal:
        event["at"] = str(event["at"]).replace(
            THIS_YEAR, str(int(THIS_YEAR) + (1 if years > 0 else -1))
        )
    write_events(folder, journal)
    known = len(emulator.ledger()["batches"])
    # Within the grace, whatever the calendar says …
    assert "unclear" in online.error("batch-submit", SUBMIT_GRACE="3600")
    assert len(emulator.ledger()["batches"]) == known
    # … and after it.
    wait_for(lambda: online.make("batch-submit", SUBMIT_GRACE="1").returncode == 0)
    assert len(emulator.ledger()["batches"]) == known + 1


@pytest.mark.parametrize("year", [str(int(THIS_YEAR) - 1), str(int(THIS_YEAR) + 1)])
def test_after_a_restart_of_the_machine_the_grace_begins_with_the_first_look_up(
    online: Station, emulator: Emulator, year: str
) -> None:
    folder = unclear(online, emulator, f"boot{year}.pdf")
    journal = [
        {**event, "at": str(event["at"]).replace(THIS_YEAR, year), "boot": "another"}
        for event in events(folder)
        if event["event"] != "looked_up"
    ]
    write_events(folder, journal)
    known = len(emulator.ledger()["batches"])
    assert "unclear" in online.error("batch-submit", SUBMIT_GRACE="2")
    assert len(emulator.ledger()["batches"]) == known

    def sent() -> bool:
        return online.make("batch-submit", SUBMIT_GRACE="2").returncode == 0

    wait_for(sent, 30)
    assert len(emulator.ledger()["batches"]) == known + 1


# --- what meets every page ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [13, 14, 8, 5, 4])
def test_the_same_error_in_every_row_costs_no_page_a_try(
    online: Station, emulator: Emulator, code: int
) -> None:
    emulator.faults(line_error=f"0:{code},1:{code}")
    online.rendered(2)
    assert "0 failed, 2 returned" in online.fetched(online.submitted())
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2
    assert f"row_error_{code}: " in online.rows()[0]["last_error"]
    assert "2 pages wait after a failure of every page" in online.good("batch-submit")


def test_one_cancelled_row_that_nobody_cancelled_is_its_pages_failure(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(line_error="1:1")
    online.rendered(3)
    assert "2 completed, 1 failed" in online.fetched(online.submitted())
    assert online.rows()[1]["attempts"] == 1
    assert "nobody cancelled" in online.rows()[1]["last_error"]


def test_a_pause_outlives_a_lost_jobs_db(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_failed=True)
    online.rendered(1)
    online.fetched(online.submitted())
    for path in online.data.glob("jobs.db*"):
        path.unlink()
    online.good("discover")
    online.good("render")
    online.good("batch-fetch")
    assert "1 pages wait after a failure of every page" in online.good("batch-submit")


# --- two damages at once ------------------------------------------------------------------------


def lose_jobs_db(online: Station) -> None:
    for path in online.data.glob("jobs.db*"):
        path.unlink()


def set_back(online: Station) -> None:
    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = 'rendered'")
    db.close()


@pytest.mark.parametrize("lost", [False, True])
def test_rows_that_are_set_back_while_their_batch_is_out_stay_with_it(
    online: Station, emulator: Emulator, lost: bool
) -> None:
    online.rendered(2, f"while-out-{lost}.pdf")
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    set_back(online)
    if lost:
        shutil.rmtree(online.folders()[0])
    assert "submitted" not in online.good("batch-submit")
    assert "processed 0 pages" in online.good("process")
    online.good("batch-fetch")
    online.fetched(batch_id) if "completed" not in online.statuses() else None
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


def test_a_manifest_and_jobs_db_that_are_lost_both_are_made_again_from_the_requests(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "both.pdf")
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    manifest = (online.folders()[0] / "manifest.jsonl").read_bytes()
    (online.folders()[0] / "manifest.jsonl").unlink()
    lose_jobs_db(online)
    online.good("discover")
    online.good("render")
    assert "submitted" not in online.good("batch-submit")
    assert (online.folders()[0] / "manifest.jsonl").read_bytes() == manifest
    online.fetched(batch_id)
    assert online.statuses() == ["completed"] * 3
    assert bought(emulator, before) == [1, 1, 1]


def test_where_nothing_says_which_pages_are_out_nothing_is_bought_until_you_are_sure(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "unknown.pdf")
    before = billed(emulator.ledger())
    online.submitted()
    folder = online.folders()[0]
    (folder / "manifest.jsonl").unlink()
    (folder / "requests.jsonl").unlink()
    lose_jobs_db(online)
    online.good("discover")
    online.good("render")
    for command in ("batch-submit", "process"):
        said = online.error(command)
        assert "jobs.db does not know which pages it has out" in said
        assert f"make batch-rescue ID={folder.name} SURE=1" in said
    assert "Restore it" in online.error("batch-rescue", f"ID={folder.name}")
    assert "gave up" in online.good("batch-rescue", f"ID={folder.name}", "SURE=1")
    assert "2 completed" in online.good("process")
    assert max(bought(emulator, before)) == 2


def test_a_folder_whose_journal_forgot_that_it_was_given_back_is_not_sent(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "forgot.pdf")
    before = billed(emulator.ledger())
    emulator.faults(create_429=1)
    online.error("batch-submit")
    folder = online.folders()[0]
    online.good("batch-rescue", f"ID={folder.name}")
    online.good("process", "LIMIT=1")
    write_events(folder, events(folder)[:-1])
    said = online.error("batch-submit")
    assert "1 of its pages were read elsewhere" in said
    online.fetched(online.submitted())
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


def test_a_lost_jobs_db_and_then_lost_results_buy_nothing_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "then.pdf")
    online.fetched(online.submitted())
    before = billed(emulator.ledger())
    lose_jobs_db(online)
    online.good("batch-fetch")
    shutil.rmtree(online.data / "results")
    online.good("discover")
    online.good("render")
    assert "no pages wait" in online.good("batch-submit")
    assert "2 results written again" in online.good("rebuild")
    assert online.statuses() == ["completed"] * 2
    assert billed(emulator.ledger()) == before


def test_of_several_kept_responses_the_newest_page_is_taken(station: Station) -> None:
    station.rendered(1, "several.pdf")
    page = PageId("several.pdf", 1)
    for day, text in ((1, "older"), (2, "newer"), (3, None)):
        at = f"2026-05-0{day}T10:00:00.000000+00:00"
        path = paths.real_time_response(station.data, page, at)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = answer(json.dumps(reading(text)) if text else "no page at all")
        path.write_text(json.dumps(body))
    assert "1 completed" in station.good("rebuild")
    result = station.result(1, "several.pdf")
    assert result["quadrants"][0]["entries"][0]["raw_text"] == "newer"
    assert len(station.usage()) == 3


def test_a_folder_that_lost_its_journal_and_its_manifest_is_known_by_its_name(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "nameless.pdf")
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    folder = online.folders()[0]
    write_events(folder, [e for e in events(folder) if e["event"] != "created"])
    (folder / "manifest.jsonl").unlink()
    lose_jobs_db(online)
    online.good("discover")
    online.good("render")
    assert "submitted" not in online.good("process")
    online.fetched(folder.name)
    assert online.statuses() == ["completed"] * 2
    assert {row["batch_id"] for row in online.rows()} == {batch_id}
    assert bought(emulator, before) == [1, 1]


def test_a_fetch_that_was_stopped_and_a_lost_jobs_db_buy_nothing_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "stopped.pdf")
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    ended(online, batch_id)
    for step in range(1, 60):  # to where the journal says what is about to be done
        online.make("batch-fetch", FATE="full", STEP=str(step))
        if "applied" in online.journal():
            break
    assert online.statuses() == ["submitted"] * 2
    lose_jobs_db(online)
    online.good("discover")
    online.good("render")
    assert "submitted" not in online.good("batch-submit")
    assert online.statuses() == ["completed"] * 2
    online.good("batch-fetch")
    assert bought(emulator, before) == [1, 1]


def test_of_a_folder_its_requests_alone_are_enough(online: Station, emulator: Emulator) -> None:
    online.rendered(2, "requests-alone.pdf")
    before = billed(emulator.ledger())
    online.submitted()
    folder = online.folders()[0]
    for name in ("manifest.jsonl", "journal.jsonl", "batch.json"):
        (folder / name).unlink(missing_ok=True)
    lose_jobs_db(online)
    online.good("discover")
    online.good("render")
    assert "processed 0 pages" in online.good("process")
    online.fetched(folder.name)
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


def test_a_torn_journal_does_not_keep_an_empty_manifest_from_being_made_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "torn-journal.pdf")
    before = billed(emulator.ledger())
    online.submitted()
    folder = online.folders()[0]
    (folder / "manifest.jsonl").write_bytes(b"")
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert "journal.jsonl" in online.error("batch-fetch")
    journal.rename(folder / "journal.aside")
    online.fetched(folder.name)
    assert online.statuses() == ["completed"] * 2
    assert bought(emulator, before) == [1, 1]


@pytest.mark.parametrize("closed", [False, True])
def test_a_manifest_that_was_cut_at_a_line_is_noticed_also_without_the_first_event(
    online: Station, closed: bool
) -> None:
    online.rendered(2, "cut.pdf")
    batch_id = online.submitted()
    ended(online, batch_id)
    folder = online.folders()[0]
    if closed:  # and with nothing that counts its lines: only the row knows
        (folder / "requests.jsonl").unlink()
        write_events(folder, [*events(folder), {"at": "2026-11-01T00:00:00", "event": "settled"}])
    write_events(folder, [e for e in events(folder) if e["event"] != "built"])
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().splitlines()[0] + "\n")
    online.make("batch-fetch")
    online.make("batch-fetch")
    assert online.statuses() == ["completed"] * 2


@pytest.mark.parametrize("mode", ["process", "batch"])
def test_a_backup_from_before_a_retry_gets_its_result_back_at_no_cost(
    online: Station, emulator: Emulator, mode: str
) -> None:
    pdf = f"before-{mode}.pdf"
    online.rendered(1, pdf)
    if mode == "process":
        online.good("process")
    else:
        online.fetched(online.submitted())
    before, backup = billed(emulator.ledger()), (online.data / "jobs.db").read_bytes()
    text = online.result(1, pdf)["comments_raw"]
    online.good("retry", f"PDF={pdf}", "PAGE=1")
    (online.data / "jobs.db").write_bytes(backup)
    assert "1 results written again" in online.good("rebuild")
    assert online.statuses() == ["completed"]
    assert online.result(1, pdf)["comments_raw"] == text
    assert billed(emulator.ledger()) == before
