"""A comparison's folder, compare/<name>/: a batch's folder, and the same pages' real-time answers.

realtime/<index>.<time>.json  a real-time answer, verbatim; `time` is when it was asked for
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rapidfuzz.distance import Levenshtein
from sqlite_utils import Database
from tqdm import tqdm

from flowsheets import files, paths
from flowsheets.batch import aside, results
from flowsheets.batch.folder import Batch, page_of
from flowsheets.gemini import calls
from flowsheets.gemini.client import ApiProblem
from flowsheets.jobs import database, states
from flowsheets.money import usage
from flowsheets.page import response
from flowsheets.page.request import setting_refused
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading

Row = tuple[str, int]  # (position, row_index)


@dataclass
class Way:
    """What came of the pages in one way: what was paid, and the readings by index."""

    paid: list[usage.Answer] = field(default_factory=list)
    readings: dict[int, PageReading] = field(default_factory=dict)

    def tokens(self, name: str) -> int:
        return sum(getattr(answer.tokens, name) for answer in self.paid if answer.tokens)

    @property
    def usd(self) -> Decimal | None:
        """Dollars; None where one of the answers has no known price."""
        return _sum(usage.price(answer) for answer in self.paid)

    @property
    def usd_in_real_time(self) -> Decimal | None:
        """The same tokens at the price of real time."""
        return _sum(usage.price(answer, "realtime") for answer in self.paid)


class Difference(NamedTuple):
    """Two readings of the same pages; rows are matched by block and printed row."""

    pages: int  # read both ways
    rows_both: int
    rows_one: int
    edits: int  # Levenshtein's, a row that one of them lacks being empty there
    characters: int  # of the real-time reading

    @property
    def rate(self) -> float:
        return self.edits / max(self.characters, 1)


def model(batch: Batch) -> str:
    """The model that was asked, in both ways."""
    return batch.model or ""


# --- a folder's pages in real time --------------------------------------------------------------


def real_time_answer(batch: Batch, index: int, at: str) -> Path:
    """Where the answer to a real-time call of `at` (ISO) goes; one in flex is named so."""
    flex = ".flex" if _tier(batch) else ""
    return batch.folder / "realtime" / f"{index:05d}.{at.replace(':', '')}{flex}.json"


def ask_now(batch: Batch, db: Database) -> None:
    """Ask for each page that was not asked for, one after the other, and keep each answer verbatim.

    Raises `ApiProblem` for what would meet every page.
    """
    with (
        batch.requests.open("rb") as requests,
        tqdm(batch.lines, "real time", unit=" pages", disable=None, leave=False) as bar,
    ):
        for line, raw in zip(bar, requests, strict=True):
            if not asked(batch, line["index"]):
                _ask_one(batch, line["index"], orjson.loads(raw)["request"] | _tier(batch))
    with database.transaction(db):
        usage.note(db, map(usage.row, of_real_time(batch).paid))


def _tier(batch: Batch) -> dict[str, str]:
    """What a call in flex has beside its request."""
    return {"serviceTier": "flex"} if "flex" in batch.modes else {}


def _ask_one(batch: Batch, index: int, request: dict[str, Any]) -> None:
    saved = real_time_answer(batch, index, states.now())
    try:
        with files.appearing(saved, reserve=files.ANSWER_BYTES) as file:
            file.write(calls.generate(model(batch), request))
    except ApiProblem as problem:
        if problem.stops_the_run or _is_for_good(batch, problem):
            raise
        # It may have been paid for: it is not asked again.
        batch.add("real_time_failed", index=index, reason=problem.what)


def _is_for_good(batch: Batch, problem: ApiProblem) -> bool:
    """Whether a setting is refused, for any page; of both modes the batch will say so."""
    refused = problem.code == 400 and setting_refused(problem.what) is not None
    return refused and "batch" not in batch.modes


def asked(batch: Batch, index: int) -> bool:
    """Whether the page has had its real-time call, whatever came of it."""
    failed = (e["index"] for e in batch.events if e["event"] == "real_time_failed")
    return index in failed or any(_saved(batch, index))


def outcomes_now(batch: Batch) -> dict[int, PageReading | Unread]:
    """What came of each page that was asked for, by index."""
    failed = batch.all("real_time_failed")
    found: dict[int, PageReading | Unread] = {
        event["index"]: Unread("call_failed", str(event.get("reason"))) for event in failed
    }
    for line in batch.lines:
        for saved in _saved(batch, line["index"]):
            found[line["index"]] = response.read(_json(saved.read_bytes()))
    return found


def of_real_time(batch: Batch) -> Way:
    """The real-time answers that are there."""
    way = Way()
    for line in batch.lines:
        for saved in _saved(batch, line["index"]):
            _add(way, batch, line["index"], saved)
    return way


def of_batch(batch: Batch) -> Way:
    """The answers in the batch's result file."""
    return Way(aside.paid(batch), aside.readings(batch))


def difference(now: Way, later: Way) -> Difference:
    """How far the readings in a batch are from those in real time."""
    total = Difference(0, 0, 0, 0, 0)
    for index in now.readings.keys() & later.readings:
        a, b = _rows(now.readings[index]), _rows(later.readings[index])
        total = Difference(
            total.pages + 1,
            total.rows_both + len(a.keys() & b),
            total.rows_one + len(a.keys() ^ b),
            total.edits
            + sum(Levenshtein.distance(a.get(row, ""), b.get(row, "")) for row in a.keys() | b),
            total.characters + sum(map(len, a.values())),
        )
    return total


def _add(way: Way, batch: Batch, index: int, saved: Path) -> None:
    answer = _json(saved.read_bytes())
    at, asked_in = paths.asked_for(saved)
    mode = usage.mode(answer, asked_in)
    version = results.model_version(answer, model(batch))
    page = page_of(batch.lines[index])
    counted = usage.tokens(answer)
    billed = usage.Answer(
        page, None, mode, model(batch), version, counted, at, batch.thinking, **batch.asked
    )
    way.paid.append(billed._replace(aside=aside.kind(batch)))
    reading = response.read(answer)
    if isinstance(reading, PageReading):
        way.readings[index] = reading


def _saved(batch: Batch, index: int) -> Iterator[Path]:
    return (batch.folder / "realtime").glob(f"{index:05d}.*.json")


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError:
        return {}


def _rows(reading: PageReading) -> dict[Row, str]:
    return {
        (quadrant.position, entry.row_index): entry.raw_text
        for quadrant in reading.quadrants
        for entry in quadrant.entries
    }


def _sum(costs: Iterator[Any]) -> Decimal | None:
    known = list(costs)
    if None in known:
        return None
    return sum((cost.usd for cost in known), Decimal(0))
