"""kill -9 in the midst of a submit: every page is billed once, and completed."""

import subprocess
import sys

import pytest

from emulator_process import Emulator
from station import TOP, Station, billed

KILLED = TOP / "tests/killed"
STRIDE = 7  # of some 25 steps a script; all of them take four minutes


def run(station: Station, script: str, kill_at: int) -> int:
    """Run a script that is killed at a step; returns its exit code, -9 where it was killed."""
    environment = station.environment(
        KILL_AT=str(kill_at), PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(KILLED)
    )
    command = [sys.executable, str(TOP / "scripts" / script)]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def settle(station: Station) -> None:
    """What cron and a person would do next."""
    for _ in range(20):
        assert station.make("batch-submit").returncode == 0
        assert station.make("batch-fetch").returncode == 0
        if set(station.statuses()) == {"completed"}:
            return
    raise AssertionError(station.statuses())


def bought(emulator: Emulator, before: dict[str, int]) -> list[int]:
    """How often each image was paid for since `before`."""
    after = billed(emulator.ledger())
    return [n - before.get(image, 0) for image, n in after.items() if n != before.get(image, 0)]


@pytest.mark.parametrize("script", ["build_requests.py", "submit.py"])
def test_a_submit_killed_at_a_step_pays_each_page_once(
    online: Station, emulator: Emulator, script: str
) -> None:
    for kill_at in range(1, 60, STRIDE):
        online.rendered(1, f"{kill_at}.pdf")
        before = billed(emulator.ledger())
        if script == "submit.py":
            assert run(online, "build_requests.py", 0) == 0
        code = run(online, script, kill_at)
        settle(online)
        assert bought(emulator, before) == [1], (script, kill_at)
        if code == 0:  # past the last step
            return
        assert code == -9
