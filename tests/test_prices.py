"""Tokens to dollars: halves that are halves, and no price where none is known."""

import socket
from decimal import Decimal
from typing import Any

import pytest

from flowsheets.money import prices
from flowsheets.money.prices import DOCUMENTED, DOCUMENTED_LIST, Rates, price

MODEL = "gemini-3.1-pro-preview"
NO_BATCH_PRICE = "gemini-3.5-flash"  # in genai-prices 0.2.3
LATER = "2026-11-01T12:00:00+00:00"


def usd(model: str, mode: str, prompt: int, cached: int, output: int) -> Decimal:
    found = price(model, mode, prompt, cached, output, LATER)
    assert found
    return found.usd


def test_a_page_costs_what_google_s_price_page_says() -> None:
    assert usd(MODEL, "realtime", 3000, 0, 2600) == Decimal("0.0372")  # .006 + .0312
    assert usd(MODEL, "batch", 3000, 0, 2600) == Decimal("0.0186")


def test_cached_tokens_are_not_halved_again_in_a_batch() -> None:
    now, batch = (usd(MODEL, mode, 3000, 2000, 0) for mode in ("realtime", "batch"))
    assert now == Decimal("0.0024")  # 1,000 at $2, 2,000 at $0.20
    assert batch == Decimal("0.0014")  # 1,000 at $1, 2,000 at $0.20


def test_a_long_prompt_has_the_higher_price_of_its_own_request() -> None:
    assert usd(MODEL, "realtime", 300_000, 0, 1000) == Decimal("1.218")  # $4 in, $18 out
    assert usd(MODEL, "batch", 300_000, 0, 1000) == Decimal("0.609")


def test_flex_is_half_by_a_list_that_is_named() -> None:
    found = price(MODEL, "flex", 3000, 0, 2600, LATER)
    assert found == (Decimal("0.0186"), DOCUMENTED_LIST)
    assert str(prices.remark(MODEL, "flex", LATER)).endswith(f"{DOCUMENTED_LIST} is taken")
    assert price(MODEL, "flex", 300_000, 0, 1000, LATER) is None


def test_a_model_without_a_batch_price_is_not_given_the_standard_one() -> None:
    assert price(NO_BATCH_PRICE, "realtime", 3000, 0, 2600, LATER)
    assert price(NO_BATCH_PRICE, "batch", 3000, 0, 2600, LATER) is None
    assert "has no price" in str(prices.remark(NO_BATCH_PRICE, "batch", LATER))


def test_an_unknown_model_has_no_price() -> None:
    assert price("gemini-99", "realtime", 3000, 0, 2600) is None
    assert "gemini-99 in realtime" in str(prices.remark("gemini-99", "realtime"))


def test_the_two_lists_agree_on_the_default_model() -> None:
    for mode in ("realtime", "batch"):
        assert prices.remark(MODEL, mode, LATER) is None
        found = price(MODEL, mode, 1, 0, 1, LATER)
        assert found
        assert found.price_list == "genai-prices 0.2.3"


def test_where_the_two_lists_disagree_genai_prices_is_taken_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        DOCUMENTED, MODEL, {"batch": Rates(Decimal(1), Decimal("0.10"), Decimal(6))}
    )
    found = price(MODEL, "batch", 3000, 0, 2600, LATER)
    assert found == (Decimal("0.0186"), "genai-prices 0.2.3")
    said = str(prices.remark(MODEL, "batch", LATER))
    assert said.endswith("genai-prices 0.2.3 is taken")
    assert "says $1 in, $0.2 cached, $6 out" in said
    assert "says $1 in, $0.1 cached, $6 out" in said


def test_a_batch_from_before_the_list_begins_has_the_documented_price() -> None:
    found = price(MODEL, "batch", 3000, 0, 2600, "2026-03-01T12:00:00+00:00")
    assert found == (Decimal("0.0186"), DOCUMENTED_LIST)


def test_a_price_asks_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert usd("gemini-2.5-pro", "batch", 1_000, 0, 0) == Decimal("0.000625")


def test_an_amount_is_in_cents_and_finer_where_cents_say_too_little() -> None:
    shown = [prices.dollars(n) for n in (1234.5, 0.14, 0.0372)]
    assert shown == ["$1,234.50", "$0.140", "$0.0372"]


def test_a_thousand_responses_of_a_day_ask_the_list_a_handful_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    ask = prices._ask

    def counted(model: str, *more: Any) -> Any:
        asked.append(model)
        return ask(model, *more)

    monkeypatch.setattr(prices, "_ask", counted)
    prices._listed.cache_clear()
    for second in range(1000):
        assert price(MODEL, "batch", 3000, second, 2600, f"2026-11-02T12:00:00.{second:06d}+00:00")
    assert len(asked) < 10


@pytest.mark.parametrize("model", ["gemini-3.1-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash"])
@pytest.mark.parametrize("mode", ["realtime", "batch"])
def test_the_rates_give_what_the_list_calculates_for_each_response(model: str, mode: str) -> None:
    for prompt, cached, output in ((1, 0, 0), (3000, 0, 2600), (99_999, 40_000, 65_536)):
        calculated = prices._ask(model, mode, LATER[:10], prompt, cached, output).total_price
        assert usd(model, mode, prompt, cached, output) == calculated


def test_a_time_that_is_none_has_no_price_and_no_traceback() -> None:
    assert price(NO_BATCH_PRICE, "realtime", 3000, 0, 2600, "yesterday") is None
