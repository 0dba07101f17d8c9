"""The SDK's client: its key and address, replies as they came, and its errors as ours.

`gemini` calls through it; no other module imports google-genai. Replies are plain dicts: the SDK's
types drop `error` and `batchStats`, and refuse fields that are new.
"""

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import tenacity
from google import genai
from google.genai import errors, types

from flowsheets import settings
from flowsheets.errors import Problem

CALL_SECONDS = 120  # for the calls that only ask, or move one chunk of 8 MiB

# A state that the SDK does not know makes it warn on stderr; whoever reads `state` says it once.
warnings.filterwarnings("ignore", message=".* is not a valid ", category=UserWarning)


class ApiProblem(Problem):
    """The API refused a call or could not be reached.

    `code` is the HTTP status, None without an answer. `unclear` says that the call may have been
    carried out all the same (5xx, a time-out, a cut connection). `key_refused` says that it is the
    API key, not the call. `everywhere` says that any other call would end so too,
    `for_every_page` that any other page's request would. `may_be_billed` says that a call for one
    page may have been carried out: a 500 or 503, repeated by the SDK, was not.
    """

    def __init__(
        self, what: str, fix: str, *, code: int | None, unclear: bool, key_refused: bool = False
    ) -> None:
        # Should an error of a library ever quote a header: no key goes into a row or onto a screen.
        key = os.environ.get("GEMINI_API_KEY", "").strip()
        self.what = what.replace(key, "…") if len(key) >= 16 else what
        super().__init__("Gemini API", self.what, fix)
        self.fix = fix
        self.code = code
        self.unclear = unclear
        self.key_refused = key_refused
        self.everywhere = key_refused or (code is None and not unclear)
        self.for_every_page = self.everywhere or code in (401, 403, 404, 429)
        self.may_be_billed = unclear and code not in (500, 503)


_last = threading.local()  # .reply: the last JSON reply in this thread


class _PaidOnce(httpx2.Client):
    """The SDK retries every time-out, also one that came while a paid answer was under way.

    As a read error it is not retried: `Read errors … are never retried`, in google-genai 3.4.0.
    """

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return super().send(request, **options)
        except httpx2.ReadTimeout as error:
            raise httpx2.ReadError(f"no answer in time ({error})", request=request) from error


def open_client(patient: bool = False) -> genai.Client:
    """The client; a `patient` one repeats calls that only ask. Raises `Problem` without a key."""
    key = settings.api_key()
    base_url = os.environ.get("GOOGLE_GEMINI_BASE_URL", "").strip()
    try:
        urlsplit(base_url)  # as the SDK does within each call
    except ValueError as error:
        raise Problem("GOOGLE_GEMINI_BASE_URL", str(error), "Correct it, or unset it") from error
    return _client_of(key, base_url, patient)


@cache
def _client_of(key: str, base_url: str, patient: bool) -> genai.Client:
    options = types.HttpOptions(
        api_version="v1beta",
        timeout=CALL_SECONDS * 1000,
        retry_options=types.HttpRetryOptions(attempts=3) if patient else None,
        httpx_client=_PaidOnce(event_hooks={"response": [_keep_reply]}, follow_redirects=True),
    )
    if base_url:
        options.base_url = base_url
    return genai.Client(api_key=key, vertexai=False, http_options=options)


def _keep_reply(response: httpx2.Response) -> None:
    # Exactly this type: `application/jsonl` is a download, which must not be read into memory.
    if response.headers.get("content-type", "").split(";")[0].strip() == "application/json":
        response.read()
        try:
            _last.reply = response.json()
        except ValueError:
            _last.reply = None


def reply_to(call: Callable[[], object]) -> dict[str, Any]:
    """The API's whole JSON reply to `call`, also where the SDK's types cannot hold it."""
    _last.reply = None
    with explained():
        try:
            call()
        except (errors.APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise
        except Exception:  # a type of the SDK refused the reply; the reply itself is what counts
            if _last.reply is None:
                raise
    if not isinstance(_last.reply, dict):
        raise ApiProblem(
            "an answer that is no JSON object", "Run the command again", code=None, unclear=True
        )
    return _last.reply


@contextmanager
def explained() -> Iterator[None]:
    """Turn the SDK's errors and the network's into `ApiProblem`."""
    try:
        yield
    except errors.APIError as error:
        raise _refusal(error) from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol) as error:
        raise ApiProblem(
            f"cannot be reached ({error})",
            "Check the network and GOOGLE_GEMINI_BASE_URL, then run the command again",
            code=None,
            unclear=False,
        ) from error
    except httpx2.InvalidURL as error:
        raise Problem("GOOGLE_GEMINI_BASE_URL", str(error), "Correct it, or unset it") from error
    except httpx2.HTTPError as error:
        raise ApiProblem(
            f"the connection broke ({type(error).__name__}: {error})",
            "Run the command again",
            code=None,
            unclear=True,
        ) from error


def _refusal(error: errors.APIError) -> ApiProblem:
    code = int(error.code or 0)
    message = " ".join((error.message or "no message").split())[:300]
    # Google answers a wrong key with 400; only the words tell it from a bad request.
    key_refused = code == 401 or "API_KEY_INVALID" in str(error.details) or "API key" in message
    key_refused = key_refused or (code == 403 and "unregistered callers" in message)
    if key_refused:
        fix = "Check GEMINI_API_KEY"
    elif code == 429:
        fix = "Wait, or ask for more quota, then run the command again"
    elif code >= 500:
        fix = "Run the command again later"
    else:
        fix = "Check GEMINI_API_KEY and GEMINI_MODEL"
    return ApiProblem(
        f"answered {code} {error.status or ''}: {message}",
        fix,
        code=code,
        unclear=code == 408 or code >= 500,
        key_refused=key_refused,
    )


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """Deleting what is not there, or no longer ours, is done."""
    try:
        yield
    except ApiProblem as problem:
        if problem.code not in (403, 404):
            raise


def patiently() -> tenacity.Retrying:
    """Three tries of something that costs nothing, a second and two apart, if it broke midway."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, ApiProblem) and e.unclear),
        wait=tenacity.wait_exponential(multiplier=1, max=8),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )
