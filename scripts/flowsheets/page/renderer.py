"""A page drawn by PDFium, as a viewer shows it: for all that is not one plain bitmap."""

import logging
from functools import lru_cache
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageChops

from flowsheets.page.pdf import NoPageImage

# Between black and white, on a page of 1-bit images.
_THRESHOLD = 128
_WHITE = (255, 255, 255, 255)

logging.getLogger("pypdfium2").propagate = False  # people get our own sentences


def draw(
    pdf: Path, page_number: int, pages: int, size: tuple[int, int], one_bit: bool
) -> Image.Image:
    """The page as a viewer shows it, upright, at `size` in pixels.

    In mode "1" where `one_bit`, else grey ("L") where it has no colour, else RGB. `pages` is how
    many the PDF is known to have. Raises `NoPageImage`.
    """
    try:
        document = _open(pdf)
        if len(document) != pages:
            raise NoPageImage("pdf_damaged", "the PDF is damaged; copy it again")
        page = document[page_number - 1]
    except pypdfium2.PdfiumError as error:
        raise NoPageImage("not_drawable", "the page cannot be drawn") from error
    try:
        _check_images(page)
        return _drawn(document, page, size, one_bit)
    finally:
        page.close()


@lru_cache(maxsize=1)  # pages come in the PDF's order; one document is open at a time
def _open(pdf: Path) -> pypdfium2.PdfDocument:
    document = pypdfium2.PdfDocument(pdf)
    if document.get_formtype():
        document.init_forms()
    return document


def _drawn(
    document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage, size: tuple[int, int], one_bit: bool
) -> Image.Image:
    kind = pdfium.FPDFBitmap_Gray if one_bit else pdfium.FPDFBitmap_BGRx
    bitmap = pypdfium2.PdfBitmap.new_native(*size, kind)
    whole = (0, 0, *size)
    bitmap.fill_rect(_WHITE, *whole)
    flags = pdfium.FPDF_ANNOT
    pdfium.FPDF_RenderPageBitmap(bitmap, page, *whole, 0, flags)
    if document.formenv:  # what is typed into the fields of a form
        pdfium.FPDF_FFLDraw(document.formenv, bitmap, page, *whole, 0, flags)
    image: Image.Image = bitmap.to_pil()
    if one_bit:
        return image.point([255 * (value >= _THRESHOLD) for value in range(256)], "1")
    red, green, blue = image.convert("RGB").split()
    same = not (
        ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox()
    )
    return red if same else Image.merge("RGB", (red, green, blue))


def _check_images(page: pypdfium2.PdfPage) -> None:
    """PDFium leaves out an image that it cannot decode: the page would be drawn without it."""
    for found in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=8):
        try:
            found.get_bitmap()
        except pypdfium2.PdfiumError as error:
            raise NoPageImage(
                "damaged_bitmap", "the image is damaged, or breaks off before its end"
            ) from error
