"""The time in which a command lives, told by its environment; its sleeps take no time.

LATER   seconds by which it is later, for every clock and for the times of files
WALL    seconds by which somebody set the calendar's clock wrong, on top of that
BOOT    the name of the machine's boot, since which the other clock counts
HURRY   seconds to wait for a program that holds jobs.db, instead of a minute

Without LATER nothing is changed.
"""

import datetime
import os
import sys
import time
from typing import Any

LONGEST_SLEEP = 0.02  # so that the emulator gets on meanwhile


def watch() -> None:
    """Let the environment's time pass in this process."""
    if "LATER" in os.environ:
        later, wall = (float(os.environ.get(name, "0")) for name in ("LATER", "WALL"))
        _set_the_calendar(later + wall)
        _set_the_boot(os.environ["BOOT"], later)
        _sleep_quickly()
        _wait_shortly()


def _set_the_calendar(seconds: float) -> None:
    real = datetime.datetime
    by = datetime.timedelta(seconds=seconds)

    class Shifted(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.now(tz) + by

    for name, module in list(sys.modules.items()):
        if name.startswith("flowsheets") and getattr(module, "datetime", None) is real:
            setattr(module, "datetime", Shifted)  # noqa: B010
    replace = os.replace

    def shifted(old: Any, new: Any) -> None:
        replace(old, new)
        at = time.time() + seconds
        os.utime(new, (at, at))

    os.replace = shifted  # type: ignore[assignment]


def _set_the_boot(name: str, later: float) -> None:
    from flowsheets import clock

    up = clock._up
    clock.this_boot = lambda: name  # type: ignore[assignment]
    clock._up = lambda: round(up() + later, 3)


def _sleep_quickly() -> None:
    sleep, monotonic = time.sleep, time.monotonic
    slept = [0.0]

    def short(seconds: float) -> None:
        slept[0] += seconds
        sleep(min(seconds, LONGEST_SLEEP))

    time.sleep = short  # type: ignore[assignment]
    time.monotonic = lambda: monotonic() + slept[0]


def _wait_shortly() -> None:
    from flowsheets.jobs import database

    setattr(database, "QUIET_SECONDS", 0)  # noqa: B010
    setattr(database, "BUSY_SECONDS", float(os.environ.get("HURRY", "1")))  # noqa: B010


def everything() -> None:
    """Import the project's modules, so that `watch` finds each, and a child needs none."""
    import importlib
    import pkgutil

    import flowsheets

    for module in pkgutil.walk_packages(flowsheets.__path__, "flowsheets."):
        importlib.import_module(module.name)
