"""Which request a row of a result file belongs to. Never its place: rows come in any order."""

import base64
from collections.abc import Callable
from typing import Any, NamedTuple

# From a row to the key of its request; None where it names none. Raises `Mismatch`.
KeyReader = Callable[[Any], str | None]


class Request(NamedTuple):
    """A request of a batch: `number` is its line from 0, `page` its page, `…/page-01`."""

    number: int
    key: str
    page: str


class Mismatch(ValueError):
    """A row that names one request in one way, and another one, or none, in another."""


def key_of(row: Any) -> str | None:
    """The key of a row: at `key`, or at `metadata.key`."""
    if not isinstance(row, dict):
        return None
    metadata = row.get("metadata")
    inner = metadata.get("key") if isinstance(metadata, dict) else None
    key = row.get("key") or inner
    return key if isinstance(key, str) else None


def image_of(row: Any) -> str | None:
    """The URI of the one image in the echo of a row's request; None without one.

    An echo is written anew: keys in another order, nulls for what was not given. Raises `Mismatch`
    where it names two.
    """
    found = {uri for part in parts_of(row) if (uri := _uri(part))}
    if len(found) > 1:
        raise Mismatch(f"names {len(found)} images")
    return found.pop() if found else None


def parts_of(row: Any) -> list[Any]:
    """The parts of a row's request, of whatever they are."""
    request = row.get("request") if isinstance(row, dict) else None
    contents = request.get("contents") if isinstance(request, dict) else None
    if not isinstance(contents, list):
        return []
    parts = [one.get("parts") for one in contents if isinstance(one, dict)]
    return [part for some in parts if isinstance(some, list) for part in some]


def _uri(part: Any) -> str | None:
    for outer, inner in (("fileData", "fileUri"), ("file_data", "file_uri")):
        data = part.get(outer) if isinstance(part, dict) else None
        uri = data.get(inner) if isinstance(data, dict) else None
        if isinstance(uri, str) and uri:
            return uri
    return None


class Image(NamedTuple):
    """An image, and its `mimeType`."""

    content: bytes
    kind: str


def held_image(row: Any) -> Image:
    """The image in a row of a requests file. Raises `ValueError` where it holds none."""
    try:
        held = next(part["inlineData"] for part in parts_of(row) if "inlineData" in part)
        return Image(base64.b64decode(held["data"], validate=True), str(held["mimeType"]))
    except (StopIteration, LookupError, TypeError) as error:
        raise ValueError("a request without an image") from error
