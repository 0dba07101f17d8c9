"""Tokens of a request and its answer, counted."""

import math
from typing import Any

from emulator.schema import Json

CHARACTERS_PER_TOKEN = 4  # Google's rule of thumb for text
IMAGE_TOKENS = {  # by media resolution, on Gemini 3 (documented)
    "MEDIA_RESOLUTION_UNSPECIFIED": 1120,
    "MEDIA_RESOLUTION_LOW": 280,
    "MEDIA_RESOLUTION_MEDIUM": 560,
    "MEDIA_RESOLUTION_HIGH": 1120,
    "MEDIA_RESOLUTION_ULTRA_HIGH": 2240,
}


def text_tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def prompt_tokens(contents: list[Json], generation_config: Json) -> dict[str, int]:
    """Contents, system instruction among them -> {"TEXT": tokens, "IMAGE": tokens}, zeros left out.

    A part's own media resolution goes before the request's.
    """
    wanted = generation_config.get("mediaResolution", "MEDIA_RESOLUTION_UNSPECIFIED")
    characters = 0
    images = 0
    for content in contents:
        for part in content.get("parts", []):
            characters += len(part.get("text", ""))
            if "inlineData" in part or "fileData" in part:
                level = part.get("mediaResolution", {}).get("level", wanted)
                images += IMAGE_TOKENS[level.upper()]
    counts = {"TEXT": text_tokens(characters), "IMAGE": images}
    return {modality: count for modality, count in counts.items() if count}


def usage_metadata(
    prompt: dict[str, int], cached: dict[str, int], answer: str, thinking: int = 0
) -> dict[str, Any]:
    """The usage of one answer, as `usageMetadata` has it.

    `cached` counts what came from a cache; promptTokenCount includes it, as at Google. `thinking`
    is tokens.
    Zero counts are left out.
    """
    both = {name: prompt.get(name, 0) + cached.get(name, 0) for name in prompt | cached}
    total_prompt = sum(both.values())
    candidates = text_tokens(len(answer))
    counts = {
        "promptTokenCount": total_prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": total_prompt + candidates + thinking,
        "cachedContentTokenCount": sum(cached.values()),
        "promptTokensDetails": details(both),
        "cacheTokensDetails": details(cached),
        "thoughtsTokenCount": thinking,
    }
    return {name: value for name, value in counts.items() if value}


def details(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]
