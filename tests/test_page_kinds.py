"""Every kind of page that scanners and programs write is right, or is refused in words."""

import random
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageOps

import pages_of_all_kinds as kinds
from flowsheets.page import scan
from pages_of_all_kinds import PAGE, SIZE, WHOLE, add, draw, fax, g4, g4_data, sheet, xobject

Made = Callable[[pikepdf.Pdf], Any]


def saved(tmp_path: Path, make: Made) -> Path:
    document = pikepdf.new()
    make(document)
    document.save(tmp_path / "a.pdf")
    return tmp_path / "a.pdf"


def small(document: pikepdf.Pdf, size: tuple[int, int] = (20, 20), value: int = 0) -> Any:
    """A black picture of few pixels."""
    data = zlib.compress(bytes([value]) * (size[0] * size[1]))
    return xobject(
        document,
        data,
        size,
        ColorSpace=Name.DeviceGray,
        BitsPerComponent=8,
        Filter=Name.FlateDecode,
    )


def palette(*colors: int) -> Any:
    return Array([Name.Indexed, Name.DeviceGray, len(colors) - 1, pikepdf.String(bytes(colors))])


def gray(**keys: Any) -> Made:
    return lambda d: draw(d, kinds.samples(d, sheet("L").tobytes(), Name.DeviceGray, **keys))


def with_alpha(document: pikepdf.Pdf) -> None:
    """The writing stands in the alpha of a black image."""
    alpha = kinds.samples(document, ImageOps.invert(sheet("L")).tobytes(), Name.DeviceGray)
    draw(document, kinds.samples(document, bytes(SIZE[0] * SIZE[1]), Name.DeviceGray, SMask=alpha))


def with_stencil(document: pikepdf.Pdf) -> None:
    stencil = xobject(
        document,
        zlib.compress(kinds.packed(sheet())),
        ImageMask=True,
        BitsPerComponent=1,
        Filter=Name.FlateDecode,
    )
    draw(document, kinds.samples(document, bytes(SIZE[0] * SIZE[1]), Name.DeviceGray, Mask=stencil))


def icc(n: int, data: bytes) -> Made:
    def make(document: pikepdf.Pdf) -> None:
        profile = document.make_indirect(pikepdf.Stream(document, data, Dictionary(N=n)))
        space = Array([Name.ICCBased, profile])
        draw(document, kinds.samples(document, sheet("L").tobytes(), space))

    return make


def cmyk(document: pikepdf.Pdf) -> None:
    data = kinds.repeated([0, 0, 0, 1], sheet("L"))
    draw(document, kinds.samples(document, data, Name.DeviceCMYK))


def lab(document: pikepdf.Pdf) -> None:
    data = b"".join(bytes([pixel, 128, 128]) for pixel in sheet("L").tobytes())
    white = Dictionary(WhitePoint=Array([0.9642, 1, 0.8249]), Range=Array([-128, 127, -128, 127]))
    draw(document, kinds.samples(document, data, Array([Name.Lab, white])))


def separation(document: pikepdf.Pdf) -> None:
    tint = Dictionary(FunctionType=2, Domain=Array([0, 1]), C0=Array([1]), C1=Array([0]), N=1)
    space = Array([Name.Separation, Name.Black, Name.DeviceGray, tint])
    data = ImageOps.invert(sheet("L")).tobytes()
    draw(document, kinds.samples(document, data, space))


def inline(document: pikepdf.Pdf) -> None:
    head = f"q {WHOLE} BI /W {SIZE[0]} /H {SIZE[1]} /CS /G /BPC 1 ID ".encode()
    add(document, head + kinds.packed(sheet()) + b" EI Q")


def stencil_page(document: pikepdf.Pdf) -> None:
    image = xobject(
        document,
        zlib.compress(kinds.packed(sheet())),
        ImageMask=True,
        BitsPerComponent=1,
        Filter=Name.FlateDecode,
    )
    draw(document, image, f"q 0 g {WHOLE} /Im Do Q")


def scan_and(content: str, **made: Callable[[pikepdf.Pdf], Any]) -> Made:
    """The scan, and something beside it; `{scan}` in the content draws it."""

    def make(document: pikepdf.Pdf) -> None:
        others = {f"XObject_{name}": one(document) for name, one in made.items()}
        whole = content.replace("{scan}", f"q {WHOLE} /Im Do Q")
        add(document, whole, XObject_Im=g4(document), **others)

    return make


def layered(document: pikepdf.Pdf) -> None:
    """A black picture over the scan, in a layer that is switched off."""
    off = document.make_indirect(Dictionary(Type=Name.OCG, Name="draft"))
    document.Root.OCProperties = Dictionary(OCGs=Array([off]), D=Dictionary(OFF=Array([off])))
    content = f"q {WHOLE} /Im Do Q /OC /Off BDC q {WHOLE} /Black Do Q EMC"
    black = small(document, SIZE)
    add(document, content, XObject_Im=g4(document), XObject_Black=black, Properties_Off=off)


def mixed_raster(document: pikepdf.Pdf) -> None:
    """A background of low resolution, and the writing as a black stencil over it."""
    ground = small(document, (74, 126), 255)
    stencil = xobject(
        document,
        zlib.compress(kinds.packed(sheet())),
        ImageMask=True,
        BitsPerComponent=1,
        Filter=Name.FlateDecode,
    )
    content = f"q {WHOLE} /Ground Do Q q 0 g {WHOLE} /Ink Do Q"
    add(document, content, XObject_Ground=ground, XObject_Ink=stencil)


def rotated(quarters: int) -> Made:
    def make(document: pikepdf.Pdf) -> None:
        kinds.strips(document, 4)
        document.pages[0].Rotate = 90 * quarters

    return make


def user_unit(document: pikepdf.Pdf) -> None:
    kinds.strips(document, 4)
    document.pages[0].UserUnit = 2


def shifted(document: pikepdf.Pdf) -> None:
    """A page whose plane does not begin at 0."""
    x, y = 100, -50
    page = draw(document, g4(document), f"q {PAGE[0]} 0 0 {PAGE[1]} {x} {y} cm /Im Do Q")
    page.MediaBox = Array([x, y, x + PAGE[0], y + PAGE[1]])


def no_others(**keys: Any) -> Made:
    return lambda d: draw(d, g4(d, **keys))


def coded(make: Callable[[], bytes], **keys: Any) -> Made:
    return lambda d: draw(d, fax(d, make(), **keys))


negative = ImageOps.invert(sheet())

THE_ONE_BITMAP: dict[str, Made] = {
    "G4": no_others(),
    "G4 and 218 bytes after its end": coded(lambda: g4_data(sheet()) + bytes(218)),
    "G4 and noise after its end": coded(lambda: g4_data(sheet()) + random.Random(1).randbytes(99)),
    "G4 without an end mark": coded(lambda: kinds.without_mark(g4_data(sheet())), EndOfBlock=False),
    "G4 without an end mark that ought to have one": coded(
        lambda: kinds.without_mark(g4_data(sheet()))
    ),
    "G4 with an end mark that it does not announce": no_others(EndOfBlock=False),
    "G4, black is 0": coded(lambda: g4_data(negative), black_is_1=False),
    "G4, decoded the other way": coded(lambda: g4_data(negative), Decode=Array([1, 0])),
    "G4, black is 0, decoded the other way": no_others(black_is_1=False, Decode=Array([1, 0])),
    "G4 in Flate": lambda d: draw(
        d,
        xobject(
            d,
            zlib.compress(g4_data(sheet())),
            ColorSpace=Name.DeviceGray,
            BitsPerComponent=1,
            Filter=Array([Name.FlateDecode, Name.CCITTFaxDecode]),
            DecodeParms=Array([Dictionary(), Dictionary(K=-1, Columns=SIZE[0], BlackIs1=True)]),
        ),
    ),
    "1 bit in Flate": lambda d: draw(
        d, kinds.samples(d, kinds.packed(sheet()), Name.DeviceGray, bits=1)
    ),
    "grey in Flate": gray(),
    "JPEG": lambda d: draw(
        d,
        xobject(
            d,
            kinds.jpeg(sheet("L")),
            ColorSpace=Name.DeviceGray,
            BitsPerComponent=8,
            Filter=Name.DCTDecode,
        ),
    ),
    "JPEG in colour": lambda d: draw(
        d,
        xobject(
            d,
            kinds.jpeg(sheet("RGB")),
            ColorSpace=Name.DeviceRGB,
            BitsPerComponent=8,
            Filter=Name.DCTDecode,
        ),
    ),
    "a plane that does not begin at 0": shifted,
    "a clip around the page": lambda d: draw(
        d, g4(d), f"q 0 0 {PAGE[0]} {PAGE[1]} re W n {WHOLE} /Im Do Q"
    ),
    "recognised text below, invisible": lambda d: draw(
        d, g4(d), f"BT 3 Tr (row 1) Tj ET q {WHOLE} /Im Do Q"
    ),
}


def typed(document: pikepdf.Pdf) -> None:
    """A white box is drawn over the sheet's black one."""
    corner = (8 * 0.72, PAGE[1] - 31 * 0.72, 83 * 0.72, 23 * 0.72)
    content = f"q {WHOLE} /Im Do Q 1 g {' '.join(map(str, corner))} re f"
    add(document, content, XObject_Im=g4(document))


def noted(document: pikepdf.Pdf) -> None:
    """The same white box as an annotation."""
    page = draw(document, g4(document))
    box = Array([8 * 0.72, PAGE[1] - 31 * 0.72, 91 * 0.72, PAGE[1] - 8 * 0.72])
    look = document.make_stream(b"1 g 0 0 1000 1000 re f")
    look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 60, 17])
    page.Annots = Array(
        [
            document.make_indirect(
                Dictionary(
                    Type=Name.Annot, Subtype=Name.Stamp, Rect=box, F=4, AP=Dictionary(N=look)
                )
            )
        ]
    )


def without_the_box(image: Image.Image) -> Image.Image:
    changed = image.copy()
    changed.paste(1, (8, 8, 91, 31))
    return changed


def half(document: pikepdf.Pdf) -> None:
    """The page shows the left half of a larger picture."""
    page = draw(document, g4(document))
    page.CropBox = Array([0, 0, PAGE[0] / 2, PAGE[1]])


# Each with what is to be seen, in black and white.
DRAWN: dict[str, tuple[Made, Image.Image]] = {
    **{f"{count} strips": (partial(kinds.strips, count=count), sheet()) for count in (4, 63, 108)},
    **{
        name: (make, sheet())
        for name, make in {
            "G4, each row at a byte": coded(
                lambda: kinds.aligned_g4(sheet()), EncodedByteAlign=True, EndOfBlock=False
            ),
            "G3": coded(lambda: kinds.tiff(sheet(), "group3"), k=0, EndOfLine=True),
            "G3, mixed": coded(lambda: kinds.tiff(sheet(), "group3", _292=1), k=4, EndOfLine=True),
            "G3, rows at bytes": coded(
                lambda: kinds.tiff(sheet(), "tiff_ccitt"),
                k=0,
                EncodedByteAlign=True,
                EndOfBlock=False,
            ),
            "G4 in a palette": no_others(ColorSpace=palette(0, 255)),
            "G4 in a palette the other way": coded(
                lambda: g4_data(negative), ColorSpace=palette(255, 0)
            ),
            "1 bit in a palette the other way": lambda d: draw(
                d, kinds.samples(d, kinds.packed(negative), palette(255, 0), bits=1)
            ),
            "JPEG, decoded the other way": lambda d: draw(
                d,
                xobject(
                    d,
                    kinds.jpeg(ImageOps.invert(sheet("L"))),
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=8,
                    Filter=Name.DCTDecode,
                    Decode=Array([1, 0]),
                ),
            ),
            "JPEG after stray bytes": lambda d: draw(
                d,
                xobject(
                    d,
                    b"\r\n\0" + kinds.jpeg(sheet("L")),
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=8,
                    Filter=Name.DCTDecode,
                ),
            ),
            "JPEG 2000": lambda d: draw(
                d,
                xobject(
                    d,
                    kinds.jpx(sheet("L")),
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=8,
                    Filter=Name.JPXDecode,
                ),
            ),
            "JPEG 2000, decoded the other way": lambda d: draw(
                d,
                xobject(
                    d,
                    kinds.jpx(ImageOps.invert(sheet("L"))),
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=8,
                    Filter=Name.JPXDecode,
                    Decode=Array([1, 0]),
                ),
            ),
            "grey, decoded the other way": lambda d: draw(
                d,
                kinds.samples(
                    d, ImageOps.invert(sheet("L")).tobytes(), Name.DeviceGray, Decode=Array([1, 0])
                ),
            ),
            "JBIG2": lambda d: draw(
                d,
                xobject(
                    d,
                    kinds.jbig2(sheet()),
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=1,
                    Filter=Name.JBIG2Decode,
                ),
            ),
            "writing in the alpha": with_alpha,
            "a stencil as mask": with_stencil,
            "a colour left out": gray(Mask=Array([255, 255])),
            "a stencil alone": stencil_page,
            "CMYK": cmyk,
            "Lab": lab,
            "Separation black": separation,
            "ICC": icc(1, b"no profile"),
            "an inline image": inline,
            "scan and spacer": scan_and(
                "{scan} q 1 0 0 1 3 3 cm /S Do Q", S=lambda d: small(d, (1, 1), 255)
            ),
            "white base of one pixel": scan_and(
                f"q {WHOLE} /S Do Q {{scan}}", S=lambda d: small(d, (1, 1), 255)
            ),
            "white base": scan_and(f"1 g 0 0 {PAGE[0]} {PAGE[1]} re f {{scan}}"),
            "white base as a picture": scan_and(
                f"q {WHOLE} /S Do Q {{scan}}", S=lambda d: small(d, SIZE, 255)
            ),
            "drawn twice": scan_and("{scan} {scan}"),
            "a hidden layer": layered,
            "layers of a mixed raster": mixed_raster,
            "a larger unit": user_unit,
        }.items()
    },
    "a redaction over the scan": (typed, without_the_box(sheet())),
    "a note over the scan": (noted, without_the_box(sheet())),
    "turned": (rotated(1), sheet().transpose(Image.Transpose.ROTATE_270)),
    "upside down": (rotated(2), sheet().transpose(Image.Transpose.ROTATE_180)),
    "half of a double page": (half, sheet().crop((0, 0, SIZE[0] // 2, SIZE[1]))),
}


@pytest.mark.parametrize("kind", THE_ONE_BITMAP)
def test_a_page_of_one_plain_bitmap_is_that_bitmap(tmp_path: Path, kind: str) -> None:
    image, drawn_by = scan.draw(saved(tmp_path, THE_ONE_BITMAP[kind]), 1)
    assert drawn_by == "bitmap"
    assert kinds.unlike(image, sheet()) <= (0.001 if "JPEG" in kind else 0)
    assert image.mode == (
        "RGB" if "colour" in kind else "L" if "JPEG" in kind or "grey" in kind else "1"
    )


@pytest.mark.parametrize("kind", DRAWN)
def test_any_other_page_that_images_cover_is_as_a_viewer_shows_it(
    tmp_path: Path, kind: str
) -> None:
    make, expected = DRAWN[kind]
    image, drawn_by = scan.draw(saved(tmp_path, make), 1)
    assert drawn_by == "renderer"
    assert kinds.unlike(image, expected) < 0.003


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def garbled(data: bytes) -> bytes:
    """Sixteen bytes in the middle are noise."""
    middle = len(data) // 2
    return data[:middle] + random.Random(7).randbytes(16) + data[middle + 16 :]


def fewer_rows(data: bytes) -> Any:
    return kinds.without_mark(data)[: len(data) * 9 // 10]


def set_key(image: Any, name: str, value: object) -> Any:
    image[f"/{name}"] = value
    return image


def of_jpeg(data: bytes) -> Made:
    return lambda d: draw(
        d, xobject(d, data, ColorSpace=Name.DeviceGray, BitsPerComponent=8, Filter=Name.DCTDecode)
    )


def of_format(data: bytes, name: str) -> Made:
    return lambda d: draw(
        d, xobject(d, data, ColorSpace=Name.DeviceGray, BitsPerComponent=1, Filter=Name(name))
    )


def bomb(document: pikepdf.Pdf) -> None:
    """Forty kilobytes of content that decode to eighty million."""
    page = draw(document, g4(document))
    data = zlib.compress(zlib.compress(b"q " * 20_000_000, 9), 9)
    twice = Dictionary(Filter=Array([Name.FlateDecode, Name.FlateDecode]))
    page.Contents = document.make_indirect(pikepdf.Stream(document, data, twice))


def laughs(document: pikepdf.Pdf) -> None:
    """A form that draws another thirty times, which draws another thirty times …"""
    drawn = g4(document)
    for _ in range(7):
        form = document.make_stream(b"/X Do " * 30)
        form.Type, form.Subtype = Name.XObject, Name.Form
        form.BBox, form.Resources = Array([0, 0, 999, 999]), Dictionary(XObject=Dictionary(X=drawn))
        drawn = form
    draw(document, drawn, "/Im Do")


def hidden(document: pikepdf.Pdf) -> None:
    """The scan is in the layer that is switched off; what is left is a logo."""
    off = document.make_indirect(Dictionary(Type=Name.OCG, Name="draft"))
    document.Root.OCProperties = Dictionary(OCGs=Array([off]), D=Dictionary(OFF=Array([off])))
    content = f"/OC /Off BDC q {WHOLE} /Im Do Q EMC q 30 0 0 20 5 5 cm /Logo Do Q"
    logo = small(document, (60, 40))
    add(document, content, XObject_Im=g4(document), XObject_Logo=logo, Properties_Off=off)


def cut_alpha(document: pikepdf.Pdf) -> None:
    with_alpha(document)
    image = document.pages[0].Resources.XObject.Im
    whole = image.SMask.read_raw_bytes()
    image.SMask.write(cut(whole, 0.5), filter=Name.FlateDecode)


def huge(document: pikepdf.Pdf) -> None:
    image = g4(document)
    image.Width = image.Height = image.DecodeParms.Columns = 60_000
    draw(document, image)


deflated = zlib.compress(kinds.packed(sheet()))

# Each with the code of its reason.
REFUSED: dict[str, tuple[Made, str]] = {
    **{
        name: (make, "damaged_bitmap")
        for name, make in {
            "G4, cut": coded(lambda: cut(g4_data(sheet()), 0.7)),
            "G4, cut before its mark": coded(
                lambda: fewer_rows(g4_data(sheet())), EndOfBlock=False
            ),
            "G4, garbled": coded(lambda: garbled(g4_data(sheet()))),
            "G4, garbled, and 218 bytes after its end": coded(
                lambda: garbled(g4_data(sheet())) + bytes(218)
            ),
            "G4, fewer rows than it says": coded(lambda: g4_data(sheet().crop((0, 0, 296, 400)))),
            "G4, empty": coded(lambda: b""),
            "G4 of another width": lambda d: draw(d, set_key(g4(d), "Width", 300)),
            "G4, each row at a byte, garbled": coded(
                lambda: garbled(kinds.aligned_g4(sheet())), EncodedByteAlign=True, EndOfBlock=False
            ),
            "G4, each row at a byte, cut": coded(
                lambda: cut(kinds.aligned_g4(sheet()), 0.8), EncodedByteAlign=True, EndOfBlock=False
            ),
            "G3, cut": coded(lambda: cut(kinds.tiff(sheet(), "group3"), 0.8), k=0, EndOfLine=True),
            "G3, garbled": coded(
                lambda: garbled(kinds.tiff(sheet(), "group3")), k=0, EndOfLine=True
            ),
            "G3, mixed, garbled": coded(
                lambda: garbled(kinds.tiff(sheet(), "group3", _292=1)), k=4, EndOfLine=True
            ),
            "G3, rows at bytes, cut": coded(
                lambda: cut(kinds.tiff(sheet(), "tiff_ccitt"), 0.8),
                k=0,
                EncodedByteAlign=True,
                EndOfBlock=False,
            ),
            "JPEG, cut": of_jpeg(cut(kinds.jpeg(sheet("L")), 0.6)),
            "JPEG after stray bytes, cut": of_jpeg(b"\n" + cut(kinds.jpeg(sheet("L")), 0.6)),
            "JPEG 2000, cut": of_format(cut(kinds.jpx(sheet("L")), 0.6), "/JPXDecode"),
            "JBIG2, cut": of_format(cut(kinds.jbig2(sheet()), 0.6), "/JBIG2Decode"),
            "JBIG2, empty": of_format(b"", "/JBIG2Decode"),
            "Flate, cut": of_format(cut(deflated, 0.6), "/FlateDecode"),
            "Flate, garbled": of_format(garbled(deflated), "/FlateDecode"),
            "an alpha that is cut": cut_alpha,
            "Flate, fewer rows than it says": of_format(
                zlib.compress(kinds.packed(sheet())[:-999]), "/FlateDecode"
            ),
        }.items()
    },
    "no image": (lambda d: add(d, "BT (Playlist) Tj ET"), "no_image"),
    "an image outside the page": (
        lambda d: draw(d, g4(d), "q 90 0 0 90 900 900 cm /Im Do Q"),
        "no_image",
    ),
    "a logo": (lambda d: draw(d, g4(d), "q 60 0 0 60 10 10 cm /Im Do Q"), "not_covering"),
    "a hidden scan and a logo": (hidden, "not_covering"),
    "a picture of any size": (huge, "too_large"),
    "content of any size": (bomb, "too_large"),
    "forms without an end": (laughs, "too_large"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_whole_scan_is_refused_in_a_plain_sentence(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, code = REFUSED[kind]
    with pytest.raises(scan.NoPageImage) as caught:
        scan.draw(saved(tmp_path, make), 1)
    assert caught.value.code == code
    assert str(caught.value) == f"{code}: {caught.value.reason}"
    for word in ("Error", "0x", "(", "pikepdf", "object ", "\n"):
        assert word not in caught.value.reason
    assert capfd.readouterr().err == ""  # what the libraries print is not for people


def test_the_share_of_the_page_that_is_covered_is_in_the_reason(tmp_path: Path) -> None:
    def logo(document: pikepdf.Pdf) -> None:
        draw(document, g4(document), f"q {PAGE[0]} 0 0 {PAGE[1] * 0.4} 0 0 cm /Im Do Q")

    with pytest.raises(scan.NoPageImage, match="images cover 40% of the page"):
        scan.draw(saved(tmp_path, logo), 1)


def test_noise_anywhere_in_a_bitmap_is_seen(tmp_path: Path) -> None:
    whole, chance = g4_data(sheet()), random.Random(3)
    for number in range(60):
        at = chance.randrange(10, len(whole) - 20)
        data = whole[:at] + chance.randbytes(8) + whole[at + 8 :]
        path = tmp_path / f"{number}.pdf"
        document = pikepdf.new()
        draw(document, fax(document, data))
        document.save(path)
        with pytest.raises(scan.NoPageImage, match="damaged"):
            scan.draw(path, 1)


def test_the_renderer_and_the_bitmap_agree(tmp_path: Path) -> None:
    """The same turned bitmap, drawn each way: as it is, and over a white base."""
    for turned in range(4):
        images = []
        for base in ("", f"1 g 0 0 {PAGE[0]} {PAGE[1]} re f "):
            document = pikepdf.new()
            page = draw(document, g4(document), f"{base}q {WHOLE} /Im Do Q")
            page.Rotate = 90 * turned
            path = tmp_path / f"{turned}{bool(base)}.pdf"
            document.save(path)
            images.append(scan.draw(path, 1))
        assert [image.drawn_by for image in images] == ["bitmap", "renderer"]
        assert kinds.unlike(images[0].image, images[1].image) == 0
