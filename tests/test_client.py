"""The client: whatever the SDK raises or the network answers is one line that says what it is."""

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import httpx2
import pydantic
import pytest
from google.genai import errors

from emulator_process import Emulator
from flowsheets.errors import Problem
from flowsheets.gemini import calls, client, developer, real_time
from flowsheets.gemini.calls import ApiProblem
from flowsheets.gemini.operation import Counts, Operation
from middlebox import Middlebox, running_middlebox
from station import KEY, Station

MODEL = "gemini-3.1-pro-preview"
REQUEST: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Transcribe."}]}]}
RESPONSE = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"totalTokenCount": 3}}

CALLS: dict[str, Callable[[Path], object]] = {
    "generate": lambda folder: calls.generate(MODEL, REQUEST),
    "upload": lambda folder: developer.upload(_requests(folder), "name"),
    "create": lambda folder: developer.create(MODEL, "files/a", "name"),
    "find": lambda folder: developer.find("name"),
    "get": lambda folder: developer.get("batches/a"),
    "cancel": lambda folder: developer.cancel("batches/a"),
    "fetch": lambda folder: developer.fetch("files/batch-a", folder / "responses.jsonl"),
    "tidy_up": lambda folder: developer.tidy_up("files/a", ""),
    "create_cache": lambda folder: developer.create_cache(MODEL, "prompt", 60, "name"),
    "renew_cache": lambda folder: developer.renew_cache("cachedContents/a", 60),
    "delete_cache": lambda folder: developer.delete_cache("cachedContents/a"),
    "delete_caches": lambda folder: developer.delete_caches("name"),
}
# Those whose answer may be {}; of results, any object may be a line
EMPTY = (
    *("find", "delete_caches", "cancel", "tidy_up", "renew_cache"),
    *("delete_cache", "fetch"),
)


class Panic(BaseException):
    """As a native library raises it: no Exception."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("it cannot even be shown")


def _validation_error() -> Exception:
    try:
        pydantic.TypeAdapter(int).validate_python("a")
    except pydantic.ValidationError as error:
        return error
    raise AssertionError


REQUEST_SENT = httpx2.Request("GET", "http://127.0.0.1")
FAILURES: list[BaseException] = [
    AttributeError("'str' object has no attribute 'get'"),
    KeyError("file"),
    IndexError(),
    TypeError(),
    ValueError("Failed to upload file"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    json.JSONDecodeError("Expecting value", "<html>", 0),
    RecursionError(),
    AssertionError(),
    StopIteration(),
    NotImplementedError(),
    RuntimeError("cannot schedule new futures after shutdown"),
    ImportError("socksio"),
    MemoryError(),
    ConnectionResetError(104, "Connection reset by peer"),
    OSError("no number"),
    _validation_error(),
    ExceptionGroup("two", [ValueError(), KeyError()]),
    Panic("a bug in Rust"),
    Unspeakable(),
    errors.APIError(400, ["a list", "of two"]),
    errors.APIError(200, "a string"),
    errors.APIError(400, {"error": {"code": "x", "message": {"no": "text"}, "status": 7}}),
    errors.APIError(403, {"error": None}),
    errors.APIError(204, {}),
    errors.APIError(302, {"message": "Found", "status": "Found"}),
    errors.APIError(13, {"error": {"code": 13, "message": "Internal"}}),
    errors.ServerError(599, {}),
    httpx2.DecodingError("bad gzip", request=REQUEST_SENT),
    httpx2.TooManyRedirects("20", request=REQUEST_SENT),
    httpx2.RemoteProtocolError("cut", request=REQUEST_SENT),
    httpx2.WriteTimeout("slow", request=REQUEST_SENT),
    httpx2.StreamConsumed(),
    httpx2.CookieConflict("two"),
]
NOTHING_SENT = [
    httpx2.ConnectError("refused", request=REQUEST_SENT),
    httpx2.ConnectTimeout("slow", request=REQUEST_SENT),
    httpx2.ProxyError("407", request=REQUEST_SENT),
    httpx2.UnsupportedProtocol("ftp", request=REQUEST_SENT),
]
LET_THROUGH = [
    KeyboardInterrupt(),
    SystemExit(3),
    GeneratorExit(),
    Problem("disk", "is full", "Make room"),
]


class Raising:
    """A client of which every call raises `error`."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> "Raising":
        return self

    def __call__(self, *args: object, **options: object) -> object:
        raise self._error


def _requests(folder: Path) -> Path:
    path = folder / "requests.jsonl"
    path.write_bytes(b'{"key":"a","request":{}}\n')
    return path


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries do not wait."""
    at_once = SimpleNamespace(sleep=lambda seconds: None)  # not time.sleep, which is everybody's
    monkeypatch.setattr("tenacity.nap.time", at_once)
    monkeypatch.setattr("google.genai._api_client.time", at_once)


@pytest.fixture(scope="module")
def _middlebox() -> Iterator[Middlebox]:
    with running_middlebox() as box:
        yield box


@pytest.fixture
def middlebox(_middlebox: Middlebox, monkeypatch: pytest.MonkeyPatch) -> Middlebox:
    """What stands between the client and the API, as new: a client is made once an address."""
    vars(_middlebox).pop("answer", None)
    vars(_middlebox).update(vars(Middlebox(url=_middlebox.url)))
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", _middlebox.url)
    return _middlebox


@pytest.fixture
def api(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, as the client of this process reaches it."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.url)
    return emulator


# --- a client that raises anything anywhere -----------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_whatever_a_call_raises_is_one_line_and_unclear_where_it_may_have_been_carried_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, error: BaseException
) -> None:
    monkeypatch.setattr(client, "open_client", lambda: Raising(error))
    with pytest.raises(ApiProblem) as caught:
        CALLS[call](tmp_path)
    said = caught.value
    assert "\n" not in said.message
    assert said.message.startswith("Gemini API: ")
    assert "Traceback" not in said.message
    assert said.unclear == (said.code is None or said.code >= 500)
    assert not (tmp_path / "responses.jsonl").exists()
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", NOTHING_SENT, ids=lambda error: type(error).__name__)
def test_a_call_that_was_not_sent_is_clear_and_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, error: BaseException
) -> None:
    monkeypatch.setattr(client, "open_client", lambda: Raising(error))
    with pytest.raises(ApiProblem, match="cannot be reached") as caught:
        CALLS[call](tmp_path)
    assert (caught.value.unclear, caught.value.everywhere) == (False, True)
    assert caught.value.stops_the_run


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", LET_THROUGH, ids=lambda error: type(error).__name__)
def test_orders_and_our_own_problems_are_let_through(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str, error: BaseException
) -> None:
    monkeypatch.setattr(client, "open_client", lambda: Raising(error))
    with pytest.raises(type(error)) as caught:
        CALLS[call](tmp_path)
    assert caught.value is error


def test_a_paid_call_is_made_once_whatever_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("generate", "create", "create_cache"):
        for error in (KeyError("file"), httpx2.ReadError("cut"), MemoryError()):
            asked = Raising(error)
            made: list[object] = []

            def counted(
                *args: object,
                made: list[object] = made,
                error: BaseException = error,
                **more: object,
            ) -> object:
                made.append(args)
                raise error

            monkeypatch.setattr(asked, "generate_content", counted, raising=False)
            monkeypatch.setattr(asked, "create", counted, raising=False)
            monkeypatch.setattr(client, "open_client", lambda asked=asked: asked)
            with pytest.raises(ApiProblem):
                CALLS[call](Path())
            assert len(made) == 1


def test_a_server_that_never_answers_gets_a_paid_call_once(
    middlebox: Middlebox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read time-out may be a response that was paid for: the SDK must not repeat it."""
    monkeypatch.setattr(real_time, "RESPONSE_SECONDS", 1)
    middlebox.hold = 1.7
    with pytest.raises(ApiProblem, match="no answer in time") as caught:
        calls.generate(MODEL, REQUEST)
    assert (caught.value.unclear, caught.value.kind) == (True, "broken")
    assert caught.value.may_be_billed
    assert len(middlebox.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_call_that_was_not_carried_out_is_repeated_by_the_sdk(
    middlebox: Middlebox, status: int
) -> None:
    middlebox.status = status
    middlebox.body = json.dumps({"error": {"code": status, "message": "No"}}).encode()
    with pytest.raises(ApiProblem):
        calls.generate(MODEL, REQUEST)
    assert len(middlebox.asked) == 5


# --- replies that are not the API's -------------------------------------------------------------

LOG_IN = b"<!DOCTYPE html><html><h1>Welcome</h1></html>"
NO_ANSWERS = {
    "html": ("text/html", LOG_IN),
    "html said to be JSON": ("application/json", LOG_IN),
    "a string": ("application/json", b'"ok"'),
    "a number": ("application/json", b"5"),
    "null": ("application/json", b"null"),
    "a list": ("application/json", b"[1]"),
    "nothing": ("application/json", b""),
    "nested too deep": ("application/json", b"[" * 100_000),
    "no text at all": ("application/json", b"\xff\xfe\x00"),
    "an empty object": ("application/json", b"{}"),
    "another object": ("application/json", b'{"status":"ok"}'),
    "a number for a name": ("application/json", b'{"name":5,"file":{"name":5}}'),
    "null throughout": ("application/json", b'{"name":null,"metadata":null,"file":null}'),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reply", NO_ANSWERS)
def test_a_reply_that_is_not_of_the_api_is_one_line_and_unclear(
    middlebox: Middlebox, tmp_path: Path, call: str, reply: str
) -> None:
    middlebox.content_type, middlebox.body = NO_ANSWERS[reply]
    middlebox.headers = {"x-goog-upload-url": middlebox.url, "x-goog-upload-status": "final"}
    is_object = middlebox.body.startswith(b"{")
    is_list = call in ("find", "delete_caches")
    if call in EMPTY and is_object and (reply == "an empty object" or not is_list):
        CALLS[call](tmp_path)
        return
    if call == "fetch" and not middlebox.body:
        return  # an empty file: the API's counts show that it lacks lines
    with pytest.raises(ApiProblem, match=r"not an answer of the Gemini API") as caught:
        CALLS[call](tmp_path)
    assert caught.value.unclear
    assert caught.value.code is None
    assert not caught.value.may_be_billed
    if call != "fetch":
        assert caught.value.stops_the_run == (not is_object and reply != "a list")
    assert not (tmp_path / "responses.jsonl").exists()


@pytest.mark.parametrize("call", [name for name in CALLS if name != "find"])
@pytest.mark.parametrize("status", [400, 403, 404, 407, 413, 511])
def test_a_refusal_of_a_proxy_says_nothing_about_what_the_call_names(
    middlebox: Middlebox, tmp_path: Path, call: str, status: int
) -> None:
    middlebox.status, middlebox.content_type, middlebox.body = status, "text/html", LOG_IN
    if status >= 500:
        with pytest.raises(ApiProblem, match=f"answered {status}"):
            CALLS[call](tmp_path)
        return
    with pytest.raises(ApiProblem, match=f"not an answer of the Gemini API .{status} text/html"):
        CALLS[call](tmp_path)


@pytest.mark.parametrize("kept", [RESPONSE, {"promptFeedback": {}}, {"usageMetadata": {}}])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_what_has_the_shape_of_a_response_is_returned_verbatim(
    middlebox: Middlebox, kept: dict[str, Any], content_type: str
) -> None:
    middlebox.content_type = content_type
    middlebox.body = json.dumps(kept | {"newField": "\U0001d11e"}, indent=3).encode()
    assert calls.generate(MODEL, REQUEST) == middlebox.body


@pytest.mark.parametrize(
    "end", [b"", b'"x": ' + b"[" * 100_000, b'"x": "\xff"}', b'"x": "\\ud83c"}']
)
def test_a_response_that_nothing_can_read_is_returned_too_for_it_was_paid(
    middlebox: Middlebox, end: bytes
) -> None:
    middlebox.body = b'{"candidates": [], ' + end
    assert calls.generate(MODEL, REQUEST) == middlebox.body
    assert len(middlebox.asked) == 1


def test_an_error_with_status_200_is_the_refusal_that_it_says(middlebox: Middlebox) -> None:
    error = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
    middlebox.body = json.dumps({"error": error}).encode()
    for call in ("generate", "create"):
        with pytest.raises(ApiProblem, match="answered 429 RESOURCE_EXHAUSTED") as caught:
            CALLS[call](Path())
        assert (caught.value.unclear, caught.value.kind) == (False, "quota")


def test_one_odd_reply_to_a_question_is_asked_again(
    api: Emulator, capfd: pytest.CaptureFixture[str]
) -> None:
    for fault in ("html_200", "string_200"):
        api.faults(**{fault: 1})
        assert developer.find("nobody's") is None


def test_a_create_behind_a_log_in_page_is_unclear_and_made_once(api: Emulator) -> None:
    known = api.ledger()
    api.faults(html_200=1)
    with pytest.raises(ApiProblem, match="200 text/html") as caught:
        developer.create(MODEL, "files/a", "a")
    assert (caught.value.unclear, caught.value.kind) == (True, "foreign")
    new = api.ledger()["requests"][len(known["requests"]) :]
    assert len(new) == 1


def test_an_answer_whose_name_is_a_number_is_unclear_and_the_batch_is_found(
    api: Emulator, tmp_path: Path
) -> None:
    request = {"contents": [{"parts": [{"text": "a"}]}]}
    requests = tmp_path / "requests.jsonl"
    requests.write_text(json.dumps({"key": "a", "request": request}) + "\n")
    file = developer.upload(requests, "numbered")
    api.faults(create_name_number=1)
    with pytest.raises(ApiProblem, match="not an answer of the Gemini API") as caught:
        developer.create(MODEL, file, "numbered")
    assert caught.value.unclear
    api.faults(listing_metadata_null=True)
    found = developer.find("numbered")
    assert found
    assert str(found["name"]).startswith("batches/")
    api.faults(listing_null=1)
    assert developer.find("numbered") is None


def test_a_listing_that_goes_round_ends(middlebox: Middlebox) -> None:
    middlebox.body = b'{"operations": [{"name": 5}, 7, null], "nextPageToken": "again"}'
    with pytest.raises(ApiProblem, match="not an answer of the Gemini API"):
        developer.find("name")
    assert len(middlebox.asked) == 2


def test_an_entry_that_does_not_say_whose_it_is_is_asked_for(middlebox: Middlebox) -> None:
    middlebox.by_path["/batches"] = b'{"operations": [{"name": "batches/a", "metadata": null}]}'
    whole = {"name": "batches/a", "metadata": {"displayName": "ours"}}
    middlebox.by_path["/batches/a"] = json.dumps(whole).encode()
    assert developer.find("ours") == whole
    assert developer.find("another's") is None


def test_of_two_batches_of_one_name_the_older_is_ours(middlebox: Middlebox) -> None:
    """The listing has the newest first; the first create is the one that the journal means."""
    named = {name: {"displayName": name} for name in ("ours", "another's")}
    listed = [
        {"name": "batches/second", "metadata": named["ours"]},
        {"name": "batches/first", "metadata": named["ours"]},
        {"name": "batches/before", "metadata": named["another's"]},
    ]
    middlebox.by_path["/batches"] = json.dumps({"operations": listed}).encode()
    found = developer.find("ours")
    assert found
    assert found["name"] == "batches/first"


def test_half_a_character_in_somebody_elses_name_reaches_no_file(middlebox: Middlebox) -> None:
    middlebox.body = b'{"name": "batches/a", "metadata": {"displayName": "\\ud83c"}}'
    assert json.dumps(developer.get("batches/a"), ensure_ascii=False).encode()


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_the_key_does_not_follow_a_redirect_to_another_host(
    middlebox: Middlebox, tmp_path: Path, call: str
) -> None:
    with running_middlebox() as thief:
        middlebox.status = 302
        middlebox.headers = {"location": f"{thief.url}/v1beta/elsewhere"}
        with pytest.raises(ApiProblem, match=r"a redirect to http://127\.0\.0\.1:") as caught:
            CALLS[call](tmp_path)
        assert thief.asked == []
    assert KEY in middlebox.keys
    assert caught.value.stops_the_run
    assert caught.value.unclear


def test_a_redirect_within_the_host_is_followed(middlebox: Middlebox) -> None:
    done = {"name": "batches/a", "metadata": {"state": "BATCH_STATE_RUNNING"}}
    middlebox.by_path["/there"] = json.dumps(done).encode()
    answer = middlebox.answer

    def moved(path: str) -> bytes:
        middlebox.status = 200 if path.endswith("/there") else 307
        middlebox.headers = {"location": "/there"}
        return answer(path)

    middlebox.answer = moved  # type: ignore[method-assign]
    assert developer.get("batches/a") == done
    with pytest.raises(ApiProblem, match="a redirect to"):  # a create's body would be lost
        developer.create(MODEL, "files/a", "name")


# --- what kind it is, and the advice ------------------------------------------------------------

LONG = "You exceeded your current quota, please check your plan and billing details. " * 8
STORED = (
    f"{LONG}\n* Quota exceeded for metric: generativelanguage.googleapis.com/file_storage_bytes"
)
QUOTA = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
BLOCKED = {"reason": "API_KEY_SERVICE_BLOCKED", "domain": "googleapis.com"}


@pytest.mark.parametrize(
    ("code", "message", "details", "kind", "advice"),
    [
        (400, "API key not valid. Please pass a valid API key.", [], "key", "GEMINI_API_KEY"),
        (403, "Your API key was reported as leaked.", [], "key", "GEMINI_API_KEY"),
        (403, "Requests are blocked.", [BLOCKED], "key", "GEMINI_API_KEY"),
        (401, "Request had invalid authentication credentials.", [], "key", "GEMINI_API_KEY"),
        (403, "The caller does not have permission", [], "gone", ""),
        (404, "Requested entity was not found.", [], "gone", ""),
        (400, "User location is not supported for the API use.", [], "place", "where Google"),
        (400, "The specified schema … too many states for serving.", [], "schema", "GEMINI_MODEL"),
        (400, "Unable to process input image.", [], "refused", ""),
        (429, LONG, [QUOTA], "quota", "Wait"),
        (429, STORED, [], "storage", "a file lives 48 h"),
        (429, "Your project has exceeded its monthly spending cap.", [], "spending", "spend cap"),
        (503, "The service is currently unavailable.", [], "unavailable", "later"),
        (500, "An internal error has occurred.", [], "failed", "later"),
    ],
)
def test_a_refusal_is_classified_and_its_advice_fits(
    middlebox: Middlebox, code: int, message: str, details: list[Any], kind: str, advice: str
) -> None:
    error = {"code": code, "message": message, "status": "A_STATUS", "details": details}
    middlebox.status, middlebox.body = code, json.dumps({"error": error}).encode()
    with pytest.raises(ApiProblem) as caught:
        developer.create(MODEL, "files/a", "name")
    said = caught.value
    assert said.kind == kind
    assert advice in said.fix
    assert said.gone == (kind == "gone")
    assert said.key_refused == (kind == "key")
    assert said.stops_the_run == (kind not in ("refused", "failed"))
    assert said.everywhere == (kind == "key")
    assert said.unclear == (code >= 500)
    assert not said.may_be_billed
    assert len(said.message) < 700
    assert KEY not in said.message


def test_the_end_of_a_long_message_names_the_quota(middlebox: Middlebox) -> None:
    for message, details, name in (
        (STORED, [], "file_storage_bytes"),
        (LONG, [QUOTA], "GenerateRequestsPerDayPerProjectPerModel"),
    ):
        error = {"code": 429, "message": message, "details": details}
        middlebox.status, middlebox.body = 429, json.dumps({"error": error}).encode()
        with pytest.raises(ApiProblem, match=name):
            developer.create(MODEL, "files/a", "name")


def test_a_problem_reaches_another_process_and_a_screen() -> None:
    problem = ApiProblem("answered 404", "Look", code=404, unclear=False)
    assert pickle.loads(pickle.dumps(problem)).message == problem.message
    assert isinstance(problem, click.ClickException)


# --- the environment ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080"),
        ("all_proxy", "socks://127.0.0.1:1080/"),
        ("HTTPS_PROXY", "ftp://x"),
        ("SSL_CERT_FILE", "/nonexistent"),
    ],
)
def test_a_proxy_or_a_certificate_that_cannot_be_is_one_line_that_names_it(
    middlebox: Middlebox, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    client._client_of.cache_clear()
    with pytest.raises(Problem, match=name) as caught:
        developer.get("batches/a")
    assert not isinstance(caught.value, ApiProblem)
    client._client_of.cache_clear()


def test_google_api_key_beside_ours_is_neither_used_nor_spoken_of(
    middlebox: Middlebox,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "another-one")
    client._client_of.cache_clear()
    developer.cancel("batches/a")
    assert middlebox.keys == [KEY]
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_flex_call_waits_longer_than_the_api_may_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    class Client:
        @property
        def models(self) -> "Client":
            return self

        def generate_content(self, config: Any, **more: object) -> None:
            asked.append(config.http_options.timeout)
            raise KeyError

    monkeypatch.setattr(client, "open_client", Client)
    for request in (REQUEST, REQUEST | {"serviceTier": "flex"}):
        with pytest.raises(ApiProblem):
            calls.generate(MODEL, request)
    assert asked == [900_000, 1_200_000]


# --- uploads ------------------------------------------------------------------------------------


def test_a_refused_type_is_tried_as_plain_text_once(api: Emulator, tmp_path: Path) -> None:
    for fault in ("upload_refuses_jsonl", "upload_error_200"):
        api.faults(**{fault: 1})
        name = developer.upload(_requests(tmp_path), "plain")
        assert client.open_client().files.get(name=name).mime_type == "text/plain"
    api.faults(upload_error_200=2)
    with pytest.raises(ApiProblem, match="Unsupported MIME type: text/plain"):
        developer.upload(_requests(tmp_path), "plain")


@pytest.mark.parametrize("fault", ["upload_no_address", "upload_no_file", "html_200"])
def test_an_upload_that_is_answered_oddly_is_made_again_and_then_one_line(
    api: Emulator, tmp_path: Path, fault: str
) -> None:
    api.faults(**{fault: 2})
    assert developer.upload(_requests(tmp_path), "odd").startswith("files/")
    api.faults(**{fault: True})
    with pytest.raises(ApiProblem, match="not an answer of the Gemini API"):
        developer.upload(_requests(tmp_path), "odd")


def test_an_upload_beyond_the_stored_files_says_so_at_once(api: Emulator, tmp_path: Path) -> None:
    api.faults(storage_429=True)
    before = len(api.ledger()["requests"])
    with pytest.raises(ApiProblem, match="file_storage_bytes") as caught:
        developer.upload(_requests(tmp_path), "full")
    assert "48 h" in caught.value.fix
    assert len(api.ledger()["requests"]) == before + 1


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ({"state": "FAILED"}, "is FAILED, not ACTIVE"),
        ({"state": "ACTIVE", "sizeBytes": "7"}, "differs from"),
        ({"state": "ACTIVE", "sha256Hash": "YQ=="}, None),
        ({"state": "ACTIVE", "sizeBytes": "0"}, None),
        ({}, None),
    ],
)
def test_an_upload_that_the_api_cannot_use_is_deleted_there(
    middlebox: Middlebox, tmp_path: Path, file: dict[str, Any], reason: str | None
) -> None:
    file = {"name": "files/a"} | file
    middlebox.headers = {"x-goog-upload-url": middlebox.url, "x-goog-upload-status": "final"}
    middlebox.body = json.dumps({"file": file}).encode()
    middlebox.by_path["/v1beta/files/a"] = json.dumps(file).encode()
    if reason is None:
        assert developer.upload(_requests(tmp_path), "a") == "files/a"
        return
    with pytest.raises(developer.UploadRefused, match=reason) as caught:
        developer.upload(_requests(tmp_path), "a")
    assert (caught.value.kind, caught.value.unclear) == ("refused", False)
    assert middlebox.asked[-1] == "DELETE /v1beta/files/a"


def test_a_requests_file_that_cannot_be_read_names_the_file(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.FileIO):
        def readinto(self, buffer: object, /) -> int:
            raise OSError(5, "Input/output error")

        readall = read = readinto  # type: ignore[assignment]

    monkeypatch.setattr("io.FileIO", Broken)
    path = _requests(tmp_path)
    with pytest.raises(Problem, match=r"requests\.jsonl: cannot be read .Input/output error"):
        developer.upload(path, "a")


# --- results ------------------------------------------------------------------------------------

LINES = b'{"key":"a","response":{}}\n{"key":"b","response":{}}\n'
DIGEST = hashlib.sha256(LINES).hexdigest()


@pytest.mark.parametrize(
    ("metadata", "confirmed"),
    [
        ({"sizeBytes": str(len(LINES))}, True),
        ({"sizeBytes": "0"}, False),
        ({}, False),
        ({"sizeBytes": None, "sha256Hash": 7}, False),
        ("<html>", False),
        ({"sizeBytes": "9999"}, False),
    ],
)
def test_a_download_does_not_depend_on_what_the_api_says_of_the_file(
    middlebox: Middlebox, tmp_path: Path, metadata: object, confirmed: bool
) -> None:
    middlebox.body = LINES
    middlebox.by_path["/files/batch-a"] = json.dumps(metadata).encode()
    got = developer.fetch("files/batch-a", tmp_path / "responses.jsonl")
    assert (tmp_path / "responses.jsonl").read_bytes() == LINES
    assert (got.bytes, got.sha256, got.confirmed) == (len(LINES), DIGEST, confirmed)
    assert got.differs == (metadata == {"sizeBytes": "9999"})
    assert list(tmp_path.iterdir()) == [tmp_path / "responses.jsonl"]


def test_a_download_that_is_another_each_time_is_not_kept(
    middlebox: Middlebox, tmp_path: Path
) -> None:
    middlebox.by_path["/files/batch-a"] = b'{"sizeBytes": "9999"}'
    lines = iter([LINES, LINES + b"{}\n", LINES[:-1]])
    answer = middlebox.answer

    def another(path: str) -> bytes:
        return next(lines) if path.endswith(":download") else answer(path)

    middlebox.answer = another  # type: ignore[method-assign]
    with pytest.raises(ApiProblem, match="differ in size or digest"):
        developer.fetch("files/batch-a", tmp_path / "responses.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("faults", "confirmed"),
    [
        ({}, True),
        ({"results_size_0": True}, False),
        ({"results_get_400": True}, False),
        ({"download_cut": 1}, True),
        ({"download_byte": 1}, True),
        ({"html_200": 1}, True),
    ],
)
def test_results_are_fetched_in_spite_of(
    api: Emulator, tmp_path: Path, faults: dict[str, Any], confirmed: bool
) -> None:
    operation = _ended(api, tmp_path)
    assert operation.responses_file
    api.faults(**faults)
    got = developer.fetch(operation.responses_file, tmp_path / "responses.jsonl")
    assert (got.confirmed, got.differs) == (confirmed, False)
    assert got.bytes == (tmp_path / "responses.jsonl").stat().st_size
    assert got.api_bytes == (got.bytes if confirmed else None)
    assert got.api_sha256 == (got.sha256 if confirmed else None)


@pytest.mark.parametrize(("fault", "gone"), [("400", False), ("403", True), ("404", True)])
def test_results_that_the_api_refuses_are_one_line(
    api: Emulator, tmp_path: Path, fault: str, gone: bool
) -> None:
    operation = _ended(api, tmp_path)
    assert operation.responses_file
    api.faults(**{f"download_{fault}": True})
    with pytest.raises(ApiProblem) as caught:
        developer.fetch(operation.responses_file, tmp_path / "responses.jsonl")
    assert (caught.value.gone, caught.value.code) == (gone, int(fault))
    assert not list(tmp_path.glob("responses*"))


def test_a_log_in_page_is_not_kept_as_results(api: Emulator, tmp_path: Path) -> None:
    operation = _ended(api, tmp_path)
    assert operation.responses_file
    api.faults(html_200=True)
    with pytest.raises(ApiProblem, match=r"200 text/html, not JSON lines") as caught:
        developer.fetch(operation.responses_file, tmp_path / "responses.jsonl")
    assert caught.value.kind == "foreign"
    assert not list(tmp_path.glob("responses*"))


def test_a_file_that_is_named_while_the_batch_runs_is_not_told_before_the_end(
    api: Emulator, tmp_path: Path
) -> None:
    api.faults(file_while_running=1)
    batch_id = _submitted(tmp_path)
    while not (reply := developer.get(batch_id)).get("response"):
        pass
    assert Operation(reply).responses_file is None
    api.faults(file_while_running=None)
    while not (file := Operation(developer.get(batch_id)).responses_file):
        pass
    developer.fetch(file, tmp_path / "responses.jsonl")
    assert (tmp_path / "responses.jsonl").read_bytes().count(b"\n") == 2


def _submitted(folder: Path) -> str:
    request = {"contents": [{"parts": [{"text": "a"}]}]}
    lines = [json.dumps({"key": key, "request": request}) + "\n" for key in "ab"]
    (folder / "requests.jsonl").write_text("".join(lines))
    file = developer.upload(folder / "requests.jsonl", "a")
    return str(developer.create(MODEL, file, "a")["name"])


def _ended(api: Emulator, folder: Path) -> Operation:
    batch_id = _submitted(folder)
    while not (operation := Operation(developer.get(batch_id))).ended:
        pass
    return operation


def test_a_disk_that_fills_up_during_a_download_is_one_line_and_leaves_nothing(
    middlebox: Middlebox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("io.FileIO", Full)
    for lines in (LINES, b"{" + LINES * 100_000):  # on closing, and in between
        middlebox.body = lines
        with pytest.raises(Problem, match="No space left on device") as caught:
            developer.fetch("files/batch-a", tmp_path / "responses.jsonl")
        assert not isinstance(caught.value, ApiProblem)
        assert list(tmp_path.iterdir()) == []


# --- the commands -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["html_200", "string_200", "redirect"])
def test_a_log_in_page_is_no_response_costs_no_page_a_try_and_is_not_in_the_books(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(3)
    value: object = True if fault != "redirect" else "http://127.0.0.1:9"
    emulator.faults(**{fault: value, "between_only": ":generateContent"})
    assert "not an answer of the Gemini API" in online.error("process", GEMINI_CACHE="off")
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 3
    assert online.usage() == []
    assert not list((online.data / "responses").rglob("*.json"))
    emulator.faults(**{fault: None})
    assert "3 completed" in online.good("process", GEMINI_CACHE="off")


@pytest.mark.parametrize("fault", ["html_200", "string_200", "create_name_number"])
def test_a_create_that_is_answered_oddly_makes_one_batch(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(2)
    known = len(emulator.ledger()["batches"])
    emulator.faults(**{fault: 1}, between_only=":batchGenerateContent")
    online.make("batch-submit", SUBMIT_GRACE="300")
    assert "create_unclear" in online.journal()
    assert online.statuses() == ["submitted"] * 2
    online.make("batch-submit", SUBMIT_GRACE="0")  # creates what no listing shows
    online.fetched(online.folders()[0].name)
    assert len(emulator.ledger()["batches"]) == known + 1
    assert online.statuses() == ["completed"] * 2


def test_somebody_elses_odd_batch_in_the_listing_is_no_trouble(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    emulator.faults(create_503_after=1, listing_metadata_null=True)
    batch_id = online.submitted()
    assert "1 completed" in online.fetched(batch_id)


# --- operations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "done", "file", "ended"),
    [
        ("BATCH_STATE_RUNNING", False, True, False),
        ("BATCH_STATE_PENDING", False, True, False),
        ("BATCH_STATE_SUCCEEDED", True, True, True),
        ("BATCH_STATE_SUCCEEDED", True, False, True),
        ("BATCH_STATE_PARTIALLY_SUCCEEDED", True, True, True),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", False, True, True),
        ("BATCH_STATE_ARCHIVED", True, True, True),
        ("BATCH_STATE_ARCHIVED", True, False, False),
        ("BATCH_STATE_ARCHIVED", "yes", True, False),
        ("BATCH_STATE_CANCELLED", True, False, True),
    ],
)
def test_what_is_an_end_and_when_its_file_may_be_loaded(
    state: str, done: object, file: bool, ended: bool
) -> None:
    output = {"responsesFile": "files/batch-a"} if file else {}
    for place in ({"response": output}, {"metadata": {"output": output}}):
        metadata = {"state": state} | place.get("metadata", {})
        operation = Operation({"done": done, **place, "metadata": metadata})
        assert operation.ended == ended
        assert operation.responses_file == ("files/batch-a" if file and ended else None)


def test_the_apis_counts_are_numbers_and_what_is_left_out_is_zero() -> None:
    stats = {"requestCount": "3", "successfulRequestCount": "2", "pendingRequestCount": "1"}
    operation = Operation({"metadata": {"batchStats": stats}})
    assert operation.counts == Counts(requested=3, successful=2, failed=0, pending=1)
    assert (operation.done, operation.failed) == (2, 0)
    odd = Operation(
        {"metadata": {"batchStats": {"requestCount": None, "failedRequestCount": "-1"}}}
    )
    assert odd.counts == Counts(0, 0, 0, 0)


@pytest.mark.parametrize("stats", [None, [], "3", {}])
def test_counts_that_the_api_does_not_give_are_none(stats: object) -> None:
    operation = Operation({"metadata": {"batchStats": stats}})
    assert operation.counts is None
    assert (operation.done, operation.failed) == (0, 0)


@pytest.mark.parametrize("reply", [{}, {"metadata": None}, {"metadata": 3}, {"response": []}])
def test_an_operation_without_sense_is_unknown_and_not_ended(reply: dict[str, Any]) -> None:
    operation = Operation(reply)
    assert (operation.state, operation.ended, operation.name) == ("UNKNOWN", False, None)
