"""The controls under /emulator/: ledger, faults, clock, and a key file."""

import json
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator import files, service_account
from emulator.bodies import read_body, reply
from emulator.clock import Clock, stamp
from emulator.faults import Faults
from emulator.ledger import Ledger


async def ledger(request: Request) -> Response:
    """{"batches": [...], "answers": [...], "requests": [...]}, requests since the start."""
    state = request.app.state
    kept: Ledger = state.ledger
    shown = {"batches": kept.batches, "answers": kept.answers, "requests": list(state.calls)}
    return reply(shown)


async def show_faults(request: Request) -> Response:
    return reply(request.app.state.faults.shown())


async def set_faults(request: Request) -> Response:
    """{name: value, ...}, null switches off. An unknown name or a wrong value is a 400."""
    faults: Faults = request.app.state.faults
    try:
        for name, value in json.loads(await read_body(request)).items():
            faults.set(name, value)
    except (AttributeError, ValueError) as error:
        return reply({"error": {"message": str(error)}}, 400)
    return reply(faults.shown())


async def account(request: Request) -> Response:
    """A key file for the Vertex door; the same one each time, at the address that is asked."""
    path: Path = request.app.state.account
    if not path.exists():
        await run_in_threadpool(service_account.write, path, "")
    shown = json.loads(path.read_text())
    return reply(shown | {"token_uri": f"{files.base_url(request)}/token"})


async def advance(request: Request) -> Response:
    """{"seconds": N} moves the clock forward."""
    clock: Clock = request.app.state.clock
    try:
        clock.advance(json.loads(await read_body(request))["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        return reply({"error": {"message": f"seconds: {error!r}"}}, 400)
    return reply({"now": stamp(clock.now())})


routes = [
    Route("/emulator/ledger", ledger, methods=["GET"]),
    Route("/emulator/faults", show_faults, methods=["GET"]),
    Route("/emulator/faults", set_faults, methods=["POST"]),
    Route("/emulator/advance", advance, methods=["POST"]),
    Route("/emulator/service-account", account, methods=["GET"]),
]
