"""Where the pages are, on one screen, from jobs.db and the batches' folders alone: asks no API.

    python scripts/overview.py --format json

As JSON it is for scripts: one object, dollars as numbers, times in hours and ISO dates.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import click

from flowsheets import clock, display, settings
from flowsheets.batch import outlook, watch
from flowsheets.batch.folder import Batch, load_batch, open_folders
from flowsheets.batch.outlook import Outlook
from flowsheets.errors import Command, OneOf, Problem, warn
from flowsheets.index import progress
from flowsheets.jobs import database, date_checks, folders, pauses, states
from flowsheets.jobs.database import Database
from flowsheets.money import prices, usage
from flowsheets.page.response import FOR_A_PERSON
from flowsheets.settings import Settings

# Lines of each part, so that all of it fits into 24 of 80 characters with an id of 36, which is
# Google's; a batch in trouble is shown in any case.
BATCHES = 4
REASONS = 5


@click.command(cls=Command)
@click.option("--format", "shape", type=OneOf("FORMAT", "json"), default="")
def main(shape: str) -> None:
    """Show pages by status, failures, spend and open batches."""
    config = settings.load()
    db = database.connect(config.data_root)
    counts = states.counts(db)
    if shape == "json":
        click.echo(json.dumps(_as_json(db, config, counts), indent=2))
        return
    if not counts:
        click.echo("no pages yet. Next: make discover")
        return
    width = shutil.get_terminal_size().columns  # 80 in a pipe
    _show_pages(counts, width)
    _show_errors(db, config, width)
    _show_money_and_doubts(db, config.data_root)
    _show_outlook(outlook.of(db, config), _open_batches(db, config.data_root, quietly=True))
    _show_batches(db, config.data_root)


def _show_pages(counts: dict[str, int], width: int) -> None:
    total = sum(counts.values())
    room = width - 32
    for status in (*states.STATUSES, *sorted(set(counts) - set(states.STATUSES))):
        if not (count := counts.get(status)):
            continue
        share = count / total
        percent = "<1%" if share < 0.01 else f"{int(100 * share)}%"  # 100% is all of them
        bar = "#" * max(round(room * share), 1)
        click.echo(f"{status:<15} {count:>8,} {percent:>5}  {bar}")
        if status not in states.STATUSES:
            click.echo("                (a status that is not ours)")


def _show_errors(db: Database, config: Settings, width: int) -> None:
    """The failed pages by code, the most frequent first, each as its latest page has it."""
    failures = states.failures(db)
    if not failures:
        return
    # An older row has no code: its whole reason says what it is.
    latest = {code or reason: reason for code, reason in failures}
    groups = Counter(code or reason for code, reason in failures).most_common()
    tired = states.out_of_tries(db, config.max_attempts)
    click.echo(
        f"\nfailed, by their last error ({tired:,} with no tries left: make retry gives new ones)"
        if tired
        else "\nfailed, by their last error"
    )
    for kind, count in groups[:REASONS]:
        click.echo(_cut(f"{count:>8,}  {display.plain(latest[kind])}", width))
    if len(groups) > REASONS:
        click.echo(f"          and {len(groups) - REASONS} more reasons")
    if refused := states.for_a_person(db):
        code = next(kind for kind, _ in groups if kind in FOR_A_PERSON)
        click.echo(
            f"{refused:,} wait for you: make retry CODE={code}; another GEMINI_MODEL may read them"
        )


def _show_money_and_doubts(db: Database, data_root: Path) -> None:
    usd, pages, without = usage.spent(db)
    said = [f"{prices.dollars(usd)} spent on {pages:,} page{'s' * (pages != 1)}"] if pages else []
    if without:
        said.append(f"{without:,} answer{'s' * (without != 1)} without a known price")
    lines = [f"{'; '.join(said)}. Next: make cost"] if said else []
    if to_check := date_checks.line(db):
        lines.append(to_check)
    if missing := list(states.without_result(db, data_root)):
        pages_are = (
            "1 completed page has"
            if len(missing) == 1
            else f"{len(missing):,} completed pages have"
        )
        lines.append(f"{pages_are} no result file, first {missing[0]}. Next: make rebuild")
    if paused := pauses.waiting(db):
        reason = next(iter(paused.values())).reason
        lines.append(
            f"{len(paused):,} pages wait, since all of their batch failed ({reason})."
            " Next: make batch-submit SURE=1"
        )
    lines += progress.lines(progress.of_data_root(data_root))
    for number, line in enumerate(lines):
        click.echo(line if number else f"\n{line}")


def _show_batches(db: Database, data_root: Path) -> None:
    batches = _open_batches(db, data_root)
    troubled = {batch.name: trouble for batch in batches if (trouble := _trouble(batch))}
    out = [batch for batch in batches if batch.name not in troubled]
    click.echo()
    if out:
        _show_table(out)
    for line in troubled.values():
        click.echo(line)
    if not batches:
        click.echo("no open batches")
    if late := folders.closed_without_responses(db):
        click.echo(
            f"{len(late):,} batch{'es' * (len(late) != 1)} closed without a result file; asked for"
            " again for 48 h"
        )


def _open_batches(db: Database, data_root: Path, quietly: bool = False) -> list[Batch]:
    """Oldest first; a damaged one is a warning, unless it is given elsewhere."""
    batches = []
    for folder in open_folders(data_root, db):
        try:
            batches.append(load_batch(folder))
        except Problem as problem:
            if not quietly:
                warn(problem.message)
    return batches


def _show_outlook(found: Outlook, batches: list[Batch]) -> None:
    """Age of the oldest batch, pace and day of completion, where there is a pace or a batch."""
    parts = []
    if oldest := _oldest(batches):
        parts.append(f"oldest batch {_age(oldest):.0f} h of {_deadline(oldest):.0f}")
    if found.left and found.a_day:
        parts.append(f"{found.a_day:,.0f} pages a day, done on {found.done_on or 'no day'}")
    if parts:
        click.echo("; ".join(parts))


def _oldest(batches: list[Batch]) -> Batch | None:
    """The oldest batch that the API still works on."""
    out = [one for one in batches if one.bound and not one.operation.ended]
    return max(out, key=watch.age, default=None)


def _age(batch: Batch) -> float:
    """Hours since it was created."""
    return round(watch.hours(watch.age(batch)), 1)


def _deadline(batch: Batch) -> float:
    """Hours after which the API gives it up."""
    return watch.hours(batch.door.ROOM.given_up)


def _as_json(db: Database, config: Settings, counts: dict[str, int]) -> dict[str, Any]:
    """The same for scripts."""
    batches = _open_batches(db, config.data_root)
    found = outlook.of(db, config)
    in_all = outlook.usd_in_all(db, config, found.left)
    oldest = _oldest(batches)
    usd, _, without = usage.spent(db)
    return {
        "pages": counts,
        "failed_by_code": dict(Counter(code or "unknown" for code, _ in states.failures(db))),
        "failed_for_good": states.out_of_tries(db, config.max_attempts) + states.for_a_person(db),
        "paused": len(pauses.waiting(db)),
        "usd_spent": round(usd, 6),
        "responses_without_price": without,
        "left": found.left,
        "pages_a_day": round(found.a_day, 1) if found.a_day else None,
        "done_on": found.done_on.isoformat() if found.done_on else None,
        "usd_in_all": None if in_all is None else round(float(in_all), 6),
        "oldest_batch_hours": _age(oldest) if oldest else None,
        "deadline_hours": _deadline(oldest) if oldest else None,
        "batches": [_batch_as_json(batch) for batch in batches],
    }


def _batch_as_json(batch: Batch) -> dict[str, Any]:
    operation = batch.operation
    return {
        "folder": batch.name,
        "batch_id": batch.batch_id,
        "pages": len(batch.lines),
        "done": operation.done,
        "failed": operation.failed,
        "status": operation.state if batch.batch_id else batch.state.upper(),
        "hours": _age(batch) if batch.batch_id else None,
        "trouble": _trouble(batch),
    }


def _show_table(out: list[Batch]) -> None:
    rows = [("open batch", "pages", "done", "failed", "status", "out for")]
    rows += [_row(batch) for batch in out[:BATCHES]]
    longest = max(len(row[0]) for row in rows)
    for name, pages, done, failed, status, age in rows:
        counts = f"{pages:>6} {done:>6} {failed:>6}"
        click.echo(f"{name:<{longest}} {counts}  {status:<9} {age:>7}")
    more = f"and {len(out) - BATCHES:,} more, " if len(out) > BATCHES else ""
    click.echo(f"{more}as last asked. Next: make batch-status, or make batch-fetch")


def _row(batch: Batch) -> tuple[str, str, str, str, str, str]:
    operation = batch.operation
    created = batch.last("created")
    since = clock.moment(created["at"]) if created else operation.created
    return (
        (batch.batch_id or "").removeprefix("batches/"),
        f"{len(batch.lines):,}",
        f"{operation.done:,}",
        f"{operation.failed:,}",
        operation.state,
        display.age(since) if since else "?",
    )


def _trouble(batch: Batch) -> str | None:
    """What you have to do about a batch; None where time alone does it."""
    pages = f"{len(batch.lines)} pages"
    rescue = f"Next: make batch-rescue ID={batch.batch_id}"
    if batch.state == "unclear":
        return f"{batch.folder} {pages}, whether it was sent is unclear. Next: make batch-submit"
    if not batch.batch_id:
        return f"{batch.folder} {pages}, not sent yet. Next: make batch-submit"
    if quarantined := batch.last("quarantined"):
        fault = quarantined["faults"][0]
        return f"{batch.batch_id} {pages}, result file refused: {fault}. {rescue}"
    if gone := batch.last("file_gone"):
        return f"{batch.batch_id} {pages}, result file gone since {gone['at'][:16]}. {rescue}"
    if short := batch.last("short"):
        return (
            f"{batch.batch_id} {pages}, its result file {short['reason']}, since"
            f" {short['at'][:16]}. Next: make batch-fetch"
        )
    return None


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3]}..."


if __name__ == "__main__":
    main()
