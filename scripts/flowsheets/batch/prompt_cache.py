"""The prompt, kept at the API: for a real-time run an hour, for a batch as long as it may live.

A cache that is refused or gone is no page's failure: the run goes on without, and a row that met a
dead one did not run and cost nothing.
"""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import click

from flowsheets import clock
from flowsheets.batch.folder import Batch, batch_folders, load_batch
from flowsheets.errors import Problem
from flowsheets.gemini import calls
from flowsheets.gemini.calls import PromptCache
from flowsheets.gemini.client import ApiProblem
from flowsheets.money import estimate
from flowsheets.page.request import prompt
from flowsheets.settings import Settings

# Rows are run up to 48 h after create, and each one looks the cache up.
BATCH_SECONDS = estimate.CACHE_HOURS * 3600
BATCH_LIFE = timedelta(hours=48)


def make(config: Settings, name: str, seconds: int) -> PromptCache | None:
    """A cache with that display name, or None where the API refuses one, with a line that says so.

    A model without caching, or a key without room for it, is no reason to stop. Raises `ApiProblem`
    for what would stop any call.
    """
    try:
        return calls.create_cache(config.model, prompt(), seconds, name)
    except ApiProblem as problem:
        if problem.unclear:
            drop(name)
        if problem.everywhere:
            raise
        click.echo(f"no prompt cache, going on without: {problem.what}", err=True)
        return None


def drop(name: str) -> None:
    """Let go of what a create with an unclear end may have left: it is billed by the hour."""
    with suppress(ApiProblem):  # it ends by itself when its time is over
        calls.delete_caches(name)


def died_in_the_last_batch(data_root: Path) -> bool:
    """Whether the newest batch that is settled lost its cache on the way: the next goes without."""
    for folder in reversed(batch_folders(data_root)):
        with suppress(Problem):  # a damaged folder is told by whoever works on it
            ended = load_batch(folder).last("settled", "given_back")
            if ended:
                return bool(ended.get("cache_died"))
    return False


def renew(batch: Batch) -> bool:
    """See to it that its cache outlives a batch that is created now; false if it is gone."""
    built = batch.last("built")
    if not (built and batch.cached_content):
        return True
    waited = clock.by_the_calendar(built)
    if waited + BATCH_LIFE < timedelta(seconds=BATCH_SECONDS):
        return True
    try:
        calls.renew_cache(batch.cached_content, BATCH_SECONDS)
    except ApiProblem as problem:
        if problem.code not in (403, 404) or problem.key_refused:
            raise
        return False
    return True
