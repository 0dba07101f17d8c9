"""One at a time: file locks that the kernel gives back when their holder dies.

jobs.lock     commands that change batches or move pages between them and the queue
process.lock  a real-time run, as long as it lasts; free means that no page is in flight
render.lock   pages that become images
compare.lock  a comparison
second.lock   second readings
truth.lock    a draw of pages that people type
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from flowsheets.errors import Problem
from flowsheets.files import cannot_write

# A fetch takes seconds, an upload of 2 GB minutes: after that it is better to come back later.
WAIT_SECONDS = 60.0


class Held(Exception):
    """Another living process has the lock; `holder` names it for a person."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def held(data_root: Path, name: str, wait: float = 0) -> Iterator[None]:
    """Hold `name` (see above) during the block, waiting up to `wait` seconds for it.

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


@contextmanager
def jobs_held(data_root: Path) -> Iterator[None]:
    """Hold the `jobs` lock for a command that a person waits for: up to WAIT_SECONDS.

    Raises `Problem` with the holder's name where it is not to be had by then.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(data_root, "jobs", wait=WAIT_SECONDS))
        except Held as busy:
            raise Problem(
                data_root / "jobs.lock", f"held by {busy.holder}", "Try again when that is done"
            ) from busy
        yield


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
