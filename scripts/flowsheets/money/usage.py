"""Table `usage` of jobs.db: one row an answer that was paid for, whatever came of its page.

An answer is a response of the API; what ended as an error without a response cost nothing and has
no row. Token counts carry the API's names. A count that is missing there is 0, as zeros are left
out; where `usageMetadata` is missing or makes no sense the counts are null, and so is the price.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets.money import prices
from flowsheets.paths import PageId

# The two indexes are what makes a second fetch, or an answer that is read again, add nothing.
SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS usage (
    pdf_path                   TEXT NOT NULL,
    page_number                INTEGER NOT NULL,
    batch_id                   TEXT,
    mode                       TEXT NOT NULL,
    model                      TEXT NOT NULL,
    model_version              TEXT NOT NULL,
    prompt_token_count         INTEGER,
    cached_content_token_count INTEGER,
    candidates_token_count     INTEGER,
    thoughts_token_count       INTEGER,
    total_token_count          INTEGER,
    requested_at               TEXT NOT NULL,
    usd                        REAL,
    price_list                 TEXT
)
""",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_usage_batch"
    " ON usage(batch_id, pdf_path, page_number) WHERE batch_id IS NOT NULL",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_usage_now"
    " ON usage(pdf_path, page_number, requested_at) WHERE batch_id IS NULL",
)

# In the order of `Tokens`.
_NAMES = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
)
_LARGEST = 2**53  # what a JSON number holds exactly, and SQLite too


class Tokens(NamedTuple):
    """An answer's `usageMetadata`. The prompt includes what was cached; total is as given."""

    prompt_token_count: int
    cached_content_token_count: int
    candidates_token_count: int
    thoughts_token_count: int
    total_token_count: int | None

    @property
    def output(self) -> int:
        """What is billed as output: the text, and the thinking before it."""
        return self.candidates_token_count + self.thoughts_token_count


class Answer(NamedTuple):
    """A row of the table, but for its price."""

    page: PageId
    batch_id: str | None  # null in real time
    mode: str  # realtime, batch or flex
    model: str  # as asked for
    model_version: str  # as answered
    tokens: Tokens | None
    requested_at: str  # ISO, UTC


def tokens(response: Any) -> Tokens | None:
    """The counts in a GenerateContentResponse; None where they are missing or make no sense."""
    found = response.get("usageMetadata") if isinstance(response, dict) else None
    if not isinstance(found, dict):
        return None
    given = [found.get(name) for name in _NAMES]
    counts = [0 if count is None else count for count in given]
    if not all(type(count) is int and 0 <= count < _LARGEST for count in counts):
        return None
    prompt, cached, candidates, thoughts, total = counts
    if not prompt or cached > prompt:
        return None
    return Tokens(prompt, cached, candidates, thoughts, total or None)


def total(counts: Iterable[Tokens | None]) -> Tokens | None:
    """Several responses' counts as one; None where one of them is not known."""
    known = list(counts)
    if not known or None in known:
        return None
    prompt, cached, candidates, thoughts, all_of_it = (
        sum(one or 0 for one in column) for column in zip(*filter(None, known), strict=True)
    )
    return Tokens(prompt, cached, candidates, thoughts, all_of_it or None)


def mode(response: Any, asked: str) -> str:
    """realtime or flex: the tier that served the call if the answer names it, else `asked`.

    `usageMetadata.serviceTier` is in google-genai's types; whether each answer has it is not said.
    """
    found = response.get("usageMetadata") if isinstance(response, dict) else None
    tier = found.get("serviceTier") if isinstance(found, dict) else None
    return {"flex": "flex", "standard": "realtime"}.get(str(tier).lower(), asked)


def note(db: Database, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows, in the caller's transaction; one that stands there already is left alone."""
    db.conn.executemany(f"INSERT OR IGNORE INTO usage VALUES ({', '.join('?' * 14)})", rows)


def row(answer: Answer) -> tuple[Any, ...]:
    """The answer's row, in the order of the columns, with its price as of now's price list."""
    counts = answer.tokens or (None,) * len(Tokens._fields)
    cost = price(answer)
    priced = (float(cost.usd), cost.price_list) if cost else (None, None)
    return (
        *answer.page,
        *(answer.batch_id, answer.mode, answer.model, answer.model_version),
        *(*counts, answer.requested_at, *priced),
    )


def price(answer: Answer, way: str | None = None) -> prices.Price | None:
    """What the answer costs, with `way` in that mode instead of its own; None where not known."""
    if answer.tokens is None:
        return None
    return prices.price(
        answer.model,
        way or answer.mode,
        answer.tokens.prompt_token_count,
        answer.tokens.cached_content_token_count,
        answer.tokens.output,
        answer.requested_at,
    )


def noted(db: Database) -> Iterator[tuple[Answer, float | None, str | None]]:
    """Every row: the answer, its dollars and the price list they are from, oldest first."""
    for row in db.execute(
        "SELECT pdf_path, page_number, batch_id, mode, model, model_version, prompt_token_count,"
        " cached_content_token_count, candidates_token_count, thoughts_token_count,"
        " total_token_count, requested_at, usd, price_list FROM usage"
        " ORDER BY requested_at, pdf_path, page_number"
    ):
        counted = Tokens(*row[6:11]) if row[6] is not None else None
        pdf_path, page_number, batch_id, mode, model, version = row[:6]
        page = PageId(pdf_path, page_number)
        yield Answer(page, batch_id, mode, model, version, counted, row[11]), row[12], row[13]


def pages_of_batch(db: Database, batch_id: str) -> set[PageId]:
    """Pages that have a row for the batch."""
    found = db.execute("SELECT pdf_path, page_number FROM usage WHERE batch_id = ?", [batch_id])
    return {PageId(pdf_path, number) for pdf_path, number in found}


def requests_of_page(db: Database, page: PageId) -> set[str]:
    """`requested_at` of the page's rows in real time, flex included."""
    found = db.execute(
        "SELECT requested_at FROM usage"
        " WHERE pdf_path = ? AND page_number = ? AND batch_id IS NULL",
        list(page),
    )
    return {at for (at,) in found}


def by_mode(db: Database) -> list[dict[str, Any]]:
    """Of each mode: pages, answers, how many of these have a price, and their dollars."""
    return list(
        db.query(
            "SELECT mode, count(DISTINCT pdf_path || '/' || page_number) AS pages,"
            " count(*) AS answers, count(usd) AS priced, sum(usd) AS usd"
            " FROM usage GROUP BY mode ORDER BY mode"
        )
    )


def spent(db: Database) -> tuple[float, int, int]:
    """Dollars of all answers whose price is known, of how many pages, and answers without one."""
    usd, pages, without = db.execute(
        "SELECT coalesce(sum(usd), 0), (SELECT count(*) FROM (SELECT DISTINCT pdf_path, page_number"
        " FROM usage WHERE usd IS NOT NULL)), count(*) - count(usd) FROM usage"
    ).fetchone()
    return float(usd), int(pages), int(without)
