"""What is, for the planner: from jobs.db, the open folders and the disk; asks no API."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from sqlite_utils import Database

from flowsheets import clock, paths
from flowsheets.batch import budget, plan, proof, recover, submit, trial
from flowsheets.batch.folder import Batch, batch_folders, load_batch, open_folders
from flowsheets.batch.plan import Limits, PageSize, Refusal, State, Unsent
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.gemini.room import NO_LIMIT
from flowsheets.jobs import beliefs, database, folders, pauses, states
from flowsheets.jobs.beliefs import Belief
from flowsheets.money import estimate
from flowsheets.settings import Settings

UPLOADS_LIVE = timedelta(hours=48)  # documented
# A page of 1990 as a PNG, and its line among the requests; the newest batch here says it better.
LINE_BYTES = 230_000
# A line is base64, four bytes for three, and the page's PNG lies on the disk as well.
DISK_PER_LINE = 1.75
_EVENTS = {"create_failed": ("quota", "tokens"), "upload_failed": ("storage", "bytes")}


@dataclass(frozen=True)
class Situation:
    """What `plan.next_step` is asked with, and the folder that waits to be sent."""

    state: State
    limits: Limits
    page: PageSize
    unsent: Batch | None
    out: list[Batch]  # which the API has, or may have


def look(db: Database, settings: Settings) -> Situation:
    """All of it as it is now; what goes through another door does not count against this one."""
    basis = estimate.basis(db, settings)
    found = list(_open(db, settings))
    out = [one for one in found if one.may_be_sent and one.state != "unclear"]
    waiting = [one for one in found if not one.bound and one.state != "created"]
    unsent = next(iter(waiting), None)
    paused = pauses.waiting(db)
    under_way = [one for one in out if _ours(one) and not one.operation.ended]
    line = _line_bytes(settings, found)
    dollars = budget.each_and_out(db, settings) if settings.max_usd is not None else None
    usd_each, usd_out = dollars or (None, Decimal(0))
    state = State(
        waiting=states.count_waiting(db, settings.data_root, settings.max_attempts, paused),
        undrawn=_undrawn(db, settings),
        paused=len(paused),
        paused_for=min((pause.left for pause in paused.values()), default=timedelta()),
        batches_out=len(under_way),
        tokens_out=sum(_tokens(one, basis.usual.prompt) for one in under_way),
        bytes_kept=sum(map(_kept_bytes, filter(_ours, (*found, *_given_back(db, settings))))),
        usd_out=usd_out,
        unsent=_unsent(unsent, basis.usual.prompt) if unsent else None,
        refusals=tuple(map(_refusal, _believed_here(db))),
        trial=trial.standing(db, settings),
        bucket_pages=proof.room(db, settings.data_root),
        disk_free=shutil.disk_usage(settings.data_root).free,
    )
    page = PageSize(basis.usual.prompt, line, int(line * DISK_PER_LINE), usd_each)
    return Situation(state, limits(settings), page, unsent, out)


def limits(settings: Settings) -> Limits:
    """What may be out at once, by the settings and the door."""
    room = door.now().ROOM
    return Limits(
        tokens=settings.max_enqueued_tokens or room.tokens.get(settings.tier, NO_LIMIT),
        batches=room.batches,
        bytes=room.stored,
        batch_pages=min(settings.batch_pages, room.batch_pages),
        usd=settings.max_usd,
    )


def take_in_refusals(db: Database, now: Situation) -> list[Belief]:
    """What the journal of the folder that waits says was refused, noted once; the new ones."""
    if now.unsent is None:
        return []
    new = []
    for event in now.unsent.events:
        kind, what = _EVENTS.get(event["event"], ("", ""))
        source = f"{now.unsent.name} {event['at']}"
        recent = clock.elapsed(event) < plan.BELIEVED_FOR
        if not kind or event.get("kind") != kind or not recent or beliefs.known(db, source):
            continue
        state, asked = now.state, _unsent(now.unsent, now.page.tokens)
        out, more, one = (
            (state.tokens_out, asked.tokens, now.page.tokens)
            if what == "tokens"
            else (state.bytes_kept, asked.bytes, now.page.bytes)
        )
        fits = plan.fits_after_refusal(out, more, one)
        new.append(Belief(source, what, out + more, fits, str(event.get("reason")), True, event))
    with database.transaction(db):
        for belief in new:
            beliefs.add(db, belief)
        beliefs.forget_old(db)
    return new


def note_accepted(db: Database, now: Situation) -> None:
    """What is out was accepted, so some refusals say nothing any more."""
    known = _believed_here(db)
    refusals = list(map(_refusal, known))
    with database.transaction(db):
        for what, total in (("tokens", now.state.tokens_out), ("bytes", now.state.bytes_kept)):
            held = plan.still_held(refusals, what, total)
            over = [one.source for one, holds in zip(known, held, strict=True) if not holds]
            beliefs.accepted(db, what, over)


def give_back(db: Database, folder: Path) -> int:
    """The pages of a folder that cannot be sent return to the queue, for smaller batches; how many.

    For the holder of the `jobs` lock. Only where no create of it is unclear.
    """
    batch = load_batch(folder)  # as the last holder of the lock left it
    if batch.state not in ("built", "uploaded"):
        return 0
    returned = submit.give_back(batch, db, "given_back", reason="more than is believed to fit")
    recover.know(db, batch)
    return returned


def _open(db: Database, settings: Settings) -> Iterator[Batch]:
    """Open folders, oldest first, comparisons after; a damaged one is its command's to report."""
    for found in (
        open_folders(settings.data_root, db),
        open_folders(settings.data_root, place=paths.comparisons),
    ):
        for folder in found:
            with suppress(Problem):
                batch = load_batch(folder)
                if batch.may_be_sent or folder.parent == paths.batches(settings.data_root):
                    yield batch


def _given_back(db: Database, settings: Settings) -> Iterator[Batch]:
    """Folders that were closed without a batch of late: their upload may live on."""
    since = f"{datetime.now(UTC) - UPLOADS_LIVE * 2:%Y%m%d-%H%M%S}"
    for name in folders.in_states(db, ("given_back", "refused")):
        if door.without_letter(name) >= since:
            with suppress(Problem):
                batch = load_batch(paths.batches(settings.data_root) / name)
                if not (batch.last("given_back", "refused") or {}).get("deleted"):
                    yield batch


def _kept_bytes(batch: Batch) -> int:
    """Bytes of its upload at the API, which deletes it after 48 h by itself."""
    last = batch.last("uploaded", "upload_lost")
    if not last or last["event"] != "uploaded" or clock.elapsed(last) >= UPLOADS_LIVE:
        return 0
    return int(last.get("bytes") or (batch.last("built") or {}).get("bytes") or 0)


def _tokens(batch: Batch, a_page: int) -> int:
    """Tokens that it enqueues: as it was built, or estimated for an older folder."""
    built = batch.last("built") or {}
    return int(built.get("tokens") or len(batch.lines) * a_page)


def _unsent(batch: Batch, a_page: int) -> Unsent:
    built = batch.last("built") or {}
    size = 0 if _kept_bytes(batch) else int(built.get("bytes") or 0)
    free = batch.state in ("built", "uploaded")
    return Unsent(len(batch.lines), _tokens(batch, a_page), size, free, _ours(batch))


def _ours(batch: Batch) -> bool:
    """Whether it goes through the door that the settings name."""
    return batch.door.NAME == door.now().NAME


def _believed_here(db: Database) -> list[Belief]:
    """What this door had no room for; a row's source begins with the folder's name."""
    name = door.now().NAME
    return [one for one in beliefs.held(db) if door.by_name(one.source) == name]


def _refusal(belief: Belief) -> Refusal:
    what: Literal["tokens", "bytes"] = "bytes" if belief.what == "bytes" else "tokens"
    age = clock.elapsed(belief.noted)
    return Refusal(what, belief.total, belief.fits, age, belief.in_a_row)


def _undrawn(db: Database, settings: Settings) -> int:
    """Pages that want an image, of PDFs that are there."""
    found = states.undrawn(db)
    return sum(n for pdf_path, n in found.items() if (settings.scans_root / pdf_path).exists())


def _line_bytes(settings: Settings, found: list[Batch]) -> int:
    """Bytes of a page's request: as in the newest batch here."""
    newest = found[-1:] or _newest(settings)
    for batch in newest:
        built = batch.last("built") or {}
        if built.get("bytes") and built.get("pages"):
            return max(int(built["bytes"] / built["pages"]), 1)
    return LINE_BYTES


def _newest(settings: Settings) -> list[Batch]:
    for folder in reversed(batch_folders(settings.data_root)):
        with suppress(Problem):
            return [load_batch(folder)]
    return []
