"""One page's text as rows of flowsheets.db, and what it is compared with other pages by."""

import hashlib
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from flowsheets.index import artists
from flowsheets.index.doubts import normalised
from flowsheets.page.shapes import KeptEntry, KeptPage, KeptQuadrant, kind

Row = dict[str, Any]

# A row's number as a column: SQLite holds 64 bits, and JSON's readers 53.
LARGEST_ROW = 2**53 - 1

# Checksums a page: two pages with the same text have all in common, strangers none.
SKETCH = 8
# Of too few rows, equality says nothing.
SKETCH_ENTRIES = 5


@dataclass
class PageRows:
    """A text's rows, by table; `page` holds columns of `pages`, `source` of `sources`."""

    page: Row
    source: Row
    blocks: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    oddities: list[Row] = field(default_factory=list)


def of(page: str, page_date: str | None, text: KeptPage) -> PageRows:
    """The rows of the page of that name; `page_date` is ISO. One name a DJ is given later."""
    rows = PageRows(page={}, source={})
    rows.oddities += [_oddity(page, None, None, oddity) for oddity in text.oddities]
    for quadrant in text.quadrants:
        rows.oddities += [_oddity(page, quadrant.position, None, t) for t in quadrant.oddities]
        entries = _entries(page, page_date, quadrant)
        rows.blocks.append(_block(page, quadrant, entries))
        rows.entries += entries
        for entry in entries:
            texts = orjson.loads(entry["oddities"]) if entry["oddities"] else []
            rows.oddities += [_oddity(page, quadrant.position, entry["entry"], t) for t in texts]
    rows.page = _page(page_date, text, rows)
    rows.source = _source(rows.entries)
    return rows


def collapsed(text: str | None) -> str | None:
    """The text with single spaces and none around it; None where nothing is left."""
    return " ".join(text.split()) or None if text else None


def is_blank(text: str) -> bool:
    """Whether a row shows nothing: it is not a play."""
    return not any(letter.isprintable() and not letter.isspace() for letter in text)


def _page(page_date: str | None, text: KeptPage, rows: PageRows) -> Row:
    confidences = Counter(entry["confidence"] for entry in rows.entries)
    count = len(rows.entries)
    return {
        "page_date_raw": text.page_date_raw,
        "page_date": page_date,
        "comments_raw": text.comments_raw,
        "entry_count": count,
        "low_count": confidences["low"],
        "medium_count": confidences["medium"],
        "high_count": confidences["high"],
        "oddity_count": len(rows.oddities),
        "confidence": confidences["high"] / count if count else None,
        "model_version": text.model_version,
        "extracted_at": text.extracted_at.isoformat() if text.extracted_at else None,
    }


def _block(page: str, quadrant: KeptQuadrant, entries: list[Row]) -> Row:
    played = [entry for entry in entries if entry["joined_text"] is not None]
    return {
        "block": f"{page}/{quadrant.position}",
        "page": page,
        "position": quadrant.position,
        "hour_raw": quadrant.hour_raw,
        "jock_raw": quadrant.jock_raw,
        "dj": collapsed(quadrant.jock_raw),
        "entry_count": len(entries),
        "play_count": len(played),
        "crossed_out_count": sum(entry["crossed_out"] for entry in played),
        "rows_read": len(_rows_read(quadrant)),
    }


def _rows_read(quadrant: KeptQuadrant) -> set[int]:
    """The printed rows that a block's entries cover, so that they can be held against the scan."""
    rows = {entry.row_index for entry in quadrant.entries}
    return rows | {e.row_index + 1 for e in quadrant.entries if kind(e.notes) == "double_height"}


def _entries(page: str, page_date: str | None, quadrant: KeptQuadrant) -> list[Row]:
    written = sorted(quadrant.entries, key=lambda entry: entry.row_index)
    seen: Counter[int] = Counter()
    rows: list[Row] = []
    first: Row | None = None  # the row that continuation rows belong to
    for ordinal, entry in enumerate(written):
        row = _entry(entry)
        seen[row["row_index"]] += 1
        again = f".{seen[row['row_index']]}" if seen[row["row_index"]] > 1 else ""
        name = f"{page}/{quadrant.position}/{row['row_index']:02d}{again}"
        row |= {
            "entry": name,
            "page": page,
            "page_date": page_date,
            "position": quadrant.position,
            "hour_raw": quadrant.hour_raw,
            "jock_raw": quadrant.jock_raw,
            "dj": collapsed(quadrant.jock_raw),
            "ordinal": ordinal,
        }
        if is_blank(entry.raw_text):
            row["joined_text"] = None
        elif kind(entry.notes) == "continuation" and first is not None:
            first["joined_text"] = f"{first['joined_text'].rstrip()} {entry.raw_text.lstrip()}"
            row |= {"joined_text": None, "continues": first["entry"]}
        else:
            first = row  # so is a continuation of nothing: its text is to be in some play
        rows.append(row)
    return [row | _parts(row["joined_text"]) for row in rows]


def _entry(entry: KeptEntry) -> Row:
    return {
        "row_index": min(max(entry.row_index, -LARGEST_ROW), LARGEST_ROW),
        "type_raw": entry.type_raw,
        "raw_text": entry.raw_text,
        "confidence": entry.confidence,
        "notes": entry.notes,
        "crossed_out": int(kind(entry.notes) == "crossed_out"),
        "oddities": orjson.dumps(entry.oddities).decode() if entry.oddities else None,
        "joined_text": entry.raw_text,
        "continues": None,
    }


def _parts(joined_text: str | None) -> Row:
    parts = artists.of(joined_text)
    return {
        "artist": parts.artist,
        "track": parts.track,
        "artist_guess": parts.guess,
        "artist_rule": parts.rule,
    }


def _oddity(page: str, position: str | None, entry: str | None, text: str) -> Row:
    return {"page": page, "position": position, "entry": entry, "text": text}


def _source(entries: list[Row]) -> Row:
    texts = [normalised(entry["raw_text"]) for entry in entries]
    comparable = sum(map(bool, texts)) >= SKETCH_ENTRIES
    return {
        "digest": hashlib.sha256("\n".join(texts).encode()).hexdigest(),
        "sketch": orjson.dumps(_sketch(texts)).decode() if comparable else None,
    }


def _sketch(texts: list[str]) -> list[int]:
    """The smallest checksums of a page's rows: a choice by chance, the same for the same rows."""
    return sorted({zlib.crc32(text.encode()) for text in texts if text})[:SKETCH]
