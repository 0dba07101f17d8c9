"""A PDF's pages as upright images.

A page that is one plain bitmap, as scanners write it, is that bitmap, bit for bit. Any other page
that images cover (strips, layers, a stamp or a date over the scan) is drawn by the renderer, at the
scan's own resolution. A page that images do not cover is not a scan.
"""

import io
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import pikepdf
from PIL import Image

from flowsheets import files
from flowsheets.page import bitmap, content, renderer
from flowsheets.page import pdf as pdfs
from flowsheets.page.content import Content, Drawn
from flowsheets.page.pdf import NoPageImage as NoPageImage

# Run-length matching: on 1-bit scans a tenth smaller than zlib's own level 6, at half its time.
_Z_RLE = 3

# Pillow gives each image's memory back, and page faults for the next one cost a quarter of a page's
# time. What its PILLOW_BLOCKS_MAX sets: blocks of 16 MB kept for the next; three images are alive.
Image.core.set_blocks_max(3)  # type: ignore[attr-defined]
Image.MAX_IMAGE_PIXELS = bitmap.MAX_PIXELS  # sizes are checked before, by the same limit

# Of the visible page; below it, the images are a logo or a picture in a text.
_LEAST_COVERED = 0.5

# Of the image; beyond it, the page shows a part of a larger image (one half of a double page, say).
_MOST_BEYOND = 0.05

# What the renderer draws at the most; four times the pixels of a sheet of legal size at 300 PPI.
_MAX_DRAWN_PIXELS = 45_000_000

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

DrawnBy = Literal["bitmap", "renderer"]


class PageImage(NamedTuple):
    """A page's image and how it was drawn: the one bitmap as it is, or all of it by PDFium."""

    image: Image.Image
    drawn_by: DrawnBy


def page_count(pdf: Path) -> int:
    """Pages of a PDF. Raises `NoPageImage`, as `pdf.pages` does."""
    return pdfs.pages(pdf).number


def page_image(pdf: Path, page_number: int) -> Image.Image:
    """The page's image alone, as `draw` makes it."""
    return draw(pdf, page_number).image


def draw(pdf: Path, page_number: int) -> PageImage:
    """A page as an upright image, in its own depth (1 bit stays 1 bit).

    `page_number` counts from 1. Raises `NoPageImage`.
    """
    try:
        return _draw(pdf, page_number)
    except NoPageImage:
        raise
    except MemoryError:  # the caller set the bounds
        raise
    except Exception as error:  # damage breaks the libraries in any way: it fails alone
        raise NoPageImage("page_damaged", "the page is damaged and cannot be drawn") from error


def _draw(pdf: Path, page_number: int) -> PageImage:
    document = _open(pdf)
    if page_number > len(document.pages):
        raise NoPageImage("no_such_page", f"the PDF has {len(document.pages)} pages only")
    page = document.pages[page_number - 1]
    found = content.of(document, page)
    box = pdfs.visible(page)
    main = found.main()
    _check_covered(main, box)
    for drawn in found.images:
        bitmap.check_size(drawn)
    one = _the_one(found, box)
    if one is not None:
        image = bitmap.picture(one)
        turn = _turn(one.matrix, pdfs.quarters(page))
        return PageImage(image if turn is None else image.transpose(turn), "bitmap")
    for drawn in found.images:
        bitmap.check_whole(drawn.image)
    one_bit = all(bitmap.is_one_bit(drawn.image) for drawn in main)
    size = _size(main, box, pdfs.quarters(page))
    image = renderer.draw(pdf, page_number, len(document.pages), size, one_bit)
    return PageImage(image, "renderer")


def write_png(image: Image.Image, path: Path) -> None:
    """The image as a lossless PNG, whole or not at all.

    Raises `NoPageImage` where no PNG holds such an image, `Problem` where it cannot be written.
    """
    png = io.BytesIO()
    try:
        image.save(png, "PNG", compress_type=_Z_RLE)
    except (OSError, ValueError, SystemError) as error:
        raise NoPageImage("not_drawable", f"an image in {image.mode} fits no PNG") from error
    files.write_whole(path, png.getvalue())


@lru_cache(maxsize=1)  # pages come in the PDF's order; one document is open at a time
def _open(pdf: Path) -> pikepdf.Pdf:
    return pdfs.opened(pdf)


def _check_covered(images: list[Drawn], box: pikepdf.Rectangle) -> None:
    if not images:
        raise NoPageImage("no_image", "no image is drawn on the page")
    share = content.covered(images, box)
    if share < _LEAST_COVERED:
        raise NoPageImage(
            "not_covering", f"images cover {share:.0%} of the page; a scan covers all of it"
        )


def _the_one(found: Content, box: pikepdf.Rectangle) -> Drawn | None:
    """The bitmap that is the page, where there is one and nothing else."""
    if len(found.images) != 1 or found.others:
        return None
    one = found.images[0]
    whole = content.beyond(one, box) <= _MOST_BEYOND
    return one if whole and bitmap.is_plain(one.image) else None


def _size(images: list[Drawn], box: pikepdf.Rectangle, quarters: int) -> tuple[int, int]:
    """Pixels of the page as it is shown, at the resolution of its finest image."""
    finest = max(drawn.pixels_a_unit for drawn in images)
    most = (_MAX_DRAWN_PIXELS / (box.width * box.height)) ** 0.5
    scale = min(finest, most)
    size = max(round(box.width * scale), 1), max(round(box.height * scale), 1)
    return (size[1], size[0]) if quarters % 2 else size


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
        raise NoPageImage("no_size", "the image is drawn without any size")
    return _TURNS[signs]


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
