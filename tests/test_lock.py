"""One at a time."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import build_requests
import retry
import submit
from flowsheets import lock
from flowsheets.errors import Problem
from station import PDF, TOP, Station

HOLD = """
import sys, time
from pathlib import Path
from flowsheets import lock
sys.argv[0] = "fetch.py"
with lock.held(Path(sys.argv[1]), "jobs"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(TOP / "scripts")},
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(lock.Held) as caught, lock.held(tmp_path, "jobs"):
            pass
        assert "fetch.py" in str(caught.value)
        assert str(process.pid) in str(caught.value)
    finally:
        process.kill()
        process.communicate()


def test_a_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.kill()
    process.communicate()
    start = time.monotonic()
    with lock.held(tmp_path, "jobs", wait=30):
        assert time.monotonic() - start < 5


def test_two_locks_do_not_hinder_each_other(tmp_path: Path) -> None:
    with lock.held(tmp_path, "jobs"), lock.held(tmp_path, "process"):
        pass


def test_a_command_that_a_person_waits_for_says_after_a_while_who_holds_it(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.rendered(1)
    for name, value in station.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.5)
    process = holder(station.data)
    try:
        start = time.monotonic()
        for script in (build_requests, submit, retry):
            words = ["--pdf", PDF, "--page", "1"] if script is retry else []
            with pytest.raises(Problem) as caught:
                script.main(words, standalone_mode=False)
            assert f"held by fetch.py (process {process.pid}, since " in str(caught.value)
        assert time.monotonic() - start > 1.5
    finally:
        process.kill()
        process.communicate()
    assert station.statuses() == ["rendered"]


def test_a_submit_waits_for_a_short_holder(station: Station) -> None:
    station.rendered(1)
    process = holder(station.data)
    threading.Timer(2, process.kill).start()
    assert "cannot be reached" in station.error("batch-submit")  # that far it came
    process.communicate()
    assert station.statuses() == ["submitted"]
