"""One response of the API: the page in it, or the reason why there is none, for a person to read.

The same code in every mode: real time hands in the body of generateContent, a batch hands in the
line of its result file. Plain dicts throughout: the SDK's own types refuse fields that are new.

The envelope is forgiven, the page is not: one whole valid page is taken whatever is around it
(`envelope`, `mend`), and what was forgiven is kept with it. Two different pages in one response are
none. The page's shape and its library cost 0.1 s to import, which the first page does.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from flowsheets.page import envelope, mend

if TYPE_CHECKING:
    from flowsheets.page.schema import PageReading

# google.rpc.Code, as result lines carry it: often the bare number, without a message.
GRPC_CODES = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
    16: "UNAUTHENTICATED",
}
CANCELLED = 1
PERMISSION_DENIED = 7

# Codes of failures that the same model would repeat, for the same money: the model's refusals
# (`FinishReason` and `BlockedReason` in the API's reference), and a response that ran into
# maxOutputTokens. Such a page is not sent again before a person says so, with `make retry`.
FOR_A_PERSON = frozenset(
    {
        "blocklist",
        "image_prohibited_content",
        "image_recitation",
        "image_safety",
        "language",
        "max_tokens",
        "model_armor",
        "prohibited_content",
        "prompt_blocked",
        "recitation",
        "safety",
        "spii",
    }
)

# A page has some 8,000 letters. This bounds what a response can cost us in time and memory.
LONGEST = 1_000_000

# Letters of a reason: its beginning, and its end, where the API names a quota.
REASON_BEGIN, REASON_END = 300, 150
KINDS = 10  # of what was forgiven in one page, that are named


def _one_line(text: str) -> str:
    """One line that fits any file and does a terminal no harm, with its beginning and its end."""
    line = " ".join(str(text).split())
    if len(line) > REASON_BEGIN + REASON_END:
        line = f"{line[:REASON_BEGIN]} ... {line[-REASON_END:]}"
    return "".join(letter for letter in line if letter.isprintable())


@dataclass(frozen=True)
class Unread:
    """There is no page.

    `code` is one lower-case word for all failures of the kind, `reason` says more to a person, and
    `ran` is false where nothing was done. `last_error` in jobs.db is both: "code: reason". Whatever
    the API wrote, the reason is one line of at most 500 printable letters.
    """

    code: str
    reason: str
    ran: bool = True

    def __post_init__(self) -> None:
        code = re.sub(r"[^a-z0-9]+", "_", self.code.lower()).strip("_")[:60]
        object.__setattr__(self, "code", code or "unknown")
        object.__setattr__(self, "reason", _one_line(self.reason))

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


CACHE_GONE = Unread("cache_gone", "the prompt cache was gone when this page ran", ran=False)


def parse(raw: bytes) -> Any:
    """The JSON value of a body or of a line of a result file. Raises `ValueError` alone.

    orjson is quick, and refuses an escape that is half of a character, which a model may write.
    """
    try:
        return orjson.loads(raw)
    except ValueError as error:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise error from None


def read(response: Any) -> PageReading | Unread:
    """The page in a GenerateContentResponse; `forgiven` of it says what was put right.

    Raises nothing but KeyboardInterrupt and SystemExit: whatever else happens while one page is
    read, a bug or a panic of a library included, is the failure of that page alone.
    """
    try:
        return _read(response)
    except (KeyboardInterrupt, SystemExit):
        raise
    except RecursionError:
        return Unread("too_deep", "the response nests deeper than any page")
    except BaseException as error:
        return Unread(
            "unknown_form",
            f"the response has a form that the API does not document ({type(error).__name__})",
        )


def read_line(line: Any, cached: bool = False) -> PageReading | Unread:
    """The page in one line of a batch's result file: {key, response} or {key, error or status}.

    `cached`: the request named a cache; only then does code 7 mean that the cache was dead and
    the row was not run, at no cost. Code 1 is a row that a cancel came before. Raises what `read`
    does.
    """
    try:
        error = _row_error(line)
        if error is None:
            return read(line["response"] or {})
        return _row_failure(error, cached)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return Unread("unknown_form", "the result line holds neither a response nor an error")


def explain(error: Any) -> str:
    """A google.rpc.Status, or a plain text in its place, as one line: code, name and message."""
    if not isinstance(error, dict):
        error = {"code": error} if type(error) is int else {"message": str(error)}
    code = _rpc_code(error)
    name = error.get("status") or GRPC_CODES.get(code or 0, "")
    message = error.get("message") or "no message"
    which = [str(one) for one in (code, name) if one is not None and one != ""]
    return _one_line(f"{' '.join(['the API answered', *which])}: {message}")


def _read(response: dict[str, Any]) -> PageReading | Unread:
    """`read`, for a response of the documented form.

    Text may come in several parts, between thoughts and parts with a signature alone; whether a
    response is whole, finishReason says, so it is looked at before the text is.
    """
    candidates = response.get("candidates") or []
    if not candidates:
        return _without_candidates(response)
    candidate = candidates[0]
    finish = str(candidate.get("finishReason") or "none given")
    if finish.upper() == "MAX_TOKENS":
        used = (response.get("usageMetadata") or {}).get("candidatesTokenCount")
        after = f" after {used} tokens" if used else ""
        return Unread("max_tokens", f"the response was cut off{after} (MAX_TOKENS)")
    if finish.upper() != "STOP":
        message = candidate.get("finishMessage")
        said = f", {message}" if message else ""
        return Unread(finish, f"the model stopped: {finish}{said}")
    # One candidate is asked for; of more, each has to hold the same page.
    forgiven = Counter[str]()
    text = "\n".join(_text(one, forgiven) for one in candidates)
    if not text.strip():
        return Unread("empty", "the response holds no text")
    return _page(text, forgiven)


def _without_candidates(response: dict[str, Any]) -> Unread:
    blocked = (response.get("promptFeedback") or {}).get("blockReason")
    if blocked:
        return Unread("prompt_blocked", f"the prompt was blocked: {blocked}")
    if error := response.get("error"):
        return Unread(f"error_{_rpc_code(error) or ''}", explain(error))
    return Unread("empty", "the response is empty")


def _text(candidate: dict[str, Any], forgiven: Counter[str]) -> str:
    parts = (candidate.get("content") or {}).get("parts") or []
    texts = [part.get("text", "") for part in parts if part and not part.get("thought")]
    nulls = texts.count(None) + parts.count(None)
    if nulls:
        forgiven["a part with null for its text"] += nulls
    return "".join(text for text in texts if text is not None)


def _page(text: str, forgiven: Counter[str]) -> PageReading | Unread:
    """The one page in the text of a response."""
    if len(text) > LONGEST:
        return Unread("too_long", f"the response has {len(text):,} letters, which no page has")
    found = envelope.objects(text, forgiven)
    if not found.objects:
        why = found.broken or "it holds no object"
        return Unread("not_json", f"the response is not JSON: {why}")
    if found.broken:
        return Unread("two_pages", f"what follows the first object is not one: {found.broken}")
    pages: list[PageReading] = []
    for one in found.objects:
        page = _checked(one, forgiven if not pages else Counter())
        if isinstance(page, Unread) and len(found.objects) > 1:
            return Unread("two_pages", f"one of {len(found.objects)} objects: {page.reason}")
        if isinstance(page, Unread):
            return page
        pages.append(page)
    if any(page != pages[0] for page in pages):
        return Unread("two_pages", f"the response holds {len(pages)} objects that differ")
    if len(pages) > 1:
        forgiven["the page more than once"] += 1
    return pages[0].after(_said(forgiven))


def _checked(found: dict[str, Any], forgiven: Counter[str]) -> PageReading | Unread:
    """One object as a page."""
    from pydantic import ValidationError

    from flowsheets.page.schema import LAST_ROW, PageReading

    try:
        # As JSON, where strict means what it says: true is not a number, an object is a block.
        page = _as_it_is(found) or PageReading.model_validate_json(
            orjson.dumps(mend.mended(found, _schema(), forgiven)), strict=True
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "page"
        more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
        return Unread(
            "wrong_shape",
            f"the response does not fit the page's shape: {where}: {first['msg']}{more}",
        )
    if any(entry.row_index > LAST_ROW for block in page.quadrants for entry in block.entries):
        return Unread(
            "wrong_shape",
            f"the response does not fit the page's shape: a row_index is over {LAST_ROW}",
        )
    return page


def _as_it_is(found: dict[str, Any]) -> PageReading | None:
    """The page where nothing of it has to be mended, as nearly always; None where that is not sure.

    A third of all the work of a page is to look at each of its texts (`mend`); this looks at once.
    """
    from pydantic import ValidationError

    from flowsheets.page.schema import PageReading

    try:
        whole = orjson.dumps(found)
        if mend.may_have_to_be_mended(whole):
            return None
        return PageReading.model_validate_json(whole, strict=True, extra="forbid")
    except (ValidationError, TypeError):  # orjson's TypeError: half of a character
        return None


@functools.cache
def _schema() -> dict[str, Any]:
    from flowsheets.page import schema

    return schema.response_schema()


def _said(forgiven: Counter[str]) -> tuple[str, ...]:
    """What was forgiven, one sentence a kind, with how often."""
    said = [f"{kind} ({count} times)" if count > 1 else kind for kind, count in forgiven.items()]
    if len(said) > KINDS:
        said[KINDS:] = [f"and {len(said) - KINDS} more"]
    return tuple(_one_line(one) for one in said)


def _row_error(line: dict[str, Any]) -> Any:
    """The error of a result line, wherever it is; None where the line has a response.

    Raises `KeyError` where it has neither.
    """
    body = line.get("response")
    if isinstance(body, dict) and (body.get("candidates") or body.get("promptFeedback")):
        return None
    inner = body.get("error") if isinstance(body, dict) else None
    error = line.get("error") or line.get("status") or inner
    if error:
        return row_status(error)
    if "response" in line:
        return None
    raise KeyError("error")


def body_of(line: dict[str, Any]) -> dict[str, Any] | None:
    """The response in a result line, which was billed; {} beside an error is none (Vertex AI)."""
    body = line.get("response")
    if not isinstance(body, dict) or (not body and (line.get("error") or line.get("status"))):
        return None
    return body


def row_status(error: Any) -> Any:
    """The error in a row's status that is a text, `Bad Request: {"error": {…}}`; else as it is."""
    if not isinstance(error, str):
        return error
    try:
        inner = orjson.loads(error[max(error.find("{"), 0) :])
    except ValueError:
        inner = None
    if isinstance(inner, dict) and isinstance(inner.get("error"), dict):
        inner = inner["error"]
    if isinstance(inner, dict) and inner.keys() & {"code", "message", "status"}:
        return inner
    return error


def code_of_row(line: dict[str, Any]) -> int | None:
    """The number of the error in a result line that has no response."""
    return _rpc_code(row_status(line.get("error") or line.get("status")))


def _row_failure(error: Any, cached: bool) -> Unread:
    code = _rpc_code(error)
    by_name = _rpc_code(error.get("status")) if isinstance(error, dict) else None
    if CANCELLED in (code, by_name):
        return Unread("cancelled", "cancelled before this page ran", ran=False)
    if PERMISSION_DENIED in (code, by_name) and cached:
        return CACHE_GONE
    return Unread(f"row_error_{'' if code is None else code}", explain(error))


def _grpc_name(text: str) -> str:
    """Of `DEADLINE_EXCEEDED`, or of `DEADLINE_EXCEEDED: and what it means`."""
    return text.partition(":")[0].strip().upper()


def _rpc_code(error: Any) -> int | None:
    """The number of an error: given as such, as a text, or by its name."""
    names = {name: number for number, name in GRPC_CODES.items()}
    given = [error.get("code"), error.get("status")] if isinstance(error, dict) else [error]
    for value in given:
        if type(value) is int and abs(value) < 10**6:
            return value
        if isinstance(value, str) and re.fullmatch(r"\d{1,6}", value.strip(), re.ASCII):
            return int(value)
        if isinstance(value, str) and (name := _grpc_name(value)) in names:
            return names[name]
    return None
