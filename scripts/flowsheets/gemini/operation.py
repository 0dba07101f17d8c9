"""The API's word on a batch: a long-running operation, read without the SDK's narrower types."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

UNDER_WAY = ("PENDING", "RUNNING")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


@dataclass(frozen=True)
class Operation:
    """A reply to create, get or list: {name, metadata{state, …}, done, response, error}."""

    reply: dict[str, Any]

    @property
    def state(self) -> str:
        """PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED, EXPIRED, or what the API says instead."""
        state = str(self._metadata.get("state") or "UNKNOWN")
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
        return model.removeprefix("models/") if isinstance(model, str) else None

    @property
    def input_file(self) -> str | None:
        """`files/…`, which holds the requests."""
        source = self._metadata.get("inputConfig")
        file = source.get("fileName") if isinstance(source, dict) else None
        return file if isinstance(file, str) else None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def done(self) -> int:
        """Requests that were answered; the API's counters are strings, and zeros are left out."""
        return self._count("successfulRequestCount")

    @property
    def failed(self) -> int:
        return self._count("failedRequestCount")

    @property
    def responses_file(self) -> str | None:
        """`files/batch-…`; it is named in two places, and may be late in either."""
        for place in (self.reply.get("response"), self._metadata.get("output")):
            if isinstance(place, dict) and place.get("responsesFile"):
                return str(place["responsesFile"])
        return None

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
        metadata = self.reply.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def _count(self, name: str) -> int:
        stats = self._metadata.get("batchStats") or {}
        try:
            return int(stats.get(name, 0))
        except (AttributeError, TypeError, ValueError):
            return 0


def _time(text: object) -> datetime | None:
    """RFC 3339 with up to nanoseconds, of which Python takes microseconds."""
    try:
        whole, _, fraction = str(text).removesuffix("Z").partition(".")
        return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")
    except ValueError:
        return None
