"""Small deviations of a response from the schema, where they can mean one thing only, put right.

"High" for high, "top-left" for top_left, null for an empty list, the word "null" for null, 3.0 for
3. Each is named, so that a person can look. Anything else is left as it is, for the check that
follows (`schema.PageReading`).
"""

import re
from collections import Counter
from typing import Any

# Words for "nothing is written there" that the prompt forbids and a model writes all the same.
NULL_WORDS = frozenset({"null", "none", "n/a"})

_HALF = re.compile("[\ud800-\udfff]")


def may_have_to_be_mended(whole: bytes) -> bool:
    """Whether a page's JSON, as orjson writes it, may hold what fits the schema and is mended.

    That is a word for null where a text may stand, or a character that no file can hold: orjson
    escapes control characters alone. What does not fit the schema, the check of the page finds.
    """
    small = whole.lower()
    values = small.count(b":null,") + small.count(b":null}")
    return small.count(b"null") > values or b"none" in small or b"n/a" in small or b"\\u" in small


def mended(value: Any, schema: dict[str, Any], forgiven: Counter[str], where: str = "page") -> Any:
    """The value as `schema` (see `schema.response_schema`) wants it; `forgiven` counts changes."""
    if value is None and schema["type"] == "ARRAY":
        forgiven["null for an empty list"] += 1
        return []
    if isinstance(value, str):
        return _text(value, schema, forgiven, where)
    if isinstance(value, float) and schema["type"] == "INTEGER" and value.is_integer():
        forgiven["a whole number with a decimal point"] += 1
        return int(value)
    if isinstance(value, list) and schema["type"] == "ARRAY":
        return _list(value, schema["items"], forgiven, where)
    if isinstance(value, dict) and schema["type"] == "OBJECT":
        return _object(value, schema["properties"], forgiven)
    return value


def _object(
    value: dict[str, Any], fields: dict[str, Any], forgiven: Counter[str]
) -> dict[str, Any]:
    """The object without fields that a page does not have."""
    for name in value.keys() - fields.keys():
        forgiven[f"a field that a page does not have: {name[:40]}"] += 1
    return {
        name: mended(one, fields[name], forgiven, name)
        for name, one in value.items()
        if name in fields
    }


def _text(value: str, schema: dict[str, Any], forgiven: Counter[str], where: str) -> Any:
    if schema["type"] == "INTEGER" and re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        forgiven["a number as a text"] += 1
        return int(value)
    if schema["type"] != "STRING":
        return value
    if schema.get("nullable") and _is_null(value, schema):
        forgiven[f'"{value.strip()}" for null in {where}'] += 1
        return None
    if "enum" in schema:
        return _word(value, schema["enum"], forgiven)
    return _whole_characters(value, forgiven)


def _is_null(value: str, schema: dict[str, Any]) -> bool:
    word = value.strip().lower()
    return word in NULL_WORDS or ("enum" in schema and not word)


def _word(value: str, words: list[str], forgiven: Counter[str]) -> str:
    """The word of the schema that this is, in whatever letters and with whatever signs."""
    if value in words:
        return value
    same = [word for word in words if _letters(word) == _letters(value)]
    if not same:
        return _whole_characters(value, forgiven)
    forgiven[f'"{value.strip()[:40]}" for {same[0]}'] += 1
    return same[0]


def _letters(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).lower()


def _list(value: list[Any], items: dict[str, Any], forgiven: Counter[str], where: str) -> list[Any]:
    """The list without its nulls: an item that is null, or a word for it, says nothing."""
    kept = [one for one in value if not (one is None or _is_null_item(one, items))]
    if len(kept) < len(value):
        forgiven[f"null as an item of {where}"] += len(value) - len(kept)
    return [mended(one, items, forgiven, where) for one in kept]


def _is_null_item(value: Any, items: dict[str, Any]) -> bool:
    return isinstance(value, str) and items["type"] == "STRING" and _is_null(value, items)


def _whole_characters(value: str, forgiven: Counter[str]) -> str:
    """Unpaired surrogates and NUL, which no file and no table can hold, become U+FFFD."""
    if not _HALF.search(value) and "\0" not in value:
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    whole = whole.replace("\0", "\ufffd")
    if whole != value:
        forgiven["a character that no file can hold"] += 1
    return whole
