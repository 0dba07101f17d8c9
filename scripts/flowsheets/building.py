"""Pages to a batch's folder, which appears when it is whole: its manifest and its requests.

Line 0, 1, 2 … of the requests is index 0, 1, 2 … of the manifest. One image at a time is in memory.
"""

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonlines
import orjson
from tqdm import tqdm

from flowsheets import manifest, paths
from flowsheets.manifest import Batch, Line
from flowsheets.paths import PageId
from flowsheets.request import page_request
from flowsheets.settings import Settings

# From the batch's name to its prompt cache (name, tokens), or None.
CacheMaker = Callable[[str], tuple[str, int] | None]


def write_folder(
    folder: Path,
    pages: list[PageId],
    config: Settings,
    make_cache: CacheMaker | None,
    bar: "tqdm[None]",
) -> dict[str, Any] | None:
    """Write the folder; returns its journal's first event, {pages, bytes, …}.

    A page whose image is gone by now is left out; None, and no folder, where all are. Raises
    `Problem` where the disk is full or the folder cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    batch = Batch(part, [])
    cache = None
    if make_cache:
        batch.note("cache_asked")  # so that a cache which a kill leaves behind is found
        cache = make_cache(folder.name)
    cached_content = cache[0] if cache else None
    requests = part / "requests.jsonl"
    with paths.appearing(requests) as file, jsonlines.Writer(file, dumps=orjson.dumps) as writer:
        for page in pages:
            bar.update()
            try:
                image = paths.png(config.data_root, page).read_bytes()
            except OSError:
                continue
            key = manifest.key(folder.name, len(batch.lines))
            # As a fragment: base64 needs no escaping, and 200 kB a page need not be looked through.
            quoted = orjson.Fragment(b'"' + base64.b64encode(image) + b'"')
            request = page_request(quoted, config.media_resolution, cached_content)
            writer.write({"key": key, "request": request})
            batch.lines.append(
                Line(
                    index=len(batch.lines),
                    key=key,
                    pdf_path=page.pdf_path,
                    page_number=page.page_number,
                    image_sha256=hashlib.sha256(image).hexdigest(),
                    batch_id=None,
                )
            )
    if not batch.lines:
        return None
    manifest.write_lines(part / "manifest.jsonl", batch.lines)
    facts: dict[str, Any] = {"pages": len(batch.lines), "bytes": requests.stat().st_size}
    facts["model"] = config.model  # in no request; what was estimated is what is asked
    if cache:
        name, tokens = cache
        facts |= {"cached_content": name, "cached_tokens": tokens}
    built = batch.note("built", **facts)
    try:
        os.rename(part, folder)
        paths.sync_folder(folder.parent)
    except OSError as error:
        raise paths.cannot_write(folder, error) from error
    return built
