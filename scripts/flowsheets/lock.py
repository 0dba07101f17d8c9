"""One at a time: file locks that the kernel gives back when their holder dies.

jobs.lock     whoever changes batches or moves pages between them and the queue
process.lock  a real-time run, as long as it lasts; free means that no page is in flight
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from flowsheets.paths import cannot_write


class Held(Exception):
    """Another living process has the lock; `holder` names it for a person."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def held(data_root: Path, name: str, wait: float = 0) -> Iterator[None]:
    """Hold `name` (`jobs` or `process`) during the block, waiting up to `wait` seconds for it.

    Raises `Held` with the holder's command, process id and start if it is not to be had, and
    `Problem` where DATA_ROOT cannot be written. A dead process holds nothing.
    """
    path = data_root / f"{name}.lock"
    who = data_root / f"{name}.lock.json"  # beside the lock, which its library may truncate
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=wait)
        lock.acquire()
    except Timeout:
        raise Held(_holder(who)) from None
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            who.write_text(json.dumps(_me()), encoding="utf-8")
        except OSError as error:
            raise cannot_write(who, error) from error
        yield
    finally:
        who.unlink(missing_ok=True)
        lock.release()


def _me() -> dict[str, object]:
    return {
        "command": Path(sys.argv[0]).name,
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _holder(who: Path) -> str:
    try:
        me = json.loads(who.read_text(encoding="utf-8"))
        return f"{me['command']} (process {me['pid']}, since {me['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"  # it has the lock, and has not yet written its name
