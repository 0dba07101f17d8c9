"""Table `mended_answers`: which completed pages were put right as they were read."""

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from flowsheets.jobs import database, mended_answers
from flowsheets.paths import PageId

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
