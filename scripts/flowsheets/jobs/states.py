"""jobs.db: one row a page, and the only way in which a row changes its status.

    pending --render--> rendered --process--> processing --> completed  left by `make retry` alone
                            |                     |--> failed           its try is counted
                            |                     '--> rendered         the run was stopped
                            '--batch-submit--> submitted --batch-fetch--> completed | failed
                                                  '--> rendered         did not run, no try counted

A failed page with tries left (`attempts` < MAX_ATTEMPTS, both ways counted together) waits like a
rendered one. A page whose image is missing, or was drawn from a PDF that has changed since, waits
for `make render`; where that fails the page is `failed` without an image, no try is counted, and
the next `make render` draws it again. `rendering` and `low_confidence` stand in existing databases;
nothing here sets them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.jobs.database import transaction
from flowsheets.paths import PageId

STATUSES = (
    "pending",
    "rendering",
    "rendered",
    "processing",
    "submitted",
    "completed",
    "failed",
    "low_confidence",
)

READ = ("completed", "low_confidence")  # they have a result
AWAY = ("processing", "submitted")  # their image is at the API, or on its way there

_OUTDATED = (
    "EXISTS (SELECT 1 FROM outdated_drawings AS old"
    " WHERE old.pdf_path = jobs.pdf_path AND old.page_number = jobs.page_number)"
)


def register(db: Database, pages: Iterable[PageId]) -> int:
    """One `pending` row for each page that has none; returns how many are new."""
    at = now()
    with transaction(db):
        before = db.conn.total_changes
        db.conn.executemany(
            "INSERT OR IGNORE INTO jobs (pdf_path, page_number, status, created_at, updated_at)"
            " VALUES (?, ?, 'pending', ?, ?)",
            ((page.pdf_path, page.page_number, at, at) for page in pages),
        )
        return db.conn.total_changes - before


def flip(
    db: Database,
    pages: Iterable[PageId],
    old: str | tuple[str, ...],
    new: str,
    *,
    in_batch: str | None = None,
    count_try: bool = False,
    **columns: Any,
) -> list[PageId]:
    """Move pages from the status `old` (or one of several) to `new`; returns those that moved.

    The one UPDATE of a status. A page that is in another status by now, or with `in_batch` in
    another batch, stays as it is. `count_try` adds one to `attempts`; `columns` are set as given.
    All pages go in one transaction, which may be part of a larger one.
    """
    olds = (old,) if isinstance(old, str) else old
    sets = ["status = ?", "updated_at = ?", *(f"{column} = ?" for column in columns)]
    if count_try:
        sets.append("attempts = attempts + 1")
    where = f"pdf_path = ? AND page_number = ? AND status IN ({', '.join('?' * len(olds))})"
    if in_batch is not None:
        where += " AND batch_id = ?"
    sql = f"UPDATE jobs SET {', '.join(sets)} WHERE {where}"
    values = (new, now(), *columns.values())
    guard = olds if in_batch is None else (*olds, in_batch)
    moved = []
    with transaction(db):
        for page in pages:
            cursor = db.conn.execute(sql, (*values, *page, *guard))
            if cursor.rowcount == 1:
                moved.append(page)
    return moved


def waiting(db: Database, max_attempts: int) -> Iterator[tuple[PageId, str]]:
    """Pages that wait for a reading, with their status, in (pdf_path, page_number) order."""
    rows = db.execute(
        "SELECT pdf_path, page_number, status FROM jobs"
        " WHERE (status = 'rendered' OR (status = 'failed' AND attempts < ?))"
        f" AND NOT {_OUTDATED} ORDER BY pdf_path, page_number",
        [max_attempts],
    )
    for pdf_path, page_number, status in rows:
        yield PageId(pdf_path, page_number), status


class Choice(NamedTuple):
    """What a claim comes upon, in order."""

    waiting: list[PageId]  # to be taken
    lost: list[PageId]  # rendered, and without an image
    read: list[PageId]  # with a result already: the row is older than the files


def claim(
    db: Database,
    data_root: Path,
    limit: int,
    max_attempts: int,
    new: str,
    asked: str | None = None,
) -> list[PageId]:
    """Take up to `limit` waiting pages that have an image to the status `new`, in order.

    Guarded row by row, so two commands at once never get the same page. A rendered page whose
    image is gone goes back to `pending`; a failed one without an image waits for `make render`; one
    that has its result is completed, and not paid for again. `asked` is the model that is going to
    be asked, kept in `model_version` until the answer names its own.
    """
    chosen = choose(db, data_root, limit, max_attempts)
    flip(
        db,
        chosen.lost,
        "rendered",
        "pending",
        last_error="the page's image is missing; make render",
    )
    with transaction(db):
        for page in chosen.read:
            result = str(paths.result(data_root, page))
            flip(
                db, [page], ("rendered", "failed"), "completed", result_path=result, last_error=None
            )
    return flip(
        db,
        chosen.waiting,
        ("rendered", "failed"),
        new,
        batch_id=None,
        within_batch_index=None,
        model_version=asked,
    )


def choose(db: Database, data_root: Path, limit: int, max_attempts: int) -> Choice:
    """What `claim` would come upon."""
    chosen: list[PageId] = []
    lost: list[PageId] = []
    read: list[PageId] = []
    for page, status in waiting(db, max_attempts):
        if paths.result(data_root, page).is_file():
            read.append(page)
        elif paths.png(data_root, page).is_file():
            chosen.append(page)
            if len(chosen) == limit:
                break
        elif status == "rendered":
            lost.append(page)
    return Choice(chosen, lost, read)


class Undrawn(NamedTuple):
    """A page that may need an image."""

    page: PageId
    status: str
    had_image: bool  # so where it is failed, it failed at Gemini
    outdated: bool  # the image that it had was drawn from another PDF


def to_render(db: Database) -> Iterator[Undrawn]:
    """Pages that may need an image: those that never failed first, then the ones that failed.

    Whether a page has its image, the caller sees: only `outdated` ones are to be drawn again.
    Failed ones come in the order in which they failed, so that each is tried again in its turn.
    """
    rows = db.execute(
        f"SELECT pdf_path, page_number, status, image_path IS NOT NULL, {_OUTDATED} FROM jobs"
        " WHERE status IN ('pending', 'rendering', 'rendered', 'failed')"
        " ORDER BY status = 'failed', CASE status WHEN 'failed' THEN updated_at END,"
        " pdf_path, page_number",
    )
    for pdf_path, page_number, status, had_image, outdated in rows:
        yield Undrawn(PageId(pdf_path, page_number), status, bool(had_image), bool(outdated))


def in_status(db: Database, status: str, batch_id: str | None = None) -> list[PageId]:
    """Pages in a status, of one batch if it is named, in order."""
    sql = "SELECT pdf_path, page_number FROM jobs WHERE status = ?"
    values = [status]
    if batch_id is not None:
        sql, values = sql + " AND batch_id = ?", [status, batch_id]
    return [PageId(*row) for row in db.execute(sql + " ORDER BY pdf_path, page_number", values)]


def unbound(db: Database) -> list[PageId]:
    """Pages claimed for a batch that has no id at the API yet."""
    sql = "SELECT pdf_path, page_number FROM jobs WHERE status = 'submitted' AND batch_id IS NULL"
    return [PageId(*row) for row in db.execute(sql)]


def row(db: Database, page: PageId) -> dict[str, Any] | None:
    """The page's row, or None."""
    found = db.table("jobs").rows_where("pdf_path = ? AND page_number = ?", list(page), limit=1)
    return next(iter(found), None)


def counts(db: Database) -> dict[str, int]:
    """Pages by status; a status without pages is left out."""
    return dict(db.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall())


def out_of_tries(db: Database, max_attempts: int) -> int:
    """Failed pages that nothing tries again by itself."""
    return int(db.table("jobs").count_where("status = 'failed' AND attempts >= ?", [max_attempts]))


def now() -> str:
    """The time as rows have it: ISO, UTC, microseconds; sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
