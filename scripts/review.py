"""The pages to look at first, by reason: a table, and `reviews` in flowsheets.db.

    python scripts/review.py --limit 50

Brings the index up to date, then measures the writing on each scan that has a result: some minutes
for all of them the first time, later the new ones alone. Changes no page and no result.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click
from PIL import Image
from tabulate import tabulate  # type: ignore[import-untyped]
from tqdm import tqdm

from flowsheets import settings
from flowsheets.errors import Command, Count, Problem, warn
from flowsheets.index import from_jobs, progress, reviews, stamps, tables, update
from flowsheets.index.stamps import Stamp
from flowsheets.jobs import database, date_checks
from flowsheets.jobs.database import Database
from flowsheets.page import form
from flowsheets.page.verified import DRAFT
from flowsheets.settings import Settings

LIMIT = 50
SAVED_AT_ONCE = 200  # pages a transaction: what a Ctrl-C costs is that many
PAGES_A_TASK = 8


class Measured(NamedTuple):
    """The blocks of one page's scan, or why its image cannot be read."""

    page: str
    stamp: Stamp
    blocks: tuple[form.Block | None, ...]
    reason: str | None = None


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
def main(limit: int) -> None:
    """List the pages to look at first, and why."""
    config = settings.load()
    jobs_db = database.connect(config.data_root)
    with tables.writing(config.data_root) as db:
        update.update(config, jobs_db, db)
        unmeasured = _unmeasured(db, config.data_root)
    _measure(unmeasured, config)
    with tables.writing(config.data_root) as db:
        if unmeasured:
            dated, noted = date_checks.noted(jobs_db), from_jobs.noted(jobs_db)
            reviews.refresh(db, config.max_attempts, dated, noted)
        _show(db, limit)


def _unmeasured(db: Database, data_root: Path) -> list[tuple[str, Path, Stamp]]:
    """Pages with a text whose image was not measured, or has changed since."""
    images = db.execute(
        "SELECT page, image_path, mtime_ns, size FROM pages LEFT JOIN ink USING (page)"
        " WHERE image_path IS NOT NULL AND entry_count IS NOT NULL ORDER BY pdf_path, page_number"
    )
    unmeasured = []
    for page, path, *measured in images:
        stamp = stamps.of(f"{data_root}/{path}")
        if stamp != tuple(measured):
            unmeasured.append((page, data_root / path, stamp))
    return unmeasured


def _measure(pages: list[tuple[str, Path, Stamp]], config: Settings) -> None:
    measured = _measured(pages, config.render_concurrency)
    while chunk := list(islice(measured, SAVED_AT_ONCE)):
        for one in chunk:
            if one.reason:
                warn(f"the image of {one.page} cannot be read ({one.reason}); its ink is not known")
        with tables.writing(config.data_root) as db:
            db.conn.executemany(
                # A page may have been taken out of the index meanwhile.
                f"INSERT OR REPLACE INTO ink SELECT ?1{', ?' * 14}"
                " WHERE ?1 IN (SELECT page FROM pages)",
                (_row(one) for one in chunk),
            )


def _row(one: Measured) -> tuple[str | int | None, ...]:
    """The page's row of the table `ink`."""
    written = (block.written if block else None for block in one.blocks)
    shifts = (block.shift if block else None for block in one.blocks)
    typed = (block.typed if block else None for block in one.blocks)
    return (one.page, *one.stamp, *written, *shifts, *typed)


def _measured(pages: list[tuple[str, Path, Stamp]], workers: int) -> Iterator[Measured]:
    if not pages:
        return
    try:
        with ProcessPoolExecutor(min(workers, len(pages))) as pool:
            results = pool.map(_measure_page, pages, chunksize=PAGES_A_TASK)
            yield from tqdm(results, "ink", len(pages), unit=" pages", disable=None, leave=False)
    except BrokenProcessPool as error:
        raise Problem("review", "a worker was killed", "Set RENDER_CONCURRENCY=1") from error


def _measure_page(task: tuple[str, Path, Stamp]) -> Measured:
    page, png, stamp = task
    try:
        return Measured(page, stamp, form.blocks(png))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Measured(page, stamp, (None,) * 4, str(error))


def _show(db: Database, limit: int) -> None:
    (formless,) = db.execute(
        "SELECT count(*) FROM ink WHERE top_left + top_right + bottom_left + bottom_right IS NULL"
    ).fetchone()
    if formless:
        warn(f"on {formless} scans the form, or a part of it, is not found: their ink is not known")
    found = db.execute(
        "SELECT c.page, c.reason, c.detail, g.doubt, g.rows, c.verified, c.verified_by,"
        " c.verified_at FROM pages_to_check c JOIN gains g ON g.page = c.page"
        " ORDER BY g.gain DESC, min(c.rank) OVER (PARTITION BY c.page), c.rank"
    ).fetchall()
    for line in progress.lines(progress.read(db)):
        click.echo(line)
    if not found:
        click.echo("no page to check. Next: make browse")
        return
    counts = Counter(reason for _, reason, *_ in found)
    groups = [(reason, counts[reason], reviews.REASONS[reason]) for reason in reviews.REASONS]
    headers = ("reason", "pages", "because")
    click.echo(tabulate([group for group in groups if group[1]], headers))
    click.echo(
        "\nmost doubt for the least rows first: rows expected to be wrong, of those to read\n"
    )
    lines = [
        [page, f"{round(doubt)} of {rows}", reason, detail, _verified(*who)]
        for page, reason, detail, doubt, rows, *who in found[:limit]
    ]
    columns = ["page", "wrong", "reason", "detail", "verified"]
    width = 5 if any(line[4] for line in lines) else 4
    click.echo(tabulate([line[:width] for line in lines], columns[:width], disable_numparse=True))
    if len(found) > limit:
        click.echo(f"and {len(found) - limit} more: make review LIMIT={len(found)}")
    pages = len({page for page, *_ in found})
    click.echo(f"\n{pages} pages to look at. Next: make browse")


def _verified(status: str | None, by: str | None, at: str | None) -> str:
    """Who verified the page and when, in a cell."""
    if status is None:
        return ""
    draft = " (draft)" if status == DRAFT else ""
    return f"{by or 'a person'}, {(at or 'no date')[:10]}{draft}"


if __name__ == "__main__":
    main()
