"""The SDK's client: its key and address, replies as they came, and its errors as ours.

`calls` goes through it; no other module imports google-genai. Replies are plain dicts: the SDK's
types drop `error` and `batchStats`, and refuse fields that are new.

The SDK costs 0.6 s to import, and the HTTP client and the retries 0.1 s, so they are imported by
the first call, and not by a command that makes none.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from flowsheets import settings
from flowsheets.errors import Problem

if TYPE_CHECKING:
    import httpx2
    import tenacity
    from google import genai

CALL_SECONDS = 120  # for the calls that only ask, or move one chunk of 8 MiB
QUOTED = 300  # characters of the API's message that are shown: its beginning and its end

# A state that the SDK does not know makes it warn on stderr; the reader of `state` reports it once.
warnings.filterwarnings("ignore", message=".* is not a valid ", category=UserWarning)
# Beside GOOGLE_API_KEY the SDK warns, at each start, that it takes that key; it takes ours.
logging.getLogger("google_genai").setLevel(logging.ERROR)

# What kind of refusal or failure it is, and what about it says so:
Kind = Literal[
    "key",  # the API key, or its project: 401, an ErrorInfo of that kind, 400 with those words
    "unreachable",  # no connection: nothing was sent
    "foreign",  # a reply of something between the API and us: HTML, a redirect to another host
    "odd",  # JSON, but not what this call is answered with
    "broken",  # cut, or out of time: it may have been carried out
    "memory",  # this machine has too little
    "place",  # 400: the API is not offered where this machine is
    "schema",  # 400: the response schema is too complex for this model
    "quota",  # 429: too many requests, tokens or batches at once
    "storage",  # 429: the project's stored files, 20 GB
    "spending",  # 429: the project's monthly spend cap
    "unavailable",  # 502, 503: the API is down
    "gone",  # 403, 404: what is named does not exist, or belongs to another project
    "refused",  # any other 4xx: this request, a page's own included
    "failed",  # any other 5xx, and 408
]
# These meet every call, or every page's request, until you or time mends them.
_MEETS_EVERY_CALL = ("key", "unreachable", "foreign")
_MEETS_EVERY_PAGE = (
    *_MEETS_EVERY_CALL,
    *("memory", "place", "schema", "quota", "storage", "spending", "unavailable", "gone"),
)
_FIX = {  # kind -> what you do about it
    "key": "Check GEMINI_API_KEY",
    "unreachable": "Check the network and GOOGLE_GEMINI_BASE_URL, then run the command again",
    "foreign": "Check the network (a log-in page, a proxy?) and GOOGLE_GEMINI_BASE_URL, then run"
    " the command again",
    "memory": "Close other programs, or lower PROCESS_CONCURRENCY, then run the command again",
    "place": "Run it where Google offers the Gemini API",
    "schema": "Give another GEMINI_MODEL",
    "quota": "Wait, or ask for more quota, then run the command again",
    "storage": "Delete files that the key's project keeps at the API, or wait: a file lives 48 h",
    "spending": "Raise the project's spend cap at Google AI Studio, or wait for next month",
    "unavailable": "Run the command again later",
    "failed": "Run the command again later",
    "gone": "Check GEMINI_API_KEY and GEMINI_MODEL",
    "refused": "Check GEMINI_API_KEY and GEMINI_MODEL",
}
# In Google's words; the `reason`s are those of google.rpc.ErrorInfo.
_KEY = re.compile(r"API.key|unregistered callers|has not been used in project", re.IGNORECASE)
_KEY_REASON = re.compile("API_KEY_|CONSUMER_|SERVICE_DISABLED|BILLING_DISABLED|ACCOUNT_")
_PLACE = re.compile("location is not supported", re.IGNORECASE)
_SCHEMA = re.compile("too many states|schema.*too (complex|deep|large|many)", re.I | re.S)
_STORAGE = re.compile("file_?storage|stored? files", re.IGNORECASE)
_SPENDING = re.compile("spend(ing)?[ _-]*(cap|limit)|monthly.*(cap|limit)", re.I | re.S)


class ApiProblem(Problem):
    """The API refused a call, could not be reached, or what came is not an answer of it.

    `kind` is one word of `Kind`, `code` the HTTP status, None without one. `unclear`: the call may
    have been carried out all the same (5xx, a time-out, a cut connection, a reply that cannot be
    read). `key_refused`: it is the API key, not the call. `what` and `fix` are for people.
    """

    kind: Kind

    def __init__(
        self,
        what: str,
        fix: str = "",
        *,
        code: int | None,
        unclear: bool,
        key_refused: bool = False,
        kind: Kind | None = None,
    ) -> None:
        # Should an error of a library ever quote a header: no key goes into a row or onto a screen.
        key = os.environ.get("GEMINI_API_KEY", "").strip()
        self.what = what.replace(key, "…") if len(key) >= 16 else what
        self.kind = kind or _kind(code, unclear, key_refused)
        self.fix = fix or _FIX.get(self.kind, "Run the command again")
        super().__init__("Gemini API", self.what, self.fix)
        self.code = code
        self.unclear = unclear
        self.key_refused = self.kind == "key"

    @property
    def gone(self) -> bool:
        """What the call names does not exist, or is another project's: 403 or 404, key accepted."""
        return self.kind == "gone"

    @property
    def everywhere(self) -> bool:
        """Any other call would end so too: the key, the network, something in between."""
        return self.kind in _MEETS_EVERY_CALL

    @property
    def stops_the_run(self) -> bool:
        """Any other page's request would end so too, so it is charged to no page.

        In real time: the key, the network, a log-in page in between, a place or a schema that is
        refused, every quota, 502 and 503 (after the SDK's five tries), a model that is not there.
        """
        return self.kind in _MEETS_EVERY_PAGE

    @property
    def may_be_billed(self) -> bool:
        """A call for one page may have been carried out: it was cut, say, or ran out of time.

        Not so 500 and 503, which the SDK has repeated, nor a reply that is not a response.
        """
        return self.unclear and self.code not in (500, 503) and self.kind not in ("foreign", "odd")


def _kind(code: int | None, unclear: bool, key_refused: bool) -> Kind:
    if key_refused or code == 401:
        return "key"
    if code is None:
        return "broken" if unclear else "unreachable"
    if code in (403, 404):
        return "gone"
    if code == 429:
        return "quota"
    if code in (502, 503):
        return "unavailable"
    return "failed" if code == 408 or code >= 500 else "refused"


class _Last(threading.local):
    """The last reply in this thread."""

    came: str | None = None  # "200 text/html"; None without a reply
    body = b""  # but for downloads, which must not be read into memory


_last = _Last()


def _paid_once() -> httpx2.Client:
    """The SDK retries every time-out, also one that came while a paid response was under way.

    As a read error it is not retried: google-genai 3.6.1 retries connect errors and time-outs, and
    never read errors (`_HTTPX_TRANSIENT_EXC` in `_api_client.py`).
    """
    import httpx2

    class PaidOnce(httpx2.Client):
        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            _last.came, _last.body = None, b""
            try:
                return super().send(request, **options)
            except httpx2.ReadTimeout as error:
                raise httpx2.ReadError(f"no answer in time ({error})", request=request) from error

    return PaidOnce(event_hooks={"response": [_look_at]}, follow_redirects=True)


def open_client() -> genai.Client:
    """The client. Raises `Problem` without a key, or with an address or proxy that cannot be."""
    key = settings.api_key()
    base_url = os.environ.get("GOOGLE_GEMINI_BASE_URL", "").strip()
    try:
        urlsplit(base_url)  # as the SDK does within each call
    except ValueError as error:
        raise Problem("GOOGLE_GEMINI_BASE_URL", str(error), "Correct it, or unset it") from error
    return _client_of(key, base_url)


@cache
def _client_of(key: str, base_url: str) -> genai.Client:
    from google import genai
    from google.genai import types

    try:
        http = _paid_once()
        options = types.HttpOptions(
            api_version="v1beta", timeout=CALL_SECONDS * 1000, httpx_client=http
        )
        if base_url:
            options.base_url = base_url
        return genai.Client(api_key=key, vertexai=False, http_options=options)
    except Exception as error:
        raise _no_client(error) from error


def _no_client(error: Exception) -> Problem:
    """httpx2 reads these variables while it is made, and names none of them in its errors."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if name in os.environ and isinstance(error, OSError):
            what = f"{os.environ[name]} cannot be used ({error.strerror or error})"
            return Problem(name, what, "Correct it, or unset it")
    for name, value in os.environ.items():
        if not re.fullmatch("(all|https?)_proxy", name, re.IGNORECASE) or not value.strip():
            continue
        scheme, colon, _ = value.partition("://")
        if colon and scheme.lower() not in ("http", "https"):
            return Problem(
                name, f"a proxy of the kind {scheme} is not supported", "Give an http:// proxy"
            )
    what = f"no HTTP client can be made ({type(error).__name__}: {error})"
    return Problem(
        "Gemini API", what, "Check HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR"
    )


def _look_at(response: httpx2.Response) -> None:
    """Called by httpx2 with every response, redirects included, before anybody reads it."""
    if response.has_redirect_location:
        _refuse_to_leave(response)
        return
    kind = response.headers.get("content-type", "").split(";")[0].strip()
    _last.came = f"{response.status_code} {kind}".strip()
    if not response.request.url.path.endswith(":download"):
        _last.body = response.read()


def _refuse_to_leave(response: httpx2.Response) -> None:
    """A redirect to another host would take the key along; one of a POST would lose its body."""
    here = response.request.url
    there = here.join(response.headers["location"])
    place = (there.scheme, there.host, there.port)
    if place == (here.scheme, here.host, here.port) and response.request.method == "GET":
        return
    raise ApiProblem(
        f"not an answer of the Gemini API: {response.status_code}, a redirect to"
        f" {there.scheme}://{there.netloc.decode('ascii', 'replace')}, which is not followed",
        code=None,
        unclear=True,
        kind="foreign",
    )


def raw_reply(call: Callable[[], object], answers: Callable[[bytes], bool]) -> bytes:
    """The body of the API's reply to `call`, verbatim, also where the SDK's types cannot hold it.

    `answers` says whether a body is an answer to this call. Raises `ApiProblem`, of the kind
    `foreign` or `odd` where what came is not.
    """
    import httpx2
    from google.genai import errors

    _last.came, _last.body = None, b""
    with explained():
        try:
            call()
        except (Problem, errors.APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise
        except Exception:  # a type of the SDK refused the reply; the reply itself is what counts
            if not answers(_last.body):
                raise
        if not answers(_last.body):
            raise not_an_answer()
    body: bytes = _last.body
    return body


def reply_to(call: Callable[[], object], field: str = "", kind: type = object) -> dict[str, Any]:
    """The API's whole JSON reply to `call`; every answer to it has the `field`, of that type.

    Raises `ApiProblem`, as `raw_reply` does.
    """

    def answers(body: bytes) -> bool:
        reply = _parsed(body)
        if not isinstance(reply, dict):
            return False
        return not field or (isinstance(reply.get(field), kind) and bool(reply[field]))

    reply: dict[str, Any] = _parsed(raw_reply(call, answers))
    return reply


def _parsed(body: bytes) -> Any:
    """JSON as Python; None where it is not JSON."""
    try:
        # Twice: an unpaired surrogate, in somebody else's display name say, fits in no file.
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return json.loads(text.encode(errors="replace"))
    except (ValueError, RecursionError):
        return None


def not_an_answer(detail: str = "") -> ApiProblem:
    """For a reply that cannot be of the Gemini API: whether the call was carried out is unclear.

    Google has answered 200 with an error inside, at the end of an upload (python-genai #1590): that
    is the refusal then.
    """
    reply = _parsed(_last.body)
    if isinstance(reply, dict) and isinstance(refusal := reply.get("error"), dict):
        return _refusal(refusal.get("code"), reply)
    seen = ", ".join(part for part in (_last.came, detail) if part)
    return ApiProblem(
        f"not an answer of the Gemini API ({seen or 'nothing'})",
        _FIX["foreign"],
        code=None,
        unclear=True,
        kind="odd" if isinstance(reply, dict | list) else "foreign",
    )


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever the SDK raises into `ApiProblem`.

    Let through: our own `Problem`, and KeyboardInterrupt, SystemExit and GeneratorExit, which are
    orders and not failures. Everything else becomes one line, MemoryError and the panics of the
    SDK's native libraries (BaseException) too: the SDK takes a reply apart with types of its own,
    and what a middlebox makes of a reply has been seen to end in KeyError, AttributeError,
    JSONDecodeError, ValidationError and RecursionError.
    """
    import httpx2

    try:
        yield
    except (Problem, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except httpx2.InvalidURL as error:
        raise Problem("GOOGLE_GEMINI_BASE_URL", str(error), "Correct it, or unset it") from error
    except BaseException as error:
        raise _problem(error) from error


def _problem(error: BaseException) -> ApiProblem:
    import httpx2
    from google.genai import errors

    unsent = (
        *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
        *(httpx2.ProxyError, httpx2.UnsupportedProtocol),
    )
    if isinstance(error, errors.APIError):
        return _refusal(error.code, error.details)
    if isinstance(error, unsent):
        return ApiProblem(f"cannot be reached ({error})", code=None, unclear=False)
    if isinstance(error, httpx2.HTTPError | OSError):
        what = f"the connection broke ({type(error).__name__}: {error})"
        return ApiProblem(what, code=None, unclear=True)
    if isinstance(error, MemoryError):
        what = "this machine has too little memory for the call"
        return ApiProblem(what, code=None, unclear=True, kind="memory")
    return not_an_answer(f"{type(error).__name__}: {_shortened(error, 100)}")


def _refusal(status: object, body: object) -> ApiProblem:
    """For an error's HTTP status and its body, of Google's shape or not.

    Google's is {error: {code, message, status, details}}; a 4xx of another shape comes from a proxy
    or a wrong address, and says nothing about what the call names.
    """
    code = status if isinstance(status, int) else 0
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        if code < 500 and code not in (408, 429):
            what = f"not an answer of the Gemini API ({_last.came or code})"
            return ApiProblem(what, code=None, unclear=True, kind="foreign")
        error = {}
    message = _shortened(error.get("message") or "no message", 10_000)
    details = _shortened(error.get("details") or "", 10_000)
    quota = re.search(r"quotaId'?: '(\w+)'", details)
    shown = _shortened(message, QUOTED)
    if quota and quota[1] not in shown:
        shown = f"{shown} ({quota[1]})"
    what = f"answered {code} {_shortened(error.get('status') or '', 40)}: {shown}"
    if not 400 <= code < 600:  # an error without an HTTP status: it may be the answer to anything
        return ApiProblem(what, code=None, unclear=True, kind="failed")
    unclear = code == 408 or code >= 500
    return ApiProblem(what, code=code, unclear=unclear, kind=_kind_of(code, message, details))


def _kind_of(code: int, message: str, details: str) -> Kind:
    """The kind of a refusal; Google has one status for several, and only the words tell them apart.

    A wrong key is a 400, a key whose project may not use the API a 403.
    """
    words = f"{message} {details}"
    if code == 400 and _PLACE.search(words):
        return "place"
    if code == 400 and _SCHEMA.search(message):
        return "schema"
    if code == 429:
        if _STORAGE.search(words):
            return "storage"
        return "spending" if _SPENDING.search(words) else "quota"
    if code in (400, 401, 403) and (_KEY.search(message) or _KEY_REASON.search(details)):
        return "key"
    return _kind(code, False, False)


def _shortened(value: object, most: int) -> str:
    """One line of at most `most` characters: the end is kept, where Google names the quota."""
    try:
        text = " ".join(str(value).split())
    except Exception:  # nested too deep, or an error that cannot name itself
        text = type(value).__name__
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 3]} … {text[-end:]}"


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Already deleted, or no longer ours, counts as deleted."""
    try:
        yield
    except ApiProblem as problem:
        if not problem.gone:
            raise


def patiently() -> tenacity.Retrying:
    """Three tries of something that costs nothing, a second and two apart.

    For what broke midway, was not reached, or was refused because there was too much at once; a
    single odd reply of a middlebox is repeated so too.
    """
    import tenacity

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_exponential(multiplier=1, max=8),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ApiProblem) and (
        error.unclear or error.kind in ("unreachable", "quota")
    )
