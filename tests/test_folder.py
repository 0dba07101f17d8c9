"""A batch's folder on disk: what of its manifest and journal is believed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from flowsheets import clock
from flowsheets.batch import folder
from flowsheets.batch.folder import load_batch, request_key, write_lines
from flowsheets.errors import Problem

Lines = list[dict[str, Any]]


def manifest() -> Lines:
    return [
        {
            "index": index,
            "key": request_key("b", index),
            "pdf_path": "a.pdf",
            "page_number": index + 1,
            "image_sha256": "0" * 64,
            "batch_id": "batches/a",
        }
        for index in range(3)
    ]


def event(name: str, **facts: object) -> dict[str, Any]:
    return {**clock.stamp(), "event": name, **facts}


@pytest.fixture
def batch_folder(tmp_path: Path) -> Path:
    write_lines(tmp_path / "manifest.jsonl", manifest())
    write_lines(tmp_path / "journal.jsonl", [event("built", pages=3, sequence=1)])
    return tmp_path


DAMAGES: dict[str, tuple[Callable[[Lines], object], str]] = {
    "two lines changed places": (lambda lines: lines.reverse(), ":2: index 1 after 2"),
    "an index is there twice": (lambda lines: lines[1].update(index=0), ":2: index 0 after 0"),
    "a key is there twice": (lambda lines: lines[1].update(key="b-00000"), "a key is there twice"),
    "two batches": (lambda lines: lines[1].update(batch_id="batches/b"), "more than one batch_id"),
    "half a batch": (lambda lines: lines[1].update(batch_id=None), "more than one batch_id"),
    "an odd batch": (lambda lines: lines[0].update(batch_id=7), ":1: batch_id is not a text"),
    "no page": (lambda lines: lines[2].pop("page_number"), ":3: no page_number"),
    "a page that is true": (lambda lines: lines[0].update(page_number=True), ":1: no page_number"),
    "no digest": (lambda lines: lines[0].update(image_sha256=None), ":1: no image_sha256"),
    "a list": (lambda lines: lines.insert(1, []), ":2: is not an object"),  # type: ignore[arg-type]
    "the last line is lost": (lambda lines: lines.pop(), "has 2 lines, and was written with 3"),
    "all lines are lost": (lambda lines: lines.clear(), ":1: is missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_manifest_that_may_name_a_wrong_page_is_not_used(batch_folder: Path, damage: str) -> None:
    assert len(load_batch(batch_folder).pages) == 3
    lines = manifest()
    spoil, said = DAMAGES[damage]
    spoil(lines)
    write_lines(batch_folder / "manifest.jsonl", lines)
    with pytest.raises(Problem) as caught:
        load_batch(batch_folder)
    assert said in caught.value.message
    assert str(batch_folder / "manifest.jsonl") in caught.value.message


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        ([], ":2: is not an event"),
        ({"at": "2026-01-01T00:00:00+00:00"}, ":2: is not an event"),
        ({"event": "uploaded", "file": "files/a"}, ":2: has no time"),
        ({"event": "uploaded", "file": "files/a", "at": "today"}, ":2: has no time"),
        (event("created"), ":2: has no batch_id"),
        (event("uploaded"), ":2: has no file"),
        (event("applied", failed=[0, "1"]), ":2: has an index that is not a number"),
    ],
)
def test_a_journal_that_does_not_say_what_was_sent_is_not_used(
    batch_folder: Path, damaged: Any, said: str
) -> None:
    write_lines(batch_folder / "journal.jsonl", [event("built"), damaged])
    with pytest.raises(Problem, match=f"journal.jsonl{said}"):
        load_batch(batch_folder)


STATES = {
    "built": "built",
    "uploaded": "uploaded",
    "upload_lost": "built",
    "create_sent": "unclear",
    "create_unclear": "unclear",
    "create_failed": "uploaded",
    "created": "created",
    "bound": "bound",
    "reopened": "bound",
    "settled": "settled",
    "refused": "refused",
    "given_back": "given_back",
}


@pytest.mark.parametrize("name", STATES)
def test_an_event_leads_to_the_state_that_is_drawn(batch_folder: Path, name: str) -> None:
    batch = load_batch(batch_folder)
    batch.add(name, file="files/a", batch_id="batches/a")  # type: ignore[arg-type]
    batch.add("warned")  # changes nothing
    batch = load_batch(batch_folder)
    assert batch.state == STATES[name]
    assert batch.open == (batch.state not in ("settled", "refused", "given_back"))
    assert batch.may_be_sent == (batch.state in ("unclear", "created", "bound"))
    assert len(batch.held()) == (3 if batch.open else 0)


def test_a_folder_holds_a_page_until_its_outcome_is_noted(batch_folder: Path) -> None:
    batch = load_batch(batch_folder)
    for number, outcome in enumerate(("completed", "failed", "returned")):
        assert [line["index"] for line in batch.held()] == list(range(number, 3))
        batch.add("applied", **{outcome: [number]})
    assert batch.held() == []


def test_without_a_journal_what_may_have_been_sent_counts_as_sent(batch_folder: Path) -> None:
    (batch_folder / "journal.jsonl").unlink()
    assert load_batch(batch_folder).state == "created"
    write_lines(batch_folder / "manifest.jsonl", [{**m, "batch_id": None} for m in manifest()])
    assert load_batch(batch_folder).state == "unclear"


def test_a_folder_is_found_by_its_batch_and_by_its_name(
    batch_folder: Path, jobs_db: Database
) -> None:
    root = batch_folder / "data"
    (root / "batches").mkdir(parents=True)
    ours, other = root / "batches" / "one", root / "batches" / "two"
    for place, batch_id in ((ours, "batches/a"), (other, "batches/b")):
        lines = [{**line, "batch_id": batch_id} for line in manifest()]
        write_lines(place / "manifest.jsonl", lines)
    for wanted in ("batches/a", "a", " batches/a/ ", "one"):
        assert folder.find_batch(root, wanted, jobs_db).folder == ours
    for wanted in ("batches/c", "c"):
        with pytest.raises(Problem, match="is not a batch under"):
            folder.find_batch(root, wanted, jobs_db)
    with pytest.raises(Problem, match="ID: is missing"):
        folder.find_batch(root, " ", jobs_db)
    assert json.loads((ours / "manifest.jsonl").read_text().splitlines()[0])["index"] == 0
