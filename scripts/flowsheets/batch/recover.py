"""What a killed command left behind, put right by the next one: no page stays in limbo."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from flowsheets import lock, paths
from flowsheets.batch import results
from flowsheets.batch.folder import Batch, load_batch, open_folders
from flowsheets.errors import Problem
from flowsheets.jobs import database, states
from flowsheets.money import usage
from flowsheets.page import response
from flowsheets.paths import PageId
from flowsheets.settings import Settings


def lost_claims(db: Database, data_root: Path) -> int:
    """Pages claimed for a batch whose folder never appeared go back to the queue; how many.

    Nothing of them was sent: a folder is there before anything is. Only for the holder of the
    `jobs` lock, since a folder that is being built looks just so. With a damaged manifest about,
    whose pages are unknown, nothing is moved.
    """
    for part in paths.batches(data_root).glob(".*.part"):
        _drop(part)
    unbound = states.unbound(db)
    if not unbound:
        return 0
    known: set[PageId] = set()
    for folder in open_folders(data_root):
        try:
            known.update(load_batch(folder).pages)
        except Problem:
            return 0
    lost = [page for page in unbound if page not in known]
    return len(states.flip(db, lost, "submitted", "rendered"))


def older_jobs_db(db: Database, data_root: Path) -> int:
    """Pages of open folders that jobs.db does not know as sent: it is from a backup; how many.

    A page is claimed before its folder is there, so a row that says something else and was last
    written before the folder was built, or is not there at all, is older than the folder.
    """
    rows = db.execute("SELECT pdf_path, page_number, status, updated_at FROM jobs")
    known = {PageId(*row[:2]): (row[2], row[3]) for row in rows}
    moved = 0
    for folder in open_folders(data_root):
        with suppress(Problem):  # a damaged folder is told by whoever works on it
            moved += _claim_again(load_batch(folder), known, db)
    return moved


def _claim_again(batch: Batch, known: dict[PageId, tuple[str, str]], db: Database) -> int:
    built = batch.last("built")
    if not built:
        return 0
    old = ("pending", "rendered", "failed")
    bound = batch.batch_id if batch.last("bound") else None
    moved = 0
    with database.transaction(db):
        for line, page in zip(batch.lines, batch.pages, strict=True):
            status, updated_at = known.get(page, ("pending", ""))
            if status not in old or updated_at >= built["at"]:
                continue
            if page not in known:
                states.register(db, [page])
            index = line["index"] if bound else None
            moved += len(
                states.flip(db, [page], old, "submitted", batch_id=bound, within_batch_index=index)
            )
    return moved


def _drop(part: Path) -> None:
    """Take away what a killed build left, and the prompt cache that it may have asked for."""
    if (part / "journal.jsonl").exists():
        from flowsheets.batch import (
            prompt_cache,  # brings the SDK along, which is hardly ever wanted here
        )

        prompt_cache.drop(part.name.removeprefix(".").removesuffix(".part"))
    shutil.rmtree(part, ignore_errors=True)


def dead_run(db: Database, settings: Settings) -> int:
    """Pages that a killed real-time run left in `processing`: settled, or back in the queue.

    An answer that was saved before the kill was paid for, so it is used. Returns how many pages
    moved; none while a real-time run is alive.
    """
    if not states.in_status(db, "processing"):
        return 0
    try:
        with lock.held(settings.data_root, "process"):
            return settle_dead_run(db, settings)
    except lock.Held:
        return 0


def settle_dead_run(db: Database, settings: Settings) -> int:
    """`dead_run`, for the holder of the `process` lock."""
    moved = 0
    for page in states.in_status(db, "processing"):
        for part in paths.broken_responses(settings.data_root, page):
            part.unlink(missing_ok=True)
        row = states.row(db, page)
        saved = _saved_since(row["updated_at"], settings.data_root, page) if row else None
        if row is None or saved is None:
            moved += len(states.flip(db, [page], "processing", "rendered"))
            continue
        outcome = read_saved(page, saved, row["model_version"] or settings.model)
        moved += results.settle(db, settings.data_root, [outcome], old="processing").pages
    return moved


def read_saved(page: PageId, saved: Path, model: str) -> results.Outcome:
    """What came of a page, from its real-time answer on disk, and what was paid for it.

    `model` is the one that was asked for.
    """
    answer: Any = None
    try:
        answer = orjson.loads(saved.read_bytes())
        reading = response.read(answer)
    except ValueError:
        reading = response.Unread("not_json", "the answer is no JSON")
    at, asked = paths.asked_for(saved)
    version = results.model_version(answer, model)
    mode, tokens = usage.mode(answer, asked), usage.tokens(answer)
    paid = usage.Answer(page, None, mode, model, version, tokens, at)
    return results.Outcome(page, reading, version, paid)


def _saved_since(claimed_at: str, data_root: Path, page: PageId) -> Path | None:
    kept = paths.real_time_responses(data_root, page)
    claimed = paths.real_time_response(data_root, page, claimed_at)
    return kept[-1] if kept and kept[-1].name >= claimed.name else None
