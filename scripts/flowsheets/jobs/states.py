"""jobs.db: one row a page, and the only way in which a row changes its status.

    pending --render--> rendered --process--> processing --> completed  left by `make retry` alone
                            |                     |--> failed           its try is counted
                            |                     '--> rendered         the run was stopped
                            '--batch-submit--> submitted --batch-fetch--> completed | failed
                                                  '--> rendered         did not run, no try counted
    failed --reread--> completed                                        its kept response is a page

A failed page with tries left (`attempts` < MAX_ATTEMPTS, all modes counted together) waits like a
rendered one, unless the code of its failure says that the same model would refuse it again
(`page.response.FOR_A_PERSON`): that one waits for `make retry`. A page whose image is missing, or
was drawn from a PDF that has changed since, waits for `make render`; where that fails the page is
`failed` without an image, no try is counted, and the next `make render` draws it again. `rendering`
and `low_confidence` are in existing databases; nothing here sets them.
"""

import os
import re
from collections.abc import Container, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets import clock, files, paths
from flowsheets.jobs.database import transaction
from flowsheets.page.response import FOR_A_PERSON
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

# Statuses of a page that is not finished: a person leaves it to the commands.
UNDER_WAY = ("pending", "rendering", "rendered", "processing", "submitted")

# The code of a failure, which `last_error` begins with; empty in older rows, which have none.
_CODE = "substr(coalesce(last_error, ''), 1, instr(coalesce(last_error, ''), ': ') - 1)"
_FOR_A_PERSON = _CODE + " IN ({})".format(", ".join(f"'{code}'" for code in sorted(FOR_A_PERSON)))
# Failed pages that are tried again by themselves; one parameter, MAX_ATTEMPTS.
_TRIED_AGAIN = f"status = 'failed' AND attempts < ? AND NOT {_FOR_A_PERSON}"


ANY_BATCH: Any = object()  # of `flip`: the row's batch_id does not matter

READ = ("completed", "low_confidence")  # they have a result

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
    in_batch: Any = ANY_BATCH,
    count_try: bool = False,
    **columns: Any,
) -> list[PageId]:
    """Move pages from the status `old` (or one of several) to `new`; returns those that moved.

    The one UPDATE of a status. A page that is in another status by now, or with `in_batch` in
    another batch (None: in any), stays as it is. `count_try` adds one to `attempts`; `columns` are
    set as given.
    All pages go in one transaction, which may be part of a larger one.
    """
    olds = (old,) if isinstance(old, str) else old
    sql = _update(tuple(columns), count_try, len(olds), in_batch is not ANY_BATCH)
    values = (new, now(), *columns.values())
    guard = olds if in_batch is ANY_BATCH else (*olds, in_batch)
    rows = ((page, (*values, *page, *guard)) for page in pages)
    if db.conn.in_transaction:  # the caller's, which takes all of it back or nothing
        return [page for page, row in rows if db.conn.execute(sql, row).rowcount == 1]
    with transaction(db):
        return [page for page, row in rows if db.conn.execute(sql, row).rowcount == 1]


@cache
def _update(columns: tuple[str, ...], count_try: bool, olds: int, in_batch: bool) -> str:
    """The statement of `flip`; a command needs a few, thousands of times each."""
    sets = ["status = ?", "updated_at = ?", *(f"{column} = ?" for column in columns)]
    if count_try:
        sets.append("attempts = attempts + 1")
    where = f"pdf_path = ? AND page_number = ? AND status IN ({', '.join('?' * olds)})"
    if in_batch:
        where += " AND batch_id IS ?"
    return f"UPDATE jobs SET {', '.join(sets)} WHERE {where}"


def waiting(db: Database, max_attempts: int) -> Iterator[tuple[PageId, str]]:
    """Pages that wait to be sent, with their status, in (pdf_path, page_number) order."""
    rows = db.execute(
        "SELECT pdf_path, page_number, status FROM jobs"
        f" WHERE (status = 'rendered' OR ({_TRIED_AGAIN}))"
        f" AND NOT {_OUTDATED} ORDER BY pdf_path, page_number",
        [max_attempts],
    )
    for pdf_path, page_number, status in rows:
        yield PageId(pdf_path, page_number), status


def count_waiting(
    db: Database, data_root: Path, max_attempts: int, paused: Container[PageId] = ()
) -> int:
    """How many pages with an image wait to be sent; of rendered ones, as their rows say."""
    sql = f"FROM jobs WHERE status = 'rendered' AND NOT {_OUTDATED}"
    if paused:
        rows = db.execute(f"SELECT pdf_path, page_number {sql}")
        rendered = sum(PageId(*row) not in paused for row in rows)
    else:
        rendered = int(db.execute(f"SELECT count(*) {sql}").fetchone()[0])
    again = tried_again(db, data_root, max_attempts)
    return rendered + sum(page not in paused for page in again)


def undrawn(db: Database) -> dict[str, int]:
    """PDF -> pages that want an image; those whose drawing failed wait for `make render`."""
    rows = db.execute(
        "SELECT pdf_path, count(*) FROM jobs WHERE status IN ('pending', 'rendering')"
        f" OR (status = 'rendered' AND {_OUTDATED}) GROUP BY pdf_path"
    )
    return dict(rows.fetchall())


def tried_again(db: Database, data_root: Path, max_attempts: int) -> list[PageId]:
    """Failed pages that are sent again by themselves.

    Those that have their image, as the disk says: a row that was made again does not know of it,
    and one whose image is gone waits for `make render`.
    """
    rows = db.execute(
        f"SELECT pdf_path, page_number FROM jobs WHERE {_TRIED_AGAIN} AND NOT {_OUTDATED}",
        [max_attempts],
    )
    root, found = str(data_root), (PageId(pdf_path, number) for pdf_path, number in rows)
    return [page for page in found if os.path.isfile(f"{root}/{paths.image_path(page)}")]


def read_since(db: Database, since: str) -> int:
    """Pages that were read since then (ISO, UTC) and have a result."""
    return int(
        db.table("jobs").count_where(
            f"status IN ({', '.join('?' * len(READ))}) AND updated_at > ?", [*READ, since]
        )
    )


def last_outcome(db: Database) -> str | None:
    """When a page that was in a batch last got its outcome (ISO, UTC)."""
    (last,) = db.execute(
        "SELECT max(updated_at) FROM jobs WHERE batch_id IS NOT NULL"
        " AND status IN ('completed', 'failed')"
    ).fetchone()
    return str(last) if last else None


class Choice(NamedTuple):
    """What a claim comes upon, in order."""

    waiting: list[PageId]  # to be taken
    lost: list[PageId]  # rendered, and without an image
    read: list[PageId]  # with a result already: the row is older than the files
    set_back: list[PageId]  # of those waiting: with a result, and set back since it was written


class Claim(NamedTuple):
    """The pages that were taken, and those of them whose old result was put aside."""

    pages: list[PageId]
    set_back: list[PageId]


def claim(
    db: Database,
    data_root: Path,
    limit: int,
    max_attempts: int,
    new: str,
    asked: str | None = None,
    paused: Container[PageId] = (),
) -> Claim:
    """Take up to `limit` waiting pages that have an image to the status `new`, in order.

    Guarded row by row, so two commands at once never get the same page. A rendered page whose
    image is gone goes back to `pending`; a failed one without an image waits for `make render`; one
    that has its result is completed, and not billed again, unless somebody set its row back since:
    then the old result is put aside. `asked` is the model that is going to be asked, kept in
    `model_version` until the response names its own. `paused` pages are left out.
    """
    return take(db, data_root, choose(db, data_root, limit, max_attempts, paused), new, asked)


def take(
    db: Database, data_root: Path, chosen: Choice, new: str, asked: str | None = None
) -> Claim:
    """`claim` of what was chosen; a page that has moved since stays as it is."""
    flip(
        db,
        chosen.lost,
        "rendered",
        "pending",
        last_error="no_image: the page's image is missing; make render",
    )
    with transaction(db):
        for page in chosen.read:
            result = str(paths.result(data_root, page))
            flip(
                db, [page], ("rendered", "failed"), "completed", result_path=result, last_error=None
            )
    for page in chosen.set_back:  # before the claim: a kill in between leaves a page that waits
        files.put_aside(paths.result(data_root, page))
    taken = flip(
        db,
        chosen.waiting,
        ("rendered", "failed"),
        new,
        batch_id=None,
        within_batch_index=None,
        model_version=asked,
    )
    return Claim(taken, sorted({*chosen.set_back}.intersection(taken)))


def choose(
    db: Database,
    data_root: Path,
    limit: int,
    max_attempts: int,
    paused: Container[PageId] = (),
) -> Choice:
    """What `claim` would come upon."""
    choice = Choice([], [], [], [])
    root = str(data_root)
    for page, status in waiting(db, max_attempts):
        if page in paused:
            continue
        has_result = os.path.isfile(f"{root}/{paths.result_path(page)}")
        if has_result and not _was_set_back(db, data_root, page):
            choice.read.append(page)
        elif os.path.isfile(f"{root}/{paths.image_path(page)}"):
            choice.waiting.append(page)
            if has_result:
                choice.set_back.append(page)
            if len(choice.waiting) == limit:
                break
        elif status == "rendered":
            choice.lost.append(page)
    return choice


def _was_set_back(db: Database, data_root: Path, page: PageId) -> bool:
    """Whether somebody set the row back after its result was written, to have the page read again.

    Otherwise the row is older than the result, from a backup. A database that knows of the result
    is not older than it: it has the page's usage, or the model that read it. Where it has neither,
    the later of the two times decides.
    """
    job = row(db, page)
    if job is None or job["status"] != "rendered":
        return False
    mine = "pdf_path = ? AND page_number = ? AND aside IS NULL"
    billed = db.table("usage").count_where(mine, list(page))
    if billed or job["model_version"]:
        return True
    written = paths.result(data_root, page).stat().st_mtime
    return clock.moment(job["updated_at"]).timestamp() > written


def complete_new(db: Database, data_root: Path, pages: Iterable[PageId]) -> int:
    """Rows that were registered just now and have a result already are completed; how many.

    A row that did not exist was not set back: jobs.db was lost.
    """
    fresh = [
        page
        for page in pages
        if (job := row(db, page))
        and (job["status"], job["updated_at"]) == ("pending", job["created_at"])
        and paths.result(data_root, page).is_file()
    ]
    with transaction(db):
        for page in fresh:
            result = str(paths.result(data_root, page))
            flip(db, [page], "pending", "completed", result_path=result)
    return len(fresh)


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


def pdfs(db: Database) -> list[str]:
    """The PDFs that have jobs, in order."""
    found = db.execute("SELECT DISTINCT pdf_path FROM jobs ORDER BY pdf_path")
    return [pdf_path for (pdf_path,) in found]


def all_pages(db: Database) -> Iterator[PageId]:
    """Every page that has a job, in order."""
    for row in db.execute("SELECT pdf_path, page_number FROM jobs ORDER BY pdf_path, page_number"):
        yield PageId(*row)


def without_result(db: Database, data_root: Path) -> Iterator[PageId]:
    """Completed pages whose result is not on disk, in order."""
    for page in in_status(db, "completed"):
        if not paths.result(data_root, page).is_file():
            yield page


def verified(db: Database) -> list[dict[str, Any]]:
    """The rows of pages that a person verified, in (pdf_path, page_number) order."""
    columns = {"verified_path", "verified_at"} & set(db["jobs"].columns_dict)
    where = " OR ".join(f"coalesce({column}, '') <> ''" for column in sorted(columns))
    return list(db.table("jobs").rows_where(where or "0", order_by="pdf_path, page_number"))


def namesakes(db: Database, page: PageId) -> list[dict[str, Any]]:
    """The rows of the page and of others of that number whose PDF has the same name."""
    name = paths.page_name(page).rsplit("/", 2)[-2:]
    rows = db.table("jobs").rows_where("page_number = ?", [page.page_number], order_by="pdf_path")
    return [row for row in rows if paths.page_name(_page_id(row)).rsplit("/", 2)[-2:] == name]


def verify(db: Database, page: PageId, saved: Path, beside: Path, reviewer: str, at: str) -> bool:
    """Note the files that a person saved for the page; its status stays. Whether it has a row."""
    with transaction(db):
        done = db.conn.execute(
            "UPDATE jobs SET verified_at = ?, verified_path = ?, corrections_path = ?,"
            " reviewer_id = ?, updated_at = ? WHERE pdf_path = ? AND page_number = ?",
            (at, str(saved), str(beside), reviewer, now(), *page),
        )
    return done.rowcount == 1


def is_out(db: Database, page: PageId, batch_id: str | None) -> bool:
    """Whether the page's row says that it is `submitted` in that batch."""
    job = row(db, page)
    return job is not None and (job["status"], job["batch_id"]) == ("submitted", batch_id)


def rows_of(db: Database, pages: Iterable[PageId]) -> dict[PageId, dict[str, Any]]:
    """The rows of these pages; a page without one is left out."""
    found = {}
    for page in pages:
        if job := row(db, page):
            found[page] = job
    return found


def batches_out(db: Database) -> set[str]:
    """The ids of batches that pages are `submitted` in."""
    rows = db.execute(
        "SELECT DISTINCT batch_id FROM jobs WHERE status = 'submitted' AND batch_id IS NOT NULL"
    )
    return {str(batch_id) for (batch_id,) in rows}


def set_back_while_out(db: Database) -> list[tuple[PageId, str]]:
    """(page, batch_id) of waiting rows that name a batch, and have no usage of it.

    A page that comes back from a batch names none any more: such a row was changed by hand.
    """
    rows = db.execute(
        "SELECT pdf_path, page_number, batch_id FROM jobs"
        " WHERE status IN ('pending', 'rendering', 'rendered') AND batch_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM usage WHERE usage.batch_id = jobs.batch_id"
        " AND usage.pdf_path = jobs.pdf_path AND usage.page_number = jobs.page_number)"
    )
    return [(PageId(pdf_path, number), batch_id) for pdf_path, number, batch_id in rows]


def of_batch(db: Database, batch_id: str) -> list[tuple[int, PageId]]:
    """(within_batch_index, page) of the rows that name the batch, in order."""
    rows = db.execute(
        "SELECT within_batch_index, pdf_path, page_number FROM jobs"
        " WHERE batch_id = ? AND within_batch_index IS NOT NULL ORDER BY within_batch_index",
        [batch_id],
    )
    return [(index, PageId(pdf_path, page_number)) for index, pdf_path, page_number in rows]


def unbound(db: Database) -> list[PageId]:
    """Pages claimed for a batch that has no id at the API yet."""
    sql = "SELECT pdf_path, page_number FROM jobs WHERE status = 'submitted' AND batch_id IS NULL"
    return [PageId(*row) for row in db.execute(sql)]


def row(db: Database, page: PageId) -> dict[str, Any] | None:
    """The page's row, or None."""
    cursor = db.execute("SELECT * FROM jobs WHERE pdf_path = ? AND page_number = ?", page)
    found = cursor.fetchone()
    names = (column[0] for column in cursor.description)
    return dict(zip(names, found, strict=True)) if found else None


def counts(db: Database) -> dict[str, int]:
    """Pages by status; a status without pages is left out."""
    return dict(db.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall())


def out_of_tries(db: Database, max_attempts: int) -> int:
    """Failed pages with no tries left, but for those of `for_a_person`."""
    where = f"status = 'failed' AND attempts >= ? AND NOT {_FOR_A_PERSON}"
    return int(db.table("jobs").count_where(where, [max_attempts]))


def for_a_person(db: Database) -> int:
    """Failed pages that only `make retry` brings back, however many tries they have left."""
    return int(db.table("jobs").count_where(f"status = 'failed' AND {_FOR_A_PERSON}"))


def failures(db: Database) -> list[tuple[str, str]]:
    """The code of each failed page ("" in older rows) and its whole reason, the latest last."""
    found = db.execute(
        f"SELECT {_CODE}, coalesce(last_error, 'the reason is unknown') FROM jobs"
        " WHERE status = 'failed' ORDER BY updated_at"
    )
    return [(code if re.fullmatch("[a-z][a-z0-9_]*", code) else "", why) for code, why in found]


def finished(
    db: Database,
    *,
    pdf_path: str = "",
    page_number: int | None = None,
    failed: bool = False,
    code: str = "",
) -> list[tuple[PageId, str]]:
    """Pages that are not under way, with their status, in order.

    Of one PDF, of one page number, the failed ones alone, those whose failure has that code: each
    only where it is given.
    """
    where = [f"status NOT IN ({', '.join('?' * len(UNDER_WAY))})"]
    values: list[str | int] = list(UNDER_WAY)
    if pdf_path:
        where, values = [*where, "pdf_path = ?"], [*values, pdf_path]
    if page_number is not None:
        where, values = [*where, "page_number = ?"], [*values, page_number]
    if failed or code:
        where.append("status = 'failed'")
    if code:
        where, values = [*where, f"{_CODE} = ?"], [*values, code]
    sql = f"SELECT pdf_path, page_number, status FROM jobs WHERE {' AND '.join(where)}"
    rows = db.execute(f"{sql} ORDER BY pdf_path, page_number", values)
    return [(PageId(pdf, number), status) for pdf, number, status in rows.fetchall()]


def _page_id(row: dict[str, Any]) -> PageId:
    return PageId(row["pdf_path"], row["page_number"])


def now() -> str:
    """The time as rows have it: ISO, UTC, microseconds; sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def pages_of(db: Database, pdf_path: str) -> int:
    """How many pages of the PDF there are."""
    return int(db.table("jobs").count_where("pdf_path = ?", [pdf_path]))
