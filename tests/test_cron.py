"""`* * * * * cd … && make -s batch-fetch`: cron's bare environment, and its silence."""

import re
import subprocess

from emulator_process import Emulator, wait_for
from station import KEY, TOP, Station

README = (TOP / "README.md").read_text()


def cron(station: Station, target: str = "batch-fetch") -> "subprocess.CompletedProcess[str]":
    """The line of the README's crontab, with the settings that a .env would hold."""
    settings = (
        f"GEMINI_API_KEY={KEY}",
        f"GOOGLE_GEMINI_BASE_URL={station.base_url}",
        f"DATA_ROOT={station.data}",
        f"SCANS_ROOT={station.scans}",
    )
    bare = ("env", "-i", "PATH=/usr/bin:/bin", "HOME=/", "SHELL=/bin/sh", "LOGNAME=nobody")
    line = f'cd "{TOP}" && make -s {target}'
    return subprocess.run(
        [*bare, *settings, "/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_cron_hears_nothing_until_a_batch_ended_and_then_one_line_a_batch(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    emulator.faults(batch_stays_pending=True)
    online.good("batch-submit", BATCH_PAGES="2")
    quiet = cron(online)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    emulator.faults(batch_stays_pending=None)
    emulator.restart()  # the batches that waited start

    said = []

    def all_fetched() -> bool:
        done = cron(online)
        assert (done.returncode, done.stderr) == (0, "")
        said.extend(done.stdout.splitlines())
        return online.statuses() == ["completed"] * 3

    wait_for(all_fetched, 60)
    assert len(said) == 2
    assert all(line.startswith("fetched batches/") for line in said)
    quiet = cron(online)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_cron_fails_where_a_person_must_act(online: Station, emulator: Emulator) -> None:
    online.rendered(1)
    emulator.faults(line_unknown=True)
    batch_id = online.submitted()
    done = wait_for(lambda: (run := cron(online)).returncode and run, 60)
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error: ")]) == 1
    assert f"make batch-rescue ID={batch_id}" in done.stderr


def test_the_readmes_line_takes_pages_all_the_way(online: Station, emulator: Emulator) -> None:
    (target,) = re.findall(r"^\* \* \* \* \* cd \S+ && make -s (\S+)$", README, re.MULTILINE)
    online.data.mkdir()
    online.scan(2)
    online.good("discover")
    said = []

    def all_completed() -> bool:
        done = cron(online, target)
        assert (done.returncode, done.stderr) == (0, "")
        said.extend(done.stdout.splitlines())
        return online.statuses() == ["completed"] * 2

    wait_for(all_completed)
    assert len(said) == 2
    assert said[0].startswith("rendered 2, submitted 2 pages in 1 batch; 2 left")
    quiet = cron(online, target)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
