"""What jobs.db knows of the batches' folders, and when they are read all the same."""

from typing import Any

import pytest

from flowsheets.batch import folder
from flowsheets.batch.folder import find_batch, open_folders
from flowsheets.jobs import database
from station import Station


def test_a_folder_that_is_known_as_closed_is_not_read(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(2)
    online.good("batch-submit", "LIMIT=1")
    batch_id = online.submitted()
    first, second = online.folders()
    online.fetched(batch_id)
    db = database.connect(online.data)
    assert open_folders(online.data, db) == [first]
    read: list[Any] = []
    load = folder.load_journal

    def watched(one: Any) -> Any:
        read.append(one)
        return load(one)

    monkeypatch.setattr(folder, "load_journal", watched)
    assert find_batch(online.data, batch_id, db).folder == second
    assert read == [second]
    open_folders(online.data, db)
    assert read == [second, first]


def test_a_folder_that_changed_since_it_was_closed_is_read(online: Station) -> None:
    online.rendered(1)
    online.fetched(online.submitted())
    (own,) = online.folders()
    db = database.connect(online.data)
    assert open_folders(online.data, db) == []
    journal = own / "journal.jsonl"
    kept = [line for line in journal.read_text().splitlines(True) if '"settled"' not in line]
    journal.write_text("".join(kept))
    assert open_folders(online.data, db) == [own]
