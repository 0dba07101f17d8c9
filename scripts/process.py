"""Real time, the default way: waiting pages to Gemini, one call a page, and to results/ at once.

    python scripts/process.py --limit 50 --jobs 4

Each answer is on disk, verbatim, before it is read. A page whose answer is no use is `failed`; what
would stop every page (a wrong key, no network, no quota) stops the run, with no try counted. With
`--tier flex` at half the price, and slower: the API takes its time, and says no more often.
"""

import base64
import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import click
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import files, lock, paths, settings
from flowsheets.batch import budget, prompt_cache, recover, results
from flowsheets.batch.results import Outcome, Tally
from flowsheets.errors import Command, Count, Problem, warn
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, date_checks, states
from flowsheets.page.request import page_request, setting_refused
from flowsheets.page.response import Unread
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 50

MODES = {"": "realtime", "standard": "realtime", "flex": "flex"}  # by TIER

Answer = Path | Unread  # the saved answer of a page, or why there was no call


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--jobs", "workers", type=Count("JOBS"), default="")
@click.option("--tier", default="")
def main(limit: int, workers: int | None, tier: str) -> None:
    """Read waiting pages now."""
    mode = MODES.get(tier.strip().lower())
    if mode is None:
        raise Problem("TIER", f"{tier!r} is unknown", "Give TIER=flex, TIER=standard, or none")
    config = settings.load()
    db = database.connect(config.data_root)
    began = states.now()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: in good order
    try:
        with lock.held(config.data_root, "process"):
            tally = _process(db, config, limit, workers or config.process_concurrency, mode)
    except lock.Held as held:
        click.echo(f"nothing processed: {held.holder} is at work on the pages")
        return
    click.echo(f"processed {tally.pages} pages: {tally}. Next: make status")
    if to_check := date_checks.line(db, began, in_batches=False):
        click.echo(to_check)


def _process(db: Database, config: Settings, limit: int, workers: int, mode: str) -> Tally:
    recover.older_jobs_db(db, config.data_root)
    recover.settle_dead_run(db, config)
    waiting = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    budget.hold_to_limit(db, config, len(waiting), (mode,))
    pages = states.claim(
        db, config.data_root, limit, config.max_attempts, "processing", asked=config.model
    )
    if not pages:
        return Tally()
    cached_content = None
    try:
        cached_content = prompt_cache.for_run(db, config)
        return _read_all(db, config, pages, workers, cached_content, mode)
    finally:
        # Whatever stopped the run, a full disk say: an answer that is saved was paid for and is
        # used, now or by the next command; what was not asked goes back to the queue.
        recover.settle_dead_run(db, config)
        prompt_cache.end_run(db, cached_content)


def _read_all(
    db: Database,
    config: Settings,
    pages: list[PageId],
    workers: int,
    cached_content: str | None,
    mode: str,
) -> Tally:
    """Ask for the pages side by side, settle each as it comes. Raises what stops the run."""
    tally = Tally()
    pool = ThreadPoolExecutor(workers)
    open_calls = {pool.submit(_ask, page, config, cached_content, mode): page for page in pages}
    try:
        bar = tqdm(total=len(pages), desc="process", unit=" pages", disable=None, leave=False)
        for call in as_completed(list(open_calls)):
            tally += _settle(db, config, open_calls.pop(call), call)
            bar.update()
        bar.close()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one would lose what is paid for
            signal.signal(number, signal.SIG_IGN)
        warn("stopping; waiting for the answers that are under way, which are paid for")
        raise
    finally:
        # After Ctrl-C, or a stop: calls under way are paid for, so their answers are waited for.
        pool.shutdown(cancel_futures=True)
        for call, page in open_calls.items():
            if not call.cancelled() and call.exception() is None:
                _settle(db, config, page, call)
    return tally


def _ask(page: PageId, config: Settings, cached_content: str | None, mode: str) -> Answer:
    """One page's call, in a thread of its own. The answer is on disk before anybody reads it."""
    try:
        image = paths.png(config.data_root, page).read_bytes()
    except OSError:
        return Unread("no_image", "the page's image is missing; make render", ran=False)
    saved = paths.real_time_response(config.data_root, page, states.now(), mode)
    # The room is taken before the call: a disk that fills up meanwhile loses no paid answer.
    with files.appearing(saved, reserve=files.ANSWER_BYTES) as file:
        file.write(_answer(image, config, cached_content, mode))
    return saved


def _answer(image: bytes, config: Settings, cached_content: str | None, mode: str) -> bytes:
    encoded = base64.b64encode(image).decode("ascii")
    tier = "flex" if mode == "flex" else None
    try:
        body = page_request(encoded, config, cached_content, tier)
        return calls.generate(config.model, body)
    except ApiProblem as problem:
        if tier and problem.code == 400 and re.search("tier|flex", problem.what, re.IGNORECASE):
            raise Problem("TIER", problem.what, "Give TIER=standard, or take a batch") from problem
        if problem.code == 400 and (refused := setting_refused(problem.what)):
            raise refused from problem
        if not cached_content or problem.code not in (403, 404) or problem.key_refused:
            raise
        # The cache outlived its hour: refused, so not paid for, and asked again without.
        body = page_request(encoded, config, service_tier=tier)
        return calls.generate(config.model, body)


def _settle(db: Database, config: Settings, page: PageId, call: "Future[Answer]") -> Tally:
    try:
        answer = call.result()
    except ApiProblem as problem:
        if problem.for_every_page:  # no page is to lose a try to it
            raise
        answer = Unread(f"http_{problem.code or 0}", problem.what)
    if isinstance(answer, Unread):
        outcome = Outcome(page, answer, config.model)
    else:
        outcome = recover.read_saved(page, answer, config.model)
    return results.settle(db, config.data_root, [outcome], old="processing")


if __name__ == "__main__":
    main()
