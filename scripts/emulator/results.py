"""The result lines of a batch, in one file."""

import json
import random
from pathlib import Path
from typing import Any

from emulator.batch import Batch
from emulator.faults import Faults
from emulator.schema import Json


def write_results(batch: Batch, faults: Faults, path: Path) -> None:
    """Writes one line a row to `path`, in the order of the input, unless a fault says otherwise.

    The keys of the objects are in another order on each line, as in Google's files (recorded).
    """
    # Seeded: a kill between writing the file and saying so makes the same file again
    random_ = random.Random(batch.id)
    with path.open("wb") as file:
        if faults.get("lines_shuffled"):
            lines = [
                line
                for index, row in batch.read_lines()
                for line in _lines(index, row, faults, random_)
            ]
            random_.shuffle(lines)
            file.writelines(lines)
        else:
            for index, row in batch.read_lines():
                file.writelines(_lines(index, row, faults, random_))
        if faults.get("line_unknown"):
            file.write(_text({"key": "never-sent", "response": {"candidates": []}}))


def _lines(index: int, row: Json, faults: Faults, random_: random.Random) -> list[bytes]:
    """What becomes of one row: a line, none, two, or something that is not a line."""
    if faults.hits("line_missing", index):
        return []
    if faults.hits("line_key_in_metadata", index) and "key" in row:
        row = row | {"metadata": {"key": row["key"]}}
        del row["key"]
    text = _text(_in_any_order(row, random_))
    if faults.hits("line_not_json", index) and "key" in row:
        return [text[: len(text) // 2] + b"\n"]
    if faults.hits("line_doubled", index):
        return [text, _text(_in_any_order(row, random_))]
    return [text]


def _in_any_order(value: Any, random_: random.Random) -> Any:
    if isinstance(value, list):
        return [_in_any_order(item, random_) for item in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    random_.shuffle(names)
    return {name: _in_any_order(value[name], random_) for name in names}


def _text(line: Json) -> bytes:
    # Line separators of Unicode are not escaped: only \n ends a line
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"
