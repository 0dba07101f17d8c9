"""The report of `make accuracy` as one HTML file, which needs no server: report.html beside this.

Each wrong row is cut out of its scan, beside the truth and what was read. So that the file stays
small and is made in seconds, it shows the worst rows of some pages; the figures are of all.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rapidfuzz.distance import Levenshtein

from flowsheets import paths
from flowsheets.accuracy import table, words
from flowsheets.accuracy.cutouts import Cut, cut_out
from flowsheets.accuracy.partial import Answer
from flowsheets.accuracy.report import Report
from flowsheets.accuracy.sections import Section, WrongRow
from flowsheets.page import form
from flowsheets.page.schema import POSITIONS

MOST_ROWS = 150  # shown; a row cut out has some 5 kB
MOST_PAGES = 40  # whose scans are opened, 0.1 s each
FARTHEST = 3  # rows between a row and where it was read: both are cut out in one piece up to here


class Piece(NamedTuple):
    """A part of a text, and whether the other text has it."""

    text: str
    differs: bool


class ShownRow(NamedTuple):
    """A wrong row beside its scan."""

    row: WrongRow
    scan: str  # of the page, relative to the report
    image: str | None  # the row as a data: URI
    truth: list[Piece]
    read: list[Piece]


class ShownMiss(NamedTuple):
    """A text of partial truth that was not found, and the row that is nearest to it."""

    line: str
    scan: str
    image: str | None


def page(report: Report, data_root: Path) -> bytes:
    """The file's bytes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["printable"] = _printable
    text = environment.get_template("report.html").render(**_content(report, data_root))
    return text.encode(errors="replace")


def _content(report: Report, data_root: Path) -> dict[str, Any]:
    misses = [answer for answer in report.answers if not answer.found]
    return {
        "about": [
            table.truth_line(report.truth, report.digest),
            *table.left_out(report.truth),
            table.readings_line(report.readings),
            *table.unread(report),
        ],
        "sections": [_section(section, data_root) for section in report.sections],
        "partial": next(table.partial_lines(report)) if report.partial else None,
        "misses": _shown_misses(misses[:MOST_ROWS], data_root),
    }


def _section(section: Section, data_root: Path) -> dict[str, Any]:
    shown = _shown_rows(section.wrong_rows, data_root)
    return {
        "heading": table.heading(section),
        "kind": section.kind,
        "tables": [
            ("Figures", table.FIGURE_HEAD, table.figures(section)),
            ("Stated confidence", table.CONFIDENCE_HEAD, table.confidence(section)),
            ("Notes", (notes := table.confusion_table(section))[0], notes[1:]),
        ],
        "pairs": table.pairs_line(section),
        "worst_pages": table.worst_pages(section),
        "wrong": len(section.wrong_rows),
        "rows": shown,
    }


# --- rows beside their scans ---------------------------------------------------------------------


def _shown_rows(wrong: Sequence[WrongRow], data_root: Path) -> list[ShownRow]:
    """The worst rows, with no more pages than are quickly opened; in the order they are given."""
    chosen: list[WrongRow] = []
    pages: set[str] = set()
    for row in wrong:
        if row.page in pages or len(pages) < MOST_PAGES:
            pages.add(row.page)
            chosen.append(row)
        if len(chosen) == MOST_ROWS:
            break
    images = _images(data_root, [(row.page, _cut_of(row)) for row in chosen])
    return [
        ShownRow(row, _scan(row.page), image, *marked(row.truth, row.read))
        for row, image in zip(chosen, images, strict=True)
    ]


def _shown_misses(misses: Sequence[Answer], data_root: Path) -> list[ShownMiss]:
    cuts = []
    for miss in misses:
        place = miss.elsewhere or miss.nearest
        if place and place.position and place.row is not None:
            block = POSITIONS.index(place.position)
            around = Cut(block, max(place.row - 1, 0), min(place.row + 1, form.ROWS - 1))
            cuts.append((miss.page, around))  # a reading's own rows may be one off
        else:
            cuts.append((miss.page, Cut(0, -1, -1)))  # not of a row: nothing is cut out
    images = _images(data_root, cuts)
    return [
        ShownMiss(table.miss(miss), _scan(miss.page), image)
        for miss, image in zip(misses, images, strict=True)
    ]


def _cut_of(row: WrongRow) -> Cut:
    """The row, and the one where it was read, if that is near."""
    near = [row.row, row.read_row if abs(row.read_row - row.row) <= FARTHEST else row.row]
    return Cut(POSITIONS.index(row.position), min(near), max(near))


def _images(data_root: Path, cuts: Sequence[tuple[str, Cut]]) -> list[str | None]:
    """The rows cut out; each page's scan is opened once."""
    by_page: dict[str, list[int]] = {}
    for index, (name, _) in enumerate(cuts):
        by_page.setdefault(name, []).append(index)
    images: list[str | None] = [None] * len(cuts)
    for name, indexes in by_page.items():
        png = paths.pngs(data_root) / f"{name}.png"
        for index, image in zip(indexes, cut_out(png, [cuts[i][1] for i in indexes]), strict=True):
            images[index] = image
    return images


def _scan(name: str) -> str:
    return quote(f"../pages/{name}.png", errors="replace")


def marked(truth: str | None, read: str | None) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces: what is the same, and what differs."""
    one, other = words.strict(truth), words.strict(read)
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    for step in Levenshtein.opcodes(one, other):
        differs = step.tag != "equal"
        parts = (one[step.src_start : step.src_end], other[step.dest_start : step.dest_end])
        for side, text in zip(pieces, parts, strict=True):
            if text:
                side.append(Piece(text, differs))
    return pieces


def _printable(text: str) -> str:
    """The text with a sign in place of each character that a page does not show, or that turns the
    direction of what follows.
    """
    return "".join(_sign(letter) for letter in text)


def _sign(letter: str) -> str:
    shown = letter in " \n\t" or unicodedata.category(letter)[0] != "C"
    return letter if shown else "\ufffd"
