"""kill -9, a full disk or no network at any step: billed once, completed, one clear line.

`make test` takes every fifth step, STRIDE=1 make test every one: some 270 runs, four minutes.
"""

import os
from pathlib import Path

import pytest

import in_process
from emulator_process import Emulator, wait_for
from forked import Done
from station import Station, billed
from vertex_door import proven, vertex_door

PAGES = 2
MOST_STEPS = 200  # no command has so many; one that had would fail here
STRIDE = int(os.environ.get("STRIDE", "5"))

# What a person or cron runs, in order -> the scripts of `make batch-submit` and so on.
BEFORE = {
    "build_requests.py": (),
    "submit.py": ("build_requests.py",),
    "fetch.py": ("build_requests.py", "submit.py"),
    "process.py": (),
}


def run(station: Station, script: str, **more: str) -> Done:
    return in_process.run(f"scripts/{script}", env=station.environment(**more))


def settle(station: Station) -> None:
    """What cron and a person do next, until nothing is left to do."""

    def all_completed() -> bool:
        for script in ("build_requests.py", "submit.py", "fetch.py"):
            done = run(station, script)
            assert done.returncode == 0, done.stderr
        return set(station.statuses()) == {"completed"}

    wait_for(all_completed)


def ready(station: Station, script: str) -> None:
    """Bring the station to where the script has something to do."""
    for earlier in BEFORE[script]:
        assert run(station, earlier).returncode == 0
    if script == "fetch.py":
        wait_for(lambda: "SUCCEEDED" in run(station, "status.py").stdout)


def bought(emulator: Emulator, before: dict[str, int]) -> list[int]:
    """How often each image was paid for since `before`."""
    after = billed(emulator.ledger())
    return [n - before.get(image, 0) for image, n in after.items() if n != before.get(image, 0)]


FATES = ("kill", "full", "cut")
RUNS = [("developer", fate, script) for fate in FATES for script in BEFORE]
# Where the doors differ: building a batch asks neither, and its disk is the same.
RUNS += [("vertex", fate, script) for fate in FATES for script in ("submit.py", "fetch.py")]
RUNS += [("vertex", "kill", "process.py")]
if STRIDE == 1:  # the token is asked for again for some seconds at each step
    RUNS += [("vertex", "cut", "process.py")]


@pytest.mark.parametrize(("door", "fate", "script"), RUNS)
def test_at_whichever_step_each_page_is_paid_for_once_and_completed(
    tmp_path: Path, emulator: Emulator, script: str, fate: str, door: str
) -> None:
    settings = vertex_door(emulator) if door == "vertex" else {}
    stride = STRIDE * 5 if settings and STRIDE > 1 else STRIDE  # several times as many steps
    for step in range(1, MOST_STEPS, stride):
        station = Station(tmp_path / str(step), emulator.url, door=settings)
        station.scans.mkdir(parents=True)
        station.rendered(PAGES, f"{door[0]}{fate}{script[0]}{step}.pdf")
        if settings:
            proven(station)
        before = billed(emulator.ledger())
        ready(station, script)
        done = run(station, script, FATE=fate, STEP=str(step))
        if fate != "kill":
            assert_one_clear_line(done)
        in_flight = 0  # real-time calls whose answer was lost on the way: billed, and failed
        if script == "process.py":
            in_flight = station.statuses().count("processing" if fate == "kill" else "failed")
        settle(station)
        assert_paid_once(bought(emulator, before), step, allowed=in_flight)
        assert_nothing_left_over(station)
        if not done.fate_met:  # past the last step
            assert done.returncode == 0
            return
    raise AssertionError("the command never got through")


def assert_one_clear_line(done: Done) -> None:
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == (1 if done.returncode else 0), done.stderr


def assert_paid_once(times: list[int], step: int, allowed: int) -> None:
    assert len(times) == PAGES, step
    assert sum(times) - PAGES <= allowed, (step, times)


def assert_nothing_left_over(station: Station) -> None:
    leftovers = [path for path in station.data.rglob("*") if path.name.endswith(".part")]
    assert leftovers == []
    batches = station.data / "batches"
    for folder in batches.iterdir() if batches.exists() else ():
        assert '"settled"' in (folder / "journal.jsonl").read_text().splitlines()[-1]
