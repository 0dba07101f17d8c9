"""A really started `make browse`: `with browsing(station) as url: ...`"""

import contextlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Any

from emulator_process import PATIENCE
from flowsheets import files, paths
from flowsheets.jobs import database, states
from flowsheets.page import schema
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from station import TOP, Station

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    """One answer of the web server."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def complete(station: Station, page_id: PageId, reading: dict[str, Any]) -> None:
    """Give a rendered page a result, as a fetch does; the answer is made up here."""
    result = schema.result(PageReading.model_validate(reading), "gemini-x")
    files.write_whole(paths.result(station.data, page_id), result.to_json())
    db = database.connect(station.data)
    states.flip(db, [page_id], "rendered", "completed")
    db.close()


@contextlib.contextmanager
def browsing(station: Station, *words: str, port: int = 0) -> Iterator[str]:
    """`make browse` on that port, or a free one, until the block ends; yields its address.

    `words` are more of make's, `REVIEWER=Ada` say.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = port or listener.getsockname()[1]
    process = subprocess.Popen(
        ["make", "--no-print-directory", "browse", f"PORT={port}", *words],
        cwd=TOP,
        env=station.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"make browse did not start: {line!r}")
        yield line.split()[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # make, and the server below it
        process.wait(timeout=PATIENCE)
        process.stdout.close()


def get(url: str, **headers: str) -> Answer:
    """One request; an error status is an answer too."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with _DIRECT.open(request, timeout=PATIENCE) as reply:
            return Answer(reply.status, reply.headers, reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())
