"""The Vertex door: tokens, jobs from create to delete, generateContent."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulator.job_filter import wanted
from emulator_client import MODEL, generate, png, text_of
from emulator_client import client as with_key
from emulator_client import page_request as page_for_the_other_door
from emulator_process import Emulator, running_emulator, wait_for
from emulator_vertex import (
    BUCKET,
    JOBS,
    body,
    client,
    create_job,
    files,
    output,
    page_lines,
    page_request,
    put,
    put_image,
    run_job,
    state,
    until,
)

GENERATE = JOBS.replace("batchPredictionJobs", f"publishers/google/models/{MODEL}:generateContent")
BUCKET_URL = f"/storage/v1/b/{BUCKET}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("vertex"), "--key", "the-key") as emulator:
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
    assert files(api, job) == [f"{directory.removeprefix(f'gs://{BUCKET}/')}/predictions.jsonl"]
    found = {line["key"]: line for line in output(api, job)}
    assert found.keys() == {"k-0", "k-1", "k-2"}
    for seed, sent_line in enumerate(lines):
        line = found[f"k-{seed}"]
        assert list(line) == ["status", "processed_time", "key", "request", "response"]
        assert line["status"] == ""
        image, text = sent_line["request"]["contents"][0]["parts"]
        assert line["request"]["contents"][0]["parts"] == [
            image | {"text": None},
            {"fileData": None} | text,
        ]
        assert hashlib.sha256(png(seed)).hexdigest() in text_of(line["response"])
        assert line["response"]["usageMetadata"]["trafficType"] == "ON_DEMAND"
        assert line["response"]["createTime"]


def test_the_order_is_lost_and_the_echo_is_written_anew(api: httpx2.Client) -> None:
    lines = page_lines(api, 20)
    for line in lines:
        line["request"]["generationConfig"]["temperature"] = 1.0
    found = run_job(api, lines, "disorder")
    keys = [line["key"] for line in found]
    assert sorted(keys) == sorted(f"k-{seed}" for seed in range(20))
    assert keys != [f"k-{seed}" for seed in range(20)]
    config = found[0]["request"]["generationConfig"]
    assert list(config) == sorted(config)
    assert str(config["temperature"]) == "1"


def test_a_row_that_fails_has_its_reason_as_a_text_and_is_not_billed(
    api: httpx2.Client, emulator: Emulator
) -> None:
    lines = page_lines(api, 2)
    del lines[0]["request"]["contents"][0]["role"]
    lines.append({"key": "k-2", "request": page_request(f"gs://{BUCKET}/pages/none.png")})
    lines.append({"key": "k-3", "request": lines[1]["request"] | {"surprise": 1}})
    before = len(emulator.ledger()["answers"])
    job = until(api, create_job(api, lines, "failing"))
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["completionStats"] == {"successfulCount": "1", "failedCount": "3"}
    found = {line["key"]: line for line in output(api, job)}
    assert found["k-0"]["status"] == (
        'Bad Request: {"error": {"code": 400, "message": "Please use a valid role: user, model.", '
        '"status": "INVALID_ARGUMENT"}}'
    )
    assert "pages/none.png" in found["k-2"]["status"]
    assert "surprise" in found["k-3"]["status"]
    assert [key for key in found if "response" in found[key]] == ["k-1"]
    billed = emulator.ledger()["answers"][before:]
    assert [(bill["mode"], bill["batch"], bill["key"]) for bill in billed] == [
        ("batch", job["name"], "k-1")
    ]
    assert billed[0]["image_sha256"] == hashlib.sha256(png(1)).hexdigest()
    job_record = emulator.ledger()["batches"][-1]
    assert (job_record["id"], job_record["requests"]) == (job["name"], 4)


# Getting in


def test_a_call_needs_a_token_and_a_key_is_none(emulator: Emulator, api: httpx2.Client) -> None:
    places = (JOBS, f"/v1beta1{JOBS.removeprefix('/v1')}", BUCKET_URL, f"{BUCKET_URL}/o")
    with with_key(emulator) as other:
        for place in places:
            assert api.get(place).status_code == 200
            assert other.get(place).status_code == 401
            assert other.get(f"{place}?key=the-key").status_code == 401
            wrong = {"authorization": "Bearer ya29.1-2-3"}
            assert other.get(place, headers=wrong).status_code == 401
        assert other.post(f"/upload{BUCKET_URL}/o?upload_id=x&name=y").status_code == 401
    refused = api.get(JOBS, headers={"authorization": "Bearer x"}).json()["error"]
    assert (refused["code"], refused["status"]) == (401, "UNAUTHENTICATED")
    refused = api.get(BUCKET_URL, headers={"authorization": "Bearer x"}).json()["error"]
    assert refused["errors"][0]["reason"] == "authError"
    assert api.get("/v1beta/batches").status_code == 403


def test_a_token_ends(emulator: Emulator) -> None:
    emulator.faults(token_seconds=1)
    with client(emulator) as api:
        wait_for(lambda: api.get(JOBS).status_code == 401)


def test_the_token_endpoint_refuses_what_is_no_signed_wish(emulator: Emulator) -> None:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    with httpx2.Client(base_url=emulator.url, trust_env=False, verify=False) as api:
        for form in (
            {},
            {"grant_type": "password"},
            {"grant_type": grant},
            {"grant_type": grant, "assertion": "a.b.c"},
            {"grant_type": grant, "assertion": "e30.e30.e30"},
        ):
            reply = api.post("/token", data=form)
            assert reply.status_code == 400
            assert reply.json()["error"] in ("invalid_grant", "unsupported_grant_type")


def test_the_emulator_gives_a_key_file_the_same_each_time(emulator: Emulator) -> None:
    account = emulator.control("/emulator/service-account")
    assert account["type"] == "service_account"
    assert account["token_uri"] == f"{emulator.url}/token"
    assert account["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert emulator.control("/emulator/service-account") == account


# Create


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "publishers/google/models/gemma-3"}, "PublisherModel gemma-3 does not exist"),
        ({"model": "models/gemini-3.1-pro-preview"}, "does not exist"),
        ({"displayName": ""}, "displayName"),
        ({"inputConfig": {"instancesFormat": "jsonl"}}, "gs://"),
        ({"outputConfig": {"predictionsFormat": "jsonl"}}, "gs://"),
        ({"surprise": 1}, "Cannot find field"),
    ],
)
def test_what_is_wrong_with_a_create_is_refused(
    api: httpx2.Client, change: dict[str, Any], said: str
) -> None:
    reply = api.post(JOBS, json=body("refused") | change)
    assert reply.status_code == (404 if "model" in change else 400)
    assert said in reply.json()["error"]["message"]


def test_gemini_3_is_served_at_global_alone(api: httpx2.Client) -> None:
    region = JOBS.replace("global", "us-central1")
    reply = api.post(region, json=body("region"))
    assert reply.status_code == 404
    message = "The PublisherModel gemini-3.1-pro-preview does not exist."
    assert reply.json()["error"] == {"code": 404, "message": message, "status": "NOT_FOUND"}
    assert api.post(GENERATE.replace("global", "us-central1"), json={}).status_code == 404


def test_a_bucket_that_is_missing_shows_after_the_create(api: httpx2.Client) -> None:
    for where in ("inputConfig", "outputConfig"):
        sent = body("x")
        put(api, "x/requests.jsonl", json.dumps(page_lines(api, 1)[0]))
        sent[where] = json.loads(json.dumps(sent[where]).replace(BUCKET, "no-such-bucket"))
        reply = api.post(JOBS, json=sent)
        assert reply.status_code == 200
        job = until(api, reply.json()["name"])
        assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 9)
        assert "outputInfo" not in job
        assert "completionStats" not in job


def test_an_input_that_cannot_be_imported_fails_the_job_before_anything_runs(
    api: httpx2.Client, emulator: Emulator
) -> None:
    lines = page_lines(api, 2)
    lines[1]["request"]["tools"] = [{"googleSearch": {}}]
    before = len(emulator.ledger()["answers"])
    job = until(api, create_job(api, lines, "import"))
    assert job["error"] == {
        "code": 3,
        "message": "Failed to import data. Please check 'Prepare input' section of the batch "
        "predictions documentation. Cannot store struct 'request.tools.googleSearch' with no "
        "fields",
    }
    assert "outputInfo" not in job
    assert len(emulator.ledger()["answers"]) == before
    missing = api.post(JOBS, json=body("nothing-there")).json()
    assert until(api, missing["name"])["error"]["code"] == 3


# Get, list


def test_a_name_with_the_project_id_or_its_number_is_the_same_job(api: httpx2.Client) -> None:
    name = create_job(api, page_lines(api, 1), "names")
    job_id = name.rpartition("/")[2]
    assert api.get(f"{JOBS}/{job_id}").json()["name"] == name
    for elsewhere in (
        f"{JOBS.replace('example-project', 'other-project')}/{job_id}",
        f"{JOBS.replace('global', 'europe-west4')}/{job_id}",
        f"{JOBS}/1",
    ):
        assert api.get(elsewhere).status_code == 404


def test_a_listing_is_filtered_and_comes_in_pages(api: httpx2.Client) -> None:
    place = JOBS.replace("example-project", "a-project-of-its-own")
    assert api.get(place).json() == {}
    put(api, "l/requests.jsonl", json.dumps(page_lines(api, 1)[0]))
    names = [api.post(place, json=body("l", f"flow-{n}")).json()["name"] for n in range(5)]
    for name in names:
        until(api, name)

    def shown(text: str) -> list[str]:
        reply = api.get(place, params={"filter": text}).json()
        return [job["displayName"] for job in reply.get("batchPredictionJobs", [])]

    assert shown('displayName="flow-3"') == ["flow-3"]
    assert shown('display_name = "flow-3" OR displayName="flow-1"') == ["flow-3", "flow-1"]
    assert shown('displayName:"flow-*" AND NOT displayName="flow-0"') == [
        f"flow-{n}" for n in (4, 3, 2, 1)
    ]
    assert shown('displayName="flow-3" AND state="JOB_STATE_FAILED"') == []
    assert api.get(place, params={"filter": 'displayName="none"'}).json() == {}
    first = api.get(place, params={"pageSize": 3}).json()
    rest = api.get(place, params={"pageSize": 3, "pageToken": first["nextPageToken"]}).json()
    both = first["batchPredictionJobs"] + rest["batchPredictionJobs"]
    assert [job["name"] for job in both] == names[::-1]
    assert rest["nextPageToken"] == ""


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ('displayName="flow 1"', True),
        ("displayName='flow 1'", True),
        ('displayName!="flow 1"', False),
        ('displayName:"flow*"', True),
        ('displayName:"*1"', True),
        ('displayName:"low*"', False),
        ('displayName:"flow[ ]1"', False),
        ("state=JOB_STATE_RUNNING", True),
        ('state!="JOB_STATE_RUNNING"', False),
        ('-state="JOB_STATE_FAILED"', True),
        ('NOT state="JOB_STATE_RUNNING"', False),
        ('createTime>"2026-11-25T02:40:00Z"', True),
        ('create_time>="2026-11-25T02:40:00.5Z"', True),
        ('createTime<"2026-11-25T02:40:00.50Z"', False),
        ("labels.station=kfjc", True),
        ("labels.station:*", True),
        ("labels.other:*", False),
        ('(state="X" OR state="JOB_STATE_RUNNING") displayName="flow 1"', True),
        ('state="X" AND state="X" OR displayName="flow 1"', False),
    ],
)
def test_filters(text: str, holds: bool) -> None:
    job = {
        "displayName": "flow 1",
        "state": "JOB_STATE_RUNNING",
        "createTime": "2026-11-25T02:40:00.500000Z",
        "labels": {"station": "kfjc"},
    }
    assert wanted(text)(job) is holds


@pytest.mark.parametrize(
    "text", ["displayName", 'displayName="', "displayName=", "=3", 'x="1"', '(state="1"', "state:*"]
)
def test_a_filter_that_is_none_is_refused(api: httpx2.Client, text: str) -> None:
    reply = api.get(JOBS, params={"filter": text})
    assert (reply.status_code, reply.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


# Cancel, delete


def test_a_cancel_exports_and_charges_what_is_done(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_stays_running=3)
    before = len(emulator.ledger()["answers"])
    name = create_job(api, page_lines(api, 5), "cancel")
    wait_for(lambda: len(emulator.ledger()["answers"]) == before + 3)
    assert state(api.get(f"/v1/{name}").json()) == "RUNNING"
    assert api.post(f"/v1/{name}:cancel").json() == {}
    job = until(api, name)
    assert job["state"] == "JOB_STATE_CANCELLED"
    assert job["error"] == {"code": 1, "message": "CANCELED"}
    assert {line["key"] for line in output(api, job)} == {"k-0", "k-1", "k-2"}
    assert len(emulator.ledger()["answers"]) == before + 3


def test_a_job_that_has_not_started_is_cancelled_with_nothing(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    name = create_job(api, page_lines(api, 1), "early")
    assert api.post(f"/v1/{name}:cancel").json() == {}
    job = until(api, name)
    assert job["state"] == "JOB_STATE_CANCELLED"
    assert "outputInfo" not in job


def test_a_job_that_has_ended_is_not_cancelled_and_only_such_a_job_is_deleted(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_running=0)
    name = create_job(api, page_lines(api, 1), "delete")
    refused = api.delete(f"/v1/{name}")
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    emulator.faults(batch_stays_running=None)
    job = until(api, name)
    refused = api.post(f"/v1/{name}:cancel")
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    operation = api.delete(f"/v1/{name}").json()
    assert operation["done"] is True
    assert operation["name"].startswith("projects/123456789012/locations/global/operations/")
    assert api.get(f"/v1/{name}").status_code == 404
    assert api.delete(f"/v1/{name}").status_code == 404
    assert len(output(api, job)) == 1


# Times, kills


def test_jobs_and_the_clock(tmp_path: Path) -> None:
    with running_emulator(tmp_path, "--still") as emulator, client(emulator) as api:
        emulator.faults(batch_stays_pending=True)
        queued = create_job(api, page_lines(api, 1), "q")
        emulator.advance(72 * 3600)
        assert until(api, queued)["state"] == "JOB_STATE_EXPIRED"
        emulator.faults(batch_stays_pending=None, batch_stays_running=1)
        running = create_job(api, page_lines(api, 2), "r")
        wait_for(lambda: len(emulator.ledger()["answers"]) == 1)
        emulator.advance(24 * 3600)
        job = until(api, running)
        assert job["state"] == "JOB_STATE_CANCELLED"
        assert [line["key"] for line in output(api, job)] == ["k-0"]
        emulator.faults(batch_stays_running=None)
        jobs = [until(api, create_job(api, page_lines(api, n), "same")) for n in (1, 2)]
        assert files(api, jobs[0]) == files(api, jobs[1])  # one instant, one prefix
        assert {line["key"] for line in output(api, jobs[0])} == {"k-0", "k-1"}


def test_kill_9_loses_nothing_and_bills_nothing_twice(tmp_path: Path) -> None:
    """The token outlives it as well."""
    stop = ("--fault", "batch_stays_running=4")
    with running_emulator(tmp_path, *stop) as emulator, client(emulator) as api:
        name = create_job(api, page_lines(api, 8), "kill")
        wait_for(lambda: len(emulator.ledger()["answers"]) == 4)
        for step in (6, 8):
            emulator.kill()
            emulator.args = ("--reader", "quick", "--fault", f"batch_stays_running={step}")
            emulator.start()
            wait_for(lambda: len(emulator.ledger()["answers"]) == step)  # noqa: B023
        job = until(api, name)
        assert {line["key"] for line in output(api, job)} == {f"k-{n}" for n in range(8)}
        bills = emulator.ledger()["answers"]
        assert sorted(bill["index"] for bill in bills) == list(range(8))
        assert {bill["batch"] for bill in bills} == {name}


# generateContent, and both doors at once


def test_generate_content_takes_an_image_from_the_bucket_or_along(
    api: httpx2.Client, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    reply = api.post(GENERATE, json=page_request(put_image(api, 7)))
    assert reply.status_code == 200
    digest = hashlib.sha256(png(7)).hexdigest()
    assert digest in text_of(reply.json())
    assert reply.json()["usageMetadata"]["trafficType"] == "ON_DEMAND"
    inline = api.post(GENERATE, json=page_for_the_other_door(7)).json()
    assert digest in text_of(inline)
    bills = emulator.ledger()["answers"][before:]
    assert [(bill["mode"], bill["image_sha256"]) for bill in bills] == [("realtime", digest)] * 2
    missing = api.post(GENERATE, json=page_request(f"gs://{BUCKET}/pages/none.png"))
    assert missing.status_code == 400


def test_both_doors_on_one_port_share_the_ledger_and_nothing_else(
    api: httpx2.Client, emulator: Emulator
) -> None:
    with with_key(emulator) as other:
        other.headers["x-goog-api-key"] = "the-key"
        before = len(emulator.ledger()["answers"])
        assert generate(other, page_for_the_other_door(9)).status_code == 200
        assert api.post(GENERATE, json=page_for_the_other_door(9)).status_code == 200
        assert len(emulator.ledger()["answers"]) == before + 2
        assert generate(other, page_request(put_image(api, 9))).status_code == 403
        assert "operations" not in other.get("/v1beta/batches").json()
