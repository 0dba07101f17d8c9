"""From a result file to pages, without an API: every line is counted, and none on a wrong page."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from flowsheets import paths
from flowsheets.batch import fetch, results
from flowsheets.batch.fetch import NotWhole
from flowsheets.batch.folder import Batch
from flowsheets.batch.results import NO_RESPONSE
from flowsheets.errors import Problem
from flowsheets.gemini import developer
from flowsheets.gemini.client import ApiProblem
from flowsheets.gemini.operation import Operation
from flowsheets.gemini.transfer import Downloaded
from flowsheets.jobs import pauses, states
from flowsheets.money import usage
from flowsheets.settings import Settings
from folders import MODEL, PAGES, TOKENS, came, error, events, good, row, sent, statuses


def applied(batch: Batch, db: Database, root: Path) -> str:
    """What comes of the file, as a tally."""
    check = fetch.check(batch)
    return str(results.apply_responses(batch, db, root, check, NO_RESPONSE, "another-model"))


def test_each_page_gets_its_own_line_whatever_their_order(
    jobs_db: Database, tmp_path: Path
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, error(batch, 1, 13), good(batch, 0))
    assert applied(batch, jobs_db, tmp_path) == "1 completed, 1 failed, 0 returned to the queue"
    assert statuses(jobs_db) == ["completed", "failed"]
    assert row(jobs_db, 0)["result_path"] == str(paths.result(tmp_path, PAGES[0]))
    assert row(jobs_db, 0)["attempts"] == 0
    assert row(jobs_db, 0)["model_version"] == "gemini-x"
    assert row(jobs_db, 1)["attempts"] == 1
    assert row(jobs_db, 1)["last_error"].startswith("row_error_13: ")
    assert not paths.result(tmp_path, PAGES[1]).exists()
    (billed,) = jobs_db.table("usage").rows
    assert (billed["page_number"], billed["model"], billed["mode"]) == (1, MODEL, "batch")
    noted = json.loads((batch.folder / "journal.jsonl").read_text().splitlines()[-1])
    assert (noted["event"], noted["completed"], noted["failed"]) == ("applied", [0], [1])


def test_a_file_that_is_applied_twice_moves_and_counts_nothing_again(
    jobs_db: Database, tmp_path: Path
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, good(batch, 0), error(batch, 1, 13))
    applied(batch, jobs_db, tmp_path)
    states.flip(jobs_db, PAGES[1:], "failed", "submitted", batch_id="batches/other")
    written = paths.result(tmp_path, PAGES[0])
    written.write_text("kept")
    before = events(batch)
    assert applied(batch, jobs_db, tmp_path).startswith("0 completed, 0 failed, 0 returned")
    assert statuses(jobs_db) == ["completed", "submitted"]
    assert written.read_text() == "kept"
    assert events(batch) == before
    assert jobs_db.table("usage").count == 1


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        ("{ cut", "line 2 is not JSON"),
        ("[]\n", "line 2 has a key that was not sent: None"),
        ('{"response": {}}\n', "line 2 has a key that was not sent: None"),
        ('{"key": "b-00007"}\n', "line 2 has a key that was not sent: 'b-00007'"),
        ('{"key": 7}\n', "line 2 has a key that was not sent: None"),
        ('{"key": "b-00000"}\n', "line 2 repeats the key b-00000"),
    ],
)
def test_of_a_doubtful_file_nothing_is_used(
    jobs_db: Database, tmp_path: Path, last: str, fault: str
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, good(batch, 0), last)
    for _ in range(2):
        with pytest.raises(Problem, match="Nothing of it is used, its pages stay submitted") as why:
            fetch.check(batch)
    assert fault in why.value.message
    assert events(batch).count("quarantined") == 1
    assert statuses(jobs_db) == ["submitted"] * 2


def test_lines_that_repeat_a_key_are_of_no_page_and_billed_as_often_as_they_differ(
    jobs_db: Database, tmp_path: Path
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    first = good(batch, 0)
    other = good(batch, 0, usageMetadata=TOKENS | {"promptTokenCount": 1000})
    came(batch, first, other, first, {"metadata": {"key": "b-00001"}, "response": {}})
    check = results.check_file(batch)
    assert [len(at) for at in check.doubled.values()] == [3]
    assert set(check.offsets) == {"b-00001"}
    results.apply_responses(batch, jobs_db, tmp_path, check, NO_RESPONSE, MODEL)
    assert statuses(jobs_db) == ["failed", "failed"]
    assert row(jobs_db, 0)["last_error"] == str(NO_RESPONSE)
    billed = {r["page_number"]: r["prompt_token_count"] for r in jobs_db.table("usage").rows}
    assert billed == {1: 4000, 2: None}


def test_a_key_in_the_metadata_is_a_key(jobs_db: Database, tmp_path: Path) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    whole = [{"metadata": {"key": g["key"]}, **g} for g in (good(batch, 0), good(batch, 1))]
    for line in whole:
        del line["key"]
    came(batch, *whole)
    assert applied(batch, jobs_db, tmp_path).startswith("2 completed")


@pytest.mark.parametrize(
    ("lines", "stats", "lacks"),
    [
        ((0, 1), {"successful": 2}, None),
        ((0,), {}, None),
        ((0,), {"successful": 1}, None),
        ((0,), {"successful": 2}, "holds 1 responses, the API counts 2"),
        ((0,), {"successful": 1, "failed": 1}, "holds 1 lines, the API counts 2"),
        ((0, 1), {"successful": 2, "failed": 2}, None),  # it counts more than was sent
    ],
)
def test_a_file_that_holds_less_than_the_api_counts_is_put_aside(
    jobs_db: Database,
    tmp_path: Path,
    lines: tuple[int, ...],
    stats: dict[str, int],
    lacks: str | None,
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, *[good(batch, index) for index in lines], **stats)
    if lacks is None:
        assert len(fetch.check(batch).offsets) == len(lines)
        return
    with pytest.raises(NotWhole, match=lacks):
        fetch.check(batch)
    assert not batch.responses.exists()
    (kept,) = batch.folder.glob("responses.jsonl.*")
    came(batch, *[good(batch, index) for index in lines], **stats)  # loaded again, and the same
    with pytest.raises(NotWhole, match=lacks):
        fetch.check(batch)
    assert [*batch.folder.glob("responses.jsonl.*")] == [kept]
    assert events(batch).count("short") == 1
    assert statuses(jobs_db) == ["submitted"] * 2
    for event in batch.all("short"):
        event.update(up=event.get("up", 0) - 25 * 3600, at="2020-01-01T00:00:00+00:00")
    came(batch, *[good(batch, index) for index in lines], **stats)
    with pytest.raises(Problem, match="for 25 h now") as caught:
        fetch.check(batch)
    assert not isinstance(caught.value, NotWhole)


def test_a_file_with_a_line_for_every_page_is_whole_whatever_is_counted(
    jobs_db: Database, tmp_path: Path
) -> None:
    """A job of Vertex AI may count a row as successful whose status is an error."""
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, good(batch, 0), error(batch, 1, 4), successful=2)
    assert applied(batch, jobs_db, tmp_path).startswith("1 completed, 1 failed")


@pytest.mark.parametrize("response", [{"response": {}}, {}])
def test_an_empty_response_beside_a_status_is_no_answer_and_not_billed(
    jobs_db: Database, tmp_path: Path, response: dict[str, Any]
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    status = 'Bad Request: {"error": {"code": 400, "message": "no"}}'
    rows = [{"key": line["key"], "status": status, **response} for line in batch.lines]
    came(batch, *rows, failed=2)
    # What met every row is no page's own fault.
    assert applied(batch, jobs_db, tmp_path) == "0 completed, 0 failed, 2 returned to the queue"
    assert list(jobs_db.table("usage").rows) == []


@pytest.mark.parametrize(
    ("differs", "lines", "used"), [(True, 1, False), (True, 2, True), (False, 1, True)]
)
def test_a_file_of_another_size_than_the_api_names_is_used_where_every_line_is_there(
    tmp_path: Path, differs: bool, lines: int, used: bool
) -> None:
    batch = sent(tmp_path / "b", None)
    came(batch, *[good(batch, index) for index in range(lines)])
    batch.add("downloaded", bytes=7, api_bytes=9, differs=differs)
    if used:
        assert len(fetch.check(batch).offsets) == lines
    else:
        with pytest.raises(NotWhole, match="has 7 bytes, the API names 9"):
            fetch.check(batch)


def test_a_file_that_is_not_the_one_that_was_downloaded_is_put_aside(tmp_path: Path) -> None:
    batch = sent(tmp_path / "b", None)
    assert not fetch.have_file(batch)
    came(batch, good(batch, 0))
    assert fetch.have_file(batch)  # from before downloads were noted
    digest = results.file_digest(batch.responses)
    batch.add("downloaded", bytes=batch.responses.stat().st_size, sha256=digest)
    assert fetch.have_file(batch)
    content = batch.responses.read_bytes()
    for torn in (content[:-5], content[:-5] + b"other"):
        batch.responses.write_bytes(torn)
        assert not fetch.have_file(batch)
        assert not batch.responses.exists()
    assert events(batch).count("torn") == 2


def test_only_the_file_of_a_batch_that_ended_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(tmp_path / "b", None)
    monkeypatch.setattr("flowsheets.gemini.developer.fetch", lambda *_: 1 / 0)
    named = {"response": {"responsesFile": "files/batch-a"}}
    running = {"metadata": {"state": "BATCH_STATE_RUNNING"}, **named}
    ended = {"metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}
    assert not fetch.download(batch, Operation(running))
    assert not fetch.download(batch, Operation(ended))
    with pytest.raises(ZeroDivisionError):
        fetch.download(batch, Operation(ended | named))


# --- whose fault it is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "cancelled", "cached", "status", "attempts"),
    [
        ((13, 13), False, False, "rendered", 0),
        ((13, 8), False, False, "failed", 1),
        ((1, 1), True, False, "rendered", 0),
        ((1, 13), True, False, "rendered", 0),
        ((1, 13), False, False, "failed", 1),
        ((7, 7), False, True, "rendered", 0),
        ((7, 13), False, True, "rendered", 0),
        ((7, 13), False, False, "failed", 1),
    ],
)
def test_what_met_every_page_or_never_ran_costs_no_try(
    jobs_db: Database,
    tmp_path: Path,
    codes: tuple[int, int],
    cancelled: bool,
    cached: bool,
    status: str,
    attempts: int,
) -> None:
    facts: dict[str, Any] = {"cached_content": "cachedContents/a"} if cached else {}
    batch = sent(tmp_path / "b", jobs_db, **facts)
    if cancelled:
        batch.add("cancel_asked")
    states.flip(jobs_db, PAGES, "submitted", "submitted", model_version="asked")
    came(batch, *(error(batch, index, code) for index, code in enumerate(codes)))
    check = fetch.check(batch)
    tally = results.apply_responses(batch, jobs_db, tmp_path, check, NO_RESPONSE, MODEL)
    assert tally.pages == 2
    assert tally.returned == statuses(jobs_db).count("rendered")
    assert tally.cache_died == (codes.count(7) if cached else 0)
    first = row(jobs_db, 0)
    assert (first["status"], first["attempts"]) == (status, attempts)
    assert (first["batch_id"] is None) == (status == "rendered")
    assert (first["within_batch_index"] is None) == (status == "rendered")
    assert first["model_version"] is None
    assert first["last_error"]
    assert jobs_db.table("usage").count == 0


def test_the_same_error_beside_a_response_is_its_pages_own(
    jobs_db: Database, tmp_path: Path
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, good(batch, 0), error(batch, 1, 13))
    applied(batch, jobs_db, tmp_path)
    assert row(jobs_db, 1)["attempts"] == 1


def test_an_outcome_ends_a_pages_pause_and_a_returned_page_keeps_it(
    jobs_db: Database, tmp_path: Path
) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    at = {"at": "2020-01-01T00:00:00+00:00"}
    for lines, left in (
        ([good(batch, 0), error(batch, 1, 13)], []),
        ([error(batch, 0, 13), error(batch, 1, 13)], PAGES),
    ):
        old = ("completed", "failed", "submitted")
        states.flip(jobs_db, PAGES, old, "submitted", batch_id=batch.batch_id)
        pauses.add(jobs_db, PAGES, 1, "down", at)
        came(batch, *lines)
        applied(batch, jobs_db, tmp_path)
        assert list(pauses.all_of(jobs_db)) == left
    assert pauses.all_of(jobs_db)[PAGES[0]].left == timedelta()


def test_what_was_mended_is_noted_with_the_page(jobs_db: Database, tmp_path: Path) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    fenced = good(batch, 0)
    part = fenced["response"]["candidates"][0]["content"]["parts"][0]
    part["text"] = f"```json\n{part['text']}\n```"
    came(batch, fenced, good(batch, 1))
    assert applied(batch, jobs_db, tmp_path).startswith("2 completed")
    assert [r["page_number"] for r in jobs_db.table("mended_answers").rows] == [1]


def test_a_page_is_recorded_although_it_has_its_outcome(jobs_db: Database, tmp_path: Path) -> None:
    batch = sent(tmp_path / "b", jobs_db)
    came(batch, good(batch, 0), good(batch, 1))
    states.flip(jobs_db, PAGES[:1], "submitted", "rendered", batch_id=None)
    assert applied(batch, jobs_db, tmp_path).startswith("1 completed")
    assert statuses(jobs_db) == ["rendered", "completed"]
    assert usage.pages_of_batch(jobs_db, "batches/b") == set(PAGES)


# --- what comes after a batch was closed ----------------------------------------------------------


class Late:
    """The API, which has this result file of a batch that was closed; or an error."""

    def __init__(self, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batch = batch
        self.lines: list[Any] = []
        self.state = "SUCCEEDED"
        self.on_get: Exception | None = None
        self.on_download: Exception | None = None
        monkeypatch.setattr(developer, "get", self.get_batch)
        monkeypatch.setattr(developer, "fetch", self.download)

    def get_batch(self, name: str) -> dict[str, Any]:
        if self.on_get:
            raise self.on_get
        response = {"responsesFile": "files/batch-a"}
        return {"metadata": {"state": f"BATCH_STATE_{self.state}"}, "response": response}

    def download(self, name: str, destination: Path) -> Downloaded:
        if self.on_download:
            raise self.on_download
        destination.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return Downloaded(1, "", True, None, None)


GONE = ApiProblem("not found", code=404, unclear=False)
DOWN = ApiProblem("down", code=503, unclear=True)


def test_responses_that_come_late_complete_the_pages_that_wait_and_nothing_else_does(
    config: Settings, jobs_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = sent(paths.batches(config.data_root) / "b", jobs_db)
    api = Late(batch, monkeypatch)
    api.lines = [good(batch, 0)]
    assert fetch.late(batch, jobs_db, config) is None  # it is not closed
    assert not batch.responses.exists()
    batch.add("settled")
    states.flip(jobs_db, PAGES, "submitted", "rendered", batch_id=None)
    for get, download in ((GONE, None), (None, GONE)):
        api.on_get, api.on_download = get, download
        assert fetch.late(batch, jobs_db, config) is None
    for get, download in ((DOWN, None), (None, DOWN)):
        api.on_get, api.on_download = get, download
        with pytest.raises(ApiProblem, match="down"):
            fetch.late(batch, jobs_db, config)
    api.on_get, api.on_download, api.state = None, None, "RUNNING"
    assert fetch.late(batch, jobs_db, config) is None
    assert statuses(jobs_db) == ["rendered"] * 2
    api.state = "SUCCEEDED"
    said = str(fetch.late(batch, jobs_db, config))
    assert "1 more responses are kept and counted by make cost, 1 pages that waited" in said
    assert statuses(jobs_db) == ["completed", "rendered"]
    assert fetch.late(batch, jobs_db, config) is None  # the same again
    api.lines = [good(batch, 0), good(batch, 1)]
    assert "1 more responses" in str(fetch.late(batch, jobs_db, config))
    assert statuses(jobs_db) == ["completed"] * 2
    assert jobs_db.table("usage").count == 2
    asked = events(batch).count("looked_late")
    assert asked == 8
    assert fetch.late(batch, jobs_db, config) is None  # all are there: it is not asked
    assert events(batch).count("looked_late") == asked


@pytest.mark.parametrize(
    ("sent_hours", "looked_hours", "asked"),
    [(47, 2, True), (49, 2, False), (47, 0.5, False)],
)
def test_cron_asks_for_a_closed_batch_without_a_file_once_an_hour_for_two_days(
    tmp_path: Path, sent_hours: float, looked_hours: float, asked: bool
) -> None:
    batch = sent(tmp_path / "b", None)
    assert not fetch.look_late_now(batch)
    batch.add("settled")
    for name, hours in (("create_sent", sent_hours), ("settled", looked_hours)):
        event = batch.last(name)  # type: ignore[arg-type]
        assert event
        at = datetime.now(UTC) - timedelta(hours=hours)
        event |= {"at": at.isoformat(), "boot": "another"}
    assert fetch.look_late_now(batch) == asked
    came(batch, good(batch, 0))
    assert not fetch.look_late_now(batch)
