"""Your decision on a batch that is stuck, refused or gone: end it, and free its pages.

    python scripts/rescue.py batches/abc --sure 1

Cancels the batch, uses every response whose key is known and there once, and gives the other pages
back to `rendered`, no try counted. Where responses may still come it refuses, unless you are sure:
a page that the API runs all the same is billed again when it is read next.
"""

import time
from pathlib import Path

import click

from flowsheets import clock, lock, paths, settings
from flowsheets.batch import fetch, recover, restore, results, submit
from flowsheets.batch.folder import Batch, batch_folders, find_batch, load_batch
from flowsheets.errors import Command, Problem, Switch, warn
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import Operation
from flowsheets.jobs import database, date_checks, states
from flowsheets.jobs.database import Database
from flowsheets.page.response import Unread
from flowsheets.settings import Settings

STOP_SECONDS = 30  # how long a cancelled batch may take to end, and a file to be named
POLL_SECONDS = 2


@click.command(cls=Command)
@click.argument("wanted", metavar="ID", default="")
@click.option("--sure", type=Switch("SURE"), default="")
def main(wanted: str, sure: bool) -> None:
    """Give a batch up: use what has come, free the other pages."""
    config = settings.load()
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recover.say(recover.run(db, config))
        batch = _found(db, config.data_root, wanted, sure)
        if batch is None:
            recover.say(recover.run(db, config))
            return
        if not batch.open:
            click.echo(f"{batch.batch_id or batch.folder} is settled: nothing to rescue")
            return
        if not batch.batch_id and not (batch.state == "unclear" and submit.adopt(batch)):
            _give_back_unsent(batch, db, config, sure)
        else:
            submit.bind(batch, db)
            _rescue(batch, db, config, sure)
        recover.know(db, batch)


def _found(db: Database, data_root: Path, wanted: str, sure: bool) -> Batch | None:
    """The batch; None where its folder could not be read, and you gave it up."""
    try:
        return load_batch(find_batch(data_root, wanted, db).folder)
    except Problem:
        folder = paths.batches(data_root) / wanted.strip().strip("/").removeprefix("batches/")
        if not (sure and folder in batch_folders(data_root)):
            raise
    kept = restore.put_aside(folder)
    click.echo(f"gave up {folder.name}, which cannot be read; it is kept as {kept}")
    return None


def _give_back_unsent(batch: Batch, db: Database, config: Settings, sure: bool) -> None:
    if not sure:
        submit.refuse_another_key(batch)
    left = submit.grace_left(batch, config)
    if left and not sure:
        raise Problem(
            batch.folder,
            "whether the API made this batch is unclear",
            f"Try again in {left:.0f} s, when no listing can be late any more",
        )
    returned = submit.give_back(batch, db, "given_back")
    click.echo(f"rescued {batch.folder}: 0 used, {returned} given back. Next: make process")


def _rescue(batch: Batch, db: Database, config: Settings, sure: bool) -> None:
    began = states.now()
    if not fetch.have_file(batch):
        _stop_and_collect(batch, sure)
    check = results.check_file(batch)
    if not sure:
        _refuse_if_more_may_come(batch, check)
    missing = Unread("given_back", "given back by make batch-rescue", ran=False)
    tally = results.apply_responses(batch, db, config.data_root, check, missing, config.model)
    _clean_up(batch)
    batch.add("settled", rescued=True, **vars(tally))
    click.echo(
        f"rescued {batch.batch_id}: {tally.completed + tally.failed} used ({tally.completed}"
        f" completed, {tally.failed} failed), {tally.returned} given back. Next: make process"
    )
    if to_check := date_checks.line(db, began, in_batches=True):
        click.echo(to_check)


def _stop_and_collect(batch: Batch, sure: bool) -> None:
    """Cancel, wait for the end, and download what there is; a batch that is gone has nothing."""
    batch.add("cancel_asked")
    try:
        operation = _stopped(batch)
        _collect(batch, operation, sure)
    except ApiProblem as problem:
        # The batch or its file is gone, or cannot be had: that is why we are here.
        if problem.code not in (400, 403, 404) or problem.key_refused:
            raise
        _refuse_if_it_proves_nothing(batch, problem, sure)
        warn(f"{batch.batch_id}: {problem.what}")


def _stopped(batch: Batch) -> Operation:
    """The API's reply once the batch ended, or after STOP_SECONDS."""
    operation = fetch.ask(batch)
    if operation.ended:
        return operation
    _cancel(batch)
    deadline = time.monotonic() + STOP_SECONDS
    while not operation.ended and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        operation = fetch.ask(batch)
    return operation


def _collect(batch: Batch, operation: Operation, sure: bool) -> None:
    if not operation.ended:
        warn(
            f"{batch.batch_id} is still {operation.state}; what it runs from now on is billed:"
            f" make batch-fetch ID={batch.batch_id} keeps it, a day later"
        )
        return
    deadline = time.monotonic() + STOP_SECONDS
    while fetch.must_have_file(operation) and not operation.responses_file:
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
        operation = fetch.ask(batch)
    if fetch.download(batch, operation) or not fetch.must_have_file(operation):
        return
    if not sure and clock.since(operation.created) < fetch.RESULTS_LIVE:
        raise Problem(
            batch.batch_id,
            f"has {operation.state}, and names no result file yet: its responses may still come",
            "Try again later, or give them up, which may be billed twice: SURE=1",
        )


def _refuse_if_it_proves_nothing(batch: Batch, problem: ApiProblem, sure: bool) -> None:
    """403 and 404 soon after the create: rather another project's key, or a proxy."""
    sent = batch.last("create_sent") or batch.last("created")
    young = sent is None or clock.elapsed(sent) < fetch.RESULTS_LIVE
    if problem.code in (403, 404) and young and not sure:
        raise Problem(
            batch.batch_id,
            f"{problem.what} Results live for 48 h, so this proves nothing",
            f"Check that it was sent with this {batch.door.WHOSE}, and the network; or give it"
            f" up, which may be billed twice: make batch-rescue ID={batch.batch_id} SURE=1",
        ) from problem


def _refuse_if_more_may_come(batch: Batch, check: results.FileCheck) -> None:
    """A file that holds fewer responses than the API counts is loaded again for a day."""
    lacks = batch.responses.exists() and results.missing_responses(batch, check)
    first = batch.all("short")[:1]
    if lacks and not check.faults and not (first and clock.elapsed(first[0]) > fetch.SHORT_FOR):
        raise Problem(
            batch.batch_id,
            f"its result file {lacks}: the others may still come",
            "make batch-fetch loads it again; or give them up, which may be billed twice: SURE=1",
        )


def _clean_up(batch: Batch) -> None:
    """What stays at the API ends there by itself: no reason to keep the pages."""
    try:
        submit.clean_up(batch)
    except ApiProblem as problem:
        warn(f"{batch.batch_id}: {problem.what}")


def _cancel(batch: Batch) -> None:
    """A batch that ended a moment ago cannot be cancelled: its results are wanted all the same."""
    try:
        batch.door.cancel(str(batch.batch_id))
    except ApiProblem as problem:
        if problem.code not in (400, 409) or problem.key_refused:
            raise
        warn(f"{batch.batch_id}: {problem.what}")


if __name__ == "__main__":
    main()
