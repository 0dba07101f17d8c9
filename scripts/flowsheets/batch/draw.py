"""The pages of a comparison: drawn at random, in proportion to the years, from what has an image.

Pages with truth come first, since they say which setting is right; then pages that wait; then any
other page that is not failed: to be compared changes no page. The comparison's manifests keep the
draw. More pages go on from those that were drawn before, so that in whatever steps so many pages
are asked for, and under whichever letters, they are the same.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.accuracy import sample
from flowsheets.accuracy.sample import ROWS
from flowsheets.jobs import states
from flowsheets.paths import PageId

SEED = 0
OTHERS = (*states.READ, "submitted", "processing")


class Drawn(NamedTuple):
    """The pages, and how many of them were drawn from which pool."""

    pages: list[PageId]
    with_truth: int
    waiting: int

    def __str__(self) -> str:
        others = len(self.pages) - self.with_truth - self.waiting
        pools = {
            "with truth": self.with_truth,
            "that wait": self.waiting,
            "that were read": others,
        }
        said = ", ".join(f"{count} {name}" for name, count in pools.items() if count)
        return f"drawn at random, in proportion to the years: {said}"


def pages(
    db: Database,
    data_root: Path,
    limit: int,
    max_attempts: int,
    *,
    with_truth: Collection[PageId],
    known: Collection[PageId],
) -> Drawn:
    """Up to `limit` pages; `known` ones were compared already, and are left out."""
    taken: set[PageId] = set()
    drawn: list[PageId] = []
    counts = []
    for pool in _pools(db, max_attempts, with_truth):
        there = [p for p in pool if p not in taken and paths.png(data_root, p).is_file()]
        before = [page for page in there if page in known]
        kept = [sample.Drawn(p, SEED, sample.stratum(p.pdf_path), ROWS) for p in before]
        new = sample.more(there, kept, limit - len(drawn) + len(kept), SEED)
        taken |= {*before, *new}
        drawn += new
        counts.append(len(new))
    return Drawn(drawn, *counts[:2])


def _pools(
    db: Database, max_attempts: int, with_truth: Collection[PageId]
) -> Iterator[list[PageId]]:
    yield [page for page in states.all_pages(db) if page in with_truth]
    yield [page for page, _ in states.waiting(db, max_attempts)]
    yield [page for status in OTHERS for page in states.in_status(db, status)]
