"""A reader for tests: answers at once, and what it answers proves which image it was given."""

import hashlib
import struct
from collections.abc import Callable
from typing import Any

MODEL_VERSION = "emulator-quick"
PNG = b"\x89PNG\r\n\x1a\n"


def load() -> Callable[[bytes], dict[str, Any]]:
    """Returns the reader, as `emulator.reader.load` does."""
    return read_page


def read_page(image: bytes) -> dict[str, Any]:
    """PNG bytes -> a valid page, with the image's SHA-256 in its rows (12 digits) and comments.

    Raises ValueError where the bytes are no PNG.
    """
    if image[:8] != PNG or image[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    width, height = struct.unpack(">II", image[16:24])
    digest = hashlib.sha256(image).hexdigest()
    texts = (f"image {digest[:12]}", f"size {width} x {height}", f'call it "{digest[:12]}"')
    return {
        "page_date_raw": None,
        "quadrants": [
            _quadrant("top_left", texts),
            _quadrant("top_right", ()),
            _quadrant("bottom_left", ()),
            _quadrant("bottom_right", ()),
        ],
        "comments_raw": f"sha256 {digest}",
        "oddities": [],
    }


def _quadrant(position: str, texts: tuple[str, ...]) -> dict[str, Any]:
    entries: list[dict[str, Any]] = [
        {
            "row_index": row,
            "raw_text": text,
            "type_raw": None,
            "confidence": "high",
            "notes": None,
            "oddities": [],
        }
        for row, text in enumerate(texts)
    ]
    return {
        "position": position,
        "hour_raw": None,
        "jock_raw": None,
        "entries": entries,
        "oddities": [],
    }
