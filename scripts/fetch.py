"""Batches that ended to pages: responses.jsonl, then results/…/page-NN.json and jobs.db.

    python scripts/fetch.py batches/abc

Without an ID every open batch is asked for: the cron job. A batch whose create was unclear is
looked for and adopted; none is created here, and nothing is spent. Prints nothing where nothing
ended. What was fetched before changes nothing.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import click

from flowsheets import clock, lock, paths, settings
from flowsheets.batch import fetch, recover, restore, results, submit
from flowsheets.batch.folder import Batch, find_batch, load_batch, open_folders
from flowsheets.errors import Command, Problem, raise_all, warn
from flowsheets.gemini import door
from flowsheets.gemini.operation import UNDER_WAY, Operation
from flowsheets.gemini.problem import ApiProblem, problem_of_door
from flowsheets.jobs import database, date_checks, folders, pauses, states
from flowsheets.jobs.database import Database
from flowsheets.page import response
from flowsheets.page.request import setting_refused
from flowsheets.page.response import Unread
from flowsheets.settings import Settings

# The API's target; a batch that takes longer may be stalled, and expires at 48.
LATE = timedelta(hours=24)
WARN_EVERY = timedelta(days=1)


@dataclass
class Report:
    """What the fetch of one batch has to say."""

    fetched: list[str] = field(default_factory=list)  # always, on stdout
    news: list[str] = field(default_factory=list)  # where you asked for this batch, on stderr
    warnings: dict[str, str] = field(default_factory=dict)  # kind -> line, once a day
    problems: list[Problem] = field(default_factory=list)  # you must act
    waits: list[Problem] = field(default_factory=list)  # the next fetch goes on by itself


@click.command(cls=Command)
@click.argument("wanted", metavar="[ID]", default="")
def main(wanted: str) -> None:
    """Collect results of one batch, or of all that have ended; never create one."""
    config = settings.load()
    db = database.connect(config.data_root)
    began = states.now()
    try:
        with lock.held(config.data_root, "jobs"):
            recover.say(recover.run(db, config))
            restore.lost_folders(db, config.data_root)
            problems = _fetch(db, config, wanted.strip())
    except lock.Held as held:
        click.echo(f"nothing fetched: {held.holder} is at work on the batches")
        return
    if to_check := date_checks.line(db, began, in_batches=True):
        click.echo(to_check)
    raise_all(problems)


def _fetch(db: Database, config: Settings, wanted: str) -> list[Problem]:
    if wanted:
        folder = find_batch(config.data_root, wanted, db).folder
        return _say_all(_report(folder, db, config))
    return _fetch_all(db, config)


def _fetch_all(db: Database, config: Settings) -> list[Problem]:
    """One batch's trouble is its own: the others are fetched before you are told of it."""
    problems: list[Problem] = []
    stopped = set[str]()
    found = open_folders(config.data_root, db)
    for folder in (*found, *_closed_too_early(db, config.data_root)):
        if door.by_name(folder.name) in stopped:
            continue
        new = _say_what_happened(folder, _report(folder, db, config))
        problems += new
        if any(map(problem_of_door, new)):
            stopped.add(door.by_name(folder.name))
    return problems


def _closed_too_early(db: Database, data_root: Path) -> list[Path]:
    """Folders that were closed without a result file, and are looked at again now and then."""
    found = []
    for name in folders.closed_without_responses(db):
        folder = paths.batches(data_root) / name
        if folder.is_dir() and fetch.look_late_now(load_batch(folder)):
            found.append(folder)
    return found


def _say_all(report: Report) -> list[Problem]:
    """For you, who asked for this batch."""
    for line in report.fetched:
        click.echo(line)
    for line in report.news:
        click.echo(line, err=True)
    for line in report.warnings.values():
        warn(line)
    return [*report.problems, *report.waits]


def _say_what_happened(folder: Path, report: Report) -> list[Problem]:
    """For cron: each kind of warning once a day."""
    for line in report.fetched:
        click.echo(line)
    for kind, line in report.warnings.items():
        _warn_daily(load_batch(folder), kind, line)
    return report.problems


def _warn_daily(batch: Batch, kind: str, line: str) -> None:
    warned = [noted for noted in batch.all("warned") if noted.get("kind") == kind]
    if not warned or clock.by_the_calendar(warned[-1]) > WARN_EVERY:
        batch.add("warned", kind=kind, line=line)
        warn(line)


# --- one batch ----------------------------------------------------------------------------------


def _report(folder: Path, db: Database, config: Settings) -> Report:
    """Fetch one batch; whatever goes wrong is in the report."""
    report = Report()
    try:
        batch = load_batch(folder)
        if batch.open:
            _fetch_open(batch, db, config, report)
        elif line := fetch.late(batch, db, config):
            report.fetched.append(line)
        else:
            report.news.append(f"{batch.batch_id or batch.folder}: nothing is left to fetch")
        recover.know(db, batch)
    except fetch.NotWhole as problem:
        report.warnings["short"] = problem.message
    except submit.Later as problem:
        report.waits.append(problem)
    except Problem as problem:
        report.problems.append(problem)
    return report


def _fetch_open(batch: Batch, db: Database, config: Settings, report: Report) -> None:
    if batch.state in ("built", "uploaded"):
        report.news.append(f"{batch.folder} waits to be sent. Next: make batch-submit")
        return
    if batch.state == "unclear" and not submit.adopt(batch):
        left = submit.grace_left(batch, config)
        report.news.append(
            f"{batch.folder}: whether the API made this batch is unclear, and it lists none of"
            f" that name. In {left:.0f} s make batch-submit creates it, if none shows up"
        )
        return
    submit.bind(batch, db)
    operation = _ended(batch, report)
    if operation:
        _apply(batch, operation, db, config, report)


def _ended(batch: Batch, report: Report) -> Operation | None:
    """The API's reply, once the batch has ended and its file is on disk; None until then."""
    if fetch.have_file(batch) and batch.operation.ended:
        return batch.operation
    operation = _asked(batch)
    if not operation.ended:
        _say_if_strange_or_late(batch, operation, report)
        return None
    try:
        has_file = batch.responses.exists() or fetch.download(batch, operation)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        _say_that_the_file_is_gone(batch, problem, report)
        return None
    if fetch.must_have_file(operation) and not has_file:
        _wait_for_the_file(batch, operation, report)
        return None
    return operation


def _asked(batch: Batch) -> Operation:
    try:
        return fetch.ask(batch)
    except ApiProblem as problem:
        if problem.code != 404:
            raise
        raise submit.unknown(batch) from problem


def _apply(
    batch: Batch, operation: Operation, db: Database, config: Settings, report: Report
) -> None:
    check = fetch.check(batch)
    missing = _of_a_missing_page(operation)
    tally = results.apply_responses(batch, db, config.data_root, check, missing, config.model)
    line = f"fetched {batch.batch_id} {len(batch.lines)} pages: {tally}"
    (report.fetched if tally.pages else report.news).append(line)
    if operation.state == "FAILED" and (lost := operation.done - check.responses) > 0:
        report.warnings["lost"] = (
            f"{batch.batch_id}: {lost} pages ran that it has written nothing of. They are charged"
            " all the same, which make cost does not know"
        )
    try:
        submit.clean_up(batch)
    except ApiProblem as problem:
        raise submit.Later(
            batch.folder, f"all is fetched, but {problem.what}", "The next fetch cleans up"
        ) from problem
    _close(batch, operation, check, db)


def _of_a_missing_page(operation: Operation) -> Unread:
    """What it means for a page that the batch ended and no line names it."""
    if operation.state == "FAILED":
        why = response.explain(operation.error)
        return Unread("batch_failed", f"the batch failed as a whole: {why}", ran=False)
    if fetch.must_have_file(operation):
        return results.NO_RESPONSE
    return Unread("batch_ended", f"the batch was {operation.state} before this page ran", ran=False)


def _close(batch: Batch, operation: Operation, check: results.FileCheck, db: Database) -> None:
    """Every page has its outcome. What met all of them makes them wait before they go again."""
    applied = batch.all("applied")
    facts = {name: sum(len(a.get(name, ())) for a in applied) for name in results.OUTCOMES}
    facts["cache_died"] = check.errors[response.PERMISSION_DENIED] if batch.cached_content else 0
    why = results.error_of_all(batch, check)
    if operation.state == "FAILED" and not check.responses:
        why = "batch_failed"
    if why is None:
        batch.add("settled", **facts)
        return
    known = pauses.all_of(db)
    times = 1 + max((known[page].times for page in batch.pages if page in known), default=0)
    closed = batch.add("settled", **facts, pause=times, reason=why)
    rows = states.rows_of(db, batch.pages)
    returned = [page for page, row in rows.items() if row["status"] == "rendered"]
    with database.transaction(db):
        pauses.add(db, returned, times, why, closed)
    said = (str(rows[page]["last_error"]) for page in returned)
    if refused := next(filter(None, map(setting_refused, said)), None):
        raise refused  # it is a setting of yours that every row was refused for


# --- what is not there yet ----------------------------------------------------------------------


def _say_if_strange_or_late(batch: Batch, operation: Operation, report: Report) -> None:
    state = operation.state
    report.news.append(f"{batch.batch_id} is {state}, {operation.done} of {len(batch.lines)} done")
    if state not in UNDER_WAY:
        report.warnings["strange"] = (
            f"{batch.batch_id}: the API gives the state {state}, which is unknown here; nothing is"
            " changed, and it is asked again"
        )
    age = clock.since(operation.created)
    if age > LATE:
        report.warnings["late"] = (
            f"{batch.batch_id}: {state} for {age.total_seconds() / 3600:.0f} h; the way out is"
            f" make batch-rescue ID={batch.batch_id}, then make process"
        )


def _say_that_the_file_is_gone(batch: Batch, problem: ApiProblem, report: Report) -> None:
    first = batch.last("file_gone") or batch.add("file_gone", reason=problem.what)
    report.warnings["gone"] = (
        f"{batch.batch_id}: its result file cannot be had since {first['at'][:16]}"
        f" ({problem.what}). Its pages stay submitted; the way out is"
        f" make batch-rescue ID={batch.batch_id}"
    )


def _wait_for_the_file(batch: Batch, operation: Operation, report: Report) -> None:
    ended = operation.end or operation.created
    if clock.since(ended) > fetch.FILE_MAY_LAG:
        raise Problem(
            batch.batch_id,
            f"{operation.state} at {ended:%Y-%m-%d %H:%M} UTC, and still names no result file",
            f"Wait, or give it up: make batch-rescue ID={batch.batch_id}",
        )
    report.news.append(f"{batch.batch_id} has {operation.state}, its result file is on its way")


if __name__ == "__main__":
    main()
