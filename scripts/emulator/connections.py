"""Connections that are cut, or held open and never answered."""

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_open: dict[tuple[str, int], asyncio.Transport] = {}  # client's (host, port) -> its connection


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with each connection within reach of the request that cuts it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client:
            _open[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _open.pop(self.client, None)
        super().connection_lost(exc)


class Cut(Response):
    """The connection is closed, after `head` of a body of `announced` bytes if these are given."""

    def __init__(
        self, head: bytes = b"", announced: int = 0, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.head = head
        self.announced = announced
        self.with_headers = headers or {"content-length": str(announced)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.announced:
            lines = [(name.encode(), said.encode()) for name, said in self.with_headers.items()]
            status = 206 if "content-range" in self.with_headers else 200
            await send({"type": "http.response.start", "status": status, "headers": lines})
            await send({"type": "http.response.body", "body": self.head, "more_body": True})
        await _close(scope, receive)


class Hold(Response):
    """No answer for `seconds`, or until the client gives up; then the connection is cut."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(_disconnected(receive), self.seconds)
        except (TimeoutError, asyncio.CancelledError):  # cancelled: the emulator ends
            await _close(scope, receive)


async def _close(scope: Scope, receive: Receive) -> None:
    client: Any = scope["client"]
    transport = _open.get(tuple(client))
    if transport:
        transport.close()  # what was sent before still leaves; nothing after it does
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
