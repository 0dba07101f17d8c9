"""Bodies of requests and replies."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from emulator.errors import too_large

LARGEST_BODY = 20 * 1024 * 1024  # bytes, inline requests among them (documented)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ApiError 400 when it is larger than Google takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise too_large()
    return bytes(body)


def reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON reply, indented by 2 as Google's are."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    body = text.encode(errors="replace")  # half a surrogate pair has no UTF-8 form
    return Response(body, status, headers, media_type="application/json; charset=UTF-8")
