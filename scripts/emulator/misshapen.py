"""Answers that are not as a client hopes: the faults named answer_*."""

import copy
import json
from collections.abc import Iterator

from emulator.faults import Faults
from emulator.schema import Json
from emulator.usage import text_tokens

THOUGHT = "**Reading the sheet** The form has four hour-blocks; I go through them row by row."
HIDDEN_THINKING = 9000  # tokens
EMPTY_THINKING = 1416  # tokens (recorded)
OTHER_MODEL = "gemini-2.5-flash"
SIGNATURE = "El4KXAERTTIP"  # (recorded, shortened)


# What a model writes for null, and in other letters.
NULL_WORDS = ("null", "None", "N/A")
OTHER_LETTERS = {
    "high": "High",
    "top_left": "TOP_LEFT",
    "top_right": "top-right",
    "crossed_out": "Crossed Out",
}
# Stands for 5,000 digits, more than Python writes, until the page is text.
LONG_NUMBER = "a number of 5,000 digits"
HALF = "\ud83c"  # fits in no UTF-8, so it goes out as an escape


def page(page: Json, faults: Faults, row: int | None) -> Json:
    """The reader's page, with the deviations that faults ask for."""
    page = copy.deepcopy(page)
    if faults.hits("answer_three_blocks", row):
        page["quadrants"].pop()
    if faults.hits("answer_u2028", row):
        page["comments_raw"] = f"{page['comments_raw'] or ''}\u2028second line\u0085third line"
        for entry in entries(page):
            entry["raw_text"] += "\u2028\u0085"
    if faults.hits("answer_half_character", row):
        for entry in entries(page):
            entry["raw_text"] += f"{HALF}\0"
    if faults.hits("answer_row_1000", row):
        _first_block(page)["entries"] = [_an_entry(page) | {"row_index": 1000}]
    if faults.hits("answer_long_number", row):
        _first_block(page)["entries"] = [_an_entry(page) | {"row_index": LONG_NUMBER}]
    _null_and_letters(page, faults, row)
    return page


def _null_and_letters(page: Json, faults: Faults, row: int | None) -> None:
    if faults.hits("answer_null_words", row):
        for number, block in enumerate(page["quadrants"]):
            block["jock_raw"] = block["jock_raw"] or NULL_WORDS[number % len(NULL_WORDS)]
        page["page_date_raw"] = page["page_date_raw"] or NULL_WORDS[0]
    if faults.hits("answer_null_lists", row):
        for part in (page, *page["quadrants"], *entries(page)):
            part |= {name: None for name in ("entries", "oddities") if part.get(name) == []}
    if faults.hits("answer_other_letters", row):
        for block in page["quadrants"]:
            block["position"] = OTHER_LETTERS.get(block["position"], block["position"])
        for entry in entries(page):
            for name in ("confidence", "notes"):
                entry[name] = OTHER_LETTERS.get(entry[name], entry[name])


def entries(page: Json) -> Iterator[Json]:
    """Every row of every block."""
    for block in page["quadrants"]:
        yield from block["entries"] or []


def _first_block(page: Json) -> Json:
    block: Json = page["quadrants"][0]
    return block


def _an_entry(page: Json) -> Json:
    blank: Json = {"type_raw": None, "confidence": "low", "notes": None, "oddities": []}
    return next(entries(page), {"row_index": 0, "raw_text": "a row", **blank})


def text(text: str, faults: Faults, row: int | None) -> tuple[str, str]:
    """(the answer's text, its finishReason)."""
    text = text.replace(f'"{LONG_NUMBER}"', "7" * 5000).replace(HALF, "\\ud83c")
    if faults.hits("answer_not_json", row):
        text = f"Here is the transcription of the sheet: {text[: len(text) // 3]} ..."
    if faults.hits("answer_empty", row):
        return "", "STOP"
    if faults.hits("answer_max_tokens", row):
        return text[: len(text) // 2], "MAX_TOKENS"
    return _spoilt(text, faults, row), "STOP"


def _spoilt(text: str, faults: Faults, row: int | None) -> str:
    """The text in another envelope."""
    if faults.hits("answer_endless_list", row):
        return '{"page_date_raw": "\\ud83c\\udfb5", "quadrants": ' + "[" * 1000
    if faults.hits("answer_two_pages", row) and text.startswith("{"):
        text += json.dumps(json.loads(text) | {"comments_raw": "another page"})
    if faults.hits("answer_twice", row):
        text += text
    if faults.hits("answer_list_of_one", row):
        text = f"[{text}]"
    if faults.hits("answer_stray_end", row):
        text += '."\n}'
    if faults.hits("answer_fenced", row):
        text = f"Here is the transcription:\n```json\n{text}\n```"
    return f"\ufeff{text}" if faults.hits("answer_bom", row) else text


def parts(text: str, faults: Faults, row: int | None) -> list[Json]:
    """The text as parts of a candidate."""
    if not text:
        return []  # nothing was left of the tokens
    pieces = [text]
    if faults.hits("answer_in_parts", row):
        cuts = _cuts(text)
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    parts: list[Json] = [{"text": piece} for piece in pieces]
    if faults.hits("answer_null_part", row):
        parts.append({"text": None})
    if faults.hits("answer_with_thoughts", row):
        parts = [{"text": THOUGHT, "thought": True}, *parts, {"thoughtSignature": SIGNATURE}]
    return parts


def thinking(ceiling: int, faults: Faults, row: int | None) -> int:
    """Tokens that went into thinking, of `ceiling` at most."""
    if faults.hits("answer_thinks_to_the_ceiling", row):
        return ceiling
    if faults.hits("answer_thinking_in_total", row):
        return HIDDEN_THINKING
    if faults.hits("answer_empty", row):
        return min(ceiling, EMPTY_THINKING)
    return text_tokens(len(THOUGHT)) if faults.hits("answer_with_thoughts", row) else 0


def reported(response: Json, faults: Faults, row: int | None) -> Json:
    """The response with less, or something else, of what was billed in it."""
    if faults.hits("answer_thinking_in_total", row):
        response["usageMetadata"].pop("thoughtsTokenCount", None)
    if faults.hits("answer_no_total", row):
        response["usageMetadata"].pop("totalTokenCount", None)
    if faults.hits("answer_no_usage", row):
        del response["usageMetadata"]
    if faults.hits("answer_other_model", row):
        response["modelVersion"] = OTHER_MODEL
    return response


def response(response: Json, faults: Faults, row: int | None) -> Json:
    """The whole response, with or without its candidates."""
    finish = faults.word("answer_finish", row)
    if faults.hits("answer_recitation", row):
        finish = "RECITATION"
    if finish:
        response["candidates"] = [{"finishReason": finish, "index": 0}]
        _without_answer_tokens(response["usageMetadata"])
    if faults.hits("answer_blocked", row):
        del response["candidates"]
        response["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        _without_answer_tokens(response["usageMetadata"])
    if faults.hits("answer_new_field", row):
        response["orchestration"] = {"pass": 1}
        response["usageMetadata"]["verificationTokenCount"] = 12
        for candidate in response.get("candidates", []):
            candidate["certainty"] = 0.5
            for part in candidate.get("content", {}).get("parts", []):
                part["layer"] = "visible"
    return response


def _without_answer_tokens(usage: Json) -> None:
    usage.pop("candidatesTokenCount", None)
    usage["totalTokenCount"] = usage["promptTokenCount"] + usage.get("thoughtsTokenCount", 0)


def _cuts(text: str) -> list[int]:
    """Three places to cut at, in order: a third, two thirds, and between a backslash and what it
    escapes.
    """
    places = {len(text) // 3, 2 * len(text) // 3, text.find("\\") + 1}
    return sorted(place for place in places if 0 < place < len(text))
