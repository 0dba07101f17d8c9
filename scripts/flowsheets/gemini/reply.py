"""What the API replies to a call, as it came, and whatever the SDK raises instead as ours.

Replies are plain dicts: the SDK's types drop `error` and `batchStats`, and refuse fields that are
new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flowsheets.errors import Problem
from flowsheets.gemini.client import last
from flowsheets.gemini.problem import FIX, QUOTED, ApiProblem, Kind, refusal, shortened

if TYPE_CHECKING:
    import tenacity


def raw_reply(call: Callable[[], object], answers: Callable[[bytes], bool]) -> bytes:
    """The body of the API's reply to `call`, verbatim, also where the SDK's types cannot hold it.

    `answers` says whether a body is an answer to this call. Raises `ApiProblem`, of the kind
    `foreign` or `odd` where what came is not.
    """
    import httpx2
    from google.genai import errors

    last.came, last.body = None, b""
    with explained():
        try:
            call()
        except (Problem, errors.APIError, httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise
        except Exception:  # a type of the SDK refused the reply; the reply itself is what counts
            if not answers(last.body):
                raise
        if not answers(last.body):
            raise not_an_answer()
    body: bytes = last.body
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
    reply = _parsed(last.body)
    if isinstance(reply, dict) and isinstance(error := reply.get("error"), dict):
        return refusal(error.get("code"), reply, last.came)
    seen = ", ".join(part for part in (last.came, detail) if part)
    return ApiProblem(
        f"not an answer of the Gemini API ({seen or 'nothing'})",
        FIX["foreign"],
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
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.genai import errors

    unsent = (
        *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
        *(httpx2.ProxyError, httpx2.UnsupportedProtocol),
    )
    if isinstance(error, errors.APIError):
        return refusal(error.code, error.details, last.came)
    if isinstance(error, unsent):
        return ApiProblem(f"cannot be reached ({error})", code=None, unclear=False)
    if isinstance(error, GoogleAuthError):  # no token, so that the call itself was not sent
        what = f"no access token can be had ({shortened(error, QUOTED)})"
        kind: Kind = "unreachable" if isinstance(error, TransportError) else "key"
        return ApiProblem(what, code=None, unclear=False, kind=kind)
    if isinstance(error, httpx2.HTTPError | OSError):
        what = f"the connection broke ({type(error).__name__}: {error})"
        return ApiProblem(what, code=None, unclear=True)
    if isinstance(error, MemoryError):
        what = "this machine has too little memory for the call"
        return ApiProblem(what, code=None, unclear=True, kind="memory")
    return not_an_answer(f"{type(error).__name__}: {shortened(error, 100)}")


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


def asked(call: Callable[[], object], field: str = "", kind: type = object) -> dict[str, Any]:
    """`reply_to`, three times if need be: for calls that only ask, or that do no harm twice."""
    return patiently()(reply_to, call, field, kind)


def listed(call: Callable[[str | None], object], field: str) -> Iterator[dict[str, Any]]:
    """The entries of all pages of a listing; `call` asks for the page of that token."""
    token, seen = None, set[str]()
    while True:
        listing = asked(lambda token=token: call(token))  # type: ignore[misc]
        entries = listing.get(field) or []
        # An empty listing is {}; another object without the field is not one, and proves nothing.
        strange = field not in listing and listing.keys() - {"nextPageToken", "unreachable"}
        if strange or not isinstance(entries, list):
            raise not_an_answer()
        yield from (entry for entry in entries if isinstance(entry, dict))
        token = listing.get("nextPageToken")
        if not token:
            return
        if not isinstance(token, str) or token in seen:  # or it would go round for ever
            raise not_an_answer()
        seen.add(token)
