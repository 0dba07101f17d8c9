"""Readings of a page, for what compares two of them."""

from typing import Any

from flowsheets.page.schema import POSITIONS, Entry, PageReading

TEXTS = (
    "Lush - Sweetness and Light",
    "Pixies - Debaser",
    "The Fall - Hit the North",
    "Galaxie 500 - Tugboat",
    "Prong - Lost and Found",
)


def entry(row: int, text: str, **fields: Any) -> Entry:
    return Entry(**{"row_index": row, "raw_text": text, "confidence": "high", **fields})


def block(*texts: str, first: int = 0) -> list[Entry]:
    return [entry(row, text) for row, text in enumerate(texts, first)]


def page(*blocks: list[Any], **fields: Any) -> PageReading:
    """A page with these blocks' entries, from the top left on."""
    filled = [*blocks, [], [], [], []][:4]
    quadrants = [
        {"position": position, "hour_raw": "9", "jock_raw": "ANDREA", "entries": entries}
        for position, entries in zip(POSITIONS, filled, strict=True)
    ]
    return PageReading.model_validate({"page_date_raw": "4/1/90", "quadrants": quadrants, **fields})
