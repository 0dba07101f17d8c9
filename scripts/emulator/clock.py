"""The emulator's clock: real time plus what it was moved by, or a still one that is only moved."""

import threading
import time
from pathlib import Path

from emulator.durable import write_whole

SECOND = 1_000_000_000  # in nanoseconds, the unit of every time in the emulator's state
HOUR = 3600 * SECOND


class Clock:
    """Keeps its offset in `path`, so that a restart does not bring expired files back."""

    def __init__(self, path: Path, still: bool = False) -> None:
        self.path = path
        self.still = still
        self.lock = threading.Lock()
        if not path.exists():
            write_whole(path, time.time_ns() if still else 0)
        self.offset = int(path.read_text())

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self.offset if self.still else time.time_ns() + self.offset

    def advance(self, seconds: float) -> None:
        with self.lock:
            self.offset += int(seconds * SECOND)
            write_whole(self.path, self.offset)


def stamp(nanoseconds: int) -> str:
    """A time as Google writes it: 2026-01-06T11:09:11.943530657Z (recorded)."""
    whole, fraction = divmod(nanoseconds, SECOND)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{fraction:09d}Z"
