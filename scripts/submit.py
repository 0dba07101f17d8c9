"""Built folders to the Batch API: upload, create once, note the id in manifest and jobs.db.

    python scripts/submit.py

Goes on with every folder that has no batch yet, oldest first. A folder whose create had an unclear
end is looked for at the API by its name first: two creates would be two bills.
"""

import click
from sqlite_utils import Database

from flowsheets import gemini, jobs, lock, manifest, settings, submission
from flowsheets.errors import Command, Problem, raise_all
from flowsheets.settings import Settings


@click.command(cls=Command)
def main() -> None:
    """Submit what was built."""
    config = settings.load()
    db = jobs.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        raise_all(_submit_all(db, config))


def _submit_all(db: Database, config: Settings) -> list[Problem]:
    """One folder's trouble is its own; what would meet every folder ends the run."""
    problems: list[Problem] = []
    for folder in manifest.open_folders(config.data_root):
        try:
            batch = manifest.load(folder)
            if batch.last("bound"):
                continue
            submission.finish(batch, db, config)
        except Problem as problem:
            problems.append(problem)
            if isinstance(problem, submission.QueueFull | gemini.ApiProblem):
                break
            continue
        click.echo(
            f"submitted {batch.batch_id} {len(batch.lines)} pages."
            f" Next: make batch-status ID={batch.batch_id}"
        )
    return problems


if __name__ == "__main__":
    main()
