"""flowsheets.db brought up to date from jobs.db and the pages' files: only what changed since then.

A page's text is read again where one of the files that may hold it changed. Its row is written
again where jobs.db or its files say something else of it: its status, its cost, its image.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import paths
from flowsheets.errors import warn
from flowsheets.index import doubts, from_jobs, from_results, reviews, second, tables, texts
from flowsheets.index.doubts import Finding
from flowsheets.index.from_jobs import Found, Job
from flowsheets.index.from_results import PageRows, Row
from flowsheets.index.texts import Results, Sources, Text
from flowsheets.jobs import database, date_checks, states
from flowsheets.page import dates
from flowsheets.page.verified import COMPLETE
from flowsheets.settings import Settings

# Texts in memory at a time, some 60 rows each.
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


class Tally(NamedTuple):
    """Pages, by what became of them."""

    pages: int
    read: int  # whose text is new, another one, damaged, or gone
    changed: int  # new, or with a new row
    gone: int
    damaged: int


class Page(NamedTuple):
    """What is known of a page by now: its row of `pages`, its files, and their stamp."""

    name: str
    job: Job
    sources: Sources
    stamp: str


class Changes(NamedTuple):
    """Pages of a chunk, by what is to be done about them."""

    new: list[Page]
    changed: list[Page]  # with another row
    to_read: list[Page]  # with another text
    to_forget: list[str]  # names of those of which something was read before


class Taken(NamedTuple):
    """Pages of a chunk, by what became of them."""

    read: int
    changed: int
    damaged: int
    djs: set[str]  # on pages whose text changed, before and after; casefolded


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
    anew = not tables.is_searchable(db)
    taken = [_take_in(db, chunk, data_root) for chunk in _chunks(jobs_db, data_root, results)]
    gone = _gone(db, jobs_db)
    djs = _djs(db, gone).union(*(one.djs for one in taken))
    _delete(db, gone)
    tables.finish(db)
    _name_djs(db, None if anew else djs)
    second.update(db, data_root)
    _update_date_checks(db, jobs_db, noted)
    reviews.refresh(db, config.max_attempts, noted, from_jobs.noted(jobs_db))
    pages, with_result = db.execute("SELECT count(*), count(result_path) FROM pages").fetchone()
    _warn(db, results.current - with_result)
    return Tally(
        pages=pages,
        read=sum(one.read for one in taken),
        changed=sum(one.changed for one in taken),
        gone=len(gone),
        damaged=sum(one.damaged for one in taken),
    )


def _chunks(jobs_db: Database, data_root: Path, results: Results) -> Iterator[dict[str, Page]]:
    """Every page of jobs.db as it is now, by its name; of two of one name the last one counts."""
    saved = texts.saved(jobs_db, data_root)
    with tqdm(
        total=from_jobs.count(jobs_db), desc="index", unit=" pages", disable=None, leave=False
    ) as bar:
        for chunk in from_jobs.in_chunks(jobs_db, data_root):
            yield {one.name: _page(one, texts.of(one, results, saved)) for one in chunk}
            bar.update(len(chunk))


def _page(found: Found, sources: Sources) -> Page:
    return Page(found.name, found.job, sources, sources.stamp())


def _take_in(db: Database, now: dict[str, Page], data_root: Path) -> Taken:
    """Write what differs of these pages."""
    changes = _changes(_before(db, list(now)), now.values())
    djs = _djs(db, changes.to_forget)
    _forget(db, changes.to_forget)
    _add(db, changes.new)
    _change(db, changes.changed)
    damaged = _read_texts(db, changes.to_read, data_root)
    djs |= _djs(db, [page.name for page in changes.to_read])
    return Taken(len(changes.to_read), len(changes.new) + len(changes.changed), damaged, djs)


def _before(db: Database, names: list[str]) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Of each of these pages that is known: the stamp of its text, and its row."""
    found = db.execute(
        f"SELECT p.page, coalesce(s.stamp, ''), {', '.join(f'p.{name}' for name in Job._fields)}"
        " FROM pages p LEFT JOIN sources s ON s.page = p.page"
        f" WHERE p.page IN ({', '.join('?' * len(names))})",
        names,
    )
    return {name: (stamp, tuple(job)) for name, stamp, *job in found}


def _changes(before: dict[str, tuple[str, tuple[Any, ...]]], now: Iterable[Page]) -> Changes:
    changes = Changes([], [], [], [])
    for page in now:
        stamp, job = before.get(page.name, ("", None))
        if job is None:
            changes.new.append(page)
        elif job != page.job:
            changes.changed.append(page)
        if stamp != page.stamp:
            changes.to_read.append(page)
            if job is not None:
                changes.to_forget.append(page.name)
    return changes


def _gone(db: Database, jobs_db: Database) -> list[str]:
    """Names of pages that jobs.db has no more."""
    if db.table("pages").count == from_jobs.count(jobs_db):
        return []  # all of jobs.db are there
    there = {paths.page_name(page) for page in states.all_pages(jobs_db)}
    return [name for (name,) in db.execute("SELECT page FROM pages") if name not in there]


def _delete(db: Database, names: list[str]) -> None:
    _forget(db, names)
    tables.unsearch(db, "pages", names)
    for table in ("ink", "second_readings", "disagreements", "pages"):
        _many(db, f"DELETE FROM {table} WHERE page = ?", ((name,) for name in names))


def _add(db: Database, pages: list[Page]) -> None:
    """The pages' own rows, without a text so far."""
    columns = ", ".join(Job._fields)
    values = ", ".join("?" * len(Job._fields))
    rows = ((page.name, *page.job) for page in pages)
    _many(db, f"INSERT INTO pages (page, {columns}) VALUES (?, {values})", rows)
    tables.search(db, "pages", [page.name for page in pages])


def _change(db: Database, pages: list[Page]) -> None:
    sets = ", ".join(f"{column} = ?" for column in Job._fields)
    rows = ((*page.job, page.name) for page in pages)
    _many(db, f"UPDATE pages SET {sets} WHERE page = ?", rows)


def _read_texts(db: Database, pages: list[Page], data_root: Path) -> int:
    """Read the pages' texts into the tables; returns how many results are damaged.

    A page without a text gets no stamp, so the next run looks, and warns, again.
    """
    damaged = 0
    indexed = (_indexed(page, data_root) for page in pages if page.stamp)
    while chunk := list(islice(indexed, CHUNK)):
        _store(db, chunk)
        broken = [f for one in chunk for f in one.findings if f.reason == "result_damaged"]
        for finding in broken:
            warn(f"{finding.detail}; its page is indexed without it")
        damaged += len(broken)
    return damaged


def _indexed(page: Page, data_root: Path) -> Indexed:
    text = texts.read(page.sources)
    if text.page is None:
        return Indexed(page.name, None, text.findings)
    pdf_path, raw = page.job.pdf_path, text.page.page_date_raw
    rows = from_results.of(page.name, dates.agreed(pdf_path, raw), text.page)
    rows.source |= {"contradiction": dates.contradiction(pdf_path, raw), "stamp": page.stamp}
    rows.page |= _provenance(text, data_root)
    return Indexed(page.name, rows, [*text.findings, *doubts.of(text.page)])


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


def _store(db: Database, pages: list[Indexed]) -> None:
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
    _insert(db, "sources", ({"page": name} | rows.source for name, rows in good))
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


def _djs(db: Database, names: list[str]) -> set[str]:
    """The DJs of these pages, whatever the capitals; none while there is no index to ask."""
    if not names or not tables.is_searchable(db):
        return set()
    sql = "SELECT dj FROM blocks WHERE page = ? AND dj IS NOT NULL"
    return {dj.casefold() for name in names for (dj,) in db.execute(sql, [name])}


def _name_djs(db: Database, changed: set[str] | None) -> None:
    """One name a DJ: the most frequent of the writings that differ in capitals alone.

    Of DJs on pages that changed; of all where that is None.
    """
    spelled: dict[str, set[str]] = {}  # folded -> as the blocks have it
    for sql in ("SELECT DISTINCT dj FROM blocks WHERE dj IS NOT NULL", "SELECT dj FROM djs"):
        for (dj,) in db.execute(sql):
            if changed is None or dj.casefold() in changed:
                spelled.setdefault(dj.casefold(), set()).add(dj)
    for own in spelled.values():
        name = _most_frequent(db, own)
        wrong = [(name, dj) for dj in own if dj != name]
        for table in ("blocks", "entries"):
            _many(db, f"UPDATE {table} SET dj = ? WHERE dj = ?", wrong)
        _many(db, "DELETE FROM djs WHERE dj = ?", [(dj,) for dj in own])
        db.execute(
            "INSERT INTO djs SELECT dj, count(*), count(DISTINCT b.page), sum(play_count),"
            " sum(crossed_out_count), min(page_date), max(page_date)"
            " FROM blocks b JOIN pages p ON p.page = b.page WHERE dj = ? GROUP BY dj",
            [name],
        )


def _most_frequent(db: Database, own: set[str]) -> str:
    counts = Counter[str]()
    sql = "SELECT jock_raw, count(*) FROM blocks WHERE dj = ? GROUP BY jock_raw"
    for dj in own:
        for writing, count in db.execute(sql, [dj]):
            counts[from_results.collapsed(writing) or ""] += count
    return min(((-count, writing) for writing, count in counts.items()), default=(0, ""))[1]


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
    if strays > 0:  # fewer than none where a folder of results is a link
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
