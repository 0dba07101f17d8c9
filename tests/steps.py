"""Something happens to a process at its n-th step: FATE=kill|copy|full|cut, STEP=n.

A step is what can be half done: each HTTP request before it leaves and after it was answered, each
file opened for writing, each rename, removal and folder, and each statement of SQL that writes.

kill  the process ends there, as by kill -9
copy  a backup is made of jobs.db, into the folder COPIES; the process goes on
full  from there on the disk is full: no file, no folder and no row can be written
cut   from there on the network is gone; a request that had left loses its answer

Without FATE, or past the last step, nothing happens.
"""

import errno
import mmap
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import requests

_connect = sqlite3.connect
_WRITES = ("UPDATE", "INSERT", "COMMIT", "CREATE", "ALTER")


def watch() -> "Fate | None":
    """Let the environment's FATE meet this process."""
    global _watched
    fate = os.environ.get("FATE")
    if fate and _watched is None:  # else a run's step, which is a fork: its steps are the run's
        _watched = Fate(fate, int(os.environ["STEP"]), os.environ["DATA_ROOT"])
    return _watched


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


class Fate:
    """`left`: steps until it comes; 0 or less once it came."""

    def __init__(self, fate: str, at: int, data_root: str) -> None:
        self.fate = fate
        self._left = memoryview(mmap.mmap(-1, 8)).cast("q")  # shared with the steps of a run
        self.left = at
        self.data_root = data_root
        self._watch_requests()
        self._watch_sql()
        sys.addaudithook(self._seen)

    @property
    def left(self) -> int:
        return self._left[0]

    @left.setter
    def left(self, left: int) -> None:
        self._left[0] = left

    def met(self, *fates: str) -> bool:
        """One more step of these fates; true from the n-th on. Does not return from a kill."""
        if self.fate not in fates:
            return False
        self.left -= 1
        if self.left == 0 and self.fate == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0 and self.fate == "copy":
            self._copy()
        return self.left <= 0 and self.fate != "copy"

    def _copy(self) -> None:
        """jobs.db as of its last commit."""
        with (
            closing(_connect(f"{self.data_root}/jobs.db")) as db,
            closing(_connect(f"{os.environ['COPIES']}/{os.getpid()}.db")) as copy,
        ):
            db.backup(copy)

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
            if not (writes and str(path).startswith(self.data_root)):
                return
            if Path(str(path)).name.endswith((".lock", ".db")):
                return
        elif event in ("os.remove", "os.rename"):
            self.met("kill", "copy")  # a full disk allows both
            return
        elif event != "os.mkdir":
            return
        if self.met("kill", "full", "copy"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _watch_sql(self) -> None:
        met = self.met

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if sql.split(None, 1)[0].upper() in _WRITES and met("kill", "full", "copy"):
                    raise _full()
                return super().execute(sql, *arguments)

            def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                if met("kill", "full", "copy"):
                    raise _full()
                return super().executemany(sql, *arguments)

        connect = sqlite3.connect

        def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options, factory=Connection)
            return connection

        sqlite3.connect = watched  # type: ignore[assignment]

    def _watch_requests(self) -> None:
        met = self.met
        send = httpx2.HTTPTransport.handle_request

        def watched(self: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
            if met("kill", "cut", "copy"):
                raise httpx2.ConnectError("Network is unreachable", request=request)
            response = send(self, request)
            if met("kill", "cut", "copy"):
                raise httpx2.ReadError("Connection reset by peer", request=request)
            return response

        httpx2.HTTPTransport.handle_request = watched  # type: ignore[method-assign]
        self._watch_requests_of_google()

    def _watch_requests_of_google(self) -> None:
        """Tokens and the bucket go through another library."""
        met = self.met
        send = requests.adapters.HTTPAdapter.send

        def watched(self: Any, request: Any, **options: Any) -> Any:
            if met("kill", "cut", "copy"):
                raise requests.ConnectionError("NewConnectionError: Network is unreachable")
            response = send(self, request, **options)
            if met("kill", "cut", "copy"):
                raise requests.ConnectionError("Connection reset by peer")
            return response

        setattr(requests.adapters.HTTPAdapter, "send", watched)  # noqa: B010


_watched: Fate | None = None
