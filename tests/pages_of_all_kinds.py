"""PDF pages as other scanners and programs write them: the same sheet in many kinds of page."""

import io
import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pikepdf
from pikepdf import Dictionary, Name, Stream
from PIL import Image, ImageChops, ImageDraw, ImageOps, TiffImagePlugin

SIZE = (296, 504)  # at 100 PPI; a width of whole bytes keeps the made data short
PAGE = (SIZE[0] * 0.72, SIZE[1] * 0.72)
WHOLE = "{} 0 0 {} 0 0 cm".format(*PAGE)

Page = Callable[[pikepdf.Pdf], None]


def sheet(mode: str = "1") -> Image.Image:
    """A sheet with writing, of which no turn or negative looks like another."""
    image = Image.new("L", SIZE, 255)
    pen = ImageDraw.Draw(image)
    pen.rectangle((8, 8, 90, 30), fill=0)
    pen.line((20, 60, 20, 300), fill=0, width=3)
    for line in range(12):
        pen.text((40, 60 + 30 * line), f"row {line}: Artist - Track {line * 7}", fill=0)
    pen.ellipse((180, 420, 280, 490), outline=0, width=4)
    return image.convert(mode, dither=Image.Dither.NONE)


def xobject(document: pikepdf.Pdf, data: bytes, size: tuple[int, int] = SIZE, **keys: Any) -> Any:
    """An image object with this data."""
    own = Dictionary(Type=Name.XObject, Subtype=Name.Image, Width=size[0], Height=size[1], **keys)
    return document.make_indirect(Stream(document, data, own))


def add(document: pikepdf.Pdf, content: str | bytes, **resources: Any) -> pikepdf.Page:
    """A page with this content; a resource is given as `XObject_Im=...` or `Properties_L=...`."""
    page = document.add_blank_page(page_size=PAGE)
    for name, value in resources.items():
        kind, _, key = name.partition("_")
        named = page.obj.get("/Resources") or Dictionary()
        page.Resources = named
        if f"/{kind}" not in named:
            named[f"/{kind}"] = Dictionary()
        named[f"/{kind}"][f"/{key}"] = value
    raw = content.encode() if isinstance(content, str) else content
    page.Contents = document.make_stream(raw)
    return page


def draw(document: pikepdf.Pdf, image: Any, content: str = f"q {WHOLE} /Im Do Q") -> pikepdf.Page:
    """A page that draws one image over all of it."""
    return add(document, content, XObject_Im=image)


def tiff(image: Image.Image, compression: str, **tags: Any) -> bytes:
    """The one strip that libtiff makes of a bitmap."""
    file = io.BytesIO()
    info = {278: image.height, **{int(key[1:]): value for key, value in tags.items()}}
    image.save(file, "TIFF", compression=compression, tiffinfo=info)
    read = TiffImagePlugin.TiffImageFile(io.BytesIO(file.getvalue()))
    (offset,), (length,) = read.tag_v2[273], read.tag_v2[279]
    return file.getvalue()[offset : offset + length]


def g4_data(image: Image.Image) -> bytes:
    """G4 with its end mark; fax's black is 1."""
    return tiff(image, "group4")


def bits_of(data: bytes) -> str:
    return f"{int.from_bytes(data):0{8 * len(data)}b}"


def bytes_of(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def without_mark(data: bytes) -> bytes:
    bits = bits_of(data)
    return bytes_of(bits[: bits.rindex("000000000001" * 2)])


def aligned_g4(image: Image.Image) -> bytes:
    """G4 in which each row begins at a byte: a row's bits are what it adds to those above it."""
    out, before = "", 0
    for height in range(1, image.height + 1):
        bits = bits_of(g4_data(image.crop((0, 0, image.width, height))))
        bits = bits[: bits.rindex("000000000001" * 2)]
        row, before = bits[before:], len(bits)
        out += row + "0" * (-len(row) % 8)
    return bytes_of(out)


def fax(
    document: pikepdf.Pdf, data: bytes, k: int = -1, black_is_1: bool = True, **keys: Any
) -> Any:
    """A CCITT image of the sheet's size."""
    parameters = {name: keys.pop(name) for name in list(keys) if name in FAX_PARAMETERS}
    keys = {"ColorSpace": Name.DeviceGray, "BitsPerComponent": 1, **keys}
    parms = Dictionary(K=k, Columns=SIZE[0], Rows=SIZE[1], BlackIs1=black_is_1, **parameters)
    return xobject(document, data, Filter=Name.CCITTFaxDecode, DecodeParms=parms, **keys)


FAX_PARAMETERS = ("EndOfBlock", "EncodedByteAlign", "EndOfLine")


def g4(document: pikepdf.Pdf, **keys: Any) -> Any:
    """The sheet in G4."""
    return fax(document, g4_data(sheet()), **keys)


def jpeg(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def jpx(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG2000")
    return file.getvalue()


def samples(document: pikepdf.Pdf, data: bytes, space: Any, bits: int = 8, **keys: Any) -> Any:
    """Samples without a format of their own, deflated."""
    packed = zlib.compress(data)
    keys = {"ColorSpace": space, "BitsPerComponent": bits, "Filter": Name.FlateDecode} | keys
    return xobject(document, packed, **keys)


def jbig2(image: Image.Image) -> bytes:
    """The bitmap as one generic region in MMR, which is G4, within a page."""

    def segment(number: int, kind: int, data: bytes) -> bytes:
        return number.to_bytes(4) + bytes([kind, 0, 1]) + len(data).to_bytes(4) + data

    size = image.width.to_bytes(4) + image.height.to_bytes(4)
    page = segment(0, 48, size + bytes(8) + b"\0" + b"\0\0")
    coded = g4_data(ImageOps.invert(image.convert("L")).convert("1"))
    region = segment(1, 38, size + bytes(8) + b"\0" + b"\x01" + coded)
    return page + region + segment(2, 49, b"")


def unlike(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ by more than half of the range; 1 where the sizes differ."""
    if one.size != other.size:
        return 1.0
    difference = ImageChops.difference(one.convert("L"), other.convert("L"))
    return sum(difference.histogram()[128:]) / (one.width * one.height)


def packed(image: Image.Image) -> bytes:
    """A 1-bit image's rows, eight pixels a byte, 1 is white."""
    return image.tobytes()


def strips(document: pikepdf.Pdf, count: int) -> None:
    """The sheet cut into strips that touch."""
    images, content = {}, ""
    edges = [SIZE[1] * n // count for n in range(count + 1)]
    for number, (top, bottom) in enumerate(pairwise(edges)):
        strip = sheet().crop((0, top, SIZE[0], bottom))
        data = zlib.compress(packed(strip))
        images[f"XObject_S{number}"] = xobject(
            document,
            data,
            strip.size,
            ColorSpace=Name.DeviceGray,
            BitsPerComponent=1,
            Filter=Name.FlateDecode,
        )
        high, y = strip.height * 0.72, PAGE[1] - bottom * 0.72
        content += f"q {PAGE[0]} 0 0 {high} 0 {y} cm /S{number} Do Q\n"
    add(document, content, **images)


def repeated(values: Iterable[int], image: Image.Image) -> bytes:
    """Each pixel of a grey image as several samples: `values` are 0 for its own, else constant."""
    channels = list(values)
    return b"".join(
        bytes(255 - pixel if value else 0 for value in channels) for pixel in image.tobytes()
    )
