"""The Vertex door's generateContent, and what its calls have in common: project, place, model."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.answers import Answer
from emulator.bodies import read_body, reply
from emulator.connections import Cut
from emulator.errors import unavailable
from emulator.faults import Faults
from emulator.ledger import Ledger
from emulator.oauth import NUMBER
from emulator.refusals import no_model_to_ask, vertex_quota
from emulator.requests import parse_body
from emulator.service_account import PROJECT

PLACE = "/{project}/locations/{location}"
# (reported) Gemini 3 is served at this one alone
GLOBAL = "global"
LESS_PAID = "x-vertex-ai-llm-shared-request-type"  # a header; "flex" (documented)


def number_of(project: str) -> str:
    """A project's number, which stands in all names of what is in it; either is accepted."""
    if project.isdigit():
        return project
    if project == PROJECT:
        return NUMBER
    digits = int.from_bytes(project.encode()) % 10**11
    return str(2 * 10**11 + digits)


def served(model: str, location: str) -> bool:
    return model.startswith("gemini-") and (location == GLOBAL or not model.startswith("gemini-3"))


async def generate_content(request: Request) -> Response:
    """Answers one request; the ledger has it before the client. Raises ApiError."""
    state = request.app.state
    faults: Faults = state.faults
    ledger: Ledger = state.ledger
    place = request.path_params
    body = await read_body(request)
    if faults.take("generate_503"):
        raise unavailable()
    if faults.take("generate_429"):
        raise vertex_quota()
    if not served(place["model"], place["location"]):
        raise no_model_to_ask(place["project"], place["location"], place["model"])
    content = parse_body("VertexRequest", body)
    mode = "flex" if request.headers.get(LESS_PAID) == "flex" else "realtime"

    def work() -> Answer:
        answer: Answer = state.vertex_answerer.answer(place["model"], content, None)
        ledger.bill({"mode": mode, "batch": None, "index": None, "key": None, **answer.bill})
        return answer

    answer = await asyncio.get_running_loop().run_in_executor(state.realtime_pool, work)
    return Cut() if faults.take("generate_cut_after") else reply(answer.response)


routes = [
    Route(
        PLACE + "/publishers/google/models/{model}:generateContent",
        generate_content,
        methods=["POST"],
    )
]
