"""One page through every step, and real samples through the real rendering."""

import json
from pathlib import Path

import pytest
from PIL import Image

from emulator_process import Emulator
from flowsheets.page import scan
from flowsheets.page.schema import PageReading, PageResult
from station import PDF, Station

SAMPLES = Path(__file__).parent / "samples"


def test_a_page_from_its_pdf_to_its_json(online: Station, emulator: Emulator) -> None:
    (upright,) = online.scan(1)
    assert "registered 1 new pages" in online.good("discover")
    assert "rendered 1 pages" in online.good("render")
    with Image.open(online.png(1)) as png:
        assert png.tobytes() == upright.tobytes()
    batch_id = online.submitted()
    assert batch_id in online.good("batch-status")
    online.fetched(batch_id)
    result = PageResult.model_validate(online.result(1))
    (line,) = (online.folders()[0] / "manifest.jsonl").read_text().splitlines()
    sent = json.loads(line)
    assert (sent["pdf_path"], sent["page_number"], sent["index"]) == (PDF, 1, 0)
    assert result.comments_raw == f"sha256 {sent['image_sha256']}"
    assert "batch: $0." in online.good("cost")
    (row,) = online.rows()
    assert (row["status"], row["batch_id"], row["within_batch_index"]) == (
        "completed",
        batch_id,
        0,
    )


def test_both_ways_send_the_same_request(online: Station, emulator: Emulator) -> None:
    """On the wire: the emulator notes the digest of the request that it was asked to answer."""
    online.rendered(1)
    online.submitted()
    (folder,) = online.folders()
    line = json.loads((folder / "requests.jsonl").read_text())
    online.fetched(folder.name)
    online.good("retry", f"PDF={PDF}", "PAGE=1")
    online.good("process")
    batch, now = emulator.ledger()["answers"][-2:]
    assert (batch["mode"], now["mode"]) == ("batch", "realtime")
    for noted in ("image_sha256", "usage", "model"):
        assert batch[noted] == now[noted]
    assert line["request"]["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"


@pytest.mark.parametrize("pdf", sorted(SAMPLES.glob("scans/**/*.pdf")), ids=lambda p: p.stem)
def test_the_samples_are_upright_scans_with_a_truth_each(pdf: Path) -> None:
    truths = sorted(
        (SAMPLES / "truth" / pdf.relative_to(SAMPLES / "scans")).with_suffix("").iterdir()
    )
    assert len(truths) == scan.page_count(pdf)
    for number, truth in enumerate(truths, 1):
        image = scan.page_image(pdf, number)
        assert (image.mode, image.size) == ("1", (2550, 4200))
        PageReading.model_validate_json(truth.read_bytes())
        # Upright: the logo's ink is at the top of the page, and not at its foot.
        logo = image.crop((1110, 90, 1470, 310)).convert("L").resize((1, 1)).getpixel((0, 0))
        foot = image.crop((1110, 4080, 1470, 4180)).convert("L").resize((1, 1)).getpixel((0, 0))
        assert isinstance(logo, int)
        assert isinstance(foot, int)
        assert logo < foot
