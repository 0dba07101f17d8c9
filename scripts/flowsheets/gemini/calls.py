"""The Gemini Developer API, call by call.

Real time is `generate`; a batch is `upload`, `submit_batch`, `find_batch`, `get_batch`,
`cancel_batch` and `fetch_batch_results`; a prompt cache, which either may name, is `create_cache`.
None knows of the others. Replies are plain dicts, as they came.
"""

import base64
import copy
import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import tenacity
from google import genai
from google.genai import errors, types
from tqdm import tqdm

from flowsheets import files
from flowsheets.gemini.client import ApiProblem as ApiProblem  # what the calls raise
from flowsheets.gemini.client import explained, gone_is_fine, open_client, patiently, reply_to

ANSWER_SECONDS = 900  # a page with much thinking has been seen to take minutes
LISTED_AT_ONCE = 100  # batches a page of the listing
# Of a bar: on a terminal alone, gone when it is done, in KiB and MiB.
_BYTES = {"disable": None, "leave": False, "unit": "B", "unit_scale": True, "unit_divisor": 1024}


class ResultsGone(ApiProblem):
    """The batch ended, and its result file answers 403 or 404. `operation` is the API's word."""

    operation: dict[str, Any]


# --- real time ----------------------------------------------------------------------------------


def generate(model: str, request: dict[str, Any]) -> bytes:
    """One page now: the API's answer to `request`, verbatim.

    Retried by the SDK where the API says that it did nothing: 429, 500, 503, no connection. A
    time-out or a cut connection is not retried: the page may have been read, and billed.
    Raises `ApiProblem`.
    """
    body = copy.deepcopy(request)  # the SDK merges into what it is given
    config = types.GenerateContentConfig(
        should_return_http_response=True,
        http_options=types.HttpOptions(
            extra_body=body,
            timeout=ANSWER_SECONDS * 1000,
            retry_options=types.HttpRetryOptions(http_status_codes=[429, 500, 503]),
        ),
    )
    client = open_client()
    with explained():
        answer = client.models.generate_content(
            model=model, contents=request["contents"], config=config
        )
    sent = answer.sdk_http_response
    return (sent.body if sent and sent.body else "").encode()


# --- prompt caches ------------------------------------------------------------------------------


class PromptCache(NamedTuple):
    """A prompt that is kept at the API."""

    name: str  # cachedContents/…
    tokens: int


def create_cache(model: str, prompt: str, seconds: int, display_name: str) -> PromptCache:
    """Keep the prompt at the API for `seconds`; its storage is billed by the hour.

    Raises `ApiProblem` with code 400 where the prompt is below the model's minimum.
    """
    client = open_client()
    with explained():
        kept = client.caches.create(
            model=model,
            config=types.CreateCachedContentConfig(
                display_name=display_name, system_instruction=prompt, ttl=f"{seconds}s"
            ),
        )
    usage = kept.usage_metadata
    return PromptCache(kept.name or "", (usage.total_token_count or 0) if usage else 0)


def renew_cache(name: str, seconds: int) -> None:
    """Let a cache live for `seconds` from now. Raises `ApiProblem`, code 403 or 404 if it died."""
    client = open_client(patient=True)
    with explained():
        client.caches.update(name=name, config=types.UpdateCachedContentConfig(ttl=f"{seconds}s"))


def delete_caches(display_name: str) -> None:
    """Let go of every cache of that name: of those whose create had an unclear end."""
    client = open_client(patient=True)
    with explained():
        found = [c.name for c in client.caches.list() if c.display_name == display_name]
    for name in found:
        delete_cache(name or "")


def delete_cache(name: str) -> None:
    """Let go of a cache; one that is gone already is as good."""
    client = open_client(patient=True)
    with gone_is_fine(), explained():
        client.caches.delete(name=name)


# --- batch --------------------------------------------------------------------------------------


def upload(requests: Path, display_name: str) -> str:
    """Upload a requests file; returns `files/…` once it is ACTIVE and known to be whole.

    Uploads cost nothing, so one that broke off is simply made again. Raises `ApiProblem`.
    """
    client = open_client()
    config = types.UploadFileConfig(mime_type="application/jsonl", display_name=display_name)
    for attempt in patiently():
        with (
            attempt,
            explained(),
            tqdm(desc="upload", total=requests.stat().st_size, **_BYTES) as bar,
            _Sent(io.FileIO(requests), bar) as content,
        ):
            file = client.files.upload(file=content, config=config)
    with explained():
        file = _processed(client, file.name or "")
    if file.state != types.FileState.ACTIVE:
        raise ApiProblem(
            f"the upload {file.name} is {file.state}, not ACTIVE",
            "Run the command again",
            code=None,
            unclear=False,
        )
    _check_whole(requests, file)
    return file.name or ""


def submit_batch(model: str, file: str, display_name: str) -> dict[str, Any]:
    """Create a batch from an uploaded file: the one call that costs money. Returns the operation.

    Creating is not idempotent (two equal calls are two paid batches) and takes no idempotency key,
    so it is never retried here. Raises `ApiProblem`; where that is `unclear`, look for the batch
    with `find_batch` before anything else.
    """
    client = open_client()
    operation = reply_to(
        lambda: client.batches.create(
            model=model, src=file, config=types.CreateBatchJobConfig(display_name=display_name)
        )
    )
    if not isinstance(operation.get("name"), str):
        raise ApiProblem(
            "an answer that names no batch", "Run the command again", code=None, unclear=True
        )
    return operation


def find_batch(display_name: str) -> dict[str, Any] | None:
    """The operation of the oldest batch of that name, through all pages of the listing.

    The listing takes no filter, and may lag: None proves nothing soon after a create.
    """
    client = open_client(patient=True)
    found, token = None, None
    while True:
        config = types.ListBatchJobsConfig(page_size=LISTED_AT_ONCE, page_token=token)
        listing = reply_to(lambda config=config: client.batches.list(config=config))  # type: ignore[misc]
        for operation in listing.get("operations", []):
            if operation.get("metadata", {}).get("displayName") == display_name:
                found = operation  # newest first, so the last one seen is the oldest
        token = listing.get("nextPageToken")
        if not token:
            return found


def get_batch(batch_id: str) -> dict[str, Any]:
    """The batch's operation, verbatim: {name, metadata{state, …}, done, response, error}."""
    client = open_client(patient=True)
    return reply_to(lambda: client.batches.get(name=batch_id))


def cancel_batch(batch_id: str) -> None:
    """Ask for the batch to stop; rows that ran by then keep their results, and their price."""
    client = open_client(patient=True)
    with explained():
        client.batches.cancel(name=batch_id)


def fetch_batch_results(batch_id: str, destination: Path) -> dict[str, Any]:
    """Ask for the batch; once it ended with a result file, stream that file to `destination`.

    Returns the operation. The file appears whole or not at all, verbatim, and is checked by size
    and digest where the API gives them. Nothing is there while the batch is under way, nor when it
    ended without results. Raises `ApiProblem`, and `ResultsGone` where the result file is gone.
    """
    operation = get_batch(batch_id)
    file = responses_file(operation)
    if file and not destination.exists():
        try:
            _download(file, destination)
        except ApiProblem as problem:
            if problem.code not in (403, 404) or problem.key_refused:
                raise
            gone = ResultsGone(problem.what, problem.fix, code=problem.code, unclear=False)
            gone.operation = operation
            raise gone from problem
    return operation


def responses_file(operation: dict[str, Any]) -> str | None:
    """`files/batch-…` of an ended batch; it stands in two places, and may be late in either."""
    for place in (operation.get("response"), operation.get("metadata", {}).get("output")):
        if isinstance(place, dict) and place.get("responsesFile"):
            return str(place["responsesFile"])
    return None


class Downloaded(NamedTuple):
    """A result file on disk; `confirmed` where the API gave a size or digest, and it fits."""

    bytes: int
    sha256: str
    confirmed: bool


def download(name: str, destination: Path) -> Downloaded:
    """Stream a result file to `destination`, which appears whole or not at all, verbatim."""
    _download(name, destination)
    with destination.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Downloaded(destination.stat().st_size, digest, True)


def delete_file(name: str) -> None:
    """Remove an uploaded file; one that is gone already is as good."""
    client = open_client(patient=True)
    with gone_is_fine(), explained():
        client.files.delete(name=name)


class _Sent(io.BufferedReader):
    """A file that is uploaded, and its bar.

    The SDK reads a chunk of 8 MiB when it has sent the one before, and tells nothing else of it.
    """

    def __init__(self, file: io.FileIO, bar: "tqdm[None]") -> None:
        super().__init__(file)
        self._bar = bar

    def read(self, size: int | None = -1, /) -> bytes:
        self._bar.update(self.tell() - self._bar.n)
        return super().read(size)


def _download(name: str, destination: Path) -> None:
    client = open_client()
    part = destination.with_name(destination.name + ".part")
    try:
        # Neither the SDK nor the API repairs a cut download; it costs nothing to begin again.
        for attempt in patiently():
            with attempt, explained():
                known = _metadata(client, name)
                size = known.size_bytes if known else None
                with (
                    part.open("wb") as content,
                    tqdm.wrapattr(content, "write", size, desc="download", **_BYTES) as watched,
                ):
                    client.files.download(file=name, destination=watched)
                _check_whole(part, known)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)
        files.sync_folder(destination.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise files.cannot_write(destination, error) from error


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda file: file.state == types.FileState.PROCESSING),
    wait=tenacity.wait_exponential(multiplier=0.5, max=10),
    stop=tenacity.stop_after_delay(300),
    retry_error_callback=lambda attempts: attempts.outcome.result() if attempts.outcome else None,
)
def _processed(client: genai.Client, name: str) -> types.File:
    """The file once it is no longer PROCESSING: a batch of one that is not ACTIVE is refused."""
    return client.files.get(name=name)


def _metadata(client: genai.Client, name: str) -> types.File | None:
    """What the API says of a file; of result files it may say nothing."""
    try:
        return client.files.get(name=name)
    except errors.ClientError:
        return None


def _check_whole(path: Path, file: types.File | None) -> None:
    """Compare size and digest, as far as the API gives them. Raises `ApiProblem`, worth a retry.

    `sha256Hash` is documented as base64; what it holds is the digest in hex, seen also raw.
    """
    if file is None:
        return
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    right = {base64.b64encode(d).decode() for d in (digest.hexdigest().encode(), digest.digest())}
    size = path.stat().st_size
    if (file.size_bytes not in (None, size)) or (file.sha256_hash not in (None, *right)):
        raise ApiProblem(
            f"{file.name} and {path} differ in size or digest",
            "Run the command again",
            code=None,
            unclear=True,
        )
