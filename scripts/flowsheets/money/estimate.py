"""What pages will cost before any of them is paid for: tokens a page, and dollars from them."""

import math
import statistics
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets.money import prices, usage
from flowsheets.page.request import TASK, prompt
from flowsheets.settings import Settings

ENOUGH = 10  # pages that this station has had read, from which its own tokens are the better guide

CHARACTERS_PER_TOKEN = 4  # Google's rule of thumb for text
# A page's image on Gemini 3, by media resolution (documented).
IMAGE_TOKENS = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 2240}
# The results of 34 pages of 1990, read in real time: their mean, and 90th percentile. Thinking,
# which is billed as output, is not in it and not known.
OUTPUT_TOKENS = 2600
HIGH_OUTPUT_TOKENS = 2900

CACHE_HOURS = 50  # a batch may take 48, and a cache has to outlive it


class PageTokens(NamedTuple):
    """Of one page: all that is sent, and all that is billed as output."""

    prompt: int
    output: int


@dataclass(frozen=True)
class Basis:
    """What a page is thought to take, the usual one and a large one, and where that is from."""

    usual: PageTokens
    high: PageTokens
    source: str
    thinking: bool  # whether the output has the thinking in it


def basis(db: Database, config: Settings) -> Basis:
    """From this station's own answers of the model once 10 pages have some, counted before that."""
    counted = [
        (answer.page, answer.tokens)
        for answer, _, _ in usage.noted(db)
        if answer.model == config.model and answer.tokens
    ]
    if len({page for page, _ in counted}) < ENOUGH:
        sent = prompt_tokens() + text_tokens(TASK) + IMAGE_TOKENS[config.media_resolution]
        return Basis(
            PageTokens(sent, OUTPUT_TOKENS),
            PageTokens(sent, HIGH_OUTPUT_TOKENS),
            "counted image and prompt, and the output of 34 pages read before; "
            "thinking comes on top and is unknown",
            thinking=False,
        )
    prompts = [tokens.prompt_token_count for _, tokens in counted]
    outputs = [tokens.output for _, tokens in counted]
    return Basis(
        PageTokens(math.ceil(statistics.median(prompts)), math.ceil(statistics.median(outputs))),
        PageTokens(_high(prompts), _high(outputs)),
        f"{len(counted)} answers that this station had from {config.model}: median and 90th"
        " percentile, thinking in it",
        thinking=True,
    )


def cost(model: str, mode: str, pages: int, tokens: PageTokens) -> Decimal | None:
    """Dollars for so many pages in a mode, without a cache; None where no price is known."""
    one = prices.price(model, mode, tokens.prompt, 0, tokens.output)
    return one.usd * pages if one else None


def cost_with_cache(model: str, pages: int, batches: int, tokens: PageTokens) -> Decimal | None:
    """The same in batches that keep the prompt in a cache each, its storage included."""
    kept = prompt_tokens()
    one = prices.price(model, "batch", tokens.prompt, kept, tokens.output)
    hour = prices.CACHE_HOUR.get(model)
    if one is None or hour is None:
        return None
    return one.usd * pages + hour * kept / 1_000_000 * CACHE_HOURS * batches


def cache_pays(config: Settings, pages: int, of: Basis) -> bool:
    """Whether a batch of so many pages is cheaper with a cache of its own, by known prices."""
    if not cache_is_worth_asking_for(config):
        return False
    without = cost(config.model, "batch", pages, of.usual)
    with_cache = cost_with_cache(config.model, pages, 1, of.usual)
    return without is not None and with_cache is not None and with_cache < without


def cache_is_worth_asking_for(config: Settings) -> bool:
    """Whether the API may take a cache of our prompt at all; a refusal costs nothing."""
    return config.cache == "auto" and prompt_tokens() >= prices.CACHE_LEAST_NAMED


def too_short_to_cache(model: str) -> str | None:
    """What the model's documented minimum says against a cache of our prompt, or None."""
    least = prices.CACHE_LEAST.get(model, 0)
    kept = prompt_tokens()
    return f"may be too short to be cached: {kept:,} of {least:,} tokens" if kept < least else None


def line(config: Settings, pages: int, of: Basis) -> str:
    """The estimate of a submit, in one line."""
    usual, high, now = (
        cost(config.model, mode, pages, tokens)
        for mode, tokens in (("batch", of.usual), ("batch", of.high), ("realtime", of.usual))
    )
    if usual is None or high is None:
        why = prices.remark(config.model, "batch")
        return f"estimate: {pages} pages without a known price ({why})"
    said = f"estimate: {pages} pages, about {prices.dollars(usual)} in batch"
    if now is not None:
        said += f" ({prices.dollars(now)} in real time)"
    said += f", up to {prices.dollars(high)}"
    return said + on_top(of)


def prompt_tokens() -> int:
    """The instructions, which are the part that a cache can keep."""
    return text_tokens(prompt())


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def on_top(of: Basis) -> str:
    return "" if of.thinking else "; thinking comes on top"


def _high(counts: list[int]) -> int:
    return math.ceil(statistics.quantiles(counts, n=10, method="inclusive")[-1])
