"""jobs.db: opened, its tables made or brought up to date, and its transactions."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database as Database  # what scripts call it by

from flowsheets import paths
from flowsheets.errors import MEND_JOBS_DB, Problem, of_database, warn
from flowsheets.jobs import (
    alerts,
    beliefs,
    buckets,
    date_checks,
    folders,
    mended_answers,
    pauses,
)
from flowsheets.money import storage, usage

# Other commands hold the database for one short transaction at a time; other programs may not.
QUIET_SECONDS = 5
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
    # As `make review` reads what other commands noted: page and detail.
    """
CREATE VIEW IF NOT EXISTS changed_scans AS
    SELECT pdf_path, page_number, 'Its PDF is another file since it was read.' AS detail
    FROM outdated_drawings JOIN jobs USING (pdf_path, page_number)
    WHERE status IN ('completed', 'low_confidence')
""",
)
_ADDED = {"batch_id": str, "within_batch_index": int}


def connect(data_root: Path, wait: int = BUSY_SECONDS) -> Database:
    """Open `jobs.db`, made or given what is new in it on first use; no row is touched.

    `wait` is how many seconds another program may hold it: `QUIET_SECONDS` where a person sits
    before the screen, and then nothing of this connection waits longer.

    New to an older one are two columns of `jobs`, and the other tables; `date_checks` was once
    called `reviews` and is renamed.

    Raises `Problem` where it is not a database, is damaged inside, or cannot be written.
    """
    path = paths.jobs_db(data_root)
    if not data_root.is_dir():
        raise Problem("DATA_ROOT", f"{data_root} is not a folder", "Correct it, or make the folder")
    try:
        if not path.exists():  # SQLite would make it without the group's right to write
            path.touch(mode=0o666)
        if wait > QUIET_SECONDS:
            _waited.clear()
        else:
            _waited.set()
        db = Database(sqlite3.connect(path, timeout=wait))
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
            usage.create_table(db)
            for statement in (
                storage.SCHEMA,
                date_checks.SCHEMA,
                mended_answers.SCHEMA,
                pauses.SCHEMA,
                beliefs.SCHEMA,
                alerts.SCHEMA,
                folders.TRIALS,
                buckets.SCHEMA,
                *folders.SCHEMA,
                *_PDFS,
            ):
                db.execute(statement)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.OperationalError) and "is locked" in str(error):
            raise of_database(error) from error
        damaged = "malformed" in str(error)
        fix = MEND_JOBS_DB if damaged else "Look at the file and its folder"
        raise Problem(path, f"cannot be opened ({error})", fix) from error
    return db


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """All or nothing; within another transaction, a part of it.

    Raises `Problem` where the disk is full, another program never lets go, or jobs.db is damaged.
    """
    try:
        if db.conn.in_transaction:
            with db.atomic():
                yield
        else:
            with _outermost(db):
                yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):  # a bug keeps its traceback
        raise
    except sqlite3.DatabaseError as error:
        raise of_database(error) from error


@contextmanager
def _outermost(db: Database) -> Iterator[None]:
    _patiently(db, lambda: db.conn.execute("BEGIN IMMEDIATE"))
    try:
        yield
        _patiently(db, db.conn.commit)
    except BaseException:
        db.conn.rollback()
        raise


def _patiently(db: Database, step: Callable[[], object]) -> None:
    """Do a step that waits for other programs, with a word where that takes long.

    A program that reads for minutes keeps a commit waiting. The whole command waits once.
    """
    try:
        return _within(db, QUIET_SECONDS, step)
    except sqlite3.OperationalError as error:
        if not _is_locked(error) or _waited.is_set():
            raise
    warn(f"jobs.db is in use by another program; waiting up to {BUSY_SECONDS} s")
    _waited.set()
    return _within(db, BUSY_SECONDS, step)


def _within(db: Database, seconds: int, step: Callable[[], object]) -> None:
    db.conn.execute(f"PRAGMA busy_timeout = {1000 * seconds}")
    step()


def _is_locked(error: sqlite3.OperationalError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # Python's own errors have none
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


_waited = threading.Event()  # that this command has waited for long already
