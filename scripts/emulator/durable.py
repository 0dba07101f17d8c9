"""Files that a kill at any moment leaves whole."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

RECORD = "batch.json"  # of a batch, or of a job, in its folder

Kept = TypeVar("Kept")


def write_whole(path: Path, content: Any) -> None:
    """Writes `content` as JSON: `path` holds the old text or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(json.dumps(content, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def records(folder: Path, load: Callable[[Path], Kept]) -> dict[str, Kept]:
    """What each sub-folder holds, by its name; one without its record never came to be."""
    folder.mkdir(exist_ok=True)
    found = {}
    for path in folder.iterdir():
        if (path / RECORD).exists():
            found[path.name] = load(path)
        else:
            shutil.rmtree(path)
    return found


class Log:
    """A JSONL file that only grows; a line cut short by a kill is dropped at the next start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        path.touch()
        self.end = _end_of_last_whole_line(path)
        os.truncate(path, self.end)

    def append(self, record: dict[str, Any]) -> int:
        """Adds one line, on disk before this returns, and returns its byte offset."""
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        # Opened for each line: there may be more logs than a process may hold open files
        with self.lock, self.path.open("ab") as file:
            start = self.end
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self.end += len(line)
        return start

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields (byte offset, record) for every whole line."""
        offset = 0
        with self.path.open("rb") as file:
            for line in file:
                yield offset, json.loads(line)
                offset += len(line)


def _end_of_last_whole_line(path: Path) -> int:
    size = path.stat().st_size
    with path.open("rb") as file:
        while size > 0:
            start = max(0, size - 65536)
            file.seek(start)
            newline = file.read(size - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            size = start
    return 0
