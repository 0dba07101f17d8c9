"""The doors to Gemini, behind one small set of calls; no other room tells them apart.

A batch goes on through the door that its folder states; what is new goes through the one that the
settings name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from flowsheets.gemini import developer, vertex
from flowsheets.gemini.caches import PromptCache
from flowsheets.gemini.room import Room
from flowsheets.gemini.rows import KeyReader, Request
from flowsheets.gemini.transfer import Downloaded
from flowsheets.gemini.vertex import Vertex


class Door(Protocol):
    """What each door can do. Each call raises `ApiProblem`, whatever happens.

    `NAME` is what a folder states.
    """

    @property
    def NAME(self) -> str: ...

    @property
    def LETTER(self) -> str:
        """With which the names of its batches begin, and so their keys."""

    @property
    def ACCOUNT(self) -> str:
        """The settings by which Google knows who asks."""

    @property
    def WHOSE(self) -> str:
        """What a batch belongs to: a key, or a project."""

    @property
    def CACHES(self) -> bool:
        """Whether a batch may name a prompt cache."""

    @property
    def ROOM(self) -> Room:
        """How much it takes at once."""

    @property
    def bucket(self) -> str:
        """Where it reads and writes; "" where it needs none."""

    def facts(self) -> dict[str, str]:
        """What a batch's folder states, so that it goes on through this very door."""

    def check(self, mode: str) -> None:
        """Raises `Problem` where what the mode (realtime, batch, flex) needs is not set."""

    def sender(self) -> dict[str, Any]:
        """Who sends: noted before a create, since another one's listing says nothing of it."""

    def would_list(self, noted: Mapping[str, Any]) -> bool:
        """Whether the create that was `noted` is one that this door's listing would show."""

    def generate(self, model: str, request: dict[str, Any]) -> bytes:
        """One page now; the API's response, verbatim."""

    def upload(self, requests: Path, display_name: str, sent: Sequence[Request]) -> str:
        """Upload a batch's requests, at no cost, repeatably; returns what `create` takes."""

    def create(self, model: str, file: str, display_name: str) -> dict[str, Any]:
        """Create a batch: the one call that costs money. Never retried. Returns the reply."""

    def find(self, display_name: str) -> dict[str, Any] | None:
        """The reply about the oldest batch of that name; None proves nothing for a while."""

    def get(self, batch_id: str) -> dict[str, Any]:
        """The reply about a batch, verbatim; `Operation` reads it."""

    def cancel(self, batch_id: str) -> None:
        """Ask for a batch to stop."""

    def fetch(self, name: str, destination: Path) -> Downloaded | None:
        """Load the results that `Operation.responses_file` names, whole or not at all.

        None where there are none.
        """

    def tidy_up(self, file: str | None, display_name: str) -> None:
        """Delete what was uploaded for a batch; already deleted counts as success."""

    def key_reader(self, display_name: str, sent: Sequence[Request]) -> KeyReader:
        """Tells of a row of the results which of the requests it belongs to."""

    def same(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        """Whether two rows of one request may both be there, and say the same."""

    def create_cache(
        self, model: str, prompt: str, seconds: int, display_name: str
    ) -> PromptCache: ...

    def renew_cache(self, name: str, seconds: int) -> None: ...

    def delete_cache(self, name: str) -> None: ...

    def delete_caches(self, display_name: str) -> None: ...


def now() -> Door:
    """The door that the settings name, for what is new. Raises `Problem`."""
    return vertex.by_settings() or developer


def of(stated: Mapping[str, Any], batch_id: str | None, name: str) -> Door:
    """The door of a batch: as its folder has stated, else by its id, else by its name."""
    if stated.get("door") == Vertex.NAME:
        place = (stated.get("project"), stated.get("location"), stated.get("bucket"))
        return Vertex(*(str(one or "") for one in place))
    if found := vertex.by_id(batch_id or ""):
        return found
    if not stated and by_name(name) == Vertex.NAME:  # its journal is lost
        return vertex.by_settings() or Vertex("", "", "")
    return developer


def without_letter(name: str) -> str:
    """What the names of all doors' batches sort by."""
    return name[1:] if by_name(name) == Vertex.NAME else name


def by_name(name: str) -> str:
    """The `NAME` of the door of a batch, as its folder is named."""
    return Vertex.NAME if re.match(rf"{Vertex.LETTER}\d", name) else developer.NAME
