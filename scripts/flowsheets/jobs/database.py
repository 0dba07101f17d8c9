"""jobs.db: opened, its tables made or brought up to date, and its transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.errors import MEND_JOBS_DB, Problem, of_database
from flowsheets.jobs import date_checks
from flowsheets.money import usage

# Other commands hold the database for one short transaction at a time.
BUSY_SECONDS = 60

# As existing databases have it, and the two columns that batches need.
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    pdf_path          TEXT NOT NULL,
    page_number       INTEGER NOT NULL,
    status            TEXT NOT NULL,
    attempts          INTEGER NOT NULL DEFAULT 0,
    last_error        TEXT,
    image_path        TEXT,
    result_path       TEXT,
    model_version     TEXT,
    verified_at       TEXT,
    verified_path     TEXT,
    corrections_path  TEXT,
    reviewer_id       TEXT,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL,
    batch_id          TEXT,
    within_batch_index INTEGER,
    PRIMARY KEY (pdf_path, page_number)
)
"""
# What `jobs.pdfs` keeps. A drawing whose PDF is not known (NULL) is never outdated.
_PDFS = (
    """
CREATE TABLE IF NOT EXISTS pdfs (
    pdf_path  TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    sha256    TEXT NOT NULL,
    pages     INTEGER NOT NULL,
    noted_at  TEXT NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS drawings (
    pdf_path     TEXT NOT NULL,
    page_number  INTEGER NOT NULL,
    drawn_by     TEXT,
    pdf_sha256   TEXT,
    drawn_at     TEXT,
    PRIMARY KEY (pdf_path, page_number)
)
""",
    """
CREATE VIEW IF NOT EXISTS outdated_drawings AS
    SELECT drawings.pdf_path, page_number FROM drawings
    JOIN pdfs ON pdfs.pdf_path = drawings.pdf_path AND pdfs.sha256 <> drawings.pdf_sha256
""",
)
_ADDED = {"batch_id": str, "within_batch_index": int}


def connect(data_root: Path) -> Database:
    """Open `jobs.db`, made or given what is new in it on first use; no row is touched.

    New to an older one are two columns of `jobs`, and the tables `usage`, `pdfs`, `drawings` and
    `date_checks`, which was called `reviews` once and is renamed.

    Raises `Problem` where it is not a database, is damaged inside, or cannot be written.
    """
    path = paths.jobs_db(data_root)
    if not data_root.is_dir():
        raise Problem("DATA_ROOT", f"{data_root} is not a folder", "Correct it, or make the folder")
    try:
        db = Database(sqlite3.connect(path, timeout=BUSY_SECONDS))
        # Before anything is paid for or moved: 20 ms for 16,000 pages.
        if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Problem(path, f"is damaged ({found})", MEND_JOBS_DB)
        db.execute(_TABLE)
        missing = {k: v for k, v in _ADDED.items() if k not in db["jobs"].columns_dict}
        with db.atomic():
            for column, kind in missing.items():
                db.table("jobs").add_column(column, kind)
            db.execute("CREATE INDEX IF NOT EXISTS idx_jobs_status ON jobs(status)")
            db.execute("CREATE INDEX IF NOT EXISTS idx_jobs_batch_id ON jobs(batch_id)")
            tables = set(db.table_names())
            if "reviews" in tables and "date_checks" not in tables:
                db.execute("ALTER TABLE reviews RENAME TO date_checks")
            for statement in (*usage.SCHEMA, date_checks.SCHEMA, *_PDFS):
                db.execute(statement)
    except (OSError, sqlite3.Error) as error:
        raise Problem(
            path, f"cannot be opened ({error})", "Look at the file and its folder"
        ) from error
    return db


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """All or nothing.

    Raises `Problem` where the disk is full, another process never lets go, or jobs.db is damaged.
    """
    try:
        with db.atomic():
            yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):  # a bug keeps its traceback
        raise
    except sqlite3.DatabaseError as error:
        raise of_database(error) from error
