"""Where the pages are, on one screen, from jobs.db and the batches' folders alone: asks no API.

python scripts/overview.py
"""

import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import click
import orjson
from sqlite_utils import Database

from flowsheets import display, settings
from flowsheets.batch.folder import Batch, load_batch, open_folders
from flowsheets.errors import Command, Problem, warn
from flowsheets.gemini.operation import Operation
from flowsheets.jobs import database, date_checks, states
from flowsheets.money import prices, usage
from flowsheets.page.response import FOR_A_PERSON
from flowsheets.settings import Settings

# Lines of each part, so that all of it fits into 24 of 80 characters with an id of 36, which is
# Google's; a batch in trouble stands there in any case.
BATCHES = 4
REASONS = 5


@click.command(cls=Command)
def main() -> None:
    """Show pages by status, failures, spend and open batches."""
    config = settings.load()
    db = database.connect(config.data_root)
    counts = states.counts(db)
    if not counts:
        click.echo("no pages yet. Next: make discover")
        return
    width = shutil.get_terminal_size().columns  # 80 in a pipe
    _show_pages(counts, width)
    _show_errors(db, config, width)
    _show_money_and_doubts(db, config.data_root)
    _show_batches(config.data_root)


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
    for number, line in enumerate(lines):
        click.echo(line if number else f"\n{line}")


def _show_batches(data_root: Path) -> None:
    out: list[Batch] = []
    troubled = []
    for folder in open_folders(data_root):
        try:
            batch = load_batch(folder)
        except Problem as problem:
            warn(problem.message)
            continue
        if trouble := _trouble(batch):
            troubled.append(trouble)
        else:
            out.append(batch)
    click.echo()
    if out:
        rows = [("open batch", "pages", "done", "failed", "state", "out for")]
        rows += [_row(batch) for batch in out[:BATCHES]]
        longest = max(len(row[0]) for row in rows)
        for name, pages, done, failed, state, age in rows:
            counts = f"{pages:>6} {done:>6} {failed:>6}"
            click.echo(f"{name:<{longest}} {counts}  {state:<9} {age:>7}")
        more = f"and {len(out) - BATCHES:,} more, " if len(out) > BATCHES else ""
        click.echo(f"{more}as last asked. Next: make batch-status, or make batch-fetch")
    for line in troubled:
        click.echo(line)
    if not out and not troubled:
        click.echo("no open batches")


def _row(batch: Batch) -> tuple[str, str, str, str, str, str]:
    operation = _last_word(batch)
    created = batch.last("created")
    since = datetime.fromisoformat(created["at"]) if created else operation.created
    return (
        (batch.batch_id or "").removeprefix("batches/"),
        f"{len(batch.lines):,}",
        f"{operation.done:,}",
        f"{operation.failed:,}",
        operation.state,
        display.age(since) if since else "?",
    )


def _last_word(batch: Batch) -> Operation:
    """What the API said of it when it was last asked, which fetch does each time."""
    try:
        reply = orjson.loads((batch.folder / "batch.json").read_bytes())
    except (OSError, ValueError):
        reply = {}
    return Operation(reply if isinstance(reply, dict) else {})


def _trouble(batch: Batch) -> str | None:
    """What a person has to do about a batch; None where time alone does it."""
    pages = f"{len(batch.lines)} pages"
    if not batch.batch_id:
        return f"{batch.folder} {pages}, not sent yet. Next: make batch-submit"
    fix = f"make batch-rescue ID={batch.batch_id}"
    quarantined = batch.last("quarantined")
    if quarantined:
        fault = quarantined["faults"][0]
        return f"{batch.batch_id} {pages}, result file refused: {fault}. Next: {fix}"
    gone = batch.last("file_gone")
    if gone:
        return f"{batch.batch_id} {pages}, result file gone since {gone['at'][:16]}. Next: {fix}"
    return None


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3]}..."


if __name__ == "__main__":
    main()
