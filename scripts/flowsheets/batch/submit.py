"""From a built folder to a batch at the API: created once, or found again and adopted.

Two equal create calls are two paid batches, so the journal says `create_sent` before the call and
`created` after it. A folder whose last word is `create_sent` or `create_unclear` may have a batch:
it is looked for by its name, and created again only when no listing has shown it for SUBMIT_GRACE
seconds.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlite_utils import Database

from flowsheets import files
from flowsheets.batch import budget, prompt_cache
from flowsheets.batch.folder import Batch
from flowsheets.errors import Problem
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, states
from flowsheets.settings import Settings

# An upload lives 48 h at the API; an older one is made again before it can expire on the way.
UPLOAD_HOURS = 40
# A folder is sent as soon as it is built; one that waits longer may be from a backup.
FRESH = timedelta(hours=1)
# How often, and seconds apart, an unclear create is looked up before the command gives up for now.
LOOKUPS = 3
LOOKUP_SECONDS = 2.0


class Later(Problem):
    """Nothing is wrong that a person could mend: the next submit or fetch goes on by itself."""


class QueueFull(Later):
    """No more batches can be made for now, of any folder."""


def unknown(batch_id: str) -> Problem:
    """What a person is told where the API answers 404 for a batch."""
    return Problem(
        batch_id,
        "the API knows no such batch with this key",
        f"Check GEMINI_API_KEY, or give it up: make batch-rescue ID={batch_id}",
    )


def finish(batch: Batch, db: Database | None, settings: Settings) -> None:
    """Adopt or create the batch, then bind its pages to it; without `db` no page is concerned.

    Raises `Later` while the folder has to wait, `Problem` where a person must act.
    """
    if not batch.batch_id and not (_worth_looking_for(batch) and adopt(batch)):
        _wait_out_the_grace(batch, settings)
        _create(batch, db, settings)
    bind(batch, db)


def adopt(batch: Batch) -> bool:
    """Look for a batch of the folder's name at the API; true where it was found."""
    operation = calls.find_batch(batch.name)
    if operation is None:
        return False
    _created(batch, operation)
    return True


def bind(batch: Batch, db: Database | None) -> None:
    """Write the API's id into manifest and rows. Repeatable, so a kill in between is no matter."""
    if batch.last("bound") or not batch.batch_id:
        return
    batch.set_batch_id(batch.batch_id)
    if db is not None:
        _bind_pages(batch, db)
    batch.note("bound")


def _bind_pages(batch: Batch, db: Database) -> None:
    with database.transaction(db):
        for line, page in zip(batch.lines, batch.pages, strict=True):
            states.flip(
                db,
                [page],
                "submitted",
                "submitted",
                batch_id=batch.batch_id,
                within_batch_index=line["index"],
            )


def give_back(batch: Batch, db: Database | None, event: str, **facts: Any) -> int:
    """Close a folder without a batch; its pages return to the queue, no try counted; how many.

    Closed first: should a kill come between, its pages are claims without a folder, which the next
    command gives back.
    """
    with suppress(ApiProblem):  # what is kept at the API ends there by itself
        let_go(batch)
    batch.note(event, **facts)
    if db is None:
        return 0
    return len(
        states.flip(
            db, batch.pages, "submitted", "rendered", batch_id=None, within_batch_index=None
        )
    )


def let_go(batch: Batch) -> None:
    """Every page is settled: what was kept at the API for them is no longer needed."""
    uploaded = batch.last("uploaded")
    if uploaded:
        calls.delete_file(uploaded["file"])
    if batch.cached_content:
        calls.delete_cache(batch.cached_content)
    elif batch.last("cache_asked"):  # refused, or made and its answer lost
        calls.delete_caches(batch.name)


def grace_left(batch: Batch, settings: Settings) -> float:
    """Seconds until an unclear create counts as never made; 0 where none is unclear."""
    if not may_exist(batch):
        return 0
    last = batch.last("create_sent", "create_unclear")
    if last:
        sent = datetime.fromisoformat(last["at"])
    else:
        sent = datetime.fromtimestamp((batch.folder / "manifest.jsonl").stat().st_mtime, UTC)
    left = settings.submit_grace - (datetime.now(UTC) - sent).total_seconds()
    return min(max(0.0, left), settings.submit_grace)  # a clock may have been set back


def _worth_looking_for(batch: Batch) -> bool:
    """An old folder of which the journal knows no create may be from a backup made before it."""
    built = batch.last("built")
    old = built and datetime.now(UTC) - datetime.fromisoformat(built["at"]) > FRESH
    return bool(old) or may_exist(batch)


def may_exist(batch: Batch) -> bool:
    """Whether the API may have a batch of that folder; so it is without its journal."""
    return not batch.events or (batch.may_be_sent and not batch.batch_id)


def _wait_out_the_grace(batch: Batch, settings: Settings) -> None:
    left = grace_left(batch, settings)
    if left > 0:
        raise Later(
            batch.folder,
            "whether the API made this batch is unclear, and it lists none of that name yet",
            f"Nothing is sent twice: make batch-submit creates it if none shows up in {left:.0f} s",
        )


def _create(batch: Batch, db: Database | None, settings: Settings) -> None:
    model = (batch.last("built") or {}).get("model") or settings.model
    if db is not None:
        _hold_to_limit(batch, db, settings)
    if not prompt_cache.renew(batch):
        returned = give_back(batch, db, "given_back", cache_died=True)
        raise Later(
            batch.folder,
            f"its prompt cache is gone; its {returned} pages are back in the queue",
            "Run make batch-submit again: it goes without a cache",
        )
    operation = None
    for again in (False, True):
        file = _upload(batch)
        batch.note("create_sent", file=file, model=model)
        try:
            operation = calls.submit_batch(model, file, batch.name)
            break
        except ApiProblem as problem:
            if problem.unclear:
                batch.note("create_unclear", reason=problem.what)
                if _found_soon(batch):
                    return
                _wait_out_the_grace(batch, settings)
                raise Later(batch.folder, problem.what, "Run make batch-submit again") from problem
            batch.note("create_failed", reason=problem.what)
            if problem.code == 403 and not problem.key_refused and not again:
                batch.note("upload_lost")  # expired, or another key's: free to make again
                continue
            _refuse_or_wait(batch, db, problem)
    if operation:
        _created(batch, operation)


def _hold_to_limit(batch: Batch, db: Database, settings: Settings) -> None:
    """A folder that was built under another limit waits where this one's would be passed."""
    try:
        own = budget.as_built(batch, settings)
        budget.hold_to_limit(db, own, len(batch.lines), sent=True)
    except Problem as problem:
        raise QueueFull(batch.folder, problem.message, "It waits until then") from problem


def _refuse_or_wait(batch: Batch, db: Database | None, problem: ApiProblem) -> None:
    """After a clear no: raises what the person is told."""
    if problem.code in (400, 404) and not problem.key_refused:
        # For good: the same request would be refused again.
        returned = give_back(batch, db, "refused", reason=problem.what)
        raise Problem(
            batch.folder,
            f"{problem.what} The {returned} pages are back in the queue",
            "Correct the cause, then make batch-submit",
        )
    if problem.code == 429:
        raise QueueFull(
            batch.folder,
            problem.what,
            "The upload is kept: make batch-submit goes on with it when the queue has room",
        )
    raise problem


def _found_soon(batch: Batch) -> bool:
    for attempt in range(LOOKUPS):
        if attempt:
            time.sleep(LOOKUP_SECONDS)
        if adopt(batch):
            return True
    return False


def _upload(batch: Batch) -> str:
    """The uploaded requests file, `files/…`, from an earlier run if it is still there."""
    last = batch.last("uploaded", "upload_lost")
    if last and last["event"] == "uploaded":
        age = datetime.now(UTC) - datetime.fromisoformat(last["at"])
        if age < timedelta(hours=UPLOAD_HOURS):
            return str(last["file"])
    requests = batch.folder / "requests.jsonl"
    if not requests.is_file():
        raise Problem(
            requests, "is missing", f"Give its pages back: make batch-rescue ID={batch.name}"
        )
    file = calls.upload(requests, batch.name)
    batch.note("uploaded", file=file, bytes=requests.stat().st_size)
    return file


def _created(batch: Batch, operation: dict[str, object]) -> None:
    batch.note("created", batch_id=operation["name"])
    keep_reply(batch, operation)


def keep_reply(batch: Batch, operation: dict[str, object]) -> None:
    """`batch.json`: the API's last word on the batch, verbatim."""
    path = batch.folder / "batch.json"
    content = orjson.dumps(operation, option=orjson.OPT_INDENT_2)
    if not path.exists() or path.read_bytes() != content:
        files.write_whole(path, content)
