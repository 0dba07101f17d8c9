"""What the API refuses, or what comes instead of its answer: one class, sorted by what you can do.

Google has one status for several kinds of refusal; only its words tell them apart.
"""

from __future__ import annotations

import os
import re
from typing import Literal

from flowsheets.errors import Problem

QUOTED = 300  # characters of the API's message that are shown: its beginning and its end

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
FIX = {  # kind -> what you do about it
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


class Closed(Problem):
    """A door that cannot be gone through: what it needs is not set. The other one may be open."""


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
        where: str = "Gemini API",
    ) -> None:
        # Should an error of a library ever quote a header: no key goes into a row or onto a screen.
        key = os.environ.get("GEMINI_API_KEY", "").strip()
        self.what = what.replace(key, "…") if len(key) >= 16 else what
        self.kind = kind or _kind(code, unclear, key_refused)
        self.fix = fix or FIX.get(self.kind, "Run the command again")
        self.where = where
        super().__init__(where, self.what, self.fix)
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


def problem_of_door(problem: Problem) -> bool:
    """Whether every other call through the same door would end so."""
    return isinstance(problem, Closed) or (isinstance(problem, ApiProblem) and problem.everywhere)


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


def refusal(status: object, body: object, came: str | None = None) -> ApiProblem:
    """For an error's HTTP status and its body, of Google's shape or not; `came`: what was seen.

    Google's is {error: {code, message, status, details}}; a 4xx of another shape comes from a proxy
    or a wrong address, and says nothing about what the call names.
    """
    code = status if isinstance(status, int) else 0
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        if code < 500 and code not in (408, 429):
            what = f"not an answer of the Gemini API ({came or code})"
            return ApiProblem(what, code=None, unclear=True, kind="foreign")
        error = {}
    message = shortened(error.get("message") or "no message", 10_000)
    details = shortened(error.get("details") or "", 10_000)
    quota = re.search(r"quotaId'?: '(\w+)'", details)
    shown = shortened(message, QUOTED)
    if quota and quota[1] not in shown:
        shown = f"{shown} ({quota[1]})"
    what = f"answered {code} {shortened(error.get('status') or '', 40)}: {shown}"
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


def shortened(value: object, most: int) -> str:
    """One line of at most `most` characters: the end is kept, where Google names the quota."""
    try:
        text = " ".join(str(value).split())
    except Exception:  # nested too deep, or an error that cannot name itself
        text = type(value).__name__
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 3]} … {text[-end:]}"
