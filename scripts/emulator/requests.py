"""Bodies and input lines of a batch: read strictly, refused in Google's words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import invalid
from emulator.schema import Json, Violation, check

CACHE_CONFLICT = (  # (reported)
    "CachedContent can not be used with GenerateContent request setting system_instruction, tools "
    "or tool_config.\n\n"
    "Proposed fix: move those values to CachedContent from GenerateContent request."
)


@dataclass(frozen=True)
class Row:
    """One line of a batch's input; `labels` (`key`, `metadata`) go back with the answer."""

    index: int  # 0-based
    labels: Json
    request: Json


def parse_body(message: str, body: bytes) -> Json:
    """A request body -> its fields in camelCase.

    Raises ApiError 400 with every field that is unknown or wrong.
    """
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    known, wrong = check(message, value)
    if wrong:
        details = {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [
                {"field": violation.path, "description": violation.description}
                for violation in wrong
            ],
        }
        raise invalid("\n".join(item.description for item in wrong), details=[details])
    return known


def check_generation(request: Json) -> None:
    """What a GenerateContentRequest must fulfil beyond its shape. Raises ApiError 400."""
    if not request.get("contents"):
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    if "cachedContent" in request and request.keys() & {"systemInstruction", "tools", "toolConfig"}:
        raise invalid(CACHE_CONFLICT)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of an input file, a line each; blank lines are skipped.

    A key is not needed, and need not be unique. Raises ApiError 400 `Error on line N: ...` (N from
    1) at the first line that is not as it should be, in words of a refusal by Google (reported).
    """
    index = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _row(index, number, line)
                index += 1


def _row(index: int, number: int, line: bytes) -> Row:
    try:
        text = line.decode()
        value: Any = json.loads(text)
    except ValueError as error:
        column = getattr(error, "colno", getattr(error, "start", 0))
        raise _on_line(number, column, f"syntax error ({type(error).__name__})") from error
    known, wrong = check("InputLine", value)
    if wrong:
        raise _on_line(number, _column(text, wrong[0]), _complaint(wrong[0]))
    if "request" not in known:
        raise _on_line(number, 1, "no request")
    try:
        check_generation(known["request"])
    except Exception as error:
        raise invalid(f"Error on line {number}: {error}") from error
    labels: Json = {name: known[name] for name in ("key", "metadata") if name in known}
    return Row(index, labels, known["request"])


def _complaint(violation: Violation) -> str:
    if violation.unknown is not None:
        return f"no such field: '{violation.unknown}'"
    return violation.description


def _column(text: str, violation: Violation) -> int:
    """Where the name first stands in the line, from 1: "near", as the message says."""
    name = violation.unknown or violation.path.rpartition(".")[2]
    return max(text.find(f'"{name}"'), 0) + 1


def _on_line(number: int, column: int, complaint: str) -> Exception:
    return invalid(f"Error on line {number}: invalid JSON, near column {column}: {complaint}")
