"""GEMINI_ANSWER=lean: empty fields may be left out of a response, and nothing else changes."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlite_utils import Database

from emulator_process import Emulator
from flowsheets import settings
from flowsheets.money import estimate, usage
from flowsheets.page import response, schema
from flowsheets.page.request import page_request, prompt
from flowsheets.page.response import Unread
from flowsheets.page.schema import PageReading
from flowsheets.paths import PageId
from flowsheets.settings import Settings
from pages import answer, reading
from station import Station


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GEMINI_ANSWER", "Lean")
    return settings.load()


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_empty(one) for k, one in value.items() if one not in (None, [])}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def without_required(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {k: without_required(one) for k, one in node.items() if k != "required"}


def test_the_request_differs_in_what_the_schema_requires_and_in_words_after_the_prompt(
    lean: Settings,
) -> None:
    one, full = page_request("", lean), page_request("", replace(lean, answer="full"))
    assert full["systemInstruction"]["parts"][0]["text"] == prompt()
    text = one["systemInstruction"]["parts"][0].pop("text")
    assert text.startswith(prompt())
    assert "Leave out each field whose value would be null or `[]`" in text.removeprefix(prompt())
    page = one["generationConfig"]["responseSchema"]
    assert page["required"] == ["quadrants"]
    assert page["properties"]["quadrants"]["minItems"] == 4
    block = page["properties"]["quadrants"]["items"]
    assert block["required"] == ["position"]
    entry = block["properties"]["entries"]["items"]
    assert entry["required"] == ["row_index", "raw_text", "confidence"]
    assert without_required(page) == without_required(schema.response_schema())
    for body in (one, full):
        del body["systemInstruction"], body["generationConfig"]["responseSchema"]
    assert one == full


def test_a_page_without_its_empty_fields_is_the_same_file_and_nothing_is_forgiven() -> None:
    full, lean = reading(), without_empty(reading())
    assert len(json.dumps(lean)) < len(json.dumps(full))
    pages = [response.read(answer(json.dumps(one))) for one in (full, lean)]
    assert all(isinstance(page, PageReading) and page.forgiven == () for page in pages)
    whole, short = (page.model_dump_json() for page in pages if isinstance(page, PageReading))
    assert whole == short


@pytest.mark.parametrize("left_out", ["row_index", "raw_text", "confidence", "position"])
def test_what_may_not_be_empty_may_not_be_left_out(left_out: str) -> None:
    page = without_empty(reading())
    block = next(block for block in page["quadrants"] if block.get("entries"))
    del (block if left_out == "position" else block["entries"][0])[left_out]
    assert isinstance(response.read(answer(json.dumps(page))), Unread)


def test_a_blank_block_is_left_out_by_no_form() -> None:
    page = without_empty(reading())
    del page["quadrants"][3]
    assert isinstance(response.read(answer(json.dumps(page))), Unread)


@pytest.mark.parametrize("way", ["process", "batch"])
def test_both_forms_of_a_page_are_one_result_and_the_lean_one_costs_less(
    online: Station, emulator: Emulator, way: str
) -> None:
    found = []
    for form in ("full", "lean"):
        station = Station(online.folder / form, online.base_url)
        station.scans.mkdir(parents=True)
        station.rendered(1)
        if way == "process":
            station.good("process", GEMINI_ANSWER=form)
        else:
            station.good("batch-submit", GEMINI_ANSWER=form)
            station.fetched("")  # how it was asked is in the folder, not in the settings
        (row,) = station.usage()
        assert row["answer"] == form
        page = station.result(1)
        del page["extracted_at"]
        found.append((json.dumps(page), row["candidates_token_count"], row["prompt"]))
    (full, much, prompt_of_full), (lean, little, prompt_of_lean) = found
    assert full == lean
    assert little < much
    assert prompt_of_full == prompt_of_lean


def test_what_one_form_took_is_no_guide_to_the_other(jobs_db: Database, lean: Settings) -> None:
    full = replace(lean, answer="full")
    assert estimate.basis(jobs_db, lean).usual.output == 1924  # 26 % less than 2,600
    tokens = usage.Tokens(3000, 0, 1000, 0, 4000)
    at = "2026-11-01T12:00:00+00:00"
    for form, pages in ((None, 5), ("full", 5), ("lean", 9)):
        for n in range(pages):
            page = PageId(f"{form}", n)
            one = usage.Answer(page, None, "realtime", full.model, full.model, tokens, at)
            usage.note(jobs_db, [usage.row(one._replace(answer=form))])
    assert estimate.basis(jobs_db, full).known  # rows from before the lean form are of the full one
    assert not estimate.basis(jobs_db, lean).known


def test_a_word_that_is_no_form_is_one_clear_line(station: Station) -> None:
    said = station.error("estimate", GEMINI_ANSWER="short")
    assert said == "Error: GEMINI_ANSWER: 'short' is unknown. Give full or lean"
