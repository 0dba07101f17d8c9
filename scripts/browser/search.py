"""Every row that holds these words, oldest first, the words marked."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from datasette.utils import escape_fts

from browser.front import Row, rows

PAGE = 50  # hits a page
CHOICES = 200  # of a filter; a station has hundreds of DJs
FILTERS = ("dj", "type_raw", "confidence")
FIRST, LAST = "\x02", "\x03"  # around a hit; a text that holds one itself is marked wrongly
FROM = "FROM entries_fts JOIN entries e ON e.rowid = entries_fts.rowid"
MATCHING = "WHERE entries_fts MATCH :match"
ORDER = """
    ORDER BY coalesce(p.page_date, p.pdf_first_date), p.pdf_path, p.page_number,
        CASE e.position WHEN 'top_left' THEN 0 WHEN 'top_right' THEN 1 WHEN 'bottom_left' THEN 2
            ELSE 3 END, e.ordinal
"""

Parts = list[tuple[str, bool]]  # text in order, and whether it is a hit


@dataclass(frozen=True)
class Wanted:
    """What a person searches for; `page` counts from 1."""

    q: str
    filters: dict[str, str]
    page: int = 1

    @classmethod
    def of(cls, args: Any) -> "Wanted":
        """From an address; a value that cannot be used counts as not given."""
        page = args.get("page") or ""
        known = page.isascii() and page.isdigit() and len(page) < 7
        filters = {name: args[name] for name in FILTERS if args.get(name)}
        q = "".join(letter if letter.isprintable() else " " for letter in args.get("q") or "")
        return cls(q.strip(), filters, max(int(page), 1) if known else 1)

    def at(self, page: int) -> str:
        """The address of another page of the same search."""
        return f"/search?{urlencode({'q': self.q, **self.filters, 'page': page})}"

    @property
    def match(self) -> str:
        """Words as FTS5 takes them: all of them, "phrases" as such, `bong*` the start of a word.

        Each is quoted, so that nothing a person types is read as FTS5's own language.
        """
        return re.sub(r'(?<=\w)\*"(?=\s|$)', '"*', escape_fts(self.q)) or '""'


async def found(db: Any, wanted: Wanted) -> dict[str, Any] | None:
    """Hits, their count, and what they can be narrowed to; None where nothing is asked for."""
    if not wanted.q:
        return None
    values: Row = {"match": wanted.match, "first": FIRST, "last": LAST, **wanted.filters}
    # Side by side, as Datasette's threads do them: a common word has 100,000 hits.
    total, comments, choices = await asyncio.gather(
        _count(db, wanted, values),
        _comments(db, values),
        asyncio.gather(*(_choices(db, name, wanted, values) for name in FILTERS)),
    )
    last = max(-(-total // PAGE), 1)
    number = min(wanted.page, last)
    hits = await rows(
        db,
        "SELECT e.entry, e.page, e.position, e.row_index, e.type_raw, e.confidence, e.notes, e.dj,"
        " e.hour_raw, p.pdf_path, p.page_number, p.page_date, p.page_date_raw,"
        " p.verified, p.verified_by, p.verified_at,"
        f" highlight(entries_fts, 0, :first, :last) AS marked {FROM}"
        f" JOIN pages p ON p.page = e.page {MATCHING}{_and(wanted.filters)} {ORDER}"
        " LIMIT :limit OFFSET :offset",
        values | {"limit": PAGE, "offset": (number - 1) * PAGE},
    )
    return {
        "total": total,
        "first": (number - 1) * PAGE + 1,
        "hits": [hit | {"parts": parts(hit["marked"])} for hit in hits],
        "choices": dict(zip(FILTERS, choices, strict=True)),
        "comments": comments,
        "previous": wanted.at(number - 1) if number > 1 else None,
        "next": wanted.at(number + 1) if number < last else None,
    }


def parts(marked: str) -> Parts:
    """A text with marks around its hits, in parts; the template escapes each and adds the marks."""
    pieces = re.split(f"[{FIRST}{LAST}]", marked)
    return [(piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece]


async def _count(db: Any, wanted: Wanted, values: Row) -> int:
    sql = f"SELECT count(*) AS hits {FROM} {MATCHING}{_and(wanted.filters)}"
    return int((await rows(db, sql, values))[0]["hits"])


async def _choices(db: Any, name: str, wanted: Wanted, values: Row) -> list[Row]:
    """The values of one filter among the hits that the other filters leave, most hits first."""
    others = [other for other in wanted.filters if other != name]
    return await rows(
        db,
        f"SELECT e.{name} AS value, count(*) AS hits {FROM} {MATCHING}{_and(others)}"
        f" AND e.{name} IS NOT NULL GROUP BY e.{name} ORDER BY hits DESC, e.{name} LIMIT {CHOICES}",
        values,
    )


async def _comments(db: Any, values: Row) -> list[Row]:
    """Pages whose comments, or date as written, hold the words."""
    hits = await rows(
        db,
        "SELECT p.page, p.pdf_path, p.page_number,"
        " coalesce(highlight(pages_fts, 0, :first, :last) || ' · ', '')"
        " || coalesce(highlight(pages_fts, 1, :first, :last), '') AS marked"
        " FROM pages_fts JOIN pages p ON p.rowid = pages_fts.rowid WHERE pages_fts MATCH :match"
        f" ORDER BY p.pdf_path, p.page_number LIMIT {PAGE}",
        values,
    )
    return [hit | {"parts": parts(hit["marked"])} for hit in hits]


def _and(filters: Iterable[str]) -> str:
    return "".join(f" AND e.{name} = :{name}" for name in filters)
