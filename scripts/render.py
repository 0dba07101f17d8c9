"""Pages to images: the bitmap in the PDF becomes an upright PNG, bit for bit, under pages/.

    python scripts/render.py --limit 200 --jobs 4

A PNG that is there already is kept. A page that has no bitmap, or several, is `failed` with the
reason; the others go on.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import click
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import lock, paths, settings
from flowsheets.errors import Command, Count, Problem
from flowsheets.jobs import database, states
from flowsheets.page import scan
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 200
FLIPPED_AT_ONCE = 100  # rows a transaction: what a kill costs is that many rows, and no image
PAGES_A_TASK = 8  # neighbours, so that a worker opens their PDF once


class Rendered(NamedTuple):
    """What came of one page; `reason` is None where its PNG is there."""

    page: PageId
    reason: str | None


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--jobs", "workers", type=Count("JOBS"), default="")
def main(limit: int, workers: int | None) -> None:
    """Turn pending pages into upright 1-bit PNGs."""
    config = settings.load()
    db = database.connect(config.data_root)
    try:
        with lock.held(config.data_root, "render"):
            rendered, failed = _render_all(db, config, limit, workers or config.render_concurrency)
    except lock.Held as held:
        click.echo(f"nothing rendered: {held.holder} is at work on the pages")
        return
    click.echo(
        f"rendered {rendered} pages, {failed} failed. Next: make process, or make batch-submit"
    )


def _render_all(db: Database, config: Settings, limit: int, workers: int) -> tuple[int, int]:
    pages = list(islice(_without_image(db, config), limit))
    results = _render(pages, config, workers)
    rendered = failed = 0
    while chunk := list(islice(results, FLIPPED_AT_ONCE)):
        good, bad = _flip(db, config.data_root, chunk)
        rendered, failed = rendered + good, failed + bad
    return rendered, failed


def _without_image(db: Database, config: Settings) -> Iterator[PageId]:
    """Pages to render: pending ones, and those whose rendering failed and may be tried again."""
    for page, status in states.to_render(db, config.max_attempts):
        if status != "failed" or not paths.png(config.data_root, page).is_file():
            yield page


def _render(pages: list[PageId], config: Settings, workers: int) -> Iterator[Rendered]:
    """Render side by side, in processes: decoding a bitmap holds Python's global lock."""
    tasks = [(page, config.scans_root, config.data_root) for page in pages]
    if not tasks:
        return
    try:
        with ProcessPoolExecutor(min(workers, len(tasks)), initializer=_end_with_parent) as pool:
            results = pool.map(_render_page, tasks, chunksize=PAGES_A_TASK)
            yield from tqdm(results, "render", len(tasks), unit=" pages", disable=None, leave=False)
    except BrokenProcessPool as error:
        raise Problem("render", "a worker was killed", "Try fewer: make render JOBS=1") from error


def _end_with_parent() -> None:
    """A worker waits for its next task for ever, also where its parent was killed."""
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _render_page(task: tuple[PageId, Path, Path]) -> Rendered:
    page, scans_root, data_root = task
    png = paths.png(data_root, page)
    if png.is_file():
        return Rendered(page, None)
    pdf = scans_root / page.pdf_path
    if not pdf.is_file():
        return Rendered(page, f"{pdf} is not there")
    try:
        scan.write_png(scan.page_image(pdf, page.page_number), png)
    except scan.NoPageImage as error:
        return Rendered(page, str(error))
    return Rendered(page, None)


def _flip(db: Database, data_root: Path, chunk: list[Rendered]) -> tuple[int, int]:
    old = ("pending", "rendering", "failed")
    rendered = failed = 0
    with database.transaction(db):
        for page, reason in chunk:
            if reason is None:
                image = str(paths.png(data_root, page))
                rendered += len(
                    states.flip(db, [page], old, "rendered", image_path=image, last_error=None)
                )
            else:
                failed += len(
                    states.flip(db, [page], old, "failed", count_try=True, last_error=reason)
                )
    return rendered, failed


if __name__ == "__main__":
    main()
