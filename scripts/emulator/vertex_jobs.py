"""batchPredictionJobs: create, get, list, cancel, delete."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.batches import HOLD_SECONDS
from emulator.bodies import read_body, reply
from emulator.clock import Clock
from emulator.connections import Cut, Hold
from emulator.durable import records, write_whole
from emulator.errors import ApiError, invalid, unavailable
from emulator.faults import Faults
from emulator.foreign_bucket import JobBuckets
from emulator.job_filter import wanted
from emulator.paging import page
from emulator.refusals import (
    StorageError,
    may_not_create,
    no_job,
    no_model,
    not_to_be_cancelled,
    not_to_be_deleted,
    vertex_quota,
)
from emulator.requests import parse_body
from emulator.schema import Json
from emulator.vertex import PLACE, number_of, served
from emulator.vertex_job import Job, resource, stamp_us

PUBLISHED = "publishers/google/models/"
LONGEST_NAME = 128  # signs of a displayName (documented)


class Jobs:
    """All jobs, a folder each; one without its record never came to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_id = records(folder, Job)

    def at(self, request: Request) -> list[Job]:
        """Those of the project and place that the address names, deleted ones left out."""
        place = number_of(request.path_params["project"]), request.path_params["location"]
        return [
            job
            for job in list(self.by_id.values())
            if (job.record["project"], job.record["location"]) == place
            and not job.record["deleted"]
        ]

    def find(self, request: Request) -> Job:
        """Raises ApiError 404, also where the job is at another place."""
        for job in self.at(request):
            if job.id == request.path_params["id"]:
                return job
        raise no_job()


def _create(state: State, place: dict[str, str], body: bytes) -> Json:
    """Accepts a job: it is on disk and in the ledger when this returns the reply.

    Whether its buckets and its input are any good shows later. Raises ApiError.
    """
    asked = parse_body("BatchPredictionJob", body)
    model = str(asked.get("model", "")).rpartition(PUBLISHED)[2]
    if not served(model, place["location"]):
        raise no_model(model)
    _check(asked)
    clock: Clock = state.clock
    now = clock.now()
    uris = asked["inputConfig"]["gcsSource"]["uris"]
    fields = {
        "id": str(10**18 + secrets.randbelow(8 * 10**18)),
        "project": number_of(place["project"]),
        "location": place["location"],
        "model": model,
        "displayName": asked["displayName"],
        "labels": asked.get("labels"),
        "inputUris": uris,
        "outputPrefix": asked["outputConfig"]["gcsDestination"]["outputUriPrefix"],
        "requestCount": _count(state.job_worker.buckets, uris),
        "state": "JOB_STATE_PENDING",
        "createTime": now,
        "startTime": None,
        "endTime": None,
        "updateTime": now,
        "ran": False,
        "counted": False,
        "cancelRequested": False,
        "deleted": False,
        "error": None,
    }
    folder: Path = state.jobs.folder / fields["id"]
    folder.mkdir()
    write_whole(folder / "batch.json", fields)
    job = Job(folder)
    job.hidden_listings = state.faults.get("listing_lag") or 0
    state.ledger.accept_batch(job.name, job.record["displayName"], job.record["requestCount"])
    state.jobs.by_id[job.id] = job
    shown = resource(job)
    state.job_worker.start(job)
    return shown


def _check(asked: Json) -> None:
    """Raises ApiError 400 for what a job must have and has not."""
    display_name = asked.get("displayName", "")
    if not 0 < len(display_name) <= LONGEST_NAME:
        raise invalid(f"displayName must have 1 to {LONGEST_NAME} characters.")
    source, output = asked.get("inputConfig", {}), asked.get("outputConfig", {})
    uris = source.get("gcsSource", {}).get("uris", [])
    prefix = output.get("gcsDestination", {}).get("outputUriPrefix", "")
    if source.get("instancesFormat") != "jsonl" or output.get("predictionsFormat") != "jsonl":
        raise invalid("Only the format jsonl is known here.")
    if not uris or not all(uri.startswith("gs://") for uri in (*uris, prefix)):
        raise invalid("The input and the output must be Cloud Storage URIs: gs://BUCKET/NAME.")


def _count(buckets: JobBuckets, uris: list[str]) -> int:
    """How many requests the input holds at this moment, for the ledger."""
    count = 0
    for uri in uris:
        try:
            content = buckets.read(uri)
        except StorageError:
            continue
        count += sum(1 for line in content.split(b"\n") if line.strip())
    return count


# Answered in place of carrying the create out, the first one that is on
REFUSALS: dict[str, Callable[[dict[str, str]], ApiError]] = {
    "create_503_before": lambda place: unavailable(),
    "create_429": lambda place: vertex_quota(),
    "create_400": lambda place: invalid("Request contains an invalid argument."),
    "create_403": lambda place: may_not_create(place["project"], place["location"]),
}


async def create(request: Request) -> Response:
    """Creates a job; not idempotent, two calls make two jobs. Raises ApiError."""
    state = request.app.state
    faults: Faults = state.faults
    body = await read_body(request)
    for fault, refusal in REFUSALS.items():
        if faults.take(fault):
            raise refusal(request.path_params)
    if faults.take("create_cut_before"):
        return Cut()
    shown = await run_in_threadpool(_create, state, request.path_params, body)
    if faults.take("create_name_number"):
        return reply(shown | {"name": 5})
    if faults.take("create_503_after"):
        raise unavailable()
    if faults.take("create_cut_after"):
        return Cut()
    if faults.take("create_timeout_after"):
        return Hold(faults.get("hold_seconds") or HOLD_SECONDS)
    return reply(shown)


async def get(request: Request) -> Response:
    state = request.app.state
    if state.faults.take("get_503"):
        raise unavailable()
    job: Job = state.jobs.find(request)
    shown = resource(job, bool(state.faults.get("job_counts")))
    if job.ended and job.hidden_gets:
        job.hidden_gets -= 1
    return reply(shown)


async def list_(request: Request) -> Response:
    """Newest first, those that the filter takes; an empty listing is {}."""
    state = request.app.state
    faults: Faults = state.faults
    params = request.query_params
    test = wanted(params.get("filter", ""))
    jobs: list[Job] = state.jobs.at(request)
    visible = [job for job in jobs if not job.hidden_listings]
    if not params.get("pageToken"):
        for job in jobs:
            job.hidden_listings = max(0, job.hidden_listings - 1)
    counts_now = bool(faults.get("job_counts"))
    resources = {job.id: resource(job, counts_now) for job in visible}
    records: list[dict[str, Any]] = [job.record for job in visible if test(resources[job.id])]
    chosen, token = page(records, params, default=100, most=100)
    if faults.take("listing_null"):
        return reply({"batchPredictionJobs": None})
    shown = [resources[record["id"]] for record in chosen]
    return reply({"batchPredictionJobs": shown, "nextPageToken": "", **token} if shown else {})


async def cancel(request: Request) -> Response:
    """Asks a job to stop; rows in work are finished. Raises ApiError 400 where it has ended."""
    state = request.app.state
    job: Job = state.jobs.find(request)
    if job.ended:
        raise not_to_be_cancelled()
    job.ask_to_cancel(state.clock.now())
    return reply({})


async def delete(request: Request) -> Response:
    """Forgets a job that has ended; its output stays in the bucket. Raises ApiError 400."""
    state = request.app.state
    job: Job = state.jobs.find(request)
    if not job.ended:
        raise not_to_be_deleted(job.record["state"])
    job.change(deleted=True)
    now = stamp_us(state.clock.now())
    number = secrets.randbelow(10**19)
    operation = {
        "name": f"{job.parent}/operations/{number}",
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata",
            "genericMetadata": {"createTime": now, "updateTime": now},
        },
        "done": True,
        "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
    }
    return reply(operation)


_JOBS = PLACE + "/batchPredictionJobs"
routes = [
    Route(_JOBS, create, methods=["POST"]),
    Route(_JOBS, list_, methods=["GET"]),
    Route(_JOBS + "/{id}:cancel", cancel, methods=["POST"]),
    Route(_JOBS + "/{id}", get, methods=["GET"]),
    Route(_JOBS + "/{id}", delete, methods=["DELETE"]),
]
