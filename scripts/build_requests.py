"""Waiting pages to a batch's folder: batches/<name>/manifest.jsonl and requests.jsonl.

    python scripts/build_requests.py --limit 50

Takes the next pages in (pdf_path, page_number) order; pages of folders that were built and not yet
sent count. First it says what they will cost, and takes none where that may go past MAX_USD. The
pages are claimed first, so nobody else takes them; the folder appears when it is whole. Line 0, 1,
2 … of the requests is index 0, 1, 2 … of the manifest.
"""

import base64
import hashlib
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import jsonlines
import orjson
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import estimate, jobs, lock, manifest, parts, paths, recovery, settings
from flowsheets.errors import Count, Problem
from flowsheets.manifest import Line
from flowsheets.paths import PageId
from flowsheets.request import page_request
from flowsheets.settings import Settings

LIMIT = 50


@click.command()
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
def main(limit: int) -> None:
    """Build the next batch, or more than one where limits ask for it."""
    config = settings.load()
    settings.api_key()  # without one no page is claimed for a batch that cannot be sent
    db = jobs.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recovery.lost_claims(db, config.data_root)
        recovery.dead_run(db, config)
        unsent = _unsent_pages(config.data_root)
        built = _build(db, config, limit - unsent)
    if not (built or unsent):
        click.echo("no pages wait. Next: make render, or make status")


def _build(db: Database, config: Settings, limit: int) -> int:
    """Claim up to `limit` pages and write their folders; returns how many pages."""
    if limit <= 0:
        return 0
    _say_the_cost(db, config, limit)
    pages = jobs.claim(db, config.data_root, limit, config.max_attempts, "submitted")
    sized = parts.sized(config.data_root, pages, config.media_resolution)
    with tqdm(total=len(pages), desc="build", unit=" pages", disable=None, leave=False) as bar:
        for part in parts.split(sized, config.batch_pages):
            name = manifest.new_name(datetime.now(UTC))
            lines, size = _write_folder(config, name, part, bar)
            if lines:
                click.echo(f"built batches/{name} {lines} requests, {size / 1e6:.1f} MB")
    # An image that went away since it was claimed is in no folder.
    recovery.lost_claims(db, config.data_root)
    return len(pages)


def _say_the_cost(db: Database, config: Settings, limit: int) -> None:
    """The estimate of the next pages. Raises `Problem` where it may go past MAX_USD."""
    pages, _ = jobs.choose(db, config.data_root, limit, config.max_attempts)
    if pages:
        basis = estimate.basis(db, config)
        estimate.hold_to_limit(db, config, len(pages), basis)
        click.echo(estimate.line(config, len(pages), basis))


def _write_folder(
    config: Settings, name: str, pages: list[PageId], bar: "tqdm[None]"
) -> tuple[int, int]:
    """Write a batch's folder; returns its lines and the bytes of its requests.

    One image at a time is in memory. The folder gets its name when all of it is on the disk.
    """
    folder = paths.batches(config.data_root) / name
    part = folder.with_name(f".{name}.part")
    lines: list[Line] = []
    requests = part / "requests.jsonl"
    with paths.appearing(requests) as file, jsonlines.Writer(file, dumps=orjson.dumps) as writer:
        for page in pages:
            bar.update()
            try:
                image = paths.png(config.data_root, page).read_bytes()
            except OSError:
                continue
            key = manifest.key(name, len(lines))
            # As a fragment: base64 needs no escaping, and 200 kB a page need not be looked through.
            quoted = orjson.Fragment(b'"' + base64.b64encode(image) + b'"')
            writer.write({"key": key, "request": page_request(quoted, config.media_resolution)})
            lines.append(
                Line(
                    index=len(lines),
                    key=key,
                    pdf_path=page.pdf_path,
                    page_number=page.page_number,
                    image_sha256=hashlib.sha256(image).hexdigest(),
                    batch_id=None,
                )
            )
    if not lines:
        return 0, 0
    manifest.write_lines(part / "manifest.jsonl", lines)
    size = requests.stat().st_size
    batch = manifest.Batch(part, lines)
    batch.note("built", pages=len(lines), bytes=size)
    try:
        os.rename(part, folder)
        paths.sync_folder(folder.parent)
    except OSError as error:
        raise paths.cannot_write(folder, error) from error
    return len(lines), size


def _unsent_pages(data_root: Path) -> int:
    """Pages of folders that were built and have no batch yet: the next submit sends them."""
    unsent = 0
    for folder in manifest.open_folders(data_root):
        with suppress(Problem):  # a damaged folder is submit's to tell, after the others
            batch = manifest.load(folder)
            unsent += 0 if batch.last("bound") else len(batch.lines)
    return unsent


if __name__ == "__main__":
    main()
