"""Which file holds a page's text: its result, or what a person verified, whatever was read later.

jobs.db has the path of the file that the existing verifier saved (page/verified.py), absolute or
not, maybe of a data root that has moved. A result whose `verified_by` is filled is a verified page
too, also after `make retry` put it aside.
"""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson
from sqlite_utils import Database

from flowsheets import display, paths
from flowsheets.index.doubts import Finding
from flowsheets.jobs import states
from flowsheets.page import shapes, verified
from flowsheets.page.shapes import KeptPage
from flowsheets.paths import PageId

LONG_AGO = datetime.min.replace(tzinfo=UTC)

Row = dict[str, Any]


class Sources(NamedTuple):
    """The files that may hold a page's text, as far as they are there."""

    result: Path | None
    aside: tuple[Path, ...]  # older results
    saved: Path | None  # by the verifier
    problem: str | None  # why the file that jobs.db names cannot be used
    row: Row  # verified_at and reviewer_id of jobs.db

    def stamp(self) -> str:
        """What differs between two states of the files; empty where there is nothing to read."""
        corrections = [verified.corrections(self.saved)] if self.saved else []
        files = [self.result, *self.aside, self.saved, *corrections]
        states = [(str(path), *_state(path)) for path in files if path]
        if not states and not self.problem:
            return ""
        return orjson.dumps([states, self.problem, self.row]).decode()


class Results(NamedTuple):
    """The files under results/."""

    current: set[Path]
    aside: dict[Path, list[Path]]  # a current one's path -> older ones, put aside beside it


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


def of_all(jobs_db: Database, data_root: Path, results: Results) -> dict[str, Sources]:
    """The sources of each page of jobs.db, by the page's name."""
    rows = list(states.all_rows(jobs_db))
    saved = _saved(rows, data_root)
    sources = {}
    for row in rows:
        page = PageId(row["pdf_path"], row["page_number"])
        result = paths.result(data_root, page)
        path, problem = saved.get(page, (None, None))
        sources[paths.page_name(page)] = Sources(
            result if result in results.current else None,
            tuple(results.aside.get(result, ())),
            path,
            problem,
            {"at": row.get("verified_at"), "by": row.get("reviewer_id")},
        )
    return sources


def of_page(jobs_db: Database, data_root: Path, page: PageId) -> Sources | None:
    """The sources of one page; None where jobs.db has no such page."""
    rows = states.namesakes(jobs_db, page)
    row = next((row for row in rows if _page(row) == page), None)
    if row is None:
        return None
    result = paths.result(data_root, page)
    older = result.parent.glob(f"{glob.escape(result.name)}.*") if result.parent.is_dir() else ()
    path, problem = _saved(rows, data_root).get(page, (None, None))
    return Sources(
        result if result.is_file() else None,
        tuple(sorted(one for one in older if not one.name.endswith(".part"))),
        path,
        problem,
        {"at": row.get("verified_at"), "by": row.get("reviewer_id")},
    )


def results(data_root: Path) -> Results:
    """All results, and the older ones, which `make retry` puts aside under a name with a time."""
    current: set[Path] = set()
    aside: dict[Path, list[Path]] = {}
    for path in paths.results(data_root).rglob("page-*.json*"):
        name, _, time = path.name.partition(".json")
        if not time:
            current.add(path)
        elif time.startswith(".") and not time.endswith(".part"):
            aside.setdefault(path.with_name(f"{name}.json"), []).append(path)
    return Results(current, {result: sorted(older) for result, older in aside.items()})


def strays(data_root: Path, found: Results, names: set[str]) -> int:
    """How many results belong to none of the pages: their PDF was never registered here."""
    folder = paths.results(data_root)
    own = (path.relative_to(folder).with_suffix("") for path in found.current)
    return sum(name.as_posix() not in names for name in own)


def read(sources: Sources) -> Text:
    """The page's text: what a person verified last, before what a model read."""
    findings: list[Finding] = []
    if sources.problem:
        findings.append(Finding("verified_unused", 0, sources.problem))
    candidates = [*_verified_file(sources, findings), *_results_read(sources, findings)]
    checked = [candidate for candidate in candidates if candidate.verified]
    unverified = [c for c in candidates if not c.verified and c.path == sources.result]
    best = max(checked, key=lambda c: c.at, default=next(iter(unverified), None))
    if best is None:
        return Text(None, None, None, findings)
    return Text(best.page, best.path, best.verified, findings)


def model(sources: Sources, text: Text) -> tuple[KeptPage | None, bool]:
    """What a model read, beside a page's text, and whether the text is a correction of just that.

    A page that was read again after a person verified it has several readings: the one that was
    corrected has the same `extracted_at`. Without it, the current one is shown.
    """
    if text.page is None or text.verified is None:
        return text.page, text.page is not None
    read = [c for c in _results_read(sources, []) if not c.verified]
    at = shapes.moment(text.page.extracted_at)
    same = [c.page for c in read if at and shapes.moment(c.page.extracted_at) == at]
    current = [c.page for c in read if c.path == sources.result]
    return next(iter([*same, *current]), None), bool(same)


def newer(sources: Sources, text: Text) -> KeptPage | None:
    """What a model read after the text was verified, or None."""
    if text.page is None or text.verified is None:
        return None
    for candidate in _results_read(sources, []):
        if candidate.path != sources.result or candidate.verified:
            continue
        at, before = (shapes.moment(page.extracted_at) for page in (candidate.page, text.page))
        return candidate.page if at and (before is None or at > before) else None
    return None


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
            page = shapes.read(path.read_bytes())
        except (OSError, ValueError) as error:
            if path == sources.result:
                detail = f"{path} is not a result ({shapes.why(error)})"
                findings.append(Finding("result_damaged", 0, display.plain(detail)))
            continue
        block = page.verified_by
        at = verified.when(block)
        by = Verified(verified.COMPLETE, verified.who(block), _iso(at)) if block else None
        yield _Candidate(page, path, by, at or LONG_AGO)


def _saved(rows: list[Row], data_root: Path) -> dict[PageId, tuple[Path | None, str | None]]:
    """The verifier's file of each verified page, or why it cannot be used.

    A file's name has the PDF's name without its folder, so that two PDFs of one name share it: it
    belongs to the page whose row names it, and to the one that was verified last if two rows do.
    """
    named = _named(rows, data_root)
    saved = {
        page: _located(name, verified.file_name(page), data_root)
        for page, (name, _) in named.items()
    }
    owners: dict[Path, PageId] = {}
    for page, _ in sorted(named.items(), key=lambda one: one[1][1]):  # the last one owns it
        if path := saved[page][0]:
            owners[path] = page
    for page, (path, _) in saved.items():
        if path and owners[path] != page:
            saved[page] = (None, f"The file of this page is {owners[path]}'s: {path}.")
    return saved


def _named(rows: list[Row], data_root: Path) -> dict[PageId, tuple[str, datetime]]:
    """Of each verified page, the file that its row names, and when it was verified.

    Without a row that names it, as after jobs.db was lost, a file belongs to the only page that it
    can be of.
    """
    folder = verified.folder(data_root)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    namesakes = Counter(verified.file_name(_page(row)) for row in rows)
    named = {}
    for row in rows:
        name = verified.file_name(_page(row))
        path = row.get("verified_path")
        if not path and name in there and namesakes[name] == 1:
            path = folder / name
        if path or row.get("verified_at"):
            at = shapes.moment(row.get("verified_at")) or LONG_AGO
            named[_page(row)] = (str(path or ""), at)
    return named


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


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
