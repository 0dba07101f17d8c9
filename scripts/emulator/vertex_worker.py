"""Jobs of the Vertex door at work: a thread each, from PENDING to the end.

The order of failures is Vertex's: a bucket that is missing shows after the create, one that cannot
be written after all rows have run.
"""

import json
import shutil
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from emulator.buckets import place_of
from emulator.clock import HOUR, SECOND, Clock, stamp
from emulator.errors import CANCELLED, GRPC, ApiError, internal
from emulator.faults import Faults
from emulator.foreign_bucket import JobBuckets
from emulator.importer import ImportFailed, Line, Table
from emulator.ledger import Ledger
from emulator.refusals import StorageError
from emulator.schema import Json
from emulator.vertex_answers import VertexAnswerer
from emulator.vertex_job import Job
from emulator.vertex_output import export, export_increment
from emulator.worker import READERS, TICK

QUEUED = 72 * HOUR  # then a job that has not started is EXPIRED (documented)
RUNNING = 24 * HOUR  # then it is cancelled, with what it has (documented)

MESSAGES = {  # of jobs that failed (reported)
    3: "Failed to import data. Please check 'Prepare input' section of the batch predictions "
    "documentation. Cannot store struct 'request.tools.google_search' with no fields",
    8: "Quota exceeded.",
    9: "Failed to get GCS bucket location for {bucket}. Please check that the bucket exists and "
    "permissions are set correctly.",
    13: "System error. Please try this operation again.",
}
DENIED = (  # (reported)
    "Service account service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com doesn't have "
    'sufficient permission "storage.objects.create" to write {place}/predictions.jsonl.'
)
DETAILS = [
    {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Batch predictions", "url": "https://example.com"}],
    }
]


@dataclass
class JobWorker:
    clock: Clock
    faults: Faults
    ledger: Ledger
    buckets: JobBuckets
    answerer: VertexAnswerer
    pending_seconds: float
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS))

    def start(self, job: Job) -> None:
        """Begins with a job, or goes on where it was before a restart."""
        threading.Thread(target=self._run, args=(job,), daemon=True, name=job.name).start()

    def _run(self, job: Job) -> None:
        try:
            if job.record["ran"] or self._comes_to_start(job):
                table = self._table(job)
                self._end(job, table, self._answer_rows(job, table))
        except ImportFailed as error:
            self._fail(job, 3, str(error))
        except Exception:  # a bug of the emulator ends the job, and keeps its traceback
            traceback.print_exc()
            self._fail(job, 13)

    def _comes_to_start(self, job: Job) -> bool:
        """Waits for its time; False when it has ended with nothing taken in."""
        while not self._may_start(job):
            if job.ended:
                return False
            time.sleep(TICK)
        job.change(startTime=self.clock.now())
        code = self.faults.get("job_failed") or (13 if self.faults.get("batch_failed") else 0)
        if not code and not self._buckets_are_there(job):
            code = 9
        if code:
            self._fail(job, code)
        return not code

    def _table(self, job: Job) -> Table:
        """Its input, taken in; the job is RUNNING. Raises ImportFailed."""
        if not job.record["ran"]:
            self._load(job)
        table = Table(job.requests)
        if not job.record["ran"]:
            job.change(state="JOB_STATE_RUNNING", ran=True, updateTime=self.clock.now())
        return table

    def _may_start(self, job: Job) -> bool:
        """Whether its time has come; a job that ends while it waits is ended here."""
        record = job.record
        held_in = self.faults.get("batch_state")
        if record["cancelRequested"] or self.faults.get("batch_cancelled_before"):
            self._close(job, "CANCELLED", {"code": CANCELLED, "message": "CANCELED"})
        elif self.clock.now() >= record["createTime"] + QUEUED or self.faults.get("batch_expired"):
            self._close(job, "EXPIRED", {"code": 4, "message": "The job has expired."})
        elif held_in:
            word = held_in.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
            if record["state"] != f"JOB_STATE_{word}":
                job.change(state=f"JOB_STATE_{word}", updateTime=self.clock.now())
        elif not self.faults.get("batch_stays_pending"):
            return bool(
                self.clock.now() >= record["createTime"] + int(self.pending_seconds * SECOND)
            )
        return False

    def _buckets_are_there(self, job: Job) -> bool:
        uris = [*job.record["inputUris"], job.record["outputPrefix"]]
        return all(self.buckets.is_there(place_of(uri)[0]) for uri in uris)

    def _load(self, job: Job) -> None:
        """Copies the input: what happens to the objects from now on is of no concern.

        Raises ImportFailed.
        """
        part = job.requests.with_suffix(".part")
        with part.open("wb") as file:
            for uri in job.record["inputUris"]:
                try:
                    content = self.buckets.read(uri)
                except StorageError as error:
                    raise ImportFailed(f"Not found: {uri}") from error
                file.write(content if content.endswith(b"\n") else content + b"\n")
        shutil.move(part, job.requests)

    def _answer_rows(self, job: Job, table: Table) -> str:
        """The state in which the job ends: SUCCEEDED when every row has its line."""
        reading: set[Future[None]] = set()
        ending = ""
        for line in table.lines():
            if line.index in job.offsets:
                continue  # answered, and billed, before a restart
            ending = self._ends_before(job, table, line.index)
            if ending:
                break
            if len(reading) == READERS:
                done, reading = wait(reading, return_when=FIRST_COMPLETED)
                for finished in done:
                    finished.result()
            reading.add(self.pool.submit(self._answer_row, job, line))
            self._export_part(job, table)
        for rest in reading:
            rest.result()
        return ending or "SUCCEEDED"

    def _ends_before(self, job: Job, table: Table, row: int) -> str:
        """Waits while a fault holds the job before this row; the state when it ends there."""
        while True:
            ending = self._ending(job, row)
            stop_at = self.faults.get("batch_stays_running")
            if ending or stop_at is None or row < stop_at or job.record["cancelRequested"]:
                return ending
            self._export_part(job, table)
            time.sleep(TICK)

    def _ending(self, job: Job, row: int) -> str:
        for fault, state in (("job_expired_after", "EXPIRED"), ("job_failed_after", "FAILED")):
            rows = self.faults.get(fault)
            if rows is not None and row >= rows:
                return state
        cancelled_after = self.faults.get("batch_cancelled_after")
        too_long = self.clock.now() >= job.record["startTime"] + RUNNING
        if too_long or (cancelled_after is not None and row >= cancelled_after):
            job.ask_to_cancel(self.clock.now())
        asked = job.record["cancelRequested"]
        return "CANCELLED" if asked and not self.faults.get("job_cancelling_succeeds") else ""

    def _export_part(self, job: Job, table: Table) -> None:
        rows = self.faults.get("job_incremental")
        if rows and len(job.offsets) - len(job.exported) >= rows:
            export_increment(job, table, self.buckets, self.faults)

    def _answer_row(self, job: Job, line: Line) -> None:
        answer, bill = self._answer(job, line)
        moment = f"{stamp(self.clock.now())[:23]}+00:00"
        # The answer first: a bill that a kill loses between the two is written at the next start
        job.add_answer(line.index, {"processed_time": moment} | answer, bill)
        if bill:
            self.ledger.bill(bill)

    def _answer(self, job: Job, line: Line) -> tuple[Json, Json | None]:
        """Status and response of one row, and its bill. What fails is not billed."""
        code = self.faults.code("line_error", line.index)
        if self.faults.hits("line_deadline", line.index):
            code = 4
        if code is not None:
            return {"status": _status_of(code)}, None
        if self.faults.hits("line_status_text", line.index):
            return {"status": "deadline exceeded"}, None
        try:
            answer = self.answerer.answer(job.record["model"], line.request, line.index)
        except ApiError as error:
            return {"status": _status(error)}, None
        except Exception:  # whatever a reader stumbles over is that row's failure
            traceback.print_exc()
            return {"status": _status(internal())}, None
        place = {"mode": "batch", "batch": job.name, "index": line.index}
        bill = place | {"key": line.siblings.get("key")} | answer.bill
        return {"status": "", "response": answer.response}, bill

    def _end(self, job: Job, table: Table, state: str) -> None:
        """Exports what is there, and then says so."""
        while self.faults.get("job_cancelling") and job.record["cancelRequested"]:
            time.sleep(TICK)
        if self.faults.get("job_output_denied"):
            message = DENIED.format(number=job.record["project"], place=job.directory)
            self._close(job, "FAILED", self._error(7, message), counted=True)
            return
        early = state != "SUCCEEDED"
        if job.offsets and not (early and self.faults.get("job_exports_nothing")):
            export(job, table, self.buckets, self.faults)
        job.hidden_gets = self.faults.get("succeeded_before_file") or 0
        if state == "FAILED":
            self._fail(job, 13)
        elif state == "CANCELLED":
            self._close(job, state, {"code": CANCELLED, "message": "CANCELED"})
        elif state == "EXPIRED":
            self._close(job, state, {"code": 4, "message": "The job has expired."})
        else:
            partially = "PARTIALLY_" if self.faults.get("batch_partially_succeeded") else ""
            self._close(job, partially + state, None, counted=True)

    def _fail(self, job: Job, code: int, message: str | None = None) -> None:
        """FAILED, in the words of this code unless others are given."""
        bucket = place_of(job.record["inputUris"][0])[0]
        text = message or MESSAGES.get(code, MESSAGES[13]).format(bucket=bucket)
        self._close(job, "FAILED", self._error(code, text))

    def _error(self, code: int, message: str) -> Json:
        details = {"details": DETAILS} if self.faults.get("job_error_details") else {}
        return {"code": code, "message": message, **details}

    def _close(self, job: Job, state: str, error: Json | None, counted: bool = False) -> None:
        now = self.clock.now()
        fields: dict[str, Any] = {"endTime": now, "updateTime": now, "error": error}
        job.change(state=f"JOB_STATE_{state}", counted=counted, **fields)


def _status(error: ApiError) -> str:
    """A row's status: Bad Request: {"error": ...} (reported for 400, and a guess elsewhere)."""
    return f"{HTTPStatus(error.code).phrase}: {json.dumps(error.body())}"


def _status_of(code: int) -> str:
    """The status of a row that failed with a gRPC code."""
    if code == 4:
        body = {"code": 4, "message": "Deadline expired before operation could complete."}
        return f"Gateway Timeout: {json.dumps({'error': body | {'status': 'DEADLINE_EXCEEDED'}})}"
    names = {number: name for name, number in GRPC.items()}
    body = {"code": code, "message": names.get(code, ""), "status": names.get(code, "UNKNOWN")}
    return f"Bad Request: {json.dumps({'error': body})}"
