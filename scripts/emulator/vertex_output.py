"""The output of a job in the bucket: its lines, in files under the job's own folder."""

import json
import random
from typing import Any

from emulator.buckets import place_of
from emulator.clock import SECOND
from emulator.faults import Faults
from emulator.foreign_bucket import JobBuckets
from emulator.importer import Line, Table
from emulator.schema import Json
from emulator.vertex_job import Job, stamp_us

MIME = "application/octet-stream"
HOUR_BEFORE = 3600 * SECOND


def export(job: Job, table: Table, buckets: JobBuckets, faults: Faults) -> None:
    """Writes what the job has, over what was there: after a kill it is written once more.

    The order of the lines is lost, unless a fault keeps it.
    """
    # Seeded: the same files after a restart
    random_ = random.Random(job.id)
    if faults.get("job_incremental_alone"):
        export_increment(job, table, buckets, faults)
        return
    lines = _lines(job, table, faults, set(job.offsets))
    if not faults.get("rows_in_order"):
        random_.shuffle(lines)
    shards = faults.get("job_shards") or 1
    for number in range(shards):
        # One is predictions.jsonl (reported); several are numbered (documented for any model)
        name = f"predictions_{number + 1:04d}" if shards > 1 else "predictions"
        _write(buckets, f"{job.directory}/{name}.jsonl", lines[number::shards])
    buckets.late[place_of(job.directory)[1]] = faults.get("job_output_late") or 0
    if faults.get("job_stranger"):
        _write_stranger(job, buckets)


def export_increment(job: Job, table: Table, buckets: JobBuckets, faults: Faults) -> None:
    """Writes the rows that are in no file yet into one of their own, beside the final ones."""
    with job.export_lock:
        rows = set(job.offsets) - job.exported
        if not rows:
            return
        name = f"incremental_predictions/predictions_{job.increments + 1:04d}.jsonl"  # (a guess)
        _write(buckets, f"{job.directory}/{name}", _lines(job, table, faults, rows))
        job.exported |= rows
        job.increments += 1


def _lines(job: Job, table: Table, faults: Faults, rows: set[int]) -> list[bytes]:
    answers = {index: line for index, line in job.read_lines() if index in rows}
    keys = {line.index: line.siblings for line in table.lines()}
    written = []
    for line in table.lines():
        if line.index in answers:
            written += _written(line, answers[line.index], keys, table, faults)
    if faults.get("line_unknown"):
        strange = {"status": "", "key": "never-sent", "response": {"candidates": []}}
        written.append(_text(strange))
    return written


def _written(
    line: Line, answer: Json, keys: dict[int, Json], table: Table, faults: Faults
) -> list[bytes]:
    """What becomes of one row: a line, none, two, or something that is not a line."""
    index = line.index
    if faults.hits("line_missing", index):
        return []
    beside = keys.get(index + 1, {}) if faults.hits("line_key_of_next", index) else line.siblings
    shown: Json = {"status": answer["status"], "processed_time": answer["processed_time"]}
    if not faults.hits("line_no_key", index):
        shown |= beside
    if not faults.hits("line_no_echo", index):
        shown["request"] = table.echo(line.request)
    if "response" in answer:
        shown["response"] = answer["response"]
    elif faults.get("line_response_empty"):
        shown["response"] = {}
    text = _text(shown)
    if faults.hits("line_not_json", index):
        return [text[: len(text) // 2] + b"\n"]
    if faults.hits("line_doubled", index):
        return [text, text]
    if faults.hits("line_other_text", index):
        return [text, _text(_with_another_text(shown))]
    return [text]


def _with_another_text(shown: Json) -> Json:
    """The same row, answered once more: another text, another responseId."""
    response = json.loads(json.dumps(shown.get("response") or {}))
    response["responseId"] = f"{response.get('responseId', '')[:-1]}x"
    for candidate in response.get("candidates", []):
        for part in candidate.get("content", {}).get("parts", []):
            if "text" in part:
                part["text"] = part["text"].replace("image", "another image", 1) + " "
    return shown | {"response": response}


def _write_stranger(job: Job, buckets: JobBuckets) -> None:
    """Another job's folder beside this one, an hour older."""
    time = stamp_us(job.record["createTime"] - HOUR_BEFORE)
    folder = f"{job.directory.rpartition('/')[0]}/prediction-model-{time}"
    response: Json = {"candidates": [{"content": {"parts": [{"text": "{}"}], "role": "model"}}]}
    line = {"status": "", "key": "k-of-another-job", "request": {}, "response": response}
    _write(buckets, f"{folder}/predictions.jsonl", [_text(line)])


def _write(buckets: JobBuckets, uri: str, lines: list[bytes]) -> None:
    bucket, name = place_of(uri)
    buckets.write(bucket, name, b"".join(lines), MIME)


def _text(line: dict[str, Any]) -> bytes:
    # Line separators of Unicode are not escaped: only \n ends a line
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"
