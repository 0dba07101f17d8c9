"""What is written on a sheet, read from its TOML file: the one source of drawing and truth.

A row is `["type", "text", {options}]`, one after the other from row 0; `[]` leaves a row empty.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samples.paper import Feed

# A mark that a row may carry in its margin -> the sentence that the truth says of it
ROW_MARKS = {
    "arrow": "An arrow in the margin points to this row.",
    "check": "A check mark is drawn in the margin.",
    "star": "A star is drawn in the margin.",
    "scribble": "A word before the text is scribbled out.",
}


@dataclass(frozen=True)
class Row:
    """One entry, on printed row `at`."""

    at: int
    type: str  # as in the circle; "" where nothing stands there
    text: str  # three spaces stand for the gap before the track's column
    over: str = ""  # the last words, put small above the end of the row
    notes: str | None = None
    mark: str = ""  # one of ROW_MARKS
    aside: str = ""  # a note in the right margin
    hand: str = ""  # where another one wrote it
    indent: int = 0  # px
    runs: int = 0  # px that it runs on past the end of its block
    scale: float = 1.0  # of the letters, where they are larger or smaller than the hand's own
    oddities: tuple[str, ...] = ()

    @property
    def verbatim(self) -> str:
        """The text as a reader would type it."""
        return " ".join(f"{self.text} {self.over}".split())

    @property
    def seen(self) -> list[str]:
        """The oddities of the row: those told, and those that its marks make."""
        aside = [f"'{self.aside}' is written in the right margin."] if self.aside else []
        mark = [ROW_MARKS[self.mark]] if self.mark else []
        return [*self.oddities, *mark, *aside]


@dataclass(frozen=True)
class Mark:
    """Something drawn or written outside the rows, and the sentence that the truth says of it."""

    kind: str  # "note", or one of pen.MARKS
    at: list[tuple[float, float]]  # px on the sheet
    says: str = ""
    text: str = ""
    hand: str = ""
    scale: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True)
class Block:
    """One hour."""

    position: str
    hand: str = "neat"
    hour: str | None = None
    jock: str | None = None
    rows: list[Row] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)  # rows after which a stroke marks a break
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """One sheet."""

    date: str | None
    hand: str
    blocks: list[Block]
    feed: Feed
    comments: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


def read_page(file: Path) -> Page:
    """The sheet that `file` describes."""
    page = tomllib.loads(file.read_text(encoding="utf-8"))
    feed = page.get("feed", {})
    return Page(
        date=page.get("date"),
        hand=page["hand"],
        blocks=[_block(block) for block in page["block"]],
        feed=Feed(**{**feed, "shift": tuple(feed.get("shift", (0, 0)))}),
        comments=page.get("comments", []),
        marks=[Mark(**mark) for mark in page.get("marks", [])],
    )


def _block(block: dict[str, Any]) -> Block:
    marks = [Mark(**mark) for mark in block.get("marks", [])]
    return Block(**{**block, "rows": _rows(block.get("rows", [])), "marks": marks})


def _rows(written: list[list[Any]]) -> list[Row]:
    rows, at = [], 0
    for cells in written:
        if cells:
            type_, text, *options = cells
            row = Row(at, type_, text, **(options[0] if options else {}))
            rows.append(row)
            at += 1 if row.notes == "double_height" else 0  # it takes the row below as well
        at += 1
    return rows
