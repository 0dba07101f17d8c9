"""A page's image as a request carries it: the PNG as it is on disk, or lossless WebP of its pixels.

Measured on 34 scans of 1990 (2550 x 4200, 1 bit): WebP has 131 kB a page, the PNG 156, which is a
sixth less, and takes 0.24 s of CPU to make, where all else of a request takes 0.6 ms. So PNG is the
default; WebP pays where less than some 150 kB/s go up.
"""

import io
from typing import NamedTuple

# Libwebp's method and quality. Method 0 makes files larger than PNG; from method 2 on and above
# this quality they are smaller by less than half a percent, at up to forty times the CPU.
_METHOD, _QUALITY = 1, 50
_WEBP_SIDE = 16_383  # pixels; the format holds no more
_WEBP_MODES = ("1", "L", "P", "RGB", "RGBA", "LA")  # of eight bits a channel at most


class Encoded(NamedTuple):
    """An image for a request: its `mimeType` and its bytes."""

    mime_type: str
    content: bytes


def encoded(png: bytes, encoding: str) -> Encoded:
    """The PNG in that encoding (`png` or `webp`); the same bytes for the same PNG.

    The PNG goes as it is where WebP cannot hold it without loss (a very long page, 16 bits a
    channel), is no smaller, or where it cannot be read: to say so is the API's part.
    """
    webp = _webp(png) if encoding == "webp" else None
    if webp is None or len(webp) >= len(png):
        return Encoded("image/png", png)
    return Encoded("image/webp", webp)


def _webp(png: bytes) -> bytes | None:
    from PIL import Image  # 40 ms, which PNG does not need

    content = io.BytesIO()
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if max(image.size) > _WEBP_SIDE or image.mode not in _WEBP_MODES:
                return None
            mode = "RGBA" if image.has_transparency_data else "RGB"
            image.convert(mode).save(
                content, "WEBP", lossless=True, exact=True, method=_METHOD, quality=_QUALITY
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return content.getvalue()
