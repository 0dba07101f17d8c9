"""A local web server that answers every call the same way, for tests of the client."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Middlebox:
    """What it answers with, and what it was asked. A reply by path's end wins over the others."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    hold: float = 0.0  # seconds before each answer
    by_path: dict[str, bytes] = field(default_factory=dict)  # end of a path -> body
    asked: list[str] = field(default_factory=list)  # "POST /v1beta/…", without queries
    keys: list[str | None] = field(default_factory=list)  # x-goog-api-key of each
    url: str = ""

    def answer(self, path: str) -> bytes:
        return next((b for end, b in self.by_path.items() if path.endswith(end)), self.body)


@contextlib.contextmanager
def running_middlebox() -> Iterator[Middlebox]:
    box = Middlebox()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet; else each answer takes 40 ms

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            path = self.path.partition("?")[0]
            box.asked.append(f"{self.command} {path}")
            box.keys.append(self.headers.get("x-goog-api-key"))
            time.sleep(box.hold)
            body = box.answer(path)
            self.send_response(box.status)
            self.send_header("content-type", box.content_type)
            self.send_header("content-length", str(len(body)))
            for name, value in box.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up early
    box.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
