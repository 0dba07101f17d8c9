"""The Vertex door: tokens, jobs from create to delete, generateContent."""

import hashlib
import json
import re
from collections.abc import Iterator

import httpx2
import pytest

from emulator_client import MODEL, png, text_of
from emulator_process import Emulator, running_emulator
from emulator_vertex import (
    BUCKET,
    JOBS,
    body,
    client,
    output,
    page_lines,
    put,
    until,
)

GENERATE = JOBS.replace("batchPredictionJobs", f"publishers/google/models/{MODEL}:generateContent")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("vertex"), "--key", "the-key") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def test_a_job_goes_through_as_the_samples_of_the_wire_show_it(api: httpx2.Client) -> None:
    lines = page_lines(api, 3)
    put(api, "walk/requests.jsonl", "\n".join(map(json.dumps, lines)))
    sent = body("walk", "flowsheets-b-0001")
    reply = api.post(JOBS, json=sent).json()
    place = "projects/123456789012/locations/global/batchPredictionJobs"
    assert re.fullmatch(rf"{place}/\d{{19}}", reply["name"])
    time = reply["createTime"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert reply == sent | {
        "name": reply["name"],
        "state": "JOB_STATE_PENDING",
        "createTime": time,
        "updateTime": time,
        "modelVersionId": "1",
    }
    job = until(api, reply["name"])
    directory = f"gs://{BUCKET}/walk/out/prediction-model-{time}"
    assert job == reply | {
        "state": "JOB_STATE_SUCCEEDED",
        "completionStats": {"successfulCount": "3"},
        "outputInfo": {"gcsOutputDirectory": directory},
        "startTime": job["startTime"],
        "endTime": job["endTime"],
        "updateTime": job["endTime"],
    }
    found = {line["key"]: line for line in output(api, job)}
    assert found.keys() == {"k-0", "k-1", "k-2"}
    for seed in range(3):
        line = found[f"k-{seed}"]
        assert list(line) == ["status", "processed_time", "key", "request", "response"]
        assert line["status"] == ""
        parts = line["request"]["contents"][0]["parts"]
        assert parts[0] == {
            "fileData": lines[seed]["request"]["contents"][0]["parts"][0]["fileData"],
            "text": None,
        }
        assert parts[1] == {"fileData": None, "text": "Transcribe."}
        assert hashlib.sha256(png(seed)).hexdigest() in text_of(line["response"])
        assert line["response"]["usageMetadata"]["trafficType"] == "ON_DEMAND"
        assert line["response"]["createTime"]
