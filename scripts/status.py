"""The Batch API's word on one batch, or on all open ones, kept as batch.json. Changes no page.

python scripts/status.py batches/abc
"""

from datetime import UTC, datetime

import click
from sqlite_utils import Database

from flowsheets import gemini, jobs, lock, manifest, settings, submission
from flowsheets.manifest import Batch
from flowsheets.operation import Operation
from flowsheets.settings import Settings


@click.command()
@click.argument("wanted", metavar="[ID]", default="")
def main(wanted: str) -> None:
    """Show the state, the counts and the age of batches."""
    config = settings.load()
    db = jobs.connect(config.data_root)
    if wanted.strip():
        _show(manifest.find(config.data_root, wanted), db, config)
        return
    folders = list(manifest.open_folders(config.data_root))
    for folder in folders:
        _show(manifest.load(folder), db, config)
    if not folders:
        click.echo("no open batches. Next: make batch-submit")


def _show(batch: Batch, db: Database, config: Settings) -> None:
    _adopt(batch, db, config)
    if not batch.batch_id:
        click.echo(f"{_unsent(batch, config)}, {len(batch.lines)} requests, {_age(_built(batch))}")
        return
    reply = gemini.get_batch(batch.batch_id)
    submission.keep_reply(batch, reply)
    operation = Operation(reply)
    click.echo(
        f"{batch.batch_id} {operation.state}, {len(batch.lines)} requests, {operation.done} done,"
        f" {operation.failed} failed, {_age(operation.created or _built(batch))}"
    )


def _adopt(batch: Batch, db: Database, config: Settings) -> None:
    """A batch that an interrupted submit did create is found here; nothing is created here."""
    if not batch.open or batch.last("bound"):
        return
    try:
        with lock.held(config.data_root, "jobs"):
            if batch.batch_id or submission.adopt(batch):
                submission.bind(batch, db)
    except lock.Held:
        pass  # whoever holds it is about to do the same


def _unsent(batch: Batch, config: Settings) -> str:
    refused = batch.last("refused")
    if refused:
        return f"{batch.folder} REFUSED ({refused['reason']})"
    if not batch.open:
        return f"{batch.folder} GIVEN BACK"
    left = submission.grace_left(batch, config)
    if left:
        return f"{batch.folder} UNCLEAR, looked for again for {left:.0f} s"
    return f"{batch.folder} UNSENT, make batch-submit goes on with it"


def _built(batch: Batch) -> datetime:
    return datetime.fromisoformat(batch.events[0]["at"]) if batch.events else datetime.now(UTC)


def _age(since: datetime) -> str:
    minutes = int((datetime.now(UTC) - since).total_seconds()) // 60
    if minutes < 120:
        return f"{max(minutes, 0)} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


if __name__ == "__main__":
    main()
