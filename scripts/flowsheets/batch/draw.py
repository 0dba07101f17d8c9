"""The pages of a comparison: drawn at random, in proportion to the years, from what has an image.

Pages with truth come first, since they say which setting is right; then pages that wait; then any
other page that is not failed: to be compared changes no page. The comparison's manifests keep the
draw, and its seed is the number of pages that were drawn before.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.accuracy import sample
from flowsheets.jobs import states
from flowsheets.paths import PageId

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
    taken = set(known)
    drawn: list[PageId] = []
    counts = []
    for pool in _pools(db, max_attempts, with_truth):
        there = [p for p in pool if p not in taken and paths.png(data_root, p).is_file()]
        new = sample.more(there, [], limit - len(drawn), len(known))
        taken |= {*new}
        drawn += new
        counts.append(len(new))
    return Drawn(drawn, *counts[:2])


def _pools(
    db: Database, max_attempts: int, with_truth: Collection[PageId]
) -> Iterator[list[PageId]]:
    yield [page for page in states.all_pages(db) if page in with_truth]
    yield [page for page, _ in states.waiting(db, max_attempts)]
    yield [page for status in OTHERS for page in states.in_status(db, status)]
