"""How long pages wait after a failure of every page of their batch."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlite_utils import Database

from flowsheets import clock
from flowsheets.jobs import pauses
from flowsheets.paths import PageId

PAGE = PageId("a.pdf", 1)


@pytest.mark.parametrize(
    ("times", "hours"), [(0, 0), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 24), (60, 24)]
)
def test_a_pause_doubles_up_to_a_day(jobs_db: Database, times: int, hours: int) -> None:
    pauses.add(jobs_db, [PAGE], times, "down", clock.stamp())
    pause = pauses.all_of(jobs_db)[PAGE]
    assert (pause.times, pause.reason) == (times, "down")
    assert timedelta(hours=hours) - pause.left < timedelta(seconds=20)
    assert (PAGE in pauses.waiting(jobs_db)) == (hours > 0)


def test_a_page_waits_no_longer_once_its_pause_is_over_or_ended(jobs_db: Database) -> None:
    other = PageId("a.pdf", 2)
    at = str(datetime.now(UTC) - timedelta(hours=3))
    pauses.add(jobs_db, [PAGE], 2, "down", {"at": at})
    pauses.add(jobs_db, [other], 3, "down", {"at": at})
    assert list(pauses.waiting(jobs_db)) == [other]
    assert list(pauses.all_of(jobs_db)) == [PAGE, other]  # the next one is longer all the same
    pauses.end(jobs_db, [other])
    assert list(pauses.all_of(jobs_db)) == [PAGE]


def test_a_clock_that_was_set_forward_ends_no_pause(jobs_db: Database) -> None:
    if not clock.this_boot():
        pytest.skip("this system does not name its boots")
    pauses.add(jobs_db, [PAGE], 1, "down", clock.stamp() | {"at": "2020-01-01T00:00:00+00:00"})
    assert PAGE in pauses.waiting(jobs_db)
