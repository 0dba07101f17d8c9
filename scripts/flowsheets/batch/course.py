"""A simulated world, and what came of the pages in it; times in hours from the start."""

from dataclasses import dataclass, field
from typing import NamedTuple

SHARES = ("stalled", "failed_batches", "failed_pages", "refused")


@dataclass(frozen=True)
class World:
    """What the API and the machine do; defaults are what was documented or measured by others.

    SHARES are 0 to 1, hours from the start.
    """

    hours: float = 4.3  # of a batch of 1,000 pages (a third party's, 467 MB); the median here
    spread: float = 0.5  # of its logarithm: one in twenty takes more than twice the median
    stalled: float = 0.01  # batches that end EXPIRED after 48 h, with no response (reported)
    failed_batches: float = 0.005  # FAILED as a whole
    failed_pages: float = 0.01  # tried again, up to three times
    refused: float = 0.02  # creates that get a 429 though there is room (python-genai #1901)
    refused_from: float = 0.0  # in these hours every create gets one
    refused_hours: float = 0.0
    tokens: int = 0  # what the API takes; 0: what the tier is said to take
    pages_a_second: float = 30.0  # drawn, on two cores
    bytes_a_second: float = 5e6  # uploaded


@dataclass
class Sent:
    """A batch of the simulation; times in hours from the start."""

    number: int
    at: float
    ends: float
    parts: list[tuple[int, int]]  # (attempt, pages): failed ones go again beside new ones
    tokens: int
    bytes: int
    outcome: str  # SUCCEEDED, FAILED, EXPIRED

    @property
    def pages(self) -> int:
        return sum(pages for _, pages in self.parts)


class Moment(NamedTuple):
    """What is at one time."""

    hour: float
    sent: int  # pages, those that went twice twice
    done: int  # pages with a result, or out of tries
    batches_out: int
    tokens_out: int
    bytes_kept: int
    usd: float  # spent so far


@dataclass
class Course:
    """What came of it. `stopped` is why a person would have to act, "" where all is done."""

    pages: int
    stopped: str = ""
    completed: int = 0
    out_of_tries: int = 0
    refused: int = 0
    given_back: int = 0
    batches: list[Sent] = field(default_factory=list)
    waves: list[float] = field(default_factory=list)  # hours in which something was sent
    moments: list[Moment] = field(default_factory=list)
    waited: dict[str, float] = field(default_factory=dict)  # why -> hours in which none was sent

    @property
    def hours(self) -> float:
        return self.moments[-1].hour if self.moments else 0.0

    @property
    def usd(self) -> float:
        return self.moments[-1].usd if self.moments else 0.0
