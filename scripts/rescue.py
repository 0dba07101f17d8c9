"""A person's decision on a batch that is stuck, refused or gone: end it, and free its pages.

    python scripts/rescue.py batches/abc

Cancels the batch, uses every response whose key is known and stands there once, and gives the
other pages back to `rendered`, no try counted. A page that the API runs all the same is paid for
again by whoever reads it next; so this waits a little for the cancel to take effect.
"""

import time

import click
from sqlite_utils import Database

from flowsheets import doubts, gemini, jobs, lock, manifest, settings, settlement, submission
from flowsheets.errors import Command, Problem, warn
from flowsheets.manifest import Batch
from flowsheets.operation import Operation
from flowsheets.response import Unread
from flowsheets.settings import Settings

STOP_SECONDS = 30  # how long a cancelled batch may take to end
POLL_SECONDS = 2


@click.command(cls=Command)
@click.argument("wanted", metavar="ID", default="")
def main(wanted: str) -> None:
    """Give up on one batch."""
    config = settings.load()
    db = jobs.connect(config.data_root)
    folder = manifest.find(config.data_root, wanted).folder
    with lock.jobs_held(config.data_root):
        batch = manifest.load(folder)
        if not batch.open:
            click.echo(f"{batch.batch_id or folder} is settled: nothing to rescue")
            return
        if not batch.batch_id and not (submission.may_exist(batch) and submission.adopt(batch)):
            _give_back_unsent(batch, db, config)
            return
        submission.bind(batch, db)
        _rescue(batch, db, config)


def _give_back_unsent(batch: Batch, db: Database, config: Settings) -> None:
    left = submission.grace_left(batch, config)
    if left:
        raise Problem(
            batch.folder,
            "whether the API made this batch is unclear",
            f"Try again in {left:.0f} s, when no listing can be late any more",
        )
    returned = submission.give_back(batch, db, "given_back")
    click.echo(f"rescued {batch.folder}: 0 used, {returned} given back. Next: make process")


def _rescue(batch: Batch, db: Database, config: Settings) -> None:
    responses = batch.folder / "responses.jsonl"
    began = jobs.now()
    if not responses.exists():
        _stop_and_collect(batch)
    seen = settlement.sight(batch, responses) if responses.exists() else settlement.Sighting()
    missing = Unread("given back by make batch-rescue", ran=False)
    tally = settlement.settle_batch(batch, db, config.data_root, seen, missing, config.model)
    submission.let_go(batch)
    batch.note("settled", rescued=True, **vars(tally))
    click.echo(
        f"rescued {batch.batch_id}: {tally.completed + tally.failed} used ({tally.completed}"
        f" completed, {tally.failed} failed), {tally.returned} given back. Next: make process"
    )
    if to_check := doubts.line(db, began, in_batches=True):
        click.echo(to_check)


def _stop_and_collect(batch: Batch) -> None:
    """Cancel, wait for the end, and download what there is; a batch that is gone has nothing."""
    assert batch.batch_id
    try:
        batch.note("cancel_asked")
        operation = Operation(gemini.get_batch(batch.batch_id))
        if not operation.ended:
            _cancel(batch.batch_id)
        deadline = time.monotonic() + STOP_SECONDS
        while not operation.ended and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            operation = Operation(gemini.get_batch(batch.batch_id))
        if not operation.ended:
            warn(
                f"{batch.batch_id} is still {operation.state}; what it runs from now on is paid"
                f" for: make batch-fetch ID={batch.batch_id} keeps it, a day later"
            )
        submission.keep_reply(batch, operation.reply)
        gemini.fetch_batch_results(batch.batch_id, batch.folder / "responses.jsonl")
    except gemini.ApiProblem as problem:
        # The batch or its file is gone: that is why we are here.
        if problem.code not in (403, 404) or problem.key_refused:
            raise
        warn(f"{batch.batch_id}: {problem.what}")


def _cancel(batch_id: str) -> None:
    """A batch that ended a moment ago cannot be cancelled: its results are wanted all the same."""
    try:
        gemini.cancel_batch(batch_id)
    except gemini.ApiProblem as problem:
        if problem.code not in (400, 409) or problem.key_refused:
            raise
        warn(f"{batch_id}: {problem.what}")


if __name__ == "__main__":
    main()
