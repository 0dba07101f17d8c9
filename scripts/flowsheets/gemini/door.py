"""The doors to Gemini, behind one small set of calls; no other room tells them apart.

A batch goes on through the door that its folder states; what is new goes through the one that the
settings name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from flowsheets.gemini import developer
from flowsheets.gemini.developer import PromptCache
from flowsheets.gemini.transfer import Downloaded


class Door(Protocol):
    """What each door can do. Each call raises `ApiProblem`, whatever happens.

    `NAME` is what a folder states.
    """

    @property
    def NAME(self) -> str: ...

    def check(self) -> None:
        """Raises `Problem` where what a batch needs is not set."""

    def upload(self, requests: Path, display_name: str) -> str:
        """Upload a batch's requests, at no cost, repeatably; returns what `create` takes."""

    def create(self, model: str, file: str, display_name: str) -> dict[str, Any]:
        """Create a batch: the one call that costs money. Never retried. Returns the reply."""

    def find(self, display_name: str) -> dict[str, Any] | None:
        """The reply about the oldest batch of that name; None proves nothing for a while."""

    def get(self, batch_id: str) -> dict[str, Any]:
        """The reply about a batch, verbatim; `Operation` reads it."""

    def cancel(self, batch_id: str) -> None:
        """Ask for a batch to stop."""

    def fetch(self, name: str, destination: Path) -> Downloaded:
        """Load the results that `Operation.responses_file` names, whole or not at all."""

    def tidy_up(self, file: str | None, display_name: str) -> None:
        """Delete what was uploaded for a batch; already deleted counts as success."""

    def create_cache(
        self, model: str, prompt: str, seconds: int, display_name: str
    ) -> PromptCache: ...

    def renew_cache(self, name: str, seconds: int) -> None: ...

    def delete_cache(self, name: str) -> None: ...

    def delete_caches(self, display_name: str) -> None: ...


def now() -> Door:
    """The door that the settings name."""
    return developer
