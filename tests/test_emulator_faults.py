import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emulator.faults import FAULTS
from emulator.vertex_faults import VERTEX_FAULTS
from emulator_client import (
    client,
    create,
    create_batch,
    download,
    generate,
    page_lines,
    page_request,
    png,
    result_lines,
    run_batch,
    send,
    start_upload,
    state,
    text_of,
    until,
    upload_lines,
)
from emulator_process import Emulator, running_emulator, wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("faults")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    """The emulator of this module; after each test every fault is off and every batch ended."""
    yield running
    running.faults(**dict.fromkeys(FAULTS))
    with client(running) as api:
        wait_for(lambda: all(operation.get("done") for operation in _listing(api)))


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


def test_every_fault_is_tried_here() -> None:
    source = Path(__file__).read_text()
    here = FAULTS.keys() - VERTEX_FAULTS.keys()
    assert [name for name in here if not re.search(rf"\b{name}\b", source)] == []


def test_faults_come_by_option_and_by_request(tmp_path: Path) -> None:
    options = (
        "--fault",
        "get_503=2",
        "--fault",
        "lines_shuffled",
        "--fault",
        "line_error=0:13,4:7",
    )
    with running_emulator(tmp_path, *options) as emulator, client(emulator) as api:
        shown = {"get_503": 2, "lines_shuffled": True, "line_error": "0:13,4:7"}
        assert emulator.control("/emulator/faults") == shown
        assert api.get("/v1beta/batches/x").status_code == 503
        assert emulator.faults(lines_shuffled=None, answer_in_parts="0,3") == {
            "get_503": 1,
            "line_error": "0:13,4:7",
            "answer_in_parts": "0,3",
        }
        assert api.get("/v1beta/batches/x").status_code == 503
        assert api.get("/v1beta/batches/x").status_code == 404
        for wrong in ({"no_such_fault": 1}, {"get_503": "often"}, {"line_error": "3"}):
            assert api.post("/emulator/faults", json=wrong).status_code == 400


# Lines of the result file


def test_lines_shuffled(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(lines_shuffled=True)
    keys = [line["key"] for line in run_batch(api, page_lines(20))]
    assert keys != sorted(keys, key=int)
    assert sorted(keys, key=int) == [str(index) for index in range(20)]


def test_line_missing_is_billed_all_the_same(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(line_missing=1)
    before = len(emulator.ledger()["answers"])
    assert [line["key"] for line in run_batch(api, page_lines(3))] == ["0", "2"]
    assert len(emulator.ledger()["answers"]) == before + 3


def test_line_doubled(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(line_doubled=0)
    assert [line["key"] for line in run_batch(api, page_lines(2))] == ["0", "0", "1"]


def test_line_unknown(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(line_unknown=True)
    lines = run_batch(api, page_lines(1))
    assert len(lines) == 2
    assert lines[1]["key"] not in ("0", None)


def test_line_not_json(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(line_not_json="1")
    name = create_batch(api, page_lines(3))
    until(api, name)
    lines = download(api, name).split(b"\n")
    json.loads(lines[0]), json.loads(lines[2])
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[1])


def test_line_key_in_metadata(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(line_key_in_metadata="all")
    (line,) = run_batch(api, page_lines(1))
    assert line["metadata"] == {"key": "0"}
    assert "key" not in line


@pytest.mark.parametrize(("fault", "field"), [("line_error", "error"), ("line_status", "status")])
def test_a_row_that_fails_is_not_billed(
    api: httpx2.Client, emulator: Emulator, fault: str, field: str
) -> None:
    emulator.faults(**{fault: "0:13,2:7"})
    name = create_batch(api, page_lines(3))
    reply = until(api, name)
    lines = result_lines(download(api, name))
    assert lines[0] == {"key": "0", field: {"code": 13}}
    assert lines[2] == {"key": "2", field: {"code": 7}}
    assert "response" in lines[1]
    assert reply["metadata"]["batchStats"] == {
        "requestCount": "3",
        "successfulRequestCount": "1",
        "failedRequestCount": "2",
    }
    bills = [bill["key"] for bill in emulator.ledger()["answers"] if bill["batch"] == name]
    assert bills == ["1"]


# Answers


def faulty(api: httpx2.Client, emulator: Emulator, fault: str) -> Any:
    """The response of row 1 under the fault; row 0 and calls in real time must be free of it."""
    emulator.faults(**{fault: 1})
    whole, response = (line["response"] for line in run_batch(api, page_lines(2)))
    assert _is_page(whole, 0)
    assert len(whole["candidates"][0]["content"]["parts"]) == 1
    assert _is_page(generate(api, page_request(1)).json(), 1)
    emulator.faults(**{fault: "all"})
    in_real_time = generate(api, page_request(1)).json()
    assert in_real_time.keys() == response.keys()
    assert in_real_time.get("candidates") == response.get("candidates")
    return response


def _is_page(response: dict[str, Any], seed: int) -> bool:
    page = json.loads(text_of(response))
    digest = hashlib.sha256(png(seed)).hexdigest()
    return len(page["quadrants"]) == 4 and page["comments_raw"] == f"sha256 {digest}"


def test_answer_in_parts(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_in_parts")
    parts = response["candidates"][0]["content"]["parts"]
    assert len(parts) == 4
    assert any(part["text"].endswith("\\") for part in parts)
    assert _is_page(response, 1)


def test_answer_with_thoughts(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_with_thoughts")
    parts = response["candidates"][0]["content"]["parts"]
    assert parts[0]["thought"] is True
    assert list(parts[-1]) == ["thoughtSignature"]
    assert _is_page(response, 1)
    usage = response["usageMetadata"]
    counts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in counts)


def test_answer_recitation(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_recitation")
    assert response["candidates"] == [{"finishReason": "RECITATION", "index": 0}]


def test_answer_max_tokens(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_max_tokens")
    assert response["candidates"][0]["finishReason"] == "MAX_TOKENS"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(response))


def test_answer_thinks_to_the_ceiling(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(answer_thinks_to_the_ceiling="all")
    for asked, most in (({"maxOutputTokens": 500}, 500), ({}, 65_536)):
        response = generate(api, page_request(1, generationConfig=asked)).json()
        assert response["candidates"][0]["finishReason"] == "MAX_TOKENS"
        assert text_of(response) == ""
        assert response["usageMetadata"]["thoughtsTokenCount"] == most
        assert "candidatesTokenCount" not in response["usageMetadata"]
        assert emulator.ledger()["answers"][-1]["usage"] == response["usageMetadata"]


def test_answer_thinking_in_total(api: httpx2.Client, emulator: Emulator) -> None:
    usage = faulty(api, emulator, "answer_thinking_in_total")["usageMetadata"]
    assert "thoughtsTokenCount" not in usage
    thinking = emulator.ledger()["answers"][-1]["usage"]["thoughtsTokenCount"]
    text = usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert usage["totalTokenCount"] == text + thinking


def test_answer_no_usage(api: httpx2.Client, emulator: Emulator) -> None:
    assert "usageMetadata" not in faulty(api, emulator, "answer_no_usage")
    assert emulator.ledger()["answers"][-1]["usage"]["candidatesTokenCount"] > 0


def test_answer_other_model(api: httpx2.Client, emulator: Emulator) -> None:
    assert faulty(api, emulator, "answer_other_model")["modelVersion"] == "gemini-2.5-flash"


def test_answer_blocked(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_blocked")
    assert response["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in response
    assert "candidatesTokenCount" not in response["usageMetadata"]


def test_answer_not_json(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_not_json")
    assert response["candidates"][0]["finishReason"] == "STOP"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(response))


def test_answer_three_blocks(api: httpx2.Client, emulator: Emulator) -> None:
    page = json.loads(text_of(faulty(api, emulator, "answer_three_blocks")))
    assert len(page["quadrants"]) == 3


def test_answer_u2028(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(answer_u2028="all")
    name = create_batch(api, page_lines(2))
    until(api, name)
    content = download(api, name)
    assert "\u2028".encode() in content
    assert "\u0085".encode() in content
    assert len(content.decode().splitlines()) > 2  # the trap
    assert [line["key"] for line in result_lines(content)] == ["0", "1"]


def test_answer_new_field(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_new_field")
    assert "orchestration" in response
    assert "certainty" in response["candidates"][0]
    assert _is_page(response, 1)


def test_answer_finish(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(answer_finish="0:SAFETY,SPII")
    assert emulator.faults() == {"answer_finish": "0:SAFETY,SPII"}
    name = create_batch(api, page_lines(2))
    until(api, name)
    lines = {line["key"]: line for line in result_lines(download(api, name))}
    finishes = [lines[key]["response"]["candidates"][0]["finishReason"] for key in ("0", "1")]
    assert finishes == ["SAFETY", "SPII"]
    assert generate(api, page_request(1)).json()["candidates"][0]["finishReason"] == "SPII"


@pytest.mark.parametrize(
    ("fault", "begin", "end"),
    [
        ("answer_stray_end", "{", '}."\n}'),
        ("answer_fenced", "Here is the transcription:\n```json\n{", "}\n```"),
        ("answer_bom", "\ufeff{", "}"),
        ("answer_list_of_one", "[{", "}]"),
        ("answer_endless_list", '{"page_date_raw": "\\ud83c\\udfb5", "quadrants": [[', "[[["),
    ],
)
def test_a_spoilt_envelope(
    api: httpx2.Client, emulator: Emulator, fault: str, begin: str, end: str
) -> None:
    text = text_of(faulty(api, emulator, fault))
    assert text.startswith(begin)
    assert text.endswith(end)


def test_answer_twice_and_answer_two_pages(api: httpx2.Client, emulator: Emulator) -> None:
    text = text_of(faulty(api, emulator, "answer_twice"))
    assert text[: len(text) // 2] == text[len(text) // 2 :]
    emulator.faults(answer_twice=None)
    decoder = json.JSONDecoder()
    text = text_of(faulty(api, emulator, "answer_two_pages"))
    first, end = decoder.raw_decode(text)
    second, _ = decoder.raw_decode(text, end)
    assert first | {"comments_raw": "another page"} == second != first


def test_answer_null_part(api: httpx2.Client, emulator: Emulator) -> None:
    response = faulty(api, emulator, "answer_null_part")
    assert response["candidates"][0]["content"]["parts"][-1] == {"text": None}


def test_answer_null_lists_null_words_and_other_letters(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(answer_null_lists="all", answer_null_words="all")
    page = json.loads(text_of(faulty(api, emulator, "answer_other_letters")))
    assert (page["oddities"], page["page_date_raw"]) == (None, "null")
    first, second = page["quadrants"][:2]
    assert (first["position"], second["position"]) == ("TOP_LEFT", "top-right")
    assert (first["jock_raw"], second["jock_raw"]) == ("null", "None")
    assert (first["entries"][0]["confidence"], second["entries"]) == ("High", None)


def test_answer_half_character(api: httpx2.Client, emulator: Emulator) -> None:
    assert r"\ud83c\u0000" in text_of(faulty(api, emulator, "answer_half_character"))


def test_answer_row_1000_and_answer_long_number(api: httpx2.Client, emulator: Emulator) -> None:
    assert '"row_index":1000' in text_of(faulty(api, emulator, "answer_row_1000"))
    assert "7" * 5000 in text_of(faulty(api, emulator, "answer_long_number"))


def test_line_error_text_line_status_text_and_line_error_in_response(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(line_error_text="0", line_status_text="1", line_error_in_response="2")
    name = create_batch(api, page_lines(3))
    until(api, name)
    lines = {line["key"]: line for line in result_lines(download(api, name))}
    assert isinstance(lines["0"]["error"], str)
    assert isinstance(lines["1"]["status"], str)
    assert lines["2"]["response"]["error"]["code"] == 13
    assert emulator.ledger()["answers"] == [] or name not in {
        answer.get("batch") for answer in emulator.ledger()["answers"]
    }


# Batches


def test_succeeded_before_file(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True, succeeded_before_file=2)
    name = create_batch(api, page_lines(1))
    emulator.faults(batch_stays_pending=None)
    wait_for(lambda: state(_listing(api)[0]) == "SUCCEEDED")
    for _ in range(2):
        reply = api.get(f"/v1beta/{name}").json()
        assert state(reply) == "SUCCEEDED"
        assert "response" not in reply
        assert "output" not in reply["metadata"]
    assert "responsesFile" in api.get(f"/v1beta/{name}").json()["response"]


def _listing(api: httpx2.Client) -> list[Any]:
    operations: list[Any] = api.get("/v1beta/batches?pageSize=100").json().get("operations", [])
    return operations


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("batch_failed", "FAILED"),
        ("batch_expired", "EXPIRED"),
        ("batch_cancelled_before", "CANCELLED"),
    ],
)
def test_a_batch_that_ends_without_results(
    api: httpx2.Client, emulator: Emulator, fault: str, end: str
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(**{fault: True})
    reply = until(api, create_batch(api, page_lines(2)))
    assert state(reply) == end
    assert reply["done"] is True
    assert reply["error"].keys() == {"code", "message"}
    assert "response" not in reply
    assert "output" not in reply["metadata"]
    assert len(emulator.ledger()["answers"]) == before


def test_batch_cancelled_after(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_cancelled_after=2)
    lines = run_batch(api, page_lines(4))
    assert ["response" in line for line in lines] == [True, True, False, False]
    assert lines[3] == {"key": "3", "error": {"code": 1}}


def test_batch_state(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_state="BATCH_STATE_PAUSED")
    name = create_batch(api, page_lines(1))
    assert "done" not in until(api, name, "PAUSED")
    emulator.faults(batch_state=None)
    assert state(until(api, name)) == "SUCCEEDED"


def test_batch_stays_pending_and_batch_stays_running(
    api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True, batch_stays_running=1)
    name = create_batch(api, page_lines(2))
    time.sleep(0.1)
    assert state(api.get(f"/v1beta/{name}").json()) == "PENDING"
    emulator.faults(batch_stays_pending=None)
    until(api, name, "RUNNING")
    time.sleep(0.1)
    assert api.get(f"/v1beta/{name}").json()["metadata"]["batchStats"] == {
        "requestCount": "2",
        "successfulRequestCount": "1",
        "pendingRequestCount": "1",
    }
    emulator.faults(batch_stays_running=None)
    assert state(until(api, name)) == "SUCCEEDED"


def test_batch_partially_succeeded(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(batch_partially_succeeded=True)
    name = create_batch(api, page_lines(1))
    reply = until(api, name, "PARTIALLY_SUCCEEDED")
    assert reply["done"] is True
    assert reply["response"]["responsesFile"]
    assert len(result_lines(download(api, name))) == 1


def test_cancelled_before_succeeded(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(cancelled_before_succeeded=2)
    name = create_batch(api, page_lines(1))
    reply = until(api, name)
    assert (state(reply), reply["error"]["code"], "response" in reply) == ("CANCELLED", 13, False)
    assert state(api.get(f"/v1beta/{name}").json()) == "CANCELLED"
    reply = api.get(f"/v1beta/{name}").json()
    assert (state(reply), "error" in reply) == ("SUCCEEDED", False)
    assert reply["response"]["responsesFile"]


def test_file_while_running(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(file_while_running=1)
    name = create_batch(api, page_lines(3))
    shown = wait_for(lambda: (r := api.get(f"/v1beta/{name}").json()).get("response") and r)
    assert (state(shown), "done" in shown) == ("RUNNING", False)
    assert [line["key"] for line in result_lines(download(api, name))] == ["0"]
    emulator.faults(file_while_running=None)
    until(api, name, "SUCCEEDED")
    assert len(result_lines(download(api, name))) == 3


def test_file_short(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(file_short=2)
    name = create_batch(api, page_lines(4))
    assert until(api, name)["metadata"]["batchStats"]["successfulRequestCount"] == "4"
    file = api.get(f"/v1beta/files/{name.replace('batches/', 'batch-')}").json()
    lengths = [len(content := download(api, name))]
    assert file["sizeBytes"] == str(len(content))  # nothing says that there is more to come
    lengths += [len(download(api, name)) for _ in range(3)]
    assert lengths[0] == lengths[1] < lengths[2] == lengths[3]
    assert len(result_lines(download(api, name))) == 4


@pytest.mark.parametrize(
    ("setting", "codes"),
    [("all:14", [14, 14, 14]), ("half:13", [13, None, 13]), ("1:1", [None, 1, None])],
)
def test_line_error_for_all_rows_half_of_them_or_one(
    api: httpx2.Client, emulator: Emulator, setting: str, codes: list[int | None]
) -> None:
    assert emulator.faults(line_error=setting) == {"line_error": setting}
    lines = run_batch(api, page_lines(3))
    assert [line.get("error", {}).get("code") for line in lines] == codes


# Creating a batch


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("create_503_after", 503, True),
        ("create_503_before", 503, False),
        ("create_429", 429, False),
        ("create_400", 400, False),
        ("create_file_expired", 403, False),
        ("create_cut_after", None, True),
        ("create_cut_before", None, False),
        ("create_timeout_after", None, True),
    ],
)
def test_a_create_that_goes_wrong_is_counted_truly(
    api: httpx2.Client, emulator: Emulator, fault: str, status: int | None, accepted: bool
) -> None:
    emulator.faults(**{fault: 1}, hold_seconds=0.2)
    file_name = upload_lines(api, page_lines(1))
    if status is None:
        with pytest.raises(httpx2.RemoteProtocolError):
            create(api, file_name, fault)
    else:
        assert create(api, file_name, fault).status_code == status
    names = [batch["displayName"] for batch in emulator.ledger()["batches"]]
    assert names.count(fault) == int(accepted)
    shown = [operation["metadata"]["displayName"] for operation in _listing(api)]
    assert shown.count(fault) == int(accepted)
    again = create(api, file_name, f"{fault} again")
    assert again.status_code == (403 if fault == "create_file_expired" else 200)


def test_a_429_reads_as_recorded(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(create_429=1)
    error = create(api, upload_lines(api, page_lines(1))).json()["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["message"].startswith("You exceeded your current quota, please check your plan")
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.Help"


def test_a_client_may_give_up_before_the_time_out(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(create_timeout_after=1)
    file_name = upload_lines(api, page_lines(1))
    api.timeout = httpx2.Timeout(0.2)
    with pytest.raises(httpx2.ReadTimeout):
        create(api, file_name, "given up")
    wait_for(lambda: emulator.ledger()["batches"][-1]["displayName"] == "given up")


def test_listing_lag(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(listing_lag=2)
    name = create_batch(api, page_lines(1))
    emulator.faults(listing_lag=None)
    seen = []
    for _ in range(3):
        seen.append(name in [operation["name"] for operation in _listing(api)])
    assert seen == [False, False, True]
    assert api.get(f"/v1beta/{name}").status_code == 200


def test_listings_that_are_odd(api: httpx2.Client, emulator: Emulator) -> None:
    name = create_batch(api, page_lines(1))
    emulator.faults(listing_metadata_null=True, listing_null=1)
    assert api.get("/v1beta/batches").json() == {"operations": None}
    operations = _listing(api)
    assert operations[0] == {"name": "batches/0strange0", "metadata": None}
    assert operations[1]["name"] == name


def test_create_name_number(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(create_name_number=1)
    assert create(api, upload_lines(api, page_lines(1)), "numbered").json()["name"] == 5
    assert emulator.ledger()["batches"][-1]["displayName"] == "numbered"


# The other calls


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ("upload_no_file", 200, {}),
        ("upload_error_200", 200, 400),
        ("upload_refuses_jsonl", 400, 400),
    ],
)
def test_an_upload_whose_last_answer_is_odd(
    api: httpx2.Client, emulator: Emulator, fault: str, status: int, body: Any
) -> None:
    emulator.faults(**{fault: 1})
    url = start_upload(api, 2, "application/jsonl").headers["x-goog-upload-url"]
    last = send(api, url, b"{}")
    assert (last.status_code, last.headers["x-goog-upload-status"]) == (status, "final")
    assert last.json().get("error", {}).get("code", {}) == body
    assert upload_lines(api, page_lines(1))


def test_an_upload_whose_first_answer_is_odd(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(upload_no_address=1, storage_429=1)
    refused = start_upload(api, 2, "text/plain")
    assert refused.status_code == 429
    assert refused.json()["error"]["message"].endswith("file_storage_bytes, limit: 21474836480")
    without = start_upload(api, 2, "text/plain")
    assert (without.json(), "x-goog-upload-url" in without.headers) == ({}, False)
    assert upload_lines(api, page_lines(1))


def test_metadata_of_results_that_is_odd(api: httpx2.Client, emulator: Emulator) -> None:
    name = create_batch(api, page_lines(1))
    until(api, name)
    path = f"/v1beta/files/{name.replace('batches/', 'batch-')}"
    emulator.faults(results_size_0=True)
    file = api.get(path).json()
    assert (file["sizeBytes"], "sha256Hash" in file) == ("0", False)
    emulator.faults(results_get_400=True)
    assert api.get(path).status_code == 400
    uploaded = upload_lines(api, page_lines(1))
    assert api.get(f"/v1beta/{uploaded}").json()["sizeBytes"] != "0"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("place_400", 400, "User location is not supported"),
        ("schema_400", 400, "too many states"),
        ("spending_429", 429, "monthly spending cap"),
    ],
)
def test_refusals_that_meet_every_request_to_a_model(
    api: httpx2.Client, emulator: Emulator, fault: str, status: int, words: str
) -> None:
    before = len(emulator.ledger()["answers"])
    file = upload_lines(api, page_lines(1))
    emulator.faults(**{fault: 2})
    for refused in (generate(api, page_request(1)), create(api, file)):
        assert refused.status_code == status
        assert words in refused.json()["error"]["message"]
    assert api.get("/v1beta/batches").status_code == 200
    assert len(emulator.ledger()["answers"]) == before
    assert generate(api, page_request(1)).status_code == 200


def test_something_in_between_answers_and_nothing_is_carried_out(
    api: httpx2.Client, emulator: Emulator
) -> None:
    file, before = upload_lines(api, page_lines(1)), emulator.ledger()
    emulator.faults(html_200=1, string_200=1)
    page = create(api, file)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert generate(api, page_request(1)).json() == "ok"
    emulator.faults(html_200=True, between_only=":generateContent")
    assert api.get("/v1beta/batches").json()["operations"]
    assert "Welcome" in generate(api, page_request(1)).text
    emulator.faults(html_200=None, between_only=None, redirect="http://127.0.0.1:9")
    there = api.get("/v1beta/batches")
    assert (there.status_code, there.headers["location"]) == (
        302,
        "http://127.0.0.1:9/v1beta/batches",
    )
    emulator.faults(redirect=None)
    after = emulator.ledger()
    assert (after["batches"], after["answers"]) == (before["batches"], before["answers"])


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8089"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.evil.example"},
    ],
)
def test_no_web_page_reaches_the_api_or_its_controls(
    api: httpx2.Client, emulator: Emulator, headers: dict[str, str]
) -> None:
    for path in ("/v1beta/batches", "/emulator/ledger", "/emulator/faults"):
        assert api.get(path, headers=headers).status_code == 403
    refused = api.post("/emulator/faults", json={"all_503": True}, headers=headers)
    assert refused.status_code == 403
    assert emulator.faults() == {}


def test_a_page_of_this_machine_reaches_the_api(api: httpx2.Client, emulator: Emulator) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        local = {"host": f"{host}:{emulator.port}", "origin": f"http://{host}:8001"}
        assert api.get("/v1beta/batches", headers=local).status_code == 200


def test_upload_500_takes_nothing_of_the_chunk(api: httpx2.Client, emulator: Emulator) -> None:
    url = start_upload(api, 4, "text/plain").headers["x-goog-upload-url"]
    send(api, url, b"ab", command="upload")
    emulator.faults(upload_500=1)
    broken = send(api, url, b"cd", 2)
    assert broken.status_code == 500
    assert "x-goog-upload-status" not in broken.headers
    assert send(api, url, b"cd", 2).json()["file"]["sizeBytes"] == "4"


def test_upload_cut(api: httpx2.Client, emulator: Emulator) -> None:
    emulator.faults(upload_cut=1)
    with pytest.raises(httpx2.TransportError):
        upload_lines(api, page_lines(1))
    assert upload_lines(api, page_lines(1))


def test_downloads_that_go_wrong(api: httpx2.Client, emulator: Emulator) -> None:
    name = create_batch(api, page_lines(3))
    until(api, name)
    content = download(api, name)
    emulator.faults(download_cut=1)
    with pytest.raises(httpx2.RemoteProtocolError, match="complete message body"):
        download(api, name)
    emulator.faults(download_byte=1)
    other = download(api, name)
    assert len(other) == len(content)
    assert result_lines(other)
    assert sum(a != b for a, b in zip(content, other, strict=True)) == 1
    for fault, status in (("download_404", 404), ("download_403", 403), ("download_400", 400)):
        emulator.faults(**{fault: 1})
        with pytest.raises(httpx2.HTTPStatusError) as refused:
            download(api, name)
        assert refused.value.response.status_code == status
    assert download(api, name) == content


def test_get_503_and_all_503(api: httpx2.Client, emulator: Emulator) -> None:
    name = create_batch(api, page_lines(1))
    emulator.faults(get_503=1)
    refused = api.get(f"/v1beta/{name}")
    assert (refused.status_code, refused.json()["error"]["status"]) == (503, "UNAVAILABLE")
    assert api.get(f"/v1beta/{name}").status_code == 200
    emulator.faults(all_503=True)
    assert api.get("/v1beta/files").status_code == 503
    assert generate(api, page_request(1)).status_code == 503
    emulator.faults(all_503=None)
    assert api.get("/v1beta/files").status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [("generate_503", 503), ("generate_429", 429), ("generate_cut_after", None)],
)
def test_a_call_in_real_time_that_goes_wrong_is_billed_truly(
    api: httpx2.Client, emulator: Emulator, fault: str, status: int | None
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(**{fault: 1})
    if status is None:
        with pytest.raises(httpx2.RemoteProtocolError):
            generate(api, page_request(1))
    else:
        assert generate(api, page_request(1)).status_code == status
    assert len(emulator.ledger()["answers"]) == before + (status is None)
    assert generate(api, page_request(1)).status_code == 200
