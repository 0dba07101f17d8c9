"""What people typed, to measure readings by: truth/<pdf>/page-NN.json, and pages of the verifier.

A page counts where a reviewer's name is in its `verified_by`. Its kind is what the person began
with, since that leads the eye:

typed     rows to be typed, or nothing
reading   a reading, which was then corrected: a draft of `make truth DRAFT=reading`
verified  a reading, which was corrected in the existing verifier, and is complete there

A page of truth/ goes before the verifier's. Its entries without text, letter and note are rows that
were not typed: what was read there is neither right nor wrong. An entry may lack its `confidence`,
which is the model's word and says nothing of a person's.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import Field, field_validator

from flowsheets import display, paths
from flowsheets.accuracy.align import is_row
from flowsheets.accuracy.sample import READING, Drawn
from flowsheets.page import shapes, verified
from flowsheets.page.schema import Confidence
from flowsheets.page.shapes import KeptEntry, KeptPage, KeptQuadrant

KINDS = ("typed", "reading", "verified")
TYPED, FROM_READING, VERIFIED = KINDS
PARTIAL = ".truth.json"  # ends the names of partial truth

_NAME = re.compile(r"page-(\d{1,9})\.json")


class _TypedEntry(KeptEntry):
    """A row as a person leaves it: what is null was not typed."""

    raw_text: str = ""
    confidence: Confidence = "high"

    @field_validator("raw_text", "confidence", mode="before")
    @classmethod
    def _default(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value


class _TypedQuadrant(KeptQuadrant):
    entries: list[_TypedEntry] = Field(default_factory=list)  # type: ignore[assignment]


class _TypedPage(KeptPage):
    quadrants: list[_TypedQuadrant] = Field(min_length=4, max_length=4)  # type: ignore[assignment]


class TruthPage(NamedTuple):
    """A page that counts; `name` is as in `flowsheets.db`, `untyped` are rows left as they were."""

    name: str
    page: KeptPage
    kind: str
    reviewer: str
    path: Path
    untyped: int
    drawn: bool  # at random, by make truth


class Truth(NamedTuple):
    """The pages that count, by name, and those that do not: path -> why."""

    pages: list[TruthPage]
    nameless: list[Path]
    drafts: list[Path]  # of the verifier
    unusable: dict[Path, str]


def gather(data_root: Path, saved: Mapping[str, Path], sample: Iterable[Drawn]) -> Truth:
    """All truth. `saved` are the verifier's files by the names of their pages."""
    truth = Truth([], [], [], {})
    drafts: dict[str, set[str]] = {}  # how a page's draft began, by its name
    for drawn in sample:
        drafts.setdefault(paths.page_name(drawn.page), set()).add(drawn.draft)
    found = _by_page(data_root, truth.unusable)
    for name, path in sorted(found.items()):
        if page := _read(path, truth):
            block = page.verified_by if isinstance(page.verified_by, dict) else {}
            led = block.get("draft") == READING or READING in drafts.get(name, ())
            _add(truth, name, page, FROM_READING if led else TYPED, path, name in drafts)
    counted = {page.name for page in truth.pages}
    for name, path in sorted(saved.items()):
        if name in counted:
            continue
        if verified.status(verified.corrections(path)) != verified.COMPLETE:
            truth.drafts.append(path)
        elif page := _read(path, truth):
            for quadrant in page.quadrants:  # emptied there, a row is one that a person took out
                quadrant.entries = [entry for entry in quadrant.entries if is_row(entry)]
            _add(truth, name, page, VERIFIED, path, name in drafts)
    truth.pages.sort(key=lambda page: page.name)
    return truth


def digest(pages: Iterable[TruthPage], partial: Iterable[bytes] = ()) -> str:
    """Of what is measured by: the pages' content, in whatever way and order files hold it."""
    whole = hashlib.sha256()
    for page in sorted(pages, key=lambda page: page.name):
        whole.update(orjson.dumps([page.name, page.kind, *_content(page.page)]) + b"\n")
    for content in sorted(partial):
        whole.update(content + b"\n")
    return whole.hexdigest()


def _content(page: KeptPage) -> Iterator[object]:
    yield page.page_date_raw
    for block in page.quadrants:
        yield [block.hour_raw, block.jock_raw]
        # Rows that were not typed are part of it: what was read there does not count.
        rows = sorted(block.entries, key=lambda entry: entry.row_index)
        yield [[str(e.row_index), e.raw_text, e.type_raw, shapes.kind(e.notes)] for e in rows]


def _add(truth: Truth, name: str, page: KeptPage, kind: str, path: Path, drawn: bool) -> None:
    reviewer = verified.who(page.verified_by) if page.verified_by else None
    if not reviewer:
        truth.nameless.append(path)
        return
    entries = [entry for block in page.quadrants for entry in block.entries]
    untyped = sum(not is_row(entry) for entry in entries)
    if untyped and untyped == len(entries):
        truth.unusable[path] = f"has {untyped} rows to be typed, and none is"
        return
    truth.pages.append(TruthPage(name, page, kind, reviewer, path, untyped, drawn))


def _by_page(data_root: Path, unusable: dict[Path, str]) -> dict[str, Path]:
    """The files of truth/ by the names of their pages."""
    folder = paths.truth(data_root)
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else []:
        if path.name.endswith(PARTIAL) or path.name.startswith("."):
            continue
        numbered = _NAME.fullmatch(path.name)
        if not _is_text(str(path)):
            unusable[path] = "has a name that is not UTF-8"
            continue
        if not numbered or not int(numbered[1]):
            unusable[path] = "is not named page-NN.json"
            continue
        name = f"{path.parent.relative_to(folder).as_posix()}/page-{int(numbered[1]):02d}"
        if name in found:
            unusable[path] = f"is of the same page as {found[name].name}"
        else:
            found[name] = path
    return found


def _is_text(name: str) -> bool:
    """Whether a name is text; one of other bytes has half characters in their place."""
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _read(path: Path, truth: Truth) -> KeptPage | None:
    try:
        return _TypedPage.model_validate_json(shapes.mended(path.read_bytes()))
    except (OSError, ValueError) as error:
        truth.unusable[path] = display.plain(f"is not a page ({shapes.why(error)})")
        return None
