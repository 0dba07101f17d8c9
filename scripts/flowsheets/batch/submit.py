"""From a built folder to a batch at the API: created once, or found again and adopted.

Two equal create calls are two paid batches, so the journal says `create_sent` before the call and
`created` after it. Whatever the journal says, a batch of the folder's name is looked for at the API
before one is created: the folder may be from a backup, or a copy. Where a create had an unclear
end, a batch that no listing shows counts as never made only after SUBMIT_GRACE seconds.
"""

import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlite_utils import Database

from flowsheets import clock
from flowsheets.batch import budget, prompt_cache
from flowsheets.batch.folder import Batch
from flowsheets.errors import Problem
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, pauses, states
from flowsheets.page.request import setting_refused
from flowsheets.settings import Settings

# An upload lives 48 h at the API; an older one is made again before it can expire on the way.
UPLOAD_HOURS = 40
# How often, and seconds apart, an unclear create is looked up before the command gives up for now.
LOOKUPS = 3
LOOKUP_SECONDS = 2.0


class Later(Problem):
    """Nothing is wrong that you could mend: the next submit goes on by itself."""

    waits = True


class QueueFull(Later):
    """No more batches can be made for now, of any folder."""


class UploadGone(Exception):
    """The uploaded file expired, or is another key's: it costs nothing to upload it again."""


def unknown(batch: Batch) -> Problem:
    """What you are told where the API answers 404 for a batch."""
    door = batch.door
    return Problem(
        batch.batch_id,
        f"the API knows no such batch with this {door.WHOSE}",
        f"Check {door.ACCOUNT}, or give it up: make batch-rescue ID={batch.batch_id}",
    )


def send(batch: Batch, db: Database | None, settings: Settings) -> None:
    """Adopt or create the batch, then bind its pages to it; without `db` no page is concerned.

    Raises `Later` while the folder has to wait, `Problem` where you must act.
    """
    if not batch.batch_id and not adopt(batch):
        refuse_another_key(batch)
        _wait_out_the_grace(batch, settings)
        _create(batch, db, settings)
    bind(batch, db)


def adopt(batch: Batch) -> bool:
    """Look for a batch of the folder's name at the API; true where it was found."""
    operation = batch.door.find(batch.name)
    if operation is not None:
        _created(batch, operation)
        return True
    if batch.state == "unclear":
        _note_look_up(batch)
    return False


def bind(batch: Batch, db: Database | None) -> None:
    """Write the API's id into manifest and rows. Repeatable, so a kill in between does no harm."""
    if batch.state != "created" or not batch.batch_id:
        return
    batch.set_batch_id(batch.batch_id)
    if db is not None:
        _bind_pages(batch, db)
    batch.add("bound")


def _bind_pages(batch: Batch, db: Database) -> None:
    """Only claims without a batch: a page that is out in another one stays there."""
    with database.transaction(db):
        for line, page in zip(batch.lines, batch.pages, strict=True):
            states.flip(
                db,
                [page],
                "submitted",
                "submitted",
                in_batch=None,
                batch_id=batch.batch_id,
                within_batch_index=line["index"],
            )


def give_back(batch: Batch, db: Database | None, event: Any, **facts: Any) -> int:
    """Close a folder without a batch; its pages return to the queue, no try counted; how many.

    Closed first: should a kill come between, its pages are claims without a folder, which the next
    command gives back.
    """
    with suppress(Problem):  # refused, or without its key: what is kept there ends by itself
        clean_up(batch)
        facts["deleted"] = True
    if event == "refused" and db is not None:
        facts |= _pause_after_refusal(batch, db)
    closed = batch.add(event, **facts)
    if db is None:
        return 0
    with database.transaction(db):
        moved = states.flip(db, batch.pages, "submitted", "rendered", in_batch=None)
        if "pause" in closed:
            pauses.add(db, moved, closed["pause"], closed.get("reason", ""), closed)
    return len(moved)


def _pause_after_refusal(batch: Batch, db: Database) -> dict[str, int]:
    """The first refusal may be mended at once; from the second on cron is not to upload again."""
    known = pauses.all_of(db)
    return {"pause": max((known[p].times + 1 for p in batch.pages if p in known), default=0)}


def clean_up(batch: Batch) -> None:
    """Every page has its outcome: delete what was kept at the API for them."""
    uploaded = batch.last("uploaded")
    batch.door.tidy_up(uploaded["file"] if uploaded else None, batch.name)
    if batch.cached_content:
        batch.door.delete_cache(batch.cached_content)
    elif batch.last("cache_asked"):  # refused, or made and its response lost
        batch.door.delete_caches(batch.name)


# --- a create with an unclear end ---------------------------------------------------------------


def grace_left(batch: Batch, settings: Settings) -> float:
    """Seconds until an unclear create counts as never made; 0 where none is unclear.

    Told without the wall clock where that is possible: since the create within one boot of this
    machine, else since the first look-up of this boot that did not show the batch.
    """
    if batch.state != "unclear":
        return 0
    sent = batch.last("create_sent", "create_unclear")
    looked = [noted for noted in batch.all("looked_up") if clock.same_boot(noted)]
    if sent and (clock.same_boot(sent) or not clock.this_boot()):
        since = sent
    elif looked:
        since = looked[0]
    else:
        return float(settings.submit_grace)
    return max(0.0, settings.submit_grace - clock.elapsed(since).total_seconds())


def _note_look_up(batch: Batch) -> None:
    """Once a boot: from then on the grace can be told."""
    if not any(clock.same_boot(noted) for noted in batch.all("looked_up")):
        batch.add("looked_up")


def _wait_out_the_grace(batch: Batch, settings: Settings) -> None:
    left = grace_left(batch, settings)
    if left > 0:
        raise Later(
            batch.folder,
            "whether the API made this batch is unclear, and it lists none of that name yet",
            f"Nothing is sent twice: make batch-submit creates it if none shows up in {left:.0f} s",
        )


def refuse_another_key(batch: Batch) -> None:
    """Another key's listing does not show the batch, so its silence proves nothing."""
    sent = batch.last("create_sent")
    if batch.state == "unclear" and sent and not batch.door.would_list(sent):
        raise Problem(
            batch.folder,
            "whether the API made this batch is unclear, and it was sent with another key",
            f"Set {batch.door.ACCOUNT} back to that one until it is found, or give it up:"
            f" make batch-rescue ID={batch.name}",
        )


def _found_soon(batch: Batch) -> bool:
    for attempt in range(LOOKUPS):
        if attempt:
            time.sleep(LOOKUP_SECONDS)
        if adopt(batch):
            return True
    return False


# --- creating -----------------------------------------------------------------------------------


def _create(batch: Batch, db: Database | None, settings: Settings) -> None:
    model = batch.model or settings.model
    if db is not None:
        _refuse_if_read_elsewhere(batch, db)
        _hold_to_limit(batch, db, settings)
    _renew_cache(batch, db)
    try:
        _ask_to_create(batch, db, settings, model, first=True)
    except UploadGone:
        batch.add("upload_lost")
        _ask_to_create(batch, db, settings, model, first=False)


def _refuse_if_read_elsewhere(batch: Batch, db: Database) -> None:
    """A folder from a backup, or whose journal lost a line, may hold pages that were read since."""
    rows = states.rows_of(db, batch.pages)
    claimed = [
        p for p, row in rows.items() if (row["status"], row["batch_id"]) == ("submitted", None)
    ]
    if len(claimed) == len(batch.lines):
        return
    returned = give_back(batch, db, "given_back", reason="pages of it were read elsewhere")
    raise Later(
        batch.folder,
        f"{len(batch.lines) - returned} of its pages were read elsewhere or are out in another"
        f" batch, so it is not sent; its other {returned} pages are back in the queue",
        "Run make batch-submit again",
    )


def _ask_to_create(
    batch: Batch, db: Database | None, settings: Settings, model: str, first: bool
) -> None:
    """Upload, and create once. Raises `UploadGone` where that is why, the `first` time."""
    file = _upload(batch, db)
    batch.add("create_sent", file=file, model=model, **batch.door.sender())
    try:
        operation = batch.door.create(model, file, batch.name)
    except ApiProblem as problem:
        if problem.unclear:
            _look_for_it(batch, settings, problem)
            return
        batch.add("create_failed", reason=problem.what, kind=problem.kind)
        if first and problem.code == 403 and not problem.key_refused:
            raise UploadGone from problem
        raise refusal(batch, db, problem) from problem
    _created(batch, operation)


def _look_for_it(batch: Batch, settings: Settings, problem: ApiProblem) -> None:
    """The create may have been carried out: look before anything else."""
    batch.add("create_unclear", reason=problem.what)
    if _found_soon(batch):
        return
    _wait_out_the_grace(batch, settings)
    raise Later(batch.folder, problem.what, "Run make batch-submit again") from problem


def refusal(batch: Batch, db: Database | None, problem: ApiProblem) -> Problem:
    """What you are told after a clear no. One that is for good gives the pages back."""
    if problem.code in (400, 404) and not problem.key_refused:
        returned = give_back(batch, db, "refused", reason=problem.what)
        what = f"{problem.what} The {returned} pages are back in the queue"
        fix = "Correct the cause, then make batch-submit"
        return setting_refused(what) or Problem(batch.folder, what, fix)
    if problem.code == 429:
        fix = "The upload is kept: make batch-submit goes on with it when the queue has room"
        full = QueueFull(
            batch.folder, problem.what, fix if problem.kind == "quota" else problem.fix
        )
        full.kind = problem.kind
        return full
    return problem


def _renew_cache(batch: Batch, db: Database | None) -> None:
    if prompt_cache.renew(batch):
        return
    returned = give_back(batch, db, "given_back", cache_died=True)
    raise Later(
        batch.folder,
        f"its prompt cache is gone; its {returned} pages are back in the queue",
        "Run make batch-submit again: it goes without a cache",
    )


def _hold_to_limit(batch: Batch, db: Database, settings: Settings) -> None:
    """A folder that was built under another limit waits where this one's would be passed."""
    try:
        own = budget.as_built(batch, settings)
        budget.hold_to_limit(db, own, len(batch.lines), sent=True)
    except Problem as problem:
        raise QueueFull(batch.folder, problem.message, "It waits until then") from problem


def _upload(batch: Batch, db: Database | None) -> str:
    """The uploaded requests file, `files/…`, from an earlier run if it is still there."""
    last = batch.last("uploaded", "upload_lost")
    age = clock.elapsed(last) if last else timedelta()
    if last and last["event"] == "uploaded" and age < timedelta(hours=UPLOAD_HOURS):
        return str(last["file"])
    if not batch.requests.is_file():
        raise Problem(
            batch.requests, "is missing", f"Give its pages back: make batch-rescue ID={batch.name}"
        )
    try:
        file = batch.door.upload(batch.requests, batch.name, batch.sent)
    except ApiProblem as problem:
        if problem.code == 400 and not problem.key_refused:  # for good: not to be sent each run
            raise refusal(batch, db, problem) from problem
        if problem.kind == "storage":
            batch.add("upload_failed", reason=problem.what, kind=problem.kind)
        raise
    batch.add("uploaded", file=file, bytes=batch.requests.stat().st_size)
    return file


def _created(batch: Batch, operation: dict[str, Any]) -> None:
    batch.add("created", batch_id=operation["name"])
    batch.keep_reply(operation)
