"""What tokens cost, in dollars: the prices of genai-prices, compared with the documented ones.

The only importer of genai-prices, whose list is in the package: it asks no network unless told to.
It costs 0.2 s to import, so it is imported where a price is wanted and not before; and 0.2 ms a
call, so that the rates of a model and a day are asked for once.

genai-prices gives the standard price where it knows no batch or flex price of a model, without
saying so. Here that is no price; and no price is None, never 0.
"""

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

# How a page is read: one call a page, a line of a batch, one call a page in the cheaper tier.
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
    """Dollars of one response, and the list that they are from."""

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
# Tokens of a prompt, below the first step of any model's price (128,000, 200,000): up to here the
# rates are the whole price.
ONE_RATE_PROMPT = 100_000

# Of a prompt cache: dollars per million tokens an hour, and the fewest tokens (documented). A
# refusal by the API has named fewer, so that below the documented number it is asked all the same.
CACHE_HOUR = {"gemini-3.1-pro-preview": Decimal("4.50")}
CACHE_LEAST = {"gemini-3.1-pro-preview": 4096}
CACHE_LEAST_NAMED = 1024


def price(
    model: str, mode: str, prompt: int, cached: int, output: int, at: str | None = None
) -> Price | None:
    """What one response costs, or None where no price is known that can be relied on.

    `prompt` includes `cached`, `output` includes thinking, as the API bills them; all are tokens.
    `at` is the ISO time of the request, UTC, now unless given: prices change, and models have a
    higher one for long prompts, so each response is priced alone.
    """
    day = _day(at)
    if listed := _listed(model, mode, day):
        if prompt > ONE_RATE_PROMPT:
            return Price(_calculated(model, mode, day, prompt, cached, output), price_list())
        return Price(at_rates(listed, prompt, cached, output), price_list())
    documented = _documented(model, mode)
    if documented is None or prompt > DOCUMENTED_PROMPT:
        return None
    return Price(at_rates(documented, prompt, cached, output), DOCUMENTED_LIST)


def rates(model: str, mode: str, day: str) -> Rates | None:
    """The rates of a day (ISO), for prompts of up to `ONE_RATE_PROMPT` tokens; None if unknown.

    Such responses may be added up before they are priced.
    """
    return _listed(model, mode, day) or _documented(model, mode)


def remark(model: str, mode: str, at: str | None = None) -> str | None:
    """What you have to know of a model's price in this mode, in one line; None if nothing."""
    listed, documented = _listed(model, mode, _day(at)), _documented(model, mode)
    if listed and documented and listed != documented:
        return (
            f"{model} in {mode}: {price_list()} says {_shown(listed)}, {DOCUMENTED_LIST} says"
            f" {_shown(documented)} per million tokens; {price_list()} is taken"
        )
    if listed:
        return None
    if documented:
        return f"{model} in {mode}: {price_list()} has no price, {DOCUMENTED_LIST} is taken"
    return f"{model} in {mode}: {price_list()} has no price"


def dollars(usd: Decimal | float) -> str:
    """An amount as it is shown: in cents, with a digit or two more where cents say too little."""
    digits = 2 if usd >= 1 else 3 if usd >= Decimal("0.1") else 4
    return f"${usd:,.{digits}f}"


@cache
def price_list() -> str:
    """The name and version of the list that comes with the project."""
    import genai_prices

    return f"genai-prices {genai_prices.__version__}"


def _day(at: str | None) -> str:
    """The day of an ISO time in UTC, as YYYY-MM-DD."""
    return at[:10] if at else datetime.now(UTC).date().isoformat()


def _documented(model: str, mode: str) -> Rates | None:
    return DOCUMENTED.get(model, {}).get(mode)


def at_rates(rates: Rates, prompt: int, cached: int, output: int) -> Decimal:
    """Dollars of so many tokens."""
    fresh = (prompt - cached) * rates.input
    return (fresh + cached * rates.cached + output * rates.output) / _MILLION


@cache
def _listed(model: str, mode: str, day: str) -> Rates | None:
    """What genai-prices has for the model in this mode on that day (ISO), short prompts."""
    try:
        wanted = _ask(model, mode, day, 0, 0, 0).model_price
        if mode != "realtime" and wanted == _ask(model, "realtime", day, 0, 0, 0).model_price:
            return None  # the standard price, for want of another
        some = ONE_RATE_PROMPT
        return Rates(
            *(
                _calculated(model, mode, day, *tokens) * _MILLION / some
                for tokens in ((some, 0, 0), (some, some, 0), (0, 0, some))
            )
        )
    except (LookupError, ValueError):  # a model that is not in the list, or not a day
        return None


def _calculated(model: str, mode: str, day: str, prompt: int, cached: int, output: int) -> Decimal:
    usd: Decimal = _ask(model, mode, day, prompt, cached, output).total_price
    return usd


def _ask(model: str, mode: str, day: str, prompt: int, cached: int, output: int) -> Any:
    """genai-prices' PriceCalculation. Raises LookupError for a model that it does not know."""
    from genai_prices import Usage, calc_price

    return calc_price(
        Usage(input_tokens=prompt, cache_read_tokens=cached, output_tokens=output),
        model,
        provider_id="google",
        genai_request_timestamp=datetime.fromisoformat(f"{day}T12:00:00+00:00"),
        price_context=_CONTEXT[mode],
    )


def _shown(rates: Rates) -> str:
    into, cached, out = (f"${float(rate):g}" for rate in rates)
    return f"{into} in, {cached} cached, {out} out"
