"""make second: pages read again, paid for once, and held against the first reading."""

import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from browse_process import complete
from emulator_process import Emulator, wait_for
from flowsheets import lock
from flowsheets.paths import PageId
from results import row, sheet
from station import PDF, TOP, Station, billed

FLASH = "gemini-3-flash-preview"
PRO = "gemini-3.1-pro-preview"
STEM = PDF.removesuffix(".pdf")
TEXTS = ("Lush - Sweetness", "Pixies - Debaser", "Prong - Lost and Found")


def first_read(station: Station, pages: int = 3) -> Station:
    """The station with so many pages that have an image and a result."""
    station.rendered(pages)
    for number in range(1, pages + 1):
        rows = [row(at, f"{text} {number}") for at, text in enumerate(TEXTS)]
        complete(station, PageId(PDF, number), sheet(*rows))
    return station


def again(
    station: Station, number: int, page: dict[str, Any], model: str = FLASH, **second: Any
) -> Path:
    """Put a second reading of a page there, as `make second` leaves it."""
    digest = hashlib.sha256(station.png(number).read_bytes()).hexdigest()
    path = station.data / "second/readings" / model / STEM / f"page-{number:02d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    stated = {"image_sha256": digest, "model": model} | second
    ours = {"model_version": model, "extracted_at": "2026-11-25T09:00:00Z"}
    path.write_text(json.dumps(page | ours | {"second": stated}))
    return path


def finished(station: Station, *words: str, **settings: str) -> str:
    """Run it until its batches have ended; returns what it says then."""

    def ended() -> str:
        said = station.good("second", *words, **settings)
        return "" if "Next: make second" in said else said

    return str(wait_for(ended, 60))


def asked(station: Station, sql: str) -> list[Any]:
    with closing(Database(station.data / "flowsheets.db")) as db:
        return db.execute(sql).fetchall()


def paid(emulator: Emulator) -> int:
    return sum(billed(emulator.ledger()).values())


def results_and_jobs(station: Station) -> Any:
    tree = {k: v for k, v in station.tree().items() if k.startswith("results/")}
    return tree, station.rows()


def readings(station: Station) -> list[str]:
    folder = station.data / "second/readings"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("page-*.json"))


# --- in a batch ---------------------------------------------------------------------------------


def test_pages_are_read_again_and_paid_once_and_no_result_changes(
    online: Station, emulator: Emulator
) -> None:
    first_read(online)
    before, kept = paid(emulator), results_and_jobs(online)
    said = finished(online, "LIMIT=2", f"MODEL={FLASH}")
    assert "estimate: " in said or "read, 0 not" in said
    assert len(readings(online)) == 2
    assert paid(emulator) == before + 2
    assert results_and_jobs(online) == kept
    again_said = online.good("second", "LIMIT=2", f"MODEL={FLASH}", GEMINI_API_KEY="")
    assert f"2 pages were read by {FLASH} already" in again_said
    assert paid(emulator) == before + 2
    finished(online, "LIMIT=3", f"MODEL={FLASH}")  # one more page, and that alone
    assert paid(emulator) == before + 3
    assert [u["batch_id"] is not None for u in online.usage()] == [True] * 3
    finished(online, "LIMIT=3", f"MODEL={FLASH}", GEMINI_THINKING="low")  # other settings
    assert paid(emulator) == before + 6
    assert {name.split("/")[0] for name in readings(online)} == {FLASH, f"{FLASH}+low"}


def test_it_says_what_it_costs_before_it_sends_and_holds_to_the_limit(
    online: Station, emulator: Emulator
) -> None:
    first_read(online)
    before = paid(emulator)
    refused = online.error("second", f"MODEL={FLASH}", MAX_USD="0.0001")
    assert refused.startswith("Error: MAX_USD: 3 pages may cost up to")
    assert not list((online.data / "second").glob("*/manifest.jsonl"))
    emulator.faults(batch_stays_pending=True)
    said = online.good("second", f"MODEL={FLASH}")
    assert said.index("estimate: 3 pages, about $") < said.index("is PENDING. Next: make second")
    assert "is PENDING" in online.good("second"), "without a model it goes on with what is out"
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    assert "3 read, 0 not" in finished(online)
    assert paid(emulator) == before + 3


def test_a_limit_that_was_lowered_holds_for_a_batch_that_was_not_sent_yet(
    online: Station, emulator: Emulator
) -> None:
    first_read(online)
    before = paid(emulator)
    online.make("second", f"MODEL={FLASH}", GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9")
    refused = online.error("second", MAX_USD="0.0001")
    assert refused.startswith("Error: MAX_USD: 3 pages may cost up to")
    assert "Give a larger MAX_USD: make second goes on with it; nothing was sent" in refused
    assert "3 read, 0 not" in finished(online)
    assert paid(emulator) == before + 3


def test_more_pages_than_a_batch_takes_go_out_in_several(
    online: Station, emulator: Emulator
) -> None:
    first_read(online)
    before = paid(emulator)
    finished(online, f"MODEL={FLASH}", BATCH_PAGES="2")
    assert paid(emulator) == before + 3
    assert len(list((online.data / "second").glob("*/manifest.jsonl"))) == 2
    assert len(readings(online)) == 3


def test_a_page_that_the_model_did_not_read_is_counted_and_not_paid_for_again(
    online: Station, emulator: Emulator
) -> None:
    first_read(online, 2)
    emulator.faults(answer_finish="0:SAFETY")
    before = paid(emulator)
    assert "2 pages: 1 read, 1 not" in finished(online, f"MODEL={FLASH}")
    emulator.faults(answer_finish=None)
    assert "2 pages were read by" in online.good("second", f"MODEL={FLASH}")
    assert paid(emulator) == before + 2
    assert len(readings(online)) == 1


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(station: Station) -> None:
    first_read(station, 2)
    station.good("index")
    done = station.make("second", "MODEL=ocr", FATE="full", STEP="22")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "0 failed" in station.good("second", "MODEL=ocr")
    assert len(readings(station)) == 2


def test_a_reading_that_was_deleted_is_written_again_at_no_cost(
    online: Station, emulator: Emulator
) -> None:
    first_read(online, 2)
    finished(online, f"MODEL={FLASH}")
    before, there = paid(emulator), readings(online)
    shutil.rmtree(online.data / "second/readings")
    assert "2 second readings are new" in online.good("second")
    assert (paid(emulator), readings(online)) == (before, there)


@pytest.mark.parametrize("step", range(50, 81, 5))  # from the folder on until it is sent
def test_a_kill_on_the_way_out_pays_nothing_twice(
    online: Station, emulator: Emulator, step: int
) -> None:
    first_read(online, 2)
    before = paid(emulator)
    online.make("second", f"MODEL={FLASH}", FATE="kill", STEP=str(step))
    finished(online, f"MODEL={FLASH}")
    assert paid(emulator) == before + 2
    assert len(readings(online)) == 2


@pytest.mark.parametrize("step", range(2, 62, 6))  # until the last reading is there
def test_a_kill_on_the_way_back_pays_nothing_twice(
    online: Station, emulator: Emulator, step: int
) -> None:
    first_read(online, 2)
    before = paid(emulator)
    online.good("second", f"MODEL={FLASH}")
    wait_for(lambda: paid(emulator) == before + 2)
    online.make("second", FATE="kill", STEP=str(step))
    assert "Next: make review" in finished(online)
    assert paid(emulator) == before + 2
    assert len(readings(online)) == 2


def test_a_page_without_a_result_or_with_a_persons_word_is_not_taken(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    assert "no page has a first reading" in online.error("second", f"MODEL={FLASH}")
    complete(online, PageId(PDF, 1), sheet(row(0, "Lush - Sweetness")))
    checked = sheet(row(0, "Pixies - Debaser")) | {"verified_by": {"username": "ada"}}
    complete(online, PageId(PDF, 2), sheet())
    path = online.data / "results" / STEM / "page-02.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | checked))
    finished(online, f"MODEL={FLASH}")
    assert readings(online) == [f"{FLASH}/{STEM}/page-01.json"]


def test_the_model_of_the_first_reading_is_warned_of_and_not_refused(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    complete(online, PageId(PDF, 1), sheet(row(0, "Lush")))
    path = online.data / "results" / STEM / "page-01.json"
    path.write_text(path.read_text().replace("gemini-x", f"gemini:{PRO}"))
    done = online.make("second", f"MODEL=models/{PRO}")
    assert f"Warning: {PRO} read 1 of the 1 pages the first time as well" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("model", ["../../x", "a b", "$(shell false)", "x" * 200, "-x"])
def test_what_is_no_model_is_refused_in_one_line(station: Station, model: str) -> None:
    station.data.mkdir()
    assert "is not a model's name" in station.error("second", f"MODEL={model}")


def test_without_a_model_and_with_nothing_under_way_it_asks_for_one(station: Station) -> None:
    station.data.mkdir()
    assert "MODEL: is missing. Give MODEL=ocr" in station.error("second")


def test_a_damaged_folder_stops_it_before_anything_is_paid_again(
    online: Station, emulator: Emulator
) -> None:
    first_read(online, 1)
    finished(online, f"MODEL={FLASH}")
    (manifest,) = (online.data / "second").glob("*/manifest.jsonl")
    manifest.write_text("{")
    before = paid(emulator)
    assert "may be billed again" in online.error("second", f"MODEL={FLASH}")
    assert paid(emulator) == before


def test_the_most_urgent_pages_come_first_and_then_a_draw_from_each_year(
    online: Station, emulator: Emulator
) -> None:
    later = "1991/March 1991/1991-03mar0407.pdf"
    first_read(online, 4)
    online.rendered(4, later)
    for number in range(1, 5):
        complete(online, PageId(later, number), sheet(row(0, f"Can {number}"), date="3/4/91"))
    bad = sheet(*(row(at, "the same text") for at in range(6)))
    path = online.data / "results" / STEM / "page-03.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | bad))

    def taken(seed: str) -> list[tuple[str, int]]:
        shutil.rmtree(online.data / "second", ignore_errors=True)
        emulator.faults(batch_stays_pending=True)
        online.good("second", "LIMIT=5", f"MODEL={FLASH}", f"SEED={seed}")
        (manifest,) = (online.data / "second").glob("*/manifest.jsonl")
        lines = map(json.loads, manifest.read_text().splitlines())
        return [(line["pdf_path"], line["page_number"]) for line in lines]

    drawn = {seed: taken(seed) for seed in ("1", "2", "3")}
    assert taken("1") == drawn["1"]
    assert len({tuple(pages) for pages in drawn.values()}) > 1
    for pages in drawn.values():
        assert pages[0] == (PDF, 3)
        assert sorted(pdf for pdf, _ in pages[1:]) == [PDF, PDF, later, later]


def test_two_at_once_the_second_says_so(station: Station) -> None:
    first_read(station, 1)
    with lock.held(station.data, "second"):
        assert "is at it. Wait for it" in station.error("second", "MODEL=ocr")


# --- on this machine ----------------------------------------------------------------------------


def test_a_page_is_read_on_this_machine_without_a_key_and_once(station: Station) -> None:
    shutil.copytree(TOP / "tests/samples/scans/1991", station.scans / "1991")
    station.data.mkdir()
    station.good("discover")
    station.good("render", "LIMIT=1")
    pdf = station.rows()[0]["pdf_path"]
    truth = TOP / "tests/samples/truth" / pdf.removesuffix(".pdf") / "page-01.json"
    page = json.loads(truth.read_text())
    complete(station, PageId(pdf, 1), page)
    said = station.good("second", "MODEL=ocr", GEMINI_API_KEY="")
    assert "ocr read 1 pages, 0 were read before, 0 failed. Next: make review" in said
    (path,) = (station.data / "second/readings/ocr").rglob("page-*.json")
    before = path.read_bytes()
    assert json.loads(before)["model_version"].startswith("emulator-")
    assert "ocr read 0 pages, 1 were read before" in station.good("second", "MODEL=OCR")
    assert path.read_bytes() == before
    assert station.usage() == []
    station.good("index")
    ((score, listed),) = asked(station, "SELECT score, listed FROM second_readings")
    assert (listed, score < 3) == (0, True), "a page that was read well is not on the list"


def test_an_image_that_is_no_form_or_no_image_says_nothing_of_the_page(station: Station) -> None:
    first_read(station, 2)
    station.png(2).write_bytes(b"no image")
    done = station.make("second", "MODEL=ocr")
    assert "ocr read 1 pages, 0 were read before, 1 failed" in done.stdout
    assert f"Warning: the image of {PDF} page 2 cannot be read" in done.stderr
    station.good("index")
    assert asked(station, "SELECT page, not_compared FROM second_readings") == [
        (f"{STEM}/page-01", "it found no form on the page")
    ]


# --- held against the first ---------------------------------------------------------------------


def test_pages_are_ranked_by_how_much_the_readings_disagree(station: Station) -> None:
    first_read(station)
    rows = [row(at, f"{text} 1") for at, text in enumerate(TEXTS)]
    again(station, 1, sheet(*rows))
    again(station, 2, sheet(row(0, "Lush - Sweetness 2"), date="4/7/90"))
    again(station, 3, sheet(*(row(at, f"{text} 3") for at, text in enumerate(TEXTS[:2]))))
    station.good("index")
    found = asked(station, "SELECT page, detail FROM reviews WHERE reason = 'second_reading'")
    assert found == [
        (
            f"{STEM}/page-02",
            f"{FLASH} reads otherwise: the date, 2 rows that one of them lacks.",
        ),
        (f"{STEM}/page-03", f"{FLASH} reads otherwise: 1 row that one of them lacks."),
    ]
    sql = "SELECT detail FROM second_readings WHERE differences = 0"
    assert asked(station, sql) == [(f"{FLASH} reads alike.",)]
    assert "a second reader has much of it differently" in station.good("review")
    sql = (
        "SELECT pdf_path, page_number, position, row_index, field, first, second, model"
        " FROM disagreements WHERE page_number = 3"
    )
    text = "Prong - Lost and Found 3"
    assert asked(station, sql) == [(PDF, 3, "top_left", 2, "rows", text, None, FLASH)]


def test_two_readers_of_one_page_are_one_reason_that_names_both(station: Station) -> None:
    first_read(station, 1)
    again(station, 1, sheet())
    again(station, 1, sheet(), model="gemini-b", thinking="low")
    station.good("index")
    ((detail,),) = asked(station, "SELECT detail FROM reviews WHERE reason = 'second_reading'")
    assert FLASH in detail
    assert "gemini-b+low" in detail


def test_what_is_deleted_corrected_or_read_again_is_compared_anew(station: Station) -> None:
    first_read(station, 1)
    path = again(station, 1, sheet(row(0, "something else")))
    count = "SELECT count(*) FROM disagreements"
    station.good("index")
    assert asked(station, count) != [(0,)]
    result = station.data / "results" / STEM / "page-01.json"
    old = result.read_text()
    result.write_text(json.dumps(json.loads(old) | sheet(row(0, "something else"))))
    station.good("index")
    assert asked(station, count) == [(0,)]
    result.write_text(old)
    station.good("index")
    assert asked(station, count) != [(0,)]
    path.unlink()
    station.good("index")
    assert asked(station, "SELECT * FROM second_readings") == []
    assert asked(station, count) == [(0,)]
    assert asked(station, "SELECT * FROM reviews") == []


def test_an_image_that_changed_since_is_said_and_not_compared(
    online: Station, emulator: Emulator
) -> None:
    first_read(online, 2)
    again(online, 1, sheet())
    again(online, 2, sheet())
    shutil.copy(online.png(2), online.png(1))
    done = online.make("index")
    assert "second readings that are of another image" in done.stderr
    found = asked(online, "SELECT not_compared, differences FROM second_readings ORDER BY page")
    assert found == [("its image is another one than the page has now", None), (None, 3)]


def test_an_image_that_is_not_the_one_that_was_read_first_is_not_read_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    online.fetched(online.submitted())
    shutil.copy(online.png(2), online.png(1))
    before = paid(emulator)
    done = online.make("second", f"MODEL={FLASH}")
    assert "Warning: 1 page is left out, since the image is another one" in done.stderr
    wait_for(lambda: "Next: make second" not in online.good("second"), 60)
    assert readings(online) == [f"{FLASH}/{STEM}/page-02.json"]
    assert paid(emulator) == before + 1


@pytest.mark.parametrize("content", ["{", "[]", '{"second": 1}', '{"second": {"model": "x"}}'])
def test_a_damaged_second_reading_is_one_warning(station: Station, content: str) -> None:
    first_read(station, 1)
    again(station, 1, sheet()).write_text(content)
    done = station.make("index")
    assert done.returncode == 0
    assert "Warning: second readings that are damaged files" in done.stderr
    assert asked(station, "SELECT * FROM disagreements") == []


def test_a_page_that_a_person_verified_is_not_compared(station: Station) -> None:
    first_read(station, 1)
    again(station, 1, sheet())
    result = station.data / "results" / STEM / "page-01.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"verified_by": {"user_id": 1}}))
    station.good("index")
    found = asked(station, "SELECT not_compared, listed FROM second_readings")
    assert found == [("a person verified the page", 0)]


def test_second_readings_of_pages_that_are_gone_are_left_alone(station: Station) -> None:
    first_read(station, 1)
    path = again(station, 1, sheet())
    stray = path.with_name("page-09.json")
    shutil.copy(path, stray)
    station.good("index")
    with station.jobs() as db:
        db.execute("DELETE FROM jobs")
    station.good("index")
    assert asked(station, "SELECT * FROM second_readings") == []
    assert stray.exists()


def test_a_run_on_this_machine_that_was_killed_goes_on(station: Station) -> None:
    first_read(station, 3)
    station.good("index")
    done = station.make("second", "MODEL=ocr", FATE="kill", STEP="25")
    assert done.returncode != 0
    said = station.good("second", "MODEL=ocr")
    assert "0 failed" in said
    assert len(readings(station)) == 3
    assert not list((station.data / "second").rglob("*.part"))
