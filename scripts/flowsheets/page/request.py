"""One page's request: prompt and image, as the REST API takes it, the same in every mode."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from flowsheets.errors import Problem
from flowsheets.page import prompts
from flowsheets.settings import Settings

PROMPT = Path(__file__).with_name("prompt.md")

# Beside the image and apart from the prompt, so that a cached prompt is one whole.
TASK = "Transcribe this flowsheet page."

# After the prompt where GEMINI_ANSWER=lean, whose schema lets the same fields be left out.
LEAN = """# Short form

Leave out each field whose value would be null or `[]`: a field that is missing is read as that. All four blocks are listed, with their `position`, and every entry has its `row_index`, `raw_text` and `confidence`. Nothing else changes."""  # noqa: E501


def page_request(
    image_base64: Any,
    settings: Settings,
    cached_content: str | None = None,
    service_tier: str | None = None,
    mime_type: str = "image/png",
) -> dict[str, Any]:
    """The body of `generateContent` for one page, which is also `request` in a batch's line.

    `image_base64` is the image (a PNG, unless `mime_type` says otherwise; see encoding.py), base64
    in the standard alphabet: a str, or an `orjson.Fragment` that holds it quoted. With
    `cached_content` (`cachedContents/…`) the prompt lies in that cache and is not repeated: the API
    refuses a request that names a cache and has a systemInstruction. `service_tier` (`flex`) is for
    real time alone: a batch has its own price.

    Every request has a ceiling for its output, which counts thinking as well: without one, a
    response that does not end is billed up to the model's own ceiling of 65,536 tokens. No
    temperature: Gemini 3 wants its default, and later models refuse any.
    """
    level = f"MEDIA_RESOLUTION_{settings.media_resolution.upper()}"
    image: dict[str, Any] = {"inlineData": {"mimeType": mime_type, "data": image_base64}}
    config: dict[str, Any] = {
        "responseMimeType": "application/json",
        # Not responseJsonSchema, which batches have been seen to ignore (ruby_llm #894).
        "responseSchema": _schema(settings.answer == "lean"),
        "maxOutputTokens": settings.max_output_tokens,
    }
    if settings.thinking:
        config["thinkingConfig"] = {"thinkingLevel": settings.thinking}
    if settings.media_resolution == "ultra_high":
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
        body["systemInstruction"] = {"parts": [{"text": instructions(settings)}]}
    return body


def identity(settings: Settings) -> dict[str, str]:
    """What is kept of a request beside its responses: the form of the answer, and two digests.

    `prompt` is the prompt's (see `prompts`), `request` that of all that was asked, with the model
    and without the image; a cache and the mode change neither.
    """
    asked = page_request("", settings, mime_type=f"image/{settings.page_encoding}")
    return {
        "answer": settings.answer,
        "prompt": prompts.today(),
        "request": prompts.digest([settings.model, asked]),
    }


def setting_refused(message: str) -> Problem | None:
    """The one line for a setting that the model does not take, from the API's message; None where
    it names none.

    `message` is that of a refusal, status 400 or code 3, INVALID_ARGUMENT, which meets every page:
    `Thinking level is not supported for this model.`, or that the value of maxOutputTokens is out
    of the supported range.
    """
    for pattern, setting, fix in _REFUSED:
        if re.search(pattern, message, re.IGNORECASE):
            return Problem(setting, message, fix)
    return None


_REFUSED = (
    # Of Vertex AI: the bucket is not there, or the API's own account may not write to it.
    (
        "GCS bucket|gcp-sa-aiplatform|specified bucket",
        "BATCH_BUCKET",
        "Make it, or give Vertex AI's service agent the right to write to it, as"
        " scripts/flowsheets/gemini/README.md says",
    ),
    ("thinking", "GEMINI_THINKING", "Unset it, or give a level that the model takes"),
    ("max[_ ]?output[_ ]?tokens", "MAX_OUTPUT_TOKENS", "Give a smaller one"),
    ("media[_ ]?resolution", "GEMINI_MEDIA_RESOLUTION", "Give one that the model takes"),
)


@cache
def prompt() -> str:
    """The instructions for this form: 4,600 characters, 1,156 tokens at four characters each."""
    return PROMPT.read_text(encoding="utf-8").strip()


def instructions(settings: Settings) -> str:
    """All that is said before the image, which is the part that a cache can keep."""
    return f"{prompt()}\n\n{LEAN}" if settings.answer == "lean" else prompt()


@cache  # of 16,000 equal ones, one is made
def _schema(lean: bool) -> dict[str, Any]:
    from flowsheets.page import schema  # 0.1 s, which an estimate does not need

    return schema.response_schema(lean)
