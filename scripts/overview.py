"""Pages by status and open batches, from jobs.db and the batches' folders alone: asks no API.

python scripts/overview.py
"""

import click

from flowsheets import jobs, manifest, settings
from flowsheets.errors import Problem, warn


@click.command()
def main() -> None:
    """Show where the pages are."""
    config = settings.load()
    db = jobs.connect(config.data_root)
    counts = jobs.counts(db)
    for status in jobs.STATUSES:
        if status in counts:
            click.echo(f"{status:<15} {counts[status]:>7,} pages")
    for status in sorted(set(counts) - set(jobs.STATUSES)):
        click.echo(f"{status:<15} {counts[status]:>7,} pages (a status that is not ours)")
    tired = jobs.out_of_tries(db, config.max_attempts)
    if tired:
        click.echo(f"{tired} failed pages have no tries left; make retry gives one page new ones")
    folders = list(manifest.open_folders(config.data_root))
    for folder in folders:
        try:
            click.echo(_line(manifest.load(folder)))
        except Problem as problem:
            warn(problem.message)
    if not counts:
        click.echo("no pages yet. Next: make discover")
    elif not folders:
        click.echo("no open batches")


def _line(batch: manifest.Batch) -> str:
    pages = f"{len(batch.lines)} pages"
    if not batch.batch_id:
        return f"{batch.folder} {pages}, not sent yet. Next: make batch-submit"
    fix = f"make batch-rescue ID={batch.batch_id}"
    quarantined = batch.last("quarantined")
    if quarantined:
        fault = quarantined["faults"][0]
        return f"{batch.batch_id} {pages}, result file refused: {fault}. Next: {fix}"
    gone = batch.last("file_gone")
    if gone:
        return f"{batch.batch_id} {pages}, result file gone since {gone['at'][:16]}. Next: {fix}"
    return f"{batch.batch_id} {pages} out since {_since(batch)}. Next: make batch-fetch"


def _since(batch: manifest.Batch) -> str:
    created = batch.last("created")
    return f"{created['at'][:16]} UTC" if created else "an unknown time"


if __name__ == "__main__":
    main()
