"""The prompt, kept at the API: for a real-time run an hour, for a batch as long as it may live.

A cache that is refused or gone is not a page's failure: the run goes on without, and a line of a
batch that met a dead one did not run and cost nothing.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import click
from sqlite_utils import Database

from flowsheets import clock
from flowsheets.batch.folder import Batch, batch_folders, load_batch, new_name
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.gemini.caches import PromptCache
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database
from flowsheets.money import estimate, storage
from flowsheets.page.request import instructions
from flowsheets.settings import Settings

# The lines of a batch run up to 48 h after create, and each one looks the cache up.
BATCH_SECONDS = estimate.CACHE_HOURS * 3600
BATCH_LIFE = timedelta(hours=48)
RUN_SECONDS = 3600  # a real-time run that takes longer goes on without


def for_run(db: Database, settings: Settings) -> str | None:
    """A cache for a real-time run, `cachedContents/…`; None where none is worth it or allowed.

    It is recorded, so that `make cost` has its storage also where a kill keeps `end_run` away.
    """
    if not estimate.cache_is_worth_asking_for(settings):
        return None
    # A name of its own: after a create with an unclear end, every cache of that name is deleted.
    cache = make(settings, f"now-{new_name(datetime.now(UTC))}", RUN_SECONDS)
    if cache is None:
        return None
    with database.transaction(db):
        storage.made(db, cache.name, settings.model, cache.tokens, RUN_SECONDS)
    return cache.name


def end_run(db: Database, cached_content: str | None) -> None:
    """Delete the cache of a real-time run; one that cannot be deleted ends within the hour."""
    if cached_content is None:
        return
    with suppress(Problem):
        door.now().delete_cache(cached_content)
        with database.transaction(db):
            storage.ended(db, cached_content)


def make(settings: Settings, name: str, seconds: int) -> PromptCache | None:
    """A cache with that display name, or None where the API refuses one, with a line that says so.

    A model without caching, or a key without room for it, does not stop the run. Raises
    `ApiProblem` for what would stop any call.
    """
    try:
        return door.now().create_cache(settings.model, instructions(settings), seconds, name)
    except ApiProblem as problem:
        if problem.unclear:
            drop(name)
        if problem.everywhere:
            raise
        _say_once(f"no prompt cache, going on without: {problem.what}")
        return None


@cache  # for all batches of a command
def _say_once(line: str) -> None:
    click.echo(line, err=True)


def drop(name: str) -> None:
    """Delete what a create with an unclear end may have left: it is billed by the hour."""
    with suppress(ApiProblem):  # it ends by itself when its time is over
        door.of({}, None, name).delete_caches(name)


def died_in_the_last_batch(data_root: Path) -> bool:
    """Whether the newest batch that ended lost its cache on the way: the next goes without."""
    for folder in reversed(batch_folders(data_root)):
        with suppress(Problem):  # a damaged folder is reported by the command that works on it
            ended = load_batch(folder).last("settled", "given_back")
            if ended:
                return bool(ended.get("cache_died"))
    return False


def renew(batch: Batch) -> bool:
    """Make sure that its cache outlives a batch that is created now; false if it is gone."""
    built = batch.last("built")
    if not (built and batch.cached_content):
        return True
    waited = clock.by_the_calendar(built)
    if waited + BATCH_LIFE < timedelta(seconds=BATCH_SECONDS):
        return True
    try:
        batch.door.renew_cache(batch.cached_content, BATCH_SECONDS)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        return False
    return True
