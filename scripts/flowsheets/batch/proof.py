"""The first batch in a bucket is one page.

A bucket that the API cannot write shows only at the end: the batch runs, is paid, and fails with
nothing written. Output that was fetched proves the bucket, until a later batch was refused there;
the journal says so, and jobs.db.
"""

from contextlib import suppress
from pathlib import Path

import click
from sqlite_utils import Database

from flowsheets.batch.folder import Batch, load_batch, open_folders
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.jobs import buckets, database, states
from flowsheets.page.response import PERMISSION_DENIED


def pages_allowed(db: Database, data_root: Path, pages: int) -> int:
    """How many of so many pages may go out now, with a line where that is fewer."""
    bucket = door.now().bucket
    if pages <= 0 or not bucket or buckets.proven(db, bucket):
        return pages
    if waits_for := _first_batch(db, data_root, bucket):
        click.echo(
            f"{bucket} is not proven yet: the other pages wait until make batch-fetch has the"
            f" result of its first batch, {waits_for.name}"
        )
        return 0
    if pages > 1:
        click.echo(
            f"{bucket}: its first batch is one page, since a bucket that Vertex AI may not write"
            " shows only when all of a batch is paid"
        )
    return 1


def room(db: Database, data_root: Path) -> int | None:
    """How many pages the door's bucket takes as yet: one, or none; None: any."""
    bucket = door.now().bucket
    if not bucket or buckets.proven(db, bucket):
        return None
    return 0 if _first_batch(db, data_root, bucket) else 1


def refuse_unproven(db: Database) -> None:
    """For batches of several pages that are no page's only way. Raises `Problem`."""
    bucket = door.now().bucket
    if bucket and not buckets.proven(db, bucket):
        what = "is not proven yet: its first batch is one page"
        raise Problem(bucket, what, "Send that first: make batch-submit, then make batch-fetch")


def note(db: Database, batch: Batch) -> None:
    """The batch's output was fetched: its bucket is proven. It was refused: not any more."""
    bucket = batch.door.bucket
    if not bucket:
        return
    with database.transaction(db):
        if batch.last("downloaded"):
            buckets.prove(db, bucket, batch.name, states.now())
        elif batch.operation.error.get("code") == PERMISSION_DENIED:
            buckets.disprove(db, bucket, batch.name)


def _first_batch(db: Database, data_root: Path, bucket: str) -> Batch | None:
    """The batch that is to prove the bucket, while it is open."""
    for folder in open_folders(data_root, db):
        with suppress(Problem):  # a damaged folder is reported by the command that works on it
            batch = load_batch(folder)
            if batch.door.bucket == bucket:
                return batch
    return None
