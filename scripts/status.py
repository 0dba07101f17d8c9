"""The status of one batch at the API, or of all open ones, kept as batch.json. Changes no page.

python scripts/status.py batches/abc
"""

from pathlib import Path

import click

from flowsheets import display, lock, settings
from flowsheets.batch import fetch, submit
from flowsheets.batch.folder import Batch, find_batch, load_batch, open_folders
from flowsheets.errors import Command, Problem, raise_all
from flowsheets.gemini import door
from flowsheets.gemini.problem import ApiProblem, problem_of_door
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.settings import Settings


@click.command(cls=Command)
@click.argument("wanted", metavar="[ID]", default="")
def main(wanted: str) -> None:
    """Show the status of one batch, or of all open ones."""
    config = settings.load()
    db = database.connect(config.data_root)
    if wanted.strip():
        _show(find_batch(config.data_root, wanted, db), db, config)
        return
    folders = open_folders(config.data_root, db)
    if not folders:
        click.echo("no open batches. Next: make batch-submit")
    raise_all(_show_all(folders, db, config))


def _show_all(folders: list[Path], db: Database, config: Settings) -> list[Problem]:
    """One batch's trouble is its own: the others are shown before you are told of it."""
    problems: list[Problem] = []
    stopped = set[str]()
    for folder in folders:
        if door.by_name(folder.name) in stopped:
            continue
        try:
            _show(load_batch(folder), db, config)
        except Problem as problem:
            problems.append(problem)
            if problem_of_door(problem):
                stopped.add(door.by_name(folder.name))
    return problems


def _show(batch: Batch, db: Database, config: Settings) -> None:
    batch = _adopted(batch, db, config)
    if not batch.batch_id:
        click.echo(
            f"{_unsent(batch, config)}, {len(batch.lines)} requests, {display.age(batch.built_at)}"
        )
        return
    try:
        operation = fetch.ask(batch)
    except ApiProblem as problem:
        if problem.code != 404:
            raise
        raise submit.unknown(batch) from problem
    click.echo(
        f"{batch.batch_id} {operation.state}, {len(batch.lines)} requests, {operation.done} done,"
        f" {operation.failed} failed, {display.age(operation.created or batch.built_at)}"
    )


def _adopted(batch: Batch, db: Database, config: Settings) -> Batch:
    """A batch that an interrupted submit did create is found here; nothing is created here."""
    if batch.state not in ("unclear", "created"):
        return batch
    try:
        with lock.held(config.data_root, "jobs"):
            batch = load_batch(batch.folder)  # as the last holder of the lock left it
            if batch.state == "unclear":
                submit.adopt(batch)
            submit.bind(batch, db)
    except lock.Held:
        pass  # its holder is about to do the same
    return batch


def _unsent(batch: Batch, config: Settings) -> str:
    refused = batch.last("refused")
    if refused:
        return f"{batch.folder} REFUSED ({refused['reason']})"
    if not batch.open:
        return f"{batch.folder} GIVEN BACK"
    if batch.state == "unclear":
        left = submit.grace_left(batch, config)
        return f"{batch.folder} UNCLEAR, looked for again for {left:.0f} s"
    return f"{batch.folder} UNSENT, make batch-submit sends it"


if __name__ == "__main__":
    main()
