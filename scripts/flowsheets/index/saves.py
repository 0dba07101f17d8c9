"""A page that a person corrects: opened with what the model read, and saved.

A save is the page's two files first (page/verified.py), and then its row in jobs.db, which no other
program changes meanwhile: what a kill leaves in between is the person's text, which the index finds
by its name. A save names the version
that it is made from; another text on disk by then refuses it, and nothing is overwritten.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, get_args

import orjson
from sqlite_utils import Database

from flowsheets import display, files, lock
from flowsheets.errors import Problem
from flowsheets.index import texts
from flowsheets.index.texts import Sources, Text
from flowsheets.jobs import database, states
from flowsheets.page import shapes, verified
from flowsheets.page.schema import POSITIONS, Notes
from flowsheets.page.shapes import KeptPage, KeptQuadrant
from flowsheets.paths import PageId

WAIT_SECONDS = 10.0  # for another save, which takes milliseconds
BY_HAND = "typed by a person"  # the model_version of a page that no model has read
PAST = timedelta(microseconds=1)


@dataclass(frozen=True)
class Opened:
    """A page as it is on disk. `version` names this state of it."""

    id: PageId
    version: str
    page: KeptPage
    model: KeptPage | None  # what the model read, beside it
    newer: KeptPage | None  # read after a person verified the page
    status: str | None  # complete or draft; None for a page that nobody has saved
    checked: tuple[str, ...]
    by: str | None
    at: str | None  # ISO, UTC
    problem: str | None  # why its text cannot be saved


class Wanted(NamedTuple):
    """What a person wants to save: made from `version`; `mark` is a status, or None to keep it."""

    version: str
    page: KeptPage
    checked: tuple[str, ...]
    mark: str | None


class Stale(Exception):
    """Another text was saved meanwhile: `opened`."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened.version)
        self.opened = opened


def open_page(data_root: Path, jobs_db: Database, page: PageId) -> Opened:
    """The page as a person finds it. Raises `Problem` where jobs.db has no such page."""
    sources, text = _sources(data_root, jobs_db, page)
    return _opened(page, sources, text, _place(data_root, jobs_db, page, sources))


def save(data_root: Path, jobs_db: Database, page: PageId, wanted: Wanted, reviewer: str) -> Opened:
    """Save it, and return it as it is then.

    Raises `Stale` where another text is there by now, `Unfit` where it is no page, `Problem` where
    it cannot be saved.
    """
    try:
        with lock.held(data_root, "verifier", wait=WAIT_SECONDS):
            return _save(data_root, jobs_db, page, wanted, reviewer)
    except lock.Held as busy:
        raise Problem(page, f"another save is at work: {busy.holder}", "Save it again") from busy


class Unfit(Exception):
    """What a person wants to save is not in the shape of a page; the text says why, in one line."""


class _Place(NamedTuple):
    """Where a page is saved, or why it cannot be."""

    path: Path
    problem: str | None


def _save(
    data_root: Path, jobs_db: Database, page: PageId, wanted: Wanted, reviewer: str
) -> Opened:
    sources, text = _sources(data_root, jobs_db, page)
    place = _place(data_root, jobs_db, page, sources)
    before = _opened(page, sources, text, place)
    if before.problem:
        raise Problem(page, before.problem, "Its text is as it was")
    _check_notes(wanted.page, before)
    status = wanted.mark or before.status or verified.DRAFT
    if before.version != wanted.version:
        if (status, wanted.checked) != (before.status, before.checked) or not _same(wanted, before):
            raise Stale(before)
        # It was saved, and the response was lost, maybe with the row.
        if before.at and before.by == reviewer and _moment(sources.row["at"]) != _moment(before.at):
            _note(jobs_db, page, place.path, reviewer, before.at)
        return before
    at = max(datetime.now(UTC), (_moment(before.at) or texts.LONG_AGO) + PAST)
    content = verified.Save(wanted.page, wanted.checked, status, reviewer, at)
    # Begun before the files: where another program holds jobs.db, nothing is written.
    with database.transaction(jobs_db):
        if text.path != place.path and place.path.exists():  # damaged, or older than the text
            files.put_aside(place.path)
        verified.write(place.path, page, content, _base(text), before.model)
        _note(jobs_db, page, place.path, reviewer, at.isoformat())
    return open_page(data_root, jobs_db, page)


def _check_notes(wanted: KeptPage, before: Opened) -> None:
    """A note is one of the form's words, or what a reading of the page has: files of before may
    hold free words, which other programs do not take from a new one.
    """
    there = [page for page in (before.page, before.model, before.newer) if page]
    known = {None, *get_args(Notes), *(note for page in there for note in _notes(page))}
    if strange := [note for note in _notes(wanted) if note not in known]:
        raise Unfit(f"no row can have the note {display.shortened(str(strange[0]), 40)}")


def _notes(page: KeptPage) -> list[str | None]:
    return [entry.notes for quadrant in page.quadrants for entry in quadrant.entries]


def _note(jobs_db: Database, page: PageId, saved: Path, reviewer: str, at: str) -> None:
    """The row of a page whose files are written."""
    beside = verified.corrections(saved)
    if not states.verify(jobs_db, page, saved.resolve(), beside.resolve(), reviewer, at):
        raise Problem(page, "is not in jobs.db any more", "make discover adds it")


def _sources(data_root: Path, jobs_db: Database, page: PageId) -> tuple[Sources, Text]:
    sources = texts.of_page(jobs_db, data_root, page)
    if sources is None:
        raise Problem(page, "is not in jobs.db", "make discover adds it")
    return sources, texts.read(sources)


def _place(data_root: Path, jobs_db: Database, page: PageId, sources: Sources) -> _Place:
    """The page's own file; two PDFs of one name share it, and the first that is saved has it."""
    path = verified.folder(data_root) / verified.file_name(page)
    if sources.saved and sources.saved.resolve().is_relative_to(data_root.resolve()):
        return _Place(sources.saved, None)  # and never into the folder that this one is a copy of
    others = [
        PageId(row["pdf_path"], row["page_number"])
        for row in states.namesakes(jobs_db, page)
        if row["pdf_path"] != page.pdf_path
    ]
    owner = next((one for one in others if _names_a_file(jobs_db, one)), None)
    if owner is None and others and path.exists():
        owner = verified.owner(path)
    if owner is None and others and path.exists():
        return _Place(path, f"{path.name} may be its text or {others[0].pdf_path}'s")
    if owner and owner != page:
        return _Place(path, f"{path.name} has the text of {owner}, whose PDF has the same name")
    return _Place(path, None)


def _names_a_file(jobs_db: Database, page: PageId) -> bool:
    row = states.row(jobs_db, page)
    return bool(row and row.get("verified_path"))


def _opened(page: PageId, sources: Sources, text: Text, place: _Place) -> Opened:
    saved = text.path is not None and text.path == sources.saved
    model, _ = texts.model(sources, text)
    who = text.verified
    beside = verified.corrections(sources.saved) if saved and sources.saved else None
    digest = hashlib.sha256()
    for path in (text.path, beside):
        digest.update(_bytes(path))
    status = who.verified if who else None
    checked = verified.checked(sources.saved) if beside and sources.saved else ()
    return Opened(
        id=page,
        version=digest.hexdigest()[:32],
        page=text.page or _blank(),
        model=model,
        newer=texts.newer(sources, text),
        status=status,
        checked=POSITIONS if status == verified.COMPLETE else checked,
        by=who.verified_by if who else None,
        at=who.verified_at if who else None,
        problem=place.problem,
    )


def _same(wanted: Wanted, before: Opened) -> bool:
    fields = {"page_date_raw", "quadrants", "comments_raw", "oddities"}
    one, other = (page.model_dump(include=fields) for page in (wanted.page, before.page))
    return one == other


def _blank() -> KeptPage:
    """A page that no model has read, for a person to type."""
    return KeptPage(quadrants=[KeptQuadrant(position=position) for position in POSITIONS])  # type: ignore[arg-type]


def _base(text: Text) -> dict[str, Any]:
    """The file that a text is from, as it is; for a page that no model has read, what it needs."""
    if text.path is None:
        at = datetime.now(UTC).isoformat()
        return {"model_version": BY_HAND, "extracted_at": at}
    content = shapes.mended(text.path.read_bytes())
    base = orjson.loads(content)
    assert isinstance(base, dict)  # it was read as a page
    return base


def _bytes(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b"-"
    except OSError:
        return b"-"


def _moment(at: str | None) -> datetime | None:
    return shapes.moment(at) if at else None
