"""Which prompt read a page: kept at the build or the call, and made again from the files."""

import json
from dataclasses import replace

import pytest
from sqlite_utils import Database

from emulator_process import wait_for
from flowsheets import paths, settings
from flowsheets.batch import runs
from flowsheets.batch.folder import load_batch
from flowsheets.page import prompts, request
from flowsheets.paths import PageId
from station import PDF, Station


def test_the_prompt_of_today_has_a_line_that_says_what_it_asks_for() -> None:
    """Where prompt.md or the schema changes, prompts.jsonl gets a line with the new digest."""
    known = [json.loads(line) for line in prompts.KNOWN.read_text().splitlines()]
    assert prompts.today() == known[-1]["prompt"]
    assert len({line["prompt"] for line in known}) == len(known)
    assert all(line["asks"] and line["since"] for line in known)


def test_what_an_older_prompt_did_not_ask_for_is_told_and_of_an_unknown_one_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"old": ["date", "rows"], prompts.today(): ["date", "type circle", "rows"]}
    monkeypatch.setattr(prompts, "_asks", lambda: known)
    assert prompts.not_asked_for("old") == ["type circle"]
    assert prompts.not_asked_for(prompts.today()) == []
    assert prompts.not_asked_for("never seen") == []
    assert prompts.not_asked_for(None) == []


def test_a_request_is_known_by_all_but_its_image() -> None:
    config = settings.load()
    one = request.identity(config)
    assert one == request.identity(config)
    for other in (
        replace(config, model="gemini-3.8-flash"),
        replace(config, thinking="low"),
        replace(config, media_resolution="low"),
        replace(config, max_output_tokens=9),
        replace(config, answer="lean"),
    ):
        assert request.identity(other)["request"] != one["request"]
        assert request.identity(other)["prompt"] == one["prompt"]
    assert prompts.of_request(request.page_request("image", config)) == one["prompt"]
    assert prompts.of_request(request.page_request("image", config, "cachedContents/a")) is None
    assert prompts.of_request(None) is None


def test_a_batch_keeps_the_prompt_that_it_was_built_with(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    monkeypatch.setattr(prompts, "today", lambda: "a later one")
    online.fetched(batch_id)
    (row,) = online.usage()
    built = load_batch(online.folders()[0]).asked
    assert (row["answer"], row["prompt"], row["request"]) == tuple(built.values())
    assert row["prompt"] != "a later one"


def test_of_a_folder_from_before_the_requests_say_which_prompt_they_have(online: Station) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    journal = online.folders()[0] / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for name in ("answer", "prompt", "request"):
        del events[0][name]
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    online.fetched(batch_id)
    (row,) = online.usage()
    assert (row["answer"], row["prompt"], row["request"]) == (None, prompts.today(), None)


def test_lost_books_say_again_how_each_real_time_response_was_asked_for(online: Station) -> None:
    online.rendered(3)
    online.good("process", "LIMIT=1", GEMINI_THINKING="low")
    online.good("process", "LIMIT=1", GEMINI_MODEL="gemini-3.1-pro-preview", GEMINI_ANSWER="lean")
    online.good("process", "LIMIT=1", GEMINI_ANSWER="lean")
    before = online.usage()
    assert [(row["thinking"], row["answer"]) for row in before] == [
        ("low", "full"),
        (None, "lean"),
        (None, "lean"),
    ]
    assert len({row["request"] for row in before}) == 2
    assert len(runs.all_of(online.data)) == 2  # a run that asks as the last one did adds no line
    (online.data / "jobs.db").unlink()
    online.good("discover")
    online.good("rebuild", GEMINI_MODEL="gemini-of-another-day")
    assert online.usage() == before


def test_a_damaged_list_of_runs_costs_no_response(online: Station) -> None:
    online.rendered(2)
    online.good("process", "LIMIT=1")
    paths.real_time_runs(online.data).write_bytes(b'{"at": 5}\nnot json\n[]\n{"at": "x"}\n')
    with online.jobs() as db:
        db.execute("DELETE FROM usage")
        db.execute("DELETE FROM response_folders")
    online.good("process")
    first, second = online.usage()
    assert (first["prompt"], second["prompt"]) == (None, prompts.today())


def test_a_page_whose_prompt_did_not_ask_for_something_is_on_the_list_of_review(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(3)
    online.good("process", "LIMIT=1")
    first = prompts.today()
    known = {first: ["date"], "later": ["date", "type circle", "notes"]}
    monkeypatch.setattr(prompts, "_asks", lambda: known)
    monkeypatch.setattr(prompts, "today", lambda: "later")
    online.good("process", "LIMIT=1")
    online.good("review")
    db = Database(online.data / "flowsheets.db")
    pages = "SELECT page_number, prompt, request FROM pages ORDER BY page_number"
    requests = [row["request"] for row in online.usage()]
    assert list(db.execute(pages)) == [
        (1, first, requests[0]),
        (2, "later", requests[1]),
        (3, None, None),
    ]
    reviews = "SELECT page, detail FROM reviews WHERE reason = 'older_prompt'"
    assert list(db.execute(reviews)) == [
        (
            paths.page_name(PageId(PDF, 1)),
            f"It was read with the prompt {first}, which did not ask for: type circle, notes.",
        )
    ]


def test_a_comparison_says_nothing_of_how_a_result_was_asked_for(online: Station) -> None:
    online.rendered(1)
    wait_for(lambda: "readings:" in online.good("compare", GEMINI_THINKING="low"), 60)
    assert {row["aside"] for row in online.usage()} == {"compare"}
    online.good("process")
    wanted = online.usage()[-1]
    online.good("index")
    db = Database(online.data / "flowsheets.db")
    ((request_, mode, usd),) = db.execute("SELECT request, mode, usd FROM pages")
    assert (request_, mode) == (wanted["request"], "realtime")
    assert usd == pytest.approx(sum(row["usd"] for row in online.usage()))
