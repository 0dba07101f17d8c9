"""Every batch accepted and every page answered and billed: what was paid is counted here, not
guessed.
"""

import threading
from pathlib import Path
from typing import Any

from emulator.clock import Clock, stamp
from emulator.durable import Log


class Ledger:
    """`ledger.jsonl`, one line a batch or an answer, on disk before the client hears of it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.clock = clock
        self.log = Log(path)
        self.lock = threading.Lock()
        self.batches: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        for _, record in self.log.read():
            self._keep(record)

    def accept_batch(self, name: str, display_name: str | None, requests: int) -> None:
        """Writes down one batch: `name` is "batches/<id>", `requests` how many it holds."""
        self._add({"id": name, "displayName": display_name, "requests": requests})

    def bill(self, answer: dict[str, Any]) -> None:
        """Writes down one answer: mode (batch, realtime, flex), batch, index, key, image_sha256,
        model, usage.
        """
        self._add(answer)

    def _add(self, record: dict[str, Any]) -> None:
        with self.lock:
            record = record | {"at": stamp(self.clock.now())}
            self.log.append(record)
            self._keep(record)

    def _keep(self, record: dict[str, Any]) -> None:
        (self.answers if "mode" in record else self.batches).append(record)

    def billed_rows(self) -> set[tuple[str, int]]:
        """("batches/<id>", index) of every batch row that was billed."""
        return {(record["batch"], record["index"]) for record in self.answers if record["batch"]}

    def accepted(self) -> set[str]:
        """The names of all batches that were accepted."""
        return {record["id"] for record in self.batches}
