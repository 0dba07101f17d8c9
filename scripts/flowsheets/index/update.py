"""flowsheets.db brought up to date from jobs.db and the pages' files: only what changed since then.

A page's text is read again where one of the files that may hold it changed. Its row is written
again where jobs.db or its files say something else of it: its status, its cost, its image.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import paths
from flowsheets.errors import warn
from flowsheets.index import doubts, from_jobs, from_results, reviews, tables, texts
from flowsheets.index.doubts import Finding
from flowsheets.index.from_results import PageRows, Row
from flowsheets.index.texts import Sources, Text
from flowsheets.jobs import database, date_checks
from flowsheets.page import dates
from flowsheets.page.verified import COMPLETE
from flowsheets.settings import Settings

# Pages in memory at a time, some 60 rows each.
CHUNK = 50

# Columns of `pages` that a text fills; without one they are null.
OF_TEXT = (
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
    "verified",
    "verified_by",
    "verified_at",
    "text_path",
)
NO_FILE = (0, 0)  # the stamp of a file that is missing

Stamp = tuple[int, int]  # mtime in ns, bytes


class Tally(NamedTuple):
    """Pages, by what became of them."""

    pages: int
    read: int  # whose text is new, another one, damaged, or gone
    changed: int  # new, or with a new row
    gone: int
    damaged: int


class State(NamedTuple):
    """What is known of each page, by its name: its row of `pages` and the stamp of its text."""

    rows: dict[str, Row]
    stamps: dict[str, str]


class Changes(NamedTuple):
    """Names of pages, by what is to be done about them."""

    new: list[str]
    gone: list[str]
    changed: list[str]
    to_read: list[str]
    to_forget: list[str]  # what was read of them before


class Indexed(NamedTuple):
    """One page's text as rows, None without one, and what was found wrong or suspicious."""

    page: str
    rows: PageRows | None
    findings: list[Finding]


def update(config: Settings, jobs_db: Database, db: Database) -> Tally:
    """Bring `db`, as `tables.writing` gives it, up to date. A damaged file is one warning."""
    data_root = config.data_root
    noted = date_checks.noted(jobs_db)  # before the results are looked at, which are there by then
    results = texts.results(data_root)
    sources = texts.of_all(jobs_db, data_root, results)
    now, before = _now(jobs_db, data_root, sources), _before(db)
    changes = _changes(before, now)
    _forget(db, changes.to_forget)
    _write_rows(db, changes, now)
    damaged = _read_texts(db, changes.to_read, now, sources, data_root)
    tables.finish(db)
    if changes.new or changes.gone or changes.to_read:
        _name_djs(db)
    _update_date_checks(db, jobs_db, noted)
    reviews.refresh(db, config.max_attempts, noted, from_jobs.noted(jobs_db))
    _warn(db, texts.strays(data_root, results, set(now.rows)))
    return Tally(
        pages=len(now.rows),
        read=len(changes.to_read),
        changed=len({*changes.new, *changes.changed}),
        gone=len(changes.gone),
        damaged=damaged,
    )


def stamp(path: Path) -> Stamp:
    """What differs between two states of a file; `NO_FILE` where it is missing."""
    try:
        status = os.stat(path)
    except OSError:
        return NO_FILE
    return status.st_mtime_ns, status.st_size


def _now(jobs_db: Database, data_root: Path, sources: dict[str, Sources]) -> State:
    rows = {
        paths.page_name(from_jobs.page_id(row)): row for row in from_jobs.of_all(jobs_db, data_root)
    }
    return State(rows, {name: sources[name].stamp() for name in rows})


def _before(db: Database) -> State:
    columns = from_jobs.COLUMNS
    found = db.execute(f"SELECT page, {', '.join(columns)} FROM pages")
    rows = {name: dict(zip(columns, values, strict=True)) for name, *values in found}
    return State(rows, dict(db.execute("SELECT page, stamp FROM sources").fetchall()))


def _changes(before: State, now: State) -> Changes:
    gone = [name for name in before.rows if name not in now.rows]
    to_read = [name for name in now.rows if now.stamps[name] != before.stamps.get(name, "")]
    return Changes(
        new=[name for name in now.rows if name not in before.rows],
        gone=gone,
        changed=[n for n in now.rows if n in before.rows and now.rows[n] != before.rows[n]],
        to_read=to_read,
        to_forget=[*gone, *(name for name in to_read if name in before.rows)],
    )


def _write_rows(db: Database, changes: Changes, now: State) -> None:
    """The pages' own rows: gone ones deleted, new ones added, changed ones set."""
    tables.unsearch(db, "pages", changes.gone)
    for table in ("ink", "pages"):
        _many(db, f"DELETE FROM {table} WHERE page = ?", ((name,) for name in changes.gone))
    _insert(db, "pages", ({"page": name, **now.rows[name]} for name in changes.new))
    tables.search(db, "pages", changes.new)
    sets = ", ".join(f"{column} = :{column}" for column in from_jobs.COLUMNS)
    changed = ({"page": name, **now.rows[name]} for name in changes.changed)
    _many(db, f"UPDATE pages SET {sets} WHERE page = :page", changed)


def _read_texts(
    db: Database, names: list[str], now: State, sources: dict[str, Sources], data_root: Path
) -> int:
    """Read the pages' texts into the tables; returns how many results are damaged.

    A page without a text gets no stamp, so the next run looks, and warns, again.
    """
    damaged = 0
    pages = (
        _indexed(name, now.rows[name], sources[name], data_root)
        for name in tqdm(names, "index", unit=" pages", disable=None, leave=False)
        if now.stamps[name]
    )
    while chunk := list(islice(pages, CHUNK)):
        _store(db, chunk, now.stamps)
        broken = [f for one in chunk for f in one.findings if f.reason == "result_damaged"]
        for finding in broken:
            warn(f"{finding.detail}; its page is indexed without it")
        damaged += len(broken)
    return damaged


def _indexed(name: str, row: Row, sources: Sources, data_root: Path) -> Indexed:
    text = texts.read(sources)
    if text.page is None:
        return Indexed(name, None, text.findings)
    pdf_path, raw = row["pdf_path"], text.page.page_date_raw
    rows = from_results.of(name, dates.agreed(pdf_path, raw), text.page)
    rows.source["contradiction"] = dates.contradiction(pdf_path, raw)
    rows.page |= _provenance(text, data_root)
    return Indexed(name, rows, [*text.findings, *doubts.of(text.page)])


def _provenance(text: Text, data_root: Path) -> Row:
    """The columns that say whose text it is."""
    verified = text.verified._asdict() if text.verified else {}
    path = text.path or Path()
    inside = path.is_relative_to(data_root)
    shown = path.relative_to(data_root) if inside else path
    return (
        {"verified": None, "verified_by": None, "verified_at": None}
        | verified
        | {"text_path": shown.as_posix()}
    )


def _store(db: Database, pages: list[Indexed], stamps: dict[str, str]) -> None:
    good = [(one.page, one.rows) for one in pages if one.rows is not None]
    names = [name for name, _ in good]
    sets = ", ".join(f"{column} = :{column}" for column in OF_TEXT)
    tables.unsearch(db, "pages", names)
    _many(
        db,
        f"UPDATE pages SET {sets} WHERE page = :page",
        ({"page": name, **rows.page} for name, rows in good),
    )
    tables.search(db, "pages", names)
    _insert(db, "sources", ({"page": n, "stamp": stamps[n]} | rows.source for n, rows in good))
    _insert(db, "blocks", (row for _, rows in good for row in rows.blocks))
    _insert(db, "entries", (row for _, rows in good for row in rows.entries))
    _insert(db, "oddities", (row for _, rows in good for row in rows.oddities))
    found = ({"page": one.page} | f._asdict() for one in pages for f in one.findings)
    _insert(db, "findings", found)
    tables.search(db, "entries", names)


def _forget(db: Database, names: list[str]) -> None:
    """Delete what was read from the pages' texts."""
    tables.unsearch(db, "entries", names)
    for table in ("entries", "blocks", "oddities", "sources", "findings", "reviews"):
        _many(db, f"DELETE FROM {table} WHERE page = ?", ((name,) for name in names))
    tables.unsearch(db, "pages", names)
    sets = ", ".join(f"{column} = NULL" for column in OF_TEXT)
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
        " sum(crossed_out_count), min(page_date), max(page_date)"
        " FROM blocks b JOIN pages p ON p.page = b.page WHERE dj IS NOT NULL GROUP BY dj"
    )


def _update_date_checks(db: Database, jobs_db: Database, noted: date_checks.Noted) -> None:
    """A text that was put right, or verified as it is, clears the note of its page; one whose date
    contradicts adds a note, also where its result is older than the notes are.
    """
    right = set()
    if noted:
        sql = (
            "SELECT page FROM sources JOIN pages USING (page)"
            " WHERE contradiction IS NULL OR verified = ?"
        )
        right = {name for (name,) in db.execute(sql, [COMPLETE])}
    wrong = db.execute(
        "SELECT pdf_path, page_number, ?, contradiction, coalesce(extracted_at, '')"
        " FROM sources JOIN pages USING (page)"
        " WHERE contradiction IS NOT NULL AND verified IS NOT ?",
        [date_checks.DATE, COMPLETE],
    ).fetchall()
    with database.transaction(jobs_db):
        jobs_db.conn.executemany("INSERT OR IGNORE INTO date_checks VALUES (?, ?, ?, ?, ?)", wrong)
        for page, (_, at) in noted.items():
            if paths.page_name(page) in right:
                date_checks.clear(jobs_db, page, at)


def _warn(db: Database, strays: int) -> None:
    if strays:
        warn(f"{strays} results have no page in jobs.db and are left out; make discover adds them")
    for reason in ("result_missing", "verified_unused"):  # a damaged one has a line of its own
        what = reviews.REASONS[reason]
        sql = "SELECT page, detail FROM reviews WHERE reason = ? ORDER BY rank"
        found = db.execute(sql, [reason]).fetchall()
        if found:
            page, detail = found[0]
            pages = "1 page" if len(found) == 1 else f"{len(found):,} pages"
            warn(f"{pages}: {what}. First {page}: {detail} make review lists all of them")


def _insert(db: Database, table: str, records: Iterable[Row]) -> None:
    records = iter(records)
    first = next(records, None)
    if first is not None:
        values = ", ".join(f":{column}" for column in first)
        sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({values})"
        _many(db, sql, (record for part in ([first], records) for record in part))


def _many(db: Database, sql: str, values: Iterable[Any]) -> sqlite3.Cursor:
    return db.conn.executemany(sql, values)
