"""A batch's folder is lost: the rows and the API say enough to fetch it all the same."""

import json
import shutil

import pytest

from emulator_process import Emulator
from flowsheets.jobs import database
from station import Station, billed


@pytest.mark.parametrize("lost", ["manifest.jsonl", "folder"])
def test_a_batch_is_fetched_without_its_manifest(
    online: Station, emulator: Emulator, lost: str
) -> None:
    online.rendered(3, f"{lost}.pdf")
    before = billed(emulator.ledger())
    batch_id = online.submitted()
    (folder,) = online.folders()
    kept = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    if lost == "folder":
        shutil.rmtree(folder)
    else:
        (folder / lost).unlink()
    done = online.make("batch-fetch", f"ID={batch_id}")
    assert "its manifest was lost, and is made again from jobs.db (3 pages)" in done.stderr
    again = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert again == kept
    if "fetched" not in done.stdout:
        online.fetched(folder.name)
    for number, line in enumerate(kept, 1):
        result = online.result(number, f"{lost}.pdf")
        assert result["comments_raw"] == f"sha256 {line['image_sha256']}"
    assert sum(billed(emulator.ledger()).values()) - sum(before.values()) == 3


def test_of_a_batch_that_the_api_forgot_as_well_the_pages_can_be_given_back(
    online: Station,
) -> None:
    online.rendered(1)
    online.submitted()
    shutil.rmtree(online.folders()[0])
    db = database.connect(online.data)
    db.execute("UPDATE jobs SET batch_id = 'batches/gone'")
    db.conn.commit()
    db.close()
    assert "the API knows no such batch with this key" in online.error("batch-fetch")
    assert "1 given back" in online.good("batch-rescue", "ID=batches/gone", "SURE=1")
    assert online.statuses() == ["rendered"]
    said = online.make("batch-fetch", "ID=batches/gone")
    assert (said.returncode, said.stderr) == (0, "batches/gone: nothing is left to fetch\n")


def test_a_jobs_db_from_yesterdays_backup_is_brought_up_to_date_without_the_api(
    online: Station,
) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    backup = (online.data / "jobs.db").read_bytes()
    online.fetched(batch_id)
    (online.data / "jobs.db").write_bytes(backup)
    assert online.statuses() == ["submitted"] * 2
    online.base_url = "http://127.0.0.1:9"  # nobody listens: what was fetched is on disk
    done = online.make("batch-fetch")
    assert "2 completed" in done.stdout
    assert online.statuses() == ["completed"] * 2


def test_a_backup_from_before_the_submit_pays_for_no_page_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "backup.pdf")
    before = billed(emulator.ledger())
    backup = (online.data / "jobs.db").read_bytes()
    batch_id = online.submitted()
    (online.data / "jobs.db").write_bytes(backup)
    assert online.statuses() == ["rendered"] * 2
    assert "processed 0 pages" in online.good("process")
    assert "no pages wait" in online.good("batch-submit")
    assert {row["batch_id"] for row in online.rows()} == {batch_id}
    online.fetched(batch_id)
    assert sum(billed(emulator.ledger()).values()) - sum(before.values()) == 2


def test_a_lost_jobs_db_loses_no_answer_that_is_under_way_and_none_that_is_there(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "lost.pdf")
    before = billed(emulator.ledger())
    online.good("process", "LIMIT=1")
    result = online.result(1, "lost.pdf")
    batch_id = online.submitted()
    (online.data / "jobs.db").unlink()
    assert "2 completed" in online.fetched(batch_id)
    online.good("discover")
    online.good("render")
    assert "processed 0 pages" in online.good("process")
    assert online.statuses() == ["completed"] * 3
    assert online.result(1, "lost.pdf") == result
    assert sum(billed(emulator.ledger()).values()) - sum(before.values()) == 3


def test_a_restored_batch_is_priced_by_the_model_that_was_asked_and_tidied_up(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1, "priced.pdf")
    batch_id = online.good("batch-submit", GEMINI_MODEL="gemini-2.5-flash")
    batch_id = batch_id.split("submitted ")[1].split()[0]
    shutil.rmtree(online.folders()[0])
    done = online.make("batch-fetch", f"ID={batch_id}")
    if "fetched" not in done.stdout:
        online.fetched(batch_id)
    assert online.usage()[0]["model"] == "gemini-2.5-flash"
    deleted = [c["path"] for c in emulator.ledger()["requests"] if c["method"] == "DELETE"]
    assert any("/files/" in path for path in deleted)


def test_a_data_folder_from_before_its_create_finds_the_batch_that_was_made(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1, "before.pdf")
    emulator.faults(create_429=1)
    online.error("batch-submit")
    backup = online.folder / "backup"
    shutil.copytree(online.data, backup)
    batch_id = online.submitted()
    shutil.rmtree(online.data)
    shutil.copytree(backup, online.data)
    journal = online.folders()[0] / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in events:
        event["at"] = event["at"].replace("20", "19", 1)  # a century ago
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    known = len(emulator.ledger()["batches"])
    assert online.submitted() == batch_id
    assert len(emulator.ledger()["batches"]) == known
