"""The product, deliberately broken in one place: BROKEN=name. The explorer has to catch each.

no_adopt        a batch is never looked for at the API before one is created
no_take_in      jobs.db is not brought in line with the folders
by_position     a response is its neighbour's: matched by its place in the file, not by its key
no_books        what the books say of a response is not asked before it is applied
no_grace        an unclear create counts as never made at once
"""

import os
from collections.abc import Iterator
from typing import Any

NAMES = ("no_adopt", "no_take_in", "by_position", "no_books", "no_grace")


def watch() -> None:
    """Break what the environment names in this process."""
    if name := os.environ.get("BROKEN"):
        globals()[f"_{name}"]()


def _no_adopt() -> None:
    from flowsheets.batch import submit

    submit.adopt = lambda batch: False


def _no_take_in() -> None:
    from flowsheets.batch import recover

    recover._take_in_batches = lambda *_: None


def _by_position() -> None:
    from flowsheets.batch import results

    def by_line(batch: Any, check: Any) -> Iterator[Any]:
        with batch.responses.open("rb") as file:
            for line, offset in zip(batch.lines, sorted(check.offsets.values()), strict=False):
                yield line, [results._line_at(file, offset)]

    results.by_line = by_line


def _no_books() -> None:
    from flowsheets.money import usage

    usage.pages_of_batch = lambda *_: set()
    usage.requests_of_page = lambda *_: set()


def _no_grace() -> None:
    from flowsheets.batch import submit

    submit.grace_left = lambda *_: 0.0
