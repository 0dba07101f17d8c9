"""From responses to pages: each page gets its result, its reason, or its place in the queue back.

Matched by key alone, or by the image where the API hands that through (`gemini/rows`). The keys
that came back must be the keys that were sent: one that is missing is that page's failure, unless
the API counts more responses than the file holds; one that is unknown or there twice, or a line
that is not JSON, makes the whole file doubtful.
"""

from __future__ import annotations

import gc
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeGuard

from sqlite_utils import Database

from flowsheets import files, paths
from flowsheets.batch import images
from flowsheets.batch.folder import OUTCOMES as OUTCOMES
from flowsheets.batch.folder import Batch, Line, page_of
from flowsheets.gemini.rows import Mismatch
from flowsheets.jobs import database, date_checks, mended_answers, pauses, states
from flowsheets.money import usage
from flowsheets.page import dates, response
from flowsheets.page.response import Unread
from flowsheets.paths import PageId

if TYPE_CHECKING:  # 0.1 s, which a fetch without a result file does not pay
    from flowsheets.page.schema import PageReading

# Result files on disk, then their rows in one transaction: that many at a time.
CHUNK = 200

NO_RESPONSE = Unread("no_response", "no response in the result file")


class Outcome(NamedTuple):
    """What came of one page, and what was billed for it.

    `reading` is None where the page has its outcome already; `line_index` is its line in the batch.
    """

    page: PageId
    reading: PageReading | Unread | None
    model_version: str
    billed: usage.Answer | None = None
    line_index: int | None = None


def is_page(reading: PageReading | Unread | None) -> TypeGuard[PageReading]:
    """Whether a page was read."""
    return not isinstance(reading, Unread | None)


@dataclass
class Tally:
    """Pages by what became of them."""

    completed: int = 0
    failed: int = 0
    returned: int = 0
    cache_died: int = 0  # of those returned: the prompt cache was gone when they ran

    def __add__(self, other: Tally) -> Tally:
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


# --- the file as a whole ------------------------------------------------------------------------


@dataclass
class FileCheck:
    """A result file, before any text in it is used."""

    offsets: dict[str, int] = field(default_factory=dict)  # key sent, there once -> byte offset
    doubled: dict[str, list[int]] = field(default_factory=dict)  # key there more often -> offsets
    faults: list[str] = field(default_factory=list)  # why the file cannot be trusted as a whole
    responses: int = 0  # lines with a response, which was billed
    errors: Counter[Any] = field(default_factory=Counter)  # code -> lines with an error instead


def check_file(batch: Batch) -> FileCheck:
    """Read through responses.jsonl once, keeping keys alone: memory stays flat.

    An empty check where there is no such file.
    """
    check = FileCheck()
    if not batch.responses.exists():
        return check
    sent = {line["key"] for line in batch.lines}
    key_of = batch.door.key_reader(batch.name, batch.sent)
    for number, offset, raw in _lines(batch.responses):
        try:
            line = response.parse(raw)
        except ValueError:
            check.faults.append(f"line {number} is not JSON")
            continue
        try:
            key = key_of(line)
        except Mismatch as mismatch:
            check.faults.append(f"line {number} {mismatch}")
            continue
        if key not in sent:
            check.faults.append(f"line {number} has a key that was not sent: {key!r:.60}")
        elif key in check.doubled:
            check.doubled[key].append(offset)
        elif key in check.offsets:
            if batch.door.same(_line_of(batch, check.offsets[key]), line):
                continue  # the same once more
            check.faults.append(f"line {number} repeats the key {key}")
            check.doubled[key] = [check.offsets.pop(key), offset]
        else:
            check.offsets[key] = offset
            _count(check, line)
    return check


def missing_responses(batch: Batch, check: FileCheck) -> str | None:
    """Why the file does not hold all that the API counts; None where it does.

    A file with fewer lines than `successfulRequestCount` has been seen, and was whole later.
    """
    operation = batch.operation
    lines = len(check.offsets) + len(check.doubled)
    if lines == len(batch.lines):  # whatever is counted, no page lacks its line
        return None
    if check.responses + len(check.doubled) < operation.done:
        return f"holds {check.responses} responses, the API counts {operation.done}"
    if lines < min(operation.done + operation.failed, len(batch.lines)):
        return f"holds {lines} lines, the API counts {operation.done + operation.failed}"
    return None


def error_of_all(batch: Batch, check: FileCheck) -> str | None:
    """`row_error_13` where every row ended with the same error, and none was billed.

    That is no page's own fault. A cancel, and a prompt cache that was gone, have their own rules.
    """
    if check.responses or check.doubled or len(check.errors) != 1:
        return None
    code = next(iter(check.errors))
    if code is None:  # texts, which may differ
        return None
    own_rule = (code == response.CANCELLED and _was_cancelled(batch)) or (
        code == response.PERMISSION_DENIED and _may_be_cached(batch)
    )
    return None if own_rule else f"row_error_{code}"


def _was_cancelled(batch: Batch) -> bool:
    return bool(batch.last("cancel_asked")) or batch.operation.state == "CANCELLED"


def _may_be_cached(batch: Batch) -> bool:
    """Of a folder that was made again from jobs.db it is not known; code 7 costs nothing."""
    return batch.cached_content is not None or batch.last("restored") is not None


def _count(check: FileCheck, line: Any) -> None:
    if response.body_of(line) is not None:
        check.responses += 1
    else:
        check.errors[response.code_of_row(line)] += 1


# --- the pages ----------------------------------------------------------------------------------


def apply_responses(
    batch: Batch,
    db: Database,
    data_root: Path,
    check: FileCheck,
    missing: Unread,
    settings_model: str,
) -> Tally:
    """Apply the file to each page that is still `submitted` in the batch; others stay as they are.

    A page without a response gets `missing`. Each response was billed and is recorded, also that
    of a page that has its outcome already. `settings_model` is named where nothing else says which
    model was asked.
    """
    still_out = set(states.in_status(db, "submitted", batch.batch_id))
    reader = Reader.of(batch, data_root, check, missing, settings_model)
    found = (
        reader.outcome(line, answers, wanted=page_of(line) in still_out)
        for line, answers in by_line(batch, check)
    )
    from tqdm import tqdm

    tally = Tally()
    pages = len(batch.lines)
    outcomes = iter(tqdm(found, "results", pages, unit=" pages", disable=None, leave=False))
    with _without_collector():
        while chunk := list(islice(outcomes, CHUNK)):
            write_results(data_root, chunk)
            _note_in_journal(batch, chunk)
            tally += _move_all(db, data_root, chunk, "submitted", batch.batch_id)
    return tally


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's collector looks for objects that hold each other, here in vain: a page holds none.

    It would look at each of them again and again, a sixth of the whole work.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def apply(
    db: Database,
    data_root: Path,
    outcomes: list[Outcome],
    *,
    old: str | tuple[str, ...],
    in_batch: Any = states.ANY_BATCH,
) -> Tally:
    """Write the results, then move the pages out of the status `old`, in one transaction.

    A result that is already there stays: a kill came after it, or jobs.db is older than it. What
    was billed is recorded in the same transaction, so that no page moves without it, and so is a
    page whose date contradicts its PDF's name.
    """
    write_results(data_root, outcomes)
    return _move_all(db, data_root, outcomes, old, in_batch)


def _move_all(
    db: Database,
    data_root: Path,
    outcomes: list[Outcome],
    old: str | tuple[str, ...],
    in_batch: Any,
) -> Tally:
    """The pages' rows, and what was billed for them, in one transaction."""
    tally = Tally()
    billed = [usage.row(outcome.billed) for outcome in outcomes if outcome.billed]
    with database.transaction(db):
        usage.note(db, billed)
        for outcome in outcomes:
            tally += _move(db, data_root, outcome, old, in_batch)
    usage.warn_of_other_models(outcome.billed for outcome in outcomes if outcome.billed)
    return tally


def write_results(data_root: Path, outcomes: list[Outcome]) -> None:
    """The result of each page that was read and has none yet, on disk."""
    files.write_all(_new_results(data_root, outcomes))


def _new_results(data_root: Path, outcomes: list[Outcome]) -> Iterator[tuple[Path, bytes]]:
    from flowsheets.page import schema

    written = set()  # of two responses to one page the first is its result
    for outcome in outcomes:
        if is_page(outcome.reading) and outcome.page not in written:
            path = paths.result(data_root, outcome.page)
            if not path.exists():
                written.add(outcome.page)
                yield path, schema.result(outcome.reading, outcome.model_version).to_json()


@dataclass(frozen=True)
class Reader:
    """What a line of this batch's result file means for its page."""

    batch: Batch
    data_root: Path
    model: str  # that was asked
    asked_at: str  # ISO, UTC
    cached: bool  # code 7 may mean that the prompt cache was gone
    cancelled: bool  # code 1 means that a cancel came before the row ran
    error_of_all: str | None  # the one error of all rows: no page's own fault
    missing: Unread
    thinking: str | None  # the level that was asked for
    asked: dict[str, Any]  # form, prompt and request, see `request.identity`

    @classmethod
    def of(
        cls, batch: Batch, data_root: Path, check: FileCheck, missing: Unread, settings_model: str
    ) -> Reader:
        return cls(
            batch,
            data_root,
            model=batch.model or settings_model,
            asked_at=batch.asked_at or states.now(),
            cached=_may_be_cached(batch),
            cancelled=_was_cancelled(batch),
            error_of_all=error_of_all(batch, check),
            missing=missing,
            thinking=batch.thinking,
            asked=batch.asked,
        )

    def outcome(self, line: Line, answers: list[dict[str, Any]], wanted: bool) -> Outcome:
        """Of the page of `line`, for which these lines came back; without text if not `wanted`."""
        page, index = page_of(line), line["index"]
        billed = self._billed(page, answers)
        version = billed.model_version if billed else self.model
        reading = self._reading(line, answers) if wanted else None
        return Outcome(page, reading, version, billed, index)

    def _reading(self, line: Line, answers: list[dict[str, Any]]) -> PageReading | Unread:
        if len(answers) != 1:  # which of two is right cannot be told
            return self.missing
        reading = response.read_line(answers[0], self.cached)
        if not isinstance(reading, Unread):
            return images.checked(reading, self.batch, self.data_root, line)
        if reading.code == "cancelled" and not self.cancelled:
            reading = Unread("row_error_1", "the API answered 1 CANCELLED, and nobody cancelled")
        if reading.code == self.error_of_all:
            return replace(reading, reason=f"{reading.reason}; so did every page", ran=False)
        return reading

    def _billed(self, page: PageId, answers: list[dict[str, Any]]) -> usage.Answer | None:
        """The responses to one page; two that differ were both billed."""
        bodies = [body for body in map(response.body_of, answers) if body is not None]
        if not bodies:
            return None
        different = [body for n, body in enumerate(bodies) if body not in bodies[:n]]
        tokens = usage.total(usage.tokens(body) for body in different)
        version = model_version(bodies[0], self.model)
        billed = usage.Answer(
            page, self.batch.batch_id, "batch", self.model, version, tokens, self.asked_at
        )
        return billed._replace(thinking=self.thinking, **self.asked)


def model_version(answer: Any, model: str) -> str:
    """Which model answered, as the response says; `model`, which was asked, where it does not."""
    said = answer.get("modelVersion") if isinstance(answer, dict) else None
    return said if isinstance(said, str) and said else model


def _note_in_journal(batch: Batch, outcomes: list[Outcome]) -> None:
    """What becomes of the pages, once their results are on the disk, before their rows say so.

    A kill in between is mended by the next fetch: the rows are still `submitted`, and the file is
    on disk. The other way round this folder would claim a page that failed, and might be out again.
    """
    indexes: dict[str, list[int]] = {}
    for outcome in outcomes:
        if outcome.reading is not None and outcome.line_index is not None:
            indexes.setdefault(_name(outcome.reading), []).append(outcome.line_index)
    if indexes:
        batch.add("applied", **indexes)


def _name(reading: PageReading | Unread) -> str:
    if isinstance(reading, Unread):
        return "failed" if reading.ran else "returned"
    return "completed"


def _move(
    db: Database, data_root: Path, outcome: Outcome, old: str | tuple[str, ...], in_batch: Any
) -> Tally:
    page, reading = outcome.page, outcome.reading
    if reading is None:
        return Tally()
    if not isinstance(reading, Unread):
        moved = _complete(db, data_root, outcome, reading, old, in_batch)
        return Tally(completed=moved)
    if reading.ran:
        moved = len(
            states.flip(
                db,
                [page],
                old,
                "failed",
                in_batch=in_batch,
                count_try=True,
                last_error=str(reading),
                model_version=None,
            )
        )
        if moved:
            pauses.end(db, [page])
        return Tally(failed=moved)
    moved = len(
        states.flip(
            db,
            [page],
            old,
            "rendered",
            in_batch=in_batch,
            last_error=str(reading),
            batch_id=None,
            within_batch_index=None,
            model_version=None,
        )
    )
    died = moved if reading == response.CACHE_GONE else 0
    return Tally(returned=moved, cache_died=died)


def _complete(
    db: Database,
    data_root: Path,
    outcome: Outcome,
    reading: PageReading,
    old: str | tuple[str, ...],
    in_batch: Any,
) -> int:
    page = outcome.page
    moved = states.flip(
        db,
        [page],
        old,
        "completed",
        in_batch=in_batch,
        result_path=str(paths.result(data_root, page)),
        model_version=outcome.model_version,
        last_error=None,
    )
    if moved:
        contradiction = dates.contradiction(page.pdf_path, reading.page_date_raw)
        date_checks.note(db, page, contradiction, states.now())
        mended_answers.note(db, page, reading.forgiven, states.now())
        pauses.end(db, [page])
    return len(moved)


# --- lines of the file --------------------------------------------------------------------------


def by_line(batch: Batch, check: FileCheck) -> Iterator[tuple[Line, list[dict[str, Any]]]]:
    """Each line of the manifest with the lines of the result file that have its key."""
    with ExitStack() as stack:
        some = check.offsets or check.doubled
        file = stack.enter_context(batch.responses.open("rb")) if some else io.BytesIO()
        for line in batch.lines:
            key = line["key"]
            offsets = [check.offsets[key]] if key in check.offsets else check.doubled.get(key, [])
            yield line, [_line_at(file, offset) for offset in offsets]


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, byte offset, line), parted at LF alone: texts hold U+2028 and U+0085."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                yield number, offset, raw
            offset += len(raw)


def _line_of(batch: Batch, offset: int) -> dict[str, Any]:
    with batch.responses.open("rb") as file:
        return _line_at(file, offset)


def _line_at(file: BinaryIO, offset: int) -> dict[str, Any]:
    file.seek(offset)
    line: dict[str, Any] = response.parse(file.readline())
    return line


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
