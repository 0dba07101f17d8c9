"""Pages read a second time, by another reader, so that a person sees where the readings disagree.

    python scripts/second.py --model ocr --limit 50
    python scripts/second.py --model gemini-3.8-flash --limit 50 --seed 1

Takes the most urgent pages of the review list, then pages drawn at random, stratified by year.
`ocr` is the emulator's page reader, on this machine and without cost; any other model reads in a
batch, which is paid for once: run it again until the batch has ended. The same words always mean
the same pages, so that none of it is read twice; a larger limit adds pages. All of it is under
second/: no job and no result changes.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
from tqdm import tqdm

from flowsheets import lock, paths, settings
from flowsheets.accuracy import sample, second_reading
from flowsheets.accuracy.second_reading import OCR, About, Reader
from flowsheets.batch import aside, budget, build, proof, second
from flowsheets.batch.folder import Batch, new_name
from flowsheets.errors import Command, Count, Problem, raise_all, warn
from flowsheets.gemini import door
from flowsheets.index import reviews, tables, update
from flowsheets.jobs import database
from flowsheets.jobs.database import Database
from flowsheets.money import estimate
from flowsheets.page import schema, verified
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT, SEED = 50, 1
READERS = 2  # pages that are read at once on this machine, each on a core: some 150 MB more each


class Candidate(NamedTuple):
    """A page that has a first reading, and the model that it is from."""

    page: PageId
    model: str


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--model", default="")
@click.option("--seed", type=Count("SEED", SEED), default=SEED)
def main(limit: int, model: str, seed: int) -> None:
    """Read pages a second time."""
    name = _model(model)
    config = settings.load()
    db = database.connect(config.data_root)
    try:
        with closing(db.conn), lock.held(config.data_root, "second"):
            if name == OCR:
                _on_this_machine(db, config, limit, seed)
            else:
                _in_a_batch(db, replace(config, model=name), limit, seed)
    except lock.Held as busy:
        raise Problem("second", f"{busy.holder} is at it", "Wait for it") from busy


def _model(text: str) -> str:
    """The model's name, empty where none is given. Raises `Problem` for what is none."""
    name = text.strip().removeprefix("models/")
    if name.lower() == OCR:
        return OCR
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", name):
        shown = name if len(name) <= 40 else f"{name[:40]}..."
        raise Problem("MODEL", f"{shown!r} is not a model's name", f"Give MODEL={OCR}, or a model")
    return name


# --- which pages --------------------------------------------------------------------------------


def _choose(db: Database, config: Settings, limit: int, seed: int) -> list[Candidate]:
    """So many pages that have a first reading: those of the review list, then a draw."""
    with tables.writing(config.data_root) as index:
        update.update(config, db, index)
        urgent, others = _candidates(index)
    drawn = sample.more(others, (), limit - len(urgent), seed)
    chosen = [*urgent, *(others[page] for page in drawn)][:limit]
    changed = set(second.changed(db, config.data_root, [one.page for one in chosen]))
    if changed:
        pages = "1 page is" if len(changed) == 1 else f"{len(changed)} pages are"
        warn(
            f"{pages} left out, since the image is another one than was read the first time:"
            f" make retry reads it again. First {min(changed)}"
        )
    return [one for one in chosen if one.page not in changed]


def _candidates(index: Database) -> tuple[list[Candidate], dict[PageId, Candidate]]:
    """Pages with a result and an image: the listed ones by urgency, and the others.

    A page that a person verified is read; what second readings found does not choose pages.
    """
    sql = (
        "SELECT pdf_path, page_number, coalesce(model_version, ''),"
        " (SELECT min(rank) FROM reviews r WHERE r.page = p.page AND r.reason <> ?)"
        " FROM pages p WHERE result_path IS NOT NULL AND image_path IS NOT NULL"
        " AND entry_count IS NOT NULL AND verified IS NOT ?"
    )
    listed: list[tuple[int, Candidate]] = []
    others: dict[PageId, Candidate] = {}
    for pdf_path, number, model, rank in index.execute(sql, [reviews.SECOND, verified.COMPLETE]):
        one = Candidate(PageId(pdf_path, number), model)
        if rank is not None:
            listed.append((rank, one))
        else:
            others[one.page] = one
    return [one for _, one in sorted(listed)], others


# --- on this machine ----------------------------------------------------------------------------


def _on_this_machine(db: Database, config: Settings, limit: int, seed: int) -> None:
    who = Reader(OCR)
    read, version = _reader()
    chosen = _choose(db, config, limit, seed)
    _refuse_none(chosen)
    root = config.data_root
    waiting = [
        one.page
        for one in chosen
        if second_reading.read_of(root, who, one.page) != _digest(paths.png(root, one.page))
    ]
    with ThreadPoolExecutor(min(READERS, config.process_concurrency)) as pool:
        futures = {pool.submit(_read_one, read, version, root, page): page for page in waiting}
        try:
            failed = _wait_for(futures)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what is being read is written
            raise
    there = len(chosen) - len(waiting)
    click.echo(
        f"{OCR} read {len(waiting) - failed} pages, {there} were read before, {failed} failed."
        " Next: make review"
    )


def _reader() -> tuple[Callable[[bytes], dict[str, Any]], str]:
    try:
        from emulator import reader  # which make installs on the way

        return reader.load(), reader.MODEL_VERSION
    except (ImportError, FileNotFoundError) as error:
        raise Problem("MODEL", f"{OCR}: {error}", f"make second MODEL={OCR} installs it") from error


def _wait_for(futures: dict[Future[None], PageId]) -> int:
    """Wait until all pages are read; returns how many cannot be, with a warning each."""
    failed = 0
    for future, page in tqdm(futures.items(), OCR, unit=" pages", disable=None, leave=False):
        try:
            future.result()
        except (OSError, ValueError) as error:
            failed += 1
            warn(f"the image of {page} cannot be read ({error})")
    return failed


def _read_one(
    read: Callable[[bytes], dict[str, Any]], version: str, data_root: Path, page: PageId
) -> None:
    image = paths.png(data_root, page).read_bytes()
    reading = PageReading.model_validate(read(image))
    about = About(Reader(OCR), second_reading.digest(image), None)
    second_reading.write(data_root, page, schema.result(reading, version), about)


def _digest(png: Path) -> str:
    """Of the page's image as it is now; empty where it cannot be read."""
    try:
        return second_reading.digest(png.read_bytes())
    except OSError:
        return ""


# --- in a batch ---------------------------------------------------------------------------------


def _in_a_batch(db: Database, config: Settings, limit: int, seed: int) -> None:
    batches = second.all_batches(config.data_root)
    under_way = [batch for batch in batches if batch.open]
    if config.model:
        begun = _begin(db, config, limit, seed, batches)
        batches, under_way = batches + begun, under_way + begun
    elif not batches:
        fix = f"Give MODEL={OCR}, which costs nothing, or a model other than the first one"
        raise Problem("MODEL", "is missing", fix)
    problems = _go_on(db, config, under_way)
    read = second.write_readings(config.data_root, batches)
    waiting = [batch for batch in under_way if batch.open]
    for batch in under_way:
        if batch.state == "settled":
            _tell(batch)
    for batch in waiting:
        if batch.batch_id and batch.state == "bound":
            click.echo(aside.says(batch, second.NAME))
    if not under_way or read:
        click.echo(f"{read} second readings are new. Next: make review")
    raise_all(problems)


def _begin(
    db: Database, config: Settings, limit: int, seed: int, batches: list[Batch]
) -> list[Batch]:
    """Folders with the pages that this reader has not been paid for; nothing is sent yet."""
    who = second.asked_with(config)
    chosen = _choose(db, config, limit, seed)
    _refuse_none(chosen)
    had = second.paid_for(batches, who)
    pages = [
        one
        for one in chosen
        if (one.page, _digest(paths.png(config.data_root, one.page))) not in had
    ]
    if not pages:
        click.echo(
            f"{len(chosen)} pages were read by {who.name} already, or are about to be;"
            f" more: LIMIT={limit + LIMIT}"
        )
        return []
    door.now().check("batch")
    proof.refuse_unproven(db)
    _warn_of_the_same(pages, who)
    budget.hold_to_limit(db, config, len(pages))
    click.echo(estimate.line(config, len(pages), estimate.basis(db, config)))
    begun = []
    wanted = build.sized([one.page for one in pages], config)
    for part in build.split(wanted, config.batch_pages):
        folder = paths.second_readings(config.data_root) / new_name(
            datetime.now(UTC), door.now().LETTER
        )
        begun.append(aside.begin(folder, part, config))
    return begun


def _refuse_none(chosen: list[Candidate]) -> None:
    if not chosen:
        fix = "make process or make batch-fetch first"
        raise Problem("second", "no page has a first reading and an image", fix)


def _warn_of_the_same(pages: list[Candidate], who: Reader) -> None:
    """One model twice makes the same mistakes: elsewhere that showed half of the errors."""
    same = sum(one.model.rpartition(":")[2].removeprefix("models/") == who.model for one in pages)
    if same:
        warn(
            f"{who.model} read {same} of the {len(pages)} pages the first time as well: readers of"
            " one family have been seen to disagree on 53 % of the errors, those of three on 76 %"
        )


def _go_on(db: Database, config: Settings, batches: list[Batch]) -> list[Problem]:
    """A step further with each batch; returns what a person has to act on."""
    problems = []
    for batch in batches:
        try:
            aside.go_on(batch, db, config, second.NAME)
        except Problem as problem:
            problems.append(problem)
    return problems


def _tell(batch: Batch) -> None:
    outcomes = aside.outcomes(batch)
    read = sum(isinstance(one, PageReading) for one in outcomes.values())
    failed = len(batch.lines) - read
    click.echo(f"fetched {batch.batch_id} {len(batch.lines)} pages: {read} read, {failed} not")


if __name__ == "__main__":
    main()
