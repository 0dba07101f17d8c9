"""Real time: one page now, the same through either door."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from flowsheets.gemini.reply import raw_reply

if TYPE_CHECKING:
    from google import genai

RESPONSE_SECONDS = 900  # a page with much thinking has been seen to take minutes
FLEX_SECONDS = 1200  # flex may hold a call for 15 minutes before it begins
# What the response to a page has at least one of, be it empty, blocked or cut.
RESPONSE_FIELDS = ("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId")


def generate(sdk: genai.Client, model: str, request: dict[str, Any]) -> bytes:
    """One page now: the API's response to `request`, verbatim.

    Retried by the SDK where the API says that it did nothing: 429, 500, 503, no connection. A
    time-out or a cut connection is not retried: the page may have been read, and billed. What comes
    is returned where it has the shape of a response, paid for as it is, even if nothing can read
    it; anything else (a log-in page with status 200, say) raises `ApiProblem`, and was not billed.
    """
    from google.genai import types

    body = copy.deepcopy(request)  # the SDK merges into what it is given
    seconds = FLEX_SECONDS if request.get("serviceTier") == "flex" else RESPONSE_SECONDS
    config = types.GenerateContentConfig(
        should_return_http_response=True,
        http_options=types.HttpOptions(
            extra_body=body,
            timeout=seconds * 1000,
            retry_options=types.HttpRetryOptions(http_status_codes=[429, 500, 503]),
        ),
    )
    return raw_reply(
        lambda: sdk.models.generate_content(
            model=model, contents=request["contents"], config=config
        ),
        _is_a_response,
    )


def _is_a_response(body: bytes) -> bool:
    try:
        response = json.loads(body)
    except (ValueError, RecursionError):  # cut, or spoilt: its names are still in it
        return any(f'"{name}"'.encode() in body for name in RESPONSE_FIELDS)
    return isinstance(response, dict) and not response.keys().isdisjoint(RESPONSE_FIELDS)
