"""A batch's folder is lost: the rows and the API say enough to fetch it all the same."""

import json
import shutil

import pytest

from emulator_process import Emulator
from flowsheets import jobs
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
    batch_id = online.submitted()
    shutil.rmtree(online.folders()[0])
    db = jobs.connect(online.data)
    db.execute("UPDATE jobs SET batch_id = 'batches/gone'")
    db.conn.commit()
    db.close()
    assert "the API knows no such batch with this key" in online.error("batch-fetch")
    assert "1 given back" in online.good("batch-rescue", "ID=batches/gone")
    assert online.statuses() == ["rendered"]
    assert batch_id


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
