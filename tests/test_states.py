"""jobs.db: its states, its guard, and databases older than the batches."""

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from flowsheets.errors import Problem
from flowsheets.jobs import database, states
from flowsheets.paths import PageId, png
from station import Station

OLD_TABLE = """
CREATE TABLE jobs (
    pdf_path TEXT NOT NULL, page_number INTEGER NOT NULL, status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, image_path TEXT, result_path TEXT,
    model_version TEXT, verified_at TEXT, verified_path TEXT, corrections_path TEXT,
    reviewer_id TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    PRIMARY KEY (pdf_path, page_number)
);
CREATE INDEX idx_jobs_status ON jobs(status);
INSERT INTO jobs VALUES ('a/ü.pdf', 1, 'completed', 1, NULL, 'i', 'r', 'm', 'v', 'p', 'c', 'who',
                         '2026-01-01', '2026-01-02');
INSERT INTO jobs VALUES ('a/ü.pdf', 2, 'low_confidence', 0, 'e', NULL, NULL, NULL, NULL, NULL, NULL,
                         NULL, '2026-01-01', '2026-01-02');
"""


def pages(count: int) -> list[PageId]:
    return [PageId("a.pdf", number) for number in range(1, count + 1)]


def status(db: Database, page: PageId) -> str:
    row = states.row(db, page)
    assert row
    return str(row["status"])


def test_an_older_database_gains_two_columns_and_keeps_every_value(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.db") as old:
        old.executescript(OLD_TABLE)
        before = old.execute("SELECT * FROM jobs").fetchall()
    old.close()
    db = database.connect(tmp_path)
    assert [tuple(row) for row in db.execute("SELECT * FROM jobs")] == [
        (*row, None, None) for row in before
    ]
    assert list(db.table("jobs").columns_dict)[-2:] == ["batch_id", "within_batch_index"]
    db.close()
    assert states.counts(database.connect(tmp_path)) == {"completed": 1, "low_confidence": 1}


def test_a_page_is_registered_once(jobs_db: Database) -> None:
    assert states.register(jobs_db, pages(3)) == 3
    states.flip(jobs_db, pages(1), "pending", "rendered")
    assert states.register(jobs_db, pages(4)) == 1
    assert status(jobs_db, PageId("a.pdf", 1)) == "rendered"


def test_a_flip_moves_only_pages_in_the_old_status(jobs_db: Database) -> None:
    states.register(jobs_db, pages(3))
    states.flip(jobs_db, pages(2), "pending", "completed", result_path="r")
    moved = states.flip(jobs_db, pages(3), "pending", "rendered")
    assert moved == [PageId("a.pdf", 3)]
    assert states.counts(jobs_db) == {"completed": 2, "rendered": 1}


def test_a_flip_for_one_batch_leaves_another_alone(jobs_db: Database) -> None:
    states.register(jobs_db, pages(1))
    states.flip(jobs_db, pages(1), "pending", "submitted", batch_id="batches/b")
    assert states.flip(jobs_db, pages(1), "submitted", "completed", in_batch="batches/a") == []
    assert states.flip(jobs_db, pages(1), "submitted", "completed", in_batch="batches/b")


def test_a_counted_try_adds_one(jobs_db: Database) -> None:
    states.register(jobs_db, pages(1))
    states.flip(jobs_db, pages(1), "pending", "failed", count_try=True, last_error="why")
    row = states.row(jobs_db, PageId("a.pdf", 1))
    assert row
    assert (row["attempts"], row["last_error"]) == (1, "why")


def test_many_rows_go_in_one_transaction_or_not_at_all(jobs_db: Database) -> None:
    states.register(jobs_db, pages(3))
    with pytest.raises(ZeroDivisionError), database.transaction(jobs_db):
        states.flip(jobs_db, pages(3), "pending", "rendered")
        raise ZeroDivisionError
    assert states.counts(jobs_db) == {"pending": 3}


def with_image(data_root: Path, page: PageId) -> None:
    path = png(data_root, page)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"png")


def test_a_claim_takes_waiting_pages_in_order_up_to_the_limit(
    jobs_db: Database, tmp_path: Path
) -> None:
    states.register(jobs_db, [PageId("b.pdf", 2), PageId("b.pdf", 10), PageId("a.pdf", 1)])
    for page in [PageId("b.pdf", 2), PageId("b.pdf", 10), PageId("a.pdf", 1)]:
        with_image(tmp_path, page)
        states.flip(jobs_db, [page], "pending", "rendered")
    taken = states.claim(jobs_db, tmp_path, 2, 3, "submitted")
    assert taken == [PageId("a.pdf", 1), PageId("b.pdf", 2)]
    assert states.claim(jobs_db, tmp_path, 2, 3, "processing") == [PageId("b.pdf", 10)]


def test_a_claim_takes_failed_pages_that_have_tries_left(jobs_db: Database, tmp_path: Path) -> None:
    states.register(jobs_db, pages(2))
    for page in pages(2):
        with_image(tmp_path, page)
    states.flip(jobs_db, pages(1), "pending", "failed", attempts=2, batch_id="batches/old")
    states.flip(jobs_db, [PageId("a.pdf", 2)], "pending", "failed", attempts=3)
    assert states.claim(jobs_db, tmp_path, 9, 3, "processing") == pages(1)
    row = states.row(jobs_db, PageId("a.pdf", 1))
    assert row
    assert row["batch_id"] is None
    assert states.out_of_tries(jobs_db, 3) == 1


def test_a_page_without_its_image_waits_for_render(jobs_db: Database, tmp_path: Path) -> None:
    states.register(jobs_db, pages(2))
    states.flip(jobs_db, pages(1), "pending", "rendered")
    states.flip(jobs_db, [PageId("a.pdf", 2)], "pending", "failed", count_try=True)
    assert states.claim(jobs_db, tmp_path, 9, 3, "processing") == []
    assert states.counts(jobs_db) == {"pending": 1, "failed": 1}
    assert [undrawn.page for undrawn in states.to_render(jobs_db)] == pages(2)


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database at all, but some text" * 100)
    with pytest.raises(Problem, match="cannot be opened"):
        database.connect(tmp_path)


def test_a_missing_data_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is not a folder"):
        database.connect(tmp_path / "nowhere")


def test_a_database_damaged_inside_is_one_clear_line_in_every_command(station: Station) -> None:
    station.rendered(2)
    path = station.data / "jobs.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    before = path.read_bytes()
    for command in ("discover", "render", "process", "batch-submit", "batch-fetch", "status"):
        said = station.error(command)
        assert said.startswith(f"Error: {path}: ")
        assert "Put a copy of it back" in said
    for command in ("cost", "estimate", "compare", "index", "review", "export"):
        assert station.error(command).startswith(f"Error: {path}: ")
    assert path.read_bytes() == before
