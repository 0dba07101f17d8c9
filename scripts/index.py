"""jobs.db and results/ to flowsheets.db, which is browsed: only what changed since last time.

    python scripts/index.py

Deleting flowsheets.db loses nothing. Readers see the old state until the new one is whole.
"""

import click

from flowsheets import settings
from flowsheets.errors import Command
from flowsheets.index import tables, update
from flowsheets.jobs import database


@click.command(cls=Command)
def main() -> None:
    """Make the database of all pages and rows."""
    config = settings.load()
    jobs_db = database.connect(config.data_root)
    with tables.writing(config.data_root) as db:
        tally = update.update(config, jobs_db, db)
    click.echo(
        f"indexed {tally.pages} pages: {tally.read} read, {tally.changed} changed,"
        f" {tally.gone} gone, {tally.damaged} damaged. Next: make browse, or make review"
    )


if __name__ == "__main__":
    main()
