"""The web application: routes, who gets in, log of calls."""

import hashlib
import re
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator import (
    batches,
    bucket_uploads,
    caches,
    controls,
    doors,
    files,
    generate,
    models,
    oauth,
    storage,
    uploads,
    vertex,
    vertex_jobs,
)
from emulator.answers import Answerer
from emulator.bodies import reply
from emulator.buckets import Buckets
from emulator.clock import Clock
from emulator.errors import (
    ApiError,
    internal,
    not_found,
    place_not_supported,
    schema_too_complex,
    spend_cap_reached,
    unavailable,
)
from emulator.faults import Faults
from emulator.foreign_bucket import ForeignBuckets
from emulator.ledger import Ledger
from emulator.vertex_answers import VertexAnswerer, image_in
from emulator.vertex_worker import JobWorker
from emulator.worker import READERS, Worker, complete_ledger

VERSIONS = ("v1beta", "v1", "v1alpha")
VERTEX_VERSIONS = ("v1", "v1beta1")
BUCKET = "flowsheets"  # is there unless others are named
HOSTS = ("127.0.0.1", "localhost", "[::1]")  # another one is a web page that rebound its name
MODEL_REFUSALS = {
    "place_400": place_not_supported,
    "schema_400": schema_too_complex,
    "spending_429": spend_cap_reached,
}
LOG_IN_PAGE = "<!DOCTYPE html><html><body><h1>Welcome to our guest network</h1></body></html>"


def build(
    data: Path,
    reader: Any,
    *,
    key: str | None = None,
    faults: Faults | None = None,
    pending_seconds: float = 1.0,
    processing_seconds: float = 0.0,
    cache_minimum: int | None = None,
    still: bool = False,
    bucket_names: tuple[str, ...] = (BUCKET,),
    bucket_url: str | None = None,
) -> Starlette:
    """The emulator with its state in `data`; batches that had not ended go on at once.

    `reader` is a module with MODEL_VERSION and load() -> function from PNG bytes to a page. `key`
    is the one key that is accepted, None accepts any. A `still` clock is moved by requests alone.
    Jobs read and write at the bucket server of `bucket_url`, where there is one.
    """
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(_Gate)],
        exception_handlers={
            ApiError: _refused,
            HTTPException: _no_such_route,
            Exception: _broken,
        },
    )
    state = app.state
    state.key = key
    state.calls = deque(maxlen=100_000)  # {method, path, status, body_sha256}, newest last
    state.faults = faults or Faults()
    state.clock = Clock(data / "clock.json", still)
    state.ledger = Ledger(data / "ledger.jsonl", state.clock)
    state.files = files.Files(data / "files", state.clock, processing_seconds)
    state.uploads = data / "uploads"
    state.uploads.mkdir(exist_ok=True)
    state.caches = caches.Caches(data / "caches", state.clock, cache_minimum)
    state.batches = batches.Batches(data / "batches")
    state.realtime_pool = ThreadPoolExecutor(READERS)
    read_page = reader.load()
    state.answerer = Answerer(
        read_page, reader.MODEL_VERSION, state.files.read, state.caches, state.faults
    )
    state.worker = Worker(
        state.clock, state.faults, state.ledger, state.files, state.answerer, pending_seconds
    )
    state.tokens = oauth.Tokens(data / "tokens.json")
    state.account = data / "service-account.json"
    state.buckets = Buckets(data / "buckets", state.clock)
    for name in bucket_names:
        state.buckets.make(name)
    state.bucket_uploads = data / "bucket-uploads"
    state.bucket_uploads.mkdir(exist_ok=True)
    bucket_uploads.clean_up(state.bucket_uploads)
    state.jobs = vertex_jobs.Jobs(data / "jobs")
    of_jobs = ForeignBuckets(bucket_url) if bucket_url else state.buckets
    state.vertex_answerer = VertexAnswerer(
        replace(state.answerer, read_file=image_in(of_jobs)), state.clock
    )
    state.job_worker = JobWorker(
        state.clock,
        state.faults,
        state.ledger,
        of_jobs,
        state.vertex_answerer,
        pending_seconds,
        state.worker.pool,
    )
    _go_on(state)
    return app


def _go_on(state: State) -> None:
    """What a kill or a stop left: the ledger is made whole, and what had not ended goes on."""
    accepted, billed = state.ledger.accepted(), state.ledger.billed_rows()
    for worker, all_ in ((state.worker, state.batches), (state.job_worker, state.jobs)):
        for batch in all_.by_id.values():
            complete_ledger(state.ledger, batch, accepted, billed)
            if not batch.ended:
                worker.start(batch)


def _routes() -> list[BaseRoute]:
    api = [*files.routes, *batches.routes, *generate.routes, *caches.routes, *models.routes]
    routes: list[BaseRoute] = [
        *controls.routes,
        *oauth.routes,
        Mount("/upload/storage/v1", routes=bucket_uploads.routes),
        Mount("/download/storage/v1", routes=storage.download_routes),
        Mount("/storage/v1", routes=storage.routes),
    ]
    on_vertex = [*vertex.routes, *vertex_jobs.routes]
    for version in VERTEX_VERSIONS:
        routes.append(Mount(f"/{version}/projects", routes=on_vertex))
    for version in VERSIONS:
        routes.append(Mount(f"/upload/{version}", routes=uploads.routes))
        routes.append(Mount(f"/download/{version}", routes=files.download_routes))
        routes.append(Mount(f"/{version}", routes=api))
    return routes


class _Gate:
    """Before every call: is it of this machine, and, of the API's, is there a key. After it: one
    record in the log of calls.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _from_this_machine(scope):
            foreign = ApiError(403, "PERMISSION_DENIED", "Only for programs on this machine.")
            await reply(foreign.body(), 403)(scope, receive, send)
            return
        if scope["path"].startswith("/emulator/"):
            await self.app(scope, receive, send)
            return
        state = scope["app"].state
        digest = hashlib.sha256()
        status: int | None = None  # None: the connection was cut before an answer

        async def hashing_receive() -> Message:
            message = await receive()
            digest.update(message.get("body", b""))
            return message

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        response = _instead(scope)
        try:
            if response:
                await _drain(hashing_receive)
                await response(scope, hashing_receive, noting_send)
            else:
                await self.app(scope, hashing_receive, noting_send)
        finally:
            call = {"method": scope["method"], "path": scope["path"], "status": status}
            state.calls.append(call | {"body_sha256": digest.hexdigest()})


def _instead(scope: Scope) -> Response | None:
    """What is answered in place of carrying the call out, if so."""
    faults: Faults = scope["app"].state.faults
    if scope["path"].endswith(faults.get("between_only") or ""):
        if faults.take("html_200"):
            return HTMLResponse(LOG_IN_PAGE)
        if faults.take("string_200"):
            return reply("ok")
        if place := faults.get("redirect"):
            return RedirectResponse(place + scope["path"], 302)
    refusal = _refusal(scope)
    return reply(refusal.body(), refusal.code) if refusal else None


def _refusal(scope: Scope) -> ApiError | None:
    state = scope["app"].state
    creates = scope["method"] == "POST" and scope["path"].endswith("/batchPredictionJobs")
    if creates or scope["path"].endswith((":generateContent", ":batchGenerateContent")):
        for fault, refusal in MODEL_REFUSALS.items():
            if state.faults.take(fault):
                return refusal()
    if state.faults.take("all_503"):
        return unavailable()
    return doors.refusal(scope)


def _from_this_machine(scope: Scope) -> bool:
    """Host, and Origin where a browser sends one: no web page reaches the API or its controls."""
    headers = Headers(scope=scope)
    places = [headers.get("host", ""), *headers.getlist("origin")]
    names = (re.sub(r"^https?://|:[0-9]*$", "", place.lower()) for place in places)
    return all(name in HOSTS for name in names)


async def _drain(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            return


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return reply(error.body(), error.code)


async def _no_such_route(request: Request, error: Exception) -> Response:
    return reply(not_found().body(), 404)


async def _broken(request: Request, error: Exception) -> Response:
    traceback.print_exception(error)  # a bug of the emulator keeps its traceback
    return reply(internal().body(), 500)
