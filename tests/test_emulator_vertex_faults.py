"""Each fault of the Vertex door does what its line in `vertex_faults.py` says."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.auth.exceptions import RefreshError

from emulator.vertex_faults import VERTEX_FAULTS
from emulator_client import MODEL, text_of
from emulator_process import Emulator, running_emulator, wait_for
from emulator_vertex import (
    BUCKET,
    JOBS,
    bearer,
    client,
    create,
    create_job,
    files,
    lines_of,
    names,
    output,
    page_lines,
    page_request,
    put_image,
    read,
    run_job,
    state,
    until,
)

GENERATE = JOBS.replace("batchPredictionJobs", f"publishers/google/models/{MODEL}:generateContent")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("faults")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    for name in running.faults():
        running.faults(**{name: None})


@pytest.fixture(scope="module")
def api(running: Emulator) -> Iterator[httpx2.Client]:
    with client(running) as api:
        yield api


@pytest.fixture
def lines(api: httpx2.Client) -> list[dict[str, Any]]:
    """Three pages."""
    return page_lines(api, 3)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """A place in the bucket for each test."""
    return str(request.node.name)


def billed(emulator: Emulator, job: Any) -> list[str]:
    """The keys of the rows that a job was billed for."""
    return [bill["key"] for bill in emulator.ledger()["answers"] if bill["batch"] == job["name"]]


def keys(found: list[dict[str, Any]]) -> list[Any]:
    return sorted(line.get("key") for line in found)


def test_every_fault_is_tried_here_or_at_the_bucket() -> None:
    here = Path(__file__)
    source = here.read_text() + here.with_name("test_emulator_vertex_bucket.py").read_text()
    source += here.with_name("test_emulator_vertex.py").read_text()
    assert [name for name in VERTEX_FAULTS if not re.search(rf"\b{name}\b", source)] == []


# Lines of the output


def test_rows_in_order(api: httpx2.Client, emulator: Emulator, folder: str) -> None:
    emulator.faults(rows_in_order=True)
    found = run_job(api, page_lines(api, 12), folder)
    assert [line["key"] for line in found] == [f"k-{n}" for n in range(12)]


def test_a_row_is_missing_or_cut_and_billed_all_the_same(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(line_missing=1)
    job = until(api, create_job(api, lines, folder))
    assert job["completionStats"] == {"successfulCount": "3"}
    assert keys(output(api, job)) == ["k-0", "k-2"]
    assert sorted(billed(emulator, job)) == ["k-0", "k-1", "k-2"]
    emulator.faults(line_missing=None, line_not_json=0)
    job = until(api, create_job(api, lines, folder))
    with pytest.raises(json.JSONDecodeError):
        output(api, job)


def test_rows_that_are_there_twice(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(line_doubled=0, line_other_text=1)
    found = run_job(api, lines, folder)
    assert keys(found) == ["k-0", "k-0", "k-1", "k-1", "k-2"]
    same = [line for line in found if line["key"] == "k-0"]
    assert same[0] == same[1]
    other = [line for line in found if line["key"] == "k-1"]
    assert text_of(other[0]["response"]) != text_of(other[1]["response"])
    assert other[0]["request"] == other[1]["request"]


def test_a_row_without_key_echo_or_both_and_one_with_the_wrong_key(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(rows_in_order=True, line_no_key="0,1", line_no_echo="1,2")
    first, second, third = run_job(api, lines, folder)
    assert "key" not in first
    assert "request" in first
    assert second.keys() == {"status", "processed_time", "response"}
    assert third["key"] == "k-2"
    assert "request" not in third
    emulator.faults(line_no_key=None, line_no_echo=None, line_key_of_next=0)
    first = run_job(api, lines, folder)[0]
    assert first["key"] == "k-1"
    assert first["request"]["contents"][0]["parts"][0]["fileData"]["fileUri"].endswith("-0.png")


def test_an_unknown_row(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(line_unknown=True)
    assert "never-sent" in keys(run_job(api, lines, folder))


def test_shards_hold_every_row_once(api: httpx2.Client, emulator: Emulator, folder: str) -> None:
    emulator.faults(job_shards=3)
    job = until(api, create_job(api, page_lines(api, 7), folder))
    shards = files(api, job)
    assert len(shards) == 3
    assert all(name.endswith(".jsonl") for name in shards)
    assert keys(output(api, job)) == [f"k-{n}" for n in range(7)]


def test_incremental_files_while_it_runs_and_beside_the_final_one(
    api: httpx2.Client, emulator: Emulator, folder: str
) -> None:
    emulator.faults(job_incremental=1, batch_stays_running=4)
    name = create_job(api, page_lines(api, 5), folder)

    def parts() -> list[str]:
        return [found for found in names(api, folder) if "/incremental_predictions/" in found]

    def exported() -> list[dict[str, Any]]:
        return lines_of(read(api, part).content for part in parts())

    wait_for(lambda: len(exported()) == 4)
    assert not [found for found in names(api, folder) if found.endswith("/predictions.jsonl")]
    assert state(api.get(f"/v1/{name}").json()) == "RUNNING"
    emulator.faults(batch_stays_running=None)
    job = until(api, name)
    assert keys(output(api, job)) == [f"k-{n}" for n in range(5)]
    assert set(keys(exported())) >= {"k-0", "k-1", "k-2", "k-3"}


def test_rows_in_incremental_files_alone(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(job_incremental=2, job_incremental_alone=True, batch_cancelled_after=3)
    job = until(api, create_job(api, [*lines, *page_lines(api, 5)[3:]], folder))
    assert job["state"] == "JOB_STATE_CANCELLED"
    found = files(api, job)
    assert all("/incremental_predictions/" in name for name in found)
    exported = lines_of(read(api, name).content for name in found)
    assert Counter(line["key"] for line in exported) == Counter(["k-0", "k-1", "k-2"])


def test_another_jobs_output_under_the_same_prefix(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(job_stranger=True)
    job = until(api, create_job(api, lines, folder))
    assert keys(output(api, job)) == ["k-0", "k-1", "k-2"]
    foreign = set(names(api, f"{folder}/out")) - set(files(api, job))
    (line,) = lines_of(read(api, name).content for name in foreign)
    assert line["key"] == "k-of-another-job"


def test_an_output_that_shows_late(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(job_output_late=2)
    job = until(api, create_job(api, lines, folder))
    assert [len(files(api, job)) for _ in range(3)] == [0, 0, 1]


# Rows and answers


def test_rows_that_fail(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(line_deadline=0, line_error="1:13", line_status_text=2)
    job = until(api, create_job(api, lines, folder))
    assert job["completionStats"] == {"failedCount": "3"}
    found = {line["key"]: line for line in output(api, job)}
    reason = json.loads(found["k-0"]["status"].partition(": ")[2])["error"]
    assert (reason["code"], reason["status"]) == (4, "DEADLINE_EXCEEDED")
    assert json.loads(found["k-1"]["status"].partition(": ")[2])["error"]["code"] == 13
    assert found["k-2"]["status"] == "deadline exceeded"
    assert not any("response" in line for line in found.values())
    assert billed(emulator, job) == []
    emulator.faults(line_response_empty=True)
    assert [line["response"] for line in run_job(api, lines, folder)] == [{}, {}, {}]


def test_an_empty_text_and_a_total_that_is_missing(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(rows_in_order=True, answer_empty=0, answer_no_total=1)
    job = until(api, create_job(api, lines, folder))
    empty, no_total, _ = (line["response"] for line in output(api, job))
    assert empty["candidates"] == [
        {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP"}
    ]
    assert empty["usageMetadata"]["thoughtsTokenCount"] == 1416
    assert "candidatesTokenCount" not in empty["usageMetadata"]
    assert "totalTokenCount" not in no_total["usageMetadata"]
    assert no_total["usageMetadata"]["candidatesTokenCount"]
    bills = [bill for bill in emulator.ledger()["answers"] if bill["batch"] == job["name"]]
    assert {bill["index"]: bill["usage"].get("thoughtsTokenCount") for bill in bills}[0] == 1416
    assert all(bill["usage"]["totalTokenCount"] for bill in bills)


# Jobs


@pytest.mark.parametrize("code", [3, 8, 9, 13])
def test_a_job_that_fails_before_anything_runs(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str, code: int
) -> None:
    emulator.faults(job_failed=code, job_error_details=code == 8)
    job = until(api, create_job(api, lines, folder))
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", code)
    assert "outputInfo" not in job
    assert ("details" in job["error"]) is (code == 8)
    assert billed(emulator, job) == []
    assert names(api, f"{folder}/out") == []


@pytest.mark.parametrize(
    ("fault", "state_", "code"),
    [
        ("job_failed_after", "FAILED", 13),
        ("job_expired_after", "EXPIRED", 4),
        ("batch_cancelled_after", "CANCELLED", 1),
    ],
)
def test_a_job_that_ends_early_exports_and_charges_what_is_done(
    api: httpx2.Client,
    emulator: Emulator,
    lines: list[Any],
    folder: str,
    fault: str,
    state_: str,
    code: int,
) -> None:
    emulator.faults(**{fault: 2})
    job = until(api, create_job(api, lines, folder))
    assert (state(job), job["error"]["code"]) == (state_, code)
    assert keys(output(api, job)) == ["k-0", "k-1"]
    assert sorted(billed(emulator, job)) == ["k-0", "k-1"]
    emulator.faults(job_exports_nothing=True)
    job = until(api, create_job(api, lines, f"{folder}-nothing"))
    assert state(job) == state_
    assert files(api, job) == []


def test_an_output_that_may_not_be_written_shows_after_everything_ran(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(job_output_denied=True)
    job = until(api, create_job(api, lines, folder))
    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 7)
    assert 'permission "storage.objects.create"' in job["error"]["message"]
    assert job["completionStats"] == {"successfulCount": "3"}
    assert job["outputInfo"]["gcsOutputDirectory"].startswith(f"gs://{BUCKET}/")
    assert files(api, job) == []
    assert len(billed(emulator, job)) == 3


def test_cancelling_lasts_and_may_end_succeeded(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(batch_stays_running=1, job_cancelling=True)
    name = create_job(api, lines, folder)
    until(api, name, "RUNNING")
    api.post(f"/v1/{name}:cancel")
    assert state(api.get(f"/v1/{name}").json()) == "CANCELLING"
    assert api.post(f"/v1/{name}:cancel").json() == {}
    emulator.faults(job_cancelling=None)
    assert state(until(api, name)) == "CANCELLED"
    emulator.faults(job_cancelling=True, job_cancelling_succeeds=True)
    name = create_job(api, lines, folder)
    until(api, name, "RUNNING")
    api.post(f"/v1/{name}:cancel")
    assert state(until(api, name, "CANCELLING")) == "CANCELLING"
    emulator.faults(job_cancelling=None)
    job = until(api, name)
    assert state(job) == "SUCCEEDED"
    assert keys(output(api, job)) == ["k-0", "k-1", "k-2"]


@pytest.mark.parametrize("held_in", ["JOB_STATE_QUEUED", "JOB_STATE_PAUSED", "UPDATING"])
def test_a_job_that_stays_in_a_state(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str, held_in: str
) -> None:
    emulator.faults(batch_state=held_in)
    name = create_job(api, lines, folder)
    until(api, name, held_in.removeprefix("JOB_STATE_"))
    emulator.faults(batch_state=None)
    assert state(until(api, name)) == "SUCCEEDED"


def test_the_other_doors_faults_of_batches_are_this_ones_too(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    for fault, ends in (
        ("batch_failed", "FAILED"),
        ("batch_expired", "EXPIRED"),
        ("batch_cancelled_before", "CANCELLED"),
        ("batch_partially_succeeded", "PARTIALLY_SUCCEEDED"),
    ):
        emulator.faults(**{fault: True})
        job = until(api, create_job(api, lines, folder))
        assert state(job) == ends
        assert ("outputInfo" in job) is (ends == "PARTIALLY_SUCCEEDED")
        emulator.faults(**{fault: None})
    emulator.faults(succeeded_before_file=1)
    name = create_job(api, lines, folder)
    assert "outputInfo" not in until(api, name)
    assert "outputInfo" in until(api, name)


def test_counts_while_it_runs(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(batch_stays_running=2, job_counts=True)
    name = create_job(api, lines, folder)
    counts = {"successfulCount": "2", "incompleteCount": "-1"}
    wait_for(lambda: api.get(f"/v1/{name}").json().get("completionStats") == counts)
    emulator.faults(batch_stays_running=None)
    assert until(api, name)["completionStats"] == {"successfulCount": "3"}


# Calls


@pytest.mark.parametrize(
    ("fault", "code", "made"),
    [
        ("create_503_after", 503, 1),
        ("create_503_before", 503, 0),
        ("create_429", 429, 0),
        ("create_400", 400, 0),
        ("create_403", 403, 0),
        ("create_cut_after", None, 1),
        ("create_cut_before", None, 0),
        ("create_timeout_after", None, 1),
    ],
)
def test_a_create_that_is_not_answered_as_it_should_be(
    api: httpx2.Client,
    emulator: Emulator,
    lines: list[Any],
    folder: str,
    fault: str,
    code: int | None,
    made: int,
) -> None:
    emulator.faults(**{fault: 1}, hold_seconds=0.05)
    if code:
        reply = create(api, lines, folder, folder)
        assert (reply.status_code, reply.json()["error"]["code"]) == (code, code)
    else:
        with pytest.raises(httpx2.TransportError):
            create(api, lines, folder, folder)
    query = {"filter": f"displayName={json.dumps(folder)}"}
    found = api.get(JOBS, params=query).json().get("batchPredictionJobs", [])
    assert len(found) == made
    accepted = [batch["displayName"] for batch in emulator.ledger()["batches"]]
    assert accepted.count(folder) == made


def test_a_listing_that_lags_also_under_a_filter(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(listing_lag=2)
    create(api, lines, folder, folder)
    query = {"filter": f"displayName={json.dumps(folder)}"}
    shown = [bool(api.get(JOBS, params=query).json()) for _ in range(3)]
    assert shown == [False, False, True]


def test_a_project_where_the_api_is_not_enabled_yet(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(vertex_403=1)
    refused = api.get(JOBS)
    assert refused.status_code == 403
    assert "has not been used in project example-project" in refused.json()["error"]["message"]
    assert api.get(JOBS).status_code == 200


def test_tokens_that_are_not_given(emulator: Emulator) -> None:
    emulator.faults(token_400=1)
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        bearer(emulator)
    emulator.faults(token_503=1)
    assert bearer(emulator)  # the library asks again


def test_other_odd_replies(
    api: httpx2.Client, emulator: Emulator, lines: list[Any], folder: str
) -> None:
    emulator.faults(create_name_number=1, listing_null=1, get_503=1)
    assert create(api, lines, folder, folder).json()["name"] == 5
    assert api.get(JOBS).json() == {"batchPredictionJobs": None}
    name = api.get(JOBS).json()["batchPredictionJobs"][0]["name"]
    assert api.get(f"/v1/{name}").status_code == 503
    assert api.get(f"/v1/{name}").status_code == 200
    emulator.faults(place_400=1)
    assert create(api, lines, folder, folder).status_code == 400
    emulator.faults(all_503=1)
    assert api.get(f"/v1/{name}").status_code == 503


def test_generate_content_that_is_refused_or_cut(api: httpx2.Client, emulator: Emulator) -> None:
    request = page_request(put_image(api, 1))
    for fault, code in (("generate_503", 503), ("generate_429", 429), ("place_400", 400)):
        emulator.faults(**{fault: 1})
        assert api.post(GENERATE, json=request).status_code == code
    before = len(emulator.ledger()["answers"])
    emulator.faults(generate_cut_after=1)
    with pytest.raises(httpx2.TransportError):
        api.post(GENERATE, json=request)
    assert len(emulator.ledger()["answers"]) == before + 1
