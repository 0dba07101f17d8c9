"""One image of a page, decoded bit for bit, or the reason why it cannot be trusted."""

import warnings
import zlib

import pikepdf
from pikepdf import PdfImage
from PIL import Image

from flowsheets.page import ccitt, fax_rows
from flowsheets.page.content import Drawn
from flowsheets.page.pdf import NoPageImage

# Pixels of one image. A sheet of 11 x 17 inches at 600 PPI has 67 million, one of legal size at
# 1200 PPI 171 million; what is larger is damage, or was made to fill the memory.
MAX_PIXELS = 180_000_000

_PLAIN_COLORS = ("/DeviceGray", "/DeviceRGB", "/G", "/RGB")
_JPEG_BEGINS = b"\xff\xd8\xff"
_JPEG_2000_ENDS = b"\xff\xd9"
_AT_A_TIME = 1 << 24  # bytes inflated
_JBIG2_SHORTEST_HEADER, _JBIG2_LONGEST_HEADER = 11, 16
_JBIG2_UNKNOWN = 0xFFFFFFFF


def check_size(drawn: Drawn) -> None:
    """Refuse, before it is decoded, what no scanner makes. Raises `NoPageImage`."""
    wide, high = drawn.size
    if wide < 1 or high < 1:
        raise NoPageImage("damaged_bitmap", "the image does not say how large it is")
    if wide * high > MAX_PIXELS:
        raise NoPageImage(
            "too_large", f"the image has {wide} x {high} pixels, more than any scanner makes"
        )


def is_plain(image: pikepdf.Stream | pikepdf.PdfInlineImage) -> bool:
    """Whether its samples are what is seen: black and white, grey or RGB, without any mask."""
    if isinstance(image, pikepdf.PdfInlineImage) or {"/SMask", "/Mask", "/OC"} & set(image.keys()):
        return False
    bits = int(image.get("/BitsPerComponent", 0))
    if image.get("/ImageMask", False) or str(image.get("/ColorSpace")) not in _PLAIN_COLORS:
        return False
    filters = ccitt.filters(image)
    last = filters[-1] if filters else ""
    if last == "/CCITTFaxDecode":
        found = ccitt.fax(image)
        return bits == 1 and found is not None and found.k < 0 and not found.aligned
    if last == "/DCTDecode" and not image.read_raw_bytes().startswith(_JPEG_BEGINS):
        return False
    return last not in ("/JPXDecode", "/JBIG2Decode") and bits in (1, 8) and "/Decode" not in image


def picture(drawn: Drawn) -> Image.Image:
    """A plain image's samples, in their own depth (1 bit stays 1 bit). Raises `NoPageImage`."""
    image = drawn.image
    assert isinstance(image, pikepdf.Stream)
    found = ccitt.fax(image)
    if found is not None:
        inverting = _values(image.get("/Decode")) == [1.0, 0.0]
        return ccitt.picture(found._replace(inverted=found.inverted != inverting))
    check_whole(image)
    try:
        with warnings.catch_warnings(), ccitt.silenced():
            warnings.simplefilter("ignore")
            decoded = PdfImage(image).as_pil_image()
            decoded.load()
    except MemoryError:
        raise
    except Exception as error:  # damage breaks the libraries in any way: it fails alone
        raise _damaged() from error
    if decoded.size != drawn.size:
        raise NoPageImage("damaged_bitmap", "the image contradicts itself about its size")
    return decoded


def is_one_bit(image: pikepdf.Stream | pikepdf.PdfInlineImage) -> bool:
    """Whether the image has two colours, black and white as far as anybody can know."""
    if isinstance(image, pikepdf.PdfInlineImage):
        return image.image_mask or image.bits_per_component == 1
    if "/SMask" in image:
        return False
    codec = (ccitt.filters(image) or [""])[-1]
    one_bit_codec = codec in ("/CCITTFaxDecode", "/JBIG2Decode")
    return (
        bool(image.get("/ImageMask", False))
        or one_bit_codec
        or (image.get("/BitsPerComponent") == 1 and _channels(image.get("/ColorSpace")) == 1)
    )


def check_whole(image: pikepdf.Stream | pikepdf.PdfInlineImage) -> None:
    """Look for damage in an image that another library will draw without a word.

    Raises `NoPageImage`.
    """
    if isinstance(image, pikepdf.PdfInlineImage):
        return
    for mask in (image.get("/SMask"), image.get("/Mask")):
        if isinstance(mask, pikepdf.Stream):
            check_whole(mask)
    filters = ccitt.filters(image)
    match filters[-1] if filters else "":
        case "/CCITTFaxDecode":
            _check_fax(image)
        case "/DCTDecode":
            _check_jpeg(ccitt.before_the_last_filter(image))
        case "/JPXDecode":
            if _JPEG_2000_ENDS not in ccitt.before_the_last_filter(image)[-64:]:
                raise _damaged()
        case "/JBIG2Decode":
            _check_jbig2(ccitt.before_the_last_filter(image))
        case "/FlateDecode":
            _check_flate(ccitt.before_the_last_filter(image))
            _check_samples(image)
        case _:
            _check_samples(image)


def _check_fax(image: pikepdf.Stream) -> None:
    found = ccitt.fax(image)
    if found is not None and found.k < 0 and not found.aligned:
        ccitt.picture(found)
    elif found is not None and not fax_rows.are_whole(found):
        raise _damaged()


def _check_jpeg(data: bytes) -> None:
    """Bytes ahead of the picture are not damage; what libjpeg would draw with a warning is."""
    begin = max(data.find(_JPEG_BEGINS), 0)
    holder = pikepdf.new()
    picture = pikepdf.Stream(holder, data[begin:], Filter=pikepdf.Name.DCTDecode)
    try:
        with ccitt.silenced():
            picture.read_bytes(pikepdf.StreamDecodeLevel.all)
    except Exception as error:
        raise _damaged() from error


def _check_flate(data: bytes) -> None:
    """Deflated data has a sum at its end, which qpdf ignores. One left off is not damage."""
    inflated = zlib.decompressobj()
    try:
        while data and not inflated.eof:
            inflated.decompress(data, _AT_A_TIME)
            data = inflated.unconsumed_tail
    except zlib.error as error:
        raise _damaged() from error


def _check_jbig2(data: bytes) -> None:
    """Each segment says how long its data is (ITU-T T.88, 7.2); all of them have to be there."""
    at = 0
    while at < len(data):
        segment = data[at : at + _JBIG2_LONGEST_HEADER]
        if len(segment) < _JBIG2_SHORTEST_HEADER:
            raise _damaged()
        number, flags, referred = int.from_bytes(segment[:4]), segment[4], segment[5] >> 5
        before = 6  # the segment's number, its flags, and how many others it refers to
        if referred == 7:  # more than four: a count of 29 bits, and a bit for each
            referred = int.from_bytes(segment[5:9]) & 0x1FFFFFFF
            before = 9 + (referred + 8) // 8
        before += referred * (1 if number <= 256 else 2 if number <= 65536 else 4)
        before += 4 if flags & 0x40 else 1  # the page that it belongs to
        length = int.from_bytes(data[at + before : at + before + 4])
        at += before + 4
        if length == _JBIG2_UNKNOWN:  # a generic region that was written as it was scanned
            return
        at += length
    if at > len(data):
        raise _damaged()


def _check_samples(image: pikepdf.Stream) -> None:
    """Samples without a format of their own have to be there to the last row."""
    if not image.get("/ImageMask", False) and "/ColorSpace" not in image:
        raise _damaged()
    channels = 1 if image.get("/ImageMask", False) else _channels(image.get("/ColorSpace"))
    bits = 1 if image.get("/ImageMask", False) else int(image.get("/BitsPerComponent", 8))
    row = -(-int(image.get("/Width", 0)) * channels * bits // 8)
    try:
        found = len(image.read_bytes())
    except pikepdf.PdfError as error:
        raise _damaged() from error
    if found < row * int(image.get("/Height", 0)):
        raise _damaged()


def _channels(space: object) -> int:
    """Numbers a pixel; 0 for a colour space that this does not know."""
    of_family = {
        "/DeviceGray": 1,
        "/CalGray": 1,
        "/G": 1,
        "/Indexed": 1,
        "/I": 1,
        "/Separation": 1,
        "/DeviceRGB": 3,
        "/CalRGB": 3,
        "/RGB": 3,
        "/Lab": 3,
        "/DeviceCMYK": 4,
        "/CMYK": 4,
    }
    if not isinstance(space, pikepdf.Array):
        return of_family.get(str(space), 0)
    family = str(space[0])
    if family == "/ICCBased":
        return int(space[1].get("/N", 0))
    return len(list(space[1])) if family == "/DeviceN" else of_family.get(family, 0)


def _values(decode: object) -> list[float]:
    return [float(str(one)) for one in decode] if isinstance(decode, pikepdf.Array) else []


def _damaged() -> NoPageImage:
    return NoPageImage("damaged_bitmap", "the image is damaged, or breaks off before its end")
