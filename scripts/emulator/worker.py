"""Batches at work: a thread each, from PENDING to the end; pages are read by a few for all."""

import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.answers import Answerer
from emulator.batch import Batch
from emulator.clock import HOUR, SECOND, Clock
from emulator.errors import CANCELLED, GRPC, INTERNAL_MESSAGE, ApiError
from emulator.faults import Faults
from emulator.files import Files
from emulator.ledger import Ledger
from emulator.requests import Row, read_rows
from emulator.results import write_results
from emulator.schema import Json

READERS = 2  # pages read at once
TICK = 0.02  # seconds between two looks at clock and faults
LIFETIME = 48 * HOUR  # then a batch that has not ended is EXPIRED (documented)
NO_PERMISSION = "The caller does not have permission"  # (recorded) for a cache or file that is gone

# Lines of rows that failed, as some have them who are not Google.
ERRORS_AS_TEXT: dict[str, Json] = {
    "line_error_text": {"error": "The image is too dark to be read."},
    "line_status_text": {"status": "deadline exceeded"},
    "line_error_in_response": {"response": {"error": {"code": 13, "message": "Try again."}}},
}


@dataclass
class Worker:
    clock: Clock
    faults: Faults
    ledger: Ledger
    files: Files
    answerer: Answerer
    pending_seconds: float
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS))

    def start(self, batch: Batch) -> None:
        """Begins with a batch, or goes on where it was before a restart."""
        threading.Thread(target=self._run, args=(batch,), daemon=True, name=batch.name).start()

    def _run(self, batch: Batch) -> None:
        started = batch.record["startTime"] or self._wait_for_start(batch)
        if started and self._answer_rows(batch):
            self._succeed(batch)

    def _wait_for_start(self, batch: Batch) -> bool:
        """True when the batch is RUNNING, False when it has ended without a row answered."""
        start = batch.record["createTime"] + int(self.pending_seconds * SECOND)
        while True:
            time.sleep(TICK)
            held_in = self.faults.get("batch_state")
            if batch.record["cancelRequested"]:
                self._end(batch, "CANCELLED", f"Batch {batch.id} failed without error.")
            elif self._expired(batch):
                return False
            elif self.clock.now() < start or self.faults.get("batch_stays_pending"):
                continue
            elif self.faults.get("batch_cancelled_before"):
                self._end(batch, "CANCELLED", f"Batch {batch.id} failed without error.")
            elif self.faults.get("batch_failed"):
                self._end(batch, "FAILED", INTERNAL_MESSAGE)
            elif self.faults.get("batch_expired"):
                self._end(batch, "EXPIRED", f"Batch {batch.id} failed without error.")
            elif held_in:
                if batch.record["state"] != held_in:
                    batch.change(state=held_in, updateTime=self.clock.now())
                continue
            else:
                now = self.clock.now()
                batch.change(state="BATCH_STATE_RUNNING", startTime=now, updateTime=now)
                return True
            return False

    def _answer_rows(self, batch: Batch) -> bool:
        """True when every row has its line, False when the batch has expired."""
        reading: set[Future[None]] = set()
        for row in read_rows(batch.requests):
            if row.index in batch.offsets:
                continue  # answered, and billed, before a restart
            if self._held(batch, row):
                break
            if batch.record["cancelRequested"]:
                batch.add_answer(row.index, {"error": {"code": CANCELLED}} | row.labels, None)
                continue
            if len(reading) == READERS:
                done, reading = wait(reading, return_when=FIRST_COMPLETED)
                for job in done:
                    job.result()
            reading.add(self.pool.submit(self._answer_row, batch, row))
        for job in reading:
            job.result()
        return not batch.ended

    def _held(self, batch: Batch, row: Row) -> bool:
        """Waits while a fault holds the batch before this row; True when it has expired."""
        if row.index == self.faults.get("batch_cancelled_after"):
            batch.change(cancelRequested=True)
        while not batch.record["cancelRequested"]:
            if self._expired(batch):
                return True
            if row.index == self.faults.get("file_while_running") and batch.record["fileName"]:
                self._show_part(batch, row.index)
            elif not self._stays_running(row):
                return False
            time.sleep(TICK)
        return False

    def _stays_running(self, row: Row) -> bool:
        stop_at = self.faults.get("batch_stays_running")
        return stop_at is not None and row.index >= stop_at

    def _show_part(self, batch: Batch, rows: int) -> None:
        """A result file of the rows so far, named while the batch is RUNNING."""
        if batch.file_while_running or len(batch.offsets) < rows:
            return
        part = batch.folder / "responses.jsonl.part"
        write_results(batch, self.faults, part)
        self._add_results(batch, part)
        batch.file_while_running = True

    def _add_results(self, batch: Batch, content: Path, **more: Any) -> None:
        self.files.add(
            f"batch-{batch.id}", content, mimeType="application/jsonl", source="GENERATED", **more
        )

    def _answer_row(self, batch: Batch, row: Row) -> None:
        line, bill = self._line(batch, row)
        # The answer first: a bill that a kill loses between the two is written by
        # `complete_ledger` at the next start
        batch.add_answer(row.index, line | row.labels, bill)
        if bill:
            self.ledger.bill(bill)

    def _line(self, batch: Batch, row: Row) -> tuple[Json, Json | None]:
        """The result line of one row, without its key, and its bill. What fails is not billed."""
        for fault, name in (("line_error", "error"), ("line_status", "status")):
            code = self.faults.code(fault, row.index)
            if code is not None:
                return {name: {"code": code}}, None
        for fault, line in ERRORS_AS_TEXT.items():
            if self.faults.hits(fault, row.index):
                return line, None
        model = batch.record["model"].removeprefix("models/")
        try:
            answer = self.answerer.answer(model, row.request, row.index)
        except ApiError as error:
            message = NO_PERMISSION if error.code == 403 else error.message
            return {"error": {"code": GRPC[error.status], "message": message}}, None
        except Exception:  # whatever a reader stumbles over is that row's failure
            traceback.print_exc()
            return {"error": {"code": GRPC["INTERNAL"], "message": INTERNAL_MESSAGE}}, None
        place = {"mode": "batch", "batch": batch.name, "index": row.index}
        return {"response": answer.response}, place | {"key": row.labels.get("key")} | answer.bill

    def _succeed(self, batch: Batch) -> None:
        part = batch.folder / "responses.jsonl.part"
        write_results(batch, self.faults, part)
        if not batch.record["fileName"]:
            part.replace(batch.responses)
        elif short := self.faults.get("file_short"):
            whole = part.replace(batch.folder / "responses.whole.jsonl")
            lines = whole.read_bytes().splitlines(keepends=True)
            part.write_bytes(b"".join(lines[: len(lines) // 2]))
            self._add_results(batch, part, whole=str(whole), short=short)
        else:
            self._add_results(batch, part)
        batch.hidden_gets = self.faults.get("succeeded_before_file") or 0
        batch.shown_cancelled = self.faults.get("cancelled_before_succeeded") or 0
        partially = "PARTIALLY_" if self.faults.get("batch_partially_succeeded") else ""
        now = self.clock.now()
        batch.change(state=f"BATCH_STATE_{partially}SUCCEEDED", endTime=now, updateTime=now)

    def _expired(self, batch: Batch) -> bool:
        if self.clock.now() < batch.record["createTime"] + LIFETIME:
            return False
        self._end(batch, "EXPIRED", f"Batch {batch.id} failed without error.")
        return True

    def _end(self, batch: Batch, state: str, message: str) -> None:
        """An end without results; code 13 was recorded for CANCELLED, and is assumed elsewhere."""
        now = self.clock.now()
        error = {"code": GRPC["INTERNAL"], "message": message}
        batch.change(state=f"BATCH_STATE_{state}", endTime=now, updateTime=now, error=error)


def complete_ledger(
    ledger: Ledger, batch: Batch, accepted: set[str], billed: set[tuple[str, int]]
) -> None:
    """Adds to the ledger what a kill kept from it.

    A batch is on disk before the ledger has it, and so is an answer.
    """
    if batch.name not in accepted:
        record = batch.record
        ledger.accept_batch(batch.name, record["displayName"], record["requestCount"])
    for answer in batch.read_answers():
        if answer["bill"] and (batch.name, answer["index"]) not in billed:
            ledger.bill(answer["bill"])
