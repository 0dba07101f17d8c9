"""The models: any name that starts with gemini- is one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import reply
from emulator.errors import unknown_model

LISTED = (
    "gemini-3.1-pro-preview",
    "gemini-3.5-flash",
    "gemini-3.5-flash-lite",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
)


def check_model(request: Request, model: str, method: str) -> None:
    """Raises ApiError 404 for a name that Google would not know."""
    if not model.startswith("gemini-"):
        raise unknown_model(model, method, request.url.path.split("/")[1])


def resource(model: str) -> dict[str, Any]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": [
            "generateContent",
            "createCachedContent",
            "batchGenerateContent",
        ],
    }


async def get(request: Request) -> Response:
    model = request.path_params["model"]
    check_model(request, model, "generateContent")
    return reply(resource(model))


async def list_(request: Request) -> Response:
    return reply({"models": [resource(model) for model in LISTED]})


routes = [
    Route("/models", list_, methods=["GET"]),
    Route("/models/{model}", get, methods=["GET"]),
]
