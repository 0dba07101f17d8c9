"""Pages drawn at random for people to type, kept in truth/sample.jsonl.

A line a page: `page`, `pdf_path`, `page_number`, `seed`, `stratum` (the year) and `draft`, how the
draft began: as `rows` to be typed, or as a `reading`, which leads the eye.

The order within a year is that of a digest of seed and page, so the same seed draws the same pages,
and more pages keep the earlier ones. The next page comes from the year that is furthest behind its
share: in proportion, by the largest remainder, for every number of pages.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from flowsheets import files, paths
from flowsheets.errors import Problem
from flowsheets.page import dates
from flowsheets.paths import PageId

ROWS, READING = "rows", "reading"  # drafts
NO_YEAR = "no year"

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


class Drawn(NamedTuple):
    """A page of the sample: a line of sample.jsonl."""

    page: PageId
    seed: int
    stratum: str
    draft: str

    def line(self) -> bytes:
        """The line, without its end."""
        return orjson.dumps(
            {
                "page": paths.page_name(self.page),
                "pdf_path": self.page.pdf_path,
                "page_number": self.page.page_number,
                "seed": self.seed,
                "stratum": self.stratum,
                "draft": self.draft,
            }
        )


def file(data_root: Path) -> Path:
    """Where the sample is kept."""
    return paths.truth(data_root) / "sample.jsonl"


def read(path: Path) -> list[Drawn]:
    """The sample, [] without a file. Raises `Problem` where a line is not one of it."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [_read_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def write(path: Path, sample: Iterable[Drawn]) -> None:
    """Keep the sample, whole or not at all."""
    files.write_whole(path, b"".join(drawn.line() + b"\n" for drawn in sample))


def stratum(pdf_path: str) -> str:
    """The year of a PDF: of its dates, else the first one in its path."""
    if span := dates.span(pdf_path):
        return str(span[0].year)
    found = _YEAR.search(pdf_path)
    return found[0] if found else NO_YEAR


def more(pages: Iterable[PageId], kept: Sequence[Drawn], limit: int, seed: int) -> list[PageId]:
    """The pages to draw beside those that were kept, up to `limit` of them all, in order."""
    by_year: dict[str, list[PageId]] = {}
    taken = Counter(drawn.stratum for drawn in kept)
    known = {drawn.page for drawn in kept}
    shares: Counter[str] = Counter()
    for page in pages:
        year = stratum(page.pdf_path)
        shares[year] += 1
        if page not in known:
            by_year.setdefault(year, []).append(page)
    for of_year in by_year.values():
        of_year.sort(key=lambda page: _rank(seed, page), reverse=True)  # the next is the last
    drawn: list[PageId] = []
    while by_year and len(kept) + len(drawn) < limit:
        year = _furthest_behind(by_year, shares, taken, len(kept) + len(drawn) + 1)
        drawn.append(by_year[year].pop())
        taken[year] += 1
        if not by_year[year]:
            del by_year[year]
    return drawn


def _furthest_behind(
    years: Iterable[str], shares: Counter[str], taken: Counter[str], size: int
) -> str:
    """The year that lacks most of its share of a sample of that size; of equals the earliest."""
    pages = shares.total()
    return min(years, key=lambda year: (taken[year] * pages - shares[year] * size, year))


def _rank(seed: int, page: PageId) -> str:
    return hashlib.sha256(f"{seed}\0{paths.page_name(page)}".encode(errors="replace")).hexdigest()


def _read_line(path: Path, number: int, line: bytes) -> Drawn:
    try:
        found = orjson.loads(line)
        page = PageId(found["pdf_path"], found["page_number"])
        drawn = Drawn(page, found["seed"], found["stratum"], found["draft"])
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(path, number) from error
    words = (drawn.page.pdf_path, drawn.stratum, drawn.draft)
    numbers = (drawn.page.page_number, drawn.seed)
    if not (all(isinstance(w, str) for w in words) and all(isinstance(n, int) for n in numbers)):
        raise _damaged(path, number)
    return drawn


def _damaged(path: Path, number: int) -> Problem:
    return Problem(
        f"{path}:{number}",
        "is not a line of the sample",
        "Put a copy of the file back, or delete the line: its page counts as chosen by hand then",
    )
