"""What the page view has to correct a page with: its rows, and beside each what others read."""

from typing import Any

import orjson
from markupsafe import Markup

from browser.front import Row
from flowsheets.index.saves import Opened
from flowsheets.page import corrections


def as_shown(opened: Opened) -> Row:
    """A page as the browser has it: each row with what the model read, and what it read later."""
    read = corrections.pairs(opened.model, opened.page)
    later = corrections.pairs(opened.newer, opened.page) if opened.newer else {}
    page = opened.page.model_dump(mode="json")
    for quadrant in page["quadrants"]:
        beside = read[quadrant["position"]]
        after = later.get(quadrant["position"], [])
        for number, entry in enumerate(quadrant["entries"]):
            entry["read"] = _row(beside[number].model)
            entry["later"] = _row(after[number].model) if after else None
    kept = ("page_date_raw", "quadrants", "comments_raw", "oddities")
    return {
        "page": {name: page[name] for name in kept},
        "version": opened.version,
        "status": opened.status,
        "checked": opened.checked,
        "by": opened.by,
        "at": opened.at,
        "newer": opened.newer is not None,
        "problem": opened.problem,
    }


def second_in_words(of_row: dict[str, list[Row]]) -> dict[str, list[str]]:
    """What second readers have on a row, by the row's name inside its page's address."""
    return {anchor: [_differs(one) for one in readers] for anchor, readers in of_row.items()}


def elsewhere_in_words(second: Row) -> dict[str, list[str]]:
    """What second readers have on a block, by its position, and on the date and the page."""
    found = {"date": [_field(one) for one in second["of_page"]]}
    for position, ones in second["of_block"].items():
        found[position] = [_field(one) for one in ones]
    return found


def _field(one: Row) -> str:
    if one["field"] == "rows":
        return f"{one['model']} alone reads row {one['second_row']}: “{one['second']}”"
    name = {"dj": "DJ", "circle": "page"}.get(one["field"], one["field"])
    return f"{one['model']} reads the {name} as “{one['second'] or 'blank'}”"


def _differs(one: Row) -> str:
    if one["lacks"]:
        return f"{one['model']} has no such row"
    said = [
        f"“{one['text']}”" if one["text"] is not None else "",
        f"on row {one['row']}" if one["row"] is not None else "",
        f"type {one['type']}" if one["type"] else "",
    ]
    return f"{one['model']} has {', '.join(filter(None, said))}"


def in_html(data: Any) -> Markup:
    """Data as JSON inside a page: no text of it ends the element that it is in."""
    text = orjson.dumps(data, default=list).decode()
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _row(entry: Any) -> Row | None:
    if entry is None:
        return None
    return {name: getattr(entry, name) for name in (*corrections.OF_ROW, "confidence")}
