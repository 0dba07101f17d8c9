"""The table `usage`: one row an answer that was paid for, whichever way, and never two."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from emulator_process import Emulator
from flowsheets import files, paths
from flowsheets.batch import recover, results
from flowsheets.jobs import database, states
from flowsheets.money import usage
from flowsheets.paths import PageId
from pages import answer
from station import PDF, Station

NAMES = {
    "promptTokenCount": "prompt_token_count",
    "cachedContentTokenCount": "cached_content_token_count",
    "candidatesTokenCount": "candidates_token_count",
    "thoughtsTokenCount": "thoughts_token_count",
    "totalTokenCount": "total_token_count",
}
GOOD = {"promptTokenCount": 3000, "candidatesTokenCount": 2600, "totalTokenCount": 5600}


def tokens_of(row: dict[str, Any]) -> dict[str, int]:
    """A row's counts as the API has them: zeros are left out."""
    return {camel: row[snake] for camel, snake in NAMES.items() if row[snake]}


def billed_since(emulator: Emulator, before: int) -> list[dict[str, Any]]:
    return emulator.ledger()["answers"][before:]


def counts(bill: dict[str, Any]) -> dict[str, int]:
    return {name: bill["usage"][name] for name in NAMES if name in bill["usage"]}


def test_a_batch_is_noted_as_it_was_billed_failed_pages_among_it(
    online: Station, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(answer_not_json=1, line_error="2:13", answer_with_thoughts=3)
    online.rendered(4)
    batch_id = online.submitted()
    assert "2 completed, 2 failed" in online.fetched(batch_id)
    rows = online.usage()
    bills = billed_since(emulator, before)
    assert [row["page_number"] for row in rows] == [1, 2, 4]  # the third did not run
    assert [tokens_of(row) for row in rows] == [counts(bill) for bill in bills]
    assert rows[2]["thoughts_token_count"] > 0
    for row in rows:
        assert (row["batch_id"], row["mode"]) == (batch_id, "batch")
        assert row["model"] == "gemini-3.1-pro-preview"
        assert row["model_version"] == "emulator-quick"
        assert row["price_list"] == "genai-prices 0.2.3"
    sent = json.loads((online.folders()[0] / "journal.jsonl").read_text().splitlines()[2])
    assert (sent["event"], sent["at"]) == ("create_sent", rows[0]["requested_at"])


def test_a_fetch_that_is_made_again_adds_nothing_and_notes_pages_that_have_moved_on(
    online: Station,
) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    db = Database(online.data / "jobs.db")
    with db.atomic():  # as if a person had settled the first page otherwise
        db.execute("UPDATE jobs SET status = 'completed', batch_id = NULL WHERE page_number = 1")
    result = paths.result(online.data, PageId(PDF, 1))
    files.write_whole(result, b"{}")
    assert "1 completed, 0 failed" in online.fetched(batch_id)
    assert result.read_bytes() == b"{}"
    rows = online.usage()
    assert [row["page_number"] for row in rows] == [1, 2]
    journal = online.folders()[0] / "journal.jsonl"
    kept = [line for line in journal.read_text().splitlines() if '"settled"' not in line]
    journal.write_text("\n".join(kept) + "\n")  # as if it had been killed before its last word
    online.good("batch-fetch", f"ID={batch_id}")
    assert online.journal()[-1] == "settled"
    assert online.usage() == rows


def test_real_time_is_noted_once_also_where_a_saved_answer_is_read_again(
    online: Station, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(answer_not_json="all")
    online.rendered(1)
    online.good("process")
    rows = online.usage()
    (bill,) = billed_since(emulator, before)
    assert [tokens_of(row) for row in rows] == [counts(bill)]
    assert (rows[0]["batch_id"], rows[0]["mode"]) == (None, "realtime")
    (saved,) = paths.real_time_responses(online.data, PageId(PDF, 1))
    assert rows[0]["requested_at"].replace(":", "") in saved.name
    db = Database(online.data / "jobs.db")
    with db.atomic():  # as if the kill had come between the answer and the row
        db.execute("UPDATE jobs SET status = 'processing', updated_at = '2026-01-01T00:00:00'")
    online.good("process")  # reads the saved one, and asks again for the page that it failed
    assert online.usage()[0] == rows[0]
    assert len(online.usage()) == len(billed_since(emulator, before)) == 2


def test_flex_is_sent_as_such_and_noted_as_its_own_mode(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    online.good("process", "LIMIT=1", "TIER=flex")
    online.good("process", "TIER=standard")
    flex, standard = emulator.ledger()["answers"][-2:]
    assert (flex["mode"], standard["mode"]) == ("flex", "realtime")
    assert [row["mode"] for row in online.usage()] == ["flex", "realtime"]
    assert online.usage()[0]["usd"] == pytest.approx(online.usage()[1]["usd"] / 2)
    (saved,) = paths.real_time_responses(online.data, PageId(PDF, 1))
    assert saved.name.endswith(".flex.json")


def test_a_saved_answer_that_names_no_tier_is_of_the_mode_it_was_asked_for_in(
    jobs_db: Database, tmp_path: Path
) -> None:
    page = PageId("a.pdf", 1)
    said: dict[str, Any] = answer(usageMetadata=GOOD)
    for mode, tier, noted in (
        ("flex", None, "flex"),
        ("realtime", None, "realtime"),
        ("flex", "standard", "realtime"),  # what the API says was served is what it bills
    ):
        if tier:
            said["usageMetadata"] = {**GOOD, "serviceTier": tier}
        saved = paths.real_time_response(tmp_path, page, states.now(), mode)
        files.write_whole(saved, json.dumps(said).encode())
        outcome = recover.read_saved(page, saved, "gemini-x")
        assert outcome.billed
        assert outcome.billed.mode == noted


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "none",
        [],
        {},
        {**GOOD, "promptTokenCount": "3000"},
        {**GOOD, "candidatesTokenCount": -1},
        {**GOOD, "thoughtsTokenCount": 1.5},
        {**GOOD, "totalTokenCount": 10**30},
        {**GOOD, "cachedContentTokenCount": 3001},
        {**GOOD, "cachedContentTokenCount": True},
    ],
)
def test_usage_without_sense_stops_no_page_and_is_a_row_without_counts_and_price(
    jobs_db: Database, tmp_path: Path, broken: Any
) -> None:
    page = PageId("a.pdf", 1)
    states.register(jobs_db, [page])
    states.flip(jobs_db, [page], "pending", "processing")
    saved = paths.real_time_response(tmp_path, page, states.now())
    files.write_whole(saved, json.dumps(answer(usageMetadata=broken)).encode())
    outcome = recover.read_saved(page, saved, "gemini-3.1-pro-preview")
    tally = results.apply(jobs_db, tmp_path, [outcome], old="processing")
    assert tally.completed == 1
    (row,) = jobs_db.table("usage").rows
    assert [row[name] for name in NAMES.values()] == [None] * 5
    assert (row["usd"], row["price_list"]) == (None, None)


def test_what_was_cached_and_thought_is_counted_apart_and_priced() -> None:
    counted = usage.tokens(
        {"usageMetadata": {**GOOD, "cachedContentTokenCount": 2000, "thoughtsTokenCount": 400}}
    )
    assert counted == usage.Tokens(3000, 2000, 2600, 400, 5600)
    at = "2026-11-01T12:00:00+00:00"
    one = usage.Answer(PageId("a.pdf", 1), "b", "batch", "gemini-3.1-pro-preview", "x", counted, at)
    assert usage.row(one)[-2] == pytest.approx(0.001 + 0.0004 + 0.018)


def test_an_older_database_gains_the_table_and_keeps_its_jobs(tmp_path: Path) -> None:
    db = database.connect(tmp_path)
    states.register(db, [PageId("a.pdf", 1), PageId("a.pdf", 2)])
    db.table("usage").drop()
    before = list(db.table("jobs").rows)
    db.close()
    with sqlite3.connect(tmp_path / "jobs.db") as older:
        assert not older.execute("SELECT 1 FROM sqlite_master WHERE name = 'usage'").fetchall()
    again = database.connect(tmp_path)
    assert list(again.table("jobs").rows) == before
    assert again.table("usage").count == 0


def test_thinking_that_shows_in_the_total_alone_is_billed_as_output() -> None:
    found = {"promptTokenCount": 2283, "candidatesTokenCount": 672, "totalTokenCount": 11955}
    counted = usage.tokens({"usageMetadata": found})
    assert counted == usage.Tokens(2283, 0, 672, 9000, 11955)
    assert counted.output == 9672
    one = usage.Answer(
        PageId("a.pdf", 1), "b", "batch", "gemini-3.1-pro-preview", "x", counted, "2026-11-01"
    )
    assert usage.row(one)[-2] == pytest.approx(0.002283 + 9672 * 6e-6)


@pytest.mark.parametrize(
    ("more", "prompt", "thoughts"),
    [
        ({"thoughtsTokenCount": 400, "totalTokenCount": 6000}, 3000, 400),
        ({"thoughtsTokenCount": 400, "totalTokenCount": 5600}, 3000, 400),  # a total without it
        ({"cachedContentTokenCount": 2000, "totalTokenCount": 5600}, 3000, 0),
        ({"toolUsePromptTokenCount": 50, "totalTokenCount": 5650}, 3050, 0),
        ({"totalTokenCount": None}, 3000, 0),
    ],
)
def test_what_is_counted_elsewhere_is_not_thinking(
    more: dict[str, Any], prompt: int, thoughts: int
) -> None:
    counted = usage.tokens({"usageMetadata": GOOD | more})
    assert counted
    assert (counted.prompt_token_count, counted.thoughts_token_count) == (prompt, thoughts)


def test_an_older_database_has_its_hidden_thinking_counted_and_priced_once(tmp_path: Path) -> None:
    db = database.connect(tmp_path)
    with database.transaction(db):
        for number, total in ((1, 11955), (2, 2955)):
            tokens = usage.Tokens(2283, 0, 672, 0, total)
            at = f"2026-11-01T12:00:0{number}+00:00"
            one = usage.Answer(
                PageId("a.pdf", number), None, "batch", "gemini-3.1-pro-preview", "x", tokens, at
            )
            usage.note(db, [usage.row(one)])
    for column in ("finish_reason", "thinking"):
        db.execute(f"ALTER TABLE usage DROP COLUMN {column}")
    db.close()
    again = database.connect(tmp_path)
    first, second = again.table("usage").rows_where(order_by="page_number")
    assert (first["thoughts_token_count"], second["thoughts_token_count"]) == (9000, 0)
    assert first["usd"] == pytest.approx(0.060315)
    assert second["usd"] == pytest.approx(0.006315)


def test_the_table_made_again_from_responses_is_the_same(online: Station) -> None:
    online.rendered(2)
    online.fetched(online.submitted())
    rows = online.usage()
    assert [row["finish_reason"] for row in rows] == ["STOP", "STOP"]
    db = database.connect(online.data)
    made = [usage.row(answer) for answer, _, _ in usage.noted(db)]
    with database.transaction(db):
        usage.note(db, made)
        usage.note(db, made)
    assert online.usage() == rows
    db.table("usage").delete_where()
    with database.transaction(db):
        usage.note(db, made)
    assert online.usage() == rows


def test_what_the_api_does_not_count_is_unknown_and_what_it_hides_is_found(
    online: Station, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(answer_no_usage=0, answer_thinking_in_total="1,2", answer_other_model=2)
    online.rendered(3)
    online.fetched(online.submitted())
    none, hidden, other = online.usage()
    assert (none["prompt_token_count"], none["usd"]) == (None, None)
    (bill,) = (bill for bill in billed_since(emulator, before) if bill["index"] == 1)
    assert hidden["thoughts_token_count"] == bill["usage"]["thoughtsTokenCount"] == 9000
    assert other["usd"] < hidden["usd"] / 3
    said = online.make("cost")
    assert "1 response without a known price on top" in said.stdout
    assert "gemini-3.1-pro-preview was asked and gemini-2.5-flash answered" in said.stderr


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-3.1-pro-preview", "gemini-3.1-pro"),
        ("gemini-3.1-pro-preview-05-2026", "gemini-3.1-pro"),
        ("gemini-2.5-flash-001", "gemini-2.5-flash"),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
        ("gemini-2.5-flash-lite-preview-09-2025", "gemini-2.5-flash-lite"),
        ("gemini-99", "gemini-99"),
    ],
)
def test_versions_of_a_model_are_one_family(model: str, family: str) -> None:
    assert usage.family(model) == family


def test_a_name_for_the_newest_model_is_answered_by_any() -> None:
    asked = usage.Answer(PageId("a", 1), None, "realtime", "gemini-flash-latest", "", None, "")
    assert not usage.another_model(asked._replace(model_version="gemini-3.5-flash"))
    assert usage.another_model(
        asked._replace(model="gemini-3.1-pro", model_version="models/gemini-2.5-flash")
    )
