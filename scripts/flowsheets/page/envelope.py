"""The objects in the text of a response, whatever was written around them.

A model that is asked for one JSON object writes, now and then, a fence around it, a byte order
mark, a list of one, a remark, or a few signs after its end (all of it was seen with Gemini). That
is forgiven and named. What may be a second object, or a part of one, is never skipped.
"""

import json
import re
from collections import Counter
from typing import Any, NamedTuple

# More digits than any number of a page has; Python takes minutes for a million of them.
DIGITS = 18
EXCERPT = 40
# Objects in one text: of more, no two pages can be right, and time is lost on each.
MOST = 10

_FENCE = re.compile(r"`{3,}[ \t]*\w*|~{3,}[ \t]*\w*")
# Where an object, or a list of objects, may begin. Other braces are signs in a remark.
_BEGIN = re.compile(r'(?:\[\s*)?\{\s*["}]')
_BOM = "\ufeff"


class NotJson(ValueError):
    """Says in a few words why what begins as an object is not one."""


class Found(NamedTuple):
    """The objects in the order of the text; `broken` says why what begins after them is not one."""

    objects: list[dict[str, Any]]
    broken: str | None


def objects(text: str, forgiven: Counter[str]) -> Found:
    """Every JSON object in the text; `forgiven` counts what else was there.

    Raises `RecursionError` where it nests deeper than any page.
    """
    found: list[dict[str, Any]] = []
    outside = []  # texts before, between and after the objects
    at, broken = 0, None
    text = _unquoted(text, forgiven)
    while begin := _BEGIN.search(text, at):
        outside.append(text[at : begin.start()])
        try:
            value, at = _value(text, begin, forgiven)
        except ValueError as error:
            broken = _why(error)
            break
        found += _flat(value, forgiven)
        if len(found) > MOST:
            broken = f"more than {MOST} objects"
            break
    else:
        outside.append(text[at:])
    _name(outside, forgiven)
    return Found(found, broken)


def _value(text: str, begin: "re.Match[str]", forgiven: Counter[str]) -> tuple[Any, int]:
    """What begins there, and where it ends: an object, a list, the first object of an open list."""
    try:
        return _DECODER.raw_decode(text, begin.start())
    except ValueError:
        if text[begin.start()] == "{":
            raise
    value = _DECODER.raw_decode(text, text.index("{", begin.start()))
    forgiven["a list that is left open"] += 1
    return value


def _unquoted(text: str, forgiven: Counter[str]) -> str:
    """The text, or what it holds where all of it is one JSON string."""
    if not text.lstrip(_WHITE).startswith('"'):
        return text
    try:
        inner = _DECODER.decode(text.strip(_WHITE))
    except ValueError:
        return text
    forgiven["a JSON string around the page"] += 1
    return str(inner)


def _flat(value: Any, forgiven: Counter[str]) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value]
    forgiven["a list around the page"] += 1
    values = [one for one in value if isinstance(one, dict | list)]
    return [one for inner in values for one in _flat(inner, Counter())]


def _name(outside: list[str], forgiven: Counter[str]) -> None:
    """Count what stood around the objects, by kind."""
    rest = "\n".join(outside)
    if _BOM in rest:
        forgiven["a byte order mark"] += 1
    if _FENCE.search(rest):
        forgiven["a fence around the page"] += 1
    for number, text in enumerate(outside):
        words = " ".join(_FENCE.sub(" ", text).replace(_BOM, " ").split())
        if words and not (words == "," and 0 < number < len(outside) - 1):
            excerpt = words if len(words) <= EXCERPT else f"{words[:EXCERPT]}..."
            forgiven[f"text outside the page: {excerpt}"] += 1


def _why(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at letter {error.pos}"
    return str(error)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that it has twice, with two values, makes it two objects in one."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    made = {}
    for name, value in pairs:
        if name in made and made[name] != value:
            raise NotJson(f"{name[:EXCERPT]} is given twice, with two values")
        made[name] = value
    return made


def _number(digits: str) -> int:
    if len(digits) > DIGITS:
        raise NotJson(f"a number of {len(digits):,} digits")
    return int(digits)


def _constant(name: str) -> Any:
    raise NotJson(f"{name} is not a JSON value")


_WHITE = " \t\r\n" + _BOM
# Not strict: a line break inside a text that is not escaped can mean nothing else.
_DECODER = json.JSONDecoder(
    strict=False, object_pairs_hook=_once, parse_int=_number, parse_constant=_constant
)
