"""A batch aside: its responses are read and kept, and change no job and no result.

A comparison and a second reading ask for pages that have a status of their own. Each such batch has
a folder like those of batches/, elsewhere, and is paid for like any: the folder is on disk before
anything is sent, so that a command that was killed goes on with it and sends nothing twice.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import clock, files
from flowsheets.batch import budget, build, fetch, results, submit
from flowsheets.batch.folder import Batch, load_batch
from flowsheets.batch.results import FileCheck
from flowsheets.errors import Problem
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database
from flowsheets.money import usage
from flowsheets.page import response
from flowsheets.page.request import setting_refused
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from flowsheets.settings import Settings

KINDS = ("compare", "second")

# Why a page without any line in the result file was not read.
NO_RESPONSE = results.NO_RESPONSE


class Name(NamedTuple):
    """The command that a person runs again, and what giving up lets them do anew."""

    command: str  # make compare
    verb: str  # compare
    folder: Path | None = None  # what giving up removes, where that is more than the batch's


class Refused(Problem):
    """The batch is closed, and was not billed: refused, without a file, or each row an error."""


def begin(
    folder: Path, pages: list[PageId], config: Settings, modes: tuple[str, ...] = ("batch",)
) -> Batch:
    """Write the folder, whole or not at all; nothing is sent.

    Its name is the batch's at the API, so it must be unlike any other: see `folder.new_name`. The
    caller holds a lock, and has asked `budget.hold_to_limit`. A page without an image is left out.
    Raises `Problem` where no page is left, or they are too many for one file.
    """
    _refuse_too_many(pages, config)
    for part in folder.parent.glob(".*.part"):  # a kill left it
        shutil.rmtree(part, ignore_errors=True)
    with tqdm(total=len(pages), desc="build", unit=" pages", disable=None, leave=False) as bar:
        built = build.write_folder(folder, pages, config, None, bar, modes=modes)
    if built is None:
        raise Problem(folder, "the pages' images are gone", "make render")
    return load_batch(folder)


def _refuse_too_many(pages: list[PageId], config: Settings) -> None:
    first, *others = build.split(build.sized(pages, config), len(pages)) if pages else ([],)
    if others:
        raise Problem(
            "LIMIT", f"{len(pages)} pages do not fit into one file", f"Give LIMIT={len(first)}"
        )


def send(batch: Batch, db: Database, config: Settings, name: Name) -> None:
    """Create the batch, or adopt it; one that is there already is left alone.

    Raises `Refused` where the API takes it not, for good; `submit.Later` while it has to wait;
    `ApiProblem`, and `Problem` where you must act, MAX_USD among it.
    """
    if not batch.open or batch.bound:
        return
    if not batch.may_be_sent:
        hold_to_limit(batch, db, config, len(batch.lines), name)
    try:
        submit.send(batch, None, config)
    except ApiProblem:
        raise
    except submit.Later as problem:
        where, what, _ = problem.told
        fix = f"Nothing is sent twice: {name.command} goes on with it"
        raise submit.Later(where, what, fix) from problem
    except Problem as problem:
        if batch.state == "refused":
            raise _refused(batch, name) from problem
        where, what, _ = problem.told
        raise Problem(where, what, _way_out(batch, name)) from problem


def hold_to_limit(batch: Batch, db: Database, config: Settings, pages: int, name: Name) -> None:
    """Raise `Problem` where so many pages of it may go past MAX_USD, as that is set now."""
    try:
        budget.hold_folder(db, config, batch, pages)
    except Problem as problem:
        where, what, _ = problem.told
        fix = f"Give a larger MAX_USD: {name.command} goes on with it; nothing was sent"
        raise Problem(where, what, fix) from problem


def go_on(batch: Batch, db: Database, config: Settings, name: Name) -> bool:
    """One step further, `send` included; whether all its responses are there.

    What they cost is in `usage` by then, whatever they are worth. Raises what `send` raises, and
    `Problem` where the result file is gone, or cannot be trusted: then nothing of it is used.
    """
    if not batch.open:
        if batch.state == "settled":
            return True
        raise _refused(batch, name)
    send(batch, db, config, name)
    if not _has_come(batch, name):
        return False
    with database.transaction(db):
        usage.note(db, map(usage.row, paid(batch)))
    check = results.check_file(batch)
    if check.faults:
        if not batch.last("quarantined"):
            batch.add("quarantined", faults=check.faults[:10])
        raise Problem(batch.responses, check.faults[0], f"Look at it. {_way_out(batch, name)}")
    if _is_short(batch, check):
        return False
    submit.clean_up(batch)
    if results.error_of_all(batch, check):
        first = next(one for one in outcomes(batch).values() if isinstance(one, Unread))
        batch.add("refused", reason=first.reason)
        raise _refused(batch, name)
    batch.add("settled")
    return True


def says(batch: Batch, name: Name) -> str:
    """The line about a batch that has not ended yet."""
    return f"{batch.batch_id} is {batch.operation.state}. Next: {name.command}, to finish"


def _has_come(batch: Batch, name: Name) -> bool:
    """Whether the batch has ended and its file is on disk."""
    has_file = fetch.have_file(batch)
    try:
        operation = batch.operation if has_file and batch.operation.ended else fetch.ask(batch)
        has_file = has_file or fetch.download(batch, operation)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        what = f"it, or its result file, is gone ({problem.what})"
        raise Problem(batch.batch_id, what, _way_out(batch, name)) from problem
    if not operation.ended or (fetch.must_have_file(operation) and not has_file):
        return False
    if not has_file:
        submit.clean_up(batch)
        why = response.explain(operation.error) if operation.error else ""
        batch.add("refused", reason=f"ended as {operation.state}{why and f' ({why})'}")
        raise _refused(batch, name)
    return True


def _is_short(batch: Batch, check: FileCheck) -> bool:
    """Whether the file lacks responses that the API counts: it is put aside and loaded again.

    After a day what there is counts as all.
    """
    if not results.missing_responses(batch, check):
        return False
    first = batch.last("short") or batch.add("short", lines=len(check.offsets))
    if clock.elapsed(first) > fetch.SHORT_FOR:
        return False
    files.put_aside(batch.responses)
    return True


def _refused(batch: Batch, name: Name) -> Refused:
    reason = str((batch.last("refused", "given_back") or {}).get("reason") or "was given up")
    if setting := setting_refused(reason):
        return Refused(*setting.told)
    return Refused(batch.batch_id or batch.folder, reason, f"{name.command} begins anew")


def _way_out(batch: Batch, name: Name) -> str:
    folder = name.folder or batch.folder
    return f"{name.command} tries again; to give it up and {name.verb} anew, remove {folder}"


# --- what came ----------------------------------------------------------------------------------


def outcomes(batch: Batch) -> dict[int, PageReading | Unread]:
    """What came of each page, by index; none of a batch whose file is missing or not trusted."""
    check = results.check_file(batch)
    if check.faults or not batch.responses.exists():
        return {}
    return {
        line["index"]: response.read_line(answers[0]) if answers else NO_RESPONSE
        for line, answers in results.by_line(batch, check)
    }


def readings(batch: Batch) -> dict[int, PageReading]:
    """The pages that were read, by index."""
    return {n: page for n, page in outcomes(batch).items() if isinstance(page, PageReading)}


def paid(batch: Batch) -> list[usage.Answer]:
    """The responses in the batch's result file, which were billed, matched by key."""
    reader = results.Reader.of(
        batch, batch.folder, FileCheck(), NO_RESPONSE, settings_model=batch.model or ""
    )
    found = (
        reader.outcome(line, answers, wanted=False).billed
        for line, answers in results.by_line(batch, results.check_file(batch))
    )
    return [answer._replace(aside=kind(batch)) for answer in found if answer]


def kind(batch: Batch) -> str:
    """`compare` or `second`: the folder below DATA_ROOT that the batch lies in."""
    places = [folder.name for folder in batch.folder.parents]
    return next((name for name in places if name in KINDS), KINDS[0])
