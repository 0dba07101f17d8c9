"""Uploads into a bucket: in one request (media, multipart), or resumable; sessions are on disk."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import reply
from emulator.buckets import Buckets, Conditions, Record
from emulator.connections import Cut
from emulator.durable import write_whole
from emulator.faults import Faults
from emulator.files import base_url, new_id
from emulator.refusals import StorageError, bucket_forbidden, storage_invalid, storage_unavailable
from emulator.storage import object_resource

CHUNK = 256 * 1024  # every chunk but the last is a multiple of it (documented)
LARGEST_IN_ONE = 256 * 1024 * 1024  # bytes of a request without sessions, which memory holds
CHECKED = ("crc32c", "md5Hash")  # base64, as the client computed them


def clean_up(folder: Path) -> None:
    """Removes what a kill left of uploads without a session."""
    for part in folder.glob("*.part"):
        if not part.with_suffix(".json").exists():
            part.unlink()


async def upload(request: Request) -> Response:
    """POST: an upload in one request, or the opening of a resumable one."""
    faults: Faults = request.app.state.faults
    if faults.take("bucket_403"):
        raise bucket_forbidden("storage.objects.create")
    if faults.take("object_503"):
        raise storage_unavailable()
    kind = request.query_params.get("uploadType", "")
    if kind == "resumable":
        return await _open(request)
    if faults.take("object_cut_before"):
        return Cut()
    body = await _whole(request)
    metadata, content = _parted(request, body) if kind == "multipart" else ({}, body)
    metadata.setdefault("contentType", request.headers.get("content-type"))
    part = _folder(request) / f"{new_id(40)}.part"
    part.write_bytes(content)
    query = request.query_params
    target = _target(request, metadata) | {"ifGenerationMatch": query.get("ifGenerationMatch")}
    try:
        stored = await run_in_threadpool(_store, request, target, part)
    finally:
        part.unlink(missing_ok=True)
    return Cut() if faults.take("object_cut_after") else reply(stored)


def _folder(request: Request) -> Path:
    folder: Path = request.app.state.bucket_uploads
    return folder


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_IN_ONE:
            raise StorageError(413, "uploadTooLarge", "Upload too large. Use a resumable one.")
    return bytes(body)


def _parted(request: Request, body: bytes) -> tuple[Record, bytes]:
    """(metadata, content) of a multipart/related body. Raises StorageError 400."""
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if not found:
        raise storage_invalid("Missing multipart boundary.")
    mark = b"--" + found[1].encode()
    pieces = _pieces(body, mark)
    if len(pieces) != 2:
        raise storage_invalid("Multipart upload: metadata and content are expected.")
    (_, first), (headers, content) = pieces
    metadata = _metadata(first)
    kind = re.search(rb"(?im)^content-type:\s*([^\r\n]+)", headers)
    if kind:
        metadata.setdefault("contentType", kind[1].decode())
    return metadata, content


def _pieces(body: bytes, mark: bytes) -> list[tuple[bytes, bytes]]:
    """(headers, content) of each part; the content itself may hold anything but the mark."""
    pieces = []
    for piece in (b"\r\n" + body).split(b"\r\n" + mark)[1:-1]:
        headers, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        pieces.append((headers, content))
    return pieces


def _metadata(text: bytes) -> Record:
    try:
        metadata: Any = json.loads(text or b"{}")
    except ValueError as error:
        raise storage_invalid("Metadata part is not valid JSON.") from error
    if not isinstance(metadata, dict):
        raise storage_invalid("Metadata part is not an object.")
    return metadata


def _target(request: Request, metadata: Record) -> Record:
    """Where an upload goes, and what is kept with it. Raises StorageError 400."""
    name = request.query_params.get("name") or metadata.get("name")
    if not name:
        raise storage_invalid("Required parameter: name")
    kept = {field: metadata.get(field) for field in ("contentType", "metadata", *CHECKED)}
    return {"bucket": request.path_params["bucket"], "name": name, "fields": kept}


def _store(request: Request, target: Record, part: Path) -> Record:
    buckets: Buckets = request.app.state.buckets
    record = buckets.add(
        target["bucket"], target["name"], part, _conditions(target), **target["fields"]
    )
    return object_resource(record, base_url(request))


def _conditions(target: Record) -> Conditions:
    wanted = target.get("ifGenerationMatch")
    if wanted is not None and not str(wanted).isdigit():
        raise storage_invalid(f"Invalid value for ifGenerationMatch: {wanted}")
    return Conditions(None if wanted is None else int(wanted))


async def _open(request: Request) -> Response:
    """Answers with the session's address, which is a secret of its own."""
    metadata = _metadata(await _whole(request))
    metadata.setdefault("contentType", request.headers.get("x-upload-content-type"))
    session = _target(request, metadata)
    session["ifGenerationMatch"] = request.query_params.get("ifGenerationMatch")
    buckets: Buckets = request.app.state.buckets
    buckets.check(session["bucket"], session["name"], _conditions(session))
    upload_id = new_id(40)
    (_folder(request) / f"{upload_id}.part").touch()
    write_whole(_folder(request) / f"{upload_id}.json", session)
    place = (
        f"{base_url(request)}{request.url.path}?uploadType=resumable"
        f"&name={quote(session['name'], safe='')}&upload_id={upload_id}"
    )
    headers = {"location": place, "x-guploader-uploadid": upload_id}
    return Response(status_code=200, headers=headers)


async def send(request: Request) -> Response:
    """PUT: a chunk, or with `bytes */N` the question how much has arrived."""
    session_path, part = _session(request)
    session = json.loads(session_path.read_text())
    if "stored" in session:  # a last chunk that comes again: its first answer may have been cut
        await _whole(request)
        return reply(session["stored"])
    if not part.exists():  # a kill came between storing it and saying so
        await _whole(request)
        buckets: Buckets = request.app.state.buckets
        record = buckets.find(session["bucket"], session["name"])
        return reply(object_resource(record, base_url(request)))
    faults: Faults = request.app.state.faults
    start, end, total = _content_range(request)
    if start is None:
        await _whole(request)
        return _incomplete(part) if part.stat().st_size != total else await _finish(request)
    if faults.take("object_503"):
        await _whole(request)
        raise storage_unavailable()
    if faults.take("object_cut_before"):
        return Cut()
    chunk = await _whole(request)
    last = end is None or end == total
    if end is not None and len(chunk) != end - start:
        raise storage_invalid(f"{len(chunk)} bytes came, Content-Range names {end - start}.")
    if not last and len(chunk) % CHUNK:
        raise storage_invalid(f"A chunk but the last is a multiple of {CHUNK} bytes.")
    if start > part.stat().st_size:
        return _incomplete(part)  # (documented) go on from where it is
    with part.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        file.write(chunk)
    return await _finish(request) if last else _incomplete(part)


def _session(request: Request) -> tuple[Path, Path]:
    upload_id = request.query_params.get("upload_id", "")
    path = _folder(request) / f"{upload_id}.json"
    if not (upload_id.isalnum() and path.exists()):
        raise StorageError(404, "notFound", "Upload session not found.")
    return path, path.with_suffix(".part")


def _content_range(request: Request) -> tuple[int | None, int | None, int | None]:
    """(start, end, total) of `bytes 0-9/10`, or `0-9/*`; `bytes */10` has no start, and a body
    that is all of it, without the header, has no end.
    """
    header = request.headers.get("content-range")
    if header is None:
        return 0, None, None
    found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(?:(\d+)|\*)", header)
    if not found:
        raise storage_invalid(f"Invalid Content-Range: {header}")
    total = int(found[3]) if found[3] else None
    if not found[1]:
        return None, None, total
    return int(found[1]), int(found[2]) + 1, total


def _incomplete(part: Path) -> Response:
    size = part.stat().st_size
    return Response(status_code=308, headers={"range": f"bytes=0-{size - 1}"} if size else {})


async def _finish(request: Request) -> Response:
    path, part = _session(request)
    session = json.loads(path.read_text())
    for kind, digest in re.findall(
        r"(crc32c|md5)=([\w+/]+=*)", request.headers.get("x-goog-hash", "")
    ):
        session["fields"]["crc32c" if kind == "crc32c" else "md5Hash"] = digest
    stored = await run_in_threadpool(_store, request, session, part)
    write_whole(path, {"stored": stored})
    return Cut() if request.app.state.faults.take("object_cut_after") else reply(stored)


async def abandon(request: Request) -> Response:
    path, part = _session(request)
    path.unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    return Response(status_code=499)


routes = [
    Route("/b/{bucket}/o", upload, methods=["POST"]),
    Route("/b/{bucket}/o", send, methods=["PUT"]),
    Route("/b/{bucket}/o", abandon, methods=["DELETE"]),
]
