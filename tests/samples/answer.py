"""What a perfect reader would answer for a sheet: the part of a result that a model fills."""

import json
from typing import Any

from samples.contents import Block, Page, Row
from samples.form import BLOCKS


def page_truth(page: Page) -> str:
    """The JSON of one page, keys in the order in which results have them."""
    blocks = {block.position: block for block in page.blocks}
    result = {
        "page_date_raw": page.date,
        "quadrants": [_quadrant(blocks.get(name, Block(name))) for name in BLOCKS],
        "comments_raw": "\n".join(page.comments) or None,
        "oddities": [mark.says for mark in page.marks if mark.says],
    }
    return json.dumps(result, indent=2) + "\n"


def _quadrant(block: Block) -> dict[str, Any]:
    return {
        "position": block.position,
        "hour_raw": block.hour,
        "jock_raw": block.jock,
        "entries": [_entry(row) for row in block.rows],
        "oddities": [mark.says for mark in block.marks if mark.says],
    }


def _entry(row: Row) -> dict[str, Any]:
    return {
        "row_index": row.at,
        "raw_text": row.verbatim,
        "type_raw": row.type or None,
        "confidence": "high",  # the truth is sure of itself
        "notes": row.notes,
        "oddities": row.seen,
    }
