"""One page now, through the door that the settings name."""

from __future__ import annotations

from typing import Any

from flowsheets.gemini import door
from flowsheets.gemini.client import ApiProblem as ApiProblem  # what it raises


def generate(model: str, request: dict[str, Any]) -> bytes:
    """The API's response to `request`, verbatim; see `real_time`."""
    return door.now().generate(model, request)
