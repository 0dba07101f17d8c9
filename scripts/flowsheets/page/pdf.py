"""A PDF file: its pages, and whether it is whole."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

import pikepdf
from pikepdf.settings import set_qpdf_limits

# qpdf's remarks come back through `get_warnings`; as log lines they would reach stderr raw.
logging.getLogger("pikepdf").addHandler(logging.NullHandler())
logging.getLogger("pikepdf").propagate = False

# What one stream may grow to: the largest bitmap that is decoded, in three colours. A few hundred
# bytes can be written so that they grow to any size.
MAX_DECODED_BYTES = 500_000_000
set_qpdf_limits(
    flate_max_memory=MAX_DECODED_BYTES,
    run_length_max_memory=MAX_DECODED_BYTES,
    png_max_memory=MAX_DECODED_BYTES,
    tiff_max_memory=MAX_DECODED_BYTES,
)

_HEADER_WITHIN = 1024  # bytes, where readers look for `%PDF-`
_DEEPEST_TREE = 50  # of pages; a damaged tree may run in a circle

_OBJECT = re.compile(rb"\bobj\b(.{0,200000}?)(?:\bendobj\b|\bstream\b)", re.DOTALL)
_IS_TREE = re.compile(rb"/Type\s*/Pages\b")
_COUNT = re.compile(rb"/Count\s+(\d{1,9})\b")


class NoPageImage(Exception):
    """A page has no image, or a PDF no pages that can be counted.

    `code` is one lower-case word, the same for the same kind of reason; `reason` is a short
    sentence for a person. As text: `code: reason`.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class Pages(NamedTuple):
    """What a PDF holds; `mended` where it is damaged and was read all the same."""

    number: int
    mended: bool


def pages(pdf: Path) -> Pages:
    """Count a PDF's pages.

    Raises `NoPageImage` where it cannot be read, is locked, is not a PDF, or has lost a page: the
    pages after a lost one would get the numbers of others.
    """
    document, mended = _opened(pdf)
    with document:
        return Pages(len(document.pages), mended)


def opened(pdf: Path) -> pikepdf.Pdf:
    """The PDF, with all the pages that it says it has. Raises `NoPageImage`, as `pages` does."""
    return _opened(pdf)[0]


def _opened(pdf: Path) -> tuple[pikepdf.Pdf, bool]:
    """The PDF, and whether it was mended to be read."""
    try:
        if not pdf.is_file():
            raise NoPageImage("pdf_unreadable", "the PDF is not a file, or is missing")
        # Inherited attributes stay in the tree: moving them makes qpdf mend the tree's /Count.
        document = pikepdf.open(pdf, inherit_page_attributes=False)
        said = int(document.Root.Pages.get("/Count", 0))
        found = len(document.pages)
        remarks = document.get_warnings()  # and they are forgotten
        if any("reconstruct" in remark for remark in remarks):
            said = _said_in_the_file(pdf)
    except NoPageImage:
        raise
    except pikepdf.PasswordError as error:
        raise NoPageImage("pdf_locked", "the PDF is locked with a password") from error
    except OSError as error:
        raise NoPageImage("pdf_unreadable", f"the PDF cannot be read: {error.strerror}") from error
    except Exception as error:  # damage breaks the library in any way
        raise _unreadable(pdf) from error
    if found < said:
        document.close()
        raise NoPageImage(
            "pdf_damaged",
            f"the PDF is damaged: it says that it has {said} pages, and {found} are found;"
            " copy it again",
        )
    return document, bool(remarks)


def inherited(page: pikepdf.Page, name: str) -> pikepdf.Object | None:
    """An attribute of the page, its own or from the tree of pages above it."""
    node: pikepdf.Object = page.obj
    for _ in range(_DEEPEST_TREE):
        if (found := node.get(name)) is not None:
            return found
        parent = node.get("/Parent")
        if not isinstance(parent, pikepdf.Dictionary):
            break
        node = parent
    return None


def quarters(page: pikepdf.Page) -> int:
    """`/Rotate` as clockwise quarter turns, 0 to 3."""
    found = inherited(page, "/Rotate")
    return int(str(found)) // 90 % 4 if found is not None else 0


def visible(page: pikepdf.Page) -> pikepdf.Rectangle:
    """What the page shows of its plane: its crop box, inside its media box.

    Raises `NoPageImage` where the page has no size.
    """
    media = inherited(page, "/MediaBox")
    if media is None:
        raise NoPageImage("no_size", "the page does not say how large it is")
    box = pikepdf.Rectangle(pikepdf.Array(media))
    crop = inherited(page, "/CropBox")
    if crop is not None:
        cropped = pikepdf.Rectangle(pikepdf.Array(crop)) & box
        box = cropped if cropped is not None and cropped.width > 0 < cropped.height else box
    if box.width <= 0 or box.height <= 0:
        raise NoPageImage("no_size", "the page has no width or no height")
    return box


def _said_in_the_file(pdf: Path) -> int:
    """The largest count of pages in the raw file; qpdf mends it where it had to look for objects.

    Raises `NoPageImage` where the file does not hold it in clear: how many pages are lost is then
    not known.
    """
    objects = _OBJECT.findall(pdf.read_bytes())
    counts = [_COUNT.search(one) for one in objects if _IS_TREE.search(one)]
    if not (said := [int(count[1]) for count in counts if count]):
        raise NoPageImage("pdf_damaged", "the PDF is damaged; copy it again")
    return max(said)


def _unreadable(pdf: Path) -> NoPageImage:
    with pdf.open("rb") as file:
        head = file.read(_HEADER_WITHIN)
    if not head:
        return NoPageImage("not_a_pdf", "it is not a PDF: the file is empty")
    if b"%PDF-" not in head:
        return NoPageImage("not_a_pdf", "it is not a PDF")
    return NoPageImage("pdf_damaged", "the PDF is damaged; copy it again")
