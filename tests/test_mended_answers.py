"""Table `mended_answers`: which completed pages were put right as they were read."""

import json
import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from emulator_process import Emulator
from flowsheets.jobs import database, mended_answers
from flowsheets.paths import PageId
from results import indexed
from station import Station

PAGE = PageId("a.pdf", 1)


def test_a_page_is_noted_once_and_a_clean_result_replaces_the_note(jobs_db: Database) -> None:
    mended_answers.note(jobs_db, PAGE, ("a fence", "a list"), "2026-01-01")
    assert mended_answers.noted(jobs_db) == {PAGE: "a fence; a list"}
    mended_answers.note(jobs_db, PAGE, ("a list",), "2026-01-02")
    assert mended_answers.noted(jobs_db) == {PAGE: "a list"}
    mended_answers.note(jobs_db, PAGE, (), "2026-01-03")
    assert mended_answers.noted(jobs_db) == {}


def test_an_older_database_gains_the_table(tmp_path: Path) -> None:
    database.connect(tmp_path).close()
    with sqlite3.connect(tmp_path / "jobs.db") as old:
        old.execute("DROP TABLE mended_answers")
    old.close()
    assert mended_answers.noted(database.connect(tmp_path)) == {}


FORGIVEN = (
    *("answer_stray_end", "answer_fenced", "answer_bom", "answer_list_of_one", "answer_twice"),
    *("answer_null_part", "answer_null_lists", "answer_null_words", "answer_other_letters"),
    "answer_half_character",
)
# A fault, and the code of the failure that it is.
FAILURES = {
    "answer_two_pages": "two_pages",
    "answer_row_1000": "wrong_shape",
    "answer_long_number": "not_json",
    "answer_endless_list": "too_deep",
    "answer_not_json": "not_json",
    "answer_three_blocks": "wrong_shape",
    "answer_max_tokens": "max_tokens",
    "answer_recitation": "recitation",
    "answer_blocked": "prompt_blocked",
    "answer_finish": "safety",
    "line_error_text": "row_error",
    "line_status_text": "row_error",
    "line_error_in_response": "row_error_13",
}


def test_one_batch_of_every_kind_costs_each_page_its_own_fault_alone(
    online: Station, emulator: Emulator
) -> None:
    kinds = [*FORGIVEN, *FAILURES]
    online.rendered(len(kinds) + 1)
    emulator.faults(
        **{kind: f"{row}" for row, kind in enumerate(kinds) if kind != "answer_finish"},
        answer_finish=f"{kinds.index('answer_finish')}:SAFETY",
    )
    online.fetched(online.submitted())
    rows = online.rows()
    assert [row["status"] for row in rows] == [
        *["completed"] * len(FORGIVEN),
        *["failed"] * len(FAILURES),
        "completed",
    ]
    codes = [row["last_error"].partition(": ")[0] for row in rows if row["last_error"]]
    assert codes == list(FAILURES.values())
    for number in range(1, len(FORGIVEN) + 1):
        page = online.result(number)
        assert page["quadrants"][0]["entries"][0]["raw_text"].startswith("image ")
        assert page["quadrants"][1] == {
            "position": "top_right",
            "hour_raw": None,
            "jock_raw": None,
            "entries": [],
            "oddities": [],
        }
    sql = "SELECT count(*) FROM pages WHERE entry_count IS NOT NULL"
    assert indexed(online, sql) == [(len(FORGIVEN) + 1,)]
    # Refused pages are not sent again by themselves; the others have tries left.
    emulator.faults(**dict.fromkeys([*FORGIVEN, *FAILURES]))
    assert "processed 9 pages: 9 completed" in online.good("process")
    assert "4 wait for you: make retry CODE=" in online.good("status")


@pytest.mark.parametrize("fault", FORGIVEN)
def test_in_real_time_such_a_page_is_completed(
    online: Station, emulator: Emulator, fault: str
) -> None:
    online.rendered(1)
    emulator.faults(**{fault: "all"})
    assert "1 completed" in online.good("process")
    json.dumps(online.result(1)).encode()


def test_what_was_forgiven_is_noted_with_the_page_and_forgotten_by_retry(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    emulator.faults(answer_fenced=0)
    online.fetched(online.submitted())
    db = database.connect(online.data)
    ((page, detail),) = mended_answers.noted(db).items()
    assert page.page_number == 1
    assert "a fence around the page" in detail
    online.good("retry", f"PDF={page.pdf_path}", "PAGE=1")
    assert mended_answers.noted(db) == {}
