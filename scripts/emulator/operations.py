"""A batch on the wire: a long-running operation, shaped as Google's recorded replies are."""

import json
from typing import Any

from emulator.batch import Batch
from emulator.clock import stamp
from emulator.schema import Json

TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"


def operation(batch: Batch) -> Json:
    """The reply to create, get and list.

    `done` is absent until the end; then the output stands in `response` and in `metadata.output`,
    or there is an `error`. Counters are strings, zero ones are left out (recorded).
    """
    record = batch.record
    output = _output(batch)
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
        "state": record["state"],
        "name": batch.name,
    }
    shown: Json = {
        "name": batch.name,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
    if batch.ended:
        shown["done"] = True
    if record["error"]:
        shown["error"] = record["error"]
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
    if batch.record["state"] != "BATCH_STATE_SUCCEEDED" or batch.hidden_gets:
        return None
    if batch.record["fileName"]:
        return {"responsesFile": f"files/batch-{batch.id}"}
    with batch.responses.open("rb") as file:
        items = [json.loads(line) for line in file]
    return {"inlinedResponses": {"inlinedResponses": items}}
