"""One page's request: prompt and image, as the REST API takes it, the same for both ways."""

from functools import cache
from pathlib import Path
from typing import Any

from flowsheets.page import schema

PROMPT = Path(__file__).with_name("prompt.md")

# Beside the image and apart from the prompt, so that a cached prompt is one whole.
TASK = "Transcribe this flowsheet page."


def page_request(
    image_base64: Any,
    media_resolution: str,
    cached_content: str | None = None,
    service_tier: str | None = None,
) -> dict[str, Any]:
    """The body of `generateContent` for one page, which is also `request` in a batch's line.

    `image_base64` is the PNG, base64 in the standard alphabet: a str, or an `orjson.Fragment` that
    holds it quoted. `media_resolution` is low, medium, high or ultra_high. With `cached_content`
    (`cachedContents/…`) the prompt lies in that cache and is not repeated: the API refuses a
    request that names a cache and has a systemInstruction. `service_tier` (`flex`) is for real time
    alone: a batch has its own price.
    """
    level = f"MEDIA_RESOLUTION_{media_resolution.upper()}"
    image: dict[str, Any] = {"inlineData": {"mimeType": "image/png", "data": image_base64}}
    config: dict[str, Any] = {
        "responseMimeType": "application/json",
        # Not responseJsonSchema, which batches have been seen to ignore (ruby_llm #894).
        "responseSchema": _schema(),
    }
    if media_resolution == "ultra_high":
        image["mediaResolution"] = {"level": level}  # the API takes this one on a part only
    else:
        config["mediaResolution"] = level
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [image, {"text": TASK}]}],
        "generationConfig": config,
    }
    if service_tier:
        body["serviceTier"] = service_tier
    if cached_content:
        body["cachedContent"] = cached_content
    else:
        body["systemInstruction"] = {"parts": [{"text": prompt()}]}
    return body


@cache
def prompt() -> str:
    """The instructions for this form: 4,600 characters, 1,156 tokens at four characters each."""
    return PROMPT.read_text(encoding="utf-8").strip()


_schema = cache(schema.response_schema)  # of 16,000 equal ones, one is made
