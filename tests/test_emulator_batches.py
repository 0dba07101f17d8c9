import base64
import hashlib
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulator_client import (
    MODEL,
    client,
    create,
    create_batch,
    download,
    page_lines,
    page_request,
    png,
    result_lines,
    run_batch,
    state,
    text_of,
    until,
    upload_lines,
)
from emulator_process import Emulator, running_emulator, wait_for

TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
INLINE_URL = f"/v1beta/models/{MODEL}:batchGenerateContent"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("batches")) as emulator:
        yield emulator


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def test_create_answers_as_recorded(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--fault", "batch_stays_pending") as emulator,
        client(emulator) as api,
    ):
        file_name = upload_lines(api, page_lines(2))
        reply = create(api, file_name, "my batch name").json()
        name = reply["name"]
        time_ = reply["metadata"]["createTime"]
        assert len(name) == len("batches/leg9wy9p5df66syjxke2eq4xfjqcwp47ejv3")
        assert len(time_) == len("2026-01-06T11:09:11.943530657Z")
        assert reply == {
            "name": name,
            "metadata": {
                "@type": TYPE,
                "model": f"models/{MODEL}",
                "displayName": "my batch name",
                "inputConfig": {"fileName": file_name},
                "createTime": time_,
                "updateTime": time_,
                "batchStats": {"requestCount": "2", "pendingRequestCount": "2"},
                "state": "BATCH_STATE_PENDING",
                "name": name,
            },
        }
        assert api.get(f"/v1beta/{name}").json() == reply
        assert api.get("/v1beta/batches").json() == {"operations": [reply]}


def test_a_batch_that_succeeded_shows_its_file_in_both_places(api: httpx2.Client) -> None:
    file_name = upload_lines(api, page_lines(2))
    name = create(api, file_name, "my batch name").json()["name"]
    reply = until(api, name)
    output = {"responsesFile": name.replace("batches/", "files/batch-")}
    times = {key: reply["metadata"][key] for key in ("createTime", "endTime", "updateTime")}
    assert reply == {
        "name": name,
        "metadata": {
            "@type": TYPE,
            "model": f"models/{MODEL}",
            "displayName": "my batch name",
            "inputConfig": {"fileName": file_name},
            "output": output,
            **times,
            "batchStats": {"requestCount": "2", "successfulRequestCount": "2"},
            "state": "BATCH_STATE_SUCCEEDED",
            "name": name,
        },
        "done": True,
        "response": {"@type": f"{TYPE}Output", **output},
    }
    content = download(api, name)
    file = api.get(f"/v1beta/{output['responsesFile']}").json()
    assert file["sizeBytes"] == str(len(content))
    assert base64.b64decode(file["sha256Hash"]) == hashlib.sha256(content).hexdigest().encode()
    other_way = api.get(f"/download/v1beta/{output['responsesFile']}:download?alt=media")
    assert other_way.content == content


def test_each_result_line_belongs_to_the_image_of_its_key(api: httpx2.Client) -> None:
    lines = run_batch(api, page_lines(20))
    assert len(lines) == 20
    for line in lines:
        digest = hashlib.sha256(png(int(line["key"]))).hexdigest()
        page = json.loads(text_of(line["response"]))
        assert page["comments_raw"] == f"sha256 {digest}"
        assert line["response"]["modelVersion"] == "emulator-quick"
    orders = {tuple(line["response"]) for line in lines}
    assert len(orders) > 1  # the order of keys varies from line to line


def test_an_inline_batch_shows_its_responses_in_both_places(api: httpx2.Client) -> None:
    requests = [{"request": page_request(7), "metadata": {"key": "req_1"}}]
    config = {"inputConfig": {"requests": {"requests": requests}}, "displayName": "inline"}
    created = api.post(INLINE_URL, json={"batch": config}).json()
    assert "inputConfig" not in created["metadata"]
    reply = until(api, created["name"])
    output = reply["metadata"]["output"]
    assert reply["response"] == {"@type": f"{TYPE}Output", **output}
    (item,) = output["inlinedResponses"]["inlinedResponses"]
    assert item["metadata"] == {"key": "req_1"}
    digest = hashlib.sha256(png(7)).hexdigest()
    assert digest in text_of(item["response"])
    candidate = item["response"]["candidates"][0]
    assert (candidate["finishReason"], candidate["index"]) == ("STOP", 0)
    assert candidate["content"]["role"] == "model"


def test_a_batch_cancelled_before_its_start_has_error_13(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    name = create_batch(api, page_lines(1))
    assert api.post(f"/v1beta/{name}:cancel").json() == {}
    reply = until(api, name)
    emulator.faults(batch_stays_pending=None)
    batch_id = name.removeprefix("batches/")
    assert reply["done"] is True
    assert reply["metadata"]["state"] == "BATCH_STATE_CANCELLED"
    assert reply["metadata"]["batchStats"] == {"requestCount": "1", "pendingRequestCount": "1"}
    assert reply["error"] == {"code": 13, "message": f"Batch {batch_id} failed without error."}
    assert "response" not in reply


def test_a_batch_cancelled_after_its_start_succeeds_with_code_1(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_running=2)
    name = create_batch(api, page_lines(5))
    wait_for(lambda: len(_bills(emulator, name)) == 2)
    running = api.get(f"/v1beta/{name}").json()
    assert state(running) == "RUNNING"
    assert "done" not in running
    assert running["metadata"]["batchStats"] == {
        "requestCount": "5",
        "successfulRequestCount": "2",
        "pendingRequestCount": "3",
    }
    api.post(f"/v1beta/{name}:cancel")
    reply = until(api, name)
    emulator.faults(batch_stays_running=None)
    assert state(reply) == "SUCCEEDED"
    assert reply["metadata"]["batchStats"] == {
        "requestCount": "5",
        "successfulRequestCount": "2",
        "failedRequestCount": "3",
    }
    unserved = [line for line in result_lines(download(api, name)) if "error" in line]
    assert unserved == [{"error": {"code": 1}, "key": key} for key in ("2", "3", "4")]
    assert len(_bills(emulator, name)) == 2


def test_batches_are_listed_newest_first_in_pages(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        assert api.get("/v1beta/batches").json() == {}
        names = [create_batch(api, page_lines(1), f"b{number}") for number in range(5)]
        listed: list[str] = []
        token = ""
        while True:
            page = api.get("/v1beta/batches", params={"pageSize": 2, "pageToken": token}).json()
            listed += [operation["name"] for operation in page["operations"]]
            token = page.get("nextPageToken", "")
            if not token:
                break
            create_batch(api, page_lines(1), "made meanwhile")
        assert listed == names[::-1]


def test_a_deleted_batch_is_gone_though_it_goes_on(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    name = create_batch(api, page_lines(1))
    assert api.delete(f"/v1beta/{name}").json() == {}
    gone = api.get(f"/v1beta/{name}")
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == "Requested entity was not found."
    listed = api.get("/v1beta/batches?pageSize=100").json().get("operations", [])
    assert name not in [operation["name"] for operation in listed]
    emulator.faults(batch_stays_pending=None)
    wait_for(lambda: len(_bills(emulator, name)) == 1)


def test_a_batch_expires_after_48_hours(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--fault", "batch_stays_running=1") as emulator,
        client(emulator) as api,
    ):
        name = create_batch(api, page_lines(3))
        until(api, name, "RUNNING")
        emulator.advance(48 * 3600)
        reply = until(api, name)
        assert state(reply) == "EXPIRED"
        assert reply["done"] is True
        assert "response" not in reply


def test_a_batch_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--pending-seconds", "3600") as emulator,
        client(emulator) as api,
    ):
        name = create_batch(api, page_lines(1))
        time.sleep(0.1)
        assert state(api.get(f"/v1beta/{name}").json()) == "PENDING"
        emulator.advance(3600)
        assert state(until(api, name)) == "SUCCEEDED"


def test_the_input_file_is_not_needed_once_the_batch_exists(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    file_name = upload_lines(api, page_lines(1))
    name = create(api, file_name).json()["name"]
    api.delete(f"/v1beta/{file_name}")
    emulator.faults(batch_stays_pending=None)
    assert state(until(api, name)) == "SUCCEEDED"


BAD_LINES = [
    ({"key": "k", "request": page_request(0), "color": 1}, "no such field: 'color'"),
    ({"key": "k", "request": page_request(0, colour=1)}, "no such field: 'colour'"),
    (
        {"request": page_request(0, generationConfig={"cachedContent": "cachedContents/x"})},
        "no such field: 'cachedContent'",
    ),
    (
        {"request": {"contents": [{"parts": [{"txt": "a"}]}]}},
        "no such field: 'txt'",
    ),
    (
        {"request": page_request(0, generationConfig={"responseSchema": {"$ref": "a"}})},
        "no such field: '$ref'",
    ),
    ({"key": 3, "request": page_request(0)}, "'key'"),
    ({"request": page_request(0, generationConfig={"temperature": "hot"})}, "temperature"),
    ({"request": page_request(0, generationConfig={"mediaResolution": "HIGH"})}, "HIGH"),
    ({"request": {"contents": [{"parts": [{"inlineData": {"data": "*"}}]}]}}, "inline_data"),
    ({"key": "k"}, "no request"),
    ({"request": {"contents": []}}, "contents is not specified"),
    ('{"key": "k", "request"', "syntax error"),
    (
        {"request": page_request(0, cachedContent="cachedContents/x", systemInstruction={})},
        "CachedContent can not be used",
    ),
]


@pytest.mark.parametrize(("line", "complaint"), BAD_LINES)
def test_a_line_that_is_not_as_it_should_be_fails_the_create(
    api: httpx2.Client, emulator: Emulator, line: Any, complaint: str
) -> None:
    before = len(emulator.ledger()["batches"])
    reply = create(api, upload_lines(api, [*page_lines(1), line]))
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"].startswith("Error on line 2: ")
    assert complaint in error["message"]
    assert len(emulator.ledger()["batches"]) == before


def test_the_refusal_says_where_the_field_stands(api: httpx2.Client) -> None:
    line = '{"key": "k", "request": {"contents": [{"parts": [{"text": "a"}]}], "cash": 1}}'
    message = create(api, upload_lines(api, [line])).json()["error"]["message"]
    column = line.index('"cash"') + 1
    assert message == (
        f"Error on line 1: invalid JSON, near column {column}: no such field: 'cash'"
    )


def test_snake_case_and_both_base64_alphabets_are_understood(api: httpx2.Client) -> None:
    images = [seed for seed in range(300) if {"+", "/"} & set(_base64(seed))][:2]
    lines = []
    for seed in images:
        data = _base64(seed).replace("+", "-").replace("/", "_").rstrip("=")
        blob = {"mime_type": "image/png", "data": data}
        config = {"response_mime_type": "application/json"}
        request = {"contents": {"parts": {"inline_data": blob}}, "generation_config": config}
        lines.append({"key": str(seed), "request": request})
    for line in run_batch(api, lines):
        digest = hashlib.sha256(png(int(line["key"]))).hexdigest()
        assert digest in text_of(line["response"])


def _base64(seed: int) -> str:
    return base64.b64encode(png(seed)).decode()


def test_keys_may_be_missing_or_doubled(api: httpx2.Client) -> None:
    lines: list[Any] = [{"request": page_request(0)}, "", *page_lines(1), *page_lines(1)]
    assert sorted(line.get("key", "") for line in run_batch(api, lines)) == ["", "0", "0"]


def test_an_image_that_is_none_fails_its_row_alone(api: httpx2.Client, emulator: Emulator) -> None:
    broken = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    lines = [{"key": "bad", "request": {"contents": [{"parts": [broken]}]}}, *page_lines(1)]
    name = create_batch(api, lines)
    until(api, name)
    bad, good = result_lines(download(api, name))
    assert bad["error"]["code"] == 3
    assert "response" in good
    assert len(_bills(emulator, name)) == 1


def test_an_empty_file_and_an_unknown_file_are_refused(api: httpx2.Client) -> None:
    assert create(api, upload_lines(api, ["", ""])).status_code == 400
    unknown = create(api, "files/nobody")
    assert (unknown.status_code, unknown.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_an_unknown_model_is_refused(api: httpx2.Client) -> None:
    reply = api.post("/v1beta/models/gpt-9:batchGenerateContent", json={"batch": {}})
    error = reply.json()["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")
    assert error["message"].startswith(
        "models/gpt-9 is not found for API version v1beta, or is not supported for "
        "batchGenerateContent."
    )


def test_an_inline_body_over_20_mb_is_refused_as_recorded(api: httpx2.Client) -> None:
    reply = api.post(INLINE_URL, content=b" " * (20 * 1024 * 1024 + 1))
    assert reply.json() == {
        "error": {
            "code": 400,
            "status": "INVALID_ARGUMENT",
            "message": "Request payload size exceeds the limit: 20971520 bytes.",
        }
    }


def test_the_ledger_knows_every_batch_and_every_page(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        name = create_batch(api, page_lines(3), "named")
        until(api, name)
        ledger = emulator.ledger()
        (batch,) = ledger["batches"]
        assert (batch["id"], batch["displayName"], batch["requests"]) == (name, "named", 3)
        for answer in ledger["answers"]:
            digest = hashlib.sha256(png(int(answer["key"]))).hexdigest()
            assert answer["image_sha256"] == digest
            assert (answer["mode"], answer["batch"]) == ("batch", name)
            assert answer["usage"]["totalTokenCount"] > 1120
        assert sorted(answer["index"] for answer in ledger["answers"]) == [0, 1, 2]
        call = ledger["requests"][0]
        assert (call["method"], call["path"]) == ("POST", "/upload/v1beta/files")
        assert (call["status"], len(call["body_sha256"])) == (200, 64)


def test_a_restart_loses_no_batch(tmp_path: Path) -> None:
    with (
        running_emulator(tmp_path, "--fault", "batch_stays_running=3") as emulator,
        client(emulator) as api,
    ):
        name = create_batch(api, page_lines(6), "kept")
        wait_for(lambda: len(_bills(emulator, name)) == 3)
        emulator.kill()
        emulator.restart()
        assert len(_bills(emulator, name)) == 3
        assert state(api.get(f"/v1beta/{name}").json()) == "RUNNING"
        emulator.faults(batch_stays_running=None)
        until(api, name)
        content = download(api, name)
        emulator.kill()
        emulator.restart()
        assert download(api, name) == content
        assert state(api.get(f"/v1beta/{name}").json()) == "SUCCEEDED"
        assert [line["key"] for line in result_lines(content)] == list("012345")
        assert sorted(bill["index"] for bill in _bills(emulator, name)) == list(range(6))


def test_kills_at_any_moment_bill_no_row_twice(tmp_path: Path) -> None:
    random_ = random.Random(5)
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        name = create_batch(api, page_lines(120))
        for _ in range(5):
            time.sleep(random_.uniform(0, 0.05))
            emulator.kill()
            emulator.restart()
        assert state(until(api, name)) == "SUCCEEDED"
        assert len(result_lines(download(api, name))) == 120
        assert sorted(bill["index"] for bill in _bills(emulator, name)) == list(range(120))


def test_what_a_kill_kept_from_the_ledger_is_added(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client(emulator) as api:
        name = create_batch(api, page_lines(3))
        until(api, name)
        emulator.kill()
        ledger = emulator.data / "ledger.jsonl"
        whole = ledger.read_bytes()
        # the batch's own line and two bills are lost, and half of the third
        ledger.write_bytes(whole.split(b"\n")[1][:40])
        emulator.restart()
        assert [batch["id"] for batch in emulator.ledger()["batches"]] == [name]
        assert sorted(bill["index"] for bill in _bills(emulator, name)) == [0, 1, 2]


def _bills(emulator: Emulator, batch: str) -> list[dict[str, Any]]:
    return [answer for answer in emulator.ledger()["answers"] if answer["batch"] == batch]


def test_the_sdk_walks_a_batch_from_upload_to_download(emulator: Emulator, tmp_path: Path) -> None:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(api_version="v1beta", base_url=emulator.url)
    sdk = genai.Client(api_key="test-key", vertexai=False, http_options=options)
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in page_lines(3)))
    config = types.UploadFileConfig(mime_type="application/jsonl", display_name="sdk")
    file = sdk.files.upload(file=path, config=config)
    assert file.name
    assert file.state == types.FileState.ACTIVE
    job = sdk.batches.create(model=MODEL, src=file.name, config={"display_name": "sdk"})
    assert job.name
    assert job.state == types.JobState.JOB_STATE_PENDING

    def ended() -> Any:
        found = sdk.batches.get(name=job.name or "")
        return found if found.done else None

    job = wait_for(ended)
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    assert job.name in [listed.name for listed in sdk.batches.list()]
    target = tmp_path / "responses.jsonl"
    sdk.files.download(file=job.dest.file_name, destination=target)
    assert [line["key"] for line in result_lines(target.read_bytes())] == ["0", "1", "2"]
    sdk.batches.cancel(name=job.name)
    sdk.batches.delete(name=job.name)
    sdk.files.delete(name=file.name)

    inline = types.InlinedRequest(
        contents=types.Part.from_bytes(data=png(9), mime_type="image/png"),
        metadata={"key": "nine"},
        config=types.GenerateContentConfig(
            system_instruction="Read.", response_mime_type="application/json"
        ),
    )
    job = sdk.batches.create(model=MODEL, src=[inline])
    job = wait_for(ended)
    (item,) = job.dest.inlined_responses
    assert hashlib.sha256(png(9)).hexdigest() in item.response.text
