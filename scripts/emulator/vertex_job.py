"""One job of the Vertex door on disk, and on the wire."""

import threading
from pathlib import Path
from typing import Any

from emulator.batch import Batch
from emulator.clock import stamp
from emulator.schema import Json

ENDED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
}


class Job(Batch):
    """A folder as of a batch; its record has other fields.

    Record: id, project (number), location, model, displayName, labels, inputUris, outputPrefix,
    requestCount, state, createTime, startTime, endTime, updateTime (ns or None), ran (rows may
    have been answered), counted (they are in completionStats), cancelRequested, deleted, error.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.exported: set[int] = set()  # rows that are in incremental_predictions
        self.increments = 0
        self.export_lock = threading.Lock()

    @property
    def parent(self) -> str:
        return f"projects/{self.record['project']}/locations/{self.record['location']}"

    @property
    def name(self) -> str:
        return f"{self.parent}/batchPredictionJobs/{self.id}"

    @property
    def ended(self) -> bool:
        return self.record["state"] in ENDED

    def ask_to_cancel(self, now: int) -> None:
        """A job that runs is CANCELLING from here on; one that has ended stays as it is."""
        with self.lock:
            if self.record["cancelRequested"] or self.ended:
                return
            state = "JOB_STATE_CANCELLING" if self.record["ran"] else self.record["state"]
            self._change(cancelRequested=True, state=state, updateTime=now)

    @property
    def directory(self) -> str:
        """Where its output is: gs://BUCKET/PREFIX/prediction-model-TIME"""
        prefix = self.record["outputPrefix"].rstrip("/")
        return f"{prefix}/prediction-model-{stamp_us(self.record['createTime'])}"


def stamp_us(nanoseconds: int) -> str:
    """A time as Vertex writes it: 2026-11-25T02:40:00.123456Z"""
    return stamp(nanoseconds)[:26] + "Z"


def resource(job: Job, counts_now: bool = False) -> Json:
    """The reply to create and get; what is not known yet is left out, counts are strings.

    `counts_now`: a running job has counts as well, -1 for those that are still due.
    """
    record = job.record
    ran = record["ran"] and job.ended
    shown: dict[str, Any] = {
        "name": job.name,
        "displayName": record["displayName"],
        "model": f"publishers/google/models/{record['model']}",
        "inputConfig": {
            "instancesFormat": "jsonl",
            "gcsSource": {"uris": record["inputUris"]},
        },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": record["outputPrefix"]},
        },
        "outputInfo": {"gcsOutputDirectory": job.directory} if ran else None,
        "state": record["state"],
        "error": record["error"],
        "completionStats": _stats(job, counts_now),
        "createTime": stamp_us(record["createTime"]),
        "startTime": _time(record["startTime"]),
        "endTime": _time(record["endTime"]),
        "updateTime": stamp_us(record["updateTime"]),
        "labels": record["labels"],
        "modelVersionId": None if record["error"] else "1",
    }
    if job.ended and job.hidden_gets:
        shown["outputInfo"] = None
    return {name: value for name, value in shown.items() if value is not None}


def _time(nanoseconds: int | None) -> str | None:
    return stamp_us(nanoseconds) if nanoseconds else None


def _stats(job: Job, counts_now: bool) -> Json | None:
    running = counts_now and job.record["ran"] and not job.ended
    if not (running or job.record["counted"]):
        return None
    counts = {"successfulCount": len(job.offsets) - job.failed, "failedCount": job.failed}
    shown = {name: str(count) for name, count in counts.items() if count}
    return shown | ({"incompleteCount": "-1"} if running else {})
