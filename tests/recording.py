"""The SDK tests' recordings: what a cassette keeps of a call, and the fixture `api`.

A test plays its cassette, tests/cassettes/<module>/<test>.yaml, and reaches no network. With
FLOWSHEETS_RECORD=1 it makes the calls and writes the cassette instead; see record.py.
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import vcr
import yaml  # type: ignore[import-untyped]
from PIL import Image, ImageDraw

from emulator_process import Emulator
from flowsheets import settings
from flowsheets.gemini import developer
from flowsheets.gemini.operation import Operation
from flowsheets.page.request import page_request

CASSETTES = Path(__file__).with_name("cassettes")
MODEL = "gemini-3.1-pro-preview"
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
GOOGLE = "generativelanguage.googleapis.com"
EMULATOR = "http://emulator"  # whatever its port was

# Read now: conftest.py takes them away from every test.
RECORDING = os.environ.get("FLOWSHEETS_RECORD") == "1"
BASE_URL = os.environ.get("GOOGLE_GEMINI_BASE_URL", "") if RECORDING else EMULATOR
KEY = os.environ.get("GEMINI_API_KEY", "") if RECORDING else "test-key"

KEPT = re.compile(r"content-type|x-goog-upload-.*")  # of the headers, both ways
LOCAL = re.compile(rb"http://127\.0\.0\.1:\d+")
DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


@dataclass
class Api:
    """The API of one test: a cassette, or what a cassette is made of."""

    cassette: Any

    def arrange(self, *, emulator_only: bool = True, **faults: Any) -> None:
        """Before the first call: when recording, make the emulator show what the test needs.

        Google takes no orders: against it the test is skipped, and keeps the cassette that there
        is, unless the state comes by itself (`emulator_only=False`).
        """
        if RECORDING and BASE_URL:
            _emulator().faults(**faults)
        elif RECORDING and emulator_only:
            pytest.skip("does not happen at Google on command")

    def wait_for(self, batch_id: str, *states: str) -> dict[str, Any]:
        """Ask for the batch until it is in one of the states (without BATCH_STATE_)."""
        while True:
            operation = developer.get(batch_id)
            if state(operation) in states:
                return operation
            assert state(operation) not in ENDED, operation
            self.pause()

    def fetch(self, batch_id: str, results: Path) -> dict[str, Any]:
        """Wait for the batch to succeed, and load its result file; returns the operation."""
        reply = self.wait_for(batch_id, "SUCCEEDED")
        while not (file := Operation(reply).responses_file):  # it may be late
            self.pause()
            reply = developer.get(batch_id)
        assert developer.fetch(file, results).confirmed
        return reply

    def pause(self) -> None:
        """Between two polls; there is nothing to wait for in a cassette."""
        if RECORDING:
            time.sleep(0.05 if BASE_URL else 15)

    def sent(self, path_end: str) -> list[Any]:
        """The bodies on the wire, parsed, of the calls whose path ends so."""
        return [
            json.loads(request.body)
            for request in self.cassette.requests
            if request.path.endswith(path_end)
        ]


@pytest.fixture
def api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API as it was recorded for this test."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    if BASE_URL:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", BASE_URL)
    with _VCR.use_cassette(cassette_of(request.node.module.__name__, request.node.name)) as tape:
        yield Api(tape)
        if RECORDING and BASE_URL:
            emulator = _emulator()
            emulator.faults(**dict.fromkeys(emulator.faults()))


def cassette_of(module: str, test: str) -> Path:
    """Where the cassette of a test lies."""
    return CASSETTES / module / (re.sub(r"[^\w]+", "-", test).strip("-") + ".yaml")


def state(operation: dict[str, Any]) -> str:
    """PENDING, RUNNING, ..."""
    return str(operation["metadata"]["state"]).removeprefix("BATCH_STATE_")


def page(number: int, cached_content: str | None = None) -> dict[str, Any]:
    """The request for a small page of its own, the same bytes each time."""
    image = Image.new("1", (48, 64), 1)
    ImageDraw.Draw(image).rectangle((4, 4, 8 + 4 * number, 20), fill=0)
    png = io.BytesIO()
    image.save(png, "PNG")
    return page_request(base64.b64encode(png.getvalue()).decode(), settings.load(), cached_content)


def write_requests(path: Path, count: int, cached_content: str | None = None) -> Path:
    """A batch's requests file with the keys page-0, page-1, ..."""
    lines = [{"key": f"page-{n}", "request": page(n, cached_content)} for n in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def submitted(folder: Path, name: str, count: int = 2) -> str:
    """Upload and submit a batch of that display name; returns its id."""
    file = developer.upload(write_requests(folder / "requests.jsonl", count), name)
    return str(developer.create(MODEL, file, name)["name"])


def _emulator() -> Emulator:
    return Emulator(Path(), (), BASE_URL)  # record.py runs it; here it only gets orders


def _keep_request(request: Any) -> Any:
    """What a cassette keeps of a request; done again to what it kept, it changes nothing."""
    if request.path.startswith("/emulator/"):
        return None  # an order of the test, not a call of the API
    if "upload" in request.headers.get("x-goog-upload-command", ""):
        if not DIGEST.fullmatch(request.body):
            request.body = b"sha256:" + hashlib.sha256(request.body).hexdigest().encode()
        request.headers.pop("content-type", None)
    request.headers = {k: v for k, v in request.headers.items() if KEPT.fullmatch(k.lower())}
    if request.host != GOOGLE:
        request.uri = urlunsplit(urlsplit(request.uri)._replace(scheme="http", netloc="emulator"))
    return request


def _keep_response(response: dict[str, Any]) -> dict[str, Any]:
    """What a cassette keeps of a response; done again, it changes nothing."""
    response["headers"] = {
        name: [LOCAL.sub(EMULATOR.encode(), value.encode()).decode() for value in values]
        for name, values in response["headers"].items()
        if KEPT.fullmatch(name.lower())
    }
    response["body"]["string"] = LOCAL.sub(EMULATOR.encode(), response["body"]["string"])
    return response


class _Blocks(yaml.SafeDumper):  # type: ignore[misc]
    """Texts of several lines as block text: a JSON body is read as it is."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Blocks.add_representer(str, _text)


class _Reviewable:
    """How vcrpy writes a cassette: a request's JSON with a line a field, as responses have it."""

    @staticmethod
    def serialize(cassette: dict[str, Any]) -> str:
        for interaction in cassette["interactions"]:
            request = interaction["request"]
            with contextlib.suppress(TypeError, ValueError):  # no body, or a digest
                body = json.loads(request["body"])
                request["body"] = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
        text: str = yaml.dump(
            cassette, Dumper=_Blocks, allow_unicode=True, width=100, sort_keys=False
        )
        return text

    @staticmethod
    def deserialize(text: str) -> Any:
        return yaml.safe_load(text)


_VCR = vcr.VCR(
    record_mode="all" if RECORDING else "none",
    match_on=("method", "path", "query", "body"),
    decode_compressed_response=True,
    before_record_request=_keep_request,
    before_record_response=_keep_response,
    drop_unused_requests=True,
    serializer="reviewable",
)
_VCR.register_serializer("reviewable", _Reviewable)
