"""Built folders to the Batch API: upload, create once, note the id in manifest and jobs.db.

    python scripts/submit.py

Goes on with every folder that has no batch yet, oldest first. A folder whose create had an unclear
end is looked for at the API by its name first: two creates would be two bills.
"""

import click
from sqlite_utils import Database

from flowsheets import jobs, lock, manifest, settings, submission
from flowsheets.errors import Problem
from flowsheets.settings import Settings

LOCK_SECONDS = 60


@click.command()
def main() -> None:
    """Submit what was built."""
    config = settings.load()
    db = jobs.connect(config.data_root)
    try:
        with lock.held(config.data_root, "jobs", wait=LOCK_SECONDS):
            _submit_all(db, config)
    except lock.Held as held:
        raise Problem(
            "jobs.lock", f"held by {held.holder}", "Try again when that is done"
        ) from held


def _submit_all(db: Database, config: Settings) -> None:
    for folder in manifest.open_folders(config.data_root):
        batch = manifest.load(folder)
        if batch.last("bound"):
            continue
        submission.finish(batch, db, config)
        click.echo(
            f"submitted {batch.batch_id} {len(batch.lines)} pages."
            f" Next: make batch-status ID={batch.batch_id}"
        )


if __name__ == "__main__":
    main()
