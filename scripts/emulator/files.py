"""The File API: what is stored, and get, list, delete, download."""

import base64
import hashlib
import json
import os
import re
import secrets
import string
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from emulator.bodies import reply
from emulator.clock import HOUR, SECOND, Clock, stamp
from emulator.connections import Cut
from emulator.durable import write_whole
from emulator.errors import ApiError, file_gone, invalid, name_too_long, not_found
from emulator.faults import Faults
from emulator.paging import page

LIFETIME = 48 * HOUR  # (documented)
LETTERS = string.ascii_lowercase + string.digits
# a letter in the middle of a transcribed text, as a result file has it
LETTER_IN_A_TEXT = re.compile(
    rb'(?:raw_text\\":\s*\\"[^"]*?|"text": ?"[^"]*?[a-z])([a-z])(?=[a-z])'
)


class Files:
    """Files under `folder`: ID.bin is the content, ID.json its record, written after it.

    Record: id, displayName, mimeType, sizeBytes, sha256 (hex), source, createTime, updateTime,
    expirationTime (ns); of a result file that is short at first also `whole`, the path of the whole
    one, and `short`, how many downloads are left until it is in place.
    """

    def __init__(self, folder: Path, clock: Clock, processing_seconds: float) -> None:
        self.folder = folder
        self.clock = clock
        self.processing = int(processing_seconds * SECOND)
        folder.mkdir(exist_ok=True)
        self.records: dict[str, dict[str, Any]] = {}  # id -> record
        for path in folder.glob("*.json"):
            record = json.loads(path.read_text())
            self.records[record["id"]] = record

    def add(self, file_id: str, content: Path, **fields: Any) -> dict[str, Any]:
        """Moves `content` in under this id, over what was there, and returns its record."""
        now = self.clock.now()
        record = {
            "id": file_id,
            **fields,
            "sizeBytes": content.stat().st_size,
            "createTime": now,
            "updateTime": now,
            "expirationTime": now + LIFETIME,
            "sha256": _sha256(content),
        }
        os.replace(content, self.content(file_id))
        write_whole(self.folder / f"{file_id}.json", record)
        self.records[file_id] = record
        return record

    def grow(self, record: dict[str, Any]) -> None:
        """One download less until a file that is short at first is whole."""
        left = record["short"] - 1
        if left:
            self.records[record["id"]] = record | {"short": left}
        else:
            kept = {name: record[name] for name in ("mimeType", "source")}
            self.add(record["id"], Path(record["whole"]), **kept)

    def find(self, name: str) -> dict[str, Any]:
        """The record of "files/ID" or a URI that ends so. Raises ApiError 403 when it is gone."""
        file_id = name.rpartition("files/")[2]
        record = self.records.get(file_id)
        if record and record["expirationTime"] <= self.clock.now():
            self.delete(file_id)
            record = None
        if not record:
            raise file_gone(file_id)
        return record

    def find_active(self, name: str) -> dict[str, Any]:
        """As `find`; a file still in PROCESSING is ApiError 400 FAILED_PRECONDITION."""
        record = self.find(name)
        if self.state(record) != "ACTIVE":
            message = f"The File {record['id']} is not in an ACTIVE state and usage is not allowed."
            raise ApiError(400, "FAILED_PRECONDITION", message)
        return record

    def read(self, name: str) -> bytes:
        """The bytes of an active file. Raises ApiError."""
        return self.content(self.find_active(name)["id"]).read_bytes()

    def delete(self, file_id: str) -> None:
        self.records.pop(file_id, None)
        (self.folder / f"{file_id}.json").unlink(missing_ok=True)
        self.content(file_id).unlink(missing_ok=True)

    def content(self, file_id: str) -> Path:
        return self.folder / f"{file_id}.bin"

    def state(self, record: dict[str, Any]) -> str:
        done = self.clock.now() >= record["createTime"] + self.processing
        return "ACTIVE" if done or record["source"] == "GENERATED" else "PROCESSING"

    def living(self) -> list[dict[str, Any]]:
        now = self.clock.now()
        return [record for record in self.records.values() if record["expirationTime"] > now]

    def resource(self, record: dict[str, Any], base_url: str) -> dict[str, Any]:
        """A record as Google shows it; `sha256Hash` is base64 of the hex digest, as at Google."""
        uri = f"{base_url}/v1beta/files/{record['id']}"
        shown = {
            "name": f"files/{record['id']}",
            "displayName": record.get("displayName"),
            "mimeType": record["mimeType"],
            "sizeBytes": str(record["sizeBytes"]),
            "createTime": stamp(record["createTime"]),
            "updateTime": stamp(record["updateTime"]),
            "expirationTime": stamp(record["expirationTime"]),
            "sha256Hash": base64.b64encode(record["sha256"].encode()).decode(),
            "uri": uri,
            "downloadUri": f"{uri}:download?alt=media" if record["source"] == "GENERATED" else None,
            "state": self.state(record),
            "source": record["source"],
        }
        return {name: value for name, value in shown.items() if value is not None}


def new_id(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def get(request: Request) -> Response:
    files: Files = request.app.state.files
    faults: Faults = request.app.state.faults
    record = files.find(request.path_params["id"])
    shown = files.resource(record, base_url(request))
    if record["source"] == "GENERATED":
        if faults.get("results_get_400"):
            raise name_too_long(record["id"])
        if faults.get("results_size_0"):
            del shown["sha256Hash"]
            shown["sizeBytes"] = "0"
    return reply(shown)


async def list_(request: Request) -> Response:
    files: Files = request.app.state.files
    records, token = page(files.living(), request.query_params, default=10, most=100)
    shown = [files.resource(record, base_url(request)) for record in records]
    return reply({"files": shown, **token} if shown else {})


async def delete(request: Request) -> Response:
    files: Files = request.app.state.files
    files.delete(files.find(request.path_params["id"])["id"])
    return reply({})


async def download(request: Request) -> Response:
    """The content of a generated file; uploaded ones cannot be downloaded (documented)."""
    files: Files = request.app.state.files
    faults: Faults = request.app.state.faults
    file_id = request.path_params["id"]
    if faults.take("download_404"):
        raise not_found()
    if faults.take("download_403"):
        raise file_gone(file_id)
    if faults.take("download_400"):
        raise name_too_long(file_id)
    record = files.find(file_id)
    if record["source"] != "GENERATED":
        raise invalid("Only generated files can be downloaded.")
    path = files.content(file_id)
    if faults.take("download_cut"):
        content = path.read_bytes()
        return Cut(content[: len(content) // 2], announced=len(content))
    if faults.take("download_byte"):
        return Response(_one_letter_changed(path.read_bytes()), media_type=record["mimeType"])
    if record.get("short"):
        content = path.read_bytes()
        files.grow(record)
        return Response(content, media_type=record["mimeType"])
    return FileResponse(path, media_type=record["mimeType"])


def _one_letter_changed(content: bytes) -> bytes:
    found = LETTER_IN_A_TEXT.search(content)
    if not found:
        return content
    at = found.start(1)
    return content[:at] + (b"q" if content[at : at + 1] != b"q" else b"k") + content[at + 1 :]


routes = [
    Route("/files/{id}:download", download, methods=["GET"]),
    Route("/files/{id}", get, methods=["GET"]),
    Route("/files/{id}", delete, methods=["DELETE"]),
    Route("/files", list_, methods=["GET"]),
]
download_routes = [Route("/files/{id}:download", download, methods=["GET"])]
