"""flowsheets.db: its tables, views and indexes, and how it is opened.

A page is `<pdf path without .pdf>/page-NN` everywhere, an entry `<page>/<position>/<row>`: the same
names as in results/, and the same after the database was deleted and built again.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from flowsheets import paths
from flowsheets.errors import Problem

# Of another version it is built anew: it holds nothing that is not elsewhere.
VERSION = 5

# Another index may be at work; from nothing it takes as long as that.
BUSY_SECONDS = 300

TABLES = """
CREATE TABLE pages (
    page            TEXT PRIMARY KEY,
    pdf_path        TEXT NOT NULL,
    page_number     INTEGER NOT NULL,
    status          TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    last_error      TEXT,
    page_date_raw   TEXT,
    page_date       TEXT,    -- ISO, where the writing and the PDF's name agree
    pdf_first_date  TEXT,    -- ISO, from the PDF's name
    pdf_last_date   TEXT,
    comments_raw    TEXT,
    entry_count     INTEGER, -- null without a text, and so the four below
    low_count       INTEGER,
    medium_count    INTEGER,
    high_count      INTEGER,
    oddity_count    INTEGER,
    confidence      REAL,    -- share of the rows that are high; null without rows
    model_version   TEXT,
    extracted_at    TEXT,
    verified        TEXT,    -- complete or draft, where the text is what a person saved; else null
    verified_by     TEXT,
    verified_at     TEXT,    -- ISO, UTC
    text_path       TEXT,    -- the file that the text is from, relative to DATA_ROOT if it is there
    mode            TEXT,    -- batch, realtime, flex
    prompt          TEXT,    -- digest of the prompt that read it; null where it is not known
    request         TEXT,    -- digest of all that was asked, without the image; likewise
    usd             REAL,
    batch_id        TEXT,
    image_path      TEXT,    -- relative to DATA_ROOT; null where the file is missing
    result_path     TEXT     -- likewise
);
CREATE TABLE djs (
    dj          TEXT PRIMARY KEY, -- the most frequent writing; capitals and spaces do not count
    blocks      INTEGER NOT NULL,
    pages       INTEGER NOT NULL,
    plays       INTEGER NOT NULL,
    crossed_out INTEGER NOT NULL, -- of these plays
    first_date  TEXT,
    last_date   TEXT
);
CREATE TABLE blocks (
    block       TEXT PRIMARY KEY, -- <page>/<position>
    page        TEXT NOT NULL REFERENCES pages(page),
    position    TEXT NOT NULL,
    hour_raw    TEXT,
    jock_raw    TEXT,
    dj          TEXT REFERENCES djs(dj),
    entry_count INTEGER NOT NULL,
    play_count  INTEGER NOT NULL, -- without continuation rows and blank ones
    crossed_out_count INTEGER NOT NULL, -- of these plays
    rows_read   INTEGER NOT NULL  -- ruled rows that the entries cover; a double height is two
);
CREATE TABLE entries (
    entry       TEXT PRIMARY KEY,
    page        TEXT NOT NULL REFERENCES pages(page),
    page_date   TEXT,
    position    TEXT NOT NULL,
    hour_raw    TEXT,
    jock_raw    TEXT,
    dj          TEXT REFERENCES djs(dj),
    row_index   INTEGER NOT NULL, -- printed row, from 0
    ordinal     INTEGER NOT NULL, -- order in the block, from 0
    type_raw    TEXT,
    raw_text    TEXT NOT NULL,
    artist      TEXT,             -- of joined_text, where a sign parts it
    track       TEXT,
    artist_guess TEXT,            -- without such a sign: a text that may be an artist
    artist_rule TEXT,             -- how either is known
    confidence  TEXT NOT NULL,
    notes       TEXT,
    crossed_out INTEGER NOT NULL, -- 0 or 1, from notes
    oddities    TEXT,             -- a JSON list
    joined_text TEXT,             -- with its continuation rows; null on these and on blank rows
    continues   TEXT REFERENCES entries(entry)
);
CREATE TABLE oddities (
    id          INTEGER PRIMARY KEY,
    page        TEXT NOT NULL REFERENCES pages(page),
    position    TEXT,
    entry       TEXT REFERENCES entries(entry),
    text        TEXT NOT NULL
);
CREATE TABLE reviews (
    page        TEXT NOT NULL REFERENCES pages(page),
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    rank        INTEGER NOT NULL, -- 1 is to be looked at first
    PRIMARY KEY (page, reason)
);
-- What the index was made from, and what the review compares pages by.
CREATE TABLE sources (
    page        TEXT PRIMARY KEY REFERENCES pages(page),
    stamp       TEXT NOT NULL,    -- of all files that may hold its text
    contradiction TEXT,           -- why its date and the PDF's name cannot both be right
    digest      TEXT NOT NULL,    -- of all its rows
    sketch      TEXT              -- JSON: pages with much text in common share numbers of it
);
-- What is wrong with a page's files, or suspicious in its text by itself.
CREATE TABLE findings (
    page        TEXT NOT NULL REFERENCES pages(page),
    reason      TEXT NOT NULL,
    badness     REAL NOT NULL,
    detail      TEXT NOT NULL
);
-- Pages that were read again by another reader, and what it has differently; see make second.
CREATE TABLE second_readings (
    page        TEXT NOT NULL REFERENCES pages(page),
    folder      TEXT NOT NULL,    -- of the reader, under second/readings/
    model       TEXT NOT NULL,    -- what was asked: the model with its settings, or ocr
    model_version TEXT,
    read_at     TEXT,             -- ISO, UTC
    image_sha256 TEXT,            -- of the image that it read
    not_compared TEXT,            -- why it is not held against the first reading; null where it is
    differences INTEGER,          -- rows of disagreements
    score       REAL,             -- how much that is; pages are ranked by it
    listed      INTEGER NOT NULL, -- 1 where it is enough for the list of make review
    detail      TEXT NOT NULL,
    stamp       TEXT NOT NULL,    -- of the readings and the image
    PRIMARY KEY (page, folder)
);
CREATE TABLE disagreements (
    page        TEXT NOT NULL REFERENCES pages(page),
    pdf_path    TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    folder      TEXT NOT NULL,
    model       TEXT NOT NULL,
    position    TEXT,             -- null where it is about the page
    row_index   INTEGER,          -- in the first reading; null where the second alone has the row
    second_row  INTEGER,          -- in the second reading, likewise
    field       TEXT NOT NULL,    -- date, hour, dj, rows, shift, circle, text
    first       TEXT,
    second      TEXT,
    weight      REAL NOT NULL     -- what it adds to the score; 0: the row goes on a shift
);
-- The form on the scan, by block: ruled rows with writing, those with a type letter, and how many
-- px of a sheet 4200 high they lie lower than the form has them; null where it was not found.
CREATE TABLE ink (
    page         TEXT PRIMARY KEY REFERENCES pages(page),
    mtime_ns     INTEGER NOT NULL, -- of the image
    size         INTEGER NOT NULL,
    top_left     INTEGER,
    top_right    INTEGER,
    bottom_left  INTEGER,
    bottom_right INTEGER,
    top_left_shift     INTEGER,
    top_right_shift    INTEGER,
    bottom_left_shift  INTEGER,
    bottom_right_shift INTEGER,
    top_left_types     INTEGER,
    top_right_types    INTEGER,
    bottom_left_types  INTEGER,
    bottom_right_types INTEGER
);
"""

# A crossed-out row counts as a play, and a column says so: of the rows with that note, a fifth are
# crossed out on the scan.
VIEWS = """
CREATE VIEW plays AS
    SELECT e.entry, e.page, p.pdf_path, p.page_number, e.position, e.row_index, e.ordinal,
        p.page_date_raw, e.page_date, e.hour_raw, e.jock_raw, e.dj, e.artist, e.track,
        e.artist_guess, e.artist_rule, e.raw_text, e.joined_text AS text, e.type_raw,
        e.confidence, e.notes, e.crossed_out, p.verified, p.verified_by, p.verified_at
    FROM entries e JOIN pages p ON p.page = e.page
    WHERE e.joined_text IS NOT NULL;
-- max() takes Ramones before RAMONES: small letters sort last.
CREATE VIEW plays_by_artist AS
    SELECT max(artist) AS artist, count(*) AS plays, sum(crossed_out) AS crossed_out,
        min(page_date) AS first_date, max(page_date) AS last_date
    FROM entries WHERE artist IS NOT NULL
    GROUP BY artist COLLATE NOCASE ORDER BY plays DESC;
CREATE VIEW plays_by_dj AS
    SELECT dj, plays, crossed_out, pages, blocks, first_date, last_date FROM djs
    ORDER BY plays DESC;
-- 2 AM, 2am, 2A and 2a.m. are one hour; a lone 2 may be either, and stays itself.
CREATE VIEW plays_by_hour AS
    SELECT CASE WHEN short GLOB '*[0-9][ap]' THEN short || 'm' ELSE short END AS hour,
        sum(play_count) AS plays, sum(crossed_out_count) AS crossed_out,
        count(DISTINCT page) AS pages
    FROM (SELECT page, play_count, crossed_out_count,
              replace(replace(lower(hour_raw), ' ', ''), '.', '') AS short
          FROM blocks)
    GROUP BY hour ORDER BY plays DESC;
CREATE VIEW pages_to_check AS
    SELECT r.rank, r.page, r.reason, r.detail, p.page_date_raw, p.page_date, p.status,
        p.verified, p.verified_by, p.verified_at
    FROM reviews r JOIN pages p ON p.page = r.page ORDER BY r.rank;
CREATE VIEW pages_by_month AS
    SELECT substr(coalesce(page_date, pdf_first_date), 1, 7) AS month, status, count(*) AS pages
    FROM pages GROUP BY month, status;
"""

INDEXES = """
CREATE INDEX pages_order ON pages(pdf_path, page_number);
CREATE INDEX pages_status ON pages(status);
CREATE INDEX pages_month ON pages(substr(coalesce(page_date, pdf_first_date), 1, 7), status);
CREATE INDEX blocks_page ON blocks(page);
CREATE INDEX blocks_dj ON blocks(dj);
CREATE INDEX entries_page ON entries(page);
CREATE INDEX entries_dj ON entries(dj);
CREATE INDEX entries_artist ON entries(artist COLLATE NOCASE, artist, page_date, crossed_out)
    WHERE artist IS NOT NULL;
CREATE INDEX entries_type ON entries(type_raw);
CREATE INDEX entries_confidence ON entries(confidence);
CREATE INDEX entries_continues ON entries(continues) WHERE continues IS NOT NULL;
CREATE INDEX oddities_page ON oddities(page);
CREATE INDEX oddities_entry ON oddities(entry);
CREATE INDEX disagreements_page ON disagreements(page);
CREATE INDEX findings_page ON findings(page);
CREATE INDEX reviews_rank ON reviews(rank);
"""

# Each text of a page is in joined_text once, so a phrase is found across its continuation row.
SEARCHED = {"entries": ["joined_text"], "pages": ["page_date_raw", "comments_raw"]}
TOKENIZE = "unicode61 remove_diacritics 2"


@contextmanager
def writing(data_root: Path) -> Iterator[Database]:
    """`flowsheets.db`, with its tables, in one transaction: readers see all of it or nothing.

    Raises `Problem` where it cannot be written or is not a database.
    """
    path = paths.index_db(data_root)
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            db = Database(connection)
            db.enable_wal()  # readers keep the old state meanwhile
            db.execute("PRAGMA synchronous = normal")
            db.execute("PRAGMA cache_size = -8000")  # kB: more makes an index no quicker
            with db.conn:
                db.execute("BEGIN IMMEDIATE")
                if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                    _drop_all(db)
                    db.executescript(TABLES + VIEWS)
                    db.execute(f"PRAGMA user_version = {VERSION}")
                yield db
    except sqlite3.DatabaseError as error:
        raise Problem(
            path,
            f"cannot be written ({error})",
            "Make room or the folder writable, or delete the file: make index builds it anew",
        ) from error


def finish(db: Database) -> None:
    """Indexes and full-text search, once the tables are filled: faster so than row by row."""
    if is_searchable(db):
        return
    db.executescript(INDEXES)
    for table, columns in SEARCHED.items():
        db.table(table).enable_fts(columns, tokenize=TOKENIZE)


def is_searchable(db: Database) -> bool:
    """Whether `finish` has made the search."""
    return db.table("pages_fts").exists()


def unsearch(db: Database, table: str, pages: list[str]) -> None:
    """Take the pages' rows out of the full-text search; to be called before they change."""
    if is_searchable(db):
        names = ", ".join(SEARCHED[table])
        db.conn.executemany(
            f"INSERT INTO {table}_fts ({table}_fts, rowid, {names})"
            f" SELECT 'delete', rowid, {names} FROM {table} WHERE page = ?",
            ((page,) for page in pages),
        )


def search(db: Database, table: str, pages: list[str]) -> None:
    """Put the pages' rows into the full-text search; to be called after they changed."""
    if is_searchable(db):
        names = ", ".join(SEARCHED[table])
        db.conn.executemany(
            f"INSERT INTO {table}_fts (rowid, {names})"
            f" SELECT rowid, {names} FROM {table} WHERE page = ?",
            ((page,) for page in pages),
        )


def _drop_all(db: Database) -> None:
    for view in db.views:
        view.drop()
    for table in SEARCHED:
        if db.table(f"{table}_fts").exists():
            db.execute(f"DROP TABLE {table}_fts")
    for name in db.table_names():
        if not name.startswith("sqlite_"):
            db.execute(f"DROP TABLE [{name}]")
