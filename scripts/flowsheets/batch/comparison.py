"""A comparison of settings: compare/<name>/, with a batch aside for each letter.

comparison.json        what was asked: limit, seed, and what each letter means; never changed
<name>-A/, <name>-B/   a batch's folder each; with WAY=realtime its answers are in realtime/

The folder appears whole, before anything is sent. All letters have the same pages.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlite_utils import Database

from flowsheets import files, paths
from flowsheets.batch import aside, compare
from flowsheets.batch.folder import Batch, load_batch, new_name
from flowsheets.batch.letters import Setting, stated
from flowsheets.errors import Problem
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(folder / FILE, "is damaged", fix) from error
    try:
        batches = {one.letter: load_batch(_of_letter(folder, one.letter)) for one in settings}
    except Problem as problem:
        where, what, _ = problem.told
        raise Problem(where, what, fix) from problem
    return Comparison(folder, limit, settings, batches)


def begin(config: Settings, settings: list[Setting], pages: list[PageId], limit: int) -> Comparison:
    """Write all folders; nothing is sent. Raises `Problem`."""
    root = paths.comparisons(config.data_root)
    for part in root.glob(".*.part"):  # a kill left it
        shutil.rmtree(part, ignore_errors=True)
    folder = root / new_name(datetime.now(UTC))
    part = folder.with_name(f".{folder.name}.part")
    for one in settings:
        aside.begin(part / _of_letter(folder, one.letter).name, pages, one.config, (one.mode,))
    facts = [{"letter": one.letter, "given": one.given, **one.facts} for one in settings]
    content = {"limit": limit, "settings": facts}
    files.write_whole(part / FILE, orjson.dumps(content, option=orjson.OPT_INDENT_2))
    try:
        os.rename(part, folder)
        files.sync_folder(root)
    except OSError as error:
        raise files.cannot_write(folder, error) from error
    return _load(folder, config)


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
        aside.send(batch, setting.config, _name(batch))


def _ask_now(batch: Batch, setting: Setting, db: Database) -> None:
    if setting.mode == "batch" or not batch.open:
        return
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
