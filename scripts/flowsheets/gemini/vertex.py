"""Vertex AI, the other door to Gemini: Google's credentials, a job, and a bucket for what it reads
and writes.

    <prefix>/<batch>/images/00001-1990-04apr0106-page-02.png   the page, in the request as fileData
    <prefix>/<batch>/requests.jsonl                            {"key", "request"} a line
    <prefix>/<batch>/out/prediction-model-<time>/              what the job writes, in any order

The output has a prefix of the batch's own: two jobs of the same instant under one prefix overwrite
each other. A row's echo of its request is written anew by Google, so that a response is told by its
key and by the URI of its image, never by its place (see `Vertex.key_reader`). What is known of it
was documented or reported by 2026-10; nothing of this ran against Google.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowsheets import settings
from flowsheets.errors import Problem
from flowsheets.gemini import bucket, client, inputs, output, real_time
from flowsheets.gemini.bucket import Bucket
from flowsheets.gemini.caches import PromptCache
from flowsheets.gemini.inputs import REQUESTS
from flowsheets.gemini.operation import Operation
from flowsheets.gemini.problem import ApiProblem, Closed
from flowsheets.gemini.reply import asked, listed, reply_to
from flowsheets.gemini.room import VERTEX
from flowsheets.gemini.rows import KeyReader, Request
from flowsheets.gemini.transfer import Downloaded, landed

if TYPE_CHECKING:
    from google import genai

LISTED_AT_ONCE = 100  # jobs a page of the listing

_FIX = {
    "key": "Check GOOGLE_CLOUD_PROJECT, and that your account has the role aiplatform.user there",
    "unreachable": "Check the network and GOOGLE_VERTEX_BASE_URL, then run the command again",
    "gone": "Check GEMINI_MODEL, and that GOOGLE_CLOUD_LOCATION serves it: Gemini 3 is at global",
    "refused": "Check GEMINI_MODEL and GOOGLE_CLOUD_LOCATION",
}


@contextmanager
def _told() -> Iterator[None]:
    """Problems in this door's words. 403 is the account's right to anything in the project."""
    try:
        yield
    except ApiProblem as problem:
        if problem.where != "Gemini API":
            raise
        kind = "key" if problem.code == 403 else problem.kind
        raise ApiProblem(
            problem.what,
            _FIX.get(kind, problem.fix),
            code=problem.code,
            unclear=problem.unclear,
            kind=kind,
            where="Vertex AI",
        ) from problem


@dataclass(frozen=True)
class Vertex:
    """Vertex AI at one place. `bucket` is `gs://bucket/prefix`; "" where none is known."""

    project: str
    location: str
    bucket: str

    NAME = "vertex"
    LETTER = "v"  # a key that begins with a digit may be read as a number there
    ACCOUNT = "GOOGLE_CLOUD_PROJECT and your credentials"
    WHOSE = "project"
    CACHES = False
    ROOM = VERTEX

    def facts(self) -> dict[str, str]:
        """What a folder states, so that its batch is asked for where it is."""
        return {"door": self.NAME, **vars(self)}

    def check(self, mode: str) -> None:
        """Raises `Problem` where what the mode needs is not set."""
        if mode == "flex":
            what = "flex is a tier of the Developer API, and GOOGLE_GENAI_USE_VERTEXAI is set"
            raise Problem("TIER", what, "Give TIER=standard, or take a batch")
        if mode == "batch":
            if not self.bucket:
                what = "is not set, and a batch on Vertex AI needs one"
                raise Problem("BATCH_BUCKET", what, "Give gs://bucket/prefix, or make process")
            bucket.check()
        client.credentials()

    def sender(self) -> dict[str, Any]:
        """The project, not the account, has the jobs: nothing to tell beside the place."""
        return {}

    def would_list(self, noted: Mapping[str, Any]) -> bool:
        """Whether what this door lists says anything of a create that was `noted`."""
        return True

    @_told()
    def generate(self, model: str, request: dict[str, Any]) -> bytes:
        """One page now; see `real_time`."""
        return real_time.generate(self._sdk(), model, request)

    # --- batches --------------------------------------------------------------------------------

    @_told()
    def upload(self, requests: Path, display_name: str, sent: Sequence[Request]) -> str:
        """Put what is sent into the bucket, as `inputs` has it; returns its `gs://…`."""
        place, root = self._place(display_name)
        return inputs.put(place, root, requests, sent)

    @_told()
    def create(self, model: str, file: str, display_name: str) -> dict[str, Any]:
        """Create a job of uploaded requests: the one call that costs money. Returns the job.

        There is no idempotency key: two equal calls are two paid jobs. So it is never retried here.
        """
        from google.genai import types

        sdk = self._sdk()
        out = f"{file.removesuffix('/' + REQUESTS)}/out"
        config = types.CreateBatchJobConfig(display_name=display_name, dest=out)
        return reply_to(
            lambda: sdk.batches.create(model=model, src=file, config=config), "name", str
        )

    @_told()
    def find(self, display_name: str) -> dict[str, Any] | None:
        """The oldest job of that name; else one that has written output, as `_by_output` has it.

        The listing may lag: None proves nothing soon after a create.
        """
        return self._by_name(display_name) or self._by_output(display_name)

    @_told()
    def get(self, batch_id: str) -> dict[str, Any]:
        """The job, verbatim: {name, displayName, state, outputInfo, completionStats, error, …}."""
        if batch_id.startswith("gs://"):
            found = self.find(_name_in(batch_id))
            if found is None:
                raise _no_job(batch_id)
            return found
        sdk = self._sdk()
        return asked(lambda: sdk.batches.get(name=batch_id), "state", str)

    @_told()
    def cancel(self, batch_id: str) -> None:
        """Ask for the job to stop; what ran by then is written, and billed.

        One that has ended refuses it, and has stopped.
        """
        job = self._by_name(_name_in(batch_id)) if batch_id.startswith("gs://") else None
        if job is None and batch_id.startswith("gs://"):
            raise _no_job(batch_id)
        sdk, name = self._sdk(), str(job["name"]) if job else batch_id
        try:
            asked(lambda: sdk.batches.cancel(name=name))
        except ApiProblem as problem:
            if problem.code != 400 or not Operation(self.get(name)).ended:
                raise

    @_told()
    def fetch(self, name: str, destination: Path) -> Downloaded | None:
        """All that a job has written below `name`, line by line as it is there; None where nothing.

        The final files first. Rows that are in incremental ones alone follow: of a job that was
        stopped, they may be all there is.
        """
        place, folder = _of(self.project, name.rstrip("/") + "/")
        shards = output.shards(place, folder)
        if not shards:
            return None
        return landed(name, destination, lambda part: output.load(place, shards, part))

    @_told()
    def tidy_up(self, file: str | None, display_name: str) -> None:
        """Delete the requests and the images; the output stays, as a copy of what was billed.

        A lifecycle rule of the bucket ends it (README.md).
        """
        if file is None and not self.bucket:
            return
        place, root = _of(self.project, file) if file else self._place(display_name)
        if root.split("/")[-1] == display_name:  # nothing that is not this batch's own
            out = f"{root}/out/"
            ours = list(place.listed(root + "/").objects)
            place.delete(name for name in ours if not name.startswith(out))

    # --- rows -----------------------------------------------------------------------------------

    def key_reader(self, display_name: str, sent: Sequence[Request]) -> KeyReader:
        """Of a row: by its key and by its image, which must agree; one of them may be missing."""
        return inputs.key_reader(display_name, sent)

    def same(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        """Whether two rows of one key say the same: a row may be written more than once."""
        return all(one.get(name) == other.get(name) for name in ("response", "status", "error"))

    # --- prompt caches: none, since a batch here may not name one --------------------------------

    def create_cache(self, model: str, prompt: str, seconds: int, display_name: str) -> PromptCache:
        raise ApiProblem(
            "a batch on Vertex AI may name none, so none is made there",
            code=400,
            unclear=False,
            where="Vertex AI",
        )

    def renew_cache(self, name: str, seconds: int) -> None: ...

    def delete_cache(self, name: str) -> None: ...

    def delete_caches(self, display_name: str) -> None: ...

    # --- this place -----------------------------------------------------------------------------

    def _sdk(self) -> genai.Client:
        """A client of this very place: a job's full name of another one would be cut to its number
        by the SDK, and asked for here.
        """
        if not self.project:  # the folder does not say it any more
            what = "is not set, and a batch was sent through Vertex AI"
            raise Closed("GOOGLE_CLOUD_PROJECT", what, "Set it, and GOOGLE_GENAI_USE_VERTEXAI=true")
        return client.open_vertex(self.project, self.location)

    def _place(self, display_name: str) -> tuple[Bucket, str]:
        """The bucket, and the batch's own prefix in it."""
        return _of(self.project, f"{self.bucket}/{display_name}/{REQUESTS}")

    def _by_name(self, display_name: str) -> dict[str, Any] | None:
        from google.genai import types

        sdk = self._sdk()

        def page(token: str | None) -> object:
            config = types.ListBatchJobsConfig(
                page_size=LISTED_AT_ONCE, page_token=token, filter=f'displayName="{display_name}"'
            )
            return sdk.batches.list(config=config)

        jobs = [one for one in listed(page, "batchPredictionJobs") if one.get("name")]
        jobs = [one for one in jobs if one.get("displayName") == display_name]
        return min(jobs, key=lambda job: str(job.get("createTime")), default=None)

    def _by_output(self, display_name: str) -> dict[str, Any] | None:
        """A job that no listing shows and that has written output: what the bucket says of it.

        Whether it has ended is told by its rows; or by their age, since no job runs for so long.
        """
        if not self.bucket:
            return None
        place, root = self._place(display_name)
        try:
            return output.as_job(place, root, f"{root}/{REQUESTS}", display_name)
        except ApiProblem as problem:
            if problem.code != 404:
                raise
            return None  # there is no such bucket


def by_settings() -> Vertex | None:
    """Where the settings say; None where they name the Developer API. Raises `Problem`."""
    wanted = settings.vertex()
    return Vertex(**vars(wanted)) if wanted else None


def by_id(batch_id: str) -> Vertex | None:
    """Where a job is that has this full name, or is known by this output; None of another id."""
    if batch_id.startswith("gs://"):
        bucket_and_prefix = batch_id.rsplit("/", 3)[0]
        return replace(by_settings() or Vertex("", "", ""), bucket=bucket_and_prefix)
    found = re.match("projects/([^/]+)/locations/([^/]+)/batchPredictionJobs/", batch_id)
    return Vertex(found[1], found[2], "") if found else None


def _of(project: str, file: str) -> tuple[Bucket, str]:
    bucket, _, name = file.removeprefix("gs://").partition("/")
    return Bucket(project, bucket), name.removesuffix("/" + REQUESTS)


def _name_in(output: str) -> str:
    """The batch's name in the `gs://…/<name>/out/prediction-model-…` that stands for its job."""
    return output.split("/")[-3]


def _no_job(batch_id: str) -> ApiProblem:
    what = f"lists no job of the name {_name_in(batch_id)}"
    return ApiProblem(what, code=404, unclear=False, where="Vertex AI")
