"""A comparison of settings: compare/<name>/, with a batch aside for each letter.

comparison.json        what was asked: limit, seed, and what each letter means; never changed
<name>-A/, <name>-B/   a batch's folder each; with WAY=realtime its answers are in realtime/

The folder appears whole, before anything is sent. All letters have the same pages. Where a setting
has read some of them before, these have a folder of their own.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlite_utils import Database

from flowsheets import files, paths
from flowsheets.batch import aside, compare, results
from flowsheets.batch.folder import Batch, load_batch, new_name, page_of
from flowsheets.batch.letters import Setting, stated
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.gemini.client import ApiProblem
from flowsheets.money import usage
from flowsheets.page.request import setting_refused
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from flowsheets.settings import Settings

NAME = aside.Name("make compare", "compare")
FILE = "comparison.json"


@dataclass
class Comparison:
    """The folder as it is on disk. `limit` is how many pages were asked for."""

    folder: Path
    limit: int
    settings: list[Setting]
    batches: dict[str, Batch]  # by letter

    @property
    def open(self) -> bool:
        """Whether some setting has not ended."""
        return any(batch.open for batch in self.batches.values())

    @property
    def pages(self) -> list[PageId]:
        return next(iter(self.batches.values())).pages

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What the letters stand for, to tell one comparison from another."""
        return [one.facts for one in self.settings]

    @property
    def given(self) -> dict[str, dict[str, str]]:
        """The words that each letter was given."""
        return {one.letter: one.given for one in self.settings}

    def __str__(self) -> str:
        return " ".join(f'{one.letter}="{one}"' for one in self.settings)


def all_of(config: Settings) -> list[Comparison]:
    """Every comparison of settings, oldest first. Raises `Problem` where one is damaged."""
    root = paths.comparisons(config.data_root)
    return [_load(path.parent, config) for path in sorted(root.glob(f"[!.]*/{FILE}"))]


def _load(folder: Path, config: Settings) -> Comparison:
    fix = f"Restore it; to give the comparison up, remove {folder}"
    try:
        content = orjson.loads((folder / FILE).read_bytes())
        settings = [stated(facts, config) for facts in content["settings"]]
        limit = int(content["limit"])
        if not settings:
            raise ValueError("no settings")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(folder / FILE, "is damaged", fix) from error
    try:
        batches = {one.letter: load_batch(_of_letter(folder, one.letter)) for one in settings}
    except Problem as problem:
        where, what, _ = problem.told
        raise Problem(where, what, fix) from problem
    return Comparison(folder, limit, settings, batches)


class Part(NamedTuple):
    """Some of the pages, and the letters whose setting has read these very images before."""

    pages: list[PageId]
    before: dict[str, Path]  # letter -> the folder that has it


def in_parts(
    others: list[Comparison], settings: list[Setting], pages: list[PageId], data_root: Path
) -> list[Part]:
    """The pages, apart by which letters have read them before: no setting is paid for twice."""
    facts = [one.facts for one in settings]
    known = [
        {*other.batches[theirs.letter].pages}
        for other in others
        for theirs in other.settings
        if theirs.facts in facts
    ]
    parts, left = [], list(pages)
    for some in sorted(known, key=len, reverse=True):
        of_them = [page for page in left if page in some]
        if len(of_them) == len(some) > 0:
            before = _read_before(others, settings, of_them, data_root)
            if before:
                parts.append(Part(of_them, before))
                left = [page for page in left if page not in some]
    return [*parts, Part(left, {})] if left else parts


def _read_before(
    others: list[Comparison], settings: list[Setting], pages: list[PageId], data_root: Path
) -> dict[str, Path]:
    wanted = {(page, _digest(paths.png(data_root, page))) for page in pages}
    found = {}
    for one in settings:
        for other in others:
            for theirs in other.settings:
                batch = other.batches[theirs.letter]
                sent = {(page_of(line), line["image_sha256"]) for line in batch.lines}
                if theirs.facts == one.facts and batch.state == "settled" and sent == wanted:
                    found[one.letter] = batch.folder
    return found


def _digest(png: Path) -> str:
    try:
        return results.file_digest(png)
    except OSError:
        return ""


def begin(
    config: Settings,
    settings: list[Setting],
    pages: list[PageId],
    limit: int,
    known: dict[str, Path],
) -> Comparison:
    """Write all folders, those of `known` letters as copies of these; nothing is sent.

    Raises `Problem`.
    """
    root = paths.comparisons(config.data_root)
    for part in root.glob(".*.part"):  # a kill left it
        shutil.rmtree(part, ignore_errors=True)
    folder = root / new_name(datetime.now(UTC), door.now().LETTER)
    part = folder.with_name(f".{folder.name}.part")
    for one in settings:
        own = part / _of_letter(folder, one.letter).name
        if before := known.get(one.letter):  # it is closed: nothing of it is ever sent again
            _copy(before, own)
        else:
            aside.begin(own, pages, one.config, (one.mode,))
    facts = [{"letter": one.letter, "given": one.given, **one.facts} for one in settings]
    content = {"limit": limit, "settings": facts}
    files.write_whole(part / FILE, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    files.rename(part, folder)
    return _load(folder, config)


def _copy(before: Path, own: Path) -> None:
    try:
        shutil.copytree(before, own, copy_function=_link)
    except (OSError, shutil.Error) as error:
        raise files.cannot_write(own, OSError(str(error))) from error


def _link(before: str, own: str) -> None:
    """The same file by another name, where the disk can: none is ever changed in its place."""
    try:
        os.link(before, own)
    except OSError:
        shutil.copy2(before, own)


def _of_letter(folder: Path, letter: str) -> Path:
    """Its name is the batch's at the API, and so has the comparison's in it."""
    return folder / f"{folder.name}-{letter}"


# --- going on -----------------------------------------------------------------------------------


def go_on(comparison: Comparison, db: Database) -> list[Problem]:
    """One step further with each setting, batches first; what kept some of them from it.

    One setting's trouble is its own, unless any call would meet it. A setting that is refused is
    closed, and no problem: its line of the table says why.
    """
    problems: dict[str, Problem] = {}  # by letter, whose later steps wait for the next run
    steps = [(one, step) for step in (_send, _ask_now, _collect) for one in comparison.settings]
    for setting, step in steps:
        if setting.letter in problems:
            continue
        try:
            step(comparison.batches[setting.letter], setting, db)
        except aside.Refused:
            continue
        except Problem as problem:
            problems[setting.letter] = problem
            if isinstance(problem, ApiProblem) and problem.everywhere:
                break
    return list(problems.values())


def _send(batch: Batch, setting: Setting, db: Database) -> None:
    if setting.mode == "batch":
        aside.send(batch, db, setting.config, _name(batch))


def _ask_now(batch: Batch, setting: Setting, db: Database) -> None:
    if setting.mode == "batch" or not batch.open:
        return
    left = sum(not compare.asked(batch, line["index"]) for line in batch.lines)
    aside.hold_to_limit(batch, db, setting.config, left, _name(batch))
    try:
        compare.ask_now(batch, db)
    except ApiProblem as problem:
        if compare.of_real_time(batch).paid or not (problem.gone or setting_refused(problem.what)):
            raise
        batch.add("refused", reason=problem.what)
        return
    if compare.of_real_time(batch).paid:
        batch.add("settled")
    else:
        failed = batch.last("real_time_failed") or {}
        batch.add("refused", reason=str(failed.get("reason", "no call was answered")))


def _collect(batch: Batch, setting: Setting, db: Database) -> None:
    if setting.mode == "batch":
        aside.go_on(batch, db, setting.config, _name(batch))


def _name(batch: Batch) -> aside.Name:
    return NAME._replace(folder=batch.folder.parent)


def outcomes(batch: Batch, setting: Setting) -> dict[int, PageReading | Unread]:
    """What came of the pages, by index; none of a setting that was refused."""
    if batch.state == "refused":
        return {}
    return aside.outcomes(batch) if setting.mode == "batch" else compare.outcomes_now(batch)


def paid(batch: Batch, setting: Setting) -> list[usage.Answer]:
    """The responses that are there, which were billed."""
    return aside.paid(batch) if setting.mode == "batch" else compare.of_real_time(batch).paid
