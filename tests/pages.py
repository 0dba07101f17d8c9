"""Pages as a model would answer them, for tests."""

import json
from typing import Any

POSITIONS = ("top_left", "top_right", "bottom_left", "bottom_right")


def reading(text: str = "Bongwater - Too Much Sleep") -> dict[str, Any]:
    """A page with one row."""
    entry = {
        "row_index": 0,
        "raw_text": text,
        "type_raw": "H",
        "confidence": "high",
        "notes": None,
        "oddities": [],
    }
    return {
        "page_date_raw": "Sun 4/1/90",
        "quadrants": [
            {
                "position": position,
                "hour_raw": None,
                "jock_raw": None,
                "entries": [entry] if position == "top_left" else [],
                "oddities": [],
            }
            for position in POSITIONS
        ],
        "comments_raw": None,
        "oddities": [],
    }


def answer(*texts: str, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    """A GenerateContentResponse whose text comes in these parts; without any, a whole page."""
    parts = [{"text": text} for text in texts or (json.dumps(reading()),)]
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}
    return {"candidates": [candidate], "modelVersion": "gemini-x", **more}
