"""Pages that the tests draw themselves: small 1-bit bitmaps, in PDFs as a scanner writes them."""

from pathlib import Path

import pikepdf
from PIL import Image, ImageDraw

SIZE = (102, 168)  # the station's sheets at 12 PPI: same shape, small enough for a test
UPSIDE_DOWN = (-1, 0, 0, -1, 1, 1)  # the matrix that turns a bitmap by half, in units of the page


def bitmap(text: str) -> Image.Image:
    """A 1-bit page that shows `text`; no two turns or mirrorings of it look alike."""
    image = Image.new("1", SIZE, 1)
    pen = ImageDraw.Draw(image)
    pen.rectangle((2, 2, 30, 10), fill=0)
    pen.line((5, 20, 5, 80), fill=0)
    pen.text((12, 40), text, fill=0)
    return image


def write_pdf(
    path: Path,
    bitmaps: list[Image.Image],
    matrix: tuple[float, ...] = UPSIDE_DOWN,
    rotate: int = 0,
) -> Path:
    """A PDF with a bitmap a page, in CCITT G4 as given; `matrix` is of the unit page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = pikepdf.new()
    for image in bitmaps:
        add_page(document, [image], matrix, rotate)
    document.save(path)
    return path


def add_page(
    document: pikepdf.Pdf,
    images: list[Image.Image],
    matrix: tuple[float, ...] = UPSIDE_DOWN,
    rotate: int = 0,
) -> None:
    """One page that draws the images one over the other."""
    wide, high = 73.44, 120.96
    page = document.add_blank_page(page_size=(wide, high))
    a, b, c, d, e, f = matrix
    cm = f"{a * wide} {b * high} {c * wide} {d * high} {e * wide} {f * high} cm"
    named = pikepdf.Dictionary()
    content = ""
    for number, image in enumerate(images):
        named[f"/Im{number}"] = document.make_indirect(g4(document, image))
        content += f"q {cm} /Im{number} Do Q\n"
    page.Resources = pikepdf.Dictionary(XObject=named)
    page.Contents = document.make_stream(content.encode())
    if rotate:
        page.Rotate = rotate


def g4(document: pikepdf.Pdf, image: Image.Image) -> pikepdf.Stream:
    """The bitmap as a CCITT G4 image object; libtiff, through Pillow, does the coding."""
    strip = _g4_bytes(image)
    return pikepdf.Stream(
        document,
        strip,
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=image.width,
        Height=image.height,
        ColorSpace=pikepdf.Name.DeviceGray,
        BitsPerComponent=1,
        Filter=pikepdf.Name.CCITTFaxDecode,
        DecodeParms=pikepdf.Dictionary(K=-1, Columns=image.width, Rows=image.height, BlackIs1=True),
    )


def _g4_bytes(image: Image.Image) -> bytes:
    import io

    from PIL import TiffImagePlugin

    file = io.BytesIO()
    tags = {278: image.height}  # RowsPerStrip: one strip
    image.save(file, "TIFF", compression="group4", tiffinfo=tags)
    tiff = TiffImagePlugin.TiffImageFile(io.BytesIO(file.getvalue()))
    (offset,), (length,) = tiff.tag_v2[273], tiff.tag_v2[279]
    return file.getvalue()[offset : offset + length]
