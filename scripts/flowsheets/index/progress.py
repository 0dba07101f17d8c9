"""How far people have checked the pages, and what their corrections say of the model's confidence.

From the table `corrections`, which has a row for each page that a person verified beside what the
model had read: all rows of a complete page, and of a draft those of the blocks marked as checked.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from flowsheets import paths

CONFIDENCES = ("high", "medium", "low")


class Progress(NamedTuple):
    """Pages that people saved, and the model's rows on what they checked of them."""

    complete: int
    drafts: int
    rows: dict[str, int]  # by confidence
    wrong: dict[str, int]  # of these: changed, moved or deleted
    added: int  # rows that the model did not have

    @property
    def known(self) -> int:
        """Rows that were checked beside what the model read."""
        return sum(self.rows.values())


def read(db: Any) -> Progress:
    """From flowsheets.db. Raises `sqlite3.Error` where it has no such tables."""
    sums = ", ".join(f"total({name}), total({name}_wrong)" for name in CONFIDENCES)
    *numbers, added = db.execute(f"SELECT {sums}, total(added) FROM corrections").fetchone()
    complete, drafts = db.execute(
        "SELECT count(*) FILTER (WHERE verified = 'complete'),"
        " count(*) FILTER (WHERE verified = 'draft') FROM pages WHERE verified IS NOT NULL"
    ).fetchone()
    rows = dict(zip(CONFIDENCES, map(int, numbers[::2]), strict=True))
    wrong = dict(zip(CONFIDENCES, map(int, numbers[1::2]), strict=True))
    return Progress(complete, drafts, rows, wrong, int(added))


def of_data_root(data_root: Path) -> Progress | None:
    """For a command that has not opened the index; None without one, and where nobody has saved a
    page.
    """
    path = paths.index_db(data_root)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            found = read(db)
    except sqlite3.Error:  # missing, of another version, in the making
        return None
    return found if found.complete + found.drafts else None


def lines(progress: Progress | None) -> list[str]:
    """It in words; nothing where nobody has saved a page."""
    if progress is None or not progress.complete + progress.drafts:
        return []
    pages = f"{progress.complete:,} page{'s' * (progress.complete != 1)} checked by people"
    drafts = f", {progress.drafts:,} in draft" if progress.drafts else ""
    if not progress.known:
        return [f"{pages}{drafts}"]
    wrong = sum(progress.wrong.values())
    changed = f"{wrong:,} of {progress.known:,} rows changed, {progress.added:,} added"
    shares = ", ".join(
        f"{name} {share(progress.wrong[name], progress.rows[name])}"
        for name in CONFIDENCES
        if progress.rows[name]
    )
    return [f"{pages}{drafts}; {changed}", f"wrong by confidence: {shares}"]


def share(some: int, of: int) -> str:
    """`3 of 40 (7.5%)`."""
    percent = 100 * some / of
    return f"{some:,} of {of:,} ({percent:.{0 if percent >= 10 or not some else 1}f}%)"
