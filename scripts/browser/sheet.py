"""One page: its scan, and its transcription by block and row."""

import json
from pathlib import Path
from typing import Any

from browser import place, second
from browser.front import Row, rows
from flowsheets import paths
from flowsheets.page import form
from flowsheets.page.schema import POSITIONS
from flowsheets.page.shapes import kind
from flowsheets.paths import PageId

IN_WORDS = {
    "top_left": "Top left",
    "top_right": "Top right",
    "bottom_left": "Bottom left",
    "bottom_right": "Bottom right",
}
TALL = 2  # printed rows that a double_height entry takes


def anchor(position: str, row: str) -> str:
    """The name of a row inside its page's address."""
    return f"{position}-{row}"


async def read(db: Any, data_root: Path, name: str) -> dict[str, Any] | None:
    """What the page view shows; None where the index knows no such page."""
    found = await rows(db, "SELECT * FROM pages WHERE page = :page", {"page": name})
    if not found:
        return None
    page, asked = found[0], {"page": name}
    blocks = {
        block["position"]: block
        for block in await rows(db, "SELECT * FROM blocks WHERE page = :page", asked)
    }
    entries = await rows(db, "SELECT * FROM entries WHERE page = :page ORDER BY ordinal", asked)
    oddities = await rows(
        db, "SELECT position, text FROM oddities WHERE page = :page AND entry IS NULL", asked
    )
    shifts = await _shifts(db, asked)
    return {
        "page": page,
        "image": await image(db, data_root, name) is not None,
        "blocks": [
            _block(blocks[position], entries, oddities, shifts.get(position) or 0)
            for position in POSITIONS
            if position in blocks
        ],
        "oddities": [oddity["text"] for oddity in oddities if not oddity["position"]],
        "reviews": await rows(
            db, "SELECT reason, detail FROM reviews WHERE page = :page ORDER BY rank", asked
        ),
        "second": await second.read(db, name),
        "previous": await _neighbour(db, page, "<", "DESC"),
        "next": await _neighbour(db, page, ">", "ASC"),
        "of": (
            await rows(db, "SELECT count(*) AS pages FROM pages WHERE pdf_path = :pdf_path", page)
        )[0]["pages"],
        "width": form.WIDTH,
        "height": form.HEIGHT,
    }


async def image(db: Any, data_root: Path, name: str) -> Path | None:
    """The page's PNG; None where the index knows no such page, or the file is not there."""
    found = await rows(
        db, "SELECT pdf_path, page_number FROM pages WHERE page = :page", {"page": name}
    )
    if not found:
        return None
    path = paths.png(data_root, PageId(**found[0])).resolve()
    inside = path.is_relative_to((data_root / "pages").resolve())
    return path if inside and path.is_file() else None


async def _shifts(db: Any, asked: Row) -> dict[str, int | None]:
    """By how many pixels each block lies lower on this scan, as far as `make review` found it."""
    columns = ", ".join(f"{position}_shift AS {position}" for position in POSITIONS)
    return next(iter(await rows(db, f"SELECT {columns} FROM ink WHERE page = :page", asked)), {})


def _block(block: Row, entries: list[Row], oddities: list[Row], shift: int) -> Row:
    position = block["position"]
    inside = [entry for entry in entries if entry["position"] == position]
    return block | {
        "title": IN_WORDS[position],
        "place": place.block(position, shift),
        "oddities": [oddity["text"] for oddity in oddities if oddity["position"] == position],
        "entries": [_entry(entry, inside, shift) for entry in inside],
    }


def _entry(entry: Row, block: list[Row], shift: int) -> Row:
    """What is shown of an entry; its place has the rows that it is continued on."""
    name = entry["continues"] or entry["entry"]
    whole = [one for one in block if name in (one["entry"], one["continues"])]
    first = whole[0]["row_index"]
    rows_high = max(_last_row(one) for one in whole) + 1 - first
    return entry | {
        "anchor": _anchor(entry["entry"]),
        "whole": _anchor(name),
        "place": place.row(entry["position"], first, rows_high, shift),
        "oddities": json.loads(entry["oddities"] or "[]"),
    }


def _last_row(entry: Row) -> int:
    tall = kind(entry["notes"]) == "double_height"
    return int(entry["row_index"]) + (TALL - 1 if tall else 0)


def _anchor(entry: str) -> str:
    _, position, row = entry.rsplit("/", 2)
    return anchor(position, row)


async def _neighbour(db: Any, page: Row, side: str, order: str) -> str | None:
    found = await rows(
        db,
        f"SELECT page FROM pages WHERE (pdf_path, page_number) {side} (:pdf_path, :page_number)"
        f" ORDER BY pdf_path {order}, page_number {order} LIMIT 1",
        page,
    )
    return found[0]["page"] if found else None
