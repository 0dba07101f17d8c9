"""Intervals hold the truth as often as they say, and two readings are told apart by pages."""

import numpy as np
import pytest

from flowsheets.accuracy import score
from flowsheets.accuracy.intervals import interval, paired, sign_test
from flowsheets.accuracy.score import Counts


def counts(edits: int, letters: int = 1000) -> Counts:
    return Counts({"strict.edits": edits, "strict.letters": letters})


def test_the_same_pages_give_the_same_interval_around_the_figure() -> None:
    pages = [counts(edits) for edits in (0, 10, 20, 200, 5, 70)]
    value, low, high = interval(pages, score.cer)
    assert value == 305 / 6000
    assert low is not None
    assert high is not None
    assert low < value < high
    assert interval(pages, score.cer) == (value, low, high)
    assert interval(pages, score.cer, seed=2) != (value, low, high)


def test_one_page_or_none_has_no_interval() -> None:
    assert interval([counts(50)], score.cer) == (0.05, None, None)
    assert interval([], score.cer) == (None, None, None)


def test_pages_without_the_figure_do_not_count_as_wrong() -> None:
    value, _, high = interval([counts(0, 0), *[counts(10)] * 5, counts(30)], score.cer)
    assert value == 80 / 6000
    assert high is not None
    assert high < 0.05
    assert interval([Counts(), Counts()], score.cer) == (None, None, None)


def test_pages_that_do_not_differ_say_nothing_of_how_sure_that_is() -> None:
    assert interval([counts(0)] * 8, score.cer) == (0, None, None)
    assert interval([counts(1000)] * 8, score.cer) == (1, None, None)


def test_one_page_in_ten_that_is_wrong_widens_both_ends() -> None:
    value, low, high = interval([*[counts(1, 1)] * 9, counts(0, 1)], score.cer)
    assert (value, high) == (0.9, 1)
    assert low is not None
    assert 0.5 < low < 0.8


@pytest.mark.parametrize("pages", [3, 10, 25])
def test_intervals_hold_the_truth_in_a_simulation(pages: int) -> None:
    """Errors cluster, as on real pages: a fifth of the pages has two thirds of them."""
    random = np.random.default_rng(pages)
    held = 0
    for _ in range(300):
        letters = random.integers(300, 2500, pages)
        rates = random.gamma(0.5, 0.05 / 0.5, pages).clip(0, 1)
        edits = random.binomial(letters, rates)
        drawn = [counts(int(e), int(n)) for e, n in zip(edits, letters, strict=True)]
        _, low, high = interval(drawn, score.cer)
        held += low is not None and high is not None and low <= 0.05 <= high
    assert 0.90 <= held / 300 <= 0.99


@pytest.mark.parametrize("pages", [10, 25])
def test_intervals_of_a_field_hold_the_truth_in_a_simulation(pages: int) -> None:
    """Four fields a page, three in ten of them wrong, and those on the same pages."""
    random = np.random.default_rng(pages)
    held = 0
    for _ in range(300):
        wrong = random.binomial(4, random.beta(0.6, 1.4, pages))
        _, low, high = interval([counts(int(edits), 4) for edits in wrong], score.cer)
        held += low is not None and high is not None and low <= 0.3 <= high
    assert 0.90 <= held / 300 <= 0.99


def test_a_difference_on_every_page_is_settled_where_one_page_alone_settles_nothing() -> None:
    a = [counts(edits) for edits in (50, 60, 40, 55, 45, 70, 65, 52)]
    less = (20, 25, 15, 20, 22, 18, 19, 21)
    b = [counts(page["strict.edits"] - n) for page, n in zip(a, less, strict=True)]
    better = paired(a, b, score.cer)
    assert better.difference.value == pytest.approx(-0.02)
    assert better.settled
    assert (better.lower, better.higher, better.equal, better.p) == (8, 0, 0, 2 / 2**8)
    one_page = [counts(0), *a[1:]]
    chance = paired(a, one_page, score.cer)
    assert not chance.settled
    assert (chance.lower, chance.equal, chance.p) == (1, 7, 1)
    assert chance.deciding == (0,)


def test_the_pages_that_decide_are_those_without_which_the_difference_is_gone() -> None:
    a = [counts(edits) for edits in (100, 100, 100, 100)]
    b = [counts(edits) for edits in (20, 105, 110, 90)]
    found = paired(a, b, score.cer)
    assert found.deciding == (0,)
    assert (found.lower, found.higher) == (2, 2)


def test_two_readings_that_agree_differ_by_nothing() -> None:
    pages = [counts(edits) for edits in (1, 2, 3)]
    same = paired(pages, pages, score.cer)
    assert same.difference == (0, None, None)
    assert (same.equal, same.p, same.deciding, same.settled) == (3, 1, (), False)


def test_the_sign_test_is_the_two_sided_binomial() -> None:
    assert sign_test(0, 0) == 1
    assert sign_test(5, 5) == 1
    assert sign_test(1, 9) == pytest.approx(2 * 11 / 1024)
    assert sign_test(21, 73) < 1e-6  # a cheaper model's 94 pages


def test_readings_of_different_pages_are_not_paired() -> None:
    with pytest.raises(ValueError, match="same pages"):
        paired([counts(1)], [], score.cer)
