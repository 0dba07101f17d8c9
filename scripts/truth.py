"""Pages drawn at random, in proportion to the years, for people to type: the truth to measure by.

    python scripts/truth.py --limit 20 --seed 1 --draft reading

Each gets a draft under truth/, of rows to be typed, or of its result with --draft reading, which
leads the eye and is reported apart. The draw is kept in truth/sample.jsonl: the same seed gives the
same pages, and a larger limit keeps them. A file that is there is never touched.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click
from PIL import Image
from tqdm import tqdm

from flowsheets import files, lock, paths, settings
from flowsheets.accuracy import drafts, sample
from flowsheets.accuracy.sample import READING, ROWS, Drawn
from flowsheets.errors import Command, Count, OneOf, Problem, warn
from flowsheets.jobs import database, states
from flowsheets.page import form, shapes
from flowsheets.paths import PageId

LIMIT, SEED = 20, 1


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--seed", type=Count("SEED", SEED), default=SEED)
@click.option("--draft", type=OneOf("DRAFT", ROWS, READING), default="")
def main(limit: int, seed: int, draft: str) -> None:
    """Draw pages at random, and write a draft of each for a person to type."""
    data_root = settings.load().data_root
    try:
        with lock.held(data_root, "truth"):
            pages = _pages(data_root, draft or ROWS)
            kept = sample.read(sample.file(data_root))
            drawn = _draw(pages, kept, limit, seed, draft or ROWS)
            if drawn.new:  # before the drafts: a kill then costs no page its place in the draw
                sample.write(sample.file(data_root), [*kept, *drawn.new])
            here = set(pages)  # a page of the draw may have gone since
            written = _write_drafts(data_root, [one for one in drawn.all if one.page in here])
            _show(drawn, written, limit)
    except lock.Held as busy:
        raise Problem("truth", f"{busy.holder} is at it", "Wait for it") from busy


class _Draw(NamedTuple):
    """The sample of this seed, and which of it is new."""

    all: list[Drawn]
    new: list[Drawn]


def _pages(data_root: Path, draft: str) -> list[PageId]:
    """The pages that can be drawn: with an image or a result; with a result, to begin with one.

    Raises `Problem` where there is none.
    """
    pages = list(states.all_pages(database.connect(data_root)))
    places = [paths.result] if draft == READING else [paths.png, paths.result]
    there = [p for p in pages if any(place(data_root, p).is_file() for place in places)]
    if there:
        return there
    if draft == READING:
        raise Problem("truth", "no page has a result to begin with", "Leave DRAFT=reading out")
    raise Problem("truth", "no page is rendered", "make discover, then make render")


def _draw(pages: list[PageId], kept: list[Drawn], limit: int, seed: int, draft: str) -> _Draw:
    before = [drawn for drawn in kept if drawn.seed == seed]
    new = [
        Drawn(page, seed, sample.stratum(page.pdf_path), draft)
        for page in sample.more(pages, before, limit, seed)
    ]
    return _Draw([*before, *new][:limit], new)


def _write_drafts(data_root: Path, drawn: Iterable[Drawn]) -> list[Path]:
    """A draft of each page that has none; returns the new ones."""
    written = []
    for one in tqdm(list(drawn), "drafts", unit=" pages", disable=None, leave=False):
        path = paths.truth_page(data_root, one.page)
        if os.path.lexists(path):
            continue
        content = _reading(data_root, one) if one.draft == READING else _rows(data_root, one.page)
        if content is not None:
            files.write_whole(path, content)
            written.append(path)
    return written


def _reading(data_root: Path, drawn: Drawn) -> bytes | None:
    result = paths.result(data_root, drawn.page)
    try:
        return drafts.of_reading(shapes.read(result.read_bytes()))
    except (OSError, ValueError) as error:
        warn(f"{result} is not a result ({shapes.why(error)}): no draft")
        return None


def _rows(data_root: Path, page: PageId) -> bytes:
    png = paths.png(data_root, page)
    rows: drafts.Rows = (None,) * 4
    try:
        rows = form.written_rows(png)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        warn(f"{png} is missing or cannot be read: the draft of {page} has no rows. make render")
    return drafts.of_rows(rows)


def _show(drawn: _Draw, written: list[Path], limit: int) -> None:
    for path in written:
        click.echo(path)
    years = Counter(one.stratum for one in drawn.all)
    said = ", ".join(f"{year} {years[year]}" for year in sorted(years))
    click.echo(f"drawn {len(drawn.all)} pages ({said}): {len(written)} new drafts")
    if len(drawn.all) < limit:
        click.echo(f"these are all pages there are: LIMIT={limit} asks for more")
    click.echo(
        "Next: type each page as its scan in pages/ shows it, delete rows that are blank, put your"
        ' name into "real_name" of "verified_by", then make accuracy'
    )


if __name__ == "__main__":
    main()
