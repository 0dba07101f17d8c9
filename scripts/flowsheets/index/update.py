"""flowsheets.db brought up to date from jobs.db and results/: only what changed since last time.

A page is read again where its result's time or size changed. Its row is written again where what is
told of it elsewhere changed: its status, its cost, its image.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import paths
from flowsheets.errors import warn
from flowsheets.index import from_jobs, from_results, reviews, tables
from flowsheets.index.from_results import PageRows, Row
from flowsheets.jobs import database, date_checks
from flowsheets.page import dates
from flowsheets.page.schema import PageResult
from flowsheets.settings import Settings

# Pages in memory at a time, some 60 rows each.
CHUNK = 50

# Columns of `pages` that a result fills; without one they are null.
READ = (
    "page_date_raw",
    "page_date",
    "comments_raw",
    "entry_count",
    "low_count",
    "medium_count",
    "high_count",
    "oddity_count",
    "confidence",
    "model_version",
    "extracted_at",
)

NO_RESULT = (0, 0)  # the stamp of a page without one

Stamp = tuple[int, int]  # mtime in ns, bytes


class Tally(NamedTuple):
    """Pages, by what became of them."""

    pages: int
    read: int  # whose result is new, another one, damaged, or gone
    changed: int  # new, or told anew
    gone: int
    damaged: int


def update(config: Settings, jobs_db: Database, db: Database) -> Tally:
    """Bring `db`, as `tables.writing` gives it, up to date. A damaged result is one warning."""
    data_root = config.data_root
    noted = date_checks.noted(jobs_db)  # before the results are looked at, which are there by then
    told = {
        paths.page_name(from_jobs.page_id(row)): row for row in from_jobs.of_all(jobs_db, data_root)
    }
    stamps = {
        name: stamp(paths.result(data_root, from_jobs.page_id(row))) for name, row in told.items()
    }
    old_told = _old_told(db)
    old_stamps = _old_stamps(db)

    gone = [name for name in old_told if name not in told]
    to_read = [n for n in told if stamps[n] != old_stamps.get(n, NO_RESULT)]
    changed = [n for n in told if n in old_told and told[n] != old_told[n]]
    new = [name for name in told if name not in old_told]

    _forget(db, [*gone, *(name for name in to_read if name in old_told)])
    tables.unsearch(db, "pages", gone)
    for table in ("ink", "pages"):
        _many(db, f"DELETE FROM {table} WHERE page = ?", ((name,) for name in gone))
    _insert(db, "pages", ({"page": name, **told[name]} for name in new))
    tables.search(db, "pages", new)
    sets = ", ".join(f"{column} = :{column}" for column in from_jobs.COLUMNS)
    _many(
        db, f"UPDATE pages SET {sets} WHERE page = :page", ({"page": n, **told[n]} for n in changed)
    )
    damaged = 0
    readings = _readings(data_root, told, stamps, to_read)
    while chunk := list(islice(readings, CHUNK)):
        good = [(name, read) for name, read in chunk if read is not None]
        damaged += len(chunk) - len(good)  # without a stamp, so each run looks and warns again
        _store(db, good, stamps)
    tables.finish(db)
    if new or gone or to_read:
        _name_djs(db)
    _settle_doubts(db, jobs_db, noted)
    if left := _strays(data_root, told):
        warn(f"{left} results have no page in jobs.db and are left out; make discover adds them")
    reviews.refresh(db, config.max_attempts, noted)
    return Tally(len(told), len(to_read), len({*new, *changed}), len(gone), damaged)


def _strays(data_root: Path, told: dict[str, Row]) -> int:
    """Results that belong to no page of jobs.db: their PDF was never discovered here."""
    folder = paths.results(data_root)
    found = (path.relative_to(folder).with_suffix("") for path in folder.rglob("page-*.json"))
    return sum(name.as_posix() not in told for name in found)


def stamp(path: Path) -> Stamp:
    """What tells one state of a file from the next; `NO_RESULT` where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return NO_RESULT
    return status.st_mtime_ns, status.st_size


def _old_told(db: Database) -> dict[str, Row]:
    found = db.execute(f"SELECT page, {', '.join(from_jobs.COLUMNS)} FROM pages")
    return {name: dict(zip(from_jobs.COLUMNS, values, strict=True)) for name, *values in found}


def _old_stamps(db: Database) -> dict[str, Stamp]:
    found = db.execute("SELECT page, mtime_ns, size FROM sources")
    return {name: (mtime_ns, size) for name, mtime_ns, size in found}


def _readings(
    data_root: Path, told: dict[str, Row], stamps: dict[str, Stamp], names: list[str]
) -> Iterator[tuple[str, PageRows | None]]:
    """Each page's rows, in order; None where its result is damaged. Pages without one are left."""
    for name in tqdm(names, "index", unit=" pages", disable=None, leave=False):
        if stamps[name] == NO_RESULT:
            continue
        page = from_jobs.page_id(told[name])
        path = paths.result(data_root, page)
        try:
            result = PageResult.model_validate_json(path.read_bytes())
            read = from_results.of(name, dates.agreed(page.pdf_path, result.page_date_raw), result)
        except (OSError, ValueError) as error:
            warn(f"{path} is no result ({_first_line(error)}); its page is indexed without it")
            yield name, None
            continue
        read.source["contradiction"] = dates.contradiction(page.pdf_path, result.page_date_raw)
        yield name, read


def _store(db: Database, good: list[tuple[str, PageRows]], stamps: dict[str, Stamp]) -> None:
    names = [name for name, _ in good]
    sets = ", ".join(f"{column} = :{column}" for column in READ)
    tables.unsearch(db, "pages", names)
    _many(
        db,
        f"UPDATE pages SET {sets} WHERE page = :page",
        ({"page": name, **read.page} for name, read in good),
    )
    tables.search(db, "pages", names)
    stamped = ({"page": n, "mtime_ns": stamps[n][0], "size": stamps[n][1]} for n, _ in good)
    _insert(db, "sources", (s | read.source for s, (_, read) in zip(stamped, good, strict=True)))
    _insert(db, "blocks", (row for _, read in good for row in read.blocks))
    _insert(db, "entries", (row for _, read in good for row in read.entries))
    _insert(db, "oddities", (row for _, read in good for row in read.oddities))
    tables.search(db, "entries", names)


def _forget(db: Database, names: list[str]) -> None:
    """Take away what was read from the pages' results."""
    tables.unsearch(db, "entries", names)
    for table in ("entries", "blocks", "oddities", "sources", "reviews"):
        _many(db, f"DELETE FROM {table} WHERE page = ?", ((name,) for name in names))
    tables.unsearch(db, "pages", names)
    sets = ", ".join(f"{column} = NULL" for column in READ)
    _many(db, f"UPDATE pages SET {sets} WHERE page = ?", ((name,) for name in names))
    tables.search(db, "pages", names)


def _name_djs(db: Database) -> None:
    """One name a DJ: the most frequent of the writings that differ in capitals alone."""
    writings: dict[str, Counter[str]] = {}  # folded -> how often each writing
    for writing, count in db.execute(
        "SELECT jock_raw, count(*) FROM blocks WHERE jock_raw IS NOT NULL GROUP BY jock_raw"
    ):
        if plain := from_results.collapsed(writing):
            writings.setdefault(plain.casefold(), Counter())[plain] += count
    names = {
        folded: min((-count, writing) for writing, count in counts.items())[1]
        for folded, counts in writings.items()
    }
    wrong = [
        (names[dj.casefold()], page, position)
        for dj, page, position in db.execute(
            "SELECT dj, page, position FROM blocks WHERE dj IS NOT NULL"
        )
        if dj != names[dj.casefold()]
    ]
    for table in ("blocks", "entries"):
        _many(db, f"UPDATE {table} SET dj = ? WHERE page = ? AND position = ?", wrong)
    db.execute("DELETE FROM djs")
    db.execute(
        "INSERT INTO djs SELECT dj, count(*), count(DISTINCT b.page), sum(play_count),"
        " min(page_date), max(page_date)"
        " FROM blocks b JOIN pages p ON p.page = b.page WHERE dj IS NOT NULL GROUP BY dj"
    )


def _settle_doubts(db: Database, jobs_db: Database, noted: date_checks.Noted) -> None:
    """The results are the truth: one put right by hand is in doubt no more, an older one may be."""
    sql = "SELECT page FROM sources WHERE contradiction IS NULL"
    right = {name for (name,) in db.execute(sql)} if noted else set()
    wrong = db.execute(
        "SELECT pdf_path, page_number, ?, contradiction, extracted_at"
        " FROM sources JOIN pages USING (page) WHERE contradiction IS NOT NULL",
        [date_checks.DATE],
    ).fetchall()
    with database.transaction(jobs_db):
        jobs_db.conn.executemany("INSERT OR IGNORE INTO date_checks VALUES (?, ?, ?, ?, ?)", wrong)
        for page, (_, at) in noted.items():
            if paths.page_name(page) in right:
                date_checks.settle(jobs_db, page, at)


def _insert(db: Database, table: str, records: Iterable[Row]) -> None:
    records = iter(records)
    first = next(records, None)
    if first is not None:
        values = ", ".join(f":{column}" for column in first)
        sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({values})"
        _many(db, sql, (record for part in ([first], records) for record in part))


def _many(db: Database, sql: str, values: Iterable[Any]) -> sqlite3.Cursor:
    return db.conn.executemany(sql, values)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"
    return str(error).splitlines()[0]
