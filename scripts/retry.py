"""One finished page back to the queue, with all its tries: the only way back from `completed`.

    python scripts/retry.py --pdf "1990/January 1990/1990-01jan0106.pdf" --page 5

The result that it had is kept beside the new one, under a name that ends in the time. A page whose
status is none of ours, set by hand say, comes back so as well.
"""

import click
from sqlite_utils import Database

from flowsheets import files, lock, paths, settings
from flowsheets.errors import Command, Count, Problem
from flowsheets.jobs import database, date_checks, states
from flowsheets.paths import PageId
from flowsheets.settings import Settings

UNDER_WAY = ("pending", "rendering", "rendered", "processing", "submitted")


@click.command(cls=Command)
@click.option("--pdf", default="")
@click.option("--page", type=Count("PAGE"), default="")
def main(pdf: str, page: int | None) -> None:
    """Put one finished page back to `rendered`."""
    if not pdf or not page:
        raise Problem(
            "PDF and PAGE" if not pdf else "PAGE",
            "missing",
            'Give both: make retry PDF="1990/January 1990/1990-01jan0106.pdf" PAGE=5',
        )
    config = settings.load()
    db = database.connect(config.data_root)
    one = PageId(pdf, page)
    with lock.jobs_held(config.data_root):
        _retry(db, config, one)
    click.echo(f"{one} is back in the queue. Next: make process, or make batch-submit")


def _retry(db: Database, config: Settings, page: PageId) -> None:
    row = states.row(db, page)
    if row is None:
        raise Problem(str(page), "is not in jobs.db", "PDF is relative to SCANS_ROOT; make status")
    if row["status"] in UNDER_WAY:
        raise Problem(
            str(page), f"is {row['status']}, not finished", "Only a finished page is tried again"
        )
    result = paths.result(config.data_root, page)
    has_result = result.exists()
    if has_result:  # a copy: whenever a kill comes, a completed page has its result
        kept = result.with_name(f"{result.name}.{states.now()[:19].replace(':', '')}")
        files.write_whole(kept, result.read_bytes())
    has_image = paths.png(config.data_root, page).is_file()
    with database.transaction(db):
        date_checks.forget(db, page)
        moved = states.flip(
            db,
            [page],
            row["status"],
            "rendered" if has_image else "pending",
            attempts=0,
            last_error=None,
            batch_id=None,
            within_batch_index=None,
        )
        if not moved:
            raise Problem(str(page), "was taken by another command just now", "make status")
    if has_result:
        result.unlink()


if __name__ == "__main__":
    main()
