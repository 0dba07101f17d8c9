"""Bitmaps in CCITT G4 (ITU-T T.6), as libtiff decodes them, and whether all of one was understood.

libtiff fills up what is missing and goes on after what it does not understand, most times without
a word. So a row of our own is put at the end of the data: where the decoder comes upon it, in the
row below the last one, it has kept in step down to there. That costs nothing. Where it does not,
or libtiff complains, or the data has no end, the decoded page is encoded again: G4 has one spelling
for each picture, and it has to be the data's.
"""

import io
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import pikepdf
from PIL import Image, TiffImagePlugin

from flowsheets.page.pdf import NoPageImage

_DAMAGED = "the image is damaged, or breaks off before its end"

# What ends a bitmap: two end-of-line codes, at any bit. It occurs nowhere else in sound data, and
# scanners write what they like behind it.
_MARK = "000000000001" * 2

_TAIL = 16  # bytes at the end in which most scanners have it, and padding

# The least width at which our row is written without regard to the row above it.
_LEAST_WIDTH = 8

_ROWS_PER_STRIP, _STRIP_OFFSETS, _STRIP_BYTES = 278, 273, 279  # TIFF's tags
_G4 = 4  # TIFF's compression


class Fax(NamedTuple):
    """A CCITT bitmap: the coded bits, its size in pixels, and how the bits are to be read."""

    data: bytes
    width: int
    height: int
    k: int  # below 0: G4; 0: G3 by single rows; above 0: G3, mixed
    inverted: bool  # whether what fax calls black is drawn white
    aligned: bool  # whether each row begins at a byte
    marked: bool = False  # whether each row begins with an end-of-line code for sure


def fax(image: pikepdf.Stream) -> Fax | None:
    """The image as a CCITT bitmap, other filters undone; None where it is in another format."""
    if filters(image)[-1:] != ["/CCITTFaxDecode"]:
        return None
    parameters = _last(image.get("/DecodeParms"))
    width = int(parameters.get("/Columns", 1728))
    if width != int(image.get("/Width", 0)):
        raise NoPageImage("damaged_bitmap", "the image contradicts itself about its width")
    return Fax(
        data=before_the_last_filter(image),
        width=width,
        height=int(image.get("/Height", 0)),
        k=int(parameters.get("/K", 0)),
        inverted=bool(parameters.get("/BlackIs1", False)),
        aligned=bool(parameters.get("/EncodedByteAlign", False)),
        marked=bool(parameters.get("/EndOfLine", False)),
    )


def picture(bitmap: Fax) -> Image.Image:
    """A G4 bitmap, decoded, in mode "1".

    Raises `NoPageImage` where it is damaged or breaks off.
    """
    mark = _find_mark(bitmap.data)
    if mark is not None and bitmap.width >= _LEAST_WIDTH:
        marked = bitmap._replace(data=_with_our_row(bitmap, mark), height=bitmap.height + 1)
        with silenced() as said:
            image = _decoded(marked)
        if not said and _row(image, bitmap.height) == _our_pixels(bitmap.width, bitmap.inverted):
            return image.crop((0, 0, bitmap.width, bitmap.height))
    return _compared(bitmap)


def _compared(bitmap: Fax) -> Image.Image:
    """The bitmap decoded, and encoded again to see that nothing was guessed."""
    with silenced():
        image = _decoded(bitmap)
        again = encoded(image, bitmap.inverted)
    end = _find_mark(again)
    if end is None or _bits(bitmap.data, end) != _bits(again, end):
        raise NoPageImage("damaged_bitmap", _DAMAGED)
    return image


def encoded(image: Image.Image, inverted: bool = True) -> bytes:
    """A picture in mode "1" as G4, with its end mark. `inverted`: black pixels as fax's white."""
    file = io.BytesIO()
    bits = image if inverted else image.point(lambda value: 255 - value)
    bits.save(file, "TIFF", compression="group4", tiffinfo={_ROWS_PER_STRIP: image.height})
    tiff = TiffImagePlugin.TiffImageFile(io.BytesIO(file.getvalue()))
    (offset,), (length,) = tiff.tag_v2[_STRIP_OFFSETS], tiff.tag_v2[_STRIP_BYTES]
    return file.getvalue()[offset : offset + length]


def filters(image: pikepdf.Stream) -> list[str]:
    """The image's filters, in the order in which they are undone."""
    found = image.get("/Filter")
    if found is None:
        return []
    return [str(one) for one in found] if isinstance(found, pikepdf.Array) else [str(found)]


def before_the_last_filter(image: pikepdf.Stream) -> bytes:
    """The image's data with all its filters undone but the last."""
    raw, undone = image.read_raw_bytes(), filters(image)[:-1]
    if not undone:
        return raw
    parameters = image.get("/DecodeParms")
    others = pikepdf.Dictionary(Filter=pikepdf.Array([pikepdf.Name(name) for name in undone]))
    if isinstance(parameters, pikepdf.Array):
        others.DecodeParms = pikepdf.Array([_copied(one) for one in list(parameters)[:-1]])
    holder = pikepdf.new()
    try:
        return pikepdf.Stream(holder, raw, others).read_bytes()
    except pikepdf.PdfError as error:
        raise NoPageImage("damaged_bitmap", _DAMAGED) from error


@contextmanager
def silenced() -> Iterator[list[bytes]]:
    """What C libraries print on file descriptor 2 is kept from people's eyes.

    Gives a list, which holds what they have printed when the block has ended.
    """
    said: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            said += file.readlines()


def _decoded(bitmap: Fax) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(_tiff(bitmap)), formats=["TIFF"])
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise NoPageImage("damaged_bitmap", _DAMAGED) from error
    return image


def _tiff(bitmap: Fax) -> bytes:
    """The bits in a TIFF of one strip, which is what libtiff reads."""
    long, short = 4, 3
    entries = [
        (256, long, bitmap.width),
        (257, long, bitmap.height),
        (258, short, 1),  # bits a sample
        (259, short, _G4),
        (262, short, int(bitmap.inverted)),
        (_STRIP_OFFSETS, long, 0),
        (_ROWS_PER_STRIP, long, bitmap.height),
        (_STRIP_BYTES, long, len(bitmap.data)),
    ]
    head = 8 + 2 + 12 * len(entries) + 4
    table = b"".join(
        struct.pack("<HHII", tag, kind, 1, head if tag == _STRIP_OFFSETS else value)
        for tag, kind, value in entries
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + bitmap.data


def _with_our_row(bitmap: Fax, mark: int) -> bytes:
    """The data up to its mark, our row, and the mark again."""
    whole, rest = divmod(mark, 8)
    bits = f"{bitmap.data[whole]:08b}"[:rest] + _our_bits(bitmap.width) + _MARK
    bits += "0" * (-len(bits) % 8)
    return bitmap.data[:whole] + int(bits, 2).to_bytes(len(bits) // 8)


@lru_cache(maxsize=8)
def _our_bits(width: int) -> str:
    """Our row, coded; it says how long its two runs are, and nothing about the row above."""
    data = encoded(_our_row(width, inverted=True))
    end = _find_mark(data)
    assert end is not None
    return f"{int.from_bytes(data):0{8 * len(data)}b}"[:end]


@lru_cache(maxsize=8)
def _our_pixels(width: int, inverted: bool) -> bytes:
    return _row(_our_row(width, inverted), 0)


def _row(image: Image.Image, number: int) -> bytes:
    """One row's pixels; as an image it would take the memory that Pillow keeps for a large one."""
    pixels = image.load()
    assert pixels is not None
    return bytes(pixels[x, number] for x in range(image.width))  # type: ignore[misc]


def _our_row(width: int, inverted: bool) -> Image.Image:
    """Fax's white to the middle, fax's black from there."""
    row = Image.new("1", (width, 1), 0 if inverted else 255)
    row.paste(255 if inverted else 0, (width // 2, 0, width, 1))
    return row


def _find_mark(data: bytes) -> int | None:
    """At which bit the end mark begins, or None: at the data's end as a rule, else the first."""
    for start in (max(len(data) - _TAIL, 0), 0):
        found = [at for shift in range(8) if (at := _find_mark_at(data, shift, start)) is not None]
        if found:
            return min(found)
    return None


def _find_mark_at(data: bytes, shift: int, start: int) -> int | None:
    """The first end mark that begins `shift` bits into a byte; searched by the bytes it fills."""
    before = -shift % 8  # bits of the mark ahead of the first byte that it fills
    filled = int(_MARK[before : before + 16], 2).to_bytes(2)
    at = data.find(filled, start)
    while at >= 0:
        bit = at * 8 - before
        if bit >= 0:
            around = int.from_bytes(data[bit // 8 : bit // 8 + 4].ljust(4, b"\0"))
            if around >> (8 - bit % 8) & 0xFFFFFF == int(_MARK, 2):
                return bit
        at = data.find(filled, at + 1)
    return None


def _bits(data: bytes, count: int) -> tuple[bytes, int]:
    """The first bits of the data."""
    whole, rest = divmod(count, 8)
    last = data[whole : whole + 1] if rest else b""
    return data[:whole], (last[0] >> (8 - rest) if last else -rest)


def _copied(parameters: object) -> pikepdf.Dictionary | None:
    """A filter's parameters, for another document: numbers, all of them."""
    if not isinstance(parameters, pikepdf.Dictionary):
        return None
    return pikepdf.Dictionary({name: int(str(value)) for name, value in parameters.items()})


def _last(parameters: object) -> pikepdf.Dictionary:
    """The parameters of the last filter."""
    if isinstance(parameters, pikepdf.Array):
        parameters = parameters[-1] if len(parameters) else None
    return parameters if isinstance(parameters, pikepdf.Dictionary) else pikepdf.Dictionary()
