"""Answers that are not as a client hopes: the faults named answer_*."""

import copy

from emulator.faults import Faults
from emulator.schema import Json
from emulator.usage import text_tokens

THOUGHT = "**Reading the sheet** The form has four hour-blocks; I go through them row by row."
HIDDEN_THINKING = 9000  # tokens
OTHER_MODEL = "gemini-2.5-flash"
SIGNATURE = "El4KXAERTTIP"  # (recorded, shortened)


def page(page: Json, faults: Faults, row: int | None) -> Json:
    """The reader's page, with a block missing or line separators in its texts where a fault asks
    for it.
    """
    page = copy.deepcopy(page)
    if faults.hits("answer_three_blocks", row):
        page["quadrants"].pop()
    if faults.hits("answer_u2028", row):
        page["comments_raw"] = f"{page['comments_raw'] or ''}\u2028second line\u0085third line"
        for quadrant in page["quadrants"]:
            for entry in quadrant["entries"]:
                entry["raw_text"] += "\u2028\u0085"
    return page


def text(text: str, faults: Faults, row: int | None) -> tuple[str, str]:
    """(the answer's text, its finishReason)."""
    if faults.hits("answer_not_json", row):
        text = f"Here is the transcription of the sheet: {text[: len(text) // 3]} ..."
    if faults.hits("answer_max_tokens", row):
        return text[: len(text) // 2], "MAX_TOKENS"
    return text, "STOP"


def parts(text: str, faults: Faults, row: int | None) -> list[Json]:
    """The text as parts of a candidate."""
    if not text:
        return []  # nothing was left of the tokens
    pieces = [text]
    if faults.hits("answer_in_parts", row):
        cuts = _cuts(text)
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    parts: list[Json] = [{"text": piece} for piece in pieces]
    if faults.hits("answer_with_thoughts", row):
        parts = [{"text": THOUGHT, "thought": True}, *parts, {"thoughtSignature": SIGNATURE}]
    return parts


def thinking(ceiling: int, faults: Faults, row: int | None) -> int:
    """Tokens that went into thinking, of `ceiling` at most."""
    if faults.hits("answer_thinks_to_the_ceiling", row):
        return ceiling
    if faults.hits("answer_thinking_in_total", row):
        return HIDDEN_THINKING
    return text_tokens(len(THOUGHT)) if faults.hits("answer_with_thoughts", row) else 0


def reported(response: Json, faults: Faults, row: int | None) -> Json:
    """The response with less, or something else, of what was billed in it."""
    if faults.hits("answer_thinking_in_total", row):
        response["usageMetadata"].pop("thoughtsTokenCount", None)
    if faults.hits("answer_no_usage", row):
        del response["usageMetadata"]
    if faults.hits("answer_other_model", row):
        response["modelVersion"] = OTHER_MODEL
    return response


def response(response: Json, faults: Faults, row: int | None) -> Json:
    """The whole response, with or without its candidates."""
    if faults.hits("answer_recitation", row):
        response["candidates"] = [{"finishReason": "RECITATION", "index": 0}]
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
