"""How long ago something was noted, also where somebody has set the clock since.

The wall clock is right most of the time. Between two moments of one boot the time since the boot
is right always; so what is noted carries both.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

# Linux alone has it; elsewhere the wall clock decides.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def stamp() -> dict[str, Any]:
    """Now: {"at": ISO in UTC, "boot": which boot this is, "up": seconds since then}.

    Where the boot has no name, it is `at` alone.
    """
    at = {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    return at | {"boot": this_boot(), "up": _up()} if this_boot() else at


def elapsed(noted: Mapping[str, Any]) -> timedelta:
    """Since a `stamp` was made, never below 0: a time in the future counts as now."""
    if same_boot(noted):
        return max(timedelta(seconds=_up() - noted["up"]), timedelta())
    return max(datetime.now(UTC) - moment(noted["at"]), timedelta())


def by_the_calendar(noted: Mapping[str, Any]) -> timedelta:
    """The same by the wall clock alone, where being wrong does no harm."""
    return max(datetime.now(UTC) - moment(noted["at"]), timedelta())


def since(then: datetime | None) -> timedelta:
    """Since a time that the API gave, never below 0; 0 where it gave none."""
    return max(datetime.now(UTC) - then, timedelta()) if then else timedelta()


def same_boot(noted: Mapping[str, Any]) -> bool:
    """Whether the stamp was made since this machine was started."""
    return bool(this_boot()) and noted.get("boot") == this_boot() and "up" in noted


def moment(text: str) -> datetime:
    """An ISO time; one without a zone is in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


@cache
def this_boot() -> str:
    """The name of this boot, in part; empty where the system gives none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:13]
    except (OSError, UnicodeDecodeError):
        return ""


def _up() -> float:
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)  # goes on while a laptop sleeps
