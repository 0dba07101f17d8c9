"""A response as Vertex gives it, in real time and in a job."""

from collections.abc import Callable
from dataclasses import dataclass

from emulator.answers import Answer, Answerer
from emulator.clock import Clock
from emulator.errors import invalid
from emulator.foreign_bucket import JobBuckets
from emulator.refusals import StorageError
from emulator.schema import Json, check
from emulator.vertex_job import stamp_us

ROLES = ("user", "model")


@dataclass(frozen=True)
class VertexAnswerer:
    """Answers as the Developer API's answerer does; `fileUri` is a gs:// address."""

    answerer: Answerer
    clock: Clock

    def answer(self, model: str, request: Json, row: int | None) -> Answer:
        """Raises ApiError 400 for a request that is not as it should be, besides what an
        `Answerer` raises.
        """
        known, wrong = check("VertexRequest", request)
        if wrong:
            raise invalid("\n".join(violation.description for violation in wrong))
        _check(known)
        answer = self.answerer.answer(model, known, row)
        return Answer(_as_on_vertex(answer.response, self.clock.now()), answer.bill)


def _check(request: Json) -> None:
    contents = request.get("contents") or []
    if not contents:
        raise invalid("Unable to submit request because at least one contents field is required.")
    for content in contents:
        if content.get("role") not in ROLES:
            raise invalid("Please use a valid role: user, model.")  # (reported)
        for part in content.get("parts", []):
            if "fileData" in part and not part["fileData"].get("mimeType"):
                raise invalid("Unable to submit request because it has an empty mimeType.")


def image_in(buckets: JobBuckets) -> Callable[[str], bytes]:
    """Reads an image under its gs:// address. Raises ApiError 400 where there is none."""

    def read(uri: str) -> bytes:
        try:
            return buckets.read(uri)
        except StorageError as error:
            raise invalid(f"Cannot fetch content from the provided URL: {uri}") from error

    return read


def _as_on_vertex(response: Json, now: int) -> Json:
    """With createTime and trafficType, without places of candidates; an empty text is a part."""
    candidates = []
    for candidate in response.get("candidates", []):
        shown = {name: said for name, said in candidate.items() if name != "index"}
        content = shown.get("content")
        if content and not content.get("parts") and shown.get("finishReason") == "STOP":
            shown["content"] = {"parts": [{"text": ""}], "role": "model"}  # (recorded)
        candidates.append(shown)
    shown = response | {"createTime": stamp_us(now)}
    if "candidates" in response:
        shown["candidates"] = candidates
    if "usageMetadata" in response:
        usage = response["usageMetadata"] | {"trafficType": "ON_DEMAND"}
        count = usage.get("candidatesTokenCount")
        if count:
            usage["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": count}]
        shown["usageMetadata"] = dict(sorted(usage.items()))
    return dict(sorted(shown.items()))
