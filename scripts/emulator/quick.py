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
    """PNG or lossless WebP -> a valid page; its rows (12 digits) and comments have the SHA-256.

    Raises ValueError where the bytes are neither.
    """
    width, height = _size(image)
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


def _size(image: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    if image[:8] == PNG and image[12:16] == b"IHDR":
        width, height = struct.unpack(">II", image[16:24])
        return width, height
    if image[:4] == b"RIFF" and image[8:16] == b"WEBPVP8L" and len(image) > 25:
        (bits,) = struct.unpack("<I", image[21:25])  # after the signature: 14 bits each, less one
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ValueError("neither PNG nor lossless WebP")


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
