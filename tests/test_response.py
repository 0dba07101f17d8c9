"""Responses of the API, from whole pages to the strangest ends."""

import copy
import json
import re
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowsheets.page import envelope, response, schema
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from pages import answer, reading

WHOLE = json.dumps(reading())


NAMES = [
    *("key", "response", "error", "status", "code", "message", "candidates", "content"),
    *("parts", "text", "thought", "finishReason", "promptFeedback", "blockReason"),
]
REFUSALS = [
    *("RECITATION", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "LANGUAGE", "MAX_TOKENS"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                [
                    "key",
                    "response",
                    "error",
                    "status",
                    "code",
                    "message",
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "finishReason",
                    "promptFeedback",
                    "blockReason",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def changed(**fields: Any) -> str:
    """The text of a page whose first entry has these fields."""
    page = reading()
    page["quadrants"][0]["entries"][0] |= fields
    return json.dumps(page)


def taken(*texts: str) -> PageReading:
    """The page of a response with these texts, which has to be one."""
    page = response.read(answer(*texts))
    assert isinstance(page, PageReading), page
    return page


def unread(result: PageReading | Unread) -> Unread:
    assert isinstance(result, Unread)
    return result


def test_a_whole_response_is_a_page() -> None:
    page = response.read(answer())
    assert isinstance(page, PageReading)
    assert page.quadrants[0].entries[0].raw_text == "Bongwater - Too Much Sleep"


@pytest.mark.parametrize("cut", [1, 57, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_text_in_several_parts_is_put_together(cut: int) -> None:
    assert isinstance(response.read(answer(WHOLE[:cut], WHOLE[cut:])), PageReading)


def test_thoughts_and_signatures_are_not_text() -> None:
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


def test_an_unknown_field_does_no_harm() -> None:
    assert isinstance(response.read(answer(newField={"a": 1})), PageReading)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (answer(WHOLE[:200], finish="MAX_TOKENS"), "cut off (MAX_TOKENS)"),
        (
            answer(WHOLE, finish="MAX_TOKENS", usageMetadata={"candidatesTokenCount": 9000}),
            "cut off after 9000 tokens",
        ),
        ({"candidates": [{"finishReason": "RECITATION", "index": 0}]}, "RECITATION"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "blocked: SAFETY"),
        ({"candidates": []}, "is empty"),
        (answer("  "), "no text"),
        (answer("I am sorry, but"), "not JSON"),
        (answer(WHOLE.replace("bottom_right", "centre")), "does not fit"),
        (answer('"\\ud83d"'), "not JSON"),
        ({"candidates": "none"}, "a form that the API does not document"),
        ({"candidates": [{"finishReason": "STOP", "content": ["x"]}]}, "does not document"),
        ({"candidates": [{"content": {"parts": [{"text": WHOLE}]}}]}, "none given"),
    ],
)
def test_any_other_response_is_a_reason_in_one_line(sent: dict[str, Any], said: str) -> None:
    reason = unread(response.read(sent)).reason
    assert said in reason
    assert "\n" not in reason
    assert unread(response.read(sent)).ran


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
        ({"key": "k", "response": None}, "is empty", True),
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


def test_a_code_of_http_is_known_by_its_name() -> None:
    error = {"code": 499, "status": "CANCELLED"}
    assert not unread(response.read_line({"key": "k", "error": error})).ran
    error = {"code": 403, "status": "PERMISSION_DENIED"}
    assert (
        unread(response.read_line({"key": "k", "error": error}, cached=True)).code == "cache_gone"
    )


def test_a_line_with_a_response_is_read_like_one_in_real_time() -> None:
    assert response.read_line({"key": "k", "response": answer()}) == response.read(answer())


# The envelope is forgiven, and named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (WHOLE + '."\n}', "text outside the page"),
        (WHOLE + "}}]", "text outside the page"),
        (f"```json\n{WHOLE}\n```", "a fence"),
        (f"Here is the page {{as asked}}:\n```\n{WHOLE}\n```\nDone.", "Here is the page"),
        ("\ufeff" + WHOLE, "a byte order mark"),
        (f"[{WHOLE}]", "a list around the page"),
        (f"[[{WHOLE}]]", "a list around the page"),
        (f"[{WHOLE}", "a list that is left open"),
        (WHOLE + WHOLE, "the page more than once"),
        (f"[{WHOLE}, {WHOLE}]", "the page more than once"),
        (f"{WHOLE}\n{json.dumps(reading(), indent=1)}", "the page more than once"),
        (json.dumps(WHOLE), "a JSON string around the page"),
        (WHOLE.replace('"H"', '"H\n"'), None),  # a line break that is not escaped
    ],
)
def test_a_whole_page_is_taken_whatever_is_around_it(text: str, named: str | None) -> None:
    page = taken(text)
    assert page.quadrants[0].entries[0].raw_text == "Bongwater - Too Much Sleep"
    assert named is None or named in " ".join(page.forgiven)


def test_a_part_with_null_for_its_text_beside_one_with_text_does_no_harm() -> None:
    for nothing in ({"text": None}, None):
        sent = answer()
        sent["candidates"][0]["content"]["parts"].append(nothing)
        page = response.read(sent)
        assert isinstance(page, PageReading)
        assert page.forgiven == ("a part with null for its text",)


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"confidence": "High"}, "confidence", "high"),
        ({"notes": "CROSSED OUT"}, "notes", "crossed_out"),
        ({"notes": "None"}, "notes", None),
        ({"notes": ""}, "notes", None),
        ({"type_raw": "n/a"}, "type_raw", None),
        ({"oddities": None}, "oddities", []),
        ({"oddities": [None, "none", "A star."]}, "oddities", ["A star."]),
        ({"row_index": 3.0}, "row_index", 3),
        ({"row_index": "3"}, "row_index", 3),
    ],
)
def test_small_deviations_of_an_entry_are_put_right_and_named(
    fields: dict[str, Any], field: str, value: Any
) -> None:
    page = taken(changed(**fields))
    assert getattr(page.quadrants[0].entries[0], field) == value
    assert len(page.forgiven) in (1, 2)


@pytest.mark.parametrize("position", ["TOP_LEFT", "top-left", "Top Left", "topLeft"])
def test_a_position_in_other_letters_is_known(position: str) -> None:
    page = taken(WHOLE.replace("top_left", position))
    assert [block.position for block in page.quadrants] == list(schema.POSITIONS)
    assert page.forgiven == (f'"{position}" for top_left',)


def test_a_jock_called_null_is_nobody() -> None:
    sent = reading()
    for block, word in zip(sent["quadrants"], ("null", "None", "N/A", "Nona"), strict=True):
        block["jock_raw"] = word
    sent["comments_raw"] = "NULL"
    page = taken(json.dumps(sent))
    assert [block.jock_raw for block in page.quadrants] == [None, None, None, "Nona"]
    assert page.comments_raw is None
    assert '"N/A" for null in jock_raw' in page.forgiven


def test_a_song_called_null_stays_a_song() -> None:
    assert taken(changed(raw_text="None")).quadrants[0].entries[0].raw_text == "None"


def test_a_blank_page_with_null_for_every_list_is_a_page() -> None:
    sent = reading()
    sent["oddities"] = sent["page_date_raw"] = None
    for block in sent["quadrants"]:
        block["entries"] = block["oddities"] = None
    page = taken(json.dumps(sent))
    assert [block.entries for block in page.quadrants] == [[], [], [], []]
    assert page.forgiven == ("null for an empty list (9 times)",)


def test_characters_that_no_file_holds_are_replaced_and_named() -> None:
    page = taken(changed(raw_text="a\0b \ud83c c"))
    assert page.quadrants[0].entries[0].raw_text == "a\ufffdb \ufffd c"
    assert page.forgiven == ("a character that no file can hold",)


def test_a_field_that_a_page_does_not_have_is_named() -> None:
    page = taken(WHOLE.replace('"jock_raw"', '"dj": "Max", "jock_raw"', 1))
    assert page.forgiven == ("a field that a page does not have: dj",)


def test_of_many_deviations_the_first_kinds_are_named_and_the_others_counted() -> None:
    page = taken(WHOLE.replace("{", "{" + "".join(f'"f{n}": 1, ' for n in range(30)), 1))
    assert len(page.forgiven) == 11
    assert page.forgiven[-1] == "and 20 more"


def test_what_was_forgiven_is_not_on_disk() -> None:
    page, plain = taken(f"[{WHOLE}]"), taken(WHOLE)
    assert page.forgiven
    assert plain.forgiven == ()
    assert page.model_dump() == plain.model_dump()
    assert b"forgiven" not in schema.result(page, "m").to_json()


# The page is not forgiven

OTHER = json.dumps(reading("Sonic Youth - Teen Age Riot"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (WHOLE + OTHER, "two_pages"),
        (f"```\n{WHOLE}\n```\nCorrected:\n```\n{OTHER}\n```", "two_pages"),
        (f"[{WHOLE}, {OTHER}]", "two_pages"),
        (f"{WHOLE}\n[{OTHER}]", "two_pages"),
        (WHOLE + OTHER[:300], "two_pages"),
        (WHOLE + '{"note": "done"}', "two_pages"),
        ('{"note": "begun"}' + WHOLE, "two_pages"),
        (WHOLE * 20, "two_pages"),
        ('[{"a": 1}' * 100_000, "two_pages"),
        (WHOLE.replace('"high"', '"\\ud83c"'), "wrong_shape"),
        (WHOLE[:300] + WHOLE, "not_json"),
        (WHOLE[:-30], "not_json"),
        (WHOLE.replace('"H"', "NaN"), "not_json"),
        (WHOLE.replace('"row_index": 0', '"row_index": ' + "9" * 5000), "not_json"),
        (WHOLE[:-1] + ', "comments_raw": "another"}', "not_json"),
        ("{}", "wrong_shape"),
        ("[]", "not_json"),
        ("null", "not_json"),
        (changed(row_index=1000), "wrong_shape"),
        (changed(row_index=10**17), "wrong_shape"),
        (changed(row_index=True), "wrong_shape"),
        (changed(row_index=0.5), "wrong_shape"),
        (changed(raw_text=None), "wrong_shape"),
        (changed(confidence="sure"), "wrong_shape"),
        (changed(notes="smudged"), "wrong_shape"),
        (WHOLE.replace('"bottom_left"', '"TOP-LEFT"'), "wrong_shape"),
        ('{"page_date_raw": "\\ud83c\\udfb5", "quadrants": ' + "[" * 1000, "too_deep"),
        ("[" * 1_000_000, "not_json"),
        ('{"a":' * 100_000, "too_deep"),
        ("x" * 2_000_000, "too_long"),
        (WHOLE + " " * 2_000_000, "too_long"),
    ],
)
def test_what_is_not_one_whole_page_is_a_failure_with_a_code(text: str, code: str) -> None:
    assert unread(response.read(answer(text))).code == code


def test_two_candidates_with_two_pages_are_none() -> None:
    sent = answer()
    sent["candidates"] += answer(OTHER)["candidates"]
    assert unread(response.read(sent)).code == "two_pages"


def test_the_last_row_that_is_read_is_the_last_that_the_index_takes() -> None:
    from flowsheets.index import from_results
    from flowsheets.page import shapes

    page = taken(changed(row_index=schema.LAST_ROW))
    kept = shapes.read(schema.result(page, "m").to_json())
    rows = from_results.of("a/page-01", None, kept)
    assert rows.entries[0]["row_index"] == schema.LAST_ROW


# Refusals have codes of their own


@pytest.mark.parametrize(
    "finish",
    [
        "RECITATION",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "LANGUAGE",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MAX_TOKENS",
    ],
)
def test_a_refusal_has_its_code_and_waits_for_a_person(finish: str) -> None:
    for sent in ({"candidates": [{"finishReason": finish}]}, answer(WHOLE, finish=finish)):
        outcome = unread(response.read(sent))
        assert outcome.code == finish.lower()
        assert outcome.code in response.FOR_A_PERSON
        assert str(outcome).startswith(f"{finish.lower()}: ")


def test_a_blocked_prompt_waits_for_a_person() -> None:
    for reason in ("SAFETY", "OTHER", "PROHIBITED_CONTENT"):
        outcome = unread(response.read({"promptFeedback": {"blockReason": reason}}))
        assert outcome.code == "prompt_blocked"
        assert reason in outcome.reason
    assert "prompt_blocked" in response.FOR_A_PERSON


def test_a_finish_reason_that_is_new_is_a_code_of_one_word() -> None:
    outcome = unread(response.read(answer(WHOLE, finish="Some New: Reason")))
    assert outcome.code == "some_new_reason"
    assert outcome.code not in response.FOR_A_PERSON


# Errors keep their words


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ({"error": "The image is too dark."}, "row_error", "The image is too dark."),
        ({"status": "deadline exceeded"}, "row_error", "deadline exceeded"),
        ({"status": "DEADLINE_EXCEEDED: Too late."}, "row_error_4", "Too late."),
        ({"status": '{"error": {"code": 429, "message": "Full."}}'}, "row_error_429", "Full."),
        ({"status": '504 Late: {"error": {"code": 504}}'}, "row_error_504", "no message"),
        ({"status": 'a: b: {"code": 13, "message": "Bad."}'}, "row_error_13", "Bad."),
        ({"status": 'Bad Request: {"error": {"code": 400, "mes'}, "row_error", "Bad Request"),
        ({"status": "UNAVAILABLE"}, "row_error_14", "UNAVAILABLE"),
        ({"status": 13}, "row_error_13", "13 INTERNAL"),
        ({"error": {"code": "8", "message": "Quota."}}, "row_error_8", "Quota."),
        ({"error": {"message": "Overloaded."}}, "row_error", "Overloaded."),
        ({"error": {"status": "INTERNAL", "message": "m"}}, "row_error_13", "13 INTERNAL: m"),
        ({"response": {"error": {"code": 13, "message": "Bad."}}}, "row_error_13", "Bad."),
        ({"response": {"error": "no such model"}}, "row_error", "no such model"),
        ({"response": {}, "error": {"code": 4}}, "row_error_4", "DEADLINE_EXCEEDED"),
        ({"error": ["odd", "list"]}, "row_error", "odd"),
        ({"error": {}}, "unknown_form", "neither"),
        ({"error": {"code": 10**5000}}, "row_error", "no message"),
    ],
)
def test_an_error_of_any_form_keeps_its_words(line: dict[str, Any], code: str, said: str) -> None:
    outcome = unread(response.read_line({"key": "k", **line}))
    assert outcome.code == code
    assert said in outcome.reason
    assert outcome.ran


def test_an_error_in_the_body_of_a_real_time_call_keeps_its_words() -> None:
    outcome = unread(response.read({"error": {"code": 503, "status": "UNAVAILABLE"}}))
    assert outcome.code == "error_503"
    assert "503 UNAVAILABLE" in outcome.reason


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    message = "Quota exceeded. " + "x" * 5000 + " quota: FileStorageBytes"
    reason = unread(response.read_line({"error": {"code": 8, "message": message}})).reason
    assert reason.startswith("the API answered 8 RESOURCE_EXHAUSTED: Quota exceeded.")
    assert reason.endswith("quota: FileStorageBytes")
    assert len(reason) <= 500


# Nothing that one response holds stops a command


def fit_to_be_stored(outcome: PageReading | Unread) -> None:
    """What jobs.db and a result file need."""
    if isinstance(outcome, PageReading):
        schema.result(outcome, "m").to_json()
        assert all(text.isprintable() for text in outcome.forgiven)
    else:
        str(outcome).encode()
        assert re.fullmatch("[a-z0-9_]+", outcome.code)
        assert "\n" not in str(outcome)
        assert len(outcome.reason) <= 500


@given(JSON)
def test_any_json_for_a_response_or_a_line_is_an_outcome(value: Any) -> None:
    fit_to_be_stored(response.read(value))
    fit_to_be_stored(response.read_line(value))
    fit_to_be_stored(response.read_line({"key": "k", "response": value}))
    fit_to_be_stored(response.read_line({"key": "k", "error": value}))
    fit_to_be_stored(response.read_line({"key": "k", "status": value}))
    fit_to_be_stored(response.read(answer(json.dumps(value))))


@given(st.text() | st.text(alphabet='{}[]":,\\ud8null 0e-'))
def test_any_text_in_a_response_is_an_outcome(text: str) -> None:
    fit_to_be_stored(response.read(answer(text)))
    fit_to_be_stored(response.read(answer(WHOLE + text)))
    fit_to_be_stored(response.read(answer(text + WHOLE)))


@given(st.sampled_from(["page", "block", "entry"]), st.data())
def test_any_value_in_any_field_of_a_page_is_an_outcome(level: str, data: st.DataObject) -> None:
    page = copy.deepcopy(reading())
    block = page["quadrants"][0]
    part = {"page": page, "block": block, "entry": block["entries"][0]}[level]
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON)
    fit_to_be_stored(response.read(answer(json.dumps(page))))


class Panic(BaseException):
    """As a library written in Rust raises it."""


@pytest.mark.parametrize("raised", [Panic, MemoryError, RecursionError, GeneratorExit, OSError])
def test_whatever_reading_raises_is_that_pages_failure(raised: type[BaseException]) -> None:
    with patch.object(envelope, "objects", side_effect=raised):
        fit_to_be_stored(unread(response.read(answer())))
        fit_to_be_stored(unread(response.read_line({"response": answer()})))


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_a_person_who_stops_the_command_is_heard(raised: type[BaseException]) -> None:
    with patch.object(envelope, "objects", side_effect=raised), pytest.raises(raised):
        response.read(answer())


@pytest.mark.parametrize("raw", [b'{"a": "\\ud83c"}', orjson.dumps({"a": 1})])
def test_a_body_that_holds_half_a_character_is_json(raw: bytes) -> None:
    assert list(response.parse(raw)) == ["a"]


@pytest.mark.parametrize("raw", [b"<html>", b"[" * 100_000, b"\xff\xfe", b"", b"9" * 5000 + b"x"])
def test_a_body_that_is_not_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        response.parse(raw)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"raw_text": "None"},
        {"raw_text": "Second to None"},
        {"raw_text": "x :null, y"},
        {"raw_text": "x\x00y"},
        {"raw_text": "\x1f"},
        {"raw_text": "\\u0000"},
        {"raw_text": "\ud83d\ude00"},
        {"type_raw": "null"},
        {"type_raw": " NULL\n"},
        {"type_raw": "\u00a0none\u2003"},
        {"type_raw": "N/A"},
        {"type_raw": None},
        {"notes": ""},
        {"notes": "None"},
        {"confidence": "High"},
        {"row_index": 3.0},
        {"row_index": "3"},
        {"row_index": 1000},
        {"row_index": True},
        {"oddities": None},
        {"oddities": ["null", None, "torn"]},
        {"a field": 1},
    ],
)
def test_a_page_is_read_alike_with_and_without_the_look_at_each_text(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = reading()
    page["quadrants"][0]["entries"][0] |= change
    quick = response.read(answer(json.dumps(page)))
    monkeypatch.setattr(response, "_as_it_is", lambda found: None)
    slow = response.read(answer(json.dumps(page)))
    assert quick == slow
    if isinstance(quick, PageReading) and isinstance(slow, PageReading):
        assert quick.forgiven == slow.forgiven
