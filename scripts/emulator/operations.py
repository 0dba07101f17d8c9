"""A batch on the wire: a long-running operation, shaped as Google's recorded replies are."""

import json
from typing import Any

from emulator.batch import Batch
from emulator.clock import stamp
from emulator.errors import GRPC
from emulator.schema import Json

TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"


def operation(batch: Batch) -> Json:
    """The reply to create, get and list.

    `done` is absent until the end; then the output is in `response` and in `metadata.output`,
    or there is an `error`. Counters are strings, zero ones are left out (recorded).
    """
    record = batch.record
    state, error, output = record["state"], record["error"], _output(batch)
    if batch.ended and batch.shown_cancelled:
        # (reported) before a SUCCEEDED; with the error of a cancelled batch (recorded)
        message = f"Batch {batch.id} failed without error."
        state, output = "BATCH_STATE_CANCELLED", None
        error = {"code": GRPC["INTERNAL"], "message": message}
    source = {"fileName": record["fileName"]} if record["fileName"] else None
    metadata: dict[str, Any] = {
        "@type": TYPE,
        "model": record["model"],
        "displayName": record["displayName"],
        "inputConfig": source,
        "output": output,
        "createTime": stamp(record["createTime"]),
        "endTime": stamp(record["endTime"]) if record["endTime"] else None,
        "updateTime": stamp(record["updateTime"]),
        "batchStats": _stats(batch),
        "state": state,
        "name": batch.name,
    }
    shown: Json = {
        "name": batch.name,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
    if batch.ended:
        shown["done"] = True
    if error:
        shown["error"] = error
    if output:
        shown["response"] = {"@type": f"{TYPE}Output", **output}
    return shown


def _stats(batch: Batch) -> dict[str, str]:
    total = batch.record["requestCount"]
    answered = len(batch.offsets)
    counts = {
        "requestCount": total,
        "successfulRequestCount": answered - batch.failed,
        "failedRequestCount": batch.failed,
        "pendingRequestCount": total - answered,
    }
    return {name: str(count) for name, count in counts.items() if count}


def _output(batch: Batch) -> Json | None:
    succeeded = batch.record["state"].endswith("SUCCEEDED") and not batch.hidden_gets
    if not (succeeded or batch.file_while_running):
        return None
    if batch.record["fileName"]:
        return {"responsesFile": f"files/batch-{batch.id}"}
    with batch.responses.open("rb") as file:
        items = [json.loads(line) for line in file]
    return {"inlinedResponses": {"inlinedResponses": items}}
