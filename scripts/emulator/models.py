"""The models: any name that starts with gemini- is one."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import reply
from emulator.errors import invalid, unknown_model

OUTPUT_TOKENS = 65_536  # of one answer at most, thinking included (documented)
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

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


def check_output(model: str, config: dict[str, Any]) -> None:
    """Raises ApiError 400 for a ceiling or a thinking level that the model does not take.

    Levels are those of Gemini 3, `minimal` not of its Pro models (reported); the words of the
    refusals are reported ones as well.
    """
    ceiling = config.get("maxOutputTokens")
    if ceiling is not None and not 1 <= int(ceiling) <= OUTPUT_TOKENS:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {ceiling} but the "
            f"supported range is from 1 (inclusive) to {OUTPUT_TOKENS + 1} (exclusive). Update the "
            "value and try again."
        )
    thinking = config.get("thinkingConfig", {})
    level = thinking.get("thinkingLevel", "").upper()
    if not level:
        return
    if "thinkingBudget" in thinking:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level not in LEVELS:
        raise invalid(f"Invalid value at 'generation_config.thinking_config', \"{level}\"")
    if model < "gemini-3":
        raise invalid("Thinking level is not supported for this model.")
    if level == "MINIMAL" and "-pro" in model:
        raise invalid(
            f"Thinking level {level} is not supported for this model. Please retry with other "
            "thinking level."
        )


def resource(model: str) -> dict[str, Any]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": OUTPUT_TOKENS,
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
