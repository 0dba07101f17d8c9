"""What one request may cost: a query written by hand can ask for any amount of memory."""

import sqlite3
from typing import Any

# The longest text of a real page has some thousand letters, the longest response 200,000.
CELL_BYTES = 4_000_000
RESULT_BYTES = 100_000_000  # of all cells of a query; Datasette's threads are three
COLUMNS = 100  # our tables have 40 at the most
PATTERN_BYTES = 1_000  # of LIKE, which can take the square of it for each row


def set_limits(connection: sqlite3.Connection) -> None:
    """Let a query on the connection fail where it goes beyond the bounds: a `sqlite3.Error`."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, COLUMNS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES)
    connection.row_factory = _Rows()


class _Rows:
    """Makes the rows of a connection's queries, up to `RESULT_BYTES` each."""

    def __init__(self) -> None:
        self.cursor: sqlite3.Cursor | None = None
        self.left = 0

    def __call__(self, cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> sqlite3.Row:
        if cursor is not self.cursor:
            self.cursor, self.left = cursor, RESULT_BYTES
        self.left -= sum(len(value) for value in values if isinstance(value, (str, bytes)))
        if self.left < 0:
            raise sqlite3.OperationalError(f"more than {RESULT_BYTES:,} bytes; ask for fewer rows")
        return sqlite3.Row(cursor, values)
