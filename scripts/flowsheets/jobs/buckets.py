"""Table `buckets`: buckets that a batch's output has come from, so that the API can write there.

That the API may write to a bucket shows only at the end of a batch, which has been paid by then.
"""

from sqlite_utils import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    bucket    TEXT PRIMARY KEY,
    batch     TEXT NOT NULL,
    proven_at TEXT NOT NULL
)
"""


def proven(db: Database, bucket: str) -> bool:
    """Whether output has come from `gs://bucket/prefix`."""
    found = db.execute("SELECT 1 FROM buckets WHERE bucket = ?", [bucket]).fetchone()
    return found is not None


def prove(db: Database, bucket: str, batch: str, at: str) -> None:
    """Note the newest batch of which it is known, in the caller's transaction."""
    found = db.execute("SELECT 1 FROM buckets WHERE bucket = ? AND batch >= ?", [bucket, batch])
    if found.fetchone() is None:
        db.conn.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (bucket, batch, at))


def disprove(db: Database, bucket: str, batch: str) -> None:
    """The API could not write what came of this batch: what older ones proved is over."""
    db.conn.execute("DELETE FROM buckets WHERE bucket = ? AND batch < ?", [bucket, batch])
