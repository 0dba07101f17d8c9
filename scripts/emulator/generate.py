"""generateContent: one request, answered at once."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.answers import Answer, Answerer
from emulator.bodies import read_body, reply
from emulator.connections import Cut
from emulator.errors import quota_exceeded, unavailable
from emulator.faults import Faults
from emulator.ledger import Ledger
from emulator.models import check_model
from emulator.requests import check_generation, parse_body


async def generate_content(request: Request) -> Response:
    """Answers one request; the ledger has it before the client. Raises ApiError."""
    faults: Faults = request.app.state.faults
    answerer: Answerer = request.app.state.answerer
    ledger: Ledger = request.app.state.ledger
    model = request.path_params["model"]
    body = await read_body(request)
    if faults.take("generate_503"):
        raise unavailable()
    if faults.take("generate_429"):
        raise quota_exceeded()
    check_model(request, model, "generateContent")
    content = parse_body("GenerateContentRequest", body)
    check_generation(content)
    tier = content.get("serviceTier", "standard").lower()

    def work() -> Answer:
        answer = answerer.answer(model, content, None)
        mode = "flex" if tier == "flex" else "realtime"
        ledger.bill({"mode": mode, "batch": None, "index": None, "key": None, **answer.bill})
        return answer

    pool = request.app.state.realtime_pool
    answer = await asyncio.get_running_loop().run_in_executor(pool, work)
    if faults.take("generate_cut_after"):
        return Cut()
    # (documented) the header names the tier that served the request
    return reply(answer.response, headers={"x-gemini-service-tier": tier})


routes = [Route("/models/{model}:generateContent", generate_content, methods=["POST"])]
