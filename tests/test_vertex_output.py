"""What a job may have written to its bucket, file by file, and objects call by call."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulator_process import Emulator
from emulator_vertex import BUCKET, PROJECT, client, names, put
from flowsheets.gemini.bucket import Bucket, Listing, Stored
from flowsheets.gemini.problem import ApiProblem
from flowsheets.gemini.vertex import Vertex
from vertex_door import PLACE, vertex_door

ROWS = [json.dumps({"key": f"v-0000{n}", "response": {"n": n}}).encode() + b"\n" for n in range(3)]
ALL = b"".join(ROWS)
JOB = "out/prediction-model-2026-11-25T02:40:00.123456Z"


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


@pytest.fixture
def door(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vertex:
    for name, value in vertex_door(emulator).items():
        monkeypatch.setenv(name, value)
    return Vertex(PROJECT, "global", PLACE)


def loaded(
    door: Vertex, api: httpx2.Client, folder: Path, files: dict[str, bytes], named: str = JOB
) -> list[dict[str, Any]] | None:
    """The rows that are fetched of a job with these files, blank lines left out."""
    name = folder.name.replace("[", "-").replace("]", "-")
    for file, content in files.items():
        put(api, f"pages/{name}/{file}", content).raise_for_status()
    target = folder / "responses.jsonl"
    if door.fetch(f"{PLACE}/{name}/{named}", target) is None:
        return None
    return [json.loads(line) for line in target.read_bytes().splitlines() if line.strip()]


@pytest.mark.parametrize(
    "files",
    [
        {
            f"{JOB}/predictions_0001.jsonl": ROWS[0],
            f"{JOB}/predictions_0002.jsonl": ALL[len(ROWS[0]) :],
        },
        {
            f"{JOB}/predictions.jsonl-00000-of-00002": ROWS[0] + ROWS[1],
            f"{JOB}/predictions.jsonl-00001-of-00002": ROWS[2],
        },
        {f"{JOB}/000000000000.jsonl": ALL.rstrip(), f"{JOB}/000000000001.jsonl": b""},
        {f"{JOB}/deeper/predictions.jsonl": b"\n" + ALL + b"\n\n"},
        {f"{JOB}/predictions.jsonl": ALL, f"{JOB}/prediction.errors_stats-00000-of-00001": b"x"},
        {f"{JOB}/predictions.jsonl": ALL, f"{JOB}/incremental_predictions/1.jsonl": ROWS[1]},
        {f"{JOB}/predictions.jsonl": ROWS[0], f"{JOB}/incremental_predictions/1.jsonl": ALL},
        {f"{JOB}/incremental_predictions/predictions.jsonl-00000": ALL},
        {"out/incremental_predictions/1.jsonl": ALL},
        {f"{JOB}/predictions.jsonl": ROWS[0], "out/incremental_predictions/1.jsonl": ALL},
        {f"{JOB}/predictions.jsonl": ALL, "out/prediction-model-earlier/predictions.jsonl": b"{}"},
    ],
    ids=lambda files: "+".join(files).replace(JOB, "JOB"),
)
def test_rows_are_found_in_whatever_files_they_are(
    door: Vertex, api: httpx2.Client, tmp_path: Path, files: dict[str, bytes]
) -> None:
    assert loaded(door, api, tmp_path, files) == [json.loads(row) for row in ROWS]


def test_where_nothing_is_written_nothing_is_fetched(
    door: Vertex, api: httpx2.Client, tmp_path: Path
) -> None:
    assert loaded(door, api, tmp_path, {f"{JOB}/predictions.jsonl": b""}) is None
    assert list(tmp_path.glob("responses*")) == []


def test_a_job_that_is_known_by_its_output_has_ended_when_each_request_has_its_row(
    door: Vertex, api: httpx2.Client
) -> None:
    def state(name: str, written: dict[str, bytes]) -> Any:
        put(api, f"pages/{name}/requests.jsonl", ALL)
        for file, content in written.items():
            put(api, f"pages/{name}/{file}", content)
        found = door.find(name)
        return found and (found["state"], found["name"].rpartition("/")[2])

    folder = JOB.partition("/")[2]
    assert state("v1", {}) is None
    assert state("v2", {f"{JOB}/p.jsonl": ALL}) == ("JOB_STATE_SUCCEEDED", folder)
    twice = {f"{JOB}/p.jsonl": ROWS[0] + ROWS[1] + ROWS[1]}
    assert state("v3", twice) == ("JOB_STATE_RUNNING", folder)
    beside = {"out/incremental_predictions/1.jsonl": ROWS[0]}
    assert state("v4", beside) is None
    assert state("v5", beside | {f"{JOB}/p.jsonl": ALL}) == ("JOB_STATE_SUCCEEDED", folder)


def test_what_is_there_already_is_asked_for_by_the_listing_alone(
    door: Vertex, api: httpx2.Client, emulator: Emulator
) -> None:
    bucket = Bucket(PROJECT, BUCKET)
    bucket.put("twice/a", b"x", "text/plain")
    before = len(emulator.ledger()["requests"])
    bucket.put("twice/a", b"x", "text/plain")
    with pytest.raises(ApiProblem, match="is there already, and is not what is to be stored"):
        bucket.put("twice/a", b"y", "text/plain")
    asked = [one for one in emulator.ledger()["requests"][before:] if one["method"] == "GET"]
    assert {one["path"].partition("?")[0] for one in asked} == {f"/storage/v1/b/{BUCKET}/o"}
    assert "twice/a" in names(api)


def test_a_bucket_that_tells_no_checksum_is_compared_by_size() -> None:
    listing = Listing({"a": Stored("a", 1, None, None)})
    assert listing.has("a", b"x")
    assert not listing.has("a", b"xy")
    assert not Listing({"a": Stored("a", 1, "AAAAAA==", datetime.now(UTC))}).has("a", b"x")
