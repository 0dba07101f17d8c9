"""A page's image in a request: PNG or lossless WebP, and the same pixels either way."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from drawing import bitmap
from emulator_process import Emulator, wait_for
from flowsheets.page import encoding
from flowsheets.page.encoding import encoded
from station import Station, billed


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", compress_type=3)
    return content.getvalue()


def drawn(mode: str, colour: Any) -> Image.Image:
    """A page of that mode that is smaller as WebP."""
    image = Image.new(mode, (400, 300))
    pen = ImageDraw.Draw(image)
    for at in range(0, 300, 7):
        pen.line((0, at, 400, 300 - at), fill=colour)
    return image


def sent(folder: Path) -> list[dict[str, str]]:
    """The images in a folder's requests: mimeType and data."""
    lines = map(json.loads, (folder / "requests.jsonl").read_text().splitlines())
    return [line["request"]["contents"][0]["parts"][0]["inlineData"] for line in lines]


def pixels(image: bytes, mode: str) -> bytes:
    return Image.open(io.BytesIO(image)).convert(mode).tobytes()


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("1", 1), ("L", 130), ("P", 5), ("RGB", (9, 99, 200)), ("RGBA", (9, 99, 200, 0))],
)
def test_webp_shows_the_same_pixels_in_fewer_and_always_the_same_bytes(
    mode: str, colour: Any
) -> None:
    image = png(drawn(mode, colour))
    once = encoded(image, "webp")
    assert once == encoded(image, "webp")
    assert once.mime_type == "image/webp"
    assert len(once.content) < len(image)
    assert Image.open(io.BytesIO(once.content)).format == "WEBP"
    for seen_as in (mode, "RGBA"):
        if seen_as != "P":
            assert pixels(once.content, seen_as) == pixels(image, seen_as)


def test_a_one_bit_page_read_from_webp_is_the_same_one_bit_page() -> None:
    page = bitmap("0106\n1")
    content = encoded(png(page), "webp").content
    again = Image.open(io.BytesIO(content)).convert("1", dither=Image.Dither.NONE)
    assert again.tobytes() == page.tobytes()


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(png(Image.new("1", (3, 16_384))), id="too long for WebP"),
        pytest.param(png(Image.new("I;16", (50, 50))), id="16 bits a channel"),
        pytest.param(b"not an image", id="not an image"),
        pytest.param(b"", id="empty"),
        pytest.param(png(bitmap("1"))[:200], id="cut"),
    ],
)
def test_what_webp_does_not_serve_goes_as_it_is(image: bytes) -> None:
    assert encoded(image, "webp") == ("image/png", image)


def test_a_webp_that_is_no_smaller_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    image = png(drawn("L", 130))
    monkeypatch.setattr(encoding, "_webp", lambda png: png + b"x")
    assert encoded(image, "webp") == ("image/png", image)


def test_unless_asked_the_png_goes_as_it_is_on_disk(online: Station) -> None:
    online.rendered(1)
    online.good("batch-submit")
    (one,) = sent(online.folders()[0])
    assert one["mimeType"] == "image/png"
    assert base64.b64decode(one["data"]) == online.png(1).read_bytes()


def test_a_batch_of_webp_is_fetched_like_any_other(online: Station, emulator: Emulator) -> None:
    online.rendered(2, "webp.pdf")
    before = billed(emulator.ledger())
    online.good("batch-submit", PAGE_ENCODING="webp")
    (folder,) = online.folders()
    for number, image in enumerate(sent(folder), 1):
        assert image["mimeType"] == "image/webp"
        shown = pixels(base64.b64decode(image["data"]), "1")
        assert shown == pixels(online.png(number, "webp.pdf").read_bytes(), "1")
    built = json.loads((folder / "journal.jsonl").read_text().splitlines()[0])
    assert built["page_encoding"] == "webp"
    assert [path.suffix for path in (online.data / "pages/webp").iterdir()] == [".png"] * 2
    # The PNGs are compressed anew: other files, and the same pages.
    for number in (1, 2):
        path = online.png(number, "webp.pdf")
        Image.open(path).save(path, compress_level=9)
    batch_id = json.loads((folder / "manifest.jsonl").read_text().splitlines()[0])["batch_id"]
    assert "2 completed, 0 failed" in online.fetched(batch_id)
    assert sum(billed(emulator.ledger()).values()) - sum(before.values()) == 2


def test_a_page_that_shows_something_else_than_its_webp_is_not_given_its_text(
    online: Station,
) -> None:
    online.rendered(2)
    online.good("batch-submit", PAGE_ENCODING="webp")
    online.png(1).write_bytes(online.png(2).read_bytes())
    batch_id = online.rows()[0]["batch_id"]
    assert "1 completed, 1 failed" in online.fetched(batch_id)
    assert online.rows()[0]["last_error"].startswith("image_changed: ")


def test_a_lost_manifest_and_rows_are_found_again_by_what_the_webp_shows(online: Station) -> None:
    online.rendered(3)
    online.good("batch-submit", PAGE_ENCODING="webp")
    (folder,) = online.folders()
    lines = (folder / "manifest.jsonl").read_bytes()
    batch_id = online.rows()[0]["batch_id"]
    (folder / "manifest.jsonl").unlink()
    with online.jobs() as db:
        db.execute("UPDATE jobs SET status = 'rendered', batch_id = NULL")
    assert "3 completed" in online.fetched(batch_id)
    assert (folder / "manifest.jsonl").read_bytes() == lines


def test_a_comparison_shows_whether_the_reading_suffers(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "both.pdf")
    words = (
        "compare",
        "LIMIT=2",
        "A=",
        "B=PAGE_ENCODING=webp",
        "C=PAGE_ENCODING=webp WAY=realtime",
    )
    wait_for(lambda: "rows as A" in online.good(*words))
    kinds = [{one["mimeType"] for one in sent(folder)} for folder in letters(online)]
    assert kinds == [{"image/png"}, {"image/webp"}, {"image/webp"}]


def letters(station: Station) -> list[Path]:
    """The folders of a comparison's letters."""
    return sorted(file.parent for file in (station.data / "compare").rglob("requests.jsonl"))


def test_in_real_time_the_same_webp_goes(online: Station, emulator: Emulator) -> None:
    online.rendered(1, "now.pdf")
    before = billed(emulator.ledger())
    assert "1 completed" in online.good("process", PAGE_ENCODING="webp")
    new = {image for image, n in billed(emulator.ledger()).items() if n != before.get(image, 0)}
    image = online.png(1, "now.pdf").read_bytes()
    assert new == {hashlib.sha256(encoded(image, "webp").content).hexdigest()}


def test_an_encoding_that_is_unknown_is_one_clear_line(online: Station) -> None:
    online.rendered(1)
    said = online.error("batch-submit", PAGE_ENCODING="jpeg")
    assert said == "Error: PAGE_ENCODING: 'jpeg' is unknown. Give png or webp"
