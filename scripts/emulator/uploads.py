"""The resumable upload: start, upload, query, finalize, cancel; what has arrived is on disk."""

import json
import re
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import read_body, reply
from emulator.connections import Cut
from emulator.durable import write_whole
from emulator.errors import ApiError, internal, invalid, not_found, storage_full
from emulator.faults import Faults
from emulator.files import Files, base_url, new_id
from emulator.requests import parse_body

LARGEST_FILE = 2 * 1024**3  # bytes (documented)
CHUNK = 8 * 1024 * 1024  # what Google asks chunks to be a multiple of
MIME_TYPE = re.compile(r"(application|audio|image|text|video)/[\w.+-]+(;.*)?")
FILE_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


async def upload(request: Request) -> Response:
    """Every step of the protocol; `x-goog-upload-command` says which. Raises ApiError."""
    commands = re.split(r"\s*,\s*", request.headers.get("x-goog-upload-command", ""))
    faults: Faults = request.app.state.faults
    if commands == ["start"]:
        if faults.take("storage_429"):
            raise storage_full()
        started = await _start(request)
        return reply({}) if faults.take("upload_no_address") else started
    session = _session(request)
    part = session["part"]
    if commands == ["query"]:
        return _active(part)
    if commands == ["cancel"]:
        _forget(session)
        return reply({}, headers={"x-goog-upload-status": "cancelled"})
    if "upload" in commands:
        if faults.take("upload_500"):
            await _throw_away(request)
            raise internal()
        if faults.take("upload_cut"):
            return Cut()
        await _store(request, part, session["size"])
    if "finalize" not in commands:
        return _active(part)
    try:
        if session["mimeType"] == "application/jsonl" and faults.take("upload_refuses_jsonl"):
            raise _unsupported(session)
        if faults.take("upload_error_200"):
            return reply(_unsupported(session).body(), headers={"x-goog-upload-status": "final"})
        stored = await run_in_threadpool(_finalize, request, session)
        if faults.take("upload_no_file"):
            return reply({}, headers={"x-goog-upload-status": "final"})
        return stored
    except ApiError as refusal:
        # Without this header clients take a refusal for a hiccup, and send the chunk again
        return reply(refusal.body(), refusal.code, {"x-goog-upload-status": "final"})
    finally:
        _forget(session)


async def _start(request: Request) -> Response:
    if request.headers.get("x-goog-upload-protocol") != "resumable":
        raise invalid("Only x-goog-upload-protocol: resumable is known here.")
    wanted = parse_body("CreateFile", await read_body(request)).get("file", {})
    size = _number(request, "x-goog-upload-header-content-length")
    if size is not None and size > LARGEST_FILE:
        raise invalid(f"File size {size} exceeds the limit: {LARGEST_FILE} bytes.")
    files: Files = request.app.state.files
    file_id = wanted.get("name", "").removeprefix("files/") or new_id(12)
    _check_id(files, file_id)
    upload_id = new_id(40)
    session = {
        "id": file_id,
        "displayName": wanted.get("displayName"),
        "mimeType": wanted.get("mimeType")
        or request.headers.get("x-goog-upload-header-content-type", ""),
        "size": size,
    }
    folder: Path = request.app.state.uploads
    (folder / f"{upload_id}.bin").touch()
    write_whole(folder / f"{upload_id}.json", session)
    url = f"{base_url(request)}{request.url.path}?upload_id={upload_id}&upload_protocol=resumable"
    headers = {
        "x-goog-upload-url": url,
        "x-goog-upload-control-url": url,
        "x-goog-upload-status": "active",
        "x-goog-upload-chunk-granularity": str(CHUNK),
    }
    return reply({}, headers=headers)


def _check_id(files: Files, file_id: str) -> None:
    if not FILE_ID.fullmatch(file_id):
        raise invalid(
            f"* CreateFileRequest.file.name: {file_id} may hold up to 40 lowercase letters, digits "
            "and dashes, and neither start nor end with a dash."
        )
    if any(record["id"] == file_id for record in files.living()):
        raise ApiError(409, "ALREADY_EXISTS", "Requested entity already exists")


def _session(request: Request) -> dict[str, Any]:
    upload_id = request.query_params.get("upload_id", "")
    folder: Path = request.app.state.uploads
    path = folder / f"{upload_id}.json"
    part = path.with_suffix(".bin")
    if not (upload_id.isalnum() and path.exists() and part.exists()):
        raise not_found()
    session: dict[str, Any] = json.loads(path.read_text())
    return session | {"path": path, "part": part}


async def _store(request: Request, part: Path, size: int | None) -> None:
    """Writes the body, as it arrives, at the offset the client names; a chunk may come again."""
    received = part.stat().st_size
    named = _number(request, "x-goog-upload-offset")
    offset = received if named is None else named
    if offset > received:
        raise invalid(f"Upload offset {offset} is beyond the {received} bytes received.")
    with part.open("r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        async for chunk in request.stream():
            if file.tell() + len(chunk) > (LARGEST_FILE if size is None else size):
                raise invalid("More bytes were uploaded than x-goog-upload-header-content-length.")
            file.write(chunk)


def _finalize(request: Request, session: dict[str, Any]) -> Response:
    received = session["part"].stat().st_size
    if session["size"] not in (None, received):
        raise invalid(f"{received} bytes were uploaded, {session['size']} were announced.")
    if not MIME_TYPE.fullmatch(session["mimeType"]):
        raise _unsupported(session)
    files: Files = request.app.state.files
    _check_id(files, session["id"])
    fields = {name: session[name] for name in ("displayName", "mimeType")}
    record = files.add(session["id"], session["part"], source="UPLOADED", **fields)
    shown = {"file": files.resource(record, base_url(request))}
    return reply(shown, headers={"x-goog-upload-status": "final"})


def _unsupported(session: dict[str, Any]) -> ApiError:
    return invalid(f"Unsupported MIME type: {session['mimeType']}")  # (recorded)


def _number(request: Request, header: str) -> int | None:
    value = request.headers.get(header)
    if value is not None and not value.isdigit():
        raise invalid(f"Invalid value of {header}: {value}")
    return None if value is None else int(value)


def _active(part: Path) -> Response:
    headers = {
        "x-goog-upload-status": "active",
        "x-goog-upload-size-received": str(part.stat().st_size),
        "x-goog-upload-chunk-granularity": str(CHUNK),
    }
    return reply({}, headers=headers)


def _forget(session: dict[str, Any]) -> None:
    session["path"].unlink(missing_ok=True)
    session["part"].unlink(missing_ok=True)


async def _throw_away(request: Request) -> None:
    async for _ in request.stream():
        pass


routes = [Route("/files", upload, methods=["POST", "PUT"])]
