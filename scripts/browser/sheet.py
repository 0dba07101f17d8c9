"""One page: its scan, and its transcription by block and row."""

import json
from pathlib import Path
from typing import Any

from browser import place
from browser.front import Row, rows
from flowsheets import paths
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
    return {
        "page": page,
        "image": await image(db, data_root, name) is not None,
        "blocks": [
            _block(position, blocks[position], entries, oddities)
            for position in place.POSITIONS
            if position in blocks
        ],
        "oddities": [oddity["text"] for oddity in oddities if not oddity["position"]],
        "reviews": await rows(
            db, "SELECT reason, detail FROM reviews WHERE page = :page ORDER BY rank", asked
        ),
        "previous": await _neighbour(db, page, "<", "DESC"),
        "next": await _neighbour(db, page, ">", "ASC"),
        "of": (
            await rows(db, "SELECT count(*) AS pages FROM pages WHERE pdf_path = :pdf_path", page)
        )[0]["pages"],
        "width": place.WIDTH,
        "height": place.HEIGHT,
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


def _block(position: str, block: Row, entries: list[Row], oddities: list[Row]) -> Row:
    return block | {
        "title": IN_WORDS[position],
        "place": place.block(position),
        "oddities": [oddity["text"] for oddity in oddities if oddity["position"] == position],
        "entries": [_entry(entry) for entry in entries if entry["position"] == position],
    }


def _entry(entry: Row) -> Row:
    height = TALL if entry["notes"] == "double_height" else 1
    return entry | {
        "anchor": anchor(entry["position"], entry["entry"].rpartition("/")[2]),
        "place": place.row(entry["position"], entry["row_index"], height),
        "oddities": json.loads(entry["oddities"] or "[]"),
    }


async def _neighbour(db: Any, page: Row, side: str, order: str) -> str | None:
    found = await rows(
        db,
        f"SELECT page FROM pages WHERE (pdf_path, page_number) {side} (:pdf_path, :page_number)"
        f" ORDER BY pdf_path {order}, page_number {order} LIMIT 1",
        page,
    )
    return found[0]["page"] if found else None
