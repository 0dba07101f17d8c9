"""One batch on disk: its record, its requests, and the answers it has so far."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.durable import Log, write_whole
from emulator.schema import Json

ENDED = {
    "BATCH_STATE_SUCCEEDED",
    "BATCH_STATE_PARTIALLY_SUCCEEDED",
    "BATCH_STATE_FAILED",
    "BATCH_STATE_CANCELLED",
    "BATCH_STATE_EXPIRED",
}


class Batch:
    """A folder: batch.json (the record), requests.jsonl (the input), answers.jsonl (rows so far).

    Record: id, model, displayName, fileName (None when inline), requestCount, state, createTime,
    startTime, endTime, updateTime (ns or None), cancelRequested, deleted, error.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] = json.loads((folder / "batch.json").read_text())
        self.lock = threading.Lock()
        self.answers = Log(folder / "answers.jsonl")
        self.offsets: dict[int, int] = {}  # row index -> where its line starts in answers.jsonl
        self.failed = 0  # rows that ended without a response
        # What the faults listing_lag, succeeded_before_file and cancelled_before_succeeded have
        # left to do with this batch
        self.hidden_listings = 0
        self.hidden_gets = 0
        self.shown_cancelled = 0
        self.file_while_running = False  # a responsesFile is named, and holds a part
        for offset, answer in self.answers.read():
            self._count(offset, answer)

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def name(self) -> str:
        return f"batches/{self.id}"

    @property
    def requests(self) -> Path:
        return self.folder / "requests.jsonl"

    @property
    def responses(self) -> Path:
        """The results of an inline batch; those of a file batch are moved to the files."""
        return self.folder / "responses.jsonl"

    @property
    def ended(self) -> bool:
        return self.record["state"] in ENDED

    def change(self, **fields: Any) -> None:
        """Sets fields of the record, on disk before this returns."""
        with self.lock:
            self._change(**fields)

    def _change(self, **fields: Any) -> None:
        record = self.record | fields
        write_whole(self.folder / "batch.json", record)
        self.record = record

    def add_answer(self, index: int, line: Json, bill: Json | None) -> None:
        """Keeps the result line of one row, and its bill (None: it costs nothing)."""
        answer = {"index": index, "line": line, "bill": bill}
        with self.lock:
            self._count(self.answers.append(answer), answer)

    def read_answers(self) -> Iterator[Json]:
        """Every answer so far, {index, line, bill}, in the order in which they came."""
        for _, answer in self.answers.read():
            yield answer

    def read_lines(self) -> Iterator[tuple[int, Json]]:
        """(row index, result line) of every row, in the order of the input."""
        with self.answers.path.open("rb") as file:
            for index in sorted(self.offsets):
                file.seek(self.offsets[index])
                yield index, json.loads(file.readline())["line"]

    def _count(self, offset: int, answer: Json) -> None:
        self.offsets[answer["index"]] = offset
        self.failed += "response" not in answer["line"]
