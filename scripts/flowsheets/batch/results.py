"""From responses to pages: each page gets its result, its reason, or its place in the queue back.

Matched by key alone. The keys that came back must be the keys that were sent: one that is missing
is that page's failure; one that is unknown or stands twice, or a line that is no JSON, makes the
whole file doubtful.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import files, paths
from flowsheets.batch.folder import Batch
from flowsheets.jobs import database, date_checks, states
from flowsheets.money import usage
from flowsheets.page import dates, response, schema
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId

# Result files on disk, then their rows in one transaction: that many at a time.
CHUNK = 200

NO_RESPONSE = Unread("no_response", "no response in the result file")


class Outcome(NamedTuple):
    """What came of one page, and what was paid for it; `reading` None: it is settled already."""

    page: PageId
    reading: PageReading | Unread | None
    model_version: str
    paid: usage.Answer | None = None


@dataclass
class Tally:
    """Pages by what became of them."""

    completed: int = 0
    failed: int = 0
    returned: int = 0
    cache_died: int = 0  # of those returned: the prompt cache was gone when they ran

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.completed + other.completed,
            self.failed + other.failed,
            self.returned + other.returned,
            self.cache_died + other.cache_died,
        )

    @property
    def pages(self) -> int:
        return self.completed + self.failed + self.returned

    def __str__(self) -> str:
        return (
            f"{self.completed} completed, {self.failed} failed, "
            f"{self.returned} returned to the queue"
        )


@dataclass
class Sighting:
    """The keys of a result file, before a word of it is used."""

    offsets: dict[str, int] = field(default_factory=dict)  # key sent, seen once -> byte offset
    faults: list[str] = field(default_factory=list)  # why the file cannot be trusted as a whole


def sight(batch: Batch, responses: Path) -> Sighting:
    """Read through a result file once, keeping keys alone: memory stays flat."""
    sent = {line["key"] for line in batch.lines}
    seen = Sighting()
    doubled: set[str] = set()
    for number, offset, raw in _lines(responses):
        try:
            key = _key(orjson.loads(raw))
        except orjson.JSONDecodeError:
            seen.faults.append(f"line {number} is no JSON")
            continue
        if key not in sent:
            seen.faults.append(f"line {number} has a key that was not sent: {key!r:.60}")
        elif key in seen.offsets or key in doubled:
            seen.faults.append(f"line {number} repeats the key {key}")
            doubled.add(key)
            seen.offsets.pop(key, None)
        else:
            seen.offsets[key] = offset
    return seen


def settle_batch(
    batch: Batch,
    db: Database,
    data_root: Path,
    seen: Sighting,
    missing: Unread,
    model: str,
) -> Tally:
    """Settle every page of the batch that is still `submitted` in it; the others stay as they are.

    `seen` says where each response lies in `responses.jsonl`; a page without one gets `missing`.
    Each response was paid for and is noted, also that of a page that is settled already.
    `model` is named where neither the journal nor a response says which model was asked.
    """
    still_out = set(states.in_status(db, "submitted", batch.batch_id))
    tally = Tally()
    found = _outcomes(batch, data_root, seen, missing, model, still_out)
    pages = len(batch.lines)
    outcomes = iter(tqdm(found, "results", pages, unit=" pages", disable=None, leave=False))
    while chunk := list(islice(outcomes, CHUNK)):
        tally += settle(db, data_root, chunk, old="submitted", in_batch=batch.batch_id)
    return tally


def settle(
    db: Database,
    data_root: Path,
    outcomes: list[Outcome],
    *,
    old: str,
    in_batch: str | None = None,
) -> Tally:
    """Write the results, then move the pages out of the status `old`, in one transaction.

    A result that is there already stays: a kill came after it, or jobs.db is older than it.
    What was paid is noted in the same one, so that no page moves without it, and so is a page whose
    date contradicts its PDF's name: it is completed as any other, and somebody has to look at it.
    """
    files.write_all(
        (
            paths.result(data_root, outcome.page),
            schema.result(outcome.reading, outcome.model_version).to_json(),
        )
        for outcome in outcomes
        if isinstance(outcome.reading, PageReading)
        and not paths.result(data_root, outcome.page).exists()
    )
    tally = Tally()
    paid = [usage.row(outcome.paid) for outcome in outcomes if outcome.paid]
    with database.transaction(db):
        usage.note(db, paid)
        for outcome in outcomes:
            tally += _flip(db, data_root, outcome, old, in_batch)
    return tally


def _flip(db: Database, data_root: Path, outcome: Outcome, old: str, in_batch: str | None) -> Tally:
    one, reading, model_version, _ = outcome
    if reading is None:
        return Tally()
    if isinstance(reading, PageReading):
        path = str(paths.result(data_root, one))
        moved = states.flip(
            db,
            [one],
            old,
            "completed",
            in_batch=in_batch,
            result_path=path,
            model_version=model_version,
            last_error=None,
        )
        for _ in moved:
            contradiction = dates.contradiction(one.pdf_path, reading.page_date_raw)
            date_checks.note(db, one, contradiction, states.now())
        return Tally(completed=len(moved))
    if reading.ran:
        moved = states.flip(
            db,
            [one],
            old,
            "failed",
            in_batch=in_batch,
            count_try=True,
            last_error=str(reading),
        )
        return Tally(failed=len(moved))
    moved = states.flip(
        db,
        [one],
        old,
        "rendered",
        in_batch=in_batch,
        last_error=str(reading),
        batch_id=None,
        within_batch_index=None,
    )
    died = len(moved) if reading == response.CACHE_GONE else 0
    return Tally(returned=len(moved), cache_died=died)


def _outcomes(
    batch: Batch,
    data_root: Path,
    seen: Sighting,
    missing: Unread,
    model: str,
    still_out: set[PageId],
) -> Iterator[Outcome]:
    responses = batch.folder / "responses.jsonl"
    # Of a folder that was put together again nobody knows; a code 7 costs nothing either way.
    cached = batch.cached_content is not None or batch.last("restored") is not None
    sent = batch.last("create_sent") or batch.last("created") or {}
    asked, at = sent.get("model") or model, sent.get("at") or states.now()
    with ExitStack() as stack:
        file = stack.enter_context(responses.open("rb")) if seen.offsets else io.BytesIO()
        for line, one in zip(batch.lines, batch.pages, strict=True):
            offset = seen.offsets.get(line["key"])
            if offset is None:
                yield Outcome(one, missing if one in still_out else None, asked)
                continue
            answer = _line_at(file, offset)
            reading = response.read_line(answer, cached) if one in still_out else None
            if isinstance(reading, PageReading):
                reading = _of_this_image(reading, data_root, one, line["image_sha256"])
            version, paid = asked, None
            if isinstance(body := answer.get("response"), dict):
                version, tokens = model_version(body, asked), usage.tokens(body)
                paid = usage.Answer(one, batch.batch_id, "batch", asked, version, tokens, at)
            yield Outcome(one, reading, version, paid)


def model_version(answer: Any, model: str) -> str:
    """Which model answered, as the response says; `model`, which was asked, where it does not."""
    said = answer.get("modelVersion") if isinstance(answer, dict) else None
    return said if isinstance(said, str) and said else model


def _of_this_image(
    reading: PageReading, data_root: Path, one: PageId, sha256: str
) -> PageReading | Unread:
    """A page that was rendered anew since it was sent may show something else by now."""
    png = paths.png(data_root, one)
    if png.is_file() and hashlib.sha256(png.read_bytes()).hexdigest() != sha256:
        return Unread(
            "image_changed",
            "the page's image has changed since it was sent; responses.jsonl has the text",
        )
    return reading


def _key(line: Any) -> Any:
    """The key of a result line, which stands at `key`, or at `metadata.key`."""
    if not isinstance(line, dict):
        return None
    metadata = line.get("metadata")
    inner = metadata.get("key") if isinstance(metadata, dict) else None
    key = line.get("key") or inner
    return key if isinstance(key, str) else None


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, byte offset, line), parted at LF alone: texts hold U+2028 and U+0085."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, offset, raw
            offset += len(raw)


def _line_at(file: BinaryIO, offset: int) -> dict[str, Any]:
    file.seek(offset)
    line: dict[str, Any] = orjson.loads(file.readline())
    return line
