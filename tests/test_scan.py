"""Pages of a PDF as upright images."""

import itertools
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from PIL import Image

from drawing import UPSIDE_DOWN, add_page, bitmap, g4, write_pdf
from flowsheets.errors import Problem
from flowsheets.page import scan

# How a bitmap is stored turned -> the matrix that turns it back, on a page of size 1 x 1.
BACK = {
    None: (1, 0, 0, 1, 0, 0),
    Image.Transpose.ROTATE_180: (-1, 0, 0, -1, 1, 1),
    Image.Transpose.FLIP_LEFT_RIGHT: (-1, 0, 0, 1, 1, 0),
    Image.Transpose.FLIP_TOP_BOTTOM: (1, 0, 0, -1, 0, 1),
    # stored turned by a quarter against the clock: drawn turned by a quarter with it
    Image.Transpose.ROTATE_90: (0, -1, 1, 0, 0, 1),
    Image.Transpose.ROTATE_270: (0, 1, -1, 0, 1, 0),
}
# /Rotate turns the shown page with the clock; a scan stored so far against it stands upright.
AGAINST = {
    0: None,
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def stored(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


@pytest.mark.parametrize(("turn", "rotate"), list(itertools.product(BACK, AGAINST)))
def test_a_page_is_upright_whatever_matrix_and_rotation_say(
    tmp_path: Path, turn: Image.Transpose | None, rotate: int
) -> None:
    page = bitmap("4/1/90")
    bits = stored(stored(page, AGAINST[rotate]), turn)
    pdf = write_pdf(tmp_path / "a.pdf", [bits], matrix=BACK[turn], rotate=rotate)
    lifted = scan.page_image(pdf, 1)
    assert lifted.mode == "1"
    assert lifted.size == page.size
    assert lifted.tobytes() == page.tobytes()


def test_the_png_has_the_stored_pixels_and_one_bit(tmp_path: Path) -> None:
    page = bitmap("abc")
    pdf = write_pdf(tmp_path / "a.pdf", [page.rotate(180)])
    scan.write_png(scan.page_image(pdf, 1), tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as png:
        assert (png.mode, png.tobytes()) == ("1", page.tobytes())
    assert list(tmp_path.glob("*.part")) == []


def test_rotation_is_inherited_from_the_tree_of_pages(tmp_path: Path) -> None:
    page = bitmap("abc")
    pdf = write_pdf(tmp_path / "a.pdf", [page.rotate(180)], matrix=BACK[None])
    with pikepdf.open(pdf, allow_overwriting_input=True) as document:
        document.Root.Pages.Rotate = 180
        document.save(pdf)
    assert scan.page_image(pdf, 1).tobytes() == page.tobytes()


def test_an_image_inside_a_form_is_found_and_turned(tmp_path: Path) -> None:
    page = bitmap("abc")
    document = pikepdf.new()
    add_page(document, [])
    form = document.make_stream(b"q 73 0 0 121 0 0 cm /Im Do Q")
    form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
    form.BBox = pikepdf.Array([0, 0, 73, 121])
    form.Matrix = pikepdf.Array([-1, 0, 0, -1, 73, 121])
    image = document.make_indirect(g4(document, page.rotate(180)))
    form.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=image))
    document.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Fm=form))
    document.pages[0].Contents = document.make_stream(b"/Fm Do")
    document.save(tmp_path / "a.pdf")
    assert scan.page_image(tmp_path / "a.pdf", 1).tobytes() == page.tobytes()


def test_a_page_without_an_image_says_so(tmp_path: Path) -> None:
    document = pikepdf.new()
    add_page(document, [])
    document.save(tmp_path / "a.pdf")
    with pytest.raises(scan.NoPageImage, match="no_image: no image is drawn on the page"):
        scan.page_image(tmp_path / "a.pdf", 1)


def test_of_two_images_the_upper_one_is_seen(tmp_path: Path) -> None:
    document = pikepdf.new()
    add_page(document, [bitmap("1").rotate(180), bitmap("2").rotate(180)], UPSIDE_DOWN)
    document.save(tmp_path / "a.pdf")
    image, drawn_by = scan.draw(tmp_path / "a.pdf", 1)
    assert drawn_by == "renderer"
    assert image.tobytes() == bitmap("2").tobytes()


def test_a_cut_bitmap_is_no_page(tmp_path: Path) -> None:
    document = pikepdf.new()
    add_page(document, [bitmap("abc")])
    image = document.pages[0].Resources.XObject.Im0
    document.pages[0].Resources.XObject.Im0 = cut = document.make_indirect(
        pikepdf.Stream(document, image.read_raw_bytes()[:20], dict(image.items()))
    )
    assert len(cut.read_raw_bytes()) == 20
    document.save(tmp_path / "a.pdf")
    with pytest.raises(scan.NoPageImage):
        scan.page_image(tmp_path / "a.pdf", 1)


def test_whatever_is_wrong_with_a_page_it_is_that_page_alone(tmp_path: Path) -> None:
    def page_of(content: bytes, **changed: Any) -> pikepdf.Pdf:
        document = pikepdf.new()
        add_page(document, [bitmap("abc")])
        if content:
            document.pages[0].Contents = document.make_stream(content)
        for name, value in changed.items():
            document.pages[0].Resources.XObject.Im0[f"/{name}"] = value
        return document

    damaged = [
        page_of(b"Do"),
        page_of(b"1 0 cm /Im0 Do"),
        page_of(b"", Width=-5),
        page_of(b"", BitsPerComponent=3, Filter=pikepdf.Array(), DecodeParms=pikepdf.Array()),
        page_of(b"", Filter=pikepdf.Name.JBIG2Decode),
        page_of(b"", DecodeParms=pikepdf.Dictionary(K=pikepdf.Name.X)),
    ]
    for number, document in enumerate(damaged):
        pdf = tmp_path / f"{number}.pdf"
        document.save(pdf)
        with pytest.raises(scan.NoPageImage) as caught:
            scan.page_image(pdf, 1)
        assert 10 < len(str(caught.value)) < 250


def test_a_damaged_pdf_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    with pytest.raises(scan.NoPageImage) as caught:
        scan.page_count(tmp_path / "a.pdf")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["CMYK", "F", "YCbCr"])
def test_an_image_that_no_png_holds_says_so_and_leaves_no_file(tmp_path: Path, mode: str) -> None:
    with pytest.raises(scan.NoPageImage, match=f"an image in {mode} fits no PNG"):
        scan.write_png(Image.new(mode, (2, 2)), tmp_path / "page.png")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_error_is_no_fault_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "pages").write_bytes(b"a file where a folder should be")
    with pytest.raises(Problem, match="cannot be written"):
        scan.write_png(bitmap("a"), tmp_path / "pages" / "page.png")
