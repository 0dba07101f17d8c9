"""Batches' folders as build and submit leave them, without any image or API."""

import json
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from flowsheets.batch.folder import Batch, load_batch, request_key, write_lines
from flowsheets.jobs import states
from flowsheets.paths import PageId
from pages import answer

MODEL = "gemini-3.1-pro-preview"
PAGES = [PageId("a.pdf", 1), PageId("a.pdf", 2)]
TOKENS = {"promptTokenCount": 3000, "candidatesTokenCount": 600, "totalTokenCount": 3600}


def built(folder: Path, db: Database | None, **facts: object) -> Batch:
    """A folder of two pages that was built, and with `db` their claims."""
    lines = [
        {
            "index": index,
            "key": request_key(folder.name, index),
            "pdf_path": page.pdf_path,
            "page_number": page.page_number,
            "image_sha256": "0" * 64,
            "batch_id": None,
        }
        for index, page in enumerate(PAGES)
    ]
    write_lines(folder / "manifest.jsonl", lines)
    (folder / "requests.jsonl").write_text("{}\n{}\n")
    batch = load_batch(folder)
    batch.add("built", pages=2, model=MODEL, **facts)
    if db is not None:
        states.register(db, PAGES)
        states.flip(db, PAGES, "pending", "submitted")
    return batch


def sent(folder: Path, db: Database | None, **facts: object) -> Batch:
    """The same, of a batch `batches/NAME` at the API."""
    batch = built(folder, db, **facts)
    batch_id = f"batches/{folder.name}"
    batch.add("create_sent", model=MODEL)
    batch.add("created", batch_id=batch_id)
    batch.set_batch_id(batch_id)
    batch.add("bound")
    if db is not None:
        for index, page in enumerate(PAGES):
            columns: dict[str, Any] = {"batch_id": batch_id, "within_batch_index": index}
            states.flip(db, [page], "submitted", "submitted", **columns)
    return batch


def good(batch: Batch, index: int, **more: Any) -> dict[str, Any]:
    """A line of the result file with a whole page, which was billed."""
    return {"key": batch.lines[index]["key"], "response": answer(usageMetadata=TOKENS) | more}


def error(batch: Batch, index: int, code: int) -> dict[str, Any]:
    """A line of the result file with an error, which was not."""
    return {"key": batch.lines[index]["key"], "error": {"code": code, "message": "no"}}


def came(batch: Batch, *lines: Any, **stats: int) -> None:
    """The result file, and what the API counts."""
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    batch.responses.write_text(text)
    counts = {f"{name}RequestCount": str(count) for name, count in stats.items()}
    state = {"state": "BATCH_STATE_SUCCEEDED", "batchStats": counts}
    batch.keep_reply({"name": batch.batch_id, "metadata": state, "done": True})


def events(batch: Batch) -> list[str]:
    return [event["event"] for event in load_batch(batch.folder).events]


def statuses(db: Database) -> list[str]:
    return [row(db, number)["status"] for number in range(len(PAGES))]


def row(db: Database, number: int) -> dict[str, Any]:
    """The row of the page of that index."""
    return states.row(db, PAGES[number]) or {}
