"""make batch-run through Vertex AI: one page first, then ten, then as much as there is."""

import json
import os
from unittest.mock import patch
from urllib.parse import quote

import pytest

from emulator_process import Emulator
from emulator_vertex import BUCKET, client
from flowsheets import settings
from flowsheets.batch import build, situation
from flowsheets.batch.situation import Situation
from flowsheets.gemini.room import VERTEX
from flowsheets.jobs import database
from flowsheets.paths import PageId
from station import Station
from test_run import times_billed, until_done
from vertex_door import proven, vertex_door


@pytest.fixture
def vertex(station: Station, emulator: Emulator) -> Station:
    """A station whose door is Vertex AI, with a bucket that is not proven, and no key."""
    station.base_url = emulator.url
    station.door = vertex_door(emulator)
    return station


def look(station: Station, **more: str) -> Situation:
    with patch.dict(os.environ, station.environment(**more)):
        return situation.look(database.connect(station.data), settings.load())


def sizes(station: Station) -> list[int]:
    return [len((f / "manifest.jsonl").read_text().splitlines()) for f in station.folders()]


def test_a_corpus_goes_one_page_first_then_up_to_ten_then_on_and_each_is_billed_once(
    vertex: Station, emulator: Emulator
) -> None:
    vertex.data.mkdir()
    vertex.scan(14, "buck.pdf")
    vertex.good("discover")
    said = until_done(vertex)
    assert sizes(vertex) == [1, 9, 4]
    assert "submitted 1 pages in 1 batch" in said[0]
    assert times_billed(vertex, emulator) == [1] * 14
    assert vertex.good("batch-run") == ""


def test_a_proven_request_in_a_new_bucket_waits_in_silence_for_its_first_page(
    vertex: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    vertex.rendered(12, "newb.pdf")
    vertex.good("batch-run", "SURE=1")
    assert sizes(vertex) == [1]
    done = vertex.make("batch-run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert look(vertex).state.bucket_pages == 0
    emulator.faults(batch_stays_pending=None)
    until_done(vertex)
    assert sizes(vertex) == [1, 11]


def test_the_developer_apis_limits_are_not_this_doors(vertex: Station) -> None:
    vertex.rendered(1)
    limits = look(vertex).limits
    assert limits.tokens > 10**12
    assert (limits.batches, limits.bytes) == (VERTEX.batches, VERTEX.stored)
    assert look(vertex, MAX_ENQUEUED_TOKENS="70000").limits.tokens == 70_000
    assert look(vertex, BATCH_PAGES="999999").limits.batch_pages == 200_000
    assert look(vertex, **DEVELOPER_DOOR).limits.tokens == 5_000_000


DEVELOPER_DOOR = {"GOOGLE_GENAI_USE_VERTEXAI": "", "GEMINI_API_KEY": "test-key"}


def test_a_batch_here_stays_below_a_gigabyte_of_input(vertex: Station) -> None:
    pages = [(PageId("a.pdf", number), 300_000_000) for number in range(1, 5)]
    with patch.dict(os.environ, vertex.environment()):
        assert [len(part) for part in build.split(pages, 1000)] == [3, 1]
    with patch.dict(os.environ, vertex.environment(**DEVELOPER_DOOR)):
        assert [len(part) for part in build.split(pages, 1000)] == [4]


def test_what_the_other_door_has_and_refused_does_not_count_here(
    vertex: Station, emulator: Emulator
) -> None:
    """Who outgrows a key goes on through Vertex AI, with the pages that were refused there."""
    emulator.faults(batch_stays_pending=True)
    vertex.rendered(4, "both.pdf")
    vertex.good("batch-submit", "LIMIT=2", **DEVELOPER_DOOR)
    emulator.faults(create_429=1)
    assert vertex.good("batch-run", "SURE=1", **DEVELOPER_DOOR) == ""
    assert look(vertex, **DEVELOPER_DOOR).state.refusals
    proven(vertex)
    now = look(vertex).state
    assert (now.batches_out, now.tokens_out, now.bytes_kept, now.refusals) == (0, 0, 0, ())
    emulator.faults(batch_stays_pending=None)
    said = vertex.good("batch-run", GEMINI_API_KEY="test-key")
    assert "submitted 2 pages in 1 batch" in said
    until_done(vertex, GEMINI_API_KEY="test-key")
    assert times_billed(vertex, emulator) == [1] * 4
    doors = [
        json.loads((f / "journal.jsonl").read_text().splitlines()[0]) for f in vertex.folders()
    ]
    assert [one["door"] for one in doors] == ["developer", "developer", "vertex"]


def test_a_folder_of_a_door_whose_key_is_gone_gives_its_pages_back_all_the_same(
    vertex: Station, emulator: Emulator
) -> None:
    vertex.rendered(2, "gone.pdf")
    emulator.faults(create_429=1)
    vertex.good("batch-run", **DEVELOPER_DOOR)
    proven(vertex)
    assert "submitted 2 pages in 1 batch" in vertex.good("batch-run")
    until_done(vertex)
    assert times_billed(vertex, emulator) == [1] * 2


def test_the_deadline_is_this_doors(vertex: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    vertex.rendered(1)
    vertex.good("batch-run")
    assert json.loads(vertex.good("status", "FORMAT=json"))["deadline_hours"] == 96
    assert "oldest batch 0 h of 96" in vertex.good("status")


def test_webp_is_in_the_bucket_as_what_it_is(vertex: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    vertex.rendered(1, "webv.pdf")
    vertex.good("batch-run", PAGE_ENCODING="webp")
    (folder,) = vertex.folders()
    (line,) = (folder / "uploaded.jsonl").read_text().splitlines()
    image = json.loads(line)["request"]["contents"][0]["parts"][0]["fileData"]
    assert image["mimeType"] == "image/webp"
    name = image["fileUri"].partition(f"gs://{BUCKET}/")[2]
    with client(emulator) as api:
        stored = api.get(f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}").json()
    assert stored["contentType"] == "image/webp"
