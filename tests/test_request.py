"""One page's request."""

from pathlib import Path

import orjson
import pytest

from flowsheets.page.request import PROMPT, page_request, prompt
from flowsheets.page.schema import response_schema


def test_without_a_cache_the_prompt_is_in_the_request() -> None:
    body = page_request("aW1hZ2U=", "high")
    assert body["systemInstruction"]["parts"][0]["text"] == prompt()
    assert "cachedContent" not in body


def test_with_a_cache_the_request_names_it_and_leaves_the_prompt_out() -> None:
    body = page_request("aW1hZ2U=", "high", "cachedContents/abc")
    assert body["cachedContent"] == "cachedContents/abc"
    assert "systemInstruction" not in body
    assert "cachedContent" not in body["generationConfig"]


def test_the_image_is_a_png_and_the_answer_json_of_the_pages_shape() -> None:
    body = page_request("aW1hZ2U=", "high")
    image = body["contents"][0]["parts"][0]["inlineData"]
    assert image == {"mimeType": "image/png", "data": "aW1hZ2U="}
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseSchema"] == response_schema()


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_the_media_resolution_is_asked_for_the_whole_request(level: str) -> None:
    config = page_request("", level)["generationConfig"]
    assert config["mediaResolution"] == f"MEDIA_RESOLUTION_{level.upper()}"


def test_ultra_high_is_asked_for_the_image_alone() -> None:
    body = page_request("", "ultra_high")
    assert body["contents"][0]["parts"][0]["mediaResolution"] == {
        "level": "MEDIA_RESOLUTION_ULTRA_HIGH"
    }
    assert "mediaResolution" not in body["generationConfig"]


def test_a_fragment_and_a_string_make_the_same_line() -> None:
    text = orjson.dumps(page_request("aW1hZ2U=", "high"))
    assert orjson.dumps(page_request(orjson.Fragment(b'"aW1hZ2U="'), "high")) == text


def test_the_prompt_names_every_field_and_every_note() -> None:
    for word in (*response_schema()["properties"], "continuation", "double_height", "crossed_out"):
        assert f"`{word}`" in prompt() or f'"{word}"' in prompt()
    assert Path(PROMPT).name == "prompt.md"
