"""From a batch that ended to its result file on disk: what may be believed of what the API says.

The API has been seen to name a file before the end, to end without one and have it later, to hand
out fewer lines than it counts, and to be CANCELLED and SUCCEEDED an hour later. So a file is kept
only of a batch that ended, and is used only when it holds what the API counts.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from flowsheets import clock, files
from flowsheets.batch import recover, results
from flowsheets.batch.folder import Batch
from flowsheets.batch.results import FileCheck
from flowsheets.errors import Problem, warn
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import Operation
from flowsheets.settings import Settings

# SUCCEEDED has been seen before the result file's name was there (ellmer).
FILE_MAY_LAG = timedelta(hours=1)
# A file with fewer responses than the API counts has been seen to be whole later.
SHORT_FOR = timedelta(hours=24)
# Results are kept at least so long after the create; until then a 403 or 404 proves nothing.
RESULTS_LIVE = timedelta(hours=48)
# A batch that was closed without a result file is asked for again so often, and for so long.
LOOK_LATE_EVERY, LOOK_LATE_FOR = timedelta(hours=1), timedelta(hours=48)


class NotWhole(Problem):
    """The batch's responses are still to come: its pages stay as they are."""


def ask(batch: Batch) -> Operation:
    """The API's reply about the batch, kept as batch.json. Raises `ApiProblem`."""
    reply = _reply(batch)
    batch.keep_reply(reply)
    return Operation(reply)


def _reply(batch: Batch) -> dict[str, Any]:
    """Of a batch that the API does not know any more, what its bucket tells, where it has one."""
    try:
        return batch.door.get(str(batch.batch_id))
    except ApiProblem as problem:
        found = None
        if problem.code == 404 and batch.door.bucket:
            found = batch.door.find(batch.name)
        if found is None:
            raise
        return found


def must_have_file(operation: Operation) -> bool:
    """Whether a batch that ended so has a result file, at once or a little later."""
    return "SUCCEEDED" in operation.state


def have_file(batch: Batch) -> bool:
    """Whether responses.jsonl is on disk as it was downloaded; one that is torn is put aside."""
    if not batch.responses.exists():
        return False
    noted = batch.last("downloaded")
    if noted is None:  # from before downloads were noted
        return True
    size = batch.responses.stat().st_size
    if size == noted["bytes"] and results.file_digest(batch.responses) == noted["sha256"]:
        return True
    kept = _put_aside(batch)
    batch.add("torn", kept=kept.name)
    return False


def download(batch: Batch, operation: Operation) -> bool:
    """Load the result file of an ended batch; false where none is named. Raises `ApiProblem`."""
    name = operation.responses_file
    if not (operation.ended and name):
        return False
    got = batch.door.fetch(name, batch.responses)
    if got is None:
        return False
    batch.add("downloaded", **got._asdict(), differs=got.differs)
    if got.differs:
        warn(f"{batch.responses} was loaded twice alike, and is not of the size that the API names")
    return True


def check(batch: Batch) -> FileCheck:
    """The file's check. Raises `Problem` where it cannot be trusted as a whole.

    Raises `NotWhole` where it holds fewer responses than the API counts: it is put aside, and
    loaded again by the next fetch.
    """
    found = results.check_file(batch)
    if found.faults:
        raise _quarantine(batch, found)
    if batch.responses.exists() and (lacks := _lacks(batch, found)):
        raise _put_aside_as_short(batch, lacks)
    return found


def _lacks(batch: Batch, found: FileCheck) -> str | None:
    """Why the file is not all that the API has; None where it is, as far as that can be told."""
    noted = batch.last("downloaded")
    if noted and noted.get("differs") and len(found.offsets) < len(batch.lines):
        return f"has {noted['bytes']} bytes, the API names {noted['api_bytes']}"
    return results.missing_responses(batch, found)


def _quarantine(batch: Batch, found: FileCheck) -> Problem:
    more = f" and {len(found.faults) - 1} more faults" if len(found.faults) > 1 else ""
    if not batch.last("quarantined"):
        batch.add("quarantined", faults=found.faults[:10])
    return Problem(
        batch.responses,
        f"{found.faults[0]}{more}. Nothing of it is used, its pages stay submitted",
        f"Look at the file, then make batch-rescue ID={batch.batch_id}",
    )


def _put_aside_as_short(batch: Batch, lacks: str) -> Problem:
    first = batch.all("short")[:1]
    kept = _put_aside(batch)
    if not first:  # once: with cron there would be one a minute
        first = [batch.add("short", reason=lacks, kept=kept.name)]
    since = clock.elapsed(first[0])
    what = f"its result file {lacks}; its pages stay submitted"
    if since > SHORT_FOR:
        return Problem(
            batch.batch_id,
            f"{what}, for {since.total_seconds() / 3600:.0f} h now",
            f"Use what there is: make batch-rescue ID={batch.batch_id}",
        )
    return NotWhole(batch.batch_id, what, "The next fetch loads it again")


def _put_aside(batch: Batch) -> Path:
    """Keep responses.jsonl under another name, once: cron may load the same file each minute."""
    digest = results.file_digest(batch.responses)
    for kept in batch.folder.glob("responses.jsonl.*"):
        if results.file_digest(kept) == digest:
            batch.responses.unlink()
            return kept
    return files.put_aside(batch.responses)


# --- batches that were closed --------------------------------------------------------------------


def late(batch: Batch, db: Database, settings: Settings) -> str | None:
    """Responses that came after the batch was closed: a line about them, None without any.

    They are kept and counted, and complete the pages that still wait. Raises `ApiProblem`.
    """
    if batch.state != "settled" or not batch.batch_id or not _may_be_more(batch):
        return None
    batch.add("looked_late")
    known = len(results.check_file(batch).offsets)
    operation = _late_operation(batch)
    if operation is None or not (operation.ended and operation.responses_file):
        return None
    kept = _put_aside(batch) if batch.responses.exists() else None
    if not _downloaded_late(batch, operation):
        if kept:  # what there was is all there is
            os.replace(kept, batch.responses)
        return None
    found = results.check_file(batch)
    if len(found.offsets) <= known:
        return None
    moved = recover.take_in(batch, db, settings).applied.pages
    return (
        f"fetched {batch.batch_id} after it was closed: {len(found.offsets) - known} more responses"
        f" are kept and counted by make cost, {moved} pages that waited have their outcome"
    )


def _downloaded_late(batch: Batch, operation: Operation) -> bool:
    try:
        return download(batch, operation)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        return False


def look_late_now(batch: Batch) -> bool:
    """Whether cron asks for a batch again that was closed without a result file."""
    sent, looked = batch.last("create_sent"), batch.last("looked_late", "settled")
    return (
        batch.state == "settled"
        and not batch.responses.exists()
        and bool(batch.batch_id and sent and looked)
        and clock.elapsed(sent or {}) < LOOK_LATE_FOR
        and clock.elapsed(looked or {}) > LOOK_LATE_EVERY
    )


def _may_be_more(batch: Batch) -> bool:
    if not batch.responses.exists():
        return True
    found = results.check_file(batch)
    return len(found.offsets) + len(found.doubled) < len(batch.lines)


def _late_operation(batch: Batch) -> Operation | None:
    try:
        return ask(batch)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        return None
