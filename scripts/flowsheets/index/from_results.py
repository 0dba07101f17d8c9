"""One result as rows of flowsheets.db: blocks, entries, oddities, and what it is compared by."""

import hashlib
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import orjson

from flowsheets.page.schema import Entry, PageResult, Quadrant

Row = dict[str, Any]

# Artist and title are parted by one dash with room on both sides; X-Ray Spex is a name.
_DASH = re.compile(r"\s[-–—]\s")

_SIGNS = re.compile(r"[\W_]+")

# The form has 21 rows a block, some other form may have more.
LAST_ROW = 999

# Repeats of something shorter are ditto marks.
RUN_CHARACTERS = 3
# Checksums a page: two pages with the same text have all in common, strangers none.
SKETCH = 8
# Of too few rows, equality says nothing.
SKETCH_ENTRIES = 5


@dataclass
class PageRows:
    """A result's rows, by table; `page` holds columns of `pages`, `source` of `sources`."""

    page: Row
    source: Row
    blocks: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    oddities: list[Row] = field(default_factory=list)


def of(page: str, page_date: str | None, result: PageResult) -> PageRows:
    """The rows of the page called `page`; `page_date` is ISO. One name a DJ is the index's to give.

    Raises `ValueError` where a row's number is no row's, nor one that SQLite can hold.
    """
    rows = PageRows(page={}, source={})
    last = max((e.row_index for q in result.quadrants for e in q.entries), default=0)
    if last > LAST_ROW:
        raise ValueError(f"row_index {last} is no printed row")
    rows.oddities += [_oddity(page, None, None, text) for text in result.oddities]
    for quadrant in result.quadrants:
        rows.oddities += [_oddity(page, quadrant.position, None, t) for t in quadrant.oddities]
        entries = _entries(page, page_date, quadrant)
        rows.blocks.append(_block(page, quadrant, entries))
        rows.entries += entries
        for entry in entries:
            texts = orjson.loads(entry["oddities"]) if entry["oddities"] else []
            rows.oddities += [_oddity(page, quadrant.position, entry["entry"], t) for t in texts]
    rows.page = _page(page_date, result, rows)
    rows.source = _source(rows.entries)
    return rows


def collapsed(text: str | None) -> str | None:
    """The text with single spaces and none around it; None where nothing is left."""
    return " ".join(text.split()) or None if text else None


def artist_and_track(text: str | None) -> tuple[str, str] | tuple[None, None]:
    """The two sides of the one plain dash; two Nones where there is none, or more than one."""
    parts = [part.strip() for part in _DASH.split(text)] if text else []
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else (None, None)


def _page(page_date: str | None, result: PageResult, rows: PageRows) -> Row:
    confidences = Counter(entry["confidence"] for entry in rows.entries)
    count = len(rows.entries)
    return {
        "page_date_raw": result.page_date_raw,
        "page_date": page_date,
        "comments_raw": result.comments_raw,
        "entry_count": count,
        "low_count": confidences["low"],
        "medium_count": confidences["medium"],
        "high_count": confidences["high"],
        "oddity_count": len(rows.oddities),
        "confidence": confidences["high"] / count if count else None,
        "model_version": result.model_version,
        "extracted_at": result.extracted_at.isoformat(),
    }


def _block(page: str, quadrant: Quadrant, entries: list[Row]) -> Row:
    played = [e for e in entries if e["joined_text"] is not None and e["notes"] != "crossed_out"]
    return {
        "block": f"{page}/{quadrant.position}",
        "page": page,
        "position": quadrant.position,
        "hour_raw": quadrant.hour_raw,
        "jock_raw": quadrant.jock_raw,
        "dj": collapsed(quadrant.jock_raw),
        "entry_count": len(entries),
        "play_count": len(played),
        "rows_read": len(_rows_read(quadrant)),
    }


def _rows_read(quadrant: Quadrant) -> set[int]:
    """The printed rows that a block's entries cover, so that they can be held against the scan."""
    rows = {entry.row_index for entry in quadrant.entries}
    return rows | {e.row_index + 1 for e in quadrant.entries if e.notes == "double_height"}


def _entries(page: str, page_date: str | None, quadrant: Quadrant) -> list[Row]:
    written = sorted(quadrant.entries, key=lambda entry: entry.row_index)
    seen: Counter[int] = Counter()
    rows: list[Row] = []
    first: Row | None = None  # the row that continuation rows belong to
    for ordinal, entry in enumerate(written):
        seen[entry.row_index] += 1
        again = f".{seen[entry.row_index]}" if seen[entry.row_index] > 1 else ""
        name = f"{page}/{quadrant.position}/{entry.row_index:02d}{again}"
        row = _entry(entry) | {
            "entry": name,
            "page": page,
            "page_date": page_date,
            "position": quadrant.position,
            "hour_raw": quadrant.hour_raw,
            "jock_raw": quadrant.jock_raw,
            "dj": collapsed(quadrant.jock_raw),
            "ordinal": ordinal,
        }
        if entry.notes == "continuation" and first is not None:
            first["joined_text"] = f"{first['joined_text'].rstrip()} {entry.raw_text.lstrip()}"
            row |= {"joined_text": None, "continues": first["entry"]}
        else:
            first = row  # so is a continuation of nothing: its text is to be in some play
        rows.append(row)
    for row in rows:
        row["artist"], row["track"] = artist_and_track(row["joined_text"])
    return rows


def _entry(entry: Entry) -> Row:
    return {
        "row_index": entry.row_index,
        "type_raw": entry.type_raw,
        "raw_text": entry.raw_text,
        "artist": None,
        "track": None,
        "confidence": entry.confidence,
        "notes": entry.notes,
        "oddities": orjson.dumps(entry.oddities).decode() if entry.oddities else None,
        "joined_text": entry.raw_text,
        "continues": None,
    }


def _oddity(page: str, position: str | None, entry: str | None, text: str) -> Row:
    return {"page": page, "position": position, "entry": entry, "text": text}


def _source(entries: list[Row]) -> Row:
    texts = [normalised(entry["raw_text"]) for entry in entries]
    run_length, run_text = _longest_run(texts, entries)
    comparable = sum(map(bool, texts)) >= SKETCH_ENTRIES
    return {
        "digest": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        "sketch": orjson.dumps(_sketch(texts)).decode() if comparable else None,
        "run_length": run_length,
        "run_text": run_text,
    }


def normalised(text: str) -> str:
    """The text as two readings of the same row have it in common: its letters and digits."""
    return _SIGNS.sub("", text.casefold())


def _longest_run(texts: list[str], entries: list[Row]) -> tuple[int, str | None]:
    """How many rows the longest run of one text has, and that text as its first row has it."""
    longest: tuple[int, str | None] = (0, None)
    begin = 0
    for text, run in groupby(texts):
        length = sum(1 for _ in run)
        if len(text) >= RUN_CHARACTERS and length > longest[0]:
            longest = (length, entries[begin]["raw_text"])
        begin += length
    return longest


def _sketch(texts: list[str]) -> list[int]:
    """The smallest checksums of a page's rows: a choice by chance, the same for the same rows."""
    return sorted({zlib.crc32(text.encode()) for text in texts if text})[:SKETCH]
