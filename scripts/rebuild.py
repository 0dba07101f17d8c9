"""jobs.db made again from what is on disk: every folder and every kept response, asks no API.

    python scripts/rebuild.py

Each command does as much of it as it needs; this one reads everything again, and writes results
that are gone from the responses that made them. It pays nothing and overwrites nothing. Pages that
no folder knows are registered by make discover.
"""

import click

from flowsheets import lock, settings
from flowsheets.batch import recover
from flowsheets.batch.folder import batch_folders, load_batch
from flowsheets.errors import Command, Problem, warn
from flowsheets.jobs import database, states


@click.command(cls=Command)
def main() -> None:
    """Make jobs.db and the books again from the files."""
    config = settings.load()
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        found = recover.rebuild(db, config)
    for folder in batch_folders(config.data_root):
        try:
            load_batch(folder)
        except Problem as problem:
            warn(problem.message)
    gone = len(list(states.without_result(db, config.data_root)))
    click.echo(f"rebuilt jobs.db: {str(found) or 'nothing was missing'}. Next: make status")
    if gone:
        click.echo(
            f"{gone} completed pages have no result, and no response of theirs is kept."
            " Next: make retry PDF= PAGE="
        )


if __name__ == "__main__":
    main()
