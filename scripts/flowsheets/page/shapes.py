"""A page's file: every shape that the existing pipeline writes or accepts.

Wider than `page.schema`, which checks a response today: `notes` may hold free words, a
time may lack its zone, a row's number may be any, a list may be null.
"""

import codecs
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from flowsheets.page.schema import Entry, PageReading, Quadrant


class KeptEntry(Entry):
    """One row as the file has it."""

    row_index: int
    notes: str | None = None  # type: ignore[assignment]

    @field_validator("oddities", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [] if value is None else value


class KeptQuadrant(Quadrant):
    """One block as the file has it."""

    entries: list[KeptEntry] = Field(default_factory=list)  # type: ignore[assignment]

    @field_validator("entries", "oddities", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [] if value is None else value


class KeptPage(PageReading):
    """A result, or a page that a person verified."""

    quadrants: list[KeptQuadrant] = Field(min_length=4, max_length=4)  # type: ignore[assignment]
    model_version: str | None = None
    extracted_at: datetime | None = None
    verified_by: Any = None

    @field_validator("oddities", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [] if value is None else value


def read(content: bytes) -> KeptPage:
    """The page in a file. Raises `ValueError`, whose text `why` puts into one line.

    A byte order mark is skipped; an unpaired surrogate becomes U+FFFD, since no file can hold it.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\\ud" in content.lower():
        pairs = json.dumps(json.loads(content), ensure_ascii=False).encode(
            "utf-16", "surrogatepass"
        )
        content = pairs.decode("utf-16", "replace").encode()
    return KeptPage.model_validate_json(content)


def kind(notes: str | None) -> str | None:
    """What a note says as the schema's own word: `Crossed out` is `crossed_out`."""
    return "_".join(notes.casefold().replace("-", " ").split()) if notes else None


def moment(value: object) -> datetime | None:
    """A time as a file or jobs.db has it; without a zone it is UTC. None where it is not one."""
    try:
        at = TypeAdapter(datetime).validate_python(value)
    except ValidationError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def why(error: Exception) -> str:
    """An error of reading a file, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}"
    return (str(error).splitlines() or [type(error).__name__])[0]
