"""The Developer API, one of the two doors to Gemini: a key, files of requests, prompt caches.

Replies are plain dicts, as they came. Each call raises `ApiProblem`, whatever happens, but for
`Problem` where a file here cannot be read or written. See `door` for what each one is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowsheets import settings
from flowsheets.gemini import client, real_time
from flowsheets.gemini.caches import create_cache as create_cache
from flowsheets.gemini.caches import delete_cache as delete_cache
from flowsheets.gemini.caches import delete_caches as delete_caches
from flowsheets.gemini.caches import renew_cache as renew_cache
from flowsheets.gemini.operation import Operation
from flowsheets.gemini.problem import ApiProblem
from flowsheets.gemini.reply import (
    asked,
    explained,
    gone_is_fine,
    listed,
    not_an_answer,
    patiently,
    reply_to,
)
from flowsheets.gemini.room import DEVELOPER
from flowsheets.gemini.rows import KeyReader, Request, key_of
from flowsheets.gemini.transfer import (
    BYTES,
    Downloaded,
    Sent,
    Written,
    compared,
    landed,
    number,
    size_of,
)

NAME, LETTER, bucket = "developer", "", ""
ACCOUNT, WHOSE = "GEMINI_API_KEY", "key"
CACHES = True
ROOM = DEVELOPER
LISTED_AT_ONCE = 100  # batches a page of the listing
# The second where the API refuses the first, as it did for some in 2025 (python-genai #1547).
MIME_TYPES = ("application/jsonl", "text/plain")


class UploadRefused(ApiProblem):
    """The API took the file and cannot use it: the same file would end so again.

    It is deleted at the API by then.
    """


def facts() -> dict[str, str]:
    """What a folder states."""
    return {"door": NAME}


def check(mode: str) -> None:
    """Raises `Problem` without a key, whatever the mode."""
    settings.api_key()


def sender() -> dict[str, Any]:
    """Which key: a salted digest."""
    salt = settings.new_salt()
    return {"key": {"salt": salt, "digest": settings.key_fingerprint(salt)}}


def would_list(noted: Mapping[str, Any]) -> bool:
    """Whether a create was sent with this key: another key's listing does not show the batch."""
    key = noted.get("key")
    return key is None or settings.key_fingerprint(key["salt"]) == key["digest"]


def generate(model: str, request: dict[str, Any]) -> bytes:
    """One page now; see `real_time`."""
    return real_time.generate(client.open_client(), model, request)


# --- batches ------------------------------------------------------------------------------------


def upload(requests: Path, display_name: str, sent: Sequence[Request] = ()) -> str:
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
            tidy_up(name, display_name)
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

    sdk = client.open_client()
    config = types.UploadFileConfig(mime_type=mime_type, display_name=display_name)

    def once() -> str:
        with (
            tqdm(desc="upload", total=size_of(requests), **BYTES) as bar,
            Sent(requests, bar) as content,
        ):
            call = lambda: sdk.files.upload(file=content, config=config)  # noqa: E731
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
    sdk = client.open_client()
    return until_processed(asked, lambda: sdk.files.get(name=name), "name", str)


def _fault(requests: Path, file: dict[str, Any]) -> str | None:
    """Why a batch cannot be made of the uploaded file, if so."""
    if file.get("state") not in ("ACTIVE", None):
        return f"is {file['state']}, not ACTIVE"
    if compared(requests, file).differs:
        return f"differs from {requests} in size or digest"
    return None


def create(model: str, file: str, display_name: str) -> dict[str, Any]:
    """Create a batch from an uploaded file: the one call that costs money. Returns the operation.

    Creating is not idempotent (two equal calls are two paid batches) and takes no idempotency key,
    so it is never retried here. Raises `ApiProblem`; where that is `unclear`, look for the batch
    with `find` before anything else.
    """
    from google.genai import types

    sdk = client.open_client()
    config = types.CreateBatchJobConfig(display_name=display_name)
    return reply_to(lambda: sdk.batches.create(model=model, src=file, config=config), "name", str)


def find(display_name: str) -> dict[str, Any] | None:
    """The operation of the oldest batch of that name, through all pages of the listing.

    The listing takes no filter, and may lag: None proves nothing soon after a create.
    """
    from google.genai import types

    sdk = client.open_client()

    def page(token: str | None) -> object:
        config = types.ListBatchJobsConfig(page_size=LISTED_AT_ONCE, page_token=token)
        return sdk.batches.list(config=config)

    found = None
    for operation in listed(page, "operations"):
        name = operation.get("name")
        if not isinstance(name, str) or not name:
            continue
        if not isinstance(operation.get("metadata"), dict):  # whose it is, only itself can say
            with suppress(ApiProblem):
                operation = get(name)
        if Operation(operation).name == display_name:
            found = operation  # newest first, so the last one seen is the oldest
    return found


def get(batch_id: str) -> dict[str, Any]:
    """The batch's operation, verbatim: {name, metadata{state, …}, done, response, error}."""
    sdk = client.open_client()
    return asked(lambda: sdk.batches.get(name=batch_id), "metadata", dict)


def cancel(batch_id: str) -> None:
    """Ask for the batch to stop; rows that ran by then keep their responses, and their price."""
    sdk = client.open_client()
    asked(lambda: sdk.batches.cancel(name=batch_id))


def fetch(name: str, destination: Path) -> Downloaded:
    """Stream a result file, `files/batch-…`, to `destination`, which appears whole or not at all.

    Raises `ApiProblem`, which is `gone` for 403 and 404, has code 400 where the API refuses the
    name, and of the kind `foreign` for what is not JSON lines; `Problem` where the disk is full.
    """
    said = _said_of(name)

    def load(part: Path) -> Downloaded:
        _stream(name, part, number(said.get("sizeBytes")))
        return compared(part, said)

    return landed(name, destination, load)


def _said_of(name: str) -> dict[str, Any]:
    """What the API says of a result file: often nothing, so no download depends on it."""
    sdk = client.open_client()
    try:
        return asked(lambda: sdk.files.get(name=name))
    except ApiProblem:
        return {}


def _stream(name: str, part: Path, size: int | None) -> None:
    from tqdm import tqdm

    sdk = client.open_client()
    with (
        Written(part) as content,
        tqdm.wrapattr(content, "write", size, desc="download", **BYTES) as watched,
        explained(),
    ):
        sdk.files.download(file=name, destination=watched)
    with part.open("rb") as file:
        if file.read(4096).lstrip()[:1] not in (b"", b"{"):
            raise not_an_answer("not JSON lines")


def tidy_up(file: str | None, name: str) -> None:
    """Delete what was uploaded for a batch; already deleted counts as success."""
    if file is None:
        return  # what a broken upload left expires in 48 h
    with gone_is_fine():
        asked(lambda: client.open_client().files.delete(name=file))


def key_reader(display_name: str, sent: Sequence[Request]) -> KeyReader:
    """The API hands a request's key through."""
    return key_of


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """A key is there once."""
    return False
