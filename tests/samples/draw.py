r"""Draw the sample scans and write the truth beside them.

Reads tests/samples/pages/<year>/<Month year>/<name>/page-NN.toml and writes, a PDF a folder,
tests/samples/scans/<year>/<Month year>/<name>.pdf and, a file a page,
tests/samples/truth/<year>/<Month year>/<name>/page-NN.json. Both are committed;
draw them again only after a change here. The same bytes come out each time, as long as
Pillow and pikepdf are the pinned ones.

Needs the fonts, which are not committed (OFL-1.1, or Apache-2.0 where marked *):

    npm install --no-save --no-audit --no-fund --prefix .fonts \
      @fontsource/caveat@5.3.0 @fontsource/courier-prime@5.3.0 \
      @fontsource/covered-by-your-grace@5.3.0 @fontsource/gloria-hallelujah@5.3.0 \
      @fontsource/homemade-apple@5.3.0 @fontsource/kalam@5.3.0 \
      @fontsource/nothing-you-could-do@5.3.0 @fontsource/patrick-hand@5.3.0 \
      @fontsource/permanent-marker@5.3.0 @fontsource/reenie-beanie@5.3.0 \
      @fontsource/rock-salt@5.3.0 @fontsource/schoolbell@5.3.0 \
      @fontsource/shadows-into-light@5.3.0
    PYTHONPATH=tests python -m samples.draw

* homemade-apple, permanent-marker, rock-salt, schoolbell
"""

import io
import random
from pathlib import Path

import click
import pikepdf
from PIL import Image, TiffImagePlugin

from samples.answer import page_truth
from samples.contents import read_page
from samples.form import print_form
from samples.hands import Fonts
from samples.paper import scan
from samples.sheet import Sheet

HERE = Path(__file__).parent
FONTS = HERE.parent.parent / ".fonts" / "node_modules" / "@fontsource"
POINTS_PER_PIXEL = 72 / 300
STRIP_OFFSETS, STRIP_BYTES = 273, 279  # TIFF tags


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--fonts", type=click.Path(path_type=Path), default=FONTS,
              help="Folder of the font packages.")  # fmt: skip
def main(fonts: Path) -> None:
    """Draw every PDF named under pages/."""
    if not fonts.is_dir():
        raise click.ClickException(f"{fonts}: no fonts. Install them as {__file__} says")
    loaded = Fonts(fonts)
    blank = print_form(loaded)
    for source in sorted({file.parent for file in (HERE / "pages").rglob("page-*.toml")}):
        draw_pdf(source, blank, loaded)


def draw_pdf(source: Path, blank: Image.Image, fonts: Fonts) -> None:
    """Draw the PDF of one folder and its truth, and say what was written."""
    place = source.relative_to(HERE / "pages")
    pdf_path = HERE / "scans" / place.with_suffix(".pdf")
    truth = HERE / "truth" / place
    pdf_path.parent.mkdir(parents=True, exist_ok=True)
    truth.mkdir(parents=True, exist_ok=True)
    files = sorted(source.glob("page-*.toml"))
    with pikepdf.new() as pdf:
        for file in files:
            page = read_page(file)
            # A seed of its own keeps a page as it is when another one changes.
            rng = random.Random(f"{source.name} {file.stem}")
            ink = Sheet(blank, fonts, rng).fill(page)
            add_page(pdf, scan(ink, page.feed, rng))
            (truth / f"{file.stem}.json").write_text(page_truth(page), encoding="utf-8")
        pdf.save(pdf_path, deterministic_id=True)  # no id or date of today
    size = pdf_path.stat().st_size / 1000
    click.echo(f"{pdf_path.relative_to(HERE)} {len(files)} pages, {size:.0f} kB")


def add_page(pdf: pikepdf.Pdf, upright: Image.Image) -> None:
    """Add a page as the scanner's software writes it: upside down, and a matrix that turns it."""
    width, height = upright.size
    image = pdf.make_stream(
        group4(upright.transpose(Image.Transpose.ROTATE_180)),
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=width,
        Height=height,
        BitsPerComponent=1,
        ColorSpace=pikepdf.Name.DeviceGray,
        Filter=pikepdf.Array([pikepdf.Name.CCITTFaxDecode]),
        DecodeParms=pikepdf.Array(
            [pikepdf.Dictionary(K=-1, Columns=width, Rows=height, BlackIs1=True)]
        ),
    )
    w, h = width * POINTS_PER_PIXEL, height * POINTS_PER_PIXEL
    page = pdf.add_blank_page(page_size=(w, h))
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=image))
    turn = f"q {-w:.2f} 0 0 {-h:.2f} {w:.2f} {h:.2f} cm /Im0 Do Q"
    page.Contents = pdf.make_stream(turn.encode())


def group4(image: Image.Image) -> bytes:
    """A 1-bit image's CCITT G4 data, without a file around it.

    Pillow writes G4 only inside a TIFF, so the data is taken from a TIFF of one strip. There a
    set bit is white, which is what /BlackIs1 with /DeviceGray says in the PDF.
    """
    whole = image.width * image.height  # bytes in a strip; far more than one needs
    file = io.BytesIO()
    image.save(file, "TIFF", compression="group4", strip_size=whole)
    file.seek(0)
    with TiffImagePlugin.TiffImageFile(file) as tiff:
        (start,), (length,) = (tiff.tag_v2[tag] for tag in (STRIP_OFFSETS, STRIP_BYTES))
    return file.getvalue()[start : start + length]


if __name__ == "__main__":
    main()
