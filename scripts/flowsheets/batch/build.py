"""Pages to a batch's folder, which appears when it is whole: its manifest and its requests.

Line 0, 1, 2 … of the requests is index 0, 1, 2 … of the manifest. One image at a time is in memory.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from tqdm import tqdm

from flowsheets import files, paths
from flowsheets.batch import images
from flowsheets.batch.folder import Batch, Line, request_key, write_lines
from flowsheets.gemini import door
from flowsheets.gemini.room import Room
from flowsheets.page.encoding import encoded
from flowsheets.page.request import identity, page_request
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LINE_BYTES = 200  # key, quotes and braces around a request, at the most
# From the batch's name to its prompt cache (name, tokens), or None.
CacheMaker = Callable[[str], tuple[str, int] | None]


def sized(pages: Iterable[PageId], settings: Settings) -> list[tuple[PageId, int]]:
    """Each page with the bytes of its line in requests.jsonl, at the most, from its PNG's size."""
    overhead = len(orjson.dumps(page_request("", settings))) + LINE_BYTES
    return [(page, overhead + _base64_bytes(settings.data_root, page)) for page in pages]


def split(
    sized: Iterable[tuple[PageId, int]], most_pages: int, room: Room | None = None
) -> Iterator[list[PageId]]:
    """Parts in order, each within both limits; a page over the limit alone is a part alone.

    `room`: the door's, unless given.
    """
    room = room or door.now().ROOM
    most_pages = min(most_pages, room.batch_pages)
    part: list[PageId] = []
    total = 0
    for page, size in sized:
        if part and (len(part) == most_pages or total + size > room.batch_bytes):
            yield part
            part, total = [], 0
        part.append(page)
        total += size
    if part:
        yield part


def write_folder(
    folder: Path,
    pages: list[PageId],
    config: Settings,
    make_cache: CacheMaker | None,
    bar: "tqdm[None]",
    sequence: int = 0,
    modes: tuple[str, ...] = ("batch",),
    tokens_a_page: int = 0,
) -> dict[str, Any] | None:
    """Write the folder; returns its journal's first event, {pages, bytes, …}.

    A page whose image is gone by now is left out; None, and no folder, where all are. Raises
    `Problem` where the disk is full or the folder cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    batch = Batch(part, [])
    cache = None
    if make_cache:
        batch.add("cache_asked")  # so that a cache which a kill leaves behind is found
        cache = make_cache(folder.name)
    request = partial(page_request, settings=config, cached_content=cache[0] if cache else None)
    requests = part / "requests.jsonl"
    stamps: list[images.Stamp | None] = []  # a line of the manifest each
    with files.appearing(requests) as file:
        read = _read(pages, config.data_root, bar)
        lines = _written(folder.name, read, request, config.page_encoding, file, stamps)
        write_lines(part / "manifest.jsonl", lines)
    if not stamps:
        return None
    images.keep_stamps(part, stamps)
    facts: dict[str, Any] = {"pages": len(stamps), "bytes": requests.stat().st_size}
    facts["sequence"] = sequence  # of two folders with the same page, the later one has it
    facts["model"] = config.model  # in no request; what was estimated is what is asked
    facts["max_output_tokens"] = config.max_output_tokens  # the two that decide what it may cost
    facts["thinking"] = config.thinking
    facts["page_encoding"] = config.page_encoding
    facts["tokens"] = len(stamps) * tokens_a_page  # of its prompts, as they are enqueued
    facts |= door.now().facts()
    facts |= identity(config)  # the prompt may change until the responses come
    if modes != ("batch",):
        facts["modes"] = modes
    if cache:
        name, tokens = cache
        facts |= {"cached_content": name, "cached_tokens": tokens}
    built = batch.add("built", **facts)
    files.rename(part, folder)
    return built


def _read(
    pages: Iterable[PageId], data_root: Path, bar: "tqdm[None]"
) -> Iterator[tuple[PageId, bytes, images.Stamp | None]]:
    """Each page's image as it is now, and its stamp; a page without one is left out."""
    for page in pages:
        bar.update()
        try:
            with open(f"{data_root}/{paths.image_path(page)}", "rb", buffering=0) as png:
                stamp = images.stamp(os.fstat(png.fileno()))  # before it is read
                image = png.read()
        except OSError:
            continue
        yield page, image, stamp


def _written(
    name: str,
    read: Iterable[tuple[PageId, bytes, images.Stamp | None]],
    request: Callable[..., dict[str, Any]],
    encoding: str,
    file: BinaryIO,
    stamps: list[images.Stamp | None],
) -> Iterator[Line]:
    """Write each page's request, keep its stamp, and give its line of the manifest."""
    for index, (page, image, stamp) in enumerate(read):
        key = request_key(name, index)
        # As a fragment: base64 needs no escaping, and 200 kB a page need not be looked through.
        mime_type, sent = encoded(image, encoding)
        quoted = orjson.Fragment(b'"' + base64.b64encode(sent) + b'"')
        line = {"key": key, "request": request(quoted, mime_type=mime_type)}
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))  # in one piece
        stamps.append(stamp)
        yield Line(
            index=index,
            key=key,
            pdf_path=page.pdf_path,
            page_number=page.page_number,
            image_sha256=hashlib.sha256(image).hexdigest(),
            batch_id=None,
        )


def _base64_bytes(data_root: Path, page: PageId) -> int:
    try:
        return -(-os.stat(f"{data_root}/{paths.image_path(page)}").st_size // 3) * 4
    except OSError:
        return 0  # it is left out when it is read
