"""The same few pages in both modes: tokens and dollars of each, and how far the texts differ.

    python scripts/compare.py --limit 5

Sends waiting pages in a batch and, at once, in real time; run it again until the batch has ended.
Changes no job and no result: all of it is under compare/, and is shown again later. Each page is
billed once in each mode.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import files, lock, paths, settings
from flowsheets.batch import budget, build, compare, fetch, proof, results, submit
from flowsheets.batch.compare import Way
from flowsheets.batch.folder import Batch, Line, batch_folders, load_batch, new_name
from flowsheets.errors import Command, Count, Problem
from flowsheets.gemini import calls, door
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, states
from flowsheets.money import estimate, prices, usage
from flowsheets.money.estimate import Basis
from flowsheets.settings import Settings

LIMIT = 5


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
def main(limit: int) -> None:
    """Show the same few pages in both modes, side by side."""
    config = settings.load()
    db = database.connect(config.data_root)
    try:
        with lock.held(config.data_root, "compare"):
            batch = _last(config.data_root) or _begin(db, config, limit)
            if batch.open and not _go_on(batch, db, config):
                return
            _show(batch)
    except lock.Held as busy:
        raise Problem("compare", f"{busy.holder} is at it", "Wait for it") from busy


def _last(data_root: Path) -> Batch | None:
    """The comparison that is under way, or the one that was finished last."""
    folders = batch_folders(data_root, paths.comparisons)
    batches = [load_batch(folder) for folder in folders]
    return next((b for b in reversed(batches) if b.open or b.last("settled")), None)


def _begin(db: Database, config: Settings, limit: int) -> Batch:
    door.now().check("batch")
    pages = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    pages = pages[: proof.pages_allowed(db, config.data_root, len(pages))]
    if not pages:
        raise Problem("compare", "no page waits", "make render, or make retry a page")
    basis = estimate.basis(db, config)
    budget.hold_to_limit(db, config, len(pages), ("batch", "realtime"))
    click.echo(_estimate(config, len(pages), basis))
    for part in paths.comparisons(config.data_root).glob(".*.part"):  # a kill left it
        shutil.rmtree(part, ignore_errors=True)
    folder = paths.comparisons(config.data_root) / new_name(datetime.now(UTC), door.now().LETTER)
    with tqdm(total=len(pages), desc="build", unit=" pages", disable=None, leave=False) as bar:
        built = build.write_folder(folder, pages, config, None, bar)
    if built is None:
        raise Problem("compare", "the pages' images are gone", "make render")
    return load_batch(folder)


def _estimate(config: Settings, pages: int, basis: Basis) -> str:
    costs = [estimate.cost(config.model, way, pages, basis.usual) for way in ("realtime", "batch")]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return f"estimate: {pages} pages both ways, without a known price"
    return f"estimate: {pages} pages both ways, about {prices.dollars(sum(known))}"


def _go_on(batch: Batch, db: Database, config: Settings) -> bool:
    """One step further; whether all answers are there."""
    if not batch.bound:
        submit.send(batch, None, config)
    _ask_now(batch, compare.model(batch), db)
    try:
        operation = fetch.ask(batch)
        has_file = fetch.have_file(batch) or fetch.download(batch, operation)
        proof.note(db, batch)
    except ApiProblem as problem:
        if not problem.gone:
            raise
        raise Problem(
            batch.batch_id,
            f"it, or its result file, is gone ({problem.what})",
            f"make compare tries again; to give it up and compare anew, remove {batch.folder}",
        ) from problem
    if not operation.ended or (fetch.must_have_file(operation) and not has_file):
        click.echo(f"{batch.batch_id} is {operation.state}. Next: make compare, to finish")
        return False
    if not has_file:
        submit.clean_up(batch)
        batch.add("refused", reason=operation.state)
        raise Problem(batch.batch_id, f"ended as {operation.state}", "make compare begins anew")
    with database.transaction(db):  # whatever the file is worth, it was billed
        usage.note(db, (usage.row(paid) for paid in compare.of_batch(batch).paid))
    check = results.check_file(batch)
    if check.faults:
        raise Problem(batch.responses, check.faults[0], "Look at it, or remove the folder")
    submit.clean_up(batch)
    batch.add("settled")
    return True


def _ask_now(batch: Batch, model: str, db: Database) -> None:
    """The same requests in real time, one after the other; each answer is kept as it came."""
    requests = (batch.folder / "requests.jsonl").open("rb")
    with requests, tqdm(batch.lines, "real time", unit=" pages", disable=None, leave=False) as bar:
        for line, raw in zip(bar, requests, strict=True):
            if not compare.asked(batch, line["index"]):
                _ask_one(batch, line, orjson.loads(raw)["request"], model)
    with database.transaction(db):
        usage.note(db, (usage.row(paid) for paid in compare.of_real_time(batch).paid))


def _ask_one(batch: Batch, line: Line, request: dict[str, Any], model: str) -> None:
    saved = compare.real_time_answer(batch, line["index"], states.now())
    try:
        with files.appearing(saved, reserve=files.ANSWER_BYTES) as file:
            file.write(calls.generate(model, request))
    except ApiProblem as problem:
        if problem.stops_the_run:
            raise
        # It may have been paid for: it is not asked again.
        batch.add("real_time_failed", index=line["index"], reason=problem.what)


def _show(batch: Batch) -> None:
    now, later = compare.of_real_time(batch), compare.of_batch(batch)
    click.echo(f"{len(batch.lines)} pages of {batch.folder}, {compare.model(batch)}")
    names = ("answers", "tokens in", "cached", "tokens out", "thinking", "dollars")
    click.echo(f"{'way':<10}" + "".join(f"{name:>12}" for name in names))
    for name, way in (("real time", now), ("batch", later)):
        counts = (
            len(way.paid),
            way.tokens("prompt_token_count"),
            way.tokens("cached_content_token_count"),
            way.tokens("candidates_token_count"),
            way.tokens("thoughts_token_count"),
        )
        said = prices.dollars(way.usd) if way.usd is not None else "not known"
        click.echo(f"{name:<10}" + "".join(f"{count:>12,}" for count in counts) + f"{said:>12}")
    _show_ratio(now, later)
    both = compare.difference(now, later)
    click.echo(
        f"readings: {both.pages} of {len(batch.lines)} pages read both ways, {both.rows_both} rows"
        f" found by both, {both.rows_one} by one of them; characters that differ: {both.rate:.1%}"
    )
    click.echo(f"To compare anew, remove {batch.folder}")


def _show_ratio(now: Way, later: Way) -> None:
    same = later.usd_in_real_time
    if not (now.usd and same) or later.usd is None:
        return
    click.echo(
        f"batch: {later.usd / now.usd:.2f} of real time as billed,"
        f" {later.usd / same:.2f} for the same tokens; one half is 0.50"
    )


if __name__ == "__main__":
    main()
