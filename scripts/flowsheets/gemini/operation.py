"""The status of a batch, read without the SDK's types from what the API replies about it: a
long-running operation of the Developer API, or a job of Vertex AI.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

UNDER_WAY = ("PENDING", "RUNNING")
# PARTIALLY_SUCCEEDED is documented nowhere, and has been seen by gateways.
# A job of Vertex AI has more, none of which a batch's commands have to tell apart.
OF_JOBS = {
    "JOB_STATE_QUEUED": "PENDING",
    "JOB_STATE_PAUSED": "PENDING",
    "JOB_STATE_UPDATING": "RUNNING",
    "JOB_STATE_CANCELLING": "RUNNING",  # and may still end as SUCCEEDED
    "JOB_STATE_PARTIALLY_SUCCEEDED": "SUCCEEDED",  # each row says how it ended
}
ENDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


class Counts(NamedTuple):
    """What the API has counted of a batch's requests; `successful` ones have a billed response."""

    requested: int
    successful: int
    failed: int
    pending: int


@dataclass(frozen=True)
class Operation:
    """A reply to create, get or list: {name, metadata{state, …}, done, response, error}; a job."""

    reply: dict[str, Any]

    @property
    def state(self) -> str:
        """PENDING, RUNNING, one of ENDED, or the API's own word where that is another."""
        state = str(self._metadata.get("state") or "UNKNOWN")
        if self._is_job and state in OF_JOBS:
            return OF_JOBS[state]
        short = state.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
        return short if short in UNDER_WAY + ENDED else state

    @property
    def name(self) -> str | None:
        """The `displayName` that create gave it."""
        name = self._metadata.get("displayName")
        return name if isinstance(name, str) else None

    @property
    def model(self) -> str | None:
        """The model that was asked, without `models/`."""
        model = self._metadata.get("model")
        return model.rpartition("models/")[2] if isinstance(model, str) else None

    @property
    def input_file(self) -> str | None:
        """`files/…` or `gs://…`, which holds the requests."""
        source = self._metadata.get("inputConfig")
        uris = _inside(source, "gcsSource", "uris")
        if isinstance(uris, list) and uris and isinstance(uris[0], str):
            return uris[0]
        file = source.get("fileName") if isinstance(source, dict) else None
        return file if isinstance(file, str) else None

    @property
    def ended(self) -> bool:
        """In a state that is an end, or, whatever the state, `done` with a result file."""
        return self.state in ENDED or (self.reply.get("done") is True and bool(self._file))

    @property
    def responses_file(self) -> str | None:
        """`files/batch-…` of a batch that has ended; SUCCEEDED has been seen before its file.

        A file that is named while the batch is PENDING or RUNNING may hold a part of the lines, so
        it is not told here.
        """
        return self._file if self.ended else None

    @property
    def counts(self) -> Counts | None:
        """The API's counts: strings in the reply, zeros left out. None where it gives none."""
        if self._is_job:
            return self._counts_of_job
        stats = self._metadata.get("batchStats")
        if not isinstance(stats, dict) or not stats:
            return None
        names = ("requestCount", "successfulRequestCount", "failedRequestCount")
        return Counts(*(_number(stats.get(name)) for name in (*names, "pendingRequestCount")))

    @property
    def _counts_of_job(self) -> Counts | None:
        """`incompleteCount` may be -1: not known."""
        stats = self.reply.get("completionStats")
        if not isinstance(stats, dict) or not stats:
            return None
        names = ("successfulCount", "failedCount", "incompleteCount")
        each = [_number(stats.get(name)) for name in names]
        return Counts(sum(each), *each)

    @property
    def done(self) -> int:
        """Requests that have a response."""
        return self.counts.successful if self.counts else 0

    @property
    def failed(self) -> int:
        """Requests that ended without a response."""
        return self.counts.failed if self.counts else 0

    @property
    def error(self) -> dict[str, Any]:
        """{code, message} of a batch that failed as a whole, else {}."""
        error = self.reply.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def created(self) -> datetime | None:
        return _time(self._metadata.get("createTime"))

    @property
    def end(self) -> datetime | None:
        return _time(self._metadata.get("endTime"))

    @property
    def _metadata(self) -> dict[str, Any]:
        metadata = self.reply if self._is_job else self.reply.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def _is_job(self) -> bool:
        """Vertex AI's plain job: {name, displayName, state, outputInfo, …}, and no operation."""
        return "state" in self.reply and "metadata" not in self.reply

    @property
    def _file(self) -> str | None:
        """The output is named in two places, and may be late in either. Of a job, it is a folder.

        That is named also where nothing was written; and where it is not, it has its prefix.
        """
        if self._is_job:
            named = _inside(self.reply, "outputInfo", "gcsOutputDirectory")
            prefix = _inside(self.reply, "outputConfig", "gcsDestination", "outputUriPrefix")
            folder = named or prefix
            return folder if isinstance(folder, str) and folder else None
        for place in (self.reply.get("response"), self._metadata.get("output")):
            file = place.get("responsesFile") if isinstance(place, dict) else None
            if isinstance(file, str) and file:
                return file
        return None


def _inside(value: object, *names: str) -> object:
    """What is there under these names, one in the other; None where one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(text: object) -> int:
    try:
        return max(0, int(str(text)))
    except ValueError:
        return 0


def _time(text: object) -> datetime | None:
    """RFC 3339 with up to nanoseconds, of which Python takes microseconds."""
    try:
        whole, _, fraction = str(text).removesuffix("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")
    except ValueError:
        return None
