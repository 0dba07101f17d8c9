"""A file's size and time: what tells that it is another one than when it was read."""

import os
from pathlib import Path

Stamp = tuple[int, int]  # mtime in ns, bytes

MISSING: Stamp = (0, 0)


def of(path: str | Path) -> Stamp:
    """What differs between two states of a file; `MISSING` where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # also for a path that no file can have
        return MISSING
    return status.st_mtime_ns, status.st_size
