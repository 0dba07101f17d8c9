"""The one way in which a file appears: whole, and on the disk."""

import ctypes
import itertools
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from flowsheets.errors import Problem

# Room for a real-time answer: a page has some 15 kB, with a long thought ten times that.
ANSWER_BYTES = 256 * 1024

# Files that `write_all` holds open at once; a process may hold 256 on some systems.
AT_ONCE = 200


@contextmanager
def appearing(path: Path, reserve: int = 0) -> Iterator[BinaryIO]:
    """A file to write that appears under its name when the block ends, whole, or not at all.

    It is on the disk by then (fsync before the rename, the folder after it), so that what is
    noted elsewhere afterwards, in `jobs.db` say, is true after a power cut as well.
    `reserve` bytes are taken from the disk before the block begins: what it writes has room then.
    Raises `Problem` where the disk is full or the folder cannot be written.
    """
    with _appearing(path, reserve) as file:
        yield file
    _sync(path.parent)


def write_all(files: Iterable[tuple[Path, bytes]]) -> None:
    """Each content under its path, whole or not at all; all of them on the disk at the end.

    They get their names when all of them are on the disk, so that one call makes them durable.
    Raises `Problem` where the disk is full or a folder cannot be written.
    """
    left = iter(files)
    while some := dict(islice(left, AT_ONCE)):
        _write_some(some)


def _write_some(some: dict[Path, bytes]) -> None:
    parts: dict[Path, tuple[str, int]] = {}  # path -> its unfinished file: name, descriptor
    folders = {path.parent for path in some}
    path = next(iter(some))
    try:
        for folder in folders:
            _make(folder)
        try:
            for path, content in some.items():
                parts[path] = _new_part(path)
                _write(parts[path][1], content)
            _sync_files([descriptor for _, descriptor in parts.values()])
            for path in list(parts):
                os.replace(parts[path][0], path)
                os.close(parts.pop(path)[1])
        finally:
            for part, descriptor in parts.values():
                with suppress(OSError):  # a full disk is to be no fuller
                    os.unlink(part)
                os.close(descriptor)
    except OSError as error:
        raise cannot_write(path, error) from error
    for folder in folders:  # once, and not once a file
        _sync(folder)


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_files(descriptors: list[int]) -> None:
    """Make the files durable: where the system can, all of a file system with one call."""
    if not (sync := _syncfs()):
        for descriptor in descriptors:
            os.fsync(descriptor)
        return
    for descriptor in {os.fstat(one).st_dev: one for one in descriptors}.values():
        sync(descriptor)


@cache
def _syncfs() -> Callable[[int], None] | None:
    """Linux's syncfs(2), which Python has not; None where it is missing, or hides errors.

    Before Linux 5.8 it succeeds also where a file could not be written (its manual page).
    """
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or not release or (int(release[1]), int(release[2])) < (5, 8):
        return None
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None

    def sync(descriptor: int) -> None:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return sync


@contextmanager
def _appearing(path: Path, reserve: int) -> Iterator[BinaryIO]:
    try:
        _make(path.parent)
        part, descriptor = _new_part(path)
        with os.fdopen(descriptor, "wb") as file:
            try:
                file.write(bytes(reserve))
                file.flush()
                file.seek(0)
                yield file
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
                os.replace(part, path)
            except BaseException:
                with suppress(OSError):  # a full disk is to be no fuller
                    os.unlink(part)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


# --- unfinished files ---------------------------------------------------------------------------

# <name>.<process>-<number>.part: no two writers share one. The number is of this process.
_PART = re.compile(r"\.(\d+)-\d+\.part$")
_numbers = itertools.count(1)


def _new_part(path: Path) -> tuple[str, int]:
    """The name and the descriptor of an unfinished file for `path`."""
    part = f"{path}.{os.getpid()}-{next(_numbers)}.part"
    return part, os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def _make(folder: Path) -> None:
    """Make the folder, or delete what a killed process left unfinished in it."""
    try:
        delete_unfinished(folder)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)


def delete_unfinished(folder: Path) -> None:
    """Delete what a killed process left unfinished in the folder.

    Raises `FileNotFoundError` where there is no folder.
    """
    for name in os.listdir(folder):
        if (found := _PART.search(name)) and not _is_alive(int(found[1])):
            with suppress(FileNotFoundError):  # another process does the same
                os.unlink(folder / name)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's, or no number of a process
        return process < 2**31
    return True


def write_whole(path: Path, content: bytes) -> None:
    """`content` under `path`, whole or not at all."""
    with appearing(path) as file:
        file.write(content)


def _sync(folder: Path) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


def put_aside(path: Path) -> Path:
    """Keep a file beside itself under a name that ends in the time; returns that name.

    Raises `Problem` where the folder cannot be written.
    """
    now = datetime.now(UTC)
    kept = path.with_name(f"{path.name}.{now:%Y-%m-%dT%H%M%S}")
    if kept.exists():
        kept = path.with_name(f"{path.name}.{now:%Y-%m-%dT%H%M%S.%f}")
    rename(path, kept)
    return kept


def rename(path: Path, to: Path) -> None:
    """Another name in the same folder for a file or a folder, durably. Raises `Problem`."""
    try:
        os.rename(path, to)
    except OSError as error:
        raise cannot_write(to, error) from error
    _sync(to.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable, as fsync does for a file's bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> Problem:
    """The one line for a full disk or a folder that cannot be written."""
    return Problem(
        path,
        f"cannot be written ({error.strerror or error})",
        "Make room, or the folder writable, and run the command again; nothing is lost",
    )
