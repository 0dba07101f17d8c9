"""Which prompt read a page, and what the prompt of today asks for that an older one did not.

A prompt is known by a digest of its text and of the full form of the schema. What each asks for is
written in prompts.jsonl, a line a prompt: a prompt that is changed gets a line of its own.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import orjson

KNOWN = Path(__file__).with_name("prompts.jsonl")
DIGITS = 12  # hex, of a SHA-256


def digest(value: Any) -> str:
    """A short digest of a JSON value, whatever the order of its names."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:DIGITS]


def of_request(body: Any) -> str | None:
    """The prompt of a request that was sent; None where a cache has it, or it cannot be told."""
    try:
        text = body["systemInstruction"]["parts"][0]["text"]
        return digest([text, body["generationConfig"]["responseSchema"]])
    except (KeyError, IndexError, TypeError):
        return None


@cache
def today() -> str:
    """The prompt of today."""
    from flowsheets.page import request, schema

    return digest([request.prompt(), schema.response_schema()])


def not_asked_for(prompt: str | None) -> list[str]:
    """What the prompt of today asks for and that one did not; [] where it is not known."""
    known = _asks()
    if prompt not in known:
        return []
    return [thing for thing in known.get(today(), ()) if thing not in known[prompt]]


@cache
def _asks() -> dict[str, list[str]]:
    """Digest -> what the prompt asks for."""
    lines = [json.loads(line) for line in KNOWN.read_text(encoding="utf-8").splitlines()]
    return {line["prompt"]: line["asks"] for line in lines}
