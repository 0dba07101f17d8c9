"""What tokens cost, in dollars: the figures of genai-prices, held against the documented ones.

The only importer of genai-prices, whose list lies in the package: it asks no network unless told
to. It costs 0.2 s to import, so it is imported where a price is wanted and not before.

genai-prices answers with the standard price where it knows no batch or flex price of a model,
without a word. Here that is no price; and no price is None, never 0.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

# How a page is read: one call a page, a row of a batch, one call a page in the cheaper tier.
MODES = ("realtime", "batch", "flex")

# What genai-prices calls them.
_CONTEXT = {
    "realtime": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
}
_MILLION = Decimal(1_000_000)


class Rates(NamedTuple):
    """Dollars per million tokens. Thinking is output; cached input is a part of the input."""

    input: Decimal
    cached: Decimal
    output: Decimal


class Price(NamedTuple):
    """Dollars of one answer, and the list that they are from."""

    usd: Decimal
    price_list: str


# Google's price page and its page on flex, as read in 2026; for prompts of up to 200,000 tokens.
# Batch and flex halve input and output. Batch does not halve cached input; whether flex does is
# not said, so that it counts in full.
DOCUMENTED_LIST = "Google's price page, 2026"
DOCUMENTED = {
    "gemini-3.1-pro-preview": {
        "realtime": Rates(Decimal(2), Decimal("0.20"), Decimal(12)),
        "batch": Rates(Decimal(1), Decimal("0.20"), Decimal(6)),
        "flex": Rates(Decimal(1), Decimal("0.20"), Decimal(6)),
    }
}
DOCUMENTED_PROMPT = 200_000  # tokens; longer ones cost more

# Of a prompt cache: dollars per million tokens an hour, and the fewest tokens (documented). A
# refusal by the API has named fewer, so that below the documented number it is asked all the same.
CACHE_HOUR = {"gemini-3.1-pro-preview": Decimal("4.50")}
CACHE_LEAST = {"gemini-3.1-pro-preview": 4096}
CACHE_LEAST_NAMED = 1024


def price(
    model: str, mode: str, prompt: int, cached: int, output: int, at: str | None = None
) -> Price | None:
    """What one answer costs, or None where no price is known that can be relied on.

    `prompt` includes `cached`, `output` includes thinking, as the API bills them; all are tokens.
    `model` is the one that was asked for; `at` is the ISO time of the request, now unless given:
    prices change, and models have a higher one for long prompts, so each answer is priced alone.
    """
    moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
    day = moment.astimezone(UTC).date().isoformat()
    listed, documented = _listed(model, mode, day), DOCUMENTED.get(model, {}).get(mode)
    if listed and (documented is None or listed == documented):
        return Price(_calculated(model, mode, moment, prompt, cached, output), price_list())
    if listed or documented is None or prompt > DOCUMENTED_PROMPT:
        return None
    fresh = (prompt - cached) * documented.input
    usd = (fresh + cached * documented.cached + output * documented.output) / _MILLION
    return Price(usd, DOCUMENTED_LIST)


def remark(model: str, mode: str, at: str | None = None) -> str | None:
    """What a person has to know of a model's price in this mode, in one line; None if nothing."""
    day = (at or datetime.now(UTC).isoformat())[:10]
    listed, documented = _listed(model, mode, day), DOCUMENTED.get(model, {}).get(mode)
    if listed and documented and listed != documented:
        return (
            f"{model} in {mode}: {price_list()} says {_shown(listed)}, {DOCUMENTED_LIST} says"
            f" {_shown(documented)} per million tokens; no price is taken"
        )
    if listed:
        return None
    if documented:
        return f"{model} in {mode}: {price_list()} has no price, {DOCUMENTED_LIST} is taken"
    return f"{model} in {mode}: {price_list()} has no price"


def dollars(usd: Decimal | float) -> str:
    """An amount for a person: in cents, with a digit or two more where cents say too little."""
    digits = 2 if usd >= 1 else 3 if usd >= Decimal("0.1") else 4
    return f"${usd:,.{digits}f}"


@cache
def price_list() -> str:
    """The name and version of the list that comes with the project."""
    import genai_prices

    return f"genai-prices {genai_prices.__version__}"


@cache
def _listed(model: str, mode: str, day: str) -> Rates | None:
    """What genai-prices has for the model in this mode on that day (ISO), short prompts."""
    moment = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    try:
        wanted = _ask(model, mode, moment, 0, 0, 0).model_price
        if mode != "realtime" and wanted == _ask(model, "realtime", moment, 0, 0, 0).model_price:
            return None  # the standard price, for want of another
        some = 100_000  # tokens, below every step of a price
        return Rates(
            *(
                _calculated(model, mode, moment, *tokens) * _MILLION / some
                for tokens in ((some, 0, 0), (some, some, 0), (0, 0, some))
            )
        )
    except LookupError:
        return None


def _calculated(
    model: str, mode: str, at: datetime, prompt: int, cached: int, output: int
) -> Decimal:
    usd: Decimal = _ask(model, mode, at, prompt, cached, output).total_price
    return usd


def _ask(model: str, mode: str, at: datetime, prompt: int, cached: int, output: int) -> Any:
    """genai-prices' PriceCalculation. Raises LookupError for a model that it does not know."""
    from genai_prices import Usage, calc_price

    return calc_price(
        Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=output),
        model,
        provider_id="google",
        genai_request_timestamp=at,
        price_context=_CONTEXT[mode],
    )


def _shown(rates: Rates) -> str:
    into, cached, out = (f"${float(rate):g}" for rate in rates)
    return f"{into} in, {cached} cached, {out} out"
