"""Failed pages' kept responses read again with today's code: asks no API, pays nothing.

    python scripts/reread.py

Looks in batches/*/responses.jsonl, by key, and in responses/. The newest response of a page that
holds a valid page completes it; a page for which there is none stays as it is. No result that
exists is replaced.
"""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import click
from pydantic import ValidationError
from tqdm import tqdm

from flowsheets import lock, paths, settings
from flowsheets.batch import images, recover, results
from flowsheets.batch.folder import Batch, Line, batch_folders, load_batch
from flowsheets.batch.results import Outcome
from flowsheets.errors import Command, Problem, warn
from flowsheets.jobs import database, date_checks, states
from flowsheets.jobs.database import Database
from flowsheets.page import response
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading, PageResult
from flowsheets.paths import PageId
from flowsheets.settings import Settings


class Kept(NamedTuple):
    """A response on disk; sorts by the time at which it was asked for (ISO, UTC)."""

    at: str
    path: Path
    offset: int = 0  # of its line, in the result file of a batch
    batch: Batch | None = None  # that it is from; None in real time
    line: Line | None = None  # of the batch's manifest


@click.command(cls=Command)
def main() -> None:
    """Read kept responses of failed pages again."""
    config = settings.load()
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recover.say(recover.run(db, config))
        try:
            # With both, no command claims a failed page meanwhile.
            with lock.held(config.data_root, "process"):
                _reread(db, config)
        except lock.Held as held:
            click.echo(f"nothing read again: {held.holder} is at work on the pages")


def _reread(db: Database, config: Settings) -> None:
    began = states.now()
    failed = states.in_status(db, "failed")
    kept = _kept(config.data_root, failed)
    completed = _complete(db, config, failed, kept)
    silent = sum(page not in kept for page in failed)
    without = f" ({silent:,} without a kept response)" if silent else ""
    pages = f"{len(failed):,} failed page{'s' * (len(failed) != 1)}"
    click.echo(
        f"read {pages} again: {completed:,} completed, {len(failed) - completed:,} still failed"
        f"{without}. Next: make status"
    )
    if to_check := date_checks.line(db, began):
        click.echo(to_check)


def _kept(data_root: Path, failed: list[PageId]) -> dict[PageId, list[Kept]]:
    """page -> its responses on disk, the newest first; pages without one are left out.

    So are responses from before a result was put aside: somebody wanted another text.
    """
    kept: dict[PageId, list[Kept]] = defaultdict(list)
    for page in failed:
        for saved in paths.real_time_responses(data_root, page):
            if not paths.was_retried(saved):
                kept[page].append(Kept(paths.asked_for(saved)[0], saved))
    wanted = set(failed)
    for folder in batch_folders(data_root):
        for page, one in _in_batch(folder, wanted):
            kept[page].append(one)
    return {
        page: sorted(found, key=lambda one: one.at, reverse=True) for page, found in kept.items()
    }


def _in_batch(folder: Path, wanted: set[PageId]) -> list[tuple[PageId, Kept]]:
    try:
        batch = load_batch(folder)
        if wanted.isdisjoint(batch.pages):
            return []
        offsets = results.check_file(batch).offsets  # keys that were sent, and are there once
    except (Problem, OSError) as error:
        what = error.message if isinstance(error, Problem) else f"{folder}: {error}"
        warn(f"{what}. Its responses are left out")
        return []
    at = batch.asked_at or ""
    return [
        (page, Kept(at, batch.responses, offsets[line["key"]], batch, line))
        for line, page in zip(batch.lines, batch.pages, strict=True)
        if page in wanted and line["key"] in offsets and line["index"] not in batch.retried
    ]


def _complete(
    db: Database, config: Settings, failed: list[PageId], kept: dict[PageId, list[Kept]]
) -> int:
    """Complete what can be completed, a chunk at a time; returns how many pages."""
    completed = 0
    bar = tqdm(failed, "read again", unit=" pages", disable=None, leave=False)
    chunk: list[Outcome] = []
    for page in bar:
        if outcome := _outcome(db, config, page, kept.get(page, [])):
            chunk.append(outcome)
        if len(chunk) == results.CHUNK:
            completed += _settle(db, config, chunk)
            chunk = []
    return completed + _settle(db, config, chunk)


def _settle(db: Database, config: Settings, chunk: list[Outcome]) -> int:
    return results.apply(db, config.data_root, chunk, old="failed").completed


def _outcome(db: Database, config: Settings, page: PageId, kept: list[Kept]) -> Outcome | None:
    """What completes the page, or None."""
    newest = _newest(db, config, page, kept)
    result = paths.result(config.data_root, page)
    if newest is None or not result.exists():
        return newest
    if _holds(result, newest.reading):  # a kill came between the file and the row
        return newest
    warn(f"{result} has another text: the page stays failed. make retry puts that text aside")
    return None


def _holds(result: Path, reading: object) -> bool:
    try:
        old = PageResult.model_validate_json(result.read_bytes())
    except (OSError, ValidationError):
        return False
    return isinstance(reading, PageReading) and all(
        getattr(old, name) == value for name, value in reading
    )


def _newest(db: Database, config: Settings, page: PageId, kept: list[Kept]) -> Outcome | None:
    """The page as its newest valid response has it."""
    row = states.row(db, page) or {}
    for one in kept:
        reading, version = _read(config, page, one)
        if isinstance(reading, PageReading):
            asked = (one.batch and one.batch.model) or row.get("model_version") or config.model
            return Outcome(page, reading, version or asked)
    return None


def _read(config: Settings, page: PageId, kept: Kept) -> tuple[PageReading | Unread, str | None]:
    """The page in a kept response, and the model that it names."""
    try:
        raw = _bytes(kept)
        body = response.parse(raw)
    except (OSError, ValueError) as error:
        return Unread("not_json", f"the response cannot be read: {error}"), None
    if kept.batch is None:
        reading = response.read(body)
    else:
        reading = response.read_line(body)
        body = body.get("response") if isinstance(body, dict) else None
    if isinstance(reading, PageReading):
        reading = _of_this_image(config.data_root, page, kept, reading)
    return reading, results.model_version(body, "") or None


def _bytes(kept: Kept) -> bytes:
    with kept.path.open("rb") as file:
        file.seek(kept.offset)
        return file.readline() if kept.batch else file.read()


def _of_this_image(
    data_root: Path, page: PageId, kept: Kept, reading: PageReading
) -> PageReading | Unread:
    """The reading, unless the page was rendered anew since it was sent.

    In real time the digest of the image was not kept: there its file must not be the newer one.
    """
    if kept.batch and kept.line:
        return images.checked(reading, kept.batch, data_root, kept.line)
    png = paths.png(data_root, page)
    if png.is_file() and png.stat().st_mtime > kept.path.stat().st_mtime:
        return Unread("image_changed", "the page's image is newer than the response")
    return reading


if __name__ == "__main__":
    main()
