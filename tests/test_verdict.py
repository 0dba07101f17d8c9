"""What a comparison says: figures a setting, and which is the cheapest that is as good."""

import copy
from decimal import Decimal
from typing import Any

import pytest

from flowsheets import settings
from flowsheets.accuracy import score
from flowsheets.accuracy.intervals import Interval, Paired
from flowsheets.batch import letters, verdict
from flowsheets.batch.verdict import Came
from flowsheets.money import usage
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from pages import reading

ROWS = [f"Artist {n} - Track {n}" for n in range(15)]


def page(number: int, wrong: int = 0) -> PageReading:
    """A page of fifteen rows, of which the first so many are misread."""
    content: dict[str, Any] = copy.deepcopy(reading())
    texts = [f"{'xxxxxxxx' if n < wrong else text} {number}" for n, text in enumerate(ROWS)]
    content["quadrants"][0]["entries"] = [
        {"row_index": n, "raw_text": text, "type_raw": None, "confidence": "high"}
        | {"notes": None, "oddities": []}
        for n, text in enumerate(texts)
    ]
    for block in content["quadrants"][1:]:
        block["entries"] = []
    return PageReading.model_validate(content)


def pages(n: int) -> list[PageId]:
    return [PageId("a.pdf", number) for number in range(1, n + 1)]


def came(letter: str, wrong: list[int | None], output: int) -> Came:
    """A setting that misread so many rows of each page (None: refused it), at that many tokens."""
    config = settings.load()
    one = Came(letters.Setting(letter, {}, config, "batch", letter))
    tokens = usage.Tokens(3000, 0, output, 0, 3000 + output)
    for where, rows in zip(pages(len(wrong)), wrong, strict=True):
        refused = Unread("recitation", "the model stopped: RECITATION")
        one.outcomes[where] = refused if rows is None else page(where.page_number, rows)
        at = "2026-11-01T12:00:00+00:00"
        answer = usage.Answer(where, "batches/a", "batch", config.model, config.model, tokens, at)
        one.way.paid.append(answer)
    one.asked = {"prompt": "p", "request": letter.lower()}
    return one


def truth(n: int) -> dict[PageId, PageReading]:
    return {where: page(where.page_number) for where in pages(n)}


def test_the_cheapest_whose_difference_is_within_its_interval_and_what_would_settle_it() -> None:
    dear = came("A", [1, 2, 1, 0, 2, 1, 1, 2, 1, 1], 12_000)
    cheap = came("B", [2, 2, 0, 1, 1, 2, 1, 2, 2, 0], 1_100)
    poor = came("C", [9, 8, 9, 7, 9, 8, 9, 9, 8, 9], 200)
    said = verdict.sentence([dear, cheap, poor], truth(10))
    paired = verdict.pair(dear, cheap, truth(10))
    assert paired
    assert not paired.settled
    value, low, high = paired.difference
    assert value is not None
    assert low is not None
    assert high is not None
    assert said.startswith(
        "B is the cheapest setting whose CER is as good as the best: it differs from A's by"
        f" {value * 100:+.2f} ({low * 100:.2f} to {high * 100:.2f}) points, within the interval."
    )
    more = verdict.pages_to_settle(paired, 10)
    assert f"{more:,} more pages with truth would settle it (LIMIT={10 + (more or 0)})" in said
    assert "an interval narrows with the square root of the pages" in said


def test_a_cheaper_setting_that_is_surely_worse_is_not_the_one() -> None:
    dear, poor = came("A", [1, 2, 1, 0, 2, 1], 12_000), came("B", [9, 8, 9, 7, 9, 8], 200)
    assert verdict.sentence([dear, poor], truth(6)) == (
        "A is the cheapest setting whose CER is as good as the best: it has the lowest one, and"
        " what is cheaper (B) differs beyond its interval"
    )
    best = [came("A", [9, 9], 900), came("B", [0, 0], 9)]
    assert "and none is cheaper" in verdict.sentence(best, truth(2))


def test_of_settings_that_read_alike_the_cheapest_is_taken() -> None:
    same = [came("A", [1, 0, 2], 900), came("B", [1, 0, 2], 90)]
    assert verdict.sentence(same, truth(3)).startswith("B is the cheapest setting whose CER is as")


def test_a_page_that_was_refused_counts_as_read_wrongly() -> None:
    whole, refused = came("A", [0, 0, 0, 0, 0], 900), came("B", [0, 0, None, None, None], 90)
    rates = {one.letter: verdict.pair(whole, one, truth(5), score.row_recall) for one in (refused,)}
    assert rates["B"]
    assert (rates["B"].a, rates["B"].b) == (1.0, 0.4)
    assert refused.unread == {"recitation": 3}
    assert "B: pages not read: recitation (3)" in verdict.remarks([whole, refused])


def test_without_truth_agreement_is_told_from_accuracy() -> None:
    a, b = came("A", [0, 0], 900), came("B", [3, 0], 90)
    said = verdict.sentence([a, b], {})
    assert "says nothing of which is right. make truth" in said
    names, _, line = verdict.table([a, b], {}, 1000)
    assert "CER" not in names
    assert line.split()[-2] == "90.00%"  # 27 of 30 rows have the same text
    assert "$ of 1,000" in names


def test_one_page_gives_no_interval() -> None:
    said = verdict.sentence([came("A", [0], 900), came("B", [1], 90)], truth(1))
    assert "(no interval)" in said
    assert "So few pages give no interval" in said
    assert said.startswith("A has the lowest CER; cheaper ones differ from it, B by +")


def test_a_cheaper_setting_that_reads_nothing_is_not_as_good_where_all_pages_differ_alike() -> None:
    whole, nothing = came("A", [0, 0, 0], 900), came("B", [None, None, None], 90)
    assert verdict.sentence([whole, nothing], truth(3)) == (
        "A is the cheapest setting whose CER is as good as the best: it has the lowest one, and"
        " what is cheaper (B) differs beyond its interval"
    )


def test_settings_are_compared_on_the_pages_that_both_have() -> None:
    a, b = came("A", [1, 1, 1, 9], 900), came("B", [1, 1, 1], 90)
    paired = verdict.pair(a, b, truth(4))
    assert paired
    assert paired.difference.value == 0
    assert verdict.pair(a, came("C", [], 9), truth(4)) is None


def test_a_price_that_is_not_known_is_said_and_is_not_cheap() -> None:
    a, b = came("A", [0, 1], 900), came("B", [0, 1], 90)
    b.way.paid = [one._replace(model="gemini-x", model_version="x") for one in b.way.paid]
    assert "no price is known for B" in verdict.sentence([a, b], truth(2))
    assert "not known" in verdict.table([a, b], truth(2), 5)[2]
    said = verdict.sentence([a, b, came("C", [0, 1], 9)], truth(2))
    assert said.startswith("C is the cheapest setting")
    assert said.endswith("; no price is known for B, which is as good as well")


def test_the_dollars_of_a_page_are_those_of_its_mode() -> None:
    assert came("A", [0, 0], 1000).usd_a_page == Decimal("0.009")  # 3,000 x $1 + 1,000 x $6
    assert "$90.00" in verdict.table([came("A", [0], 1000), came("B", [0], 900)], {}, 10_000)[1]


@pytest.mark.parametrize(
    ("difference", "more"),
    [
        (Interval(0.01, -0.01, 0.03), 60),  # half as wide needs four times the 20 pages
        (Interval(-0.01, -0.03, 0.01), 60),
        (Interval(0.01, -0.0001, 0.02), 1),
        (Interval(0.0, -0.01, 0.01), None),
        (Interval(0.01, None, None), None),
    ],
)
def test_pages_to_settle_follow_the_square_root(difference: Interval, more: int | None) -> None:
    paired = Paired(0.1, 0.11, difference, 5, 6, 9, 1.0, ())
    assert verdict.pages_to_settle(paired, 20) == more


def test_a_setting_that_is_under_way_is_said_to_be_and_is_not_scored() -> None:
    a, b = came("A", [0, 1], 900), came("B", [], 90)
    b.open = True
    assert "B has not ended yet" in verdict.remarks([a, b])
    assert "nothing to choose from" in verdict.sentence([a, b], truth(2))
