"""Partial truth: some texts that a page must have, `<PDF's name>-pageNN.truth.json` under truth/.

`page_date_substrings`; `quadrants`, each with its `position`, `hour_raw`, `jock_substring`, and
`rows` with `raw_substring` and, where it matters, `row_index`. Rows that are not named are not
faults. In rows and DJs case, punctuation and blanks do not count; in dates and hours case does not,
and 9 is in `9 pm` but not in 19. A row counts together with the continuation rows below it. A miss
has the text that is nearest to it: what was asked for may be wrong itself.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from rapidfuzz import fuzz

from flowsheets import display, paths
from flowsheets.accuracy import words
from flowsheets.accuracy.align import rows
from flowsheets.accuracy.truth import PARTIAL
from flowsheets.page import shapes
from flowsheets.page.schema import PageReading, Position, Quadrant

_NAME = re.compile(rf"(?:(?P<pdf>.+)-)?page-?(?P<page>\d{{1,9}}){re.escape(PARTIAL)}", re.DOTALL)


class AskedRow(BaseModel):
    """A row that must be there."""

    model_config = ConfigDict(extra="forbid")  # a misspelt key would ask for nothing
    raw_substring: str
    row_index: int | None = None


class AskedBlock(BaseModel):
    """What a block must have."""

    model_config = ConfigDict(extra="forbid")
    position: Position
    hour_raw: str | None = None
    jock_substring: str | None = None
    rows: list[AskedRow] = []


class Partial(BaseModel):
    """What a page must have."""

    model_config = ConfigDict(extra="forbid")
    page_date_substrings: list[str] = []
    quadrants: list[AskedBlock] = []


class PartialPage(NamedTuple):
    """A file of partial truth, and the name of its page."""

    name: str
    asked: Partial
    path: Path

    def content(self) -> bytes:
        """What it asks for, in whatever way the file holds it."""
        return orjson.dumps([self.name, self.asked.model_dump()])


class Place(NamedTuple):
    """A text on a page: a row's number is None for hour, DJ and date."""

    position: str | None
    row: int | None
    text: str


class Answer(NamedTuple):
    """Whether a text is there. `exactly`: also with its case, punctuation and blanks.

    For a miss, `nearest` is the text of that block that is most like it, and `elsewhere` one of
    another block that has it.
    """

    page: str
    field: str  # row, hour, jock or date
    position: str | None
    row: int | None
    wanted: str
    found: bool
    exactly: bool
    nearest: Place | None
    likeness: float  # of the nearest text, 0 to 1
    elsewhere: Place | None


def gather(
    data_root: Path,
    names: Callable[[], list[str]],
    registered: list[str],
    unusable: dict[Path, str],
) -> list[PartialPage]:
    """All files of partial truth. `names` gives the names of all pages that were read, where they
    are needed; one that is `registered` alone has no reading yet.
    """
    folder = paths.truth(data_root)
    there = sorted(folder.rglob(f"*{PARTIAL}")) if folder.is_dir() else []
    pages = _by_pdf(registered) | _by_pdf(names()) if there else {}
    found = []
    for path in there:
        try:
            name = _page(path, folder, pages)
            name.encode()  # a ValueError where it holds bytes that no text has
            found.append(PartialPage(name, Partial.model_validate_json(path.read_bytes()), path))
        except (OSError, ValueError) as error:
            why = shapes.why(error)
            if isinstance(error, ValidationError):
                why = f"is not partial truth ({why})"
            unusable[path] = display.plain(why)
    return found


def answers(partial: PartialPage, read: PageReading) -> list[Answer]:
    """What was asked of the page, one by one, in the order of the file."""
    found = []
    date = [Place(None, None, read.page_date_raw or "")]
    for wanted in partial.asked.page_date_substrings:
        found.append(_answer(partial.name, "date", None, None, wanted, date, []))
    for asked in partial.asked.quadrants:
        block = next(q for q in read.quadrants if q.position == asked.position)
        found += _of_block(partial.name, asked, block, read)
    return found


def count(partial: PartialPage) -> int:
    """How many texts are asked for."""
    blocks = partial.asked.quadrants
    heads = sum((b.hour_raw is not None) + (b.jock_substring is not None) for b in blocks)
    return len(partial.asked.page_date_substrings) + heads + sum(len(b.rows) for b in blocks)


def _of_block(page: str, asked: AskedBlock, block: Quadrant, read: PageReading) -> Iterator[Answer]:
    position = asked.position
    if asked.hour_raw is not None:
        hour = [Place(position, None, block.hour_raw or "")]
        yield _answer(page, "hour", position, None, asked.hour_raw, hour, [])
    if asked.jock_substring is not None:
        jock = [Place(position, None, block.jock_raw or "")]
        yield _answer(page, "jock", position, None, asked.jock_substring, jock, [])
    here = list(_texts(block))
    others = [place for q in read.quadrants if q is not block for place in _texts(q)]
    times: Counter[str] = Counter()  # a text that is asked for twice has to be there twice
    for row in asked.rows:
        places = [p for p in here if row.row_index in (None, p.row)]
        having = [p for p in places if _has("row", p.text, row.raw_substring)]
        wanted_again = times[words.lenient(row.raw_substring)]
        times[words.lenient(row.raw_substring)] += row.row_index is None
        if row.row_index is None and len({p.row for p in having}) <= wanted_again:
            places = [p for p in places if p not in having]
        yield _answer(
            page, "row", position, row.row_index, row.raw_substring, places, [*here, *others]
        )


def _answer(
    page: str,
    field: str,
    position: str | None,
    row: int | None,
    wanted: str,
    places: list[Place],
    elsewhere: list[Place],
) -> Answer:
    having = [place for place in places if _has(field, place.text, wanted)]
    exactly = any(words.strict(wanted) in words.strict(place.text) for place in having)
    nearest = max(places, key=lambda place: _likeness(wanted, place.text), default=None)
    like = _likeness(wanted, nearest.text) if nearest else 0.0
    other = None
    if not having:
        other = next(
            (p for p in elsewhere if p not in places and _has(field, p.text, wanted)), None
        )
    return Answer(page, field, position, row, wanted, bool(having), exactly, nearest, like, other)


def _texts(block: Quadrant) -> Iterator[Place]:
    """Each row's text, and again with the rows that continue it."""
    listed = rows(block.entries)
    for index, entry in enumerate(listed):
        yield Place(block.position, entry.row_index, entry.raw_text)
        joined = entry.raw_text
        for below in listed[index + 1 :]:
            if shapes.kind(below.notes) != "continuation":
                break
            joined = f"{joined} {below.raw_text}"
        if joined != entry.raw_text:
            yield Place(block.position, entry.row_index, joined)


def _has(field: str, text: str, wanted: str) -> bool:
    """Whether a text has what is wanted; punctuation alone is compared as it is."""
    if field in ("date", "hour"):
        number = re.escape(words.strict(wanted).casefold())
        return re.search(rf"(?<!\d){number}(?!\d)", words.strict(text).casefold()) is not None
    form = words.lenient if words.lenient(wanted) else words.strict
    return form(wanted) in form(text)


def _likeness(wanted: str, text: str) -> float:
    return fuzz.partial_ratio(words.lenient(wanted), words.lenient(text)) / 100 if text else 0.0


def _by_pdf(names: list[str]) -> dict[tuple[str, int], list[str]]:
    """The pages by the name of their PDF, without its folder, and their number."""
    by_pdf: dict[tuple[str, int], list[str]] = {}
    for name in names:
        pdf, _, leaf = name.rpartition("/")
        number = leaf.removeprefix("page-")
        if re.fullmatch("[0-9]{1,9}", number):
            by_pdf.setdefault((pdf.rpartition("/")[2], int(number)), []).append(name)
    return by_pdf


def _page(path: Path, folder: Path, pages: Mapping[tuple[str, int], list[str]]) -> str:
    """The page's name, by the file's. Raises `ValueError` where it is of none, or of several."""
    named = _NAME.fullmatch(path.name)
    if not named or not int(named["page"]):
        raise ValueError(f"is not named <PDF's name>-pageNN{PARTIAL}")
    beside = path.parent.relative_to(folder).as_posix()
    number = int(named["page"])
    if not named["pdf"]:
        return f"{beside}/page-{number:02d}"
    known = pages.get((named["pdf"], number), [])
    # In the folder of one of several PDFs of that name, it is that one's.
    near = [name for name in known if name.startswith(f"{beside}/")] if beside != "." else []
    if len(near or known) > 1:
        raise ValueError(f"may be of {known[0]} or of {known[1]}: put it into that PDF's folder")
    if not known:
        raise ValueError(f"is of no page: no PDF is named {named['pdf']} and has a page {number}")
    return (near or known)[0]
