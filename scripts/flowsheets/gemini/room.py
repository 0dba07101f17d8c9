"""How much each door takes at once, as Google documents it; nothing is made up where it is silent.

What the API refuses all the same is believed for a while: `batch/plan.py`.
"""

from datetime import timedelta
from typing import NamedTuple

NO_LIMIT = 10**15  # of tokens, batches or bytes: more than there ever is


class Room(NamedTuple):
    """Of one door. `tokens`: tier -> tokens of all open batches together; {}: no such limit."""

    tokens: dict[int, int]
    batches: int  # open at once
    stored: int  # bytes of uploads that live there
    batch_pages: int  # of one batch
    batch_bytes: int  # of one batch's requests, with their images
    given_up: timedelta  # after so long a batch ends, done or not


# Tokens are those of 3.1 Pro. Files are documented as 20 GB and 2 GB; whether in powers of two or
# of ten is not said, and results may count as well.
DEVELOPER = Room(
    tokens={1: 5_000_000, 2: 500_000_000, 3: 1_000_000_000},
    batches=100,
    stored=19_000_000_000,
    batch_pages=NO_LIMIT,
    batch_bytes=1_900_000_000,
    given_up=timedelta(hours=48),
)
# No quota of jobs or tokens is documented. Whether images that are named and not sent count as the
# 1 GB of input is not said; 72 h in the queue end a job, and so do 24 h of running.
VERTEX = Room(
    tokens={},
    batches=NO_LIMIT,
    stored=NO_LIMIT,
    batch_pages=200_000,
    batch_bytes=950_000_000,
    given_up=timedelta(hours=96),
)
