"""Table `usage` of jobs.db: one row a billed response, whatever came of its page.

What ended as an error without a response cost nothing and has no row. Token counts carry the API's
names. A count that is missing there is 0, as zeros are left out; where `usageMetadata` is missing
or makes no sense the counts are null, and so is the price: unknown, never 0.

The two unique indexes make every record repeatable: a second fetch, a response that is read again,
or a table that is made again from the responses on disk adds each response once.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlite_utils import Database

from flowsheets.errors import warn
from flowsheets.money import prices
from flowsheets.paths import PageId

_TABLE = """
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
"""
# New to an older table: how the response ended, and what was asked for. Rows from before `answer`
# are of the full form.
_ADDED = {"finish_reason": str, "thinking": str, "answer": str, "prompt": str, "request": str}
_ADDED |= {"aside": str}
_INDEXES = (
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_usage_batch"
    " ON usage(batch_id, pdf_path, page_number) WHERE batch_id IS NOT NULL",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_usage_now"
    " ON usage(pdf_path, page_number, requested_at) WHERE batch_id IS NULL",
    "CREATE INDEX IF NOT EXISTS idx_usage_model ON usage(model, requested_at)",
    "CREATE INDEX IF NOT EXISTS idx_usage_page ON usage(pdf_path, page_number)",
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

CUT_OFF = "MAX_TOKENS"  # the finishReason of a response that ran into the ceiling


class Tokens(NamedTuple):
    """A response's `usageMetadata`. The prompt includes what was cached; total is as given.

    Thinking is all that the total has beyond prompt and text. `finish_reason` is the candidate's,
    None where there is none.
    """

    prompt_token_count: int
    cached_content_token_count: int
    candidates_token_count: int
    thoughts_token_count: int
    total_token_count: int | None
    finish_reason: str | None = None

    @property
    def output(self) -> int:
        """What is billed as output: the text, and the thinking before it."""
        return self.candidates_token_count + self.thoughts_token_count


class Answer(NamedTuple):
    """A response that was billed: a row of the table, but for its price."""

    page: PageId
    batch_id: str | None  # null in real time
    mode: str  # realtime, batch or flex
    model: str  # as asked for
    model_version: str  # as answered
    tokens: Tokens | None
    requested_at: str  # ISO, UTC
    thinking: str | None = None  # the level that was asked for; None: the model's own
    answer: str | None = None  # full or lean; None: from before there was a lean form
    prompt: str | None = None  # digests of prompt and request (see `page.request.identity`);
    request: str | None = None  # None where they are not known
    aside: str | None = None  # `compare`, `second`: a response that makes no result


class Sum(NamedTuple):
    """Responses of a day, model and mode added up; one with a long prompt, priced alone, is alone.

    Tokens are those of responses that have counts.
    """

    day: str  # ISO, UTC
    model: str  # as asked for
    mode: str
    model_version: str  # as answered
    price_list: str | None
    counted: bool  # whether they have counts
    responses: int
    prompt_token_count: int
    cached_content_token_count: int
    candidates_token_count: int
    thoughts_token_count: int
    usd: float | None  # None where no price was known

    @property
    def real_time(self) -> float | None:
        """What the same tokens cost in real time; None where that is not known."""
        if not self.counted:
            return None
        model = self.model
        if _another_family(model, self.model_version):
            model = self.model_version.removeprefix("models/")
        prompt, cached = self.prompt_token_count, self.cached_content_token_count
        output = self.candidates_token_count + self.thoughts_token_count
        if self.responses == 1:
            alone = prices.price(model, "realtime", prompt, cached, output, self.day)
            return float(alone.usd) if alone else None
        rates = prices.rates(model, "realtime", self.day)
        return float(prices.at_rates(rates, prompt, cached, output)) if rates else None


def create_table(db: Database) -> None:
    """Make the table, or add what is new to an older one, in the caller's transaction.

    Rows from before thinking was looked for in the total are counted and priced again, once.
    """
    db.execute(_TABLE)
    missing = {k: v for k, v in _ADDED.items() if k not in db["usage"].columns_dict}
    for column, kind in missing.items():
        db.table("usage").add_column(column, kind)
    if missing:
        _count_hidden_thinking(db)
    for statement in _INDEXES:
        db.execute(statement)


def tokens(response: Any) -> Tokens | None:
    """The counts in a GenerateContentResponse; None where they are missing or make no sense.

    Thinking has been seen in totalTokenCount alone: what the total has beyond the other counts is
    billed as output, and counts as thinking. toolUsePromptTokenCount is input.
    """
    found = response.get("usageMetadata") if isinstance(response, dict) else None
    if not isinstance(found, dict):
        return None
    given = [found.get(name) for name in (*_NAMES, "toolUsePromptTokenCount")]
    counts = [0 if count is None else count for count in given]
    if not all(type(count) is int and 0 <= count < _LARGEST for count in counts):
        return None
    prompt, cached, candidates, thoughts, total, tools = counts
    if not prompt or cached > prompt:
        return None
    prompt += tools
    thoughts = max(thoughts, total - prompt - candidates)
    return Tokens(prompt, cached, candidates, thoughts, total or None, _finish_reason(response))


def total(counts: Iterable[Tokens | None]) -> Tokens | None:
    """Several responses' counts as one; None where one of them is not known."""
    known = list(counts)
    if not known or None in known:
        return None
    first, *others = [one for one in known if one]
    for one in others:
        first = Tokens(
            first.prompt_token_count + one.prompt_token_count,
            first.cached_content_token_count + one.cached_content_token_count,
            first.candidates_token_count + one.candidates_token_count,
            first.thoughts_token_count + one.thoughts_token_count,
            None,
            first.finish_reason,
        )
    return first


def mode(response: Any, asked: str) -> str:
    """realtime or flex: the tier that served the call if the response names it, else `asked`.

    `usageMetadata.serviceTier` is in google-genai's types; whether each response has it is not
    said.
    """
    found = response.get("usageMetadata") if isinstance(response, dict) else None
    tier = found.get("serviceTier") if isinstance(found, dict) else None
    return {"flex": "flex", "standard": "realtime"}.get(str(tier).lower(), asked)


def note(db: Database, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows, in the caller's transaction; one that is already there is left alone."""
    marks = ", ".join("?" * len(_COLUMNS))
    db.conn.executemany(
        f"INSERT OR IGNORE INTO usage ({', '.join(_COLUMNS)}) VALUES ({marks})", rows
    )


def row(answer: Answer) -> tuple[Any, ...]:
    """The response's row, in the order of the columns, with its price as of now's price list.

    A pure function of the response, so that a row which is made again is the same.
    """
    *counts, finish_reason = answer.tokens or (None,) * len(Tokens._fields)
    cost = price(answer)
    priced = (float(cost.usd), cost.price_list) if cost else (None, None)
    return (
        *answer.page,
        *(answer.batch_id, answer.mode, answer.model, answer.model_version),
        *(*counts, answer.requested_at, finish_reason, answer.thinking),
        *(answer.answer, answer.prompt, answer.request, answer.aside, *priced),
    )


# In the order of `row`; the last two are the price.
_COLUMNS = (
    *("pdf_path", "page_number", "batch_id", "mode", "model", "model_version"),
    *Tokens._fields[:5],
    *("requested_at", "finish_reason", "thinking", "answer", "prompt", "request"),
    *("aside", "usd", "price_list"),
)


def price(answer: Answer, mode: str | None = None) -> prices.Price | None:
    """What the response costs, with `mode` in that mode instead of its own; None where not known.

    By the model that was asked for, or by the one that answered where that is of another family.
    """
    if answer.tokens is None:
        return None
    return prices.price(
        answer.model_version.removeprefix("models/") if another_model(answer) else answer.model,
        mode or answer.mode,
        answer.tokens.prompt_token_count,
        answer.tokens.cached_content_token_count,
        answer.tokens.output,
        answer.requested_at,
    )


def another_model(answer: Answer) -> bool:
    """Whether a model of another family answered than the one that was asked for.

    A retired model has been seen to be answered for by another. `gemini-flash-latest` is no
    family, but whatever is newest; a name that is not Gemini's says nothing.
    """
    return _another_family(answer.model, answer.model_version)


@cache
def _another_family(asked: str, answered: str) -> bool:
    answered = answered.removeprefix("models/")
    if not (answered.startswith("gemini-") and asked.startswith("gemini-")):
        return False
    return not asked.endswith("-latest") and family(asked) != family(answered)


def family(model: str) -> str:
    """The model without what names its version.

    gemini-3.1-pro-preview, gemini-3.1-pro-preview-05-2026, gemini-3.1-pro -> gemini-3.1-pro;
    gemini-2.5-flash-001 -> gemini-2.5-flash; gemini-2.5-flash-lite is a family of its own.
    """
    return re.sub(r"^(gemini-[^-]+-.+?)(-(preview|exp|latest|stable|\d{2,}))+$", r"\1", model)


def warn_of_other_models(answers: Iterable[Answer | Sum]) -> None:
    """Warn on stderr where another model answered than was asked, once for each pair of names."""
    for answer in answers:
        if _another_family(answer.model, answer.model_version):
            _warn_once(answer.model, answer.model_version)


@cache
def _warn_once(asked: str, answered: str) -> None:
    warn(
        f"{asked} was asked and {answered} answered, which is what it is priced by."
        " Set GEMINI_MODEL to a model that is still served"
    )


def noted(db: Database) -> Iterator[tuple[Answer, float | None, str | None]]:
    """Every row: the response, its dollars and the price list they are from, oldest first."""
    found = db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM usage ORDER BY requested_at, pdf_path, page_number"
    )
    for pdf_path, page_number, *asked in found:
        batch_id, mode, model, version, *counts, at, finish_reason = asked[:11]
        *how, usd, listed = asked[11:]
        counted = Tokens(*(*counts, finish_reason)) if counts[0] is not None else None
        page = PageId(pdf_path, page_number)
        answer = Answer(page, batch_id, mode, model, version, counted, at, *how)
        yield answer, usd, listed


def sums(db: Database) -> list[Sum]:
    """All responses, added up by SQLite: rows of a station are tens of thousands."""
    found = db.execute(
        "SELECT substr(requested_at, 1, 10) AS day, model, mode, model_version, price_list,"
        " prompt_token_count IS NOT NULL AS counted, count(*),"
        " coalesce(sum(prompt_token_count), 0), coalesce(sum(cached_content_token_count), 0),"
        " coalesce(sum(candidates_token_count), 0), coalesce(sum(thoughts_token_count), 0),"
        " sum(usd) FROM usage GROUP BY day, model, mode, model_version, price_list, counted,"
        " usd IS NULL, CASE WHEN prompt_token_count > ? THEN rowid END",
        [prices.ONE_RATE_PROMPT],
    )
    return [Sum(*row) for row in found]


def pages_by(db: Database, *columns: str) -> dict[tuple[str, ...], int]:
    """How many pages have responses, by `month`, `model` and `mode`, or some of these."""
    by = "".join(f"{column}, " for column in columns)
    found = db.execute(
        f"SELECT {by}count(*) FROM (SELECT DISTINCT {by}pdf_path, page_number"
        " FROM (SELECT *, substr(requested_at, 1, 7) AS month FROM usage))"
        f" GROUP BY {by.removesuffix(', ') or 'NULL'}"
    )
    return {tuple(key): count for *key, count in found}


class Size(NamedTuple):
    """What one response took, and whether it was cut off at its ceiling."""

    prompt: int
    output: int
    cut_off: bool


def sizes(
    db: Database, model: str, thinking: str | None, answer: str, most: int
) -> tuple[list[Size], int]:
    """The newest responses of a model, asked at a thinking level for a form of the answer, and of
    how many pages they are.

    At most `most` of them, so that an estimate stays as quick as it is with few. What another model
    answered is left out.
    """
    rows = db.execute(
        "SELECT model_version, prompt_token_count, candidates_token_count + thoughts_token_count,"
        " coalesce(finish_reason, '') = ?, pdf_path, page_number FROM usage"
        " WHERE model = ? AND thinking IS ? AND coalesce(answer, 'full') = ?"
        " AND prompt_token_count IS NOT NULL"
        " ORDER BY requested_at DESC LIMIT ?",
        [CUT_OFF, model, thinking, answer, most],
    ).fetchall()
    own = [row for row in rows if not _another_family(model, row[0])]
    return [Size(row[1], row[2], bool(row[3])) for row in own], len({row[4:] for row in own})


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
    """Of each mode: pages, responses, how many of these have a price, and their dollars."""
    return list(
        db.query(
            "SELECT mode, count(DISTINCT pdf_path || '/' || page_number) AS pages,"
            " count(*) AS answers, count(usd) AS priced, sum(usd) AS usd"
            " FROM usage GROUP BY mode ORDER BY mode"
        )
    )


def spent(db: Database) -> tuple[float, int, int]:
    """Dollars of all responses whose price is known, of how many pages; responses without one."""
    usd, pages, without = db.execute(
        "SELECT coalesce(sum(usd), 0), (SELECT count(*) FROM (SELECT DISTINCT pdf_path, page_number"
        " FROM usage WHERE usd IS NOT NULL)), count(*) - count(usd) FROM usage"
    ).fetchone()
    return float(usd), int(pages), int(without)


def _finish_reason(response: dict[str, Any]) -> str | None:
    candidates = response.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    found = first.get("finishReason") if isinstance(first, dict) else None
    return found if isinstance(found, str) else None


def _count_hidden_thinking(db: Database) -> None:
    """Rows whose total holds thinking that no other count has: counted, and priced again."""
    for answer, _, _ in list(noted(db)):
        if answer.tokens is None:
            continue
        prompt, _, candidates, thoughts, total, _ = answer.tokens
        hidden = (total or 0) - prompt - candidates
        if hidden > thoughts:
            db.conn.execute(
                "DELETE FROM usage WHERE pdf_path = ? AND page_number = ? AND batch_id IS ?"
                " AND requested_at = ?",
                (*answer.page, answer.batch_id, answer.requested_at),
            )
            counted = answer.tokens._replace(thoughts_token_count=hidden)
            note(db, [row(answer._replace(tokens=counted))])
