"""The Batch API: create, get, list, cancel, delete."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.batch import Batch
from emulator.bodies import read_body, reply
from emulator.connections import Cut, Hold
from emulator.durable import records, write_whole
from emulator.errors import file_gone, invalid, not_found, quota_exceeded, unavailable
from emulator.faults import Faults
from emulator.files import new_id
from emulator.models import check_model
from emulator.operations import operation
from emulator.paging import page
from emulator.requests import parse_body, read_rows
from emulator.schema import Json

HOLD_SECONDS = 600.0


class Batches:
    """All batches, a folder each; one without batch.json never came to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_id = records(folder, Batch)

    def find(self, batch_id: str) -> Batch:
        """Raises ApiError 404 for a batch that was never there or was deleted."""
        batch = self.by_id.get(batch_id)
        if not batch or batch.record["deleted"]:
            raise not_found()
        return batch

    def living(self) -> list[Batch]:
        return [batch for batch in self.by_id.values() if not batch.record["deleted"]]


def _create(state: State, model: str, body: bytes) -> Json:
    """Accepts a batch: it is on disk and in the ledger when this returns the reply.

    Raises ApiError.
    """
    wanted = parse_body("CreateBatch", body).get("batch", {})
    source = wanted.get("inputConfig", {})
    batch_id = new_id(36)
    folder: Path = state.batches.folder / batch_id
    folder.mkdir()
    requests = folder / "requests.jsonl"
    try:
        if "fileName" in source:
            record = state.files.find_active(source["fileName"])
            # The batch keeps the content: deleting or outliving the file does not stop it
            os.link(state.files.content(record["id"]), requests)
        else:
            _write_inline(source.get("requests", {}).get("requests", []), requests)
        count = sum(1 for _ in read_rows(requests))
        if not count:
            raise invalid("* GenerateContentBatch.input_config: no requests.")
    except Exception:
        shutil.rmtree(folder)
        raise
    now = state.clock.now()
    fields = {
        "id": batch_id,
        "model": f"models/{model}",
        "displayName": wanted.get("displayName"),
        "fileName": source.get("fileName"),
        "requestCount": count,
        "state": "BATCH_STATE_PENDING",
        "createTime": now,
        "startTime": None,
        "endTime": None,
        "updateTime": now,
        "cancelRequested": False,
        "deleted": False,
        "error": None,
    }
    write_whole(folder / "batch.json", fields)
    batch = Batch(folder)
    batch.hidden_listings = state.faults.get("listing_lag") or 0
    state.ledger.accept_batch(batch.name, fields["displayName"], count)
    state.batches.by_id[batch_id] = batch
    shown = operation(batch)
    state.worker.start(batch)
    return shown


def _write_inline(items: list[Json], path: Path) -> None:
    """Inline requests ({request, metadata}) as the lines of an input file."""
    with path.open("wb") as file:
        for item in items:
            file.write(json.dumps(item).encode() + b"\n")


async def create(request: Request) -> Response:
    """Creates a batch; not idempotent, two calls make two batches (documented). Raises ApiError."""
    state = request.app.state
    faults: Faults = state.faults
    body = await read_body(request)
    model = request.path_params["model"]
    check_model(request, model, "batchGenerateContent")
    if faults.take("create_503_before"):
        raise unavailable()
    if faults.take("create_429"):
        raise quota_exceeded()
    if faults.take("create_400"):
        raise invalid("Request contains an invalid argument.")
    if faults.take("create_cut_before"):
        return Cut()
    if faults.take("create_file_expired"):
        _expire_input(state, body)
    shown = await run_in_threadpool(_create, state, model, body)
    if faults.take("create_name_number"):
        return reply(shown | {"name": 5})
    if faults.take("create_503_after"):
        raise unavailable()
    if faults.take("create_cut_after"):
        return Cut()
    if faults.take("create_timeout_after"):
        return Hold(faults.get("hold_seconds") or HOLD_SECONDS)
    return reply(shown)


def _expire_input(state: State, body: bytes) -> None:
    wanted = parse_body("CreateBatch", body).get("batch", {})
    name = wanted.get("inputConfig", {}).get("fileName", "")
    file_id = name.removeprefix("files/")
    state.files.delete(file_id)
    raise file_gone(file_id)


async def get(request: Request) -> Response:
    if request.app.state.faults.take("get_503"):
        raise unavailable()
    batch: Batch = request.app.state.batches.find(request.path_params["id"])
    shown = operation(batch)
    if batch.record["endTime"]:
        if batch.shown_cancelled:
            batch.shown_cancelled -= 1
        elif batch.hidden_gets:
            batch.hidden_gets -= 1
    return reply(shown)


# Somebody else's, made in another way
STRANGE = {"name": "batches/0strange0", "metadata": None}


async def list_(request: Request) -> Response:
    faults: Faults = request.app.state.faults
    if faults.take("listing_null"):
        return reply({"operations": None})
    batches: list[Batch] = request.app.state.batches.living()
    visible = {batch.id: batch for batch in batches if not batch.hidden_listings}
    params = request.query_params
    if not (params.get("pageToken") or params.get("page_token")):
        for batch in batches:
            batch.hidden_listings = max(0, batch.hidden_listings - 1)
    records: list[dict[str, Any]] = [batch.record for batch in visible.values()]
    chosen, token = page(records, params, default=10, most=100)
    shown = [operation(visible[record["id"]]) for record in chosen]
    if faults.get("listing_metadata_null"):
        shown.insert(0, STRANGE)
    return reply({"operations": shown, **token} if shown else {})


async def cancel(request: Request) -> Response:
    """Asks a batch to stop; rows in work are finished. A batch that has ended stays as it is."""
    batch: Batch = request.app.state.batches.find(request.path_params["id"])
    if not batch.ended:
        batch.change(cancelRequested=True)
    return reply({})


async def delete(request: Request) -> Response:
    """Forgets a batch; it does not cancel it, so it goes on, and on being billed (documented)."""
    batch: Batch = request.app.state.batches.find(request.path_params["id"])
    batch.change(deleted=True)
    return reply({})


routes = [
    Route("/models/{model}:batchGenerateContent", create, methods=["POST"]),
    Route("/batches", list_, methods=["GET"]),
    Route("/batches/{id}:cancel", cancel, methods=["POST"]),
    Route("/batches/{id}", get, methods=["GET"]),
    Route("/batches/{id}", delete, methods=["DELETE"]),
]
