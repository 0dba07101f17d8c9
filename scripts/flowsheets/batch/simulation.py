"""A corpus from its first page to its last on a simulated clock and API, by the planner of the run.

The planner is `plan.py`, and it is asked as `make batch-run` asks it. What is simulated is the
world: how long batches take, which fail, expire or are refused. Same seed, same course.
"""

import heapq
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from flowsheets.batch import plan
from flowsheets.batch.course import Course, Moment, Sent, World
from flowsheets.batch.plan import Limits, PageSize, Refusal, State, Step, Trial, Unsent

# The API gives a batch up after so many hours (documented).
EXPIRES = 48.0
MAX_ATTEMPTS = 3
NOTHING_FOR = 14 * 24.0  # hours without any result, after which a person has long acted
MOST_STEPS = 400_000  # a planner that would do nothing sensible for ever ends here


def simulate(
    pages: int,
    limits: Limits,
    page: PageSize,
    world: World,
    seed: int = 0,
    usd_a_page: Decimal | None = None,
) -> Course:
    """Let the planner send so many pages; `usd_a_page` is what one is expected to cost."""
    run = _Run(pages, limits, page, world, random.Random(seed), float(usd_a_page or 0))
    return run.to_the_end()


@dataclass
class _Refused:
    what: Refusal  # its age is counted from `at`
    at: float


class _Run:
    """The state of the world, and what each step of the planner does to it."""

    def __init__(
        self,
        pages: int,
        limits: Limits,
        page: PageSize,
        world: World,
        chance: random.Random,
        usd_a_page: float,
    ) -> None:
        self.limits = limits
        self.page = page
        self.world = world
        self.chance = chance
        self.usd_a_page = usd_a_page
        self.hour = 0.0
        self.undrawn = pages
        self.waiting = Counter({1: 0})  # attempt -> drawn pages that may go
        self.paused: list[tuple[float, int, int]] = []  # (until, pages, attempt)
        self.failures_in_a_row = 0
        self.unsent: list[tuple[int, int]] = []  # (attempt, pages) of the folder that is built
        self.uploaded = False
        self.out: list[tuple[float, int]] = []  # a heap of (ends, number)
        self.refusals: list[_Refused] = []
        self.trial = Trial(0, 0, 0, False)
        self.usd = 0.0
        self.pages_sent = 0
        self.course = Course(pages)
        self.last_result = 0.0

    def to_the_end(self) -> Course:
        self._look()
        for _ in range(MOST_STEPS):
            step = plan.next_step(self._state(), self.limits, self.page)
            if step.do in ("done", "stop"):
                self.course.stopped = step.why
                return self._ended()
            if step.do == "wait":
                if ahead := plan.draw_ahead(self._state(), self.limits, self.page):
                    self._draw(ahead)  # meanwhile a batch may have ended: the planner is asked anew
                    continue
                if not self._wait(step):
                    self.course.stopped = f"waits for ever: {step.why}"
                    return self._ended()
                if self.hour - self.last_result > NOTHING_FOR:
                    self.course.stopped = "nothing comes back for 14 days"
                    return self._ended()
            else:
                self._do(step)
        self.course.stopped = "goes round in circles"
        return self._ended()

    def _ended(self) -> Course:
        self._look()
        return self.course

    # --- what the planner sees ------------------------------------------------------------------

    def _state(self) -> State:
        batches = self.course.batches
        tokens_out = sum(batches[number].tokens for _, number in self.out)
        kept = sum(batches[number].bytes for _, number in self.out)
        pages_out = sum(batches[number].pages for _, number in self.out)
        built = sum(pages for _, pages in self.unsent)
        upload = 0 if self.uploaded else built * self.page.bytes
        return State(
            waiting=self.waiting.total(),
            undrawn=self.undrawn,
            paused=sum(pages for _, pages, _ in self.paused),
            paused_for=timedelta(
                hours=max(min((until for until, *_ in self.paused), default=0) - self.hour, 0)
            ),
            batches_out=len(self.out),
            tokens_out=tokens_out,
            bytes_kept=kept + (built * self.page.bytes if self.uploaded else 0),
            usd_out=Decimal(pages_out) * (self.page.usd or 0),
            unsent=Unsent(built, built * self.page.tokens, upload, True) if built else None,
            refusals=tuple(self._refusals()),
            trial=self.trial._replace(out=0 if self.trial.passed else pages_out),
        )

    def _refusals(self) -> Iterator[Refusal]:
        for one in self.refusals:
            yield one.what._replace(age=timedelta(hours=self.hour - one.at))

    # --- what its steps do ----------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if step.do == "draw":
            self._draw(step.pages)
        elif step.do == "build":
            self.unsent = list(self._taken(step.pages))
        elif step.do == "give_back":
            self._give_back()
        else:
            self._send()

    def _draw(self, pages: int) -> None:
        self.undrawn -= pages
        self.waiting[1] += pages
        self._pass(pages / self.world.pages_a_second / 3600)

    def _taken(self, pages: int) -> Iterator[tuple[int, int]]:
        for attempt in sorted(self.waiting):
            taken = min(pages, self.waiting[attempt])
            if taken:
                self.waiting[attempt] -= taken
                pages -= taken
                yield attempt, taken

    def _give_back(self) -> None:
        for attempt, pages in self.unsent:
            self.waiting[attempt] += pages
        self.unsent, self.uploaded = [], False
        self.course.given_back += 1

    def _send(self) -> None:
        state = self._state()
        assert state.unsent
        if not self.uploaded:
            self._pass(state.unsent.bytes / self.world.bytes_a_second / 3600)
            self.uploaded = True
        total = state.tokens_out + state.unsent.tokens
        if self._is_refused(total):
            fits = plan.fits_after_refusal(state.tokens_out, state.unsent.tokens, self.page.tokens)
            refusal = Refusal("tokens", total, fits, timedelta(), True)
            self.refusals.append(_Refused(refusal, self.hour))
            self.course.refused += 1
            return
        held = plan.still_held(state.refusals, "tokens", total)
        self.refusals = [
            _Refused(one.what._replace(in_a_row=False), one.at)
            for one, holds in zip(self.refusals, held, strict=True)
            if holds
        ]
        self._create(self.unsent)
        if not self.course.waves or self.course.waves[-1] < self.hour - 0.5:
            self.course.waves.append(self.hour)
        self.unsent, self.uploaded = [], False
        self._look()

    def _is_refused(self, total: int) -> bool:
        world = self.world
        if world.refused_from <= self.hour < world.refused_from + world.refused_hours:
            return True
        return total > (world.tokens or self.limits.tokens) or self._happens(world.refused)

    def _create(self, parts: list[tuple[int, int]]) -> None:
        pages = sum(count for _, count in parts)
        # A few pages wait their turn as well: a quarter of the time is not the pages'.
        median = self.world.hours * (0.25 + 0.75 * pages / 1000)
        hours = median * math.exp(self.chance.gauss(0, self.world.spread))
        outcome = "SUCCEEDED"
        if self._happens(self.world.failed_batches):
            outcome = "FAILED"
        if self._happens(self.world.stalled) or hours > EXPIRES:
            outcome, hours = "EXPIRED", EXPIRES
        number = len(self.course.batches)
        sent = Sent(
            number,
            self.hour,
            self.hour + hours,
            parts,
            pages * self.page.tokens,
            pages * self.page.bytes,
            outcome,
        )
        self.course.batches.append(sent)
        self.pages_sent += pages
        heapq.heappush(self.out, (sent.ends, number))

    # --- time -----------------------------------------------------------------------------------

    def _wait(self, step: Step) -> bool:
        """On to the next moment at which something may be otherwise; false where there is none."""
        moments = [until for until, *_ in self.paused]
        if step.again is not None:
            moments.append(self.hour + step.again.total_seconds() / 3600)
        day = plan.BELIEVED_FOR.total_seconds() / 3600
        moments += [one.at + day for one in self.refusals]
        later = [moment for moment in moments if moment > self.hour]
        if self.out:  # one that takes no time at all is over by the next look
            later.append(max(self.out[0][0], self.hour))
        if not later:
            return False
        waited = min(later) - self.hour + 1 / 60  # cron comes round once a minute
        self.course.waited[step.why] = self.course.waited.get(step.why, 0.0) + waited
        self._pass(waited)
        return True

    def _pass(self, hours: float) -> None:
        self.hour += hours
        while self.out and self.out[0][0] <= self.hour:
            self._end(self.course.batches[heapq.heappop(self.out)[1]])
        for pause in [pause for pause in self.paused if pause[0] <= self.hour]:
            self.paused.remove(pause)
            self.waiting[pause[2]] += pause[1]

    def _end(self, sent: Sent) -> None:
        if sent.outcome == "EXPIRED":
            for attempt, pages in sent.parts:
                self.waiting[attempt] += pages
        elif sent.outcome == "FAILED":
            self.failures_in_a_row += 1
            pause = min(2 ** (self.failures_in_a_row - 1), 24)
            self.paused += [(self.hour + pause, pages, attempt) for attempt, pages in sent.parts]
        else:
            self._apply(sent)
        self._look()

    def _apply(self, sent: Sent) -> None:
        self.failures_in_a_row = 0
        self.last_result = self.hour
        self.usd += sent.pages * self.usd_a_page
        failed = 0
        for attempt, pages in sent.parts:
            of_these = self._some_of(pages, self.world.failed_pages)
            if attempt < MAX_ATTEMPTS:
                self.waiting[attempt + 1] += of_these
            else:
                self.course.out_of_tries += of_these
            failed += of_these
        self.course.completed += sent.pages - failed
        if not self.trial.passed:
            self.trial = self.trial._replace(
                completed=self.trial.completed + sent.pages - failed,
                failed=self.trial.failed + failed,
            )

    def _look(self) -> None:
        state = self._state()
        self.course.moments.append(
            Moment(
                self.hour,
                self.pages_sent,
                self.course.completed + self.course.out_of_tries,
                state.batches_out,
                state.tokens_out,
                state.bytes_kept,
                self.usd,
            )
        )

    # --- chance ---------------------------------------------------------------------------------

    def _happens(self, share: float) -> bool:
        return self.chance.random() < share

    def _some_of(self, pages: int, share: float) -> int:
        """How many of them it happens to."""
        if pages > 10_000:  # a normal distribution is as good, and quick
            about = self.chance.gauss(pages * share, math.sqrt(pages * share * (1 - share)))
            return min(max(round(about), 0), pages)
        return sum(self._happens(share) for _ in range(pages))
