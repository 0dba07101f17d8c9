"""A person's decision on a batch that is stuck, refused or gone: end it, and free its pages.

    python scripts/rescue.py batches/abc

Cancels the batch, uses every response whose key is known and stands there once, and gives the
other pages back to `rendered`, no try counted. A page that the API runs all the same is paid for
again by whoever reads it next; so this waits a little for the cancel to take effect.
"""

import time

import click
from sqlite_utils import Database

from flowsheets import lock, settings
from flowsheets.batch import results, submit
from flowsheets.batch.folder import Batch, find_batch, load_batch
from flowsheets.errors import Command, Problem, warn
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import Operation
from flowsheets.jobs import database, date_checks, states
from flowsheets.page.response import Unread
from flowsheets.settings import Settings

STOP_SECONDS = 30  # how long a cancelled batch may take to end
POLL_SECONDS = 2


@click.command(cls=Command)
@click.argument("wanted", metavar="ID", default="")
def main(wanted: str) -> None:
    """Give up on one batch."""
    config = settings.load()
    db = database.connect(config.data_root)
    folder = find_batch(config.data_root, wanted).folder
    with lock.jobs_held(config.data_root):
        batch = load_batch(folder)
        if not batch.open:
            click.echo(f"{batch.batch_id or folder} is settled: nothing to rescue")
            return
        if not batch.batch_id and not (submit.may_exist(batch) and submit.adopt(batch)):
            _give_back_unsent(batch, db, config)
            return
        submit.bind(batch, db)
        _rescue(batch, db, config)


def _give_back_unsent(batch: Batch, db: Database, config: Settings) -> None:
    left = submit.grace_left(batch, config)
    if left:
        raise Problem(
            batch.folder,
            "whether the API made this batch is unclear",
            f"Try again in {left:.0f} s, when no listing can be late any more",
        )
    returned = submit.give_back(batch, db, "given_back")
    click.echo(f"rescued {batch.folder}: 0 used, {returned} given back. Next: make process")


def _rescue(batch: Batch, db: Database, config: Settings) -> None:
    responses = batch.folder / "responses.jsonl"
    began = states.now()
    if not responses.exists():
        _stop_and_collect(batch)
    seen = results.sight(batch, responses) if responses.exists() else results.Sighting()
    missing = Unread("given_back", "given back by make batch-rescue", ran=False)
    tally = results.settle_batch(batch, db, config.data_root, seen, missing, config.model)
    submit.let_go(batch)
    batch.note("settled", rescued=True, **vars(tally))
    click.echo(
        f"rescued {batch.batch_id}: {tally.completed + tally.failed} used ({tally.completed}"
        f" completed, {tally.failed} failed), {tally.returned} given back. Next: make process"
    )
    if to_check := date_checks.line(db, began, in_batches=True):
        click.echo(to_check)


def _stop_and_collect(batch: Batch) -> None:
    """Cancel, wait for the end, and download what there is; a batch that is gone has nothing."""
    assert batch.batch_id
    try:
        batch.note("cancel_asked")
        operation = Operation(calls.get_batch(batch.batch_id))
        if not operation.ended:
            _cancel(batch.batch_id)
        deadline = time.monotonic() + STOP_SECONDS
        while not operation.ended and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            operation = Operation(calls.get_batch(batch.batch_id))
        if not operation.ended:
            warn(
                f"{batch.batch_id} is still {operation.state}; what it runs from now on is paid"
                f" for: make batch-fetch ID={batch.batch_id} keeps it, a day later"
            )
        submit.keep_reply(batch, operation.reply)
        calls.fetch_batch_results(batch.batch_id, batch.folder / "responses.jsonl")
    except ApiProblem as problem:
        # The batch or its file is gone: that is why we are here.
        if problem.code not in (403, 404) or problem.key_refused:
            raise
        warn(f"{batch.batch_id}: {problem.what}")


def _cancel(batch_id: str) -> None:
    """A batch that ended a moment ago cannot be cancelled: its results are wanted all the same."""
    try:
        calls.cancel_batch(batch_id)
    except ApiProblem as problem:
        if problem.code not in (400, 409) or problem.key_refused:
            raise
        warn(f"{batch_id}: {problem.what}")


if __name__ == "__main__":
    main()
