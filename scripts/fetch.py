"""Ended batches to pages: responses.jsonl, then results/…/page-NN.json and jobs.db.

    python scripts/fetch.py batches/abc

Without an ID every open batch is asked for, and folders without a batch are gone on with: the cron
job. Prints nothing where nothing ended. What was fetched before changes nothing.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import orjson
from sqlite_utils import Database

from flowsheets import lock, settings
from flowsheets.batch import recover, restore, results, submit
from flowsheets.batch.folder import Batch, find_batch, load_batch, open_folders
from flowsheets.batch.results import Tally
from flowsheets.errors import Command, Problem, raise_all, warn
from flowsheets.gemini import calls
from flowsheets.gemini.calls import ResultsGone
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import UNDER_WAY, Operation
from flowsheets.jobs import database, date_checks, states
from flowsheets.page import response
from flowsheets.page.response import Unread
from flowsheets.settings import Settings

# The API's target; a batch that takes longer may be stalled, and expires at 48.
LATE = timedelta(hours=24)
WARN_EVERY = timedelta(days=1)
# SUCCEEDED has been seen before the result file's name was there (ellmer).
FILE_MAY_LAG = timedelta(hours=1)


@click.command(cls=Command)
@click.argument("wanted", metavar="[ID]", default="")
def main(wanted: str) -> None:
    """Collect one batch, or all that have ended."""
    config = settings.load()
    db = database.connect(config.data_root)
    began = states.now()
    try:
        with lock.held(config.data_root, "jobs"):
            recover.older_jobs_db(db, config.data_root)
            recover.lost_claims(db, config.data_root)
            recover.dead_run(db, config)
            restore.lost_folders(db, config.data_root)
            problems = _fetch_all(db, config, wanted.strip())
    except lock.Held as held:
        click.echo(f"nothing fetched: {held.holder} is at work on the batches")
        return
    if to_check := date_checks.line(db, began, in_batches=True):
        click.echo(to_check)
    raise_all(problems)


def _fetch_all(db: Database, config: Settings, wanted: str) -> list[Problem]:
    """One batch's trouble is its own: the others are fetched before it is told."""
    if wanted:
        folders = [find_batch(config.data_root, wanted).folder]
    else:
        folders = list(open_folders(config.data_root))
    problems = []
    for folder in folders:
        problem = _fetch_or_problem(folder, db, config, asked=bool(wanted))
        if problem:
            problems.append(problem)
        if isinstance(problem, ApiProblem) and problem.everywhere:
            break
    return problems


def _fetch_or_problem(folder: Path, db: Database, config: Settings, asked: bool) -> Problem | None:
    try:
        batch = load_batch(folder)
        if batch.open:
            _fetch(batch, db, config, asked)
        elif asked and not _collect_late(batch, db, config):
            click.echo(f"{batch.batch_id or folder}: nothing is left to fetch", err=True)
    except submit.Later as later:
        if asked:
            return later  # unasked, the next run goes on by itself
    except Problem as problem:
        return problem
    return None


def _fetch(batch: Batch, db: Database, config: Settings, asked: bool) -> None:
    if not batch.last("bound"):
        submit.finish(batch, db, config)
        click.echo(f"submitted {batch.batch_id} {len(batch.lines)} pages")
    operation = _ask(batch, asked)
    if operation is None:
        return
    if not operation.ended:
        _say_if_strange_or_late(batch, operation, asked)
        return
    responses = batch.folder / "responses.jsonl"
    if operation.state == "SUCCEEDED" and not responses.exists():
        _wait_for_the_file(batch, operation, asked)
        return
    tally = _settle(batch, operation, db, config)
    if tally.pages:
        batch.note("fetched", **vars(tally))
    if tally.pages or asked:
        click.echo(f"fetched {batch.batch_id} {len(batch.lines)} pages: {tally}")
    try:
        submit.let_go(batch)
    except ApiProblem as problem:
        raise submit.Later(
            batch.folder, f"all is fetched, but {problem.what}", "The next fetch tidies up"
        ) from problem
    batch.note("settled", **vars(_fetched(batch)))


def _fetched(batch: Batch) -> Tally:
    """What came of the pages, in all runs: a run may have broken off before it tidied up."""
    names = vars(Tally())
    runs = (event for event in batch.events if event["event"] == "fetched")
    return sum((Tally(**{n: run.get(n, 0) for n in names}) for run in runs), Tally())


def _collect_late(batch: Batch, db: Database, config: Settings) -> bool:
    """The results of a batch that was given up and ran all the same: kept, and in the books."""
    settled = batch.last("settled")
    responses = batch.folder / "responses.jsonl"
    if not (settled and settled.get("rescued") and batch.batch_id) or responses.exists():
        return False
    try:
        calls.fetch_batch_results(batch.batch_id, responses)
    except ApiProblem as problem:
        if problem.code not in (403, 404) or problem.key_refused:
            raise
    if not responses.exists():
        return False
    seen = results.sight(batch, responses)
    results.settle_batch(batch, db, config.data_root, seen, results.NO_RESPONSE, config.model)
    click.echo(
        f"{batch.batch_id} ran after it was given up: {len(seen.offsets)} responses are kept in"
        f" {responses} and counted by make cost; its pages stay as they are"
    )
    return True


def _ask(batch: Batch, asked: bool) -> Operation | None:
    """The API's word, kept as batch.json, with the result file on disk if there is one."""
    assert batch.batch_id
    responses = batch.folder / "responses.jsonl"
    kept = _kept(batch)
    if responses.exists() and kept and kept.ended:
        return kept
    try:
        reply = calls.fetch_batch_results(batch.batch_id, responses)
    except ResultsGone as gone:
        submit.keep_reply(batch, gone.operation)
        first = batch.last("file_gone") or batch.note("file_gone", reason=gone.what)
        _warn_daily(
            batch,
            "gone",
            f"{batch.batch_id}: its result file cannot be had since {first['at'][:16]}"
            f" ({gone.what}). Its pages stay submitted; the way out is"
            f" make batch-rescue ID={batch.batch_id}",
            asked,
        )
        return None
    except ApiProblem as problem:
        if problem.code != 404:
            raise
        raise submit.unknown(batch.batch_id) from problem
    submit.keep_reply(batch, reply)
    return Operation(reply)


def _kept(batch: Batch) -> Operation | None:
    try:
        return Operation(orjson.loads((batch.folder / "batch.json").read_bytes()))
    except (OSError, ValueError):
        return None


def _say_if_strange_or_late(batch: Batch, operation: Operation, asked: bool) -> None:
    if asked:
        click.echo(
            f"{batch.batch_id} is {operation.state}, {operation.done} of {len(batch.lines)} done",
            err=True,
        )
    if operation.state not in UNDER_WAY:
        _warn_daily(
            batch,
            "strange",
            f"{batch.batch_id}: the API gives the state {operation.state}, which is unknown here;"
            " nothing is changed, and it is asked again",
            asked,
        )
    age = datetime.now(UTC) - (operation.created or datetime.now(UTC))
    if age > LATE:
        _warn_daily(
            batch,
            "late",
            f"{batch.batch_id}: {operation.state} for {age.total_seconds() / 3600:.0f} h; the way"
            f" out is make batch-rescue ID={batch.batch_id}, then make process",
            asked,
        )


def _wait_for_the_file(batch: Batch, operation: Operation, asked: bool) -> None:
    ended = operation.end or operation.created
    if ended and datetime.now(UTC) - ended > FILE_MAY_LAG:
        raise Problem(
            batch.batch_id,
            f"SUCCEEDED at {ended:%Y-%m-%d %H:%M} UTC, and still names no result file",
            f"Wait, or give it up: make batch-rescue ID={batch.batch_id}",
        )
    if asked:
        click.echo(f"{batch.batch_id} has SUCCEEDED, its result file is on its way", err=True)


def _settle(batch: Batch, operation: Operation, db: Database, config: Settings) -> Tally:
    responses = batch.folder / "responses.jsonl"
    seen = results.sight(batch, responses) if responses.exists() else results.Sighting()
    if seen.faults:
        more = f" and {len(seen.faults) - 1} more faults" if len(seen.faults) > 1 else ""
        if not batch.last("quarantined"):
            batch.note("quarantined", faults=seen.faults[:10])
        raise Problem(
            responses,
            f"{seen.faults[0]}{more}. Nothing of it is used, its pages stay submitted",
            f"Look at the file, then make batch-rescue ID={batch.batch_id}",
        )
    return results.settle_batch(
        batch, db, config.data_root, seen, _of_a_missing_page(operation), config.model
    )


def _of_a_missing_page(operation: Operation) -> Unread:
    """What it means for a page that the batch ended and no line speaks of it."""
    if operation.state == "FAILED":
        return Unread("batch_failed", f"the batch failed: {response.explain(operation.error)}")
    if operation.state == "SUCCEEDED":
        return results.NO_RESPONSE
    return Unread("batch_ended", f"the batch was {operation.state} before this page ran", ran=False)


def _warn_daily(batch: Batch, kind: str, line: str, asked: bool) -> None:
    """Each kind once a day, which is enough for cron; a person who asks is told each time."""
    warned = [e for e in batch.events if e["event"] == "warned" and e.get("kind") == kind]
    since = datetime.now(UTC) - datetime.fromisoformat(warned[-1]["at"]) if warned else None
    if asked or since is None or since > WARN_EVERY:
        batch.note("warned", kind=kind, line=line)
        warn(line)


if __name__ == "__main__":
    main()
