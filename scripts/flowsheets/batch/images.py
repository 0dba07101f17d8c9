"""Whether a page still shows what was sent: its pixels decide, not the bytes of its file.

A PNG that was compressed anew is another file and the same page. The image that was sent is in
requests.jsonl. An image whose size and times are those of the build, kept in images.jsonl, is the
same without a look into it: to read and digest all images is a third of a fetch.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from flowsheets import paths
from flowsheets.batch.folder import Batch, Line, page_of, write_lines
from flowsheets.page.response import Unread

if TYPE_CHECKING:
    from flowsheets.page.schema import PageReading

_KEY = re.compile(rb'\{"key":"([^"\\]+)"')

CHANGED = Unread(
    "image_changed", "the page's image has changed since it was sent; responses.jsonl has the text"
)


# An image that was written so shortly before the build may be written again within one tick of the
# file system's clock: of that one, the times say nothing.
SETTLED_NS = 2_000_000_000

Stamp = tuple[int, int, int]  # bytes; times of the last change of content and of the file, in ns


def stamp(status: os.stat_result) -> Stamp | None:
    """What tells an image from a changed one; None where it may change and keep its times."""
    if status.st_ctime_ns > time.time_ns() - SETTLED_NS:
        return None
    return _stamp(status)


def keep_stamps(folder: Path, stamps: list[Stamp | None]) -> None:
    """Write images.jsonl: a line a page, in the order of the manifest."""
    names = ("bytes", "mtime_ns", "ctime_ns")
    lines = (dict(zip(names, one, strict=True)) if one else {} for one in stamps)
    write_lines(folder / "images.jsonl", lines)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=1)  # one batch's results are applied at a time
def _stamps(folder: Path) -> list[Stamp | None]:
    """By index; empty where they were not kept, or cannot be read: then the images are digested."""
    try:
        lines = map(orjson.loads, (folder / "images.jsonl").read_bytes().splitlines())
        return [(one["bytes"], one["mtime_ns"], one["ctime_ns"]) if one else None for one in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _same_stamp(png: Path, batch: Batch, index: int) -> bool:
    """Whether size and times of the image are those of the build."""
    stamps = _stamps(batch.folder)
    if not 0 <= index < len(stamps) or (built := stamps[index]) is None:
        return False
    try:
        return _stamp(os.stat(png)) == built
    except OSError:
        return False


def checked(
    reading: PageReading, batch: Batch, data_root: Path, line: Line
) -> PageReading | Unread:
    """The reading, unless the page's image now shows something else than what was sent."""
    return reading if unchanged(batch, data_root, line) else CHANGED


def unchanged(batch: Batch, data_root: Path, line: Line) -> bool:
    """Whether the page's image shows what was sent, as far as anything contradicts it."""
    png = paths.png(data_root, page_of(line))
    if _same_stamp(png, batch, line["index"]):
        return True
    try:
        now = png.read_bytes()
    except OSError:
        return True  # nothing contradicts it
    if hashlib.sha256(now).hexdigest() == line["image_sha256"]:
        return True
    sent = _sent(batch, line["key"])
    return sent is not None and _same_pixels(sent, now)


def _same_pixels(one: bytes, other: bytes) -> bool:
    from PIL import Image  # hardly ever wanted, and slow to import

    try:
        with Image.open(io.BytesIO(one)) as a, Image.open(io.BytesIO(other)) as b:
            mode = a.mode if a.mode == b.mode else "RGB"
            return a.size == b.size and a.convert(mode).tobytes() == b.convert(mode).tobytes()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _sent(batch: Batch, key: str) -> bytes | None:
    """The image of a request, as it was sent; None where requests.jsonl does not hold it."""
    try:
        with batch.requests.open("rb") as file:
            file.seek(_offsets(batch.requests)[key])
            return _image(file.readline())
    except (OSError, *_NO_REQUEST):
        return None


_NO_REQUEST = (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError)


def _image(line: bytes) -> bytes:
    """The image in a line of requests.jsonl. Raises one of `_NO_REQUEST`."""
    parts = orjson.loads(line)["request"]["contents"][0]["parts"]
    data = next(part["inlineData"]["data"] for part in parts if "inlineData" in part)
    return base64.b64decode(data)


def all_sent(requests: Path) -> Iterator[tuple[str, bytes]]:
    """(key, image) of each request that is whole, in order; nothing where the file is missing."""
    if not requests.is_file():
        return
    with requests.open("rb") as file:
        for line in file:
            if found := _KEY.match(line):
                with suppress(*_NO_REQUEST):
                    yield found[1].decode(), _image(line)


@lru_cache(maxsize=1)  # one batch's results are applied at a time
def _offsets(requests: Path) -> dict[str, int]:
    """Key -> byte offset of its line; `build` writes the key first."""
    offsets = {}
    offset = 0
    with requests.open("rb") as file:
        for raw in file:
            if found := _KEY.match(raw):
                offsets[found[1].decode()] = offset
            offset += len(raw)
    return offsets
