"""A really started emulator for tests: `with running_emulator(tmp_path) as emulator: ...`"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
PATIENCE = 60.0  # seconds until a test gives up; only one that fails takes so long
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Emulator:
    """One emulator process; it keeps its port and its state over a restart."""

    data: Path  # where its state lies
    args: tuple[str, ...]
    url: str = ""  # http://127.0.0.1:PORT
    port: int = 0
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Starts it and waits until it says that it is ready. Raises RuntimeError."""
        place = ("--port", str(self.port), "--data", str(self.data))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emulator", *place, *self.args],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        if "http://" not in line:
            self._reap()
            raise RuntimeError(f"the emulator did not start: {line!r}")
        self.url = line.split()[3]
        self.port = int(self.url.rpartition(":")[2])

    def faults(self, **values: Any) -> dict[str, Any]:
        """Switches faults on (true, a number, text) or off (None); returns those that are on."""
        on: dict[str, Any] = self.control("/emulator/faults", values)
        return on

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        """{"batches": [...], "answers": [...], "requests": [...]}"""
        ledger: dict[str, list[dict[str, Any]]] = self.control("/emulator/ledger")
        return ledger

    def advance(self, seconds: float) -> None:
        """Moves its clock forward."""
        self.control("/emulator/advance", {"seconds": seconds})

    def kill(self) -> None:
        """kill -9, wherever it is."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def restart(self) -> None:
        """Ends it if it still runs, and starts it again with the same options."""
        if self.process.poll() is None:
            self.stop()
        self.start()

    def control(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with _DIRECT.open(self.url + path, data, timeout=PATIENCE) as reply:
            return json.loads(reply.read())

    def _reap(self) -> int:
        code = self.process.wait(timeout=PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()
        return code


def environment() -> dict[str, str]:
    """The environment in which `python -m emulator` is found."""
    return os.environ | {"PYTHONPATH": str(SCRIPTS)}


@contextlib.contextmanager
def running_emulator(folder: Path, *args: str) -> Iterator[Emulator]:
    """An emulator with the quick reader, no time in PENDING and its state in folder/emulator.

    `args` are more of its options; they win over these.
    """
    options = ("--reader", "quick", "--pending-seconds", "0", *args)
    emulator = Emulator(folder / "emulator", options)
    emulator.start()
    try:
        yield emulator
    finally:
        if emulator.process.poll() is None:
            emulator.kill()  # quicker than stop, and it must lose nothing


def wait_for(condition: Any, seconds: float = PATIENCE) -> Any:
    """Calls `condition` until it gives something true, and returns that. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise TimeoutError(f"not within {seconds} s")
