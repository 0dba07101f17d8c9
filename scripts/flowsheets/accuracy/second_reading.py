"""A second reading on disk: a page in a result's shape, and what it was read from and by.

second/readings/<reader>/<pdf>/page-NN.json has the keys of a result, and `second` beside them:
    image_sha256  of the PNG that was read
    model         `ocr`, or the model that was asked
    thinking, media_resolution  as they were asked; null for `ocr`
    batch         the folder under second/ with its response, verbatim; null for `ocr`
The file can be deleted: `make second` writes it again from the response, or reads the page again
on this machine. It is no result, and nothing takes it for one.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flowsheets import files, paths
from flowsheets.accuracy import disagreement
from flowsheets.accuracy.disagreement import Witness
from flowsheets.page.schema import PageResult
from flowsheets.paths import PageId

OCR = "ocr"  # the emulator's page reader, on this machine
USUAL_RESOLUTION = "high"  # the setting's own default, which a reader's name leaves out


_PAGE = re.compile(r"page-\d+\.json")


class Reader(NamedTuple):
    """Who reads a page again, and with which settings: two of one kind are not paid for twice."""

    model: str
    thinking: str | None = None
    media_resolution: str | None = None

    @property
    def name(self) -> str:
        """For a folder and a person: `gemini-3.8-flash`, `gemini-3.8-flash+low`, `ocr`."""
        parts = [re.sub(r"[^A-Za-z0-9._-]|^\.", "-", self.model)]
        parts += [self.thinking] if self.thinking else []
        if self.media_resolution not in (None, USUAL_RESOLUTION):
            parts.append(f"media-{self.media_resolution}")
        return "+".join(parts)

    @property
    def witness(self) -> Witness:
        """What its disagreement is worth."""
        return disagreement.OCR if self.model == OCR else disagreement.MODEL


class About(NamedTuple):
    """What a second reading says of itself."""

    reader: Reader
    image_sha256: str
    batch: str | None


def write(data_root: Path, page: PageId, result: PageResult, about: About) -> None:
    """Write the reading, whole or not at all. Raises `Problem` where the disk is full."""
    content = orjson.loads(result.to_json())
    content["second"] = {
        "image_sha256": about.image_sha256,
        **about.reader._asdict(),
        "batch": about.batch,
    }
    path = paths.second_reading(data_root, about.reader.name, page)
    files.write_whole(path, orjson.dumps(content, option=orjson.OPT_INDENT_2))


def about(content: bytes) -> About:
    """What a file says of itself. Raises `ValueError` where it does not."""
    second = _second(orjson.loads(content))
    kinds = {"image_sha256": str, "model": str}
    optional = ("thinking", "media_resolution", "batch")
    if not all(isinstance(second.get(name), kind) for name, kind in kinds.items()) or not all(
        isinstance(second.get(name), str | None) for name in optional
    ):
        raise ValueError("it does not say what it was read from")
    reader = Reader(second["model"], second.get("thinking"), second.get("media_resolution"))
    return About(reader, second["image_sha256"], second.get("batch"))


def _second(content: Any) -> dict[str, Any]:
    second = content.get("second") if isinstance(content, dict) else None
    if not isinstance(second, dict):
        raise ValueError("it is not a second reading")
    return second


def read_of(data_root: Path, reader: Reader, page: PageId) -> str | None:
    """The digest of the image that this reader has read of the page; None without a whole file."""
    try:
        found = about(paths.second_reading(data_root, reader.name, page).read_bytes())
    except (OSError, ValueError):
        return None
    return found.image_sha256 if found.reader == reader else None


def all_files(data_root: Path) -> Iterator[tuple[str, str, os.DirEntry[str]]]:
    """Each second reading's file: its reader's folder, its page's name, the file; unread."""
    for folder in _entries(paths.readings_again(data_root)):
        if folder.is_dir():
            for file in _below(folder.path):
                page = file.path[len(folder.path) + 1 : -len(".json")]
                yield folder.name, page.replace(os.sep, "/"), file


def _below(folder: str) -> Iterator[os.DirEntry[str]]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        elif _PAGE.fullmatch(entry.name):
            yield entry


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def digest(image: bytes) -> str:
    """What tells one image from another, as manifests have it."""
    return hashlib.sha256(image).hexdigest()
