"""The Gemini Developer API, call by call.

Real time is `generate`; a batch is `upload`, `submit_batch`, `find_batch`, `get_batch`,
`cancel_batch` and `download`; a prompt cache, which either may name, is `create_cache`. None knows
of the others. Replies are plain dicts, as they came. Each raises `ApiProblem`, whatever happens,
but for `Problem` where a file here cannot be read or written. The SDK is imported by the first call
(see `client`).
"""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowsheets import files
from flowsheets.errors import Problem
from flowsheets.gemini.client import ApiProblem as ApiProblem  # what the calls raise
from flowsheets.gemini.client import (
    explained,
    gone_is_fine,
    not_an_answer,
    open_client,
    patiently,
    raw_reply,
    reply_to,
)
from flowsheets.gemini.operation import Operation

if TYPE_CHECKING:
    from tqdm import tqdm
    from typing_extensions import Buffer

RESPONSE_SECONDS = 900  # a page with much thinking has been seen to take minutes
FLEX_SECONDS = 1200  # flex may hold a call for 15 minutes before it begins
LISTED_AT_ONCE = 100  # batches, or caches, a page of the listing
# The second where the API refuses the first, as it did for some in 2025 (python-genai #1547).
MIME_TYPES = ("application/jsonl", "text/plain")
# What the response to a page has at least one of, be it empty, blocked or cut.
RESPONSE_FIELDS = ("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId")
# Of a bar: on a terminal alone, gone when it is done, in KiB and MiB.
_BYTES = {"disable": None, "leave": False, "unit": "B", "unit_scale": True, "unit_divisor": 1024}


class UploadRefused(ApiProblem):
    """The API took the file and cannot use it: the same file would end so again.

    It is deleted at the API by then.
    """


def _asked(call: Callable[[], object], field: str = "", kind: type = object) -> dict[str, Any]:
    """`reply_to`, three times if need be: for calls that only ask, or that do no harm twice."""
    return patiently()(reply_to, call, field, kind)


def _listed(call: Callable[[str | None], object], field: str) -> Iterator[dict[str, Any]]:
    """The entries of all pages of a listing; `call` asks for the page of that token."""
    token, seen = None, set[str]()
    while True:
        listing = _asked(lambda token=token: call(token))  # type: ignore[misc]
        entries = listing.get(field) or []
        # An empty listing is {}; another object without the field is not one, and proves nothing.
        strange = field not in listing and listing.keys() - {"nextPageToken", "unreachable"}
        if strange or not isinstance(entries, list):
            raise not_an_answer()
        yield from (entry for entry in entries if isinstance(entry, dict))
        token = listing.get("nextPageToken")
        if not token:
            return
        if not isinstance(token, str) or token in seen:  # or it would go round for ever
            raise not_an_answer()
        seen.add(token)


# --- real time ----------------------------------------------------------------------------------


def generate(model: str, request: dict[str, Any]) -> bytes:
    """One page now: the API's response to `request`, verbatim.

    Retried by the SDK where the API says that it did nothing: 429, 500, 503, no connection. A
    time-out or a cut connection is not retried: the page may have been read, and billed. What comes
    is returned where it has the shape of a response, paid for as it is, even if nothing can read
    it; anything else (a log-in page with status 200, say) raises `ApiProblem`, and was not billed.
    """
    from google.genai import types

    body = copy.deepcopy(request)  # the SDK merges into what it is given
    seconds = FLEX_SECONDS if request.get("serviceTier") == "flex" else RESPONSE_SECONDS
    config = types.GenerateContentConfig(
        should_return_http_response=True,
        http_options=types.HttpOptions(
            extra_body=body,
            timeout=seconds * 1000,
            retry_options=types.HttpRetryOptions(http_status_codes=[429, 500, 503]),
        ),
    )
    client = open_client()
    return raw_reply(
        lambda: client.models.generate_content(
            model=model, contents=request["contents"], config=config
        ),
        _is_a_response,
    )


def _is_a_response(body: bytes) -> bool:
    try:
        response = json.loads(body)
    except (ValueError, RecursionError):  # cut, or spoilt: its names are still in it
        return any(f'"{name}"'.encode() in body for name in RESPONSE_FIELDS)
    return isinstance(response, dict) and not response.keys().isdisjoint(RESPONSE_FIELDS)


# --- prompt caches ------------------------------------------------------------------------------


class PromptCache(NamedTuple):
    """A prompt that is kept at the API."""

    name: str  # cachedContents/…
    tokens: int


def create_cache(model: str, prompt: str, seconds: int, display_name: str) -> PromptCache:
    """Keep the prompt at the API for `seconds`; its storage is billed by the hour.

    Raises `ApiProblem` with code 400 where the prompt is below the model's minimum.
    """
    from google.genai import types

    client = open_client()
    config = types.CreateCachedContentConfig(
        display_name=display_name, system_instruction=prompt, ttl=f"{seconds}s"
    )
    cache = reply_to(lambda: client.caches.create(model=model, config=config), "name", str)
    usage = cache.get("usageMetadata")
    tokens = usage.get("totalTokenCount") if isinstance(usage, dict) else 0
    return PromptCache(cache["name"], tokens if isinstance(tokens, int) else 0)


def renew_cache(name: str, seconds: int) -> None:
    """Let a cache live for `seconds` from now. Raises `ApiProblem`, which is `gone` if it died."""
    from google.genai import types

    client = open_client()
    config = types.UpdateCachedContentConfig(ttl=f"{seconds}s")
    _asked(lambda: client.caches.update(name=name, config=config))


def delete_caches(display_name: str) -> None:
    """Delete every cache of that name: of those whose create had an unclear end."""
    from google.genai import types

    client = open_client()

    def page(token: str | None) -> object:
        config = types.ListCachedContentsConfig(page_size=LISTED_AT_ONCE, page_token=token)
        return client.caches.list(config=config)

    caches = list(_listed(page, "cachedContents"))  # whole, before one of them goes
    for cache in caches:
        if cache.get("displayName") == display_name and isinstance(cache.get("name"), str):
            delete_cache(cache["name"])


def delete_cache(name: str) -> None:
    """Delete a cache; already deleted counts as success."""
    client = open_client()
    with gone_is_fine():
        _asked(lambda: client.caches.delete(name=name))


# --- batch --------------------------------------------------------------------------------------


def upload(requests: Path, display_name: str) -> str:
    """Upload a requests file; returns `files/…` once it is ACTIVE and known to be whole.

    Uploads cost nothing, so one that broke off is simply made again; one whose type is refused is
    tried as text/plain, once. Raises `ApiProblem`, and `UploadRefused` for a file that the API took
    and does not use.
    """
    try:
        name = _send(requests, display_name, MIME_TYPES[0])
    except ApiProblem as problem:
        if problem.code != 400 or "mime" not in problem.what.lower():
            raise
        name = _send(requests, display_name, MIME_TYPES[1])
    file = _processed(name)
    if fault := _fault(requests, file):
        with suppress(ApiProblem):  # it counts among the 20 GB for 48 h
            delete_file(name)
        raise UploadRefused(
            f"the upload {name} {fault}; it is deleted there",
            "Run the command again later",
            code=400,  # as good as a 400 to the upload itself
            unclear=False,
        )
    return name


def _send(requests: Path, display_name: str, mime_type: str) -> str:
    from google.genai import types
    from tqdm import tqdm

    client = open_client()
    config = types.UploadFileConfig(mime_type=mime_type, display_name=display_name)

    def once() -> str:
        with (
            tqdm(desc="upload", total=_size(requests), **_BYTES) as bar,
            _Sent(requests, bar) as content,
        ):
            call = lambda: client.files.upload(file=content, config=config)  # noqa: E731
            name = reply_to(call, "file", dict)["file"].get("name")
        if not isinstance(name, str) or not name:
            raise not_an_answer()
        return name

    return patiently()(once)


def _processed(name: str) -> dict[str, Any]:
    """The file once it is no longer PROCESSING: a batch of one that is not ACTIVE is refused."""
    import tenacity

    until_processed = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda file: file.get("state") == "PROCESSING"),
        wait=tenacity.wait_exponential(multiplier=0.5, max=10),
        stop=tenacity.stop_after_delay(300),
        retry_error_callback=lambda attempts: (
            attempts.outcome.result() if attempts.outcome else None
        ),
    )
    client = open_client()
    return until_processed(_asked, lambda: client.files.get(name=name), "name", str)


def _fault(requests: Path, file: dict[str, Any]) -> str | None:
    """Why a batch cannot be made of the uploaded file, if so."""
    if file.get("state") not in ("ACTIVE", None):
        return f"is {file['state']}, not ACTIVE"
    if _compared(requests, file).differs:
        return f"differs from {requests} in size or digest"
    return None


def submit_batch(model: str, file: str, display_name: str) -> dict[str, Any]:
    """Create a batch from an uploaded file: the one call that costs money. Returns the operation.

    Creating is not idempotent (two equal calls are two paid batches) and takes no idempotency key,
    so it is never retried here. Raises `ApiProblem`; where that is `unclear`, look for the batch
    with `find_batch` before anything else.
    """
    from google.genai import types

    client = open_client()
    config = types.CreateBatchJobConfig(display_name=display_name)
    return reply_to(
        lambda: client.batches.create(model=model, src=file, config=config), "name", str
    )


def find_batch(display_name: str) -> dict[str, Any] | None:
    """The operation of the oldest batch of that name, through all pages of the listing.

    The listing takes no filter, and may lag: None proves nothing soon after a create.
    """
    from google.genai import types

    client = open_client()

    def page(token: str | None) -> object:
        config = types.ListBatchJobsConfig(page_size=LISTED_AT_ONCE, page_token=token)
        return client.batches.list(config=config)

    found = None
    for operation in _listed(page, "operations"):
        name = operation.get("name")
        if not isinstance(name, str) or not name:
            continue
        if not isinstance(operation.get("metadata"), dict):  # whose it is, only itself can say
            with suppress(ApiProblem):
                operation = get_batch(name)
        if Operation(operation).name == display_name:
            found = operation  # newest first, so the last one seen is the oldest
    return found


def get_batch(batch_id: str) -> dict[str, Any]:
    """The batch's operation, verbatim: {name, metadata{state, …}, done, response, error}."""
    client = open_client()
    return _asked(lambda: client.batches.get(name=batch_id), "metadata", dict)


def cancel_batch(batch_id: str) -> None:
    """Ask for the batch to stop; rows that ran by then keep their responses, and their price."""
    client = open_client()
    _asked(lambda: client.batches.cancel(name=batch_id))


class Downloaded(NamedTuple):
    """A file that was downloaded, and what the API says of it.

    `confirmed`: the API names its size or its digest, and what it names is right. `api_bytes` and
    `api_sha256` (hex) are None where it names none; for results that happens (`sizeBytes` 0, or 400
    to the question). A file that is not confirmed was loaded twice, equal to the byte, where the
    API names something else.
    """

    bytes: int
    sha256: str
    confirmed: bool
    api_bytes: int | None
    api_sha256: str | None

    @property
    def differs(self) -> bool:
        """The API names another size or another digest."""
        return self.api_bytes not in (None, self.bytes) or self.api_sha256 not in (
            None,
            self.sha256,
        )


def download(name: str, destination: Path) -> Downloaded:
    """Stream a result file, `files/batch-…`, to `destination`, which appears whole or not at all.

    Neither the SDK nor the API repairs a cut download; it costs nothing to begin again, so it is
    tried three times. Raises `ApiProblem`, which is `gone` for 403 and 404, has code 400 where the
    API refuses the name, and of the kind `foreign` for what is not JSON lines; `Problem` where the
    disk is full.
    """
    part = destination.with_name(destination.name + ".part")
    said = _said_of(name)
    before = list[str]()  # digests of what was loaded
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)

        def once() -> Downloaded:
            _stream(name, part, _number(said.get("sizeBytes")))
            got = _compared(part, said)
            if got.differs and got.sha256 not in before:
                before.append(got.sha256)
                raise ApiProblem(
                    f"{name} and {part} differ in size or digest",
                    "Run the command again",
                    code=None,
                    unclear=True,
                )
            return got

        got = patiently()(once)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)
        files.sync_folder(destination.parent)
        return got
    except OSError as error:
        raise files.cannot_write(destination, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _said_of(name: str) -> dict[str, Any]:
    """What the API says of a result file: often nothing, so no download depends on it."""
    client = open_client()
    try:
        return _asked(lambda: client.files.get(name=name))
    except ApiProblem:
        return {}


def _stream(name: str, part: Path, size: int | None) -> None:
    from tqdm import tqdm

    client = open_client()
    with (
        _Written(part) as content,
        tqdm.wrapattr(content, "write", size, desc="download", **_BYTES) as watched,
        explained(),
    ):
        client.files.download(file=name, destination=watched)
    with part.open("rb") as file:
        if file.read(4096).lstrip()[:1] not in (b"", b"{"):
            raise not_an_answer("not JSON lines")


def _compared(path: Path, file: dict[str, Any]) -> Downloaded:
    """A file here beside what the API says of it: {sizeBytes, sha256Hash, …}, of which it may lack
    any. A size of 0 is none: it has been seen for files that were whole.
    """
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = _size(path)
    api_bytes = _number(file.get("sizeBytes"))
    api_sha256 = _hex_digest(file.get("sha256Hash"))
    named = api_bytes is not None or api_sha256 is not None
    result = Downloaded(size, digest, False, api_bytes, api_sha256)
    return result._replace(confirmed=named and not result.differs)


def _number(text: object) -> int | None:
    try:
        return int(str(text)) or None
    except ValueError:
        return None


def _hex_digest(text: object) -> str | None:
    """`sha256Hash` is documented as base64; what it holds is the digest in hex, seen also raw."""
    try:
        raw = base64.b64decode(str(text), validate=True)
    except ValueError:
        return None
    if len(raw) == 32:
        return raw.hex()
    return raw.decode("ascii", "replace").lower() if len(raw) == 64 else None


def delete_file(name: str) -> None:
    """Delete an uploaded file; already deleted counts as success."""
    client = open_client()
    with gone_is_fine():
        _asked(lambda: client.files.delete(name=name))


def _size(path: Path) -> int:
    return path.stat().st_size


class _Sent(io.BufferedReader):
    """A file that is uploaded, and its bar. Raises `Problem` where it cannot be read.

    The SDK reads a chunk of 8 MiB when it has sent the one before, and reports nothing else of it.
    """

    def __init__(self, path: Path, bar: tqdm[None]) -> None:
        super().__init__(io.FileIO(path))
        self._path = path
        self._bar = bar

    def read(self, size: int | None = -1, /) -> bytes:
        self._bar.update(self.tell() - self._bar.n)
        try:
            return super().read(size)
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise Problem(self._path, what, "Look at the disk, then run it again") from error


class _Written(io.BufferedWriter):
    """A file that is downloaded. Raises `Problem` where the disk is full."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w"))
        self._path = path

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise files.cannot_write(self._path, error) from error
