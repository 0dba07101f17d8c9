"""Datasette's CSV on its way out: no cell of it is a formula."""

import csv
import io
import re
import sys
from typing import Any

from flowsheets.display import harmless

# Python's own limit is 131,072 letters; a longer cell would end the table in its middle.
csv.field_size_limit(sys.maxsize)

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def is_csv(scope: dict[str, Any], start: dict[str, Any]) -> bool:
    """Whether the response that begins like this is a table, and not an error page."""
    asked = scope["path"].endswith(".csv") or b"_format=csv" in scope["query_string"]
    return asked and start["status"] == 200


def guarded(records: bytes) -> bytes:
    """Whole records, as Datasette sends them one at a time, with each formula made plain text."""
    rows = csv.reader(io.StringIO(records.decode(), newline=""))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _cell(cell: str) -> object:
    return cell if _NUMBER.fullmatch(cell) else harmless(cell)
