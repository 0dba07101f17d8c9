"""Tables `folders` and `response_folders`: what of the folders on disk this database has taken in.

The folders are the record, jobs.db is their index. A folder whose stamp differs from the one here
has changed since, or this database is from a backup: it is read again.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from sqlite_utils import Database

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS folders (
    name     TEXT PRIMARY KEY,
    stamp    TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    state    TEXT NOT NULL,
    batch_id TEXT
)
""",
    """
CREATE TABLE IF NOT EXISTS response_folders (
    path  TEXT PRIMARY KEY,
    stamp TEXT NOT NULL
)
""",
)
# Requests (by the digest of `batch.trial`) whose first pages completed, so that many may follow.
TRIALS = """
CREATE TABLE IF NOT EXISTS trials (
    request   TEXT PRIMARY KEY,
    proven_by TEXT NOT NULL,
    at        TEXT NOT NULL
)
"""
_STAMPED = ("journal.jsonl", "manifest.jsonl", "responses.jsonl")


def stamp(folder: Path) -> str:
    """A text that changes when a batch's folder does: times in ns and sizes."""
    return " ".join(_one(f"{folder}/{name}") for name in _STAMPED)


def folder_stamp(folder: Path) -> str:
    """A text that changes when a response comes into the folder, or leaves it."""
    return _one(folder)


def known(db: Database) -> dict[str, str]:
    """Name -> stamp of every batch's folder that was taken in."""
    return dict(db.execute("SELECT name, stamp FROM folders").fetchall())


def known_stamp(db: Database, name: str) -> str | None:
    """The stamp of one batch's folder; None where it was not taken in."""
    row = db.execute("SELECT stamp FROM folders WHERE name = ?", [name]).fetchone()
    return str(row[0]) if row else None


def in_states(db: Database, states: Iterable[str]) -> dict[str, str]:
    """Name -> stamp of the batches' folders that were in one of these states."""
    wanted = tuple(states)
    sql = f"SELECT name, stamp FROM folders WHERE state IN ({', '.join('?' * len(wanted))})"
    return dict(db.execute(sql, wanted).fetchall())


def states(db: Database) -> dict[str, str]:
    """Name -> state of every batch's folder that was taken in."""
    return dict(db.execute("SELECT name, state FROM folders").fetchall())


def batch_ids(db: Database) -> dict[str, str | None]:
    """Name -> the API's id of every batch's folder that was taken in; None where it had none."""
    return dict(db.execute("SELECT name, batch_id FROM folders").fetchall())


def closed_without_responses(db: Database) -> list[str]:
    """Names of folders that were closed without a result file."""
    sql = "SELECT name FROM folders WHERE state = 'settled' AND stamp LIKE '% -' ORDER BY name"
    return [name for (name,) in db.execute(sql)]


def of_batches(db: Database, batch_ids: Iterable[str]) -> list[str]:
    """Names of the folders of these batches; of several of one batch, the latest by name."""
    sql = "SELECT batch_id, name FROM folders WHERE batch_id IS NOT NULL ORDER BY name"
    found = dict(db.execute(sql))
    return [found[batch_id] for batch_id in batch_ids if batch_id in found]


def known_responses(db: Database) -> dict[str, str]:
    """Path relative to `responses/` -> stamp of every folder of responses that was taken in."""
    return dict(db.execute("SELECT path, stamp FROM response_folders").fetchall())


def last_sequence(db: Database) -> int:
    """The highest number of a folder so far; 0 before the first."""
    (last,) = db.execute("SELECT coalesce(max(sequence), 0) FROM folders").fetchone()
    return int(last)


def take_in(
    db: Database, name: str, stamp: str, sequence: int, state: str, batch_id: str | None
) -> None:
    """This database knows the folder as it is now, in the caller's transaction."""
    db.conn.execute(
        "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?)",
        (name, stamp, sequence, state, batch_id),
    )


def take_in_responses(db: Database, path: str, stamp: str) -> None:
    """The same for a folder of responses."""
    db.conn.execute("INSERT OR REPLACE INTO response_folders VALUES (?, ?)", (path, stamp))


def proven(db: Database, request: str) -> bool:
    """Whether the first pages of such a request completed."""
    return db.execute("SELECT 1 FROM trials WHERE request = ?", [request]).fetchone() is not None


def prove(db: Database, request: str, proven_by: str, at: str) -> None:
    """They did, or a person said so, in the caller's transaction."""
    db.conn.execute("INSERT OR IGNORE INTO trials VALUES (?, ?, ?)", (request, proven_by, at))


def forget_all(db: Database) -> None:
    """Every folder is read again, in the caller's transaction."""
    db.conn.execute("DELETE FROM folders")
    db.conn.execute("DELETE FROM response_folders")


def _one(path: Path | str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return f"{status.st_mtime_ns}:{status.st_size}"
