"""What pages will cost before any of them is sent: tokens a page, and dollars from them.

Three sizes of a page: what it takes on average, what nine in ten stay below, and the most that it
can take, which is the ceiling that each request sets for its output.
"""

import math
import statistics
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets.money import prices, usage
from flowsheets.page.request import TASK, prompt
from flowsheets.settings import Settings

ENOUGH = 10  # pages read with these settings, from which their own tokens are the better guide
NEWEST = 1000  # responses that an estimate looks at

CHARACTERS_PER_TOKEN = 4  # Google's rule of thumb for text
# A page's image on Gemini 3, by media resolution (documented).
IMAGE_TOKENS = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 2240}
# The results of 34 pages of 1990, read in real time: their mean, and 90th percentile. Thinking,
# which is billed as output, is not in it and not known.
OUTPUT_TOKENS = 2600
HIGH_OUTPUT_TOKENS = 2900
# Of the same pages' text, what is left without their null and empty fields: 26 % less.
LEAN = 0.74

CACHE_HOURS = 50  # a batch may take 48, and a cache has to outlive it


class PageTokens(NamedTuple):
    """Of one page: all that is sent, and all that is billed as output."""

    prompt: int
    output: int


@dataclass(frozen=True)
class Basis:
    """What a page takes, and where that is from.

    `cut_off` is the share, 0 to 1, of the responses that ran into the ceiling. `known` says whether
    enough pages were read: without, thinking is not in `usual` and `high`, and nothing below the
    ceiling can be promised.
    """

    usual: PageTokens  # the mean
    high: PageTokens  # the 90th percentile, and at least the mean
    most: PageTokens  # output at the ceiling
    cut_off: float
    source: str
    known: bool


def basis(db: Database, settings: Settings) -> Basis:
    """From this station's own responses once 10 pages have some, counted before that.

    Own responses are those of the same model at the same thinking level, in the same form: `low`
    has been measured to take a tenth of the output of the model's own level.
    """
    found, pages = usage.sizes(db, settings.model, settings.thinking, settings.answer, NEWEST)
    ceiling = settings.max_output_tokens
    if pages < ENOUGH:
        sent = prompt_tokens() + text_tokens(TASK) + IMAGE_TOKENS[settings.media_resolution]
        share = LEAN if settings.answer == "lean" else 1
        return Basis(
            usual=PageTokens(sent, min(math.ceil(OUTPUT_TOKENS * share), ceiling)),
            high=PageTokens(sent, min(math.ceil(HIGH_OUTPUT_TOKENS * share), ceiling)),
            most=PageTokens(sent, ceiling),
            cut_off=0.0,
            source="counted image and prompt, and the output of 34 pages read before;"
            " thinking comes on top and is unknown",
            known=False,
        )
    prompts = [size.prompt for size in found]
    outputs = [min(size.output, ceiling) for size in found]
    cut_off = sum(size.cut_off or size.output >= ceiling for size in found)
    return Basis(
        usual=PageTokens(_mean(prompts), _mean(outputs)),
        high=PageTokens(_high(prompts), _high(outputs)),
        most=PageTokens(_high(prompts), ceiling),
        cut_off=cut_off / len(found),
        source=f"the newest {len(found):,} responses from {settings.model} here"
        f"{f' at {settings.thinking}' if settings.thinking else ''}"
        f"{', lean' if settings.answer == 'lean' else ''}: mean and 90th percentile,"
        f" thinking included; {cut_off:,} ran into the ceiling",
        known=True,
    )


def cost(model: str, mode: str, pages: int, tokens: PageTokens) -> Decimal | None:
    """Dollars for so many pages in a mode, without a cache; None where no price is known."""
    one = prices.price(model, mode, tokens.prompt, 0, tokens.output)
    return one.usd * pages if one else None


def held(model: str, mode: str, pages: int, of: Basis) -> Decimal | None:
    """Dollars that MAX_USD counts for so many pages; None where no price is known.

    The 90th percentile, and for the share of the responses that ran into the ceiling so far, the
    ceiling. Before 10 pages are read it is not known what thinking takes: the ceiling for each.
    """
    high, most = cost(model, mode, pages, of.high), cost(model, mode, pages, of.most)
    if high is None or most is None:
        return None
    share = Decimal(of.cut_off) if of.known else Decimal(1)
    return high + max(most - high, Decimal(0)) * share


def cost_with_cache(model: str, pages: int, batches: int, tokens: PageTokens) -> Decimal | None:
    """The same in batches that keep the prompt in a cache each, its storage included."""
    kept = prompt_tokens()
    one = prices.price(model, "batch", tokens.prompt, kept, tokens.output)
    hour = prices.CACHE_HOUR.get(model)
    if one is None or hour is None:
        return None
    return one.usd * pages + hour * kept / 1_000_000 * CACHE_HOURS * batches


def cache_pays(settings: Settings, pages: int, of: Basis) -> bool:
    """Whether a batch of so many pages is cheaper with a cache of its own, by known prices."""
    if not cache_is_worth_asking_for(settings):
        return False
    without = cost(settings.model, "batch", pages, of.usual)
    with_cache = cost_with_cache(settings.model, pages, 1, of.usual)
    return without is not None and with_cache is not None and with_cache < without


def cache_is_worth_asking_for(settings: Settings) -> bool:
    """Whether the API may take a cache of our prompt at all; a refusal costs nothing."""
    return settings.cache == "auto" and prompt_tokens() >= prices.CACHE_LEAST_NAMED


def too_short_to_cache(model: str) -> str | None:
    """What the model's documented minimum says against a cache of our prompt, or None."""
    least = prices.CACHE_LEAST.get(model, 0)
    kept = prompt_tokens()
    return f"may be too short to be cached: {kept:,} of {least:,} tokens" if kept < least else None


def line(settings: Settings, pages: int, of: Basis) -> str:
    """The estimate of a submit in one line: what is expected, and the most that it can cost."""
    usual, most, now = (
        cost(settings.model, mode, pages, tokens)
        for mode, tokens in (("batch", of.usual), ("batch", of.most), ("realtime", of.usual))
    )
    if usual is None or most is None:
        why = prices.remark(settings.model, "batch")
        return f"estimate: {pages} pages without a known price ({why})"
    said = f"estimate: {pages} pages, about {prices.dollars(usual)} in batch"
    if now is not None:
        said += f" ({prices.dollars(now)} in real time)"
    thinking = "" if of.known else " and thinking, which is unknown yet"
    return f"{said}{thinking}, at most {prices.dollars(most)}"


def prompt_tokens() -> int:
    """The instructions, which are the part that a cache can keep."""
    return text_tokens(prompt())


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def _mean(counts: list[int]) -> int:
    return math.ceil(statistics.fmean(counts))


def _high(counts: list[int]) -> int:
    """The 90th percentile; the mean where a few very large ones bring that above it."""
    return max(math.ceil(statistics.quantiles(counts, n=10, method="inclusive")[-1]), _mean(counts))
