"""Built folders to the Batch API: upload, create once, write the id into manifest and jobs.db.

    python scripts/submit.py [FOLDER]

Goes on with every folder that has no batch yet, oldest first, or with the one of that name. Each is
looked for at the API by its name first: two creates would be two bills.
"""

import click

from flowsheets import lock, settings
from flowsheets.batch import recover, submit
from flowsheets.batch.folder import load_batch, open_folders
from flowsheets.errors import Command, Problem, raise_all
from flowsheets.gemini import door
from flowsheets.gemini.problem import ApiProblem, Closed
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.settings import Settings


@click.command(cls=Command)
@click.argument("wanted", metavar="[FOLDER]", default="")
def main(wanted: str) -> None:
    """Send the folders that wait to the Batch API, each once."""
    config = settings.load()
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recover.say(recover.run(db, config))
        raise_all(_submit_all(db, config, wanted))


def _submit_all(db: Database, config: Settings, wanted: str) -> list[Problem]:
    """One folder's trouble is its own; what would meet every folder ends it for that door."""
    problems: list[Problem] = []
    stopped = set[str]()
    for folder in open_folders(config.data_root, db):
        if (wanted and folder.name != wanted) or door.by_name(folder.name) in stopped:
            continue
        try:
            batch = load_batch(folder)
            if batch.bound:
                continue
            submit.send(batch, db, config)
            recover.know(db, batch)
        except Problem as problem:
            problems.append(problem)
            if isinstance(problem, submit.QueueFull | ApiProblem | Closed):
                stopped.add(door.by_name(folder.name))
            continue
        click.echo(
            f"submitted {batch.batch_id} {len(batch.lines)} pages."
            f" Next: make batch-status ID={batch.batch_id}"
        )
    return problems


if __name__ == "__main__":
    main()
