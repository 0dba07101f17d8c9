"""make batch-submit, first half: waiting pages to a batch's folder."""

import base64
import hashlib
import json
import os
import string
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsheets import settings
from flowsheets.batch import build
from flowsheets.gemini.room import DEVELOPER
from flowsheets.paths import PageId
from station import PDF, Station

SIZES = st.lists(st.integers(min_value=1, max_value=120), max_size=60)


def build_unsent(station: Station, *words: str) -> None:
    """Build, and fail to submit: nobody listens at the API's address."""
    assert "cannot be reached" in station.error("batch-submit", *words)


def test_a_folder_holds_the_next_pages_in_order(station: Station) -> None:
    station.rendered(2, "b.pdf").rendered(2)
    build_unsent(station, "LIMIT=3")
    (folder,) = station.folders()
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    pages = [(line["index"], line["pdf_path"], line["page_number"]) for line in manifest]
    assert pages == [(0, PDF, 1), (1, PDF, 2), (2, "b.pdf", 1)]
    assert [line["key"] for line in manifest] == [line["key"] for line in requests]
    for line, request in zip(manifest, requests, strict=True):
        image = station.png(line["page_number"], line["pdf_path"]).read_bytes()
        assert list(line) == [
            "index",
            "key",
            "pdf_path",
            "page_number",
            "image_sha256",
            "batch_id",
        ]
        assert line["image_sha256"] == hashlib.sha256(image).hexdigest()
        assert line["batch_id"] is None
        assert line["key"].endswith(f"-{line['index']:05d}")
        sent = request["request"]["contents"][0]["parts"][0]["inlineData"]["data"]
        assert base64.b64decode(sent) == image


def test_pages_of_an_unsent_folder_are_claimed_and_count(station: Station) -> None:
    station.rendered(3)
    build_unsent(station, "LIMIT=2")
    assert station.statuses() == ["submitted", "submitted", "rendered"]
    build_unsent(station, "LIMIT=2")
    assert len(station.folders()) == 1
    build_unsent(station, "LIMIT=3")
    assert len(station.folders()) == 2
    assert station.statuses() == ["submitted"] * 3


def test_a_cap_on_pages_makes_more_than_one_folder(station: Station) -> None:
    station.rendered(5)
    station.error("batch-submit", BATCH_PAGES="2")
    counts = [len((f / "manifest.jsonl").read_text().splitlines()) for f in station.folders()]
    assert counts == [2, 2, 1]


def test_nothing_that_waits_is_said_and_is_no_error(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    assert "no pages wait" in station.good("batch-submit")
    assert not (station.data / "batches").exists()


def test_without_a_key_no_page_is_claimed(station: Station) -> None:
    station.rendered(1)
    said = station.error("batch-submit", GEMINI_API_KEY="")
    assert said.startswith("Error: GEMINI_API_KEY: is not set. ")
    assert station.statuses() == ["rendered"]


def test_a_claim_whose_folder_never_appeared_goes_back(station: Station) -> None:
    station.rendered(2)
    build_unsent(station)
    (folder,) = station.folders()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()  # as if the command had been killed before the folder had its name
    (station.data / "batches" / ".20260101.part").mkdir()
    build_unsent(station)
    assert station.statuses() == ["submitted"] * 2
    assert len(station.folders()) == 1


@given(SIZES, st.integers(1, 7), st.integers(50, 150))
def test_splitting_loses_no_page_and_keeps_both_limits(
    sizes: list[int], most_pages: int, most_bytes: int
) -> None:
    sized = [(PageId(string.ascii_letters[n], n + 1), size) for n, size in enumerate(sizes[:52])]
    room = DEVELOPER._replace(batch_bytes=most_bytes)
    made = list(build.split(sized, most_pages, room))
    assert [page for part in made for page in part] == [page for page, _ in sized]
    by_page = dict(sized)
    for part in made:
        assert 1 <= len(part) <= most_pages
        assert sum(by_page[page] for page in part) <= most_bytes or len(part) == 1


def test_pages_of_more_than_the_api_takes_in_one_file_go_in_more_than_one(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes 2 GB, 2 * 10^9 to be safe; some of that is left for what is around an image."""
    station.rendered(4)
    monkeypatch.setattr(build, "_base64_bytes", lambda *_: 940_000_000)
    build_unsent(station)
    counts = [len((f / "manifest.jsonl").read_text().splitlines()) for f in station.folders()]
    assert counts == [2, 2]
    assert 1_800_000_000 < DEVELOPER.batch_bytes < 2_000_000_000


def test_a_page_counts_with_no_less_than_its_line_has(station: Station) -> None:
    station.rendered(2)
    build_unsent(station)
    (folder,) = station.folders()
    lines = (folder / "requests.jsonl").read_bytes().splitlines(keepends=True)
    with patch.dict(os.environ, station.environment()):
        config = settings.load()
    counted = build.sized([PageId(PDF, 1), PageId(PDF, 2)], config)
    for line, (_, size) in zip(lines, counted, strict=True):
        assert len(line) <= size <= len(line) + build.LINE_BYTES
