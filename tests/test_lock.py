"""One at a time."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowsheets import lock
from station import TOP

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
