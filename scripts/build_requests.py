"""Waiting pages to a batch's folder: batches/<name>/manifest.jsonl and requests.jsonl.

    python scripts/build_requests.py --limit 50

Takes the next pages in (pdf_path, page_number) order; pages of folders that were built and not yet
sent count. First it says what they will cost, and takes none where that may go past MAX_USD. The
pages are claimed first, so nobody else takes them; the folder appears when it is whole.
"""

from collections.abc import Container
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from tqdm import tqdm

from flowsheets import lock, paths, settings
from flowsheets.batch import budget, build, proof, recover, restore
from flowsheets.batch.build import CacheMaker
from flowsheets.batch.folder import load_batch, new_name, open_folders
from flowsheets.errors import Command, Count, Problem, Switch
from flowsheets.gemini import door
from flowsheets.jobs import database, folders, pauses, states
from flowsheets.jobs.database import Database
from flowsheets.jobs.pauses import Pause
from flowsheets.money import estimate
from flowsheets.money.estimate import Basis
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 50


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--sure", type=Switch("SURE"), default="")
def main(limit: int, sure: bool) -> None:
    """Put rendered pages into a batch's folder, ready to send."""
    config = settings.load()
    door.now().check("batch")  # without a key no page is claimed for a batch that cannot be sent
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recover.say(recover.run(db, config))
        restore.refuse_while_pages_are_unknown(db, config.data_root)
        paused = {} if sure else pauses.waiting(db)
        unsent = _unsent_pages(db, config.data_root)
        built = _build(db, config, limit - unsent, paused)
    if paused:
        _say_who_waits(paused)
    elif not (built or unsent):
        click.echo("no pages wait. Next: make render, or make status")


def _say_who_waits(paused: dict[PageId, Pause]) -> None:
    """Pages whose last batch failed for every page: cron is not to send them each minute."""
    next_one = min(paused.values(), key=lambda pause: pause.left)
    minutes = -(-int(next_one.left.total_seconds()) // 60)
    click.echo(
        f"{len(paused)} pages wait after a failure of every page of their batch"
        f" ({next_one.reason}), the next for {minutes} min. To send them now:"
        " make batch-submit SURE=1"
    )


def _build(db: Database, config: Settings, limit: int, paused: Container[PageId]) -> int:
    """Claim up to `limit` pages and write their folders; returns how many pages."""
    if limit <= 0:
        return 0
    limit = _proven(db, config, limit, paused)
    if not limit:
        return 0
    basis = estimate.basis(db, config)
    chosen = states.choose(db, config.data_root, limit, config.max_attempts, paused)
    _say_the_cost(db, config, len(chosen.waiting), basis)
    claimed = states.take(db, config.data_root, chosen, "submitted")
    for page in claimed.set_back:
        click.echo(f"{page}: its row was set back, so it is read again; its old result is kept")
    try:
        _write_folders(db, config, claimed.pages, basis)
    finally:
        # What is in no folder goes back: an image that went away since, or all after a full disk.
        recover.drop_broken_builds(config.data_root)
        recover.lost_claims(db, config.data_root)
    return len(claimed.pages)


def _write_folders(db: Database, config: Settings, pages: list[PageId], basis: Basis) -> None:
    sized = build.sized(pages, config)
    with tqdm(total=len(pages), desc="build", unit=" pages", disable=None, leave=False) as bar:
        parts = build.split(sized, config.batch_pages)
        for sequence, part in enumerate(parts, folders.last_sequence(db) + 1):
            name = new_name(datetime.now(UTC), door.now().LETTER)
            folder = paths.batches(config.data_root) / name
            cache = _cache_maker(config, len(part), basis)
            tokens = basis.usual.prompt
            built = build.write_folder(
                folder, part, config, cache, bar, sequence, tokens_a_page=tokens
            )
            if built:
                size = built["bytes"] / 1e6
                click.echo(f"built batches/{name} {built['pages']} requests, {size:.1f} MB")


def _proven(db: Database, config: Settings, limit: int, paused: Container[PageId]) -> int:
    """How many of the pages that wait the bucket may take; where none waits, none is refused."""
    pages = states.choose(db, config.data_root, limit, config.max_attempts, paused).waiting
    return min(limit, proof.pages_allowed(db, config.data_root, len(pages))) if pages else limit


def _say_the_cost(db: Database, config: Settings, pages: int, basis: Basis) -> None:
    """The estimate of the next pages. Raises `Problem` where it may go past MAX_USD."""
    if pages:
        budget.hold_to_limit(db, config, pages)
        click.echo(estimate.line(config, pages, basis))


def _cache_maker(config: Settings, pages: int, basis: Basis) -> CacheMaker | None:
    """What makes the batch's prompt cache, where one pays and the last one did not die."""
    if not estimate.cache_pays(config, pages, basis):
        return None
    from flowsheets.batch import prompt_cache

    if prompt_cache.died_in_the_last_batch(config.data_root):
        return None
    return lambda name: prompt_cache.make(config, name, prompt_cache.BATCH_SECONDS)


def _unsent_pages(db: Database, data_root: Path) -> int:
    """Pages of folders that were built and have no batch yet: the next submit sends them."""
    unsent = 0
    for folder in open_folders(data_root, db):
        with suppress(Problem):  # a damaged folder is reported by submit, after the others
            batch = load_batch(folder)
            unsent += 0 if batch.bound else len(batch.lines)
    return unsent


if __name__ == "__main__":
    main()
