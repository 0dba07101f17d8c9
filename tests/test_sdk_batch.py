"""A batch's calls through the SDK, played from cassettes."""

import hashlib
import json
from pathlib import Path

import pytest

import recording
from flowsheets.gemini import developer
from flowsheets.gemini.operation import Operation
from recording import MODEL, Api, page, state, submitted, write_requests

api = recording.api


def test_upload(api: Api, tmp_path: Path) -> None:
    requests = write_requests(tmp_path / "requests.jsonl", 2)
    name = developer.upload(requests, "sdk-upload")
    assert name.startswith("files/")
    chunks = [r for r in api.cassette.requests if "x-goog-upload-offset" in r.headers]
    assert [chunk.body for chunk in chunks] == [
        b"sha256:" + hashlib.sha256(requests.read_bytes()).hexdigest().encode()
    ]
    first = json.loads(requests.read_text().split("\n")[0])
    assert first == {"key": "page-0", "request": page(0)}


def test_submit_batch(api: Api, tmp_path: Path) -> None:
    file = developer.upload(write_requests(tmp_path / "requests.jsonl", 2), "sdk-submit")
    operation = developer.create(MODEL, file, "sdk-submit")
    assert operation["name"].startswith("batches/")
    assert operation["metadata"]["displayName"] == "sdk-submit"
    assert operation["metadata"]["model"] == f"models/{MODEL}"
    assert state(operation) == "PENDING"
    assert api.sent(":batchGenerateContent") == [
        {"batch": {"displayName": "sdk-submit", "inputConfig": {"fileName": file}}}
    ]


def test_a_pending_batch(api: Api, tmp_path: Path) -> None:
    api.arrange(batch_stays_pending=True, emulator_only=False)
    operation = developer.get(submitted(tmp_path, "sdk-pending"))
    assert state(operation) == "PENDING"
    assert "done" not in operation
    assert Operation(operation).responses_file is None


def test_a_running_batch(api: Api, tmp_path: Path) -> None:
    api.arrange(batch_stays_running=1)
    operation = api.wait_for(submitted(tmp_path, "sdk-running"), "RUNNING")
    assert "done" not in operation
    assert Operation(operation).responses_file is None


def test_a_succeeded_batch(api: Api, tmp_path: Path) -> None:
    batch_id = submitted(tmp_path, "sdk-succeeded")
    operation = api.wait_for(batch_id, "SUCCEEDED")
    assert operation["name"] == batch_id
    assert operation["done"] is True
    assert operation["metadata"]["batchStats"]["requestCount"] == "2"
    assert operation["metadata"]["batchStats"]["successfulRequestCount"] == "2"
    file = Operation(operation).responses_file
    assert file
    assert file.startswith("files/")


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("batch_failed", "FAILED"),
        ("batch_cancelled_before", "CANCELLED"),
        ("batch_expired", "EXPIRED"),
    ],
)
def test_a_batch_that_ended_without_results(api: Api, tmp_path: Path, fault: str, end: str) -> None:
    api.arrange(**{fault: True})
    operation = api.wait_for(submitted(tmp_path, f"sdk-{end.lower()}"), end)
    assert operation["done"] is True
    assert operation["error"]["code"]
    assert Operation(operation).responses_file is None


def test_find_batch_on_a_later_page_of_the_listing(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.arrange()  # at Google the listing would hold other people's batches
    monkeypatch.setattr(developer, "LISTED_AT_ONCE", 2)
    sought = submitted(tmp_path, "sdk-find")
    for number in range(3):
        submitted(tmp_path, f"sdk-find-{number}")
    found = developer.find("sdk-find")
    assert found
    assert found["name"] == sought
    assert developer.find("sdk-never-sent") is None
    listings = [r for r in api.cassette.requests if r.path.endswith("/batches")]
    assert sum("pageToken" in r.uri for r in listings) >= 2


def test_cancel_batch(api: Api, tmp_path: Path) -> None:
    api.arrange(batch_stays_pending=True, emulator_only=False)
    batch_id = submitted(tmp_path, "sdk-cancel")
    developer.cancel(batch_id)
    operation = api.wait_for(batch_id, "CANCELLED")
    assert operation["done"] is True


def test_download(api: Api, tmp_path: Path) -> None:
    results = tmp_path / "responses.jsonl"
    batch_id = submitted(tmp_path, "sdk-fetch", 3)
    operation = api.fetch(batch_id, results)
    assert state(operation) == "SUCCEEDED"
    lines = [json.loads(line) for line in results.read_bytes().split(b"\n") if line]
    assert sorted(line["key"] for line in lines) == ["page-0", "page-1", "page-2"]
    assert all(line["response"]["candidates"] for line in lines)
    assert [file.name for file in tmp_path.glob("*.part")] == []


def test_delete_file(api: Api, tmp_path: Path) -> None:
    name = developer.upload(write_requests(tmp_path / "requests.jsonl", 1), "sdk-delete")
    developer.tidy_up(name, "")
    developer.tidy_up(name, "")  # gone already
    deletes = [r.path for r in api.cassette.requests if r.method == "DELETE"]
    assert deletes == [f"/v1beta/{name}"] * 2
