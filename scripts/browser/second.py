"""What second readers have differently on a page, by the place where it is shown."""

from typing import Any

from browser.front import Row, rows


async def read(db: Any, page: str) -> dict[str, Any]:
    """The page's second readings, and what they have differently.

    `of_page` and `of_block` hold fields and rows that the first reading lacks, the latter by
    position; `of_row` has one item a row and reader, by the row's name inside its page's address.
    """
    asked = {"page": page}
    readings = await rows(
        db,
        "SELECT model, read_at, not_compared, differences FROM second_readings"
        " WHERE page = :page ORDER BY folder",
        asked,
    )
    found: dict[str, Any] = {"readings": readings, "of_page": [], "of_block": {}, "of_row": {}}
    for one in await rows(
        db, "SELECT * FROM disagreements WHERE page = :page ORDER BY folder, rowid", asked
    ):
        if one["position"] is None:
            found["of_page"].append(one)
        elif one["row_index"] is None:
            found["of_block"].setdefault(one["position"], []).append(one)
        else:
            _add(found["of_row"].setdefault(_anchor(one), []), one)
    return found


def _anchor(one: Row) -> str:
    return f"{one['position']}-{one['row_index']:02d}"


def _add(items: list[Row], one: Row) -> None:
    """A reader's text, place and type letter of one row, as far as they differ, are one item."""
    item = next((i for i in items if i["model"] == one["model"]), None)
    if item is None:
        item = {"model": one["model"], "text": None, "row": None, "type": None, "lacks": False}
        items.append(item)
    if one["field"] == "circle":
        item["type"] = one["second"] or "no letter"
    elif one["second_row"] is None:
        item["lacks"] = True
    else:
        item["text"] = one["second"] or ""
        item["row"] = one["second_row"] if one["second_row"] != one["row_index"] else None
