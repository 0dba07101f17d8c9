"""What a job of Vertex AI has written to its bucket: rows, in one file or several.

`<out>/prediction-model-<time>/predictions.jsonl` is documented; more files of the kind, and
a folder `incremental_predictions` with the rows so far, are reported of long jobs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from flowsheets.gemini.bucket import Bucket, Stored
from flowsheets.gemini.rows import Mismatch, image_of, key_of
from flowsheets.gemini.transfer import BYTES, Downloaded, compared

INCREMENTAL = "incremental_predictions"
# A job runs a day at most: output that has not grown for so long is all that there will be.
RUNS_AT_MOST = timedelta(hours=26)


def shards(place: Bucket, folder: str) -> list[Stored]:
    """The files with rows below a folder, the final ones first, each kind by name.

    Whether incremental ones are in it or beside it is not documented: a batch's own prefix has
    both.
    """
    beside = f"{folder.rstrip('/').rpartition('/')[0]}/{INCREMENTAL}/"
    listed = place.listed(folder).objects | place.listed(beside).objects
    found = [one for one in listed.values() if one.bytes and _has_rows(one)]
    return sorted(found, key=lambda one: (_is_so_far(one), one.name))


def load(place: Bucket, files: list[Stored], part: Path) -> Downloaded:
    """Their lines one after the other, as they are, each file compared with the bucket's CRC32C.

    Of incremental files, the rows that no final one has: of a job that was stopped, they may be all
    there is.
    """
    from tqdm import tqdm

    size = sum(one.bytes for one in files)
    with part.open("wb+") as file, tqdm(total=size, desc="download", **BYTES) as bar:
        final = [one for one in files if not _is_so_far(one)]
        for one in final:
            place.load(one, file)
            _end_the_line(file)
            bar.update(one.bytes)
        known = _identities(file)
        for one in files[len(final) :]:
            file.seek(0, 2)
            for line in _lines(place, one):
                if not final or _identity(line) not in known:
                    file.write(line.rstrip(b"\n") + b"\n")
            bar.update(one.bytes)
    return compared(part, {})._replace(confirmed=True)


def as_job(place: Bucket, root: str, requests: str, display_name: str) -> dict[str, Any] | None:
    """A job that no listing shows, by its output; None where it has written none.

    Whether it has ended is told by its rows; or by their age, since no job runs for so long.
    """
    written = shards(place, f"{root}/out/")
    if not written:
        return None
    folders = {"/".join(one.name.split("/")[: root.count("/") + 3]): one for one in written}
    folder = next((one for one in folders if not one.endswith(f"/{INCREMENTAL}")), "")
    if not folder:  # rows so far, beside a folder that is still to come
        return None
    ours = [one for one in written if one.name.startswith(folder + "/")]
    rows = {_identity(line) for one in ours if not _is_so_far(one) for line in _lines(place, one)}
    wanted = sum(_count(place, one) for one in place.listed(requests).objects.values())
    now = datetime.now(UTC)
    old = max(one.updated or now for one in ours) < now - RUNS_AT_MOST
    state = "SUCCEEDED" if len(rows - {None}) >= wanted > 0 else "CANCELLED" if old else "RUNNING"
    return {
        "name": f"gs://{place.name}/{folder}",
        "displayName": display_name,
        "state": f"JOB_STATE_{state}",
        "createTime": folder.rpartition("prediction-model-")[2],
        "outputInfo": {"gcsOutputDirectory": f"gs://{place.name}/{folder}"},
    }


def _has_rows(stored: Stored) -> bool:
    name = stored.name.rpartition("/")[2]
    return "error" not in name and (name.endswith(".jsonl") or name.startswith("prediction"))


def _is_so_far(stored: Stored) -> bool:
    return f"/{INCREMENTAL}/" in stored.name


def _lines(place: Bucket, stored: Stored) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        place.load(stored, file)
        file.seek(0)
        yield from (line for line in file if line.strip())


def _count(place: Bucket, stored: Stored) -> int:
    return sum(1 for _ in _lines(place, stored))


def _end_the_line(file: BinaryIO) -> None:
    """So that the first row of the next file is a line of its own."""
    file.seek(-1, 2)
    if file.read(1) != b"\n":
        file.write(b"\n")


def _identities(file: BinaryIO) -> set[str | None]:
    """What the rows so far say of themselves; and None, for a row that says nothing."""
    file.seek(0)
    return {None, *(_identity(line) for line in file)}


def _identity(line: bytes) -> str | None:
    try:
        row = orjson.loads(line)
        return key_of(row) or image_of(row)
    except (ValueError, Mismatch):
        return None
