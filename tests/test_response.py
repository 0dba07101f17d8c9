"""Answers of the API, from whole pages to the strangest ends."""

import json
from typing import Any

import pytest

from flowsheets.page import response
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from pages import answer, reading

WHOLE = json.dumps(reading())


def unread(result: PageReading | Unread) -> Unread:
    assert isinstance(result, Unread)
    return result


def test_a_whole_answer_is_a_page() -> None:
    page = response.read(answer())
    assert isinstance(page, PageReading)
    assert page.quadrants[0].entries[0].raw_text == "Bongwater - Too Much Sleep"


@pytest.mark.parametrize("cut", [1, 57, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_text_in_several_parts_is_put_together(cut: int) -> None:
    assert isinstance(response.read(answer(WHOLE[:cut], WHOLE[cut:])), PageReading)


def test_thoughts_and_signatures_are_no_text() -> None:
    thinking = answer()
    parts = thinking["candidates"][0]["content"]["parts"]
    parts.insert(0, {"text": "{ let me think", "thought": True})
    parts.append({"thoughtSignature": "El4KXAERTTIP"})
    assert isinstance(response.read(thinking), PageReading)


def test_half_a_character_keeps_no_page_from_being_written() -> None:
    text = json.dumps(reading("HALF \ud83c WHOLE \U0001f3b5")).replace("HALF", "\\\\ud83c")
    page = response.read(answer(text))
    assert isinstance(page, PageReading)
    assert page.quadrants[0].entries[0].raw_text == "\\ud83c \ufffd WHOLE \U0001f3b5"
    page.model_dump_json()


def test_a_field_nobody_knows_does_no_harm() -> None:
    assert isinstance(response.read(answer(newField={"a": 1})), PageReading)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(WHOLE[:200], finish="MAX_TOKENS"), "cut off (MAX_TOKENS)"),
        (
            answer(WHOLE, finish="MAX_TOKENS", usageMetadata={"candidatesTokenCount": 9000}),
            "cut off after 9000 tokens",
        ),
        ({"candidates": [{"finishReason": "RECITATION", "index": 0}]}, "RECITATION"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "blocked: SAFETY"),
        ({"candidates": []}, "an empty answer"),
        (answer("  "), "no text"),
        (answer("I am sorry, but"), "no JSON"),
        (answer(WHOLE.replace("bottom_right", "centre")), "does not fit"),
        (answer('"\\ud83d"'), "does not fit"),
        ({"candidates": "none"}, "a form that the API does not document"),
        ({"candidates": [{"finishReason": "STOP", "content": ["x"]}]}, "does not document"),
        ({"candidates": [{"content": {"parts": [{"text": WHOLE}]}}]}, "none given"),
    ],
)
def test_any_other_answer_is_a_reason_in_one_line(given: dict[str, Any], said: str) -> None:
    reason = unread(response.read(given)).reason
    assert said in reason
    assert "\n" not in reason
    assert unread(response.read(given)).ran


def test_three_blocks_are_named() -> None:
    three = reading()
    del three["quadrants"][3]
    assert "quadrants" in unread(response.read(answer(json.dumps(three)))).reason


@pytest.mark.parametrize(
    ("line", "said", "ran"),
    [
        ({"key": "k", "error": {"code": 13}}, "13 INTERNAL: no message", True),
        (
            {"key": "k", "error": {"code": 3, "message": "Bad\nimage."}},
            "INVALID_ARGUMENT: Bad image.",
            True,
        ),
        ({"key": "k", "status": {"code": 8}}, "8 RESOURCE_EXHAUSTED", True),
        ({"metadata": {"key": "k"}, "error": {"code": 1}}, "cancelled before", False),
        ({"key": "k", "error": {"code": 7}}, "7 PERMISSION_DENIED", True),
        ({"key": "k"}, "neither a response nor an error", True),
        ({"key": "k", "response": None}, "an empty answer", True),
        ({"key": "k", "response": "text"}, "does not document", True),
    ],
)
def test_a_line_without_a_page_says_what_happened(
    line: dict[str, Any], said: str, ran: bool
) -> None:
    outcome = unread(response.read_line(line))
    assert said in outcome.reason
    assert outcome.ran is ran


def test_code_7_on_a_request_with_a_cache_is_a_dead_cache() -> None:
    outcome = unread(response.read_line({"key": "k", "error": {"code": 7}}, cached=True))
    assert "cache was gone" in outcome.reason
    assert not outcome.ran


def test_a_line_with_a_response_is_read_like_an_answer_in_real_time() -> None:
    assert response.read_line({"key": "k", "response": answer()}) == response.read(answer())
