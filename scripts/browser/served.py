"""The index that is served: whether it is whole, and whether it is still the same file."""

import sqlite3
from contextlib import closing
from pathlib import Path

from flowsheets.errors import Problem
from flowsheets.index import tables


def check(index: Path) -> None:
    """Raises `Problem` where the index is missing, damaged, or of another version."""
    fix = "Run make index"
    if not index.is_file():
        raise Problem(index, "is not there", fix)
    try:
        with closing(sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise Problem(index, f"is not an index ({error})", f"Delete it. {fix}") from error
    if version != tables.VERSION:
        raise Problem(index, "is an index of another version, or still in the making", fix)


def file_id(index: Path) -> tuple[int, int] | None:
    """What differs between this file and a later one of its name; None where it is missing."""
    try:
        status = index.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
