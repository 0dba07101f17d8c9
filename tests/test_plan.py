"""What a run does next, asked about any situation."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from flowsheets.batch import plan
from flowsheets.batch.plan import Limits, PageSize, Refusal, State, Step, Trial, Unsent

HOUR = timedelta(hours=1)
PAGE = PageSize(tokens=1000, bytes=100, disk=200)
LIMITS = Limits(tokens=5_000_000, batch_pages=1000)
NEW = Trial(0, 0, 0, False)


def step(limits: Limits = LIMITS, page: PageSize = PAGE, **state: Any) -> Step:
    return plan.next_step(State(**state), limits, page)


def refusal(fits: int, hours: float = 0, in_a_row: bool = False, total: int = 10**9) -> Refusal:
    return Refusal("tokens", total, fits, HOUR * hours, in_a_row)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ({}, Step("done")),
        ({"batches_out": 1}, Step("wait", why="results")),
        ({"paused": 3, "paused_for": HOUR}, Step("wait", why="paused", again=HOUR)),
        ({"waiting": 5}, Step("build", 5)),
        ({"waiting": 5, "undrawn": 7}, Step("draw", 7)),
        ({"waiting": 5000}, Step("build", 1000)),
        ({"waiting": 300, "undrawn": 9000}, Step("draw", 700)),
        ({"waiting": 5, "trial": NEW}, Step("build", 5)),
        ({"waiting": 50, "trial": NEW}, Step("build", 10)),
        ({"undrawn": 50, "trial": NEW}, Step("draw", 10)),
        ({"waiting": 50, "trial": Trial(0, 0, 10, False)}, Step("wait", why="trial")),
        ({"waiting": 50, "trial": Trial(5, 5, 0, False)}, Step("build", 50)),
        ({"waiting": 50, "trial": Trial(4, 5, 0, False)}, Step("build", 1)),
        ({"waiting": 50, "trial": Trial(3, 0, 0, False)}, Step("build", 7)),
        ({"waiting": 50, "trial": Trial(4, 6, 0, False)}, Step("stop", why="trial_failed")),
        ({"waiting": 50, "trial": Trial(0, 900, 0, False)}, Step("stop", why="trial_failed")),
        ({"trial": Trial(0, 6, 0, False)}, Step("done")),  # all are out of tries: nobody is called
        ({"batches_out": 1, "trial": Trial(0, 6, 3, False)}, Step("wait", why="results")),
        # a bucket that has proven nothing yet
        ({"waiting": 50, "bucket_pages": 1}, Step("build", 1)),
        ({"undrawn": 50, "bucket_pages": 1, "trial": NEW}, Step("draw", 1)),
        ({"waiting": 50, "bucket_pages": 0, "batches_out": 1}, Step("wait", why="bucket")),
        ({"waiting": 50, "bucket_pages": 0}, Step("wait", why="bucket")),
        ({"waiting": 50, "trial": Trial(0, 900, 0, True)}, Step("build", 50)),
        ({"waiting": 5000, "batches_out": 100}, Step("wait", why="batches")),
        # tokens: what is left of the limit, and no crumbs while larger batches are out
        ({"waiting": 5000, "batches_out": 2, "tokens_out": 4_500_000}, Step("build", 500)),
        ({"waiting": 5000, "batches_out": 2, "tokens_out": 4_950_000}, Step("wait", why="tokens")),
        ({"waiting": 40, "batches_out": 2, "tokens_out": 4_950_000}, Step("build", 40)),
        ({"waiting": 60, "batches_out": 2, "tokens_out": 5_950_000}, Step("wait", why="tokens")),
        # a refusal: a pause, and a smaller limit for a day
        (
            {"waiting": 50, "refusals": (refusal(9000, 0.1, True),)},
            Step("wait", why="refused", again=timedelta(minutes=4)),
        ),
        ({"waiting": 50, "refusals": (refusal(9000, 0.2, True),)}, Step("build", 9)),
        ({"waiting": 50, "refusals": (refusal(9000, 24),)}, Step("build", 50)),
        (
            {"waiting": 50, "batches_out": 1, "tokens_out": 9000, "refusals": (refusal(9000),)},
            Step("wait", why="believed"),
        ),
        # the disk
        ({"undrawn": 50, "disk_free": plan.DISK_KEPT_FREE + 450}, Step("draw", 2)),
        ({"undrawn": 50, "disk_free": 100}, Step("stop", why="disk")),
        ({"undrawn": 50, "disk_free": 100, "batches_out": 1}, Step("wait", why="disk")),
        ({"waiting": 3, "disk_free": plan.DISK_KEPT_FREE + 300}, Step("build", 3)),
        ({"waiting": 3, "undrawn": 50, "disk_free": 100}, Step("stop", why="disk")),
        ({"waiting": 3, "disk_free": 100, "batches_out": 1}, Step("wait", why="disk")),
        ({"waiting": 9, "disk_free": plan.DISK_KEPT_FREE + 500}, Step("build", 5)),
        # files at the API
        ({"waiting": 50, "bytes_kept": LIMITS.bytes}, Step("wait", why="bytes")),
    ],
)
def test_what_is_next(state: dict[str, Any], wanted: Step) -> None:
    assert step(**state) == wanted


@pytest.mark.parametrize(
    ("unsent", "state", "wanted"),
    [
        (Unsent(10, 10_000, 9, True), {}, Step("send", 10)),
        (Unsent(10, 10_000, 9, True), {"batches_out": 100}, Step("wait", why="batches")),
        (Unsent(10, 10_000, 9, True), {"tokens_out": 4_999_999}, Step("wait", why="tokens")),
        (Unsent(10, 10_000, 9, True), {"bytes_kept": LIMITS.bytes}, Step("wait", why="bytes")),
        # what fits does not matter where the API may have it already
        (Unsent(10, 10**9, 9, False), {"tokens_out": 4_999_999}, Step("send", 10)),
        # one that can never fit is built smaller, but never smaller than ten pages
        (Unsent(900, 900_000, 9, True), {"refusals": (refusal(400_000),)}, None),
        (Unsent(10, 10_000, 9, True), {"refusals": (refusal(400),)}, Step("send", 10)),
        # one for the other door, unless that one may have it
        (Unsent(10, 10_000, 9, True, ours=False), {}, Step("give_back", 10)),
        (Unsent(10, 10_000, 9, False, ours=False), {}, Step("send", 10)),
    ],
)
def test_a_folder_that_is_built_goes_first(
    unsent: Unsent, state: dict[str, Any], wanted: Step | None
) -> None:
    given_back = Step("give_back", unsent.pages, "believed")
    assert step(unsent=unsent, waiting=50, **state) == (wanted or given_back)


def test_max_usd_leaves_room_for_what_it_allows_and_no_more() -> None:
    limits = replace(LIMITS, usd=Decimal(5))
    page = PAGE._replace(usd=Decimal("0.2"))
    assert step(limits, page, waiting=500) == Step("build", 25)
    out = {"waiting": 500, "batches_out": 1, "usd_out": Decimal(5)}
    assert step(limits, page, **out) == Step("wait", why="usd")
    dear = PAGE._replace(usd=Decimal("5.01"))
    assert step(limits, dear, waiting=500) == Step("stop", why="usd")
    unsent = Unsent(26, 26_000, 9, True)
    assert step(limits, page, unsent=unsent) == Step("stop", why="usd")
    assert step(limits, page, unsent=unsent, usd_out=Decimal(1)).do == "wait"


def test_a_limit_below_one_page_is_for_a_person() -> None:
    assert step(replace(LIMITS, tokens=999), waiting=5) == Step("stop", why="tokens")


def test_pauses_after_refusals_double_up_to_four_hours() -> None:
    def pause(times: int) -> timedelta:
        return plan.pause_left([refusal(1, 0, True)] * times)

    minutes = [pause(times) / timedelta(minutes=1) for times in range(8)]
    assert minutes == [0, 10, 20, 40, 80, 160, 240, 240]
    assert plan.pause_left([refusal(1, 0, False)] * 3) == timedelta()


def test_an_acceptance_disproves_what_was_refused_below_it() -> None:
    small, large = refusal(5, total=10), refusal(50, total=100)
    assert plan.still_held([small, large], "tokens", 9) == [True, True]
    assert plan.still_held([small, large], "tokens", 10) == [False, True]
    assert plan.still_held([small, large], "bytes", 10**6) == [True, True]
    # Refused a while ago and accepted now, at one size: it was not the size.
    row = [one._replace(in_a_row=True) for one in (small, large)]
    assert plan.still_held(row, "tokens", 9) == [True, True]
    assert plan.still_held(row, "tokens", 10) == [False, False]


def test_drawn_ahead_is_the_next_wave_as_the_disk_has_room() -> None:
    def ahead(**state: Any) -> int:
        return plan.draw_ahead(State(undrawn=16_000, **state), LIMITS, PAGE)

    assert ahead() == 1000
    assert ahead(waiting=400) == 600
    assert ahead(waiting=1000) == 0
    assert ahead(trial=NEW) == 10
    assert ahead(trial=Trial(0, 10, 0, False)) == 0
    assert ahead(disk_free=plan.DISK_KEPT_FREE + 2000) == 10
    assert ahead(disk_free=0) == 0


@given(
    some.builds(
        State,
        waiting=some.integers(0, 3000),
        undrawn=some.integers(0, 3000),
        paused=some.integers(0, 5),
        batches_out=some.integers(0, 101),
        tokens_out=some.integers(0, 6_000_000),
        bytes_kept=some.integers(0, 2 * LIMITS.bytes),
        usd_out=some.decimals(0, 50, places=2),
        unsent=some.none()
        | some.builds(
            Unsent,
            some.integers(1, 1000),
            some.integers(1, 6_000_000),
            some.integers(0, 10**9),
            some.booleans(),
        ),
        refusals=some.lists(
            some.builds(
                Refusal,
                some.sampled_from(["tokens", "bytes"]),
                some.integers(1, 10**7),
                some.integers(1, 10**7),
                some.timedeltas(timedelta(), timedelta(days=3)),
                some.booleans(),
            ),
            max_size=4,
        ).map(tuple),
        trial=some.builds(
            Trial,
            some.integers(0, 20),
            some.integers(0, 20),
            some.integers(0, 20),
            some.booleans(),
        ),
        disk_free=some.integers(0, 10**10),
    ),
    some.none() | some.decimals("0.01", 100, places=2),
)
def test_whatever_is_nothing_beyond_the_limits_goes_out(state: State, usd: Decimal | None) -> None:
    limits = replace(LIMITS, usd=usd)
    page = PAGE._replace(usd=Decimal("0.05"))
    found = plan.next_step(state, limits, page)
    assert 0 <= plan.draw_ahead(state, limits, page) <= plan.DRAWN_AT_ONCE
    if found.do == "build":
        assert 1 <= found.pages <= min(state.waiting, limits.batch_pages)
        assert state.batches_out < limits.batches
        assert state.tokens_out + found.pages * page.tokens <= limits.tokens
        assert state.bytes_kept + found.pages * page.bytes <= limits.bytes
        assert usd is None or state.usd_out + found.pages * Decimal("0.05") <= usd
        assert state.trial.passed or found.pages <= plan.TRIAL_PAGES
    if found.do == "draw":
        assert 1 <= found.pages <= state.undrawn
        assert found.pages * page.disk <= state.disk_free
    if found.do == "done":
        assert (state.waiting, state.undrawn, state.unsent, state.batches_out) == (0, 0, None, 0)
