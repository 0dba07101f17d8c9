"""A PDF's pages as images: the embedded bitmap, bit for bit, turned as the page shows it."""

import io
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pikepdf
from pikepdf import PdfImage
from PIL import Image

from flowsheets import files

# Run-length matching: on 1-bit scans a tenth smaller than zlib's own level 6, at half its time.
_Z_RLE = 3

# Pillow gives each image's memory back, and page faults for the next one cost a quarter of a page's
# time. What its PILLOW_BLOCKS_MAX sets: blocks of 16 MB kept for the next; two images are alive.
Image.core.set_blocks_max(2)  # type: ignore[attr-defined]

# A form in a form in a form …: no scanner nests deeper, a damaged file may for ever.
_DEEPEST_FORM = 8

# Where the bitmap's right and its down point on the shown page (x to the right, y downwards), as
# signs -> what Pillow calls the turn.
_TURNS: dict[tuple[int, int, int, int], Image.Transpose | None] = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,  # Pillow counts against the clock
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}


class NoPageImage(Exception):
    """The page has no bitmap that can stand for it; the message says why, for a person."""


def page_count(pdf: Path) -> int:
    """Pages of a PDF. Raises `NoPageImage` where it is damaged, locked, or no PDF."""
    try:
        with pikepdf.open(pdf) as document:
            return len(document.pages)
    except pikepdf.PasswordError as error:
        raise NoPageImage("it is locked with a password") from error
    except (pikepdf.PdfError, OSError, RuntimeError) as error:
        raise NoPageImage(_first_line(error)) from error


def page_image(pdf: Path, page_number: int) -> Image.Image:
    """The one bitmap of a page, upright, in its own depth (1 bit stays 1 bit), pixels untouched.

    `page_number` counts from 1. Raises `NoPageImage`.
    """
    try:
        pages = _open(pdf).pages
        if page_number > len(pages):
            raise NoPageImage(f"the PDF has {len(pages)} pages only")
        page = pages[page_number - 1]
        drawn = list(_drawn(page, pikepdf.Matrix(), _DEEPEST_FORM))
        if len(drawn) != 1:
            raise NoPageImage(f"{len(drawn) or 'no'} images on the page; a scan has one")
        bitmap, matrix = drawn[0]
        if _breaks_off(bitmap):
            raise NoPageImage("the image breaks off before its end")
        turn = _turn(matrix, _rotation(page))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = PdfImage(bitmap).as_pil_image()
            image.load()
    except NoPageImage:
        raise
    except pikepdf.PdfError as error:
        raise NoPageImage(_first_line(error)) from error
    except Exception as error:  # a damaged PDF breaks the libraries in any way: it fails alone
        raise NoPageImage(f"the image cannot be decoded ({_first_line(error)})") from error
    return image if turn is None else image.transpose(turn)


def write_png(image: Image.Image, path: Path) -> None:
    """The image as a lossless PNG, whole or not at all.

    Raises `NoPageImage` where no PNG holds such an image (CMYK, say), `Problem` where the disk is
    full: the one is that page's failure, the other everybody's.
    """
    png = io.BytesIO()
    try:
        image.save(png, "PNG", compress_type=_Z_RLE)
    except (OSError, ValueError, SystemError) as error:
        raise NoPageImage(f"an image in {image.mode} fits no PNG ({_first_line(error)})") from error
    files.write_whole(path, png.getvalue())


@lru_cache(maxsize=1)  # pages come in the PDF's order; one document is open at a time
def _open(pdf: Path) -> pikepdf.Pdf:
    return pikepdf.open(pdf)


def _drawn(
    content: pikepdf.Page | pikepdf.Object, matrix: pikepdf.Matrix, deepest: int
) -> Iterator[tuple[pikepdf.Stream, pikepdf.Matrix]]:
    """The images that a content stream draws, forms followed, with the matrix in force at each."""
    stack: list[pikepdf.Matrix] = []
    resources = content.get("/Resources") or pikepdf.Dictionary()
    named = resources.get("/XObject") or pikepdf.Dictionary()
    for instruction in pikepdf.parse_content_stream(content):
        if isinstance(instruction, pikepdf.ContentStreamInlineImage):
            raise NoPageImage("the page draws an inline image, which no scanner writes")
        match str(instruction.operator):
            case "q":
                stack.append(matrix)
            case "Q":
                matrix = stack.pop() if stack else matrix
            case "cm":
                numbers = [float(str(number)) for number in instruction.operands]
                matrix = pikepdf.Matrix(*numbers) @ matrix
            case "Do":
                drawn = named.get(str(instruction.operands[0]))
                if not isinstance(drawn, pikepdf.Stream):
                    continue
                if drawn.get("/Subtype") == "/Image":
                    yield drawn, matrix
                elif drawn.get("/Subtype") == "/Form" and deepest:
                    own = pikepdf.Matrix(drawn.get("/Matrix") or pikepdf.Matrix())
                    yield from _drawn(drawn, own @ matrix, deepest - 1)


def _breaks_off(bitmap: pikepdf.Stream) -> bool:
    """A CCITT G4 bitmap without its end-of-block mark: libtiff would fill it up without a word.

    The mark is two end-of-line codes (ITU-T T.6), before at most some bytes of padding.
    """
    filters = PdfImage(bitmap).filters
    parameters = PdfImage(bitmap).decode_parms
    if filters != ["/CCITTFaxDecode"] or not parameters:
        return False
    if int(parameters[0].get("/K", 0)) >= 0 or parameters[0].get("/EndOfBlock", True) is False:
        return False
    tail = bitmap.read_raw_bytes()[-16:]
    return f"{1:012b}" * 2 not in f"{int.from_bytes(tail):0{8 * len(tail)}b}"


def _rotation(page: pikepdf.Page) -> int:
    """`/Rotate`, clockwise quarter turns, 0 to 3; it may be inherited from the tree of pages."""
    node: pikepdf.Object = page.obj
    for _ in range(50):  # a damaged tree may run in a circle
        if "/Rotate" in node:
            return int(node["/Rotate"]) // 90 % 4
        if "/Parent" not in node:
            break
        node = node["/Parent"]
    return 0


def _turn(matrix: pikepdf.Matrix, quarters: int) -> Image.Transpose | None:
    """How the bitmap is turned to stand as the page shows it.

    A PDF draws the bitmap into the unit square, its top at y = 1, and y grows upwards.
    """
    right = (matrix.a, -matrix.b)
    down = (-matrix.c, matrix.d)
    for _ in range(quarters):  # clockwise: what pointed right points down
        right, down = (-right[1], right[0]), (-down[1], down[0])
    # A scan set straight by a degree or two still stands upright.
    if abs(right[0]) >= abs(right[1]):
        signs = (_sign(right[0]), 0, 0, _sign(down[1]))
    else:
        signs = (0, _sign(right[1]), _sign(down[0]), 0)
    if signs not in _TURNS:
        raise NoPageImage("the image is drawn without any size")
    return _TURNS[signs]


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
