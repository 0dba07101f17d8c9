"""cachedContents: prompts kept for a while, and counted once."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.bodies import read_body, reply
from emulator.clock import HOUR, SECOND, Clock, stamp
from emulator.durable import write_whole
from emulator.errors import cache_gone, invalid
from emulator.files import new_id
from emulator.models import check_model
from emulator.paging import page
from emulator.requests import parse_body
from emulator.schema import Json
from emulator.usage import prompt_tokens

LIFETIME = HOUR  # of a cache whose ttl is not given (documented)
MINIMUM_PRO = 4096  # tokens (documented)
MINIMUM = 1024


class Caches:
    """A JSON file a cache: what was sent, with id, tokens (by modality) and times in ns."""

    def __init__(self, folder: Path, clock: Clock, minimum: int | None) -> None:
        self.folder = folder
        self.clock = clock
        self.minimum = minimum
        folder.mkdir(exist_ok=True)
        self.records: dict[str, Json] = {}  # id -> record
        for path in folder.glob("*.json"):
            record = json.loads(path.read_text())
            self.records[record["id"]] = record

    def add(self, wanted: Json) -> Json:
        """Keeps a cache and returns its record. Raises ApiError 400 below the model's minimum."""
        now = self.clock.now()
        tokens = prompt_tokens(contents_of(wanted), {})
        minimum = self.minimum
        if minimum is None:
            minimum = MINIMUM_PRO if "-pro" in wanted["model"] else MINIMUM
        total = sum(tokens.values())
        if total < minimum:
            raise invalid(
                f"Cached content is too small. total_token_count={total}, "
                f"min_total_token_count={minimum}"
            )
        record = wanted | {"id": new_id(40), "tokens": tokens, "createTime": now}
        return self.save(record | {"expireTime": _expiry(wanted, now) or now + LIFETIME})

    def save(self, record: Json) -> Json:
        record = record | {"updateTime": self.clock.now()}
        write_whole(self.folder / f"{record['id']}.json", record)
        self.records[record["id"]] = record
        return record

    def find(self, name: str) -> Json:
        """The record of "cachedContents/ID". Raises ApiError 403 when it is gone or expired."""
        record = self.records.get(name.removeprefix("cachedContents/"))
        if not record or record["expireTime"] <= self.clock.now():
            raise cache_gone()
        return record

    def delete(self, record: Json) -> None:
        del self.records[record["id"]]
        (self.folder / f"{record['id']}.json").unlink()

    def living(self) -> list[Json]:
        now = self.clock.now()
        return [record for record in self.records.values() if record["expireTime"] > now]


def contents_of(holder: Json) -> list[Json]:
    """System instruction and contents of a request or a cache, in one list."""
    instruction = holder.get("systemInstruction")
    contents: list[Json] = holder.get("contents", [])
    return [instruction, *contents] if instruction else contents


def resource(record: Json) -> dict[str, Any]:
    """A cache as Google shows it: never its contents."""
    shown = {
        "name": f"cachedContents/{record['id']}",
        "model": record["model"],
        "displayName": record.get("displayName", ""),
        "createTime": stamp(record["createTime"]),
        "updateTime": stamp(record["updateTime"]),
        "expireTime": stamp(record["expireTime"]),
    }
    return shown | {"usageMetadata": {"totalTokenCount": sum(record["tokens"].values())}}


def _expiry(wanted: Json, now: int) -> int | None:
    """When it ends, in ns, from `ttl` ("300s") or `expireTime`. Raises ApiError 400."""
    if "ttl" in wanted:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s", wanted["ttl"])
        if not found:
            raise invalid(f"Invalid value at 'ttl' (Duration), \"{wanted['ttl']}\"")
        return now + int(float(found[1]) * SECOND)
    if "expireTime" in wanted:
        try:
            moment = datetime.datetime.fromisoformat(wanted["expireTime"])
        except ValueError as error:
            text = f"Invalid value at 'expire_time' (Timestamp), \"{wanted['expireTime']}\""
            raise invalid(text) from error
        return int(moment.timestamp() * SECOND)
    return None


async def create(request: Request) -> Response:
    caches: Caches = request.app.state.caches
    wanted = parse_body("CachedContent", await read_body(request))
    if "model" not in wanted:
        raise invalid("* CreateCachedContentRequest.cached_content.model: model is required")
    model = wanted["model"].removeprefix("models/")
    check_model(request, model, "createCachedContent")
    return reply(resource(caches.add(wanted | {"model": f"models/{model}"})))


async def get(request: Request) -> Response:
    caches: Caches = request.app.state.caches
    return reply(resource(caches.find(request.path_params["id"])))


async def patch(request: Request) -> Response:
    """Moves the end of a cache; nothing else about it can change (documented)."""
    caches: Caches = request.app.state.caches
    record = caches.find(request.path_params["id"])
    wanted = parse_body("CachedContent", await read_body(request))
    expiry = _expiry(wanted, caches.clock.now())
    return reply(resource(caches.save(record | ({"expireTime": expiry} if expiry else {}))))


async def delete(request: Request) -> Response:
    caches: Caches = request.app.state.caches
    caches.delete(caches.find(request.path_params["id"]))
    return reply({})


async def list_(request: Request) -> Response:
    caches: Caches = request.app.state.caches
    records, token = page(caches.living(), request.query_params, default=100, most=1000)
    shown = [resource(record) for record in records]
    return reply({"cachedContents": shown, **token} if shown else {})


routes = [
    Route("/cachedContents", create, methods=["POST"]),
    Route("/cachedContents", list_, methods=["GET"]),
    Route("/cachedContents/{id}", get, methods=["GET"]),
    Route("/cachedContents/{id}", patch, methods=["PATCH"]),
    Route("/cachedContents/{id}", delete, methods=["DELETE"]),
]
