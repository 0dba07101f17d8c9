"""Kills its process at the n-th step: KILL_AT=n, on PYTHONPATH. Steps are what can be half done.

A step is each HTTP request before it leaves and after it was answered, each rename, removal and
folder, and each statement of SQL that writes. Without KILL_AT, or past the last step, nothing
happens.
"""

import os
import signal
import sqlite3
import sys
from typing import Any

at = int(os.environ.get("KILL_AT", "0"))
steps = 0


def step() -> None:
    global steps
    steps += 1
    if steps == at:
        os.kill(os.getpid(), signal.SIGKILL)


def seen(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("os.rename", "os.remove", "os.mkdir"):
        step()


def write_of(sql: str) -> None:
    if sql.split(None, 1)[0].upper() in ("UPDATE", "INSERT", "COMMIT", "CREATE", "ALTER"):
        step()


if "KILL_AT" in os.environ:
    import httpx2

    connect = sqlite3.connect

    def watched_connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(write_of)
        return connection

    send = httpx2.HTTPTransport.handle_request

    def killed_send(self: Any, request: Any) -> Any:
        step()
        response = send(self, request)
        step()
        return response

    httpx2.HTTPTransport.handle_request = killed_send  # type: ignore[method-assign]
    sqlite3.connect = watched_connect  # type: ignore[assignment]
    sys.addaudithook(seen)
