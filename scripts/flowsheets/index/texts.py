"""Which file holds a page's text: its result, or what a person verified, whatever was read later.

jobs.db has the path of the file that the existing verifier saved (page/verified.py), absolute or
not, maybe of a data root that has moved. A result whose `verified_by` is filled is a verified page
too, also after `make retry` put it aside.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson
from sqlite_utils import Database

from flowsheets import display, paths
from flowsheets.index import stamps
from flowsheets.index.doubts import Finding
from flowsheets.index.from_jobs import Found
from flowsheets.index.stamps import Stamp
from flowsheets.jobs import states
from flowsheets.page import shapes, verified
from flowsheets.page.shapes import KeptPage
from flowsheets.paths import PageId

LONG_AGO = datetime.min.replace(tzinfo=UTC)

Row = dict[str, Any]


class Sources(NamedTuple):
    """The files that may hold a page's text, as far as they are there."""

    result: str | None
    aside: tuple[str, ...]  # older results
    saved: Path | None  # by the verifier
    problem: str | None  # why the file that jobs.db names cannot be used
    row: Row  # verified_at and reviewer_id of jobs.db
    result_stamp: Stamp

    def stamp(self) -> str:
        """What differs between two states of the files; empty where there is nothing to read."""
        states = [(self.result, *self.result_stamp)] if self.result else []
        more = [*self.aside]
        if self.saved:
            more += [str(self.saved), str(verified.corrections(self.saved))]
        states += [(path, *stamps.of(path)) for path in more]
        if not states and not self.problem:
            return ""
        return orjson.dumps([states, self.problem, self.row]).decode()


class Results(NamedTuple):
    """The files under results/."""

    current: int  # how many
    aside: dict[str, tuple[str, ...]]  # a current one's path -> older ones, put aside beside it


Saved = dict[PageId, tuple[Path | None, str | None]]


class Verified(NamedTuple):
    """Who verified a text and when, as columns of `pages`."""

    verified: str  # complete or draft
    verified_by: str | None
    verified_at: str | None  # ISO, UTC


class Text(NamedTuple):
    """A page's text, the file it is from, who verified it, and what is wrong with its files."""

    page: KeptPage | None
    path: Path | None
    verified: Verified | None
    findings: list[Finding]


class _Candidate(NamedTuple):
    page: KeptPage
    path: Path
    verified: Verified | None
    at: datetime


def of(found: Found, results: Results, saved: Saved) -> Sources:
    """The sources of a page of jobs.db."""
    path, problem = saved.get(found.page, (None, None))
    return Sources(
        found.result if found.job.result_path else None,
        results.aside.get(found.result, ()),
        path,
        problem,
        {"at": found.verified_at, "by": found.reviewer_id},
        found.result_stamp,
    )


def results(data_root: Path) -> Results:
    """All results, and the older ones, which `make retry` puts aside under a name with a time."""
    count = 0
    aside: dict[str, list[str]] = {}
    for folder, names in _names_below(str(paths.results(data_root))):
        for name in names:
            leaf, ending, time = name.partition(".json")
            if not ending or not leaf.startswith("page-"):
                continue
            if not time:
                count += 1
            elif time.startswith(".") and not time.endswith(".part"):
                aside.setdefault(f"{folder}/{leaf}.json", []).append(f"{folder}/{name}")
    return Results(count, {result: tuple(sorted(older)) for result, older in aside.items()})


def _names_below(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the names in it that are no folders."""
    folders = [folder]
    while folders:
        folder = folders.pop()
        names = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    names.append(entry.name)
        yield folder, names


def read(sources: Sources) -> Text:
    """The page's text: what a person verified last, before what a model read."""
    findings: list[Finding] = []
    if sources.problem:
        findings.append(Finding("verified_unused", 0, sources.problem))
    candidates = [*_verified_file(sources, findings), *_results_read(sources, findings)]
    checked = [candidate for candidate in candidates if candidate.verified]
    unverified = [c for c in candidates if not c.verified and str(c.path) == sources.result]
    best = max(checked, key=lambda c: c.at, default=next(iter(unverified), None))
    if best is None:
        return Text(None, None, None, findings)
    return Text(best.page, best.path, best.verified, findings)


def _verified_file(sources: Sources, findings: list[Finding]) -> Iterator[_Candidate]:
    path = sources.saved
    if path is None:
        return
    try:
        page = shapes.read(path.read_bytes())
    except (OSError, ValueError) as error:
        detail = f"The file that a person verified is damaged ({shapes.why(error)}): {path}."
        findings.append(Finding("verified_unused", 0, display.plain(detail)))
        return
    block = page.verified_by
    at = verified.when(block) or shapes.moment(sources.row["at"])
    who = verified.who(block) or verified.who({"reviewer_id": sources.row["by"]})
    status = verified.status(verified.corrections(path))
    yield _Candidate(page, path, Verified(status, who, _iso(at)), at or LONG_AGO)


def _results_read(sources: Sources, findings: list[Finding]) -> Iterator[_Candidate]:
    for path in (sources.result, *sources.aside):
        if path is None:
            continue
        try:
            page = shapes.read(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            if path == sources.result:
                detail = f"{path} is not a result ({shapes.why(error)})"
                findings.append(Finding("result_damaged", 0, display.plain(detail)))
            continue
        block = page.verified_by
        at = verified.when(block)
        by = Verified(verified.COMPLETE, verified.who(block), _iso(at)) if block else None
        yield _Candidate(page, Path(path), by, at or LONG_AGO)


def saved(jobs_db: Database, data_root: Path) -> Saved:
    """The verifier's file of each verified page, or why it cannot be used.

    A file's name has the PDF's name without its folder, so that two PDFs of one name share it: it
    belongs to the page whose row names it, and to the one that was verified last if two rows do.
    """
    named = _named(jobs_db, data_root)
    located = {
        page: _located(name, verified.file_name(page), data_root)
        for page, (name, _) in named.items()
    }
    owners: dict[Path, PageId] = {}
    for page, _ in sorted(named.items(), key=lambda one: one[1][1]):  # the last one owns it
        if path := located[page][0]:
            owners[path] = page
    for page, (path, _) in located.items():
        if path and owners[path] != page:
            located[page] = (None, f"The file of this page is {owners[path]}'s: {path}.")
    return located


def _named(jobs_db: Database, data_root: Path) -> dict[PageId, tuple[str, datetime]]:
    """Of each verified page, the file that its row names, and when it was verified.

    Without a row that names it, as after jobs.db was lost, a file belongs to the only page that it
    can be of.
    """
    rows = {_page(row): row for row in states.verified(jobs_db)}
    only = _only_page_of(jobs_db, verified.folder(data_root))
    named = {}
    for page in sorted({*rows, *only}):
        row = rows.get(page, {})
        at = shapes.moment(row.get("verified_at")) or LONG_AGO
        named[page] = (str(row.get("verified_path") or only.get(page, "")), at)
    return named


def _only_page_of(jobs_db: Database, folder: Path) -> dict[PageId, Path]:
    """The files of the folder that can be of one page alone."""
    pages: dict[str, list[PageId]] = {path.name: [] for path in folder.glob("*")}
    for page in states.all_pages(jobs_db) if pages else ():
        pages.get(verified.file_name(page), []).append(page)
    return {own[0]: folder / name for name, own in pages.items() if len(own) == 1}


def _located(named: str, name: str, data_root: Path) -> tuple[Path | None, str | None]:
    """The file that jobs.db names: under the data root as it is now, or else where the row says."""
    shown = display.shortened(named, 300)
    if not named:
        return None, "jobs.db says that a person verified this page, and names no file."
    if PurePosixPath(named).name != name:
        return (
            None,
            f"jobs.db names another page's file as the one that a person verified: {shown}.",
        )
    below = named.rpartition("verifier/")[2]
    places = (verified.folder(data_root) / below, Path(named), data_root / named)
    for path in places:
        if os.path.isfile(path):  # false for a path that no file can have
            return path, None
    return None, f"The file that a person verified is missing: {shown}."


def _page(row: Row) -> PageId:
    return PageId(row["pdf_path"], row["page_number"])


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
