"""How Vertex takes in the lines of a job: like a BigQuery table, whole or not at all.

One name at one place has one type over the whole file. Most rules were measured by others; the
words of most messages are guesses, and what stands before them is reported.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.schema import MESSAGES, Json

DEEPEST = 15  # levels of names
MOST_LINES = 200_000  # (documented)
LARGEST = 1024**3  # bytes (documented)
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
FAILED = (  # (reported)
    "Failed to import data. Please check 'Prepare input' section of the batch predictions "
    "documentation. "
)
RESERVED = ("request", "response", "status", "processed_time")
NUMERIC = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
BOOLEANS = {"y": True, "t": True, "true": True, "yes": True}
BOOLEANS |= {"n": False, "f": False, "false": False, "no": False}
REPEATED = {
    name for fields in MESSAGES.values() for name, kind in fields.items() if kind.startswith("[")
}


class ImportFailed(Exception):
    """The whole job fails with code 3, and nothing runs."""

    def __init__(self, message: str) -> None:
        super().__init__(FAILED + message)


@dataclass
class Column:
    """What one name holds over the whole file; `fields` are those of its objects."""

    type: str | None = None  # STRING, NUMBER, BOOLEAN, STRUCT; None: nothing but null or []
    repeated: bool | None = None
    fields: dict[str, "Column"] = field(default_factory=dict)
    null: bool = False  # it was null somewhere


@dataclass(frozen=True)
class Line:
    """One line: its place (0-based), what stands beside the request, and the request."""

    index: int
    siblings: Json
    request: Json


class Table:
    """A job's input as it was loaded. Raises ImportFailed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = Column(type="STRUCT")
        self.count = 0
        self.texts: dict[str, set[str]] = {}  # sibling -> kinds of text in it: number, bool, text
        if path.stat().st_size > LARGEST:
            raise ImportFailed(f"The input is larger than {LARGEST} bytes.")
        for number, line in _lines(path):
            self._take(number, _value(number, line))
        if not self.count:
            raise ImportFailed("The input holds no requests.")
        _check_nulls("", self.root)

    def lines(self) -> Iterator[Line]:
        """Every line, the values beside `request` as the table has them."""
        values = (json.loads(line) for _, line in _lines(self.path))
        for index, value in enumerate(values):
            siblings = {
                name: self._coerced(name, held)
                for name, held in value.items()
                if name not in RESERVED
            }
            yield Line(index, siblings, value["request"])

    def echo(self, request: Json) -> Json:
        """A request as it comes back: keys in another order, 1 for 1.0, null for what is unset."""
        echoed: Json = _echo(request, self.root.fields["request"])
        return echoed

    def _take(self, number: int, value: Json) -> None:
        self.count += 1
        if self.count > MOST_LINES:
            raise ImportFailed(f"The input holds more than {MOST_LINES} requests.")
        if not isinstance(value.get("request"), dict):
            raise ImportFailed(f"Error in line {number}: missing required field: request.")
        for name, held in value.items():
            if name not in RESERVED:
                self._take_sibling(name, held)
        _merge("", self.root, value, 0)

    def _take_sibling(self, name: str, held: Any) -> None:
        items = held if isinstance(held, list) else [held]
        if any(isinstance(item, dict | list) for item in items):
            raise ImportFailed(f"Field '{name}' beside 'request' must not hold an object.")
        kinds = {_kind(item) for item in items if isinstance(item, str)}
        self.texts.setdefault(name, set()).update(kinds)

    def _coerced(self, name: str, held: Any) -> Any:
        """Texts that all look like numbers are numbers, and y and n alone are booleans."""
        if isinstance(held, list):
            return [self._coerced(name, item) for item in held]
        kinds = self.texts.get(name)
        if not isinstance(held, str) or kinds is None or len(kinds) != 1:
            return held
        if kinds == {"number"}:
            return int(held) if re.fullmatch(r"[+-]?\d+", held) else _short(float(held))
        return BOOLEANS[held.lower()] if kinds == {"bool"} else held


def _kind(text: str) -> str:
    if NUMERIC.fullmatch(text) and len(text) < 19:  # 64 bits
        return "number"
    return "bool" if text.lower() in BOOLEANS else "text"


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, text) of every line that is not blank."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _value(number: int, line: bytes) -> Json:
    try:
        value = json.loads(
            line.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise ImportFailed(f"JSON parsing error in line {number}: {error}") from error
    if not isinstance(value, dict):
        raise ImportFailed(f"JSON parsing error in line {number}: Not an object.")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    """Names differ by more than capitals, as a table's do."""
    names = [name.lower() for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"Duplicate field name: {max(names, key=names.count)}")
    return dict(pairs)


def _no_constant(text: str) -> None:
    raise ValueError(f"Invalid value: {text}")


def _merge(place: str, column: Column, value: Json, depth: int) -> None:
    """Adds one object to what is known of its place. Raises ImportFailed."""
    if depth >= DEEPEST:
        raise ImportFailed(f"Field '{place}' is nested beyond {DEEPEST} levels.")
    if not value:
        raise ImportFailed(f"Cannot store struct '{place}' with no fields")  # (reported)
    for name, held in value.items():
        inner = f"{place}.{name}" if place else name
        if not FIELD.fullmatch(name):
            raise ImportFailed(
                f'Invalid field name "{inner}". Fields must contain only letters, numbers, and '
                "underscores, start with a letter or underscore, and be at most 300 characters "
                "long."
            )
        _merge_value(inner, column.fields.setdefault(name, Column()), held, depth + 1)


def _merge_value(place: str, column: Column, held: Any, depth: int) -> None:
    name = place.rpartition(".")[2]
    if held is None:
        if name in REPEATED:
            raise ImportFailed(f"Field '{place}' is repeated, and null in one line.")
        column.null = True
        return
    repeated = isinstance(held, list)
    if column.repeated not in (None, repeated):
        raise ImportFailed(f"Field '{place}' is an array in one place, and none in another.")
    column.repeated = repeated
    for item in held if repeated else [held]:
        if item is None:
            raise ImportFailed(f"Field '{place}' holds null among its items.")
        if isinstance(item, list):
            raise ImportFailed(f"Field '{place}' is an array of arrays.")
        type_ = _type(item)
        if column.type not in (None, type_):
            raise ImportFailed(
                f"Field '{place}' has two types: {column.type} in one place, {type_} in another."
            )
        column.type = type_
        if isinstance(item, dict):
            _merge(place, column, item, depth)


def _type(item: Any) -> str:
    if isinstance(item, dict):
        return "STRUCT"
    if isinstance(item, bool):
        return "BOOLEAN"
    return "STRING" if isinstance(item, str) else "NUMBER"


def _check_nulls(place: str, column: Column) -> None:
    if column.null and column.repeated:
        raise ImportFailed(f"Field '{place}' is repeated, and null in one line.")
    for name, inner in column.fields.items():
        _check_nulls(f"{place}.{name}" if place else name, inner)


def _echo(value: Any, column: Column) -> Any:
    if isinstance(value, list):
        return [_echo(item, column) for item in value]
    if isinstance(value, dict):
        unset: Json = {name: None for name, inner in column.fields.items() if not inner.repeated}
        echoed = {name: _echo(item, column.fields[name]) for name, item in value.items()}
        return dict(sorted((unset | echoed).items()))
    return _short(value)


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
