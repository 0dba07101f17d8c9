"""Ask the API to stop a batch; pages that ran by then are still fetched, and were billed.

python scripts/cancel.py batches/abc
"""

import click

from flowsheets import lock, settings
from flowsheets.batch.folder import find_batch, load_batch
from flowsheets.errors import Command, Problem
from flowsheets.jobs import database


@click.command(cls=Command)
@click.argument("wanted", metavar="ID", default="")
def main(wanted: str) -> None:
    """Ask a batch to stop."""
    config = settings.load()
    db = database.connect(config.data_root)
    folder = find_batch(config.data_root, wanted, db).folder
    with lock.jobs_held(config.data_root):
        batch = load_batch(folder)
        if not batch.open:
            click.echo(f"{batch.batch_id or batch.folder} is settled: nothing to cancel")
            return
        if not batch.batch_id:
            raise Problem(
                batch.folder,
                "has no batch at the API yet",
                f"Give its pages back: make batch-rescue ID={batch.name}",
            )
        batch.add("cancel_asked")
        batch.door.cancel(batch.batch_id)
    click.echo(f"asked {batch.batch_id} to stop. Next: make batch-fetch ID={batch.batch_id}")


if __name__ == "__main__":
    main()
