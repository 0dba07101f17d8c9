"""One GenerateContentRequest -> one response, the same way in real time and in a batch."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator import misshapen
from emulator.caches import Caches, contents_of
from emulator.errors import invalid
from emulator.faults import Faults
from emulator.models import OUTPUT_TOKENS, check_output
from emulator.schema import Json, decode_base64
from emulator.usage import CHARACTERS_PER_TOKEN, prompt_tokens, usage_metadata

NO_IMAGE = "no image in the request"
UNREADABLE = (  # (reported)
    "Unable to process input image. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)


@dataclass(frozen=True)
class Answer:
    """A response as it goes out, and what the ledger says of it: image_sha256, model, usage."""

    response: Json
    bill: Json


@dataclass(frozen=True)
class Answerer:
    reader: Callable[[bytes], dict[str, Any]]  # PNG bytes -> page
    model_version: str
    read_file: Callable[[str], bytes]  # fileUri -> its bytes; raises ApiError
    caches: Caches
    faults: Faults

    def answer(self, model: str, request: Json, row: int | None) -> Answer:
        """Answers a checked request; `row` is its place in a batch, None in real time.

        Raises ApiError: 403 for a cache or a file that is gone, 400 for a cache of another model,
        an image that cannot be read, or a ceiling or a thinking level that the model does not take.
        What is refused is not billed. Thinking and text together end at maxOutputTokens.
        """
        config = request.get("generationConfig", {})
        check_output(model, config)
        prompt = contents_of(request)
        cached: list[Json] = []
        if "cachedContent" in request:
            cache = self.caches.find(request["cachedContent"])
            if cache["model"] != f"models/{model}":
                raise invalid(
                    f"Model used by GenerateContent request (models/{model}) and CachedContent "
                    f"({cache['model']}) has to be the same."
                )
            cached = contents_of(cache)
        image = self._image(prompt) or self._image(cached)
        text, reason = misshapen.text(self._text(image, config, row), self.faults, row)
        ceiling = int(config.get("maxOutputTokens", OUTPUT_TOKENS))
        thinking = min(misshapen.thinking(ceiling, self.faults, row), ceiling)
        room = (ceiling - thinking) * CHARACTERS_PER_TOKEN
        if len(text) > room:
            text, reason = text[:room], "MAX_TOKENS"
        usage = usage_metadata(
            prompt_tokens(prompt, config),
            prompt_tokens(cached, config),
            text,
            thinking,
        )
        if "serviceTier" in request:
            usage["serviceTier"] = request["serviceTier"].lower()
        candidate = {
            "content": {"parts": misshapen.parts(text, self.faults, row), "role": "model"},
            "finishReason": reason,
            "index": 0,
        }
        response = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": self.model_version,
            "responseId": secrets.token_urlsafe(16),
        }
        digest = hashlib.sha256(image).hexdigest() if image else None
        response = misshapen.response(response, self.faults, row)
        bill = {"image_sha256": digest, "model": model, "usage": dict(usage)}
        return Answer(misshapen.reported(response, self.faults, row), bill)

    def _image(self, contents: list[Json]) -> bytes | None:
        """The first image among the parts, whether sent along or as a file."""
        for content in contents:
            for part in content.get("parts", []):
                if "inlineData" in part:
                    return decode_base64(part["inlineData"].get("data", ""))
                if "fileData" in part:
                    return self.read_file(part["fileData"].get("fileUri", ""))
        return None

    def _text(self, image: bytes | None, config: Json, row: int | None) -> str:
        if image is None:
            return NO_IMAGE
        try:
            page = self.reader(image)
        except (ValueError, OSError) as error:
            raise invalid(UNREADABLE) from error
        page = misshapen.page(page, self.faults, row)
        if config.get("responseMimeType") == "application/json":
            page = without_empty(page, config.get("responseSchema", {}))
            return json.dumps(page, ensure_ascii=False, separators=(",", ":"))
        return "\n".join(entry["raw_text"] for entry in misshapen.entries(page))


def without_empty(value: Any, schema: Json) -> Any:
    """The value without the null and empty fields that the schema does not require."""
    if isinstance(value, list):
        return [without_empty(one, schema.get("items", {})) for one in value]
    fields = schema.get("properties")
    if not isinstance(value, dict) or not fields:
        return value
    required = schema.get("required", ())
    return {
        name: without_empty(one, fields.get(name, {}))
        for name, one in value.items()
        if name in required or name not in fields or one not in (None, [])
    }
