"""What you want to hear of while a run goes on by itself: alerts, from jobs.db and the folders."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlite_utils import Database

from flowsheets import clock, paths
from flowsheets.batch.folder import Batch, load_batch, open_folders
from flowsheets.batch.situation import Situation
from flowsheets.errors import Problem
from flowsheets.gemini import door
from flowsheets.jobs import folders, states
from flowsheets.money import prices, usage
from flowsheets.settings import Settings

LATE = timedelta(hours=24)  # the API's target
FAILED_SHARE = 0.05
BUDGET_SHARE = Decimal("0.8")
NOTHING_FOR = timedelta(days=2)
SETTLED_FOR = timedelta(days=4)  # batches that were built within it are looked at
KINDS = {"late", "failed", "budget", "quarantined", "key", "nothing"}

Alerts = Iterator[tuple[str, str]]  # (what, text); `what` is a kind, a colon, and which one


def alerts(
    db: Database, settings: Settings, now: Situation, problems: Iterable[Problem]
) -> dict[str, str]:
    """What -> text of all that is so now. `problems` are those of this run."""
    refused = [problem for problem in problems if problem.kind == "key"]
    found = {"key:": f"the API key is refused: {refused[0].message}"} if refused else {}
    found |= dict(_of_open_batches(db, settings))
    found |= dict(_of_failures(db, settings))
    found |= dict(_of_money(db, settings, now))
    found |= dict(_of_silence(db, now))
    return found


def age(batch: Batch) -> timedelta:
    """Since it was created."""
    created = batch.last("created", "create_sent")
    return clock.by_the_calendar(created) if created else clock.since(batch.operation.created)


def hours(time: timedelta) -> float:
    """As a number."""
    return time / timedelta(hours=1)


def _of_open_batches(db: Database, settings: Settings) -> Alerts:
    for folder in open_folders(settings.data_root, db):
        with suppress(Problem):  # a damaged folder is its command's to report
            batch = load_batch(folder)
            if quarantined := batch.last("quarantined"):
                yield (
                    f"quarantined:{batch.name}",
                    f"{batch.batch_id}: its result file is refused ({quarantined['faults'][0]}),"
                    f" and {len(batch.lines)} pages wait. Next: make batch-rescue"
                    f" ID={batch.batch_id}",
                )
            elif batch.bound and not batch.operation.ended and age(batch) > LATE:
                yield (
                    f"late:{batch.name}",
                    f"{batch.batch_id}: {batch.operation.state} for over 24 h; the API gives it up"
                    f" after {hours(batch.door.ROOM.given_up):.0f} h. The way out is"
                    f" make batch-rescue ID={batch.batch_id}",
                )


def _of_failures(db: Database, settings: Settings) -> Alerts:
    """Batches of the last days of which many pages failed."""
    since = f"{datetime.now(UTC) - SETTLED_FOR:%Y%m%d-%H%M%S}"
    for name in folders.in_states(db, ("settled",)):
        if door.without_letter(name) < since:
            continue
        with suppress(Problem):
            batch = load_batch(paths.batches(settings.data_root) / name)
            failed = (batch.last("settled") or {}).get("failed") or 0
            if failed > FAILED_SHARE * len(batch.lines):
                yield (
                    f"failed:{name}",
                    f"{batch.batch_id}: {failed} of {len(batch.lines)} pages failed."
                    " Next: make status",
                )


def _of_money(db: Database, settings: Settings, now: Situation) -> Alerts:
    """What was spent and what is held for what is out, against MAX_USD."""
    if settings.max_usd is None:
        return
    spent = Decimal(usage.spent(db)[0])
    if spent + now.state.usd_out >= BUDGET_SHARE * settings.max_usd:
        yield (
            f"budget:{settings.max_usd}",
            f"over 80 % of MAX_USD ({prices.dollars(settings.max_usd)}): {prices.dollars(spent)}"
            f" spent, and up to {prices.dollars(now.state.usd_out)} for what is out",
        )


def _of_silence(db: Database, now: Situation) -> Alerts:
    """Batches are out, or refused, and nothing came back for two days."""
    oldest = max([age(batch) for batch in now.out if not batch.operation.ended], default=None)
    refused = max([one.age for one in now.state.refusals], default=None)
    waits = max((one for one in (oldest, refused) if one is not None), default=timedelta())
    last = states.last_outcome(db)
    silent = min(waits, clock.since(clock.moment(last))) if last else waits
    if silent >= NOTHING_FOR:
        pages = sum(len(batch.lines) for batch in now.out)
        yield "nothing:", f"nothing was fetched for two days; {pages:,} pages are out"
