"""The page's shape: what is on disk stays as it is, what the model gives is checked."""

import json
from typing import Any

import pytest
from google import genai
from google.genai import types
from pydantic import ValidationError

from flowsheets.page import schema
from pages import reading


def on_disk(**changes: Any) -> bytes:
    """A result as existing files have it, byte for byte."""
    content = {
        **reading("Böhse Töchter - “Ü”\u2028"),
        "model_version": "gemini-3.1-pro-preview",
        "extracted_at": "2026-05-06T04:12:08.549309Z",
        "verified_by": None,
        **changes,
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "content",
    [
        on_disk(),
        on_disk(
            verified_by={"reviewer_id": "reviewer-1", "at": "2026-05-07", "changes": [1, None]}
        ),
        on_disk(extracted_at="2026-05-06T04:12:08Z", comments_raw="one\ntwo"),
    ],
)
def test_an_existing_result_written_again_is_the_same_bytes(content: bytes) -> None:
    assert schema.PageResult.model_validate_json(content).to_json() == content


def test_a_result_older_than_verified_by_stays_without_it() -> None:
    content = json.loads(on_disk())
    del content["verified_by"]
    old = json.dumps(content, indent=2, ensure_ascii=False).encode()
    assert schema.PageResult.model_validate_json(old).to_json() == old


def test_a_new_result_has_the_keys_in_order_and_our_three_last() -> None:
    read = schema.PageReading.model_validate(reading())
    content = json.loads(schema.result(read, "gemini-x").to_json())
    assert list(content) == [
        "page_date_raw",
        "quadrants",
        "comments_raw",
        "oddities",
        "model_version",
        "extracted_at",
        "verified_by",
    ]
    assert content["model_version"] == "gemini-x"
    assert content["extracted_at"].endswith("Z")
    assert content["verified_by"] is None


def test_blocks_in_another_order_are_put_right() -> None:
    shuffled = reading()
    shuffled["quadrants"].reverse()
    read = schema.PageReading.model_validate(shuffled)
    assert [block.position for block in read.quadrants] == list(schema.POSITIONS)
    assert read.quadrants[0].entries[0].raw_text == "Bongwater - Too Much Sleep"


def test_three_blocks_or_one_twice_are_no_page() -> None:
    three, twice = reading(), reading()
    del three["quadrants"][3]
    twice["quadrants"][3]["position"] = "top_left"
    for wrong in (three, twice):
        with pytest.raises(ValidationError):
            schema.PageReading.model_validate(wrong)


def test_an_unknown_note_or_confidence_is_no_page() -> None:
    for field, value in (("notes", "smudged"), ("confidence", "sure"), ("row_index", -1)):
        wrong = reading()
        wrong["quadrants"][0]["entries"][0][field] = value
        with pytest.raises(ValidationError):
            schema.PageReading.model_validate(wrong)


def test_what_a_model_leaves_out_is_null_or_empty_on_disk() -> None:
    short = {"quadrants": [{"position": position} for position in schema.POSITIONS]}
    content = json.loads(schema.result(schema.PageReading.model_validate(short), "m").to_json())
    assert content["comments_raw"] is None
    assert content["quadrants"][2] == {
        "position": "bottom_left",
        "hour_raw": None,
        "jock_raw": None,
        "entries": [],
        "oddities": [],
    }


def test_the_response_schema_says_what_the_sdk_makes_of_the_class() -> None:
    import httpx2

    sent: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return httpx2.Response(200, json={"candidates": []})

    options = types.HttpOptions(client_args={"transport": httpx2.MockTransport(answer)})
    client = genai.Client(api_key="none", vertexai=False, http_options=options)
    client.models.generate_content(
        model="m",
        contents="x",
        config=types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=schema.PageReading
        ),
    )
    theirs = types.Schema.model_validate(sent[0]["generationConfig"]["responseSchema"])
    ours = types.Schema.model_validate(schema.response_schema())
    assert sorted(ours.required or []) == ["comments_raw", "oddities", "page_date_raw", "quadrants"]
    assert _essence(ours.model_dump()) == _essence(theirs.model_dump())


def _essence(schema: Any) -> Any:
    """Without titles, the classes' docstrings and defaults, and without `required`.

    The SDK leaves fields with a default out of `required`; ours names every field.
    """
    if isinstance(schema, dict):
        dropped = ("title", "description", "default", "required")
        return {k: _essence(v) for k, v in schema.items() if k not in dropped and v is not None}
    return [_essence(item) for item in schema] if isinstance(schema, list) else schema


def test_our_three_fields_are_not_asked_of_the_model() -> None:
    properties = schema.response_schema()["properties"]
    assert {"model_version", "extracted_at", "verified_by"}.isdisjoint(properties)
