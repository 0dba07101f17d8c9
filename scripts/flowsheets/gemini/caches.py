"""Prompt caches of the Developer API, which a batch or a real-time run may name."""

from __future__ import annotations

from typing import NamedTuple

from flowsheets.gemini import client
from flowsheets.gemini.reply import asked, gone_is_fine, listed, reply_to

LISTED_AT_ONCE = 100  # a page of the listing


class PromptCache(NamedTuple):
    """A prompt that is kept at the API."""

    name: str  # cachedContents/…
    tokens: int


def create_cache(model: str, prompt: str, seconds: int, display_name: str) -> PromptCache:
    """Keep the prompt at the API for `seconds`; its storage is billed by the hour.

    Raises `ApiProblem` with code 400 where the prompt is below the model's minimum.
    """
    from google.genai import types

    sdk = client.open_client()
    config = types.CreateCachedContentConfig(
        display_name=display_name, system_instruction=prompt, ttl=f"{seconds}s"
    )
    cache = reply_to(lambda: sdk.caches.create(model=model, config=config), "name", str)
    usage = cache.get("usageMetadata")
    tokens = usage.get("totalTokenCount") if isinstance(usage, dict) else 0
    return PromptCache(cache["name"], tokens if isinstance(tokens, int) else 0)


def renew_cache(name: str, seconds: int) -> None:
    """Let a cache live for `seconds` from now. Raises `ApiProblem`, which is `gone` if it died."""
    from google.genai import types

    sdk = client.open_client()
    config = types.UpdateCachedContentConfig(ttl=f"{seconds}s")
    asked(lambda: sdk.caches.update(name=name, config=config))


def delete_caches(display_name: str) -> None:
    """Delete every cache of that name: of those whose create had an unclear end."""
    from google.genai import types

    sdk = client.open_client()

    def page(token: str | None) -> object:
        config = types.ListCachedContentsConfig(page_size=LISTED_AT_ONCE, page_token=token)
        return sdk.caches.list(config=config)

    caches = list(listed(page, "cachedContents"))  # whole, before one of them goes
    for cache in caches:
        if cache.get("displayName") == display_name and isinstance(cache.get("name"), str):
            delete_cache(cache["name"])


def delete_cache(name: str) -> None:
    """Delete a cache; already deleted counts as success."""
    sdk = client.open_client()
    with gone_is_fine():
        asked(lambda: sdk.caches.delete(name=name))
