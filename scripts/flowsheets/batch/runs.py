"""How real-time runs asked: responses/asked.jsonl, a line where a run asks otherwise than the last.

A kept response says when it was asked for, and not with which settings or prompt; a batch's journal
says it for a batch. From this file `usage` is made again as it was.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flowsheets import files, paths
from flowsheets.jobs import states
from flowsheets.page import request
from flowsheets.settings import Settings


class Asked(NamedTuple):
    """A line: from `at` (ISO, UTC) on, until the next line. See `request.identity`."""

    at: str
    model: str
    thinking: str | None
    answer: str
    prompt: str
    request: str

    @property
    def identity(self) -> dict[str, str | None]:
        return {"answer": self.answer, "prompt": self.prompt, "request": self.request}


def note(settings: Settings) -> Asked:
    """Write down how this run asks, before its first call. For the holder of the `process` lock."""
    identity = request.identity(settings)
    now = Asked(states.now(), settings.model, settings.thinking, **identity)
    known = all_of(settings.data_root)
    if not known or known[-1][1:] != now[1:]:
        lines = [orjson.dumps(one._asdict()) + b"\n" for one in (*known, now)]
        files.write_whole(paths.real_time_runs(settings.data_root), b"".join(lines))
    return now


def all_of(data_root: Path) -> list[Asked]:
    """The lines, in their order; what cannot be read is left out."""
    try:
        lines = paths.real_time_runs(data_root).read_bytes().splitlines()
    except OSError:
        return []
    return [asked for line in lines if (asked := _line(line))]


def of(runs: list[Asked], at: str) -> Asked | None:
    """How the response was asked for that was asked for `at`; None where that is not known."""
    moment = datetime.fromisoformat(at)
    before = (one for one in reversed(runs) if datetime.fromisoformat(one.at) <= moment)
    return next(before, None)


def _line(line: bytes) -> Asked | None:
    try:
        found: dict[str, Any] = orjson.loads(line)
        asked = Asked(**{name: found[name] for name in Asked._fields})
        datetime.fromisoformat(asked.at)
    except (ValueError, TypeError, KeyError):
        return None
    return asked
