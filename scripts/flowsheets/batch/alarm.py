"""ALERT_CMD: each alert once to a shell command, on stdin, whatever that command does.

The table `alerts` is written after the command has taken the text, so a kill in between tells you
twice, and never not at all. Where the command fails, it is tried again after an hour.
"""

import os
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta

from sqlite_utils import Database

from flowsheets import clock, display
from flowsheets.errors import warn
from flowsheets.jobs import alerts, database
from flowsheets.jobs.alerts import Told

SECONDS = 30  # a command that takes longer is killed, with all that it started
TRY_AGAIN = timedelta(hours=1)
_TOO_LONG = "took longer than"
# In the name of a variable that no other program is to have.
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIALS")


def tell(db: Database, found: dict[str, str], judged: set[str], command: str | None) -> None:
    """Give the command each alert that it was not given yet; without one, it is a warning.

    `found`: what -> text, where `what` begins with its kind and a colon. Of the kinds in `judged`,
    an alert that is not found any more is over.
    """
    known = alerts.given(db)
    over = [what for what in known if what not in found and what.partition(":")[0] in judged]
    with database.transaction(db):
        alerts.end(db, over)
    for what, text in found.items():
        if _is_due(known.get(what)):
            line = " ".join(display.plain(text).split())
            why = _give(command, line) if command else _warn(line)
            with database.transaction(db):
                alerts.note(db, what, line, not why, clock.stamp()["at"])
            if why.startswith(_TOO_LONG):
                break  # the others are the next run's: this one is not to hang for each of them


def _is_due(last: Told | None) -> bool:
    if last is None:
        return True
    return not last.told and clock.by_the_calendar({"at": last.at}) >= TRY_AGAIN


def _warn(line: str) -> str:
    warn(line)
    return ""


def _give(command: str, line: str) -> str:
    """Why the command did not take it; "" where it did."""
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        warn(f"ALERT_CMD cannot be run ({error}); it was to say: {line}")
        return str(error)
    try:
        process.communicate(f"{line}\n".encode(), timeout=SECONDS)
        why = f"ended with {process.returncode}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        why = f"{_TOO_LONG} {SECONDS} s"
    finally:
        _end(process)
    if why:
        warn(f"ALERT_CMD {why}; it was to say: {line}")
    return why


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing of it is left, also where this run is interrupted."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with suppress(OSError):
        if process.stdin:
            process.stdin.close()


def _environment() -> dict[str, str]:
    """This one's without any secret: what is named so, and what holds the key."""
    key = os.environ.get("GEMINI_API_KEY", "").strip()
    return {
        name: value
        for name, value in os.environ.items()
        if not any(word in name.upper() for word in _SECRET) and not (key and key in value)
    }
