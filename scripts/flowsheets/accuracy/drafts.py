"""A page of truth to be filled in by a person: with rows to be typed, or begun as a reading.

`verified_by` has `real_name`, empty until a reviewer puts a name there, and `draft`, which says how
the page began. A row to be typed is an entry without text, for each printed row with ink on it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from flowsheets.accuracy.sample import READING, ROWS
from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import KeptPage

OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
TYPED = "typed"  # in place of a model's name
Rows = Sequence[Sequence[int] | None]  # of each block the rows with ink; None is not known


def of_rows(rows: Rows) -> bytes:
    """The draft of a page, with these rows to be typed."""
    blocks = [
        {
            "position": position,
            "hour_raw": None,
            "jock_raw": None,
            "entries": [_entry(row) for row in written or ()],
            "oddities": [],
        }
        for position, written in zip(POSITIONS, rows, strict=True)
    ]
    page = {"page_date_raw": None, "quadrants": blocks, "comments_raw": None, "oddities": []}
    ours = {"model_version": TYPED, "extracted_at": _now()}
    return orjson.dumps({**page, **ours, "verified_by": _reviewer(ROWS)}, option=OPTIONS)


def of_reading(reading: KeptPage) -> bytes:
    """The draft of a page that begins as it was read."""
    draft = reading.model_copy(update={"verified_by": _reviewer(READING)})
    return draft.model_dump_json(indent=2).encode() + b"\n"


def _entry(row: int) -> dict[str, Any]:
    return {
        "row_index": row,
        "raw_text": "",
        "type_raw": None,
        "confidence": "high",
        "notes": None,
        "oddities": [],
    }


def _reviewer(draft: str) -> dict[str, str]:
    return {"real_name": "", "draft": draft}


def _now() -> str:
    return datetime.now(UTC).isoformat()
