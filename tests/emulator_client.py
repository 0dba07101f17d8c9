"""Calls of the Gemini API as bare HTTP, for the tests of the emulator."""

import base64
import json
import struct
import zlib
from typing import Any

import httpx2

from emulator_process import PATIENCE, Emulator, wait_for

MODEL = "gemini-3.1-pro-preview"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


def client(emulator: Emulator) -> httpx2.Client:
    headers = {"x-goog-api-key": "test-key"}
    # Reading the certificates that plain HTTP never needs would cost 50 ms a client
    return httpx2.Client(
        base_url=emulator.url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False
    )


def png(seed: int) -> bytes:
    """A small image that no other seed gives."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 32, 1, 1, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">I", seed))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def page_request(seed: int, **more: Any) -> dict[str, Any]:
    """A request for one page; `more` are further fields of it."""
    image = {"mimeType": "image/png", "data": base64.b64encode(png(seed)).decode()}
    return {
        "contents": [{"role": "user", "parts": [{"text": "Transcribe."}, {"inlineData": image}]}],
        "generationConfig": {"responseMimeType": "application/json"},
    } | more


def page_lines(count: int) -> list[dict[str, Any]]:
    """Input lines with the keys "0", "1", ..."""
    return [{"key": str(seed), "request": page_request(seed)} for seed in range(count)]


def start_upload(api: httpx2.Client, size: int, mime: str, **file: Any) -> httpx2.Response:
    headers = {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-length": str(size),
        "x-goog-upload-header-content-type": mime,
    }
    return api.post("/upload/v1beta/files", json={"file": file}, headers=headers)


def send(
    api: httpx2.Client, url: str, data: bytes, offset: int = 0, command: str = "upload, finalize"
) -> httpx2.Response:
    headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(offset)}
    return api.post(url, content=data, headers=headers)


def upload(api: httpx2.Client, data: bytes, mime: str = "application/jsonl", **file: Any) -> Any:
    """Uploads in one piece and returns the file, or the error's body."""
    started = start_upload(api, len(data), mime, **file)
    reply = send(api, started.headers["x-goog-upload-url"], data)
    return reply.json().get("file", reply.json())


def upload_lines(api: httpx2.Client, lines: list[Any]) -> str:
    """Uploads an input file, a line an item (text as it is), and returns its name."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    return str(upload(api, "".join(f"{text}\n" for text in texts).encode())["name"])


def create(api: httpx2.Client, file_name: str, display_name: str = "a") -> httpx2.Response:
    batch = {"inputConfig": {"fileName": file_name}, "displayName": display_name}
    return api.post(f"/v1beta/models/{MODEL}:batchGenerateContent", json={"batch": batch})


def create_batch(api: httpx2.Client, lines: list[Any], display_name: str = "a") -> str:
    """Uploads the lines, creates a batch of them, and returns its name."""
    return str(create(api, upload_lines(api, lines), display_name).json()["name"])


def state(operation: Any) -> str:
    return str(operation["metadata"]["state"]).removeprefix("BATCH_STATE_")


def until(api: httpx2.Client, name: str, *states: str) -> Any:
    """Polls until the batch is in one of the states, ended ones unless given; returns the reply."""

    def reached() -> Any:
        operation = api.get(f"/v1beta/{name}").json()
        return operation if state(operation) in (states or ENDED) else None

    return wait_for(reached)


def download(api: httpx2.Client, batch: str) -> bytes:
    file_id = batch.replace("batches/", "batch-")
    return api.get(f"/v1beta/files/{file_id}:download?alt=media").raise_for_status().content


def run_batch(api: httpx2.Client, lines: list[Any]) -> list[dict[str, Any]]:
    """Runs the lines as a batch and returns its result lines."""
    name = create_batch(api, lines)
    until(api, name)
    return result_lines(download(api, name))


def result_lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.split(b"\n") if line]


def generate(api: httpx2.Client, request: dict[str, Any]) -> httpx2.Response:
    return api.post(f"/v1beta/models/{MODEL}:generateContent", json=request)


def text_of(response: dict[str, Any]) -> str:
    """The text of the first candidate, its thoughts left out."""
    parts = response["candidates"][0]["content"]["parts"]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))
