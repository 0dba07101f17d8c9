"""One response of the API: the page in it, or the reason why there is none, for a person to read.

The same code for both ways: real time hands in the body of generateContent, a batch hands in the
line of its result file. Plain dicts throughout: the SDK's own types refuse fields that are new.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flowsheets.page.schema import PageReading

# google.rpc.Code, as result lines carry it: often the bare number, without a message.
GRPC_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
CANCELLED = 1
PERMISSION_DENIED = 7


@dataclass(frozen=True)
class Unread:
    """No page came of it.

    `code` is one word for all failures of the kind, `reason` says more to a person, and `ran` is
    false where nothing was done. `last_error` in jobs.db is both: "code: reason".
    """

    code: str
    reason: str
    ran: bool = True

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


CACHE_GONE = Unread("cache_gone", "the prompt cache was gone when this page ran", ran=False)


def read(response: dict[str, Any]) -> PageReading | Unread:
    """The page in a GenerateContentResponse; of any other form, that it has one nobody knows."""
    try:
        return _read(response)
    except (AttributeError, IndexError, KeyError, TypeError):
        return Unread("unknown_form", "the response has a form that the API does not document")


def _read(response: dict[str, Any]) -> PageReading | Unread:
    """`read`, for a response of the documented form.

    Text may come in several parts, between thoughts and parts with a signature alone; whether an
    answer is whole, finishReason says, so it is looked at before the text is.
    """
    feedback = response.get("promptFeedback") or {}
    candidates = response.get("candidates") or []
    if not candidates:
        blocked = feedback.get("blockReason")
        if blocked:
            return Unread("prompt_blocked", f"the prompt was blocked: {blocked}")
        return Unread("empty", "an empty answer")
    candidate = candidates[0]
    finish = candidate.get("finishReason") or "none given"
    if finish == "MAX_TOKENS":
        used = (response.get("usageMetadata") or {}).get("candidatesTokenCount")
        after = f" after {used} tokens" if used else ""
        return Unread("max_tokens", f"the answer was cut off{after} (MAX_TOKENS)")
    if finish != "STOP":
        message = candidate.get("finishMessage")
        said = f", {message}" if message else ""
        return Unread(finish.lower(), f"the model stopped: {finish}{said}")
    parts = (candidate.get("content") or {}).get("parts") or []
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    if not text.strip():
        return Unread("empty", "the answer holds no text")
    return _reading(text)


def read_line(line: dict[str, Any], cached: bool = False) -> PageReading | Unread:
    """The page in one line of a batch's result file: {key, response} or {key, error or status}.

    `cached`: the request named a cache; only then does code 7 mean that the cache was dead and
    the row was not run, at no cost. Code 1 is a row that a cancel came before.
    """
    error = line.get("error") or line.get("status")
    if line.get("response") or ("response" in line and not error):
        return read(line["response"] or {})
    if not isinstance(error, dict):
        return Unread("unknown_form", "the result line holds neither a response nor an error")
    code = error.get("code")
    if code == CANCELLED:
        return Unread("cancelled", "cancelled before this page ran", ran=False)
    if code == PERMISSION_DENIED and cached:
        return CACHE_GONE
    return Unread(f"row_error_{code}", explain(error))


def explain(error: dict[str, Any]) -> str:
    """A google.rpc.Status as one line: code, its name, and the message if there is one."""
    code = error.get("code")
    name = error.get("status") or GRPC_CODES.get(code or 0, "")
    message = error.get("message") or "no message"
    return " ".join(f"the API answered {code or ''} {name}: {message}".split())


def _mended(text: str) -> str:
    """Half a character, as `\\ud83c` alone is, can stand in no file: U+FFFD stands for it."""
    if "\\ud" not in text.lower():
        return text
    with suppress(ValueError):  # no JSON, as whoever parses it says
        halves = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-16", "surrogatepass")
        return halves.decode("utf-16", "replace")
    return text


def _reading(text: str) -> PageReading | Unread:
    try:
        return PageReading.model_validate_json(_mended(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            return Unread("not_json", f"the answer is no JSON: {first['ctx']['error']}")
        where = ".".join(str(step) for step in first["loc"]) or "page"
        more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        return Unread(
            "wrong_shape",
            f"the answer does not fit the page's shape: {where}: {first['msg']}{more}",
        )
