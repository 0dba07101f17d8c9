"""What a run does next: how many pages go out now, or why none do, and when to look again.

Pure: no file, no API and no clock, so that `make batch-run` asks it about what is, and
`make simulate` about what may come. A run asks again after each step, until it is told to wait.

What is believed to fit: the limits, and what was refused of late. A create that the API refuses
with 429 leaves room for what was out and half of what was asked, for a day, or until as much is
accepted: so the limit is found, should it be lower than said, between what was taken and what was
not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from flowsheets.gemini.room import DEVELOPER

TRIAL_PAGES = 10  # the first of a new model, prompt or setting
BELIEVED_FOR = timedelta(hours=24)
# After a refusal: so long until the next create, twice as long after the next one, and so on.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=4)
DISK_KEPT_FREE = 500_000_000  # bytes, for responses, results and whoever else uses the disk
AHEAD_BATCHES = 5  # drawn ahead at most; and one wave at most
DRAWN_AT_ONCE = 1000  # pages of one step, so that a run looks around in between

Do = Literal["send", "give_back", "build", "draw", "wait", "stop", "done"]
Why = Literal[
    "",
    "tokens",  # what is out leaves no room below the limit of enqueued tokens
    "believed",  # the same, and the limit is what is believed since a refusal
    "batches",  # 100 are open
    "bytes",  # of files at the API
    "usd",  # MAX_USD
    "disk",  # of this machine
    "refused",  # a create was refused a short while ago
    "trial",  # the first ten pages are out
    "trial_failed",
    "bucket",  # its first batch is one page, and is out
    "paused",  # all pages that wait failed together, and wait for their pause to end
    "results",  # all pages are out
]


IN_WORDS: dict[str, str] = {
    "tokens": "the limit of enqueued tokens",
    "believed": "a smaller limit, believed after a refusal",
    "batches": "the limit of open batches",
    "bytes": "the limit of files at the API",
    "usd": "MAX_USD",
    "disk": "the disk",
    "refused": "a pause after a refusal",
    "trial": "the first ten pages",
    "trial_failed": "most of the first ten pages failed",
    "bucket": "the first page in this bucket",
    "paused": "a pause after a failure of everybody",
    "results": "the last batches",
}


class Refusal(NamedTuple):
    """A create or an upload that the API had no room for."""

    what: Literal["tokens", "bytes"]
    total: int  # what would have been out with it
    fits: int  # what is believed since
    age: timedelta
    in_a_row: bool  # nothing was accepted since


class Trial(NamedTuple):
    """What came of the first pages of a request as it is now: model, prompt and settings."""

    completed: int
    failed: int
    out: int  # pages in open batches
    proven: bool  # noted before, or a person said so

    @property
    def passed(self) -> bool:
        enough = self.completed * 2 >= TRIAL_PAGES and self.completed >= self.failed
        return self.proven or enough

    @property
    def lost(self) -> bool:
        """More than half of the ten failed, so no more go out."""
        return not self.passed and self.failed * 2 > TRIAL_PAGES

    @property
    def left(self) -> int:
        """Pages that are still to be tried."""
        return max(TRIAL_PAGES - self.completed - self.failed, 1)


PROVEN = Trial(0, 0, 0, True)


class Unsent(NamedTuple):
    """A folder that is built, and has no batch yet."""

    pages: int
    tokens: int
    bytes: int  # still to be uploaded
    free: bool  # its pages may be given back: no create of it is unclear
    ours: bool = True  # it was built for the door that is open now


@dataclass(frozen=True)
class Limits:
    """What may be out at once, and in one batch. `usd` None: no limit."""

    tokens: int = DEVELOPER.tokens[1]
    batches: int = DEVELOPER.batches
    bytes: int = DEVELOPER.stored
    batch_pages: int = 1000
    usd: Decimal | None = None


class PageSize(NamedTuple):
    """What one page takes: tokens enqueued, bytes uploaded, bytes on this disk, dollars held."""

    tokens: int
    bytes: int
    disk: int
    usd: Decimal | None = None


@dataclass(frozen=True)
class State:
    """What is, as the planner needs it.

    `paused_for`: until the first of the paused may go. `bucket_pages`: what may go into a bucket
    that has proven nothing yet: one page, then none until that one has come; None: any.
    """

    waiting: int = 0  # pages with an image, which may go
    undrawn: int = 0  # pages that want one
    paused: int = 0
    paused_for: timedelta = timedelta()
    batches_out: int = 0
    tokens_out: int = 0
    bytes_kept: int = 0  # of uploads that live at the API
    usd_out: Decimal = Decimal(0)
    unsent: Unsent | None = None
    refusals: tuple[Refusal, ...] = ()
    trial: Trial = PROVEN
    bucket_pages: int | None = None
    disk_free: int = 10**15


class Step(NamedTuple):
    """What to do, with how many pages; of `wait`, when to look again (None: when one has ended)."""

    do: Do
    pages: int = 0
    why: Why = ""
    again: timedelta | None = None


def next_step(state: State, limits: Limits, page: PageSize) -> Step:
    """The one decision. `wait`, `stop` (a person must act) and `done` end a run."""
    pause = pause_left(state.refusals)
    if state.unsent:
        return _about_unsent(state.unsent, state, limits, page, pause)
    if not state.waiting + state.undrawn:
        return _nothing_to_send(state)
    if state.trial.lost:
        return Step("stop", why="trial_failed")
    if pause:
        return Step("wait", why="refused", again=pause)
    if not state.trial.passed and state.trial.out:
        return Step("wait", why="trial")
    return _about_pages(state, limits, page)


def draw_ahead(state: State, limits: Limits, page: PageSize) -> int:
    """Pages to draw while the run waits anyway: those of the next wave, as the disk has room."""
    if state.trial.lost or state.unsent:
        return 0
    wave = _room(_nothing_out(state), limits, page)
    wanted = min(wave.pages, AHEAD_BATCHES * limits.batch_pages) - state.waiting
    return max(min(wanted, state.undrawn, DRAWN_AT_ONCE, _disk_room(state, page)), 0)


# --- what was refused -----------------------------------------------------------------------------


def believed(limit: int, what: str, refusals: Iterable[Refusal]) -> int:
    """The limit, or less where more was refused within the last day."""
    fits = (one.fits for one in refusals if one.what == what and one.age < BELIEVED_FOR)
    return min([limit, *fits])


def fits_after_refusal(out: int, asked: int, page: int) -> int:
    """What is believed after `asked` was refused on top of `out`: what is out, and half of it.

    At least ten pages of `page` each: less would try nothing.
    """
    return max(out + asked // 2, TRIAL_PAGES * page)


def still_held(refusals: Sequence[Refusal], what: str, total: int) -> list[bool]:
    """Of each refusal, whether it says anything after so much is out and was accepted.

    One of no more than that does not. Where it was in a row of refusals, size was not what these
    were about, and none of the row does.
    """
    below = [one.what == what and one.total <= total for one in refusals]
    not_by_size = any(one.in_a_row and under for one, under in zip(refusals, below, strict=True))
    return [
        not (under or (not_by_size and one.in_a_row and one.what == what))
        for one, under in zip(refusals, below, strict=True)
    ]


def pause_left(refusals: Iterable[Refusal]) -> timedelta:
    """How long no create is tried after refusals in a row; 0 where it may be."""
    ages = [one.age for one in refusals if one.in_a_row and one.age < BELIEVED_FOR]
    if not ages:
        return timedelta()
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(len(ages) - 1, 10), LONGEST_PAUSE)
    return max(pause - min(ages), timedelta())


# --- parts of the decision ------------------------------------------------------------------------


class _Room(NamedTuple):
    pages: int
    why: Why  # what leaves no more room


def _about_unsent(
    unsent: Unsent, state: State, limits: Limits, page: PageSize, pause: timedelta
) -> Step:
    """A folder goes first. One that can never fit gives its pages back, for smaller ones."""
    if not unsent.free:  # the API may have it: whether it does is looked up, whatever fits
        return Step("send", unsent.pages)
    if not unsent.ours:
        return Step("give_back", unsent.pages)
    fits = believed(limits.tokens, "tokens", state.refusals)
    if unsent.tokens > max(fits, TRIAL_PAGES * page.tokens):
        return Step("give_back", unsent.pages, "believed")
    if pause:
        return Step("wait", why="refused", again=pause)
    if state.batches_out >= limits.batches:
        return Step("wait", why="batches")
    if state.tokens_out and state.tokens_out + unsent.tokens > fits:
        return Step("wait", why="tokens" if fits == limits.tokens else "believed")
    if state.bytes_kept and state.bytes_kept + unsent.bytes > believed(
        limits.bytes, "bytes", state.refusals
    ):
        return Step("wait", why="bytes")
    if _too_dear(unsent.pages, state, limits, page):
        return Step("wait" if state.usd_out else "stop", why="usd")
    return Step("send", unsent.pages)


def _nothing_to_send(state: State) -> Step:
    if state.batches_out:
        return Step("wait", why="results")
    if state.paused:
        return Step("wait", why="paused", again=state.paused_for)
    return Step("done")


def _about_pages(state: State, limits: Limits, page: PageSize) -> Step:
    """The next batch: as large as fits, and no crumbs while larger ones are out."""
    room = _room(state, limits, page)
    left = state.waiting + state.undrawn
    empty = _room(_nothing_out(state), limits, page)
    least = max(min(left, limits.batch_pages // 10, empty.pages // 2), 1)
    if room.pages < least:
        may_change = state.batches_out or state.bytes_kept or state.tokens_out or state.usd_out
        waits = may_change or room.why == "bucket"
        return Step("wait" if waits else "stop", why=room.why)
    wanted = min(room.pages, left)
    if state.waiting < wanted and state.undrawn:
        drawn = min(wanted - state.waiting, state.undrawn, DRAWN_AT_ONCE, _disk_room(state, page))
        if drawn > 0:
            return Step("draw", drawn)
    built = min(wanted, state.waiting, _spare(state) // page.bytes)
    if built <= 0:
        return Step("wait" if state.batches_out else "stop", why="disk")
    return Step("build", built)


def _room(state: State, limits: Limits, page: PageSize) -> _Room:
    """Pages that the next batch may have, and what keeps it from having more."""
    tokens = believed(limits.tokens, "tokens", state.refusals)
    stored = believed(limits.bytes, "bytes", state.refusals)
    rooms = [
        _Room(limits.batch_pages if state.batches_out < limits.batches else 0, "batches"),
        _Room(
            (tokens - state.tokens_out) // page.tokens,
            "tokens" if tokens == limits.tokens else "believed",
        ),
        _Room((stored - state.bytes_kept) // page.bytes, "bytes"),
    ]
    if limits.usd is not None and page.usd:
        rooms.append(_Room(int((limits.usd - state.usd_out) / page.usd), "usd"))
    if not state.trial.passed:
        rooms.append(_Room(state.trial.left, "trial"))
    if state.bucket_pages is not None:
        rooms.append(_Room(state.bucket_pages, "bucket"))
    least = min(rooms, key=lambda room: room.pages)
    return _Room(max(least.pages, 0), least.why)


def _nothing_out(state: State) -> State:
    """What limits the next wave, once all that is out has come."""
    bucket = None if state.bucket_pages is None else 1
    return State(refusals=state.refusals, trial=state.trial, bucket_pages=bucket)


def _too_dear(pages: int, state: State, limits: Limits, page: PageSize) -> bool:
    if limits.usd is None or page.usd is None:
        return False
    return state.usd_out + pages * page.usd > limits.usd


def _disk_room(state: State, page: PageSize) -> int:
    return _spare(state) // page.disk


def _spare(state: State) -> int:
    """Bytes of this machine's disk that may be filled."""
    return max(state.disk_free - DISK_KEPT_FREE, 0)
