"""Batches through Vertex AI: identity, paying once, ends, and what stays in the bucket."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlite_utils import Database

from emulator_process import Emulator, wait_for
from emulator_vertex import BUCKET, JOBS, client, names, put
from flowsheets import settings
from flowsheets.batch import situation
from flowsheets.gemini.inputs import image_name, key_reader
from flowsheets.gemini.rows import Mismatch, Request
from flowsheets.jobs import buckets
from station import PDF, Station, billed
from vertex_door import PLACE, proven, vertex_door

DEEPEST = 15  # levels that the importer takes


@pytest.fixture
def api(emulator: Emulator) -> Iterator[httpx2.Client]:
    with client(emulator) as api:
        yield api


@pytest.fixture
def vertex(station: Station, emulator: Emulator, tmp_path: Path) -> Station:
    """A station whose door is Vertex AI, with a bucket that is not proven."""
    station.base_url = emulator.url
    station.door = vertex_door(emulator)
    return station


@pytest.fixture
def ready(vertex: Station) -> Station:
    """The same with three pages, and a bucket that is proven."""
    vertex.rendered(3, f"{vertex.folder.name}/1990-04apr0106.pdf")
    proven(vertex)
    return vertex


def ended(station: Station, batch_id: str) -> None:
    done = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
    wait_for(lambda: any(word in station.good("batch-status", f"ID={batch_id}") for word in done))


def in_bucket(api: httpx2.Client, station: Station, number: int = 0) -> list[str]:
    """What is in the bucket of one batch, from the batch's name on."""
    name = station.folders()[number].name
    return [one.partition(f"{name}/")[2] for one in names(api, f"pages/{name}/")]


def uploaded(station: Station) -> list[dict[str, Any]]:
    lines = (station.folders()[0] / "uploaded.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


# --- what is sent -------------------------------------------------------------------------------


def test_images_are_in_the_bucket_under_their_pages_names_and_the_requests_name_them(
    ready: Station, api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    batch_id = ready.submitted()
    assert re.fullmatch(r"projects/\d+/locations/global/batchPredictionJobs/\d+", batch_id)
    (folder,) = ready.folders()
    images = [f"images/0000{n}-1990-04apr0106-page-0{n + 1}.png" for n in range(3)]
    assert in_bucket(api, ready) == [*images, "requests.jsonl"]
    for number, line in enumerate(uploaded(ready)):
        image = line["request"]["contents"][0]["parts"][0]
        uri = f"{PLACE}/{folder.name}/{images[number]}"
        assert image == {"fileData": {"fileUri": uri, "mimeType": "image/png"}}
        assert line["key"] == f"{folder.name}-0000{number}"
        assert line["key"][0].isalpha()
    manifest = [json.loads(one) for one in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [one["key"] for one in manifest] == [one["key"] for one in uploaded(ready)]
    assert {one["batch_id"] for one in manifest} == {batch_id}
    built = json.loads((folder / "journal.jsonl").read_text().splitlines()[0])
    stated = {name: built[name] for name in ("door", "project", "location", "bucket")}
    assert stated == {
        "door": "vertex",
        "project": "example-project",
        "location": "global",
        "bucket": PLACE,
    }
    job = json.loads((folder / "batch.json").read_text())
    prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    assert (job["displayName"], prefix) == (folder.name, f"{PLACE}/{folder.name}/out")


@pytest.mark.parametrize("resolution", ["high", "ultra_high"])
def test_the_requests_are_inside_what_the_importer_takes(
    ready: Station, emulator: Emulator, resolution: str
) -> None:
    emulator.faults(batch_stays_pending=True)
    ready.good("batch-submit", GEMINI_MEDIA_RESOLUTION=resolution, GEMINI_THINKING="low")
    types: dict[tuple[str, ...], set[type]] = {}
    for line in uploaded(ready):
        look(line, (), types)
    assert {path for path, found in types.items() if len(found) > 1} == set()
    assert len(types) > 30


def look(value: Any, path: tuple[str, ...], types: dict[tuple[str, ...], set[type]]) -> None:
    """One type a key, no empty object, no null, plain names, no deeper than the importer goes."""
    types.setdefault(path, set()).add(type(value))
    assert value is not None, path
    assert len([name for name in path if name != "[]"]) <= DEEPEST, path
    if isinstance(value, dict):
        assert value, path
        for name, inner in value.items():
            assert re.fullmatch("[A-Za-z][A-Za-z0-9_]+", name), path
            look(inner, (*path, name), types)
    if isinstance(value, list):
        assert value, path
        for inner in value:
            look(inner, (*path, "[]"), types)


def test_a_webp_page_is_called_one_in_the_bucket_and_comes_back(
    ready: Station, api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(line_no_key="all", batch_stays_pending=True)
    ready.good("batch-submit", PAGE_ENCODING="webp")
    image = uploaded(ready)[0]["request"]["contents"][0]["parts"][0]["fileData"]
    kind = image["mimeType"]
    assert image["fileUri"].endswith(f".{kind.partition('/')[2]}")
    (stored,) = api.get(
        f"/storage/v1/b/{BUCKET}/o",
        params={"prefix": image["fileUri"].removeprefix(f"gs://{BUCKET}/")},
    ).json()["items"]
    assert stored["contentType"] == kind
    emulator.faults(batch_stays_pending=None)
    ready.fetched(ready.folders()[0].name)
    assert ready.statuses() == ["completed"] * 3


def test_a_prompt_cache_is_never_made_and_that_is_said_once(
    ready: Station, emulator: Emulator
) -> None:
    assert "cache" not in ready.good("estimate")
    done = ready.make("process")
    assert done.stderr.count("no prompt cache, going on without: a batch on Vertex AI") == 1
    assert ready.statuses() == ["completed"] * 3
    assert not any("cachedContents" in one["path"] for one in emulator.ledger()["requests"])


def test_flex_is_a_tier_of_the_other_door(ready: Station) -> None:
    assert "TIER: flex is a tier of the Developer API" in ready.error("process", "TIER=flex")
    assert ready.statuses() == ["rendered"] * 3


# --- the first batch in a bucket ----------------------------------------------------------------


def test_the_first_batch_in_a_bucket_is_one_page_and_the_others_wait_for_it(
    vertex: Station, emulator: Emulator
) -> None:
    vertex.rendered(3)
    assert "its first batch is one page" in vertex.good("batch-submit")
    assert vertex.statuses() == ["submitted", "rendered", "rendered"]
    said = vertex.good("batch-submit")
    assert "not proven yet: the other pages wait until make batch-fetch" in said
    assert vertex.statuses() == ["submitted", "rendered", "rendered"]
    vertex.fetched(vertex.folders()[0].name)
    assert "2 pages" in vertex.good("batch-submit")
    # So it stays without jobs.db: the journals say it.
    (vertex.data / "jobs.db").unlink()
    vertex.good("discover")
    vertex.good("rebuild")
    with vertex.jobs() as db:
        assert db.execute("SELECT bucket FROM buckets").fetchall() == [(PLACE,)]


def test_a_bucket_that_cannot_be_written_costs_one_page_and_is_named(
    vertex: Station, emulator: Emulator
) -> None:
    emulator.faults(job_output_denied=True)
    vertex.rendered(3)
    proven(vertex)  # and taken back by what comes now
    batch_id = vertex.submitted("LIMIT=1")
    ended(vertex, batch_id)
    done = vertex.make("batch-fetch")
    warning, said = done.stderr.splitlines()
    assert "1 pages ran that it has written nothing of. They are charged" in warning
    assert said.startswith("Error: BATCH_BUCKET: ")
    assert "service agent" in said
    assert vertex.statuses() == ["rendered"] * 3
    assert [row["attempts"] for row in vertex.rows()] == [0] * 3
    emulator.faults(job_output_denied=None)
    assert "its first batch is one page" in vertex.good("batch-submit", "SURE=1")


@pytest.mark.parametrize("code", [3, 8, 9, 13])
def test_a_job_that_failed_as_a_whole_charges_no_page(
    ready: Station, emulator: Emulator, code: int
) -> None:
    emulator.faults(job_failed=code, job_error_details=True)
    batch_id = ready.submitted()
    ended(ready, batch_id)
    done = ready.make("batch-fetch")
    assert ("BATCH_BUCKET" in done.stderr) == (code == 9)
    assert [(row["status"], row["attempts"]) for row in ready.rows()] == [("rendered", 0)] * 3
    assert f"failed as a whole: the API answered {code}" in ready.rows()[0]["last_error"]


def test_a_run_by_cron_needs_no_key_and_meets_no_limit_of_the_other_door(
    ready: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "submitted 2 pages in 1 batch" in ready.good("batch-run", BATCH_PAGES="2")
    for name, value in ready.door.items():
        monkeypatch.setenv(name, value)
    limits = situation.limits(settings.load())
    assert min(limits.tokens, limits.batches, limits.bytes) > 10**12
    monkeypatch.setenv("MAX_ENQUEUED_TOKENS", "7000")
    assert situation.limits(settings.load()).tokens == 7000


def test_what_is_newer_decides_whether_a_bucket_can_be_written(jobs_db: Database) -> None:
    def proven_by(batch: str) -> bool:
        buckets.prove(jobs_db, PLACE, batch, "now")
        return buckets.proven(jobs_db, PLACE)

    assert proven_by("v2")
    buckets.disprove(jobs_db, PLACE, "v1")  # looked at once more
    assert buckets.proven(jobs_db, PLACE)
    assert proven_by("v4")
    assert proven_by("v3")
    buckets.disprove(jobs_db, PLACE, "v3")
    assert buckets.proven(jobs_db, PLACE)
    buckets.disprove(jobs_db, PLACE, "v5")
    assert not buckets.proven(jobs_db, PLACE)


def test_a_bucket_that_is_not_there_gives_the_pages_back(ready: Station) -> None:
    said = ready.error("batch-submit", BATCH_BUCKET="gs://elsewhere/pages")
    assert said.startswith("Error: BATCH_BUCKET: the GCS bucket elsewhere is not there")
    assert ready.statuses() == ["rendered"] * 3


# --- paying once --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["create_503_after", "create_cut_after", "create_name_number"])
def test_an_unclear_create_is_found_by_its_name_and_adopted(
    ready: Station, emulator: Emulator, fault: str
) -> None:
    before = len(emulator.ledger()["batches"])
    emulator.faults(**{fault: 1}, listing_lag=4)
    ready.make("batch-submit", SUBMIT_GRACE="600")
    wait_for(lambda: "SUCCEEDED" in ready.good("batch-status", SUBMIT_GRACE="600"))
    ready.fetched(ready.folders()[0].name, SUBMIT_GRACE="600")
    assert ready.statuses() == ["completed"] * 3
    assert len(emulator.ledger()["batches"]) == before + 1


def test_a_job_that_no_listing_shows_is_adopted_by_its_output(
    ready: Station, emulator: Emulator, api: httpx2.Client
) -> None:
    before = sum(billed(emulator.ledger()).values())
    emulator.faults(create_503_after=1, listing_lag=1000)
    ready.make("batch-submit", SUBMIT_GRACE="600")
    wait_for(lambda: any("out/" in one for one in in_bucket(api, ready)))
    fetched = ready.fetched(ready.folders()[0].name, SUBMIT_GRACE="0")
    assert f"{PLACE}/{ready.folders()[0].name}/out/prediction-model-" in fetched
    assert ready.statuses() == ["completed"] * 3
    assert sum(billed(emulator.ledger()).values()) == before + 3


def test_a_job_that_is_known_by_its_output_is_found_again_without_its_folder(
    ready: Station, emulator: Emulator, api: httpx2.Client
) -> None:
    emulator.faults(create_503_after=1, listing_lag=1000)
    ready.make("batch-submit", SUBMIT_GRACE="600")
    wait_for(lambda: any("out/" in one for one in in_bucket(api, ready)))
    ready.make("batch-status")  # adopts it
    with ready.jobs() as db:
        assert "gs://" in db.execute("SELECT batch_id FROM jobs").fetchone()[0]
    shutil.rmtree(ready.folders()[0])
    assert "3 pages: 3 completed" in ready.make("batch-fetch").stdout
    assert ready.statuses() == ["completed"] * 3


def test_a_create_that_was_refused_is_asked_once(ready: Station, emulator: Emulator) -> None:
    emulator.faults(create_403=True)
    before = len(emulator.ledger()["requests"])
    said = ready.error("batch-submit")
    assert said.startswith("Error: Vertex AI: answered 403 PERMISSION_DENIED")
    assert "aiplatform.user" in said
    requests = emulator.ledger()["requests"][before:]
    assert sum((one["method"], one["path"]) == ("POST", JOBS) for one in requests) == 1
    assert ready.statuses() == ["submitted"] * 3


@pytest.mark.parametrize("fault", ["object_cut_after", "object_cut_before", "object_503"])
def test_an_upload_that_was_cut_is_there_once_and_whole(
    ready: Station, emulator: Emulator, fault: str
) -> None:
    emulator.faults(**{fault: 3})
    ready.fetched(ready.submitted())
    assert ready.statuses() == ["completed"] * 3


def test_another_object_under_our_name_is_not_taken_for_ours(
    ready: Station, emulator: Emulator, api: httpx2.Client
) -> None:
    emulator.faults(create_429=1)
    ready.make("batch-submit")
    (folder,) = ready.folders()
    put(api, f"pages/{folder.name}/requests.jsonl", "something else")
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])  # as before the upload
    assert "is there already, and is not what is to be stored" in ready.error("batch-submit")


# --- ends ---------------------------------------------------------------------------------------


def test_rows_that_ran_before_a_cancel_are_exported_and_used(
    ready: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_running=1)
    batch_id = ready.submitted()
    wait_for(lambda: "RUNNING" in ready.good("batch-status"))
    wait_for(lambda: sum(billed(emulator.ledger()).values()))
    ready.good("batch-cancel", f"ID={batch_id.rpartition('/')[2]}")
    emulator.faults(batch_stays_running=None)
    fetched = ready.fetched(batch_id)
    completed = ready.statuses().count("completed")
    assert f"{completed} completed, 0 failed, {3 - completed} returned" in fetched
    assert [row["attempts"] for row in ready.rows() if row["status"] == "rendered"] == [0] * (
        3 - completed
    )


@pytest.mark.parametrize("fault", ["job_failed_after", "job_expired_after"])
def test_completed_rows_of_a_job_that_failed_or_expired_are_used(
    ready: Station, emulator: Emulator, fault: str
) -> None:
    emulator.faults(**{fault: 2})
    fetched = ready.fetched(ready.submitted())
    assert "2 completed, 0 failed, 1 returned" in fetched
    assert len(ready.usage()) == 2


@pytest.mark.parametrize(
    "faults",
    [
        {"job_shards": 2},
        {"job_incremental": 1},
        {"job_incremental_alone": True},
        {"line_doubled": "1"},
        {"line_no_key": "all"},
        {"line_no_echo": "all"},
        {"job_counts": True},
        {"answer_no_total": "all"},
    ],
    ids=str,
)
def test_whatever_form_the_output_has_each_page_gets_its_own_text(
    ready: Station, emulator: Emulator, faults: dict[str, Any]
) -> None:
    emulator.faults(**faults)
    ready.fetched(ready.submitted())
    manifest = (ready.folders()[0] / "manifest.jsonl").read_text().splitlines()
    for line in map(json.loads, manifest):
        result = ready.result(line["page_number"], line["pdf_path"])
        assert result["comments_raw"] == f"sha256 {line['image_sha256']}"


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ({"line_key_of_next": "0"}, "has the key .*-00001 and the image of .*-00000"),
        ({"line_no_key": "0", "line_no_echo": "0"}, "has a key that was not sent: None"),
        ({"line_other_text": "1"}, "repeats the key"),
        ({"line_unknown": True}, "has a key that was not sent: 'never-sent'"),
        ({"line_not_json": "2"}, "is not JSON"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_output_whose_rows_are_doubtful_is_refused_whole(
    ready: Station, emulator: Emulator, faults: dict[str, Any], why: str
) -> None:
    emulator.faults(**faults)
    batch_id = ready.submitted()
    ended(ready, batch_id)
    said = ready.error("batch-fetch")
    assert re.search(why, said)
    assert f"make batch-rescue ID={batch_id}" in said
    assert ready.statuses() == ["submitted"] * 3


def test_a_row_that_is_missing_is_its_own_pages_failure(ready: Station, emulator: Emulator) -> None:
    emulator.faults(line_missing="1", line_deadline="1")
    batch_id = ready.submitted()
    ended(ready, batch_id)
    ready.make("batch-fetch")
    assert ready.statuses().count("completed") in (0, 2)


def test_a_rows_status_is_its_pages_reason(ready: Station, emulator: Emulator) -> None:
    emulator.faults(line_deadline="1")
    assert "2 completed, 1 failed" in ready.fetched(ready.submitted())
    assert ready.rows()[1]["last_error"].startswith(
        "row_error_4: the API answered 4 DEADLINE_EXCEEDED"
    )


@pytest.mark.parametrize("fault", ["download_cut", "download_byte", "bucket_503", "bearer_401"])
def test_a_download_that_broke_is_made_again(
    ready: Station, emulator: Emulator, fault: str
) -> None:
    batch_id = ready.submitted()
    ended(ready, batch_id)
    emulator.faults(**{fault: 1})
    ready.make("batch-fetch")
    wait_for(lambda: ready.make("batch-fetch") and ready.statuses() == ["completed"] * 3)


def test_what_was_uploaded_is_deleted_and_the_output_stays(
    ready: Station, api: httpx2.Client
) -> None:
    put(api, "pages/somebody-elses.png", "x")
    ready.fetched(ready.submitted())
    (left,) = in_bucket(api, ready)
    assert re.fullmatch(r"out/prediction-model-[^/]+/predictions\.jsonl", left)
    assert "pages/somebody-elses.png" in names(api, "pages/")


def test_pages_that_are_given_back_leave_nothing_in_the_bucket(
    ready: Station, api: httpx2.Client, emulator: Emulator
) -> None:
    emulator.faults(create_429=1)
    ready.make("batch-submit")
    assert in_bucket(api, ready) != []
    ready.good("batch-rescue", f"ID={ready.folders()[0].name}")
    assert in_bucket(api, ready) == []
    assert ready.statuses() == ["rendered"] * 3


def test_a_folder_that_is_lost_is_made_again_and_its_door_is_known_by_the_jobs_name(
    ready: Station,
) -> None:
    batch_id = ready.submitted()
    ended(ready, batch_id)
    shutil.rmtree(ready.folders()[0])
    fetched = ready.make("batch-fetch", BATCH_BUCKET="")
    assert f"fetched {batch_id} 3 pages: 3 completed" in fetched.stdout
    assert ready.statuses() == ["completed"] * 3


def test_a_manifest_and_a_journal_that_are_lost_are_no_reason_to_pay_again(
    ready: Station, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["batches"])
    emulator.faults(create_503_after=1, listing_lag=2)
    ready.make("batch-submit", SUBMIT_GRACE="600")
    (ready.folders()[0] / "journal.jsonl").unlink()
    wait_for(lambda: "SUCCEEDED" in ready.make("batch-status", SUBMIT_GRACE="600").stdout)
    ready.make("batch-fetch", SUBMIT_GRACE="600")
    assert ready.statuses() == ["completed"] * 3
    assert len(emulator.ledger()["batches"]) == before + 1


def test_a_comparison_goes_through_it_as_well(ready: Station) -> None:
    def shown() -> str:
        said = ready.good("compare", "LIMIT=2")
        return "" if "Next: make compare" in said else said

    said = wait_for(shown)
    assert "2 of 2 pages read both ways" in said
    assert ready.statuses() == ["rendered"] * 3


def test_a_rescue_uses_what_was_exported_and_frees_the_others(
    ready: Station, emulator: Emulator
) -> None:
    emulator.faults(line_missing="1", job_cancelling_succeeds=True)
    batch_id = ready.submitted()
    ended(ready, batch_id)
    said = ready.good("batch-rescue", f"ID={batch_id}", "SURE=1")
    assert "2 used (2 completed, 0 failed), 1 given back" in said
    assert sorted(ready.statuses()) == ["completed", "completed", "rendered"]


def test_a_folder_that_has_lost_its_project_names_the_setting(ready: Station) -> None:
    ready.make("batch-submit", GOOGLE_VERTEX_BASE_URL="http://127.0.0.1:9", SUBMIT_GRACE="600")
    (ready.folders()[0] / "journal.jsonl").unlink()
    said = ready.error("batch-fetch", GOOGLE_GENAI_USE_VERTEXAI="", GOOGLE_CLOUD_PROJECT="")
    assert said.startswith("Error: GOOGLE_CLOUD_PROJECT: is not set, and a batch was sent")


# --- both doors ---------------------------------------------------------------------------------


def test_each_folder_goes_on_through_the_door_that_it_states(
    ready: Station, emulator: Emulator
) -> None:
    through_vertex = ready.submitted()
    before, ready.door = ready.door, {}
    ready.rendered(1, "other.pdf")
    with_key = ready.submitted()
    assert (through_vertex[:9], with_key[:8]) == ("projects/", "batches/")
    # Neither the flag nor the project is set now; the folder states what it needs.
    kept = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_VERTEX_BASE_URL", "STORAGE_EMULATOR_HOST")
    ready.door = {name: before[name] for name in kept}
    ready.fetched(through_vertex)
    ready.fetched(with_key)
    assert set(ready.statuses()) == {"completed"}


def test_a_door_that_is_closed_is_one_line_and_the_other_goes_on(
    ready: Station, emulator: Emulator, tmp_path: Path
) -> None:
    for _ in range(2):
        ready.good("batch-submit", "LIMIT=1")
    ready.door = {}
    ready.rendered(1, "other.pdf")
    with_key = ready.submitted()
    wait_for(lambda: "SUCCEEDED" in ready.make("batch-status", f"ID={with_key}").stdout)
    home = {"HOME": str(tmp_path), "NO_GCE_CHECK": "true"}
    done = ready.make("batch-fetch", **home)
    assert f"fetched {with_key} 2 pages: 2 completed" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: Google's credentials: are not found. Give a service account")
    assert sorted(ready.statuses()) == ["completed", "completed", "submitted", "submitted"]


def test_a_key_in_the_environment_reaches_neither_the_project_nor_the_bucket(
    ready: Station, emulator: Emulator
) -> None:
    keys = {"GEMINI_API_KEY": "a-key-of-sixteen-letters", "GOOGLE_API_KEY": "another-of-sixteen"}
    done = ready.make("process", "LIMIT=1", **keys)
    assert "1 completed" in done.stdout
    assert ready.make("batch-submit", **keys).returncode == 0
    for one in ready.data.rglob("*.json*"):
        assert "of-sixteen" not in one.read_text()
    calls = emulator.ledger()["requests"][-12:]
    assert not any("key=" in one["path"] for one in calls)


# --- identity, row by row -----------------------------------------------------------------------

SENT = [Request(0, "vb-00000", "1990/a b/x-page/page-01"), Request(1, "vb-00001", "y/page-12")]


def row(key: Any, *uris: str) -> dict[str, Any]:
    parts = [{"fileData": {"fileUri": uri}, "text": None} for uri in uris]
    return {"key": key, "request": {"contents": [{"parts": [*parts, {"fileData": None}]}]}}


def test_a_row_belongs_to_the_request_that_its_key_and_its_image_name() -> None:
    read = key_reader("vb", SENT)
    images = [f"gs://b/x/vb/images/{image_name(one)}" for one in SENT]
    assert images[0] == "gs://b/x/vb/images/00000-x-page-page-01.png"
    assert read(row("vb-00001", images[1])) == "vb-00001"
    assert read(row(None, images[0])) == "vb-00000"
    assert read(row("vb-00001")) == "vb-00001"
    assert read(row("unknown")) == "unknown"  # which the caller refuses
    assert read(row(None)) is None
    assert read([]) is None
    for wrong in (
        row("vb-00000", images[1]),
        row("vb-00000", *images),
        row("vb-00000", "gs://b/x/other/images/00000-x-page-page-01.png"),
        row("vb-00000", images[0] + "x"),
    ):
        with pytest.raises(Mismatch):
            read(wrong)


def test_a_pages_name_is_fit_for_a_uri_whatever_its_pdf_is_called() -> None:
    for pdf in ("a b/Ünïcode é.pdf", "#?%&.pdf", "x" * 300 + ".pdf", PDF):
        name = image_name(Request(7, "k", f"{pdf.removesuffix('.pdf')}/page-03"))
        assert re.fullmatch(r"00007-[A-Za-z0-9._-]{1,100}-page-03\.png", name)


def test_the_bucket_is_the_one_of_every_emulator() -> None:
    assert f"gs://{BUCKET}/pages" == PLACE
