"""One page's request."""

from pathlib import Path

import orjson
import pytest

from flowsheets import settings
from flowsheets.page.request import PROMPT, page_request, prompt, setting_refused
from flowsheets.page.schema import response_schema


def test_without_a_cache_the_prompt_is_in_the_request() -> None:
    body = page_request("aW1hZ2U=", settings.load())
    assert body["systemInstruction"]["parts"][0]["text"] == prompt()
    assert "cachedContent" not in body


def test_with_a_cache_the_request_names_it_and_leaves_the_prompt_out() -> None:
    body = page_request("aW1hZ2U=", settings.load(), "cachedContents/abc")
    assert body["cachedContent"] == "cachedContents/abc"
    assert "systemInstruction" not in body
    assert "cachedContent" not in body["generationConfig"]


def test_the_image_is_a_png_and_the_answer_json_of_the_pages_shape() -> None:
    body = page_request("aW1hZ2U=", settings.load())
    image = body["contents"][0]["parts"][0]["inlineData"]
    assert image == {"mimeType": "image/png", "data": "aW1hZ2U="}
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseSchema"] == response_schema()


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_the_media_resolution_is_asked_for_the_whole_request(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_MEDIA_RESOLUTION", level)
    config = page_request("", settings.load())["generationConfig"]
    assert config["mediaResolution"] == f"MEDIA_RESOLUTION_{level.upper()}"


def test_ultra_high_is_asked_for_the_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_MEDIA_RESOLUTION", "ultra_high")
    body = page_request("", settings.load())
    assert body["contents"][0]["parts"][0]["mediaResolution"] == {
        "level": "MEDIA_RESOLUTION_ULTRA_HIGH"
    }
    assert "mediaResolution" not in body["generationConfig"]


def test_every_request_has_a_ceiling_for_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_request("", settings.load())["generationConfig"]["maxOutputTokens"] == 32768
    monkeypatch.setenv("MAX_OUTPUT_TOKENS", "9000")
    assert page_request("", settings.load())["generationConfig"]["maxOutputTokens"] == 9000


def test_a_thinking_level_is_sent_as_given_and_none_where_it_is_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "thinkingConfig" not in page_request("", settings.load())["generationConfig"]
    monkeypatch.setenv("GEMINI_THINKING", "Low")
    config = page_request("", settings.load())["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingLevel": "low"}


@pytest.mark.parametrize(
    ("message", "setting"),
    [
        ("Thinking level is not supported for this model.", "GEMINI_THINKING"),
        ("Unknown name \"thinkingConfig\" at 'generation_config'", "GEMINI_THINKING"),
        ("it has a maxOutputTokens value of 32768 but the supported", "MAX_OUTPUT_TOKENS"),
        ("max_output_tokens must be positive", "MAX_OUTPUT_TOKENS"),
        ("mediaResolution is not supported", "GEMINI_MEDIA_RESOLUTION"),
    ],
)
def test_a_refusal_names_the_setting_that_it_is_about(message: str, setting: str) -> None:
    assert str(setting_refused(message)).startswith(f"{setting}: {message.rstrip('.')}")


def test_a_refusal_of_anything_else_names_no_setting() -> None:
    assert setting_refused("User location is not supported for the API use.") is None


def test_a_fragment_and_a_string_make_the_same_line() -> None:
    text = orjson.dumps(page_request("aW1hZ2U=", settings.load()))
    assert orjson.dumps(page_request(orjson.Fragment(b'"aW1hZ2U="'), settings.load())) == text


def test_the_prompt_names_every_field_and_every_note() -> None:
    for word in (*response_schema()["properties"], "continuation", "double_height", "crossed_out"):
        assert f"`{word}`" in prompt() or f'"{word}"' in prompt()
    assert Path(PROMPT).name == "prompt.md"
