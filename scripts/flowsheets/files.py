"""The one way in which a file appears: whole, and on the disk."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from flowsheets.errors import Problem

# Room for a real-time answer: a page has some 15 kB, with a long thought ten times that.
ANSWER_BYTES = 256 * 1024


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
    """Each content under its path, whole or not at all; all of them on the disk at the end."""
    folders = set()
    for path, content in files:
        with _appearing(path, reserve=0) as file:
            file.write(content)
        folders.add(path.parent)
    for folder in folders:  # once, and not once a file
        _sync(folder)


@contextmanager
def _appearing(path: Path, reserve: int) -> Iterator[BinaryIO]:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part) as file:
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
                    part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _alone(part: Path) -> BinaryIO:
    """The unfinished file, empty. Whoever else is writing it, in another command, is waited for.

    A kill lets go of it, and the next writer takes what it left.
    """
    while True:
        file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o666), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                file.truncate(0)
                return file
        file.close()  # renamed meanwhile by the one that was waited for


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
