"""Files that are sent to the API and loaded from it: whole or not at all, and compared.

Neither the SDK nor the API repairs a cut download; it costs nothing to begin again.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowsheets import files
from flowsheets.errors import Problem
from flowsheets.gemini.problem import ApiProblem
from flowsheets.gemini.reply import patiently

if TYPE_CHECKING:
    from tqdm import tqdm
    from typing_extensions import Buffer

# Of a bar: on a terminal alone, gone when it is done, in KiB and MiB.
BYTES = {"disable": None, "leave": False, "unit": "B", "unit_scale": True, "unit_divisor": 1024}


class Downloaded(NamedTuple):
    """A file that was downloaded, and what the API says of it.

    `confirmed`: the API names its size or its digest, and what it names is right. `api_bytes` and
    `api_sha256` (hex) are None where it names none; for results that happens (`sizeBytes` 0, or 400
    to the question). A file that is not confirmed was loaded twice, equal to the byte, where the
    API names something else.
    """

    bytes: int
    sha256: str
    confirmed: bool
    api_bytes: int | None
    api_sha256: str | None

    @property
    def differs(self) -> bool:
        """The API names another size or another digest."""
        return self.api_bytes not in (None, self.bytes) or self.api_sha256 not in (
            None,
            self.sha256,
        )


def landed(name: str, destination: Path, load: Callable[[Path], Downloaded]) -> Downloaded:
    """What `load` loads of `name`, as `destination`, which appears whole or not at all.

    Tried three times. One that differs from what the API says of it is loaded again; two that are
    equal to the byte are kept. Raises what `load` does, and `Problem` where the disk is full.
    """
    part = destination.with_name(destination.name + ".part")
    before = list[str]()  # digests of what was loaded
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)

        def once() -> Downloaded:
            got = load(part)
            if got.differs and got.sha256 not in before:
                before.append(got.sha256)
                raise ApiProblem(
                    f"{name} and {part} differ in size or digest",
                    "Run the command again",
                    code=None,
                    unclear=True,
                )
            return got

        got = patiently()(once)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)
        files.sync_folder(destination.parent)
        return got
    except OSError as error:
        raise files.cannot_write(destination, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def compared(path: Path, file: dict[str, Any]) -> Downloaded:
    """A file here beside what the API says of it: {sizeBytes, sha256Hash, …}, of which it may lack
    any. A size of 0 is none: it has been seen for files that were whole.
    """
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = size_of(path)
    api_bytes = number(file.get("sizeBytes"))
    api_sha256 = _hex_digest(file.get("sha256Hash"))
    named = api_bytes is not None or api_sha256 is not None
    result = Downloaded(size, digest, False, api_bytes, api_sha256)
    return result._replace(confirmed=named and not result.differs)


def number(text: object) -> int | None:
    try:
        return int(str(text)) or None
    except ValueError:
        return None


def _hex_digest(text: object) -> str | None:
    """`sha256Hash` is documented as base64; what it holds is the digest in hex, seen also raw."""
    try:
        raw = base64.b64decode(str(text), validate=True)
    except ValueError:
        return None
    if len(raw) == 32:
        return raw.hex()
    return raw.decode("ascii", "replace").lower() if len(raw) == 64 else None


def size_of(path: Path) -> int:
    return path.stat().st_size


class Sent(io.BufferedReader):
    """A file that is uploaded, and its bar. Raises `Problem` where it cannot be read.

    The SDK reads a chunk of 8 MiB when it has sent the one before, and reports nothing else of it.
    """

    def __init__(self, path: Path, bar: tqdm[None]) -> None:
        super().__init__(io.FileIO(path))
        self._path = path
        self._bar = bar

    def read(self, size: int | None = -1, /) -> bytes:
        self._bar.update(self.tell() - self._bar.n)
        try:
            return super().read(size)
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise Problem(self._path, what, "Look at the disk, then run it again") from error


class Written(io.BufferedWriter):
    """A file that is downloaded. Raises `Problem` where the disk is full."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "w"))
        self._path = path

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise files.cannot_write(self._path, error) from error
