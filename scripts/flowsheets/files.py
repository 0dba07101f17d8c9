"""The one way in which a file appears: whole, and on the disk."""

import ctypes
import fcntl
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
    parts: dict[Path, int] = {}  # path without its name yet -> descriptor of its unfinished file
    path = next(iter(some))
    try:
        try:
            # In order: two commands that write the same files do not wait for one another in turn.
            for path in sorted(some):
                parts[path] = _written(path, some[path])
            _sync_files(list(parts.values()))
            for path in list(parts):
                os.replace(_part(path), path)
                os.close(parts.pop(path))
        finally:
            for unnamed, descriptor in parts.items():
                with suppress(OSError):  # a full disk is to be no fuller
                    os.unlink(_part(unnamed))
                os.close(descriptor)
    except OSError as error:
        raise cannot_write(path, error) from error
    for folder in {path.parent for path in some}:  # once, and not once a file
        _sync(folder)


def _written(path: Path, content: bytes) -> int:
    """The descriptor of the unfinished file, which holds the content."""
    part = _part(path)
    try:
        descriptor = _alone(part)
    except FileNotFoundError:
        os.makedirs(path.parent, exist_ok=True)
        descriptor = _alone(part)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(part)
        raise
    return descriptor


def _part(path: Path) -> str:
    return f"{path}.part"


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
    part = _part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(_alone(part), "wb") as file:
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


def _alone(part: str) -> int:
    """The unfinished file, empty. Whoever else is writing it, in another command, is waited for.

    A kill lets go of it, and the next writer takes what it left.
    """
    while True:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):
                if os.path.samestat(own := os.fstat(descriptor), os.stat(part)):
                    if own.st_size:
                        os.ftruncate(descriptor, 0)
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # renamed meanwhile by the one that was waited for


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
    try:
        os.rename(path, kept)
    except OSError as error:
        raise cannot_write(kept, error) from error
    _sync(path.parent)
    return kept


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
