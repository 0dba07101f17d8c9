"""Finished pages back to the queue, with all their tries: the only way back from `completed`.

    python scripts/retry.py --pdf "1990/January 1990/1990-01jan0106.pdf" --page 5
    python scripts/retry.py --status failed
    python scripts/retry.py --code recitation

The result that a page had is kept beside the new one, under a name that ends in the time. A page
whose status is unknown here, set by hand say, comes back so as well.
"""

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import click

from flowsheets import files, lock, paths, settings
from flowsheets.batch import recover
from flowsheets.errors import Command, Count, Problem
from flowsheets.jobs import database, date_checks, mended_answers, pauses, states
from flowsheets.jobs.database import Database
from flowsheets.paths import PageId
from flowsheets.settings import Settings

# Old results put aside, then their rows in one transaction: that many at a time.
CHUNK = 200

EXAMPLE = 'make retry PDF="1990/January 1990/1990-01jan0106.pdf" PAGE=5'

Page = tuple[PageId, str]  # with its status


@click.command(cls=Command)
@click.option("--pdf", default="")
@click.option("--page", type=Count("PAGE"), default="")
@click.option("--status", default="")
@click.option("--code", default="")
def main(pdf: str, page: int | None, status: str, code: str) -> None:
    """Put finished pages back to the queue, with all their tries."""
    status, code = status.strip().lower(), code.strip().lower()
    _check(pdf, page, status, code)
    config = settings.load()
    db = database.connect(config.data_root)
    with lock.jobs_held(config.data_root):
        recover.say(recover.run(db, config))
        found = states.finished(
            db, pdf_path=pdf, page_number=page, failed=status == "failed", code=code
        )
        if not found:
            _explain_nothing(db, pdf, page, code)
            click.echo("no page is failed: nothing to retry")
            return
        _say_how_many(found)
        moved = _retry_all(db, config, found)
    _say_the_end(found, moved)


def _check(pdf: str, page: int | None, status: str, code: str) -> None:
    """Raises `Problem` where what a person gave names no pages, or could mean two things."""
    if page and not pdf:
        raise Problem("PDF", "is missing", f"A page is named with its PDF: {EXAMPLE}")
    if page and (status or code):
        what = "STATUS" if status else "CODE"
        raise Problem(what, "makes no sense beside PAGE", "Give one of the two")
    if status not in ("", "failed"):
        raise Problem("STATUS", f"{status!r:.60} is not failed", "Give STATUS=failed, or a PDF=")
    if not (pdf or status or code):
        raise Problem("PDF", "is missing", f"Give {EXAMPLE}, or PDF= alone, STATUS=failed, CODE=")


def _explain_nothing(db: Database, pdf: str, page: int | None, code: str) -> None:
    """Raises `Problem` where no page was found, unless it was only asked for failed ones."""
    if page:
        _explain_page(db, PageId(pdf, page))
    if pdf and not states.pages_of(db, pdf):
        raise Problem(pdf, "is not in jobs.db", "PDF is relative to SCANS_ROOT; make status")
    if code:
        known = Counter(one for one, _ in states.failures(db) if one)
        codes = ", ".join(f"{one} ({count})" for one, count in known.most_common()) or "none"
        raise Problem("CODE", f"no failed page has the code {code!r:.60}", f"Codes here: {codes}")
    if pdf:
        raise Problem(pdf, "has no finished page to retry", "make status")


def _explain_page(db: Database, page: PageId) -> None:
    row = states.row(db, page)
    if row is None:
        raise Problem(str(page), "is not in jobs.db", "PDF is relative to SCANS_ROOT; make status")
    raise Problem(
        str(page), f"is {row['status']}, not finished", "Only a finished page is tried again"
    )


def _say_how_many(found: list[Page]) -> None:
    if len(found) > 1:
        counts = Counter(status for _, status in found)
        counted = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        click.echo(f"{len(found):,} pages go back to the queue: {counted}")


def _say_the_end(found: list[Page], moved: int) -> None:
    if moved == 0:
        what = str(found[0][0]) if len(found) == 1 else f"{len(found):,} pages"
        raise Problem(what, "was taken by another command just now", "make status")
    what = f"{found[0][0]} is" if len(found) == 1 else f"{moved:,} pages are"
    click.echo(f"{what} back in the queue. Next: make process, or make batch-submit")


def _retry_all(db: Database, config: Settings, found: list[Page]) -> int:
    """Put the pages back, a chunk at a time; returns how many moved."""
    chunks = [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)]
    return sum(_retry(db, config, chunk) for chunk in chunks)


def _retry(db: Database, config: Settings, chunk: list[Page]) -> int:
    """One chunk. Copies first: whenever a kill comes, a completed page has its result."""
    old = {page: result for page, _ in chunk if (result := _old_result(config, page))}
    at = states.now()
    files.write_all(
        (paths.old_result(config.data_root, page, at), path.read_bytes())
        for page, (path, _) in old.items()
    )
    recover.note_retried(db, config.data_root, [page for page, _ in chunk])
    with database.transaction(db):
        moved = [page for group in _groups(config, chunk) for page in _flip(db, *group)]
        for page in moved:
            date_checks.forget(db, page)
            pauses.end(db, [page])
            mended_answers.forget(db, page)
    for page in moved:
        if page in old:
            _remove(*old[page])
    return len(moved)


def _old_result(config: Settings, page: PageId) -> tuple[Path, os.stat_result] | None:
    path = paths.result(config.data_root, page)
    with suppress(FileNotFoundError):
        return path, path.stat()
    return None


def _groups(config: Settings, chunk: list[Page]) -> Iterable[tuple[str, str, list[PageId]]]:
    """(old status, new status, pages): a page whose image is missing is rendered first."""

    def move(page: PageId, status: str) -> tuple[str, str]:
        has_image = paths.png(config.data_root, page).is_file()
        return status, "rendered" if has_image else "pending"

    moves = sorted((move(page, status), page) for page, status in chunk)
    for (old, new), group in groupby(moves, key=lambda one: one[0]):
        yield old, new, [page for _, page in group]


def _flip(db: Database, old: str, new: str, pages: list[PageId]) -> list[PageId]:
    return states.flip(
        db,
        pages,
        old,
        new,
        attempts=0,
        last_error=None,
        batch_id=None,
        within_batch_index=None,
        model_version=None,
        result_path=None,
    )


def _remove(result: Path, known: os.stat_result) -> None:
    """Remove the old result, unless the page was read again by now and has a new one."""
    with suppress(FileNotFoundError):
        if os.path.samestat(result.stat(), known):
            result.unlink()


if __name__ == "__main__":
    main()
