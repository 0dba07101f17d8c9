"""Real time, the default way: waiting pages to Gemini, one call a page, and to results/ at once.

    python scripts/process.py --limit 50 --jobs 4

Each response is on disk, verbatim, before it is read. A page whose response holds no page is
`failed`; what would meet every page (a wrong key, no network, no quota, the same refusal each time)
stops the run, with no try counted. With `--tier flex` at half the price, and slower: the API takes
its time, and refuses more often.
"""

import base64
import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import click
from tqdm import tqdm

from flowsheets import files, lock, paths, settings
from flowsheets.batch import budget, prompt_cache, recover, restore, results, runs
from flowsheets.batch.results import Outcome, Tally
from flowsheets.errors import Command, Count, Problem, Switch, warn
from flowsheets.gemini import calls, door
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, date_checks, states
from flowsheets.jobs.database import Database
from flowsheets.money import usage
from flowsheets.page.encoding import Encoded, encoded
from flowsheets.page.request import page_request, setting_refused
from flowsheets.page.response import Unread
from flowsheets.paths import PageId
from flowsheets.settings import Settings

LIMIT = 50

MODES = {"": "realtime", "standard": "realtime", "flex": "flex"}  # by TIER

# So many pages refused alike, and nothing else came: no other page would fare better.
REFUSED_ENOUGH = 3

NO_IMAGE = Unread("no_image", "the page's image is missing; make render", ran=False)


class NoImage(Exception):
    """The page's image went away since the page was claimed."""


@click.command(cls=Command)
@click.option("--limit", type=Count("LIMIT", LIMIT), default=LIMIT)
@click.option("--jobs", "workers", type=Count("JOBS"), default="")
@click.option("--tier", default="")
@click.option("--batch", type=Switch("BATCH"), default="")
def main(limit: int, workers: int | None, tier: str, batch: bool) -> None:
    """Turn rendered pages into results now, in real time."""
    if batch:  # for which the Makefile runs other scripts
        raise Problem("BATCH", "1 is not for this script", "Run make batch-submit")
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
    recover.run_beside(db, config)
    restore.refuse_while_pages_are_unknown(db, config.data_root)
    waiting = states.choose(db, config.data_root, limit, config.max_attempts).waiting
    budget.hold_to_limit(db, config, len(waiting), (mode,))
    if waiting:
        door.now().check(mode)
    claimed = states.claim(
        db, config.data_root, limit, config.max_attempts, "processing", asked=config.model
    )
    for page in claimed.set_back:
        click.echo(f"{page}: its row was set back, so it is read again; its old result is kept")
    if not claimed.pages:
        return Tally()
    cached_content = None
    try:
        cached_content = prompt_cache.for_run(db, config)
        return Run(db, config, claimed.pages, cached_content, mode).read_all(workers)
    finally:
        # Whatever stopped the run, a full disk say: a response that is saved was billed and is
        # used, now or by the next command; what was not asked goes back to the queue.
        recover.take_in_real_time(db, config)
        prompt_cache.end_run(db, cached_content)


class Run:
    """One run over claimed pages: a call a page, side by side, each applied as it comes."""

    def __init__(
        self,
        db: Database,
        config: Settings,
        pages: list[PageId],
        cached_content: str | None,
        mode: str,
    ) -> None:
        self.db = db
        self.config = config
        self.pages = pages
        self.cached_content = cached_content
        self.mode = mode
        self.asked = runs.note(config)
        self.tally = Tally()
        self.calls: dict[Future[Path], PageId] = {}  # those that are not applied yet
        self.refused: dict[PageId, ApiProblem] = {}  # unpaid refusals, while nothing else came

    def read_all(self, workers: int) -> Tally:
        """Ask for each page, apply each response. Raises what stops the run."""
        pool = ThreadPoolExecutor(workers)
        self.calls = {pool.submit(self._ask, page): page for page in self.pages}
        try:
            self._apply_as_they_come()
        except KeyboardInterrupt:
            _ignore_a_second_interrupt()
            raise
        finally:
            pool.shutdown(cancel_futures=True)  # calls under way are billed: wait for them
            self._apply_what_came()
        self._end_refused()
        return self.tally

    def _apply_as_they_come(self) -> None:
        bar = tqdm(total=len(self.pages), desc="process", unit=" pages", disable=None, leave=False)
        with bar:
            for call in as_completed(list(self.calls)):
                self._apply(self.calls.pop(call), call)
                bar.update()

    def _apply_what_came(self) -> None:
        """After a stop: responses that came meanwhile were billed."""
        for call, page in self.calls.items():
            if not call.cancelled() and call.exception() is None:
                self._read(page, call.result())

    def _apply(self, page: PageId, call: "Future[Path]") -> None:
        try:
            saved = call.result()
        except NoImage:
            self._settle(Outcome(page, NO_IMAGE, self.config.model))
        except ApiProblem as problem:
            self._fail(page, problem)
        else:
            self._read(page, saved)
            self._charge_refused()

    def _read(self, page: PageId, saved: Path) -> None:
        self._settle(recover.read_saved(page, saved, self.config.model, self.asked))

    def _settle(self, outcome: Outcome) -> None:
        self.tally += results.apply(self.db, self.config.data_root, [outcome], old="processing")

    # What meets every page is charged to none: as long as nothing but refusals came, they wait.

    def _fail(self, page: PageId, problem: ApiProblem) -> None:
        """Raises it where no other page would fare better."""
        if problem.stops_the_run:
            raise problem
        if problem.may_be_billed:
            self._settle_failed(page, problem, billed=True)
            return
        self.refused[page] = problem
        if self.tally.completed + self.tally.failed:
            self._charge_refused()
        elif len(self.refused) >= REFUSED_ENOUGH and self._refused_alike():
            raise problem

    def _refused_alike(self) -> bool:
        return len({problem.what for problem in self.refused.values()}) == 1

    def _charge_refused(self) -> None:
        """Another page fared better: each refusal is its own page's."""
        for page, problem in self.refused.items():
            self._settle_failed(page, problem, billed=False)
        self.refused = {}

    def _end_refused(self) -> None:
        """The run is over. Where nothing but one refusal came, it is no page's own."""
        if self.refused and self._refused_alike():
            raise next(iter(self.refused.values()))
        self._charge_refused()

    def _settle_failed(self, page: PageId, problem: ApiProblem, billed: bool) -> None:
        unread = Unread(problem.kind, problem.what)
        answer = None
        if billed:  # its tokens are not known
            model, at = self.config.model, states.now()
            answer = usage.Answer(page, None, self.mode, model, model, None, at)
        self._settle(Outcome(page, unread, self.config.model, answer))

    # --- one call, in a thread of its own -------------------------------------------------------

    def _ask(self, page: PageId) -> Path:
        """One page's call. The response is on disk before anything reads it.

        Raises `ApiProblem`, and `NoImage`.
        """
        data_root = self.config.data_root
        try:
            image = paths.png(data_root, page).read_bytes()
        except OSError as error:
            raise NoImage from error
        saved = paths.real_time_response(data_root, page, states.now(), self.mode)
        # The room is taken before the call: a disk that fills up meanwhile loses no response.
        with files.appearing(saved, reserve=files.ANSWER_BYTES) as file:
            file.write(self._response(image))
        return saved

    def _response(self, image: bytes) -> bytes:
        sent = encoded(image, self.config.page_encoding)
        try:
            return self._generate(sent, self.cached_content)
        except ApiProblem as problem:
            if self.mode == "flex" and _refuses_the_tier(problem):
                fix = "Give TIER=standard, or take a batch"
                raise Problem("TIER", problem.what, fix) from problem
            if problem.code == 400 and (refused := setting_refused(problem.what)):
                raise refused from problem
            if not self.cached_content or not problem.gone:
                raise
            # The cache outlived its hour: refused, so not billed, and asked again without.
            return self._generate(sent, None)

    def _generate(self, image: Encoded, cached_content: str | None) -> bytes:
        tier = "flex" if self.mode == "flex" else None
        data = base64.b64encode(image.content).decode("ascii")
        body = page_request(data, self.config, cached_content, tier, image.mime_type)
        return calls.generate(self.config.model, body)


def _refuses_the_tier(problem: ApiProblem) -> bool:
    return problem.code == 400 and bool(re.search("tier|flex", problem.what, re.IGNORECASE))


def _ignore_a_second_interrupt() -> None:
    """It would lose what is paid for."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    warn("stopping; waiting for the responses that are under way, which are billed")


if __name__ == "__main__":
    main()
