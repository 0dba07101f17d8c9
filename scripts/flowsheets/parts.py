"""Pages to batches: how many pages and bytes of requests fit into one."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from flowsheets import paths
from flowsheets.paths import PageId
from flowsheets.request import page_request

# The API takes files of 2 GB; whether that is 2^31 or 2 * 10^9 is not said, hence room to spare.
FILE_BYTES = 1_900_000_000
LINE_BYTES = 200  # key, quotes and braces around a request, at the most


def sized(
    data_root: Path, pages: Iterable[PageId], media_resolution: str
) -> list[tuple[PageId, int]]:
    """Each page with the bytes of its line in requests.jsonl, at the most, from its PNG's size."""
    overhead = len(orjson.dumps(page_request("", media_resolution))) + LINE_BYTES
    return [(page, overhead + _base64_bytes(data_root, page)) for page in pages]


def split(
    sized: Iterable[tuple[PageId, int]], most_pages: int, most_bytes: int = FILE_BYTES
) -> Iterator[list[PageId]]:
    """Parts in order, each within both limits; a page over the limit alone is a part alone."""
    part: list[PageId] = []
    total = 0
    for page, size in sized:
        if part and (len(part) == most_pages or total + size > most_bytes):
            yield part
            part, total = [], 0
        part.append(page)
        total += size
    if part:
        yield part


def _base64_bytes(data_root: Path, page: PageId) -> int:
    try:
        return -(-paths.png(data_root, page).stat().st_size // 3) * 4
    except OSError:
        return 0  # it is left out when it is read
