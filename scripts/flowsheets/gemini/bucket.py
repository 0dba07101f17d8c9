"""Cloud Storage, call by call: objects that appear whole, and are compared by size and CRC32C.

Each call raises `ApiProblem`, whatever happens, and is tried three times: none does harm twice.
google-cloud-storage costs 0.5 s to import, and is there only where Vertex AI was asked for
(requirements-vertex.txt), so that the first call imports it.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, BinaryIO, NamedTuple

from flowsheets.errors import Problem
from flowsheets.gemini import client
from flowsheets.gemini.problem import QUOTED, ApiProblem, Closed, shortened
from flowsheets.gemini.reply import patiently

AT_ONCE = 8  # uploads or deletions side by side; a connection each, of the ten that are kept
CHUNK = 8 << 20  # bytes of a resumable upload that are in memory
SECONDS = 60  # of one call, or of one chunk
ROLE = "Give your account the role storage.objectUser on the bucket, and check BATCH_BUCKET"
# The library repeats by itself for two minutes; without a network that is long.
_ONCE: dict[str, Any] = {"timeout": SECONDS, "retry": None}


class Stored(NamedTuple):
    """An object in the bucket. `crc32c` is base64, as the API has it; Google always has it."""

    name: str
    bytes: int
    crc32c: str | None
    updated: datetime | None

    def is_of(self, size: int, crc32c: str) -> bool:
        """Whether it has this content, as far as the bucket says."""
        return self.bytes == size and self.crc32c in (None, crc32c)


class New(NamedTuple):
    """An object that is to be stored, and its content type."""

    name: str
    content: bytes
    kind: str


class Listing(NamedTuple):
    """What is below a prefix, by name."""

    objects: dict[str, Stored]

    def has(self, name: str, content: bytes) -> bool:
        """Whether this very content is there."""
        there = self.objects.get(name)
        return bool(there and there.is_of(len(content), _crc32c([content])))


@dataclass(frozen=True)
class Bucket:
    """A bucket of Cloud Storage, as `project` reaches it."""

    project: str
    name: str

    def put(self, name: str, content: bytes | BinaryIO, kind: str) -> None:
        """Store an object; one that is there already must be the same to the byte.

        A cut reply to an upload that arrived answers 412 to the second try.
        """
        from google.api_core.exceptions import PreconditionFailed

        def once() -> None:
            blob = self._bucket().blob(name, chunk_size=CHUNK)
            rules: dict[str, Any] = {"content_type": kind, "if_generation_match": 0}
            try:
                if isinstance(content, bytes):
                    blob.upload_from_string(content, checksum="crc32c", **rules, **_ONCE)
                else:
                    size = content.seek(0, 2)
                    blob.upload_from_file(
                        content, rewind=True, size=size, checksum="crc32c", **rules, **_ONCE
                    )
            except PreconditionFailed:
                self._must_be(name, content)

        patiently()(self._told(once))

    def put_all(self, objects: Iterable[New]) -> None:
        """The same for some objects, side by side."""
        _side_by_side(lambda one: self.put(*one), objects)

    def listed(self, prefix: str) -> Listing:
        """Every object below a prefix."""

        def once() -> Listing:
            blobs = self._bucket().list_blobs(prefix=prefix, **_ONCE)
            found = (Stored(b.name, int(b.size or 0), b.crc32c, b.updated) for b in blobs)
            return Listing({one.name: one for one in found})

        listing: Listing = patiently()(self._told(once))
        return listing

    def load(self, stored: Stored, file: BinaryIO) -> None:
        """Write an object's bytes to `file`, at its end. Raises for one that differs from `stored`.

        Once: whoever writes the file begins anew.
        """
        at = file.seek(0, 2)
        blob = self._bucket().blob(stored.name)
        self._told(lambda: blob.download_to_file(file, raw_download=True, **_ONCE))()
        if not stored.is_of(file.tell() - at, _crc32c(_from(file, at))):
            raise ApiProblem(
                f"{self.name}/{stored.name} came otherwise than the bucket lists it",
                "Run the command again",
                code=None,
                unclear=True,
                where="Cloud Storage",
            )
        file.seek(0, 2)

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; already deleted counts as success."""

        def once(name: str) -> None:
            from google.api_core.exceptions import NotFound

            try:
                self._bucket().blob(name).delete(**_ONCE)
            except NotFound:
                return

        _side_by_side(lambda name: patiently()(self._told(once), name), names)

    def _must_be(self, name: str, content: bytes | BinaryIO) -> None:
        there = self.listed(name).objects.get(name)
        ours = _crc32c([content] if isinstance(content, bytes) else _from(content, 0))
        size = len(content) if isinstance(content, bytes) else content.seek(0, 2)
        if there is None or not there.is_of(size, ours):
            raise ApiProblem(
                f"{self.name}/{name} is there already, and is not what is to be stored",
                "Look at it, and delete it",
                code=412,
                unclear=False,
                where="Cloud Storage",
            )

    def _bucket(self) -> Any:
        return _client_of(self.project, client.credentials()).bucket(self.name)

    def _told(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            with _explained(f"gs://{self.name}"):
                return call(*arguments)

        return told


def check() -> None:
    """Raises `Closed` where google-cloud-storage is not installed."""
    try:
        import google.cloud.storage  # noqa: F401
    except ImportError as error:
        raise Closed(
            "Cloud Storage",
            f"its library is not installed ({error})",
            "Set GOOGLE_GENAI_USE_VERTEXAI=true, then make setup",
        ) from error


def _side_by_side(call: Callable[[Any], object], each: Iterable[Any]) -> None:
    """`call` for each, some at a time. Raises what the first that fails raises."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(call, each):
            pass


@cache
def _client_of(project: str, credentials: Any) -> Any:
    """STORAGE_EMULATOR_HOST is the library's own variable for another address."""
    check()
    # For its tracing the library asks for the bucket itself, which takes a right of its own.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    from google.cloud import storage

    return storage.Client(project=project, credentials=credentials)


def _from(file: BinaryIO, at: int) -> Iterator[bytes]:
    file.seek(at)
    while chunk := file.read(1 << 20):
        yield chunk


def _crc32c(chunks: Iterable[bytes]) -> str:
    import google_crc32c

    so_far = 0
    for chunk in chunks:
        so_far = google_crc32c.extend(so_far, chunk)
    return base64.b64encode(so_far.to_bytes(4, "big")).decode()


@contextmanager
def _explained(bucket: str) -> Iterator[None]:
    """Turn whatever the library raises into `ApiProblem`."""
    try:
        yield
    except (Problem, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise _problem(bucket, error) from error


def _problem(bucket: str, error: BaseException) -> ApiProblem:
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.cloud.storage.exceptions import InvalidResponse

    where, said = f"Cloud Storage, {bucket}", shortened(error, QUOTED)
    if isinstance(error, GoogleAPICallError):
        message = re.sub("^[A-Z]+ http[^ ]+: ", "", error.message or str(error))
        return _refusal(where, int(error.code or 0), shortened(message, QUOTED))
    if isinstance(error, InvalidResponse):
        return _refusal(where, int(error.response.status_code), said)
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        what = f"no access token can be had ({said})"
        return ApiProblem(what, code=None, unclear=False, kind="key", where=where)
    unsent = (TransportError, requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)
    refused = isinstance(error, requests.ConnectionError) and "NewConnection" in repr(error)
    if isinstance(error, unsent) or refused:
        return ApiProblem(f"cannot be reached ({said})", code=None, unclear=False, where=where)
    if isinstance(error, OSError):  # those of requests are
        what = f"the connection broke ({type(error).__name__}: {said})"
        return ApiProblem(what, code=None, unclear=True, where=where)
    if isinstance(error, MemoryError):
        what = "this machine has too little memory for the call"
        return ApiProblem(what, code=None, unclear=True, kind="memory", where=where)
    what = f"not an answer of Cloud Storage ({type(error).__name__}: {said})"
    return ApiProblem(what, code=None, unclear=True, kind="foreign", where=where)


def _refusal(where: str, code: int, said: str) -> ApiProblem:
    what = f"answered {code}: {said}"
    if code in (401, 403):
        return ApiProblem(what, ROLE, code=code, unclear=False, kind="key", where=where)
    if code == 404:
        fix = "Make the bucket, or correct BATCH_BUCKET"
        return ApiProblem(what, fix, code=code, unclear=False, where=where)
    unclear = code in (0, 408) or code >= 500
    return ApiProblem(what, code=code or None, unclear=unclear, where=where)
