"""The bucket's calls: buckets, listing, metadata, download, deletion. Cloud Storage's JSON API."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from emulator.bodies import read_body, reply
from emulator.buckets import BLOCK, Buckets, Conditions, Record
from emulator.clock import stamp
from emulator.connections import Cut
from emulator.faults import Faults
from emulator.files import base_url
from emulator.oauth import NUMBER
from emulator.refusals import (
    bucket_forbidden,
    no_object,
    no_such_range,
    storage_invalid,
    storage_unavailable,
)

PAGE = 1000  # objects a page of a listing at the most (documented)
WEEK = "604800"  # seconds that what was deleted is kept, and paid for, unless switched off
KEPT = ("location", "softDeletePolicy", "lifecycle", "storageClass", "labels")


def object_resource(record: Record, base: str) -> Record:
    """An object as Google shows it; numbers of 64 bits are strings."""
    place = f"b/{record['bucket']}/o/{quote(record['name'], safe='')}"
    time = stamp_ms(record["timeCreated"])
    shown = {
        "kind": "storage#object",
        "id": f"{record['bucket']}/{record['name']}/{record['generation']}",
        "selfLink": f"{base}/storage/v1/{place}",
        "mediaLink": f"{base}/download/storage/v1/{place}"
        f"?generation={record['generation']}&alt=media",
        "name": record["name"],
        "bucket": record["bucket"],
        "generation": str(record["generation"]),
        "metageneration": "1",
        "contentType": record.get("contentType"),
        "storageClass": "STANDARD",
        "size": str(record["size"]),
        "md5Hash": record["md5Hash"],
        "crc32c": record["crc32c"],
        "etag": f"{record['crc32c']}/{record['generation']}",
        "timeCreated": time,
        "updated": time,
        "metadata": record.get("metadata"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def stamp_ms(nanoseconds: int) -> str:
    """A time as the bucket writes it: 2026-11-25T02:40:00.123Z"""
    return stamp(nanoseconds)[:23] + "Z"


def _bucket_resource(record: Record, base: str) -> Record:
    time = stamp_ms(record["timeCreated"])
    shown = {
        "kind": "storage#bucket",
        "selfLink": f"{base}/storage/v1/b/{record['name']}",
        "id": record["name"],
        "name": record["name"],
        "projectNumber": NUMBER,
        "generation": str(record["timeCreated"] // 1000),
        "metageneration": "1",
        "location": "US-CENTRAL1",
        "locationType": "region",
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "timeCreated": time,
        "updated": time,
        "softDeletePolicy": {"retentionDurationSeconds": WEEK},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }
    return shown | {name: record[name] for name in KEPT if name in record}


async def make_bucket(request: Request) -> Response:
    """{"name": ..., "softDeletePolicy": ...}; one that is there already is a 409 at Google, and
    here it is shown as it is.
    """
    try:
        wanted = json.loads(await read_body(request))
        name = wanted["name"]
    except (KeyError, TypeError, ValueError) as error:
        raise storage_invalid("Required parameter: name") from error
    buckets: Buckets = request.app.state.buckets
    kept = {field: wanted[field] for field in KEPT if field in wanted}
    return reply(_bucket_resource(buckets.make(name, **kept), base_url(request)))


async def get_bucket(request: Request) -> Response:
    state = request.app.state
    _refuse(state, "storage.buckets.get")
    record = state.buckets.bucket(request.path_params["bucket"])
    return reply(_bucket_resource(record, base_url(request)))


async def permissions(request: Request) -> Response:
    """Which of the permissions the caller has: all, unless a fault says otherwise."""
    state = request.app.state
    state.buckets.bucket(request.path_params["bucket"])
    asked = request.query_params.getlist("permissions")
    granted = [] if state.faults.get("bucket_403") else asked
    shown: Record = {"kind": "storage#testIamPermissionsResponse"}
    return reply(shown | ({"permissions": granted} if granted else {}))


def _refuse(state: State, permission: str) -> None:
    if state.faults.take("bucket_403"):
        raise bucket_forbidden(permission)
    if state.faults.take("bucket_503"):
        raise storage_unavailable()


async def list_objects(request: Request) -> Response:
    """By prefix, from `startOffset` on, folded at `delimiter`; the token is the last name shown."""
    state = request.app.state
    _refuse(state, "storage.objects.list")
    buckets: Buckets = state.buckets
    bucket = request.path_params["bucket"]
    query = request.query_params
    size = query.get("maxResults", "")
    if size and not size.isdigit():
        raise storage_invalid(f"Invalid value for maxResults: {size}")
    wanted = (
        name
        for name in buckets.listed(bucket, query.get("prefix", ""))
        if name >= query.get("startOffset", "")
        and (not query.get("endOffset") or name < query["endOffset"])
    )
    entries = _folded(wanted, query.get("prefix", ""), query.get("delimiter", ""))
    token = _name_in(query.get("pageToken", ""))
    after = [entry for entry in entries if entry[0].encode() > token.encode()]
    shown = after[: min(int(size or PAGE) or PAGE, PAGE)]
    body: Record = {"kind": "storage#objects"}
    if len(after) > len(shown):
        body["nextPageToken"] = shown[-1][0].encode().hex()
    records = (buckets.objects.get((bucket, name)) for name, folded in shown if not folded)
    items = [object_resource(record, base_url(request)) for record in records if record]
    prefixes = [name for name, folded in shown if folded]
    return reply(
        body | ({"prefixes": prefixes} if prefixes else {}) | ({"items": items} if items else {})
    )


def _folded(names: Iterator[str], prefix: str, delimiter: str) -> list[tuple[str, bool]]:
    """(name, False) of an object, (prefix, True) of all that share it up to the delimiter."""
    entries: dict[tuple[str, bool], None] = {}
    for name in names:
        at = name.find(delimiter, len(prefix)) if delimiter else -1
        entries[(name, False) if at < 0 else (name[: at + len(delimiter)], True)] = None
    return list(entries)


def _name_in(token: str) -> str:
    try:
        return bytes.fromhex(token).decode()
    except ValueError as error:
        raise storage_invalid("Invalid page token.") from error


async def get_object(request: Request) -> Response:
    """Metadata, or with `alt=media` the content."""
    state = request.app.state
    buckets: Buckets = state.buckets
    query = request.query_params
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    _refuse(state, "storage.objects.get")
    content = query.get("alt") == "media" or request.url.path.startswith("/download/")
    if content and state.faults.take("download_404"):
        raise no_object(bucket, name)
    if content and state.faults.take("download_403"):
        raise bucket_forbidden("storage.objects.get")
    generation = query.get("generation", "")
    record = buckets.find(bucket, name, int(generation) if generation.isdigit() else None)
    Conditions.of(query).check(record)
    if not content:
        return reply(object_resource(record, base_url(request)))
    return _download(request, record, state.faults)


def _download(request: Request, record: Record, faults: Faults) -> Response:
    path = request.app.state.buckets.content(record)
    size = record["size"]
    start, end = _range(request.headers.get("range", ""), size)
    partial = "range" in request.headers
    headers = {
        "content-type": record.get("contentType") or "application/octet-stream",
        "content-length": str(end - start),
        "accept-ranges": "bytes",
        "x-goog-generation": str(record["generation"]),
        "x-goog-metageneration": "1",
        "x-goog-hash": f"crc32c={record['crc32c']},md5={record['md5Hash']}",
        "x-goog-stored-content-length": str(size),
        "x-goog-stored-content-encoding": "identity",
    }
    if partial:
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    if faults.take("download_cut"):
        return Cut(_piece(path, start, (start + end) // 2), end - start, headers)
    if faults.take("download_byte"):
        return Response(
            _one_byte_changed(_piece(path, start, end)), 206 if partial else 200, headers
        )
    return StreamingResponse(_blocks(path, start, end), 206 if partial else 200, headers)


def _range(header: str, size: int) -> tuple[int, int]:
    """(start, end) of `bytes=a-b`, `a-` or `-n`. Raises StorageError 416."""
    if not header:
        return 0, size
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.replace(" ", ""))
    if not found or not (found[1] or found[2]):
        return 0, size  # what is not understood is not heeded, as HTTP has it
    if not found[1]:
        return max(size - int(found[2]), 0), size
    start, end = int(found[1]), min(int(found[2] or size) + 1, size)
    if start >= end:
        raise no_such_range()
    return start, end


def _piece(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _blocks(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (block := file.read(min(BLOCK, end - start))):
            start += len(block)
            yield block


def _one_byte_changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


async def delete_object(request: Request) -> Response:
    state = request.app.state
    _refuse(state, "storage.objects.delete")
    bucket, name = request.path_params["bucket"], request.path_params["name"]
    record = state.buckets.find(bucket, name)
    state.buckets.delete(record, Conditions.of(request.query_params))
    return Response(status_code=204)


_OBJECT = "/b/{bucket}/o/{name:path}"
routes = [
    Route("/b", make_bucket, methods=["POST"]),
    Route("/b/{bucket}", get_bucket, methods=["GET"]),
    Route("/b/{bucket}/iam/testPermissions", permissions, methods=["GET"]),
    Route("/b/{bucket}/o", list_objects, methods=["GET"]),
    Route(_OBJECT, get_object, methods=["GET"]),
    Route(_OBJECT, delete_object, methods=["DELETE"]),
]
download_routes = [Route(_OBJECT, get_object, methods=["GET"])]
