"""make simulate: a corpus on a simulated clock, by the planner of the run."""

import statistics
import xml.etree.ElementTree as ElementTree
from decimal import Decimal

import pytest

from flowsheets.batch import plan
from flowsheets.batch.course import Course, World
from flowsheets.batch.plan import Limits, PageSize
from flowsheets.batch.simulation import simulate
from flowsheets.gemini.room import DEVELOPER
from station import Station

PAGE = PageSize(tokens=2300, bytes=230_000, disk=400_000, usd=Decimal("0.05"))
CALM = World(stalled=0, failed_batches=0, failed_pages=0, refused=0)


def course(
    world: World, pages: int = 16_000, limits: Limits | None = None, seed: int = 1
) -> Course:
    return simulate(pages, limits or Limits(), PAGE, world, seed, Decimal("0.02"))


def changed(world: World, **values: float) -> World:
    return World(**{**world.__dict__, **values})


def assert_complete(found: Course, pages: int = 16_000) -> None:
    assert found.stopped == ""
    assert found.completed + found.out_of_tries == pages
    assert found.out_of_tries < pages / 1000


def most_out(found: Course) -> int:
    return max(moment.tokens_out for moment in found.moments)


def test_sixteen_thousand_pages_go_in_waves_below_the_limit_of_tier_1() -> None:
    found = course(CALM)
    assert_complete(found)
    assert most_out(found) <= DEVELOPER.tokens[1]
    assert len(found.batches) >= 16_000 * PAGE.tokens / DEVELOPER.tokens[1]
    assert found.batches[0].pages == plan.TRIAL_PAGES
    assert found.usd == pytest.approx(16_000 * 0.02)
    assert found.waited["tokens"] > 12


def test_higher_tiers_are_done_sooner_and_never_beyond_100_batches() -> None:
    hours = []
    for tier in (1, 2, 3):
        found = course(CALM, limits=Limits(tokens=DEVELOPER.tokens[tier], batch_pages=100))
        assert_complete(found)
        assert max(moment.batches_out for moment in found.moments) <= 100
        hours.append(found.hours)
    assert hours[0] > 1.5 * hours[1] >= 1.5 * hours[2]


def test_a_million_pages_stay_below_twenty_gigabytes() -> None:
    found = course(CALM, 1_000_000, Limits(tokens=DEVELOPER.tokens[3]))
    assert_complete(found, 1_000_000)
    assert max(moment.bytes_kept for moment in found.moments) <= 20_000_000_000
    assert found.waited.get("batches", 0) + found.waited.get("bytes", 0) > 0


def test_the_same_seed_is_the_same_course() -> None:
    assert course(World(), seed=7).batches == course(World(), seed=7).batches
    assert course(World(), seed=7).batches != course(World(), seed=8).batches


def test_stalled_batches_expire_and_their_pages_go_again() -> None:
    found = course(changed(CALM, stalled=0.2))
    assert_complete(found)
    expired = [batch for batch in found.batches if batch.outcome == "EXPIRED"]
    assert expired
    assert sum(batch.pages for batch in found.batches) == 16_000 + sum(one.pages for one in expired)
    assert found.hours > course(CALM).hours + 40


def test_where_every_batch_stalls_the_simulation_says_so() -> None:
    found = course(changed(CALM, stalled=1))
    assert found.stopped == "nothing comes back for 14 days"


@pytest.mark.parametrize("tokens", [3_000_000, 1_000_000, 100_000])
def test_a_tier_that_is_smaller_than_said_is_found_out(tokens: int) -> None:
    found = course(changed(CALM, tokens=tokens), 4000)
    assert_complete(found, 4000)
    assert most_out(found) <= tokens
    assert found.refused
    assert found.waited["believed"] > 0
    # The limit is found within a few tries, and asked again once a day, not each minute.
    assert found.refused < 8 + 8 * found.hours / 24


def test_an_api_that_answers_429_for_a_day_delays_by_a_day_and_is_not_hammered() -> None:
    calm = course(CALM)
    found = course(changed(CALM, refused_hours=24))
    assert_complete(found)
    assert 24 < found.hours < calm.hours + 24 + 12
    assert found.waited["refused"] > 23
    assert found.refused < 15


def test_a_day_of_429_in_the_midst_costs_little_more_than_that_day() -> None:
    world = changed(CALM, refused_from=6, refused_hours=24)
    delays = []
    for seed in range(1, 8):
        found = course(world, seed=seed)
        assert_complete(found)
        assert found.refused < 20
        delays.append(found.hours - course(CALM, seed=seed).hours)
    assert statistics.median(delays) < 24 + 12
    assert max(delays) < 24 + 36  # where nothing was refused and accepted at one size


def test_where_the_first_ten_pages_fail_no_more_are_paid_for() -> None:
    found = course(changed(CALM, failed_pages=1))
    assert found.stopped == "trial_failed"
    assert sum(batch.pages for batch in found.batches) == plan.TRIAL_PAGES


def test_failed_batches_wait_and_go_again() -> None:
    found = course(changed(CALM, failed_batches=0.3))
    assert_complete(found)
    assert any(batch.outcome == "FAILED" for batch in found.batches)


def test_the_calendar_is_a_table_and_a_picture(station: Station) -> None:
    said = station.good("simulate", "PAGES=3000", "TIER=1", "SEED=2")
    head, *days = [line.split() for line in said.splitlines()[1:] if line.strip()][:2]
    assert head[0] == "day"
    assert days[0][0] == "1"
    for tier in (1, 2, 3):
        assert f"tier {tier}: " in said
    assert "where the time went, tier 1: " in said
    svg = (station.data / "simulation/calendar.svg").read_text()
    texts = [one.text for one in ElementTree.fromstring(svg).iter() if one.tag.endswith("text")]
    for wanted in ("Pages done", "Tokens enqueued, tier 1", "Files at Google, tier 1", "days"):
        assert wanted in texts
    assert station.good("simulate", "PAGES=3000", "TIER=1", "SEED=2") == said
    assert not (station.data / "jobs.db").exists()


def test_another_world_is_given_by_its_words(station: Station) -> None:
    said = station.good("simulate", "PAGES=500", "WORLD=failed_pages=1 hours=1")
    assert "stops after" in said
    assert "(most of the first ten pages failed)" in said


@pytest.mark.parametrize("word", ["stalls=1", "stalled=", "stalled=-1", "stalled", "hours=nan"])
def test_a_world_that_cannot_be_is_one_clear_line(station: Station, word: str) -> None:
    said = station.error("simulate", f"WORLD={word}")
    assert said.startswith(f"Error: WORLD: '{word}' is unknown. Give NAME=NUMBER: hours, spread")


@pytest.mark.parametrize("pages", ["1", "11"])
def test_few_pages_have_a_calendar_too(station: Station, pages: str) -> None:
    assert "tier 3: " in station.good("simulate", f"PAGES={pages}")


@pytest.mark.parametrize(
    "world", ["hours=0", "pages_a_second=1e-9 stalled=0", "hours=0 spread=0 tokens=50000"]
)
def test_a_world_at_an_end_of_the_scale_comes_to_its_end(station: Station, world: str) -> None:
    said = station.good("simulate", "PAGES=300", f"WORLD={world}")
    assert "stops after" not in said


def test_more_pages_than_can_be_computed_and_shares_of_more_than_all_are_refused(
    station: Station,
) -> None:
    assert "PAGES: 50,000,000 is more than" in station.error("simulate", "PAGES=50000000")
    assert "WORLD: 'stalled=2' is unknown" in station.error("simulate", "WORLD=stalled=2")
