"""A command in the tests' own process leaves nothing behind but its files."""

import os
import signal
import sys
import warnings
from pathlib import Path

import pytest

from flowsheets.money import prices
from forked import TOP
from station import Station


def state() -> tuple[object, ...]:
    """What one command could leave to the next."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    streams = (sys.argv, sys.stdout, sys.stderr, sys.stdin)
    return (dict(os.environ), Path.cwd(), handlers, streams, list(warnings.filters))


def test_a_command_leaves_this_process_as_it_was(online: Station, tmp_path: Path) -> None:
    online.scan(2)
    online.good("discover")  # imports what it needs
    online.good("render")
    before = state()
    assert "2 completed" in online.good("process", "LIMIT=2")
    online.error("batch-status", "ID=nope")
    assert state() == before


def test_what_one_command_cached_is_not_known_to_the_next(station: Station) -> None:
    prices.price_list()
    station.scan(1)
    station.good("discover")
    assert prices.price_list.cache_info().currsize == 0


def test_another_setting_is_not_answered_by_the_client_of_the_last_command(
    online: Station,
) -> None:
    online.rendered(1)
    assert "1 completed" in online.good("process")
    online.good("retry", "PDF=1990/April 1990/1990-04apr0106.pdf", "PAGE=1")
    assert "cannot be reached" in online.error("process", HTTP_PROXY="http://127.0.0.1:9")
    assert "1 completed" in online.good("process")


def test_a_command_runs_at_the_top_of_the_project(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = station.make("discover", SCANS_ROOT="tests/samples/scans", DATA_ROOT=str(tmp_path))
    assert "registered 10 new pages" in done.stdout
    assert (Path.cwd(), TOP.is_dir()) == (tmp_path, True)


def test_a_bug_is_raised_where_the_test_called(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("overview.main.callback", bug)
    with pytest.raises(ZeroDivisionError):
        station.make("status")
