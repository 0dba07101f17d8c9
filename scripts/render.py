"""Pages to images: each pending page becomes an upright PNG under pages/.

    python scripts/render.py --limit 200 --jobs 4
    python scripts/render.py --missing 1

A page that is one bitmap becomes that bitmap, bit for bit; any other page is drawn as a viewer
shows it. A PNG that is there already is kept, unless the page's PDF has changed since. A page that
cannot be drawn is `failed` with the reason; no try is counted, and the next `make render` draws it
again, after the pages that never failed. With `--missing`, completed pages whose PNG is gone get
it again.
"""

import errno
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import click
from PIL import Image
from tqdm import tqdm

from flowsheets import files, lock, paths, settings
from flowsheets.errors import Command, Count, Problem, warn
from flowsheets.jobs import database, pdfs, states
from flowsheets.jobs.database import Database
from flowsheets.page import scan
from flowsheets.page.pdf import NoPageImage
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 200
FLIPPED_AT_ONCE = 100  # rows a transaction: what a kill costs is that many rows, and no image
PAGES_A_TASK = 8  # neighbours, so that a worker opens their PDF once

# What one page may take of a worker, some ten times the largest scan: a page that was made to take
# all of a machine ends its worker, and is found by drawing the pages of that moment one at a time.
MAX_WORKER_BYTES = 4_000_000_000
MAX_PAGE_CPU_SECONDS = 120

# What meets every page, and ends the command; anything else about one page's file is its own.
EVERYBODYS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

IN_WORDS: dict[int | None, str] = {
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way",
    errno.EISDIR: "a folder is in the way",
    errno.ENAMETOOLONG: "its path is too long",
}


class Task(NamedTuple):
    """A page to draw; `status` is what it has when it is drawn, None: its row stays as it is.

    `tries` is set where the page has no image and is failed: it was not sent, and is given all its
    tries, also where they were counted for drawing it, as they were once.
    """

    page: PageId
    pdf: Path
    png: Path
    status: str | None
    tries: bool


class Drawn(NamedTuple):
    """What came of a task: how the page was drawn, or why it was not."""

    task: Task
    drawn_by: scan.DrawnBy | None
    failure: NoPageImage | None


# Of several tasks: what came of each, up to what meets every page (a full disk, say).
Outcome = tuple[list[Drawn], Problem | None]


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--jobs", "workers", type=Count("JOBS"), default="")
@click.option("--missing", type=Count("MISSING"), default="")
def main(limit: int, workers: int | None, missing: int | None) -> None:
    """Turn pending pages into upright PNGs."""
    config = settings.load()
    if not config.scans_root.is_dir():
        raise Problem(
            "SCANS_ROOT",
            f"{config.scans_root} is not a folder",
            "Put the PDFs there, or set SCANS_ROOT",
        )
    db = database.connect(config.data_root)
    try:
        with lock.held(config.data_root, "render"):
            rendered, failed = _render_all(
                db, config, limit, workers or config.render_concurrency, bool(missing)
            )
    except lock.Held as held:
        click.echo(f"nothing rendered: {held.holder} is at work on the pages")
        return
    click.echo(
        f"rendered {rendered} pages, {failed} failed. Next: make process, or make batch-submit"
    )


def _render_all(
    db: Database, config: Settings, limit: int, workers: int, missing: bool
) -> tuple[int, int]:
    kept, tasks = _choose(db, config, limit, missing)
    if tasks:
        _check_can_write(paths.pngs(config.data_root))
    rendered, failed = _keep(db, config.data_root, kept), 0
    drawn: list[Drawn] = []
    try:
        for one in tqdm(
            _draw(tasks, min(workers, len(tasks))),
            "render",
            len(tasks),
            unit=" pages",
            disable=None,
            leave=False,
        ):
            rendered += one.failure is None
            failed += one.failure is not None
            drawn.append(one)
            if len(drawn) == FLIPPED_AT_ONCE:
                _record(db, drawn)
                drawn = []
    finally:  # also where the disk is full: what was drawn stays drawn
        _record(db, drawn)
    return rendered, failed


def _choose(
    db: Database, config: Settings, limit: int, missing: bool
) -> tuple[list[PageId], list[Task]]:
    """Pending pages that have an image already, and pages to draw; up to `limit` together."""
    kept: list[PageId] = []
    tasks: list[Task] = []
    wanted = _missing(db, config) if missing else _undrawn(db, config)
    for one in wanted:
        if one.has_image:
            kept.append(one.page)
        elif _pdf_is_there(pdf := config.scans_root / one.page.pdf_path):
            png = paths.png(config.data_root, one.page)
            tasks.append(Task(one.page, pdf, png, one.status, one.tries))
        if len(kept) + len(tasks) == limit:
            break
    return kept, tasks


class _Wanted(NamedTuple):
    """A page that wants an image; the other names are as in `Task`."""

    page: PageId
    status: str | None
    tries: bool = False
    has_image: bool = False


def _undrawn(db: Database, config: Settings) -> Iterator[_Wanted]:
    """Pages that wait for an image, or have one that their row does not know of."""
    for page, status, had_image, outdated in states.to_render(db):
        has_image = not outdated and _is_file(paths.png(config.data_root, page))
        if not has_image:
            failed_at_gemini = status == "failed" and had_image and not outdated
            failed_here = status == "failed" and not had_image
            yield _Wanted(page, None if failed_at_gemini else "rendered", tries=failed_here)
        elif status in ("pending", "rendering"):
            yield _Wanted(page, "rendered", has_image=True)


def _missing(db: Database, config: Settings) -> Iterator[_Wanted]:
    """Completed pages whose image is gone. From another PDF it would not be what was read."""
    outdated = set(pdfs.read_from_another(db))
    for status in states.READ:
        for page in states.in_status(db, status):
            if _is_file(paths.png(config.data_root, page)):
                continue
            if page in outdated:
                warn(f"{page} is not drawn: its PDF has changed since the page was read")
            else:
                yield _Wanted(page, None)


@cache  # one warning a PDF
def _pdf_is_there(pdf: Path) -> bool:
    """Whether there is a PDF to draw from. One that cannot be looked at fails page by page."""
    try:
        pdf.stat()
    except (FileNotFoundError, NotADirectoryError):
        warn(f"{pdf} is missing; its pages stay as they are. Put it back, or set SCANS_ROOT")
        return False
    except OSError:
        pass
    return True


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file()
    return False


def _draw(tasks: list[Task], workers: int) -> Iterator[Drawn]:
    """Draw side by side, in processes: decoding a bitmap holds Python's global lock.

    A page may kill its worker, and it is not known which page it was: those under way are then
    drawn one at a time.
    """
    chunks = deque(tasks[at : at + PAGES_A_TASK] for at in range(0, len(tasks), PAGES_A_TASK))
    while chunks:
        under_way: dict[Future[Outcome], list[Task]] = {}
        with suppress(BrokenProcessPool), _pool(workers) as pool:
            yield from _side_by_side(pool, workers, chunks, under_way)
        for chunk in under_way.values():
            for task in chunk:
                yield _draw_alone(task)


def _side_by_side(
    pool: ProcessPoolExecutor,
    workers: int,
    chunks: deque[list[Task]],
    under_way: dict[Future[Outcome], list[Task]],
) -> Iterator[Drawn]:
    """Draw the chunks, a few in advance; `under_way` holds those whose outcome is not known."""
    while chunks or under_way:
        while chunks and len(under_way) <= workers:
            future = pool.submit(_draw_pages, chunks[0])
            under_way[future] = chunks.popleft()
        problem: Problem | None = None
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            drawn, met = future.result()
            del under_way[future]
            yield from drawn
            problem = problem or met
        if problem:
            raise problem


def _draw_alone(task: Task) -> Drawn:
    try:
        with _pool(1) as pool:
            drawn, problem = pool.submit(_draw_pages, [task]).result()
    except BrokenProcessPool:
        said = "drawing the page takes more memory or time than any scan needs"
        return Drawn(task, None, NoPageImage("killed_worker", said))
    if problem:
        raise problem
    return drawn[0]


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, initializer=_begin_worker)


def _begin_worker() -> None:
    """Bounds for a worker; what libraries print as they die is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with suppress(ValueError, OSError):  # a machine with a lower limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
    # A worker waits for its next task for ever, also where its parent was killed.
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _draw_pages(tasks: list[Task]) -> Outcome:
    drawn: list[Drawn] = []
    try:
        for task in tasks:
            drawn.append(_draw_page(task))
    except Problem as problem:
        return drawn, problem
    return drawn, None


def _draw_page(task: Task) -> Drawn:
    signal.setitimer(signal.ITIMER_PROF, MAX_PAGE_CPU_SECONDS)  # ends the process, in C as well
    try:
        image, drawn_by = scan.draw(task.pdf, task.page.page_number)
        _write(image, task.png)
    except NoPageImage as failure:
        return Drawn(task, None, failure)
    except MemoryError:
        said = "the page needs more memory than any scan"
        return Drawn(task, None, NoPageImage("too_large", said))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Drawn(task, drawn_by, None)


def _write(image: Image.Image, png: Path) -> None:
    try:
        scan.write_png(image, png)
    except Problem as problem:
        reason = problem.__cause__
        if not isinstance(reason, OSError) or reason.errno in EVERYBODYS:
            raise
        said = IN_WORDS.get(reason.errno, reason.strerror)
        raise NoPageImage("cannot_write", f"the image cannot be written: {said}") from problem


def _check_can_write(folder: Path) -> None:
    """Raises `Problem` where no page can be written: that is not the pages' failure."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise files.cannot_write(folder, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def _keep(db: Database, data_root: Path, pages: list[PageId]) -> int:
    """Pages whose image is there are rendered."""
    with database.transaction(db):
        return sum(
            len(_flip(db, page, "rendered", image_path=str(paths.png(data_root, page))))
            for page in pages
        )


def _record(db: Database, drawn: list[Drawn]) -> None:
    with database.transaction(db):
        good = [(one.task.page, one.drawn_by) for one in drawn if one.drawn_by is not None]
        pdfs.drawn(db, good)
        for task, _, failure in drawn:
            if failure is not None:
                _fail(db, task, failure)
            elif task.status is not None:
                tries = {"attempts": 0} if task.tries else {}
                image = str(task.png)
                _flip(db, task.page, task.status, image_path=image, last_error=None, **tries)


def _fail(db: Database, task: Task, failure: NoPageImage) -> None:
    """The page is failed without an image. An old one, of another PDF, is not to be sent."""
    if task.status is None:
        warn(f"{task.page} is not drawn: {failure.reason}")
        return
    reason = str(failure)
    if _flip(db, task.page, "failed", image_path=None, last_error=reason):
        with suppress(OSError):
            task.png.unlink(missing_ok=True)


def _flip(db: Database, page: PageId, new: str, **columns: Any) -> list[PageId]:
    """Move a page that is still at rest; one that another command took meanwhile is let be."""
    return states.flip(db, [page], ("pending", "rendering", "rendered", "failed"), new, **columns)


if __name__ == "__main__":
    main()
