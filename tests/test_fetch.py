"""make batch-fetch: ended batches to pages."""

import json

import pytest

import fetch
from emulator_process import Emulator, wait_for
from flowsheets import files
from flowsheets.batch import results
from flowsheets.batch.folder import Batch
from flowsheets.gemini import developer
from flowsheets.gemini.client import ApiProblem
from pages import answer
from station import Station


def test_each_response_lands_on_the_page_of_its_key(online: Station) -> None:
    online.rendered(4)
    batch_id = online.submitted()
    said = online.fetched(batch_id)
    assert said.strip() == (
        f"fetched {batch_id} 4 pages: 4 completed, 0 failed, 0 returned to the queue"
    )
    manifest = (online.folders()[0] / "manifest.jsonl").read_text().splitlines()
    for number, line in enumerate(map(json.loads, manifest), 1):
        result = online.result(number)
        assert result["comments_raw"] == f"sha256 {line['image_sha256']}"
        assert result["model_version"] == "emulator-quick"
    row = online.rows()[0]
    assert row["status"] == "completed"
    assert row["model_version"] == "emulator-quick"
    assert row["result_path"].endswith("page-01.json")


def test_a_second_fetch_changes_nothing(online: Station) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    online.fetched(batch_id)
    before, rows = online.tree(), online.rows()
    assert online.good("batch-fetch", f"ID={batch_id}") == ""
    assert online.good("batch-fetch") == ""
    assert online.tree() == before
    assert online.rows() == rows


def test_nothing_is_printed_where_nothing_ended(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(1)
    online.submitted()
    done = online.make("batch-fetch")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_that_ended_are_fetched_without_an_id(online: Station) -> None:
    online.rendered(3)
    online.good("batch-submit", BATCH_PAGES="2")
    for folder in online.folders():
        online.fetched(folder.name)
    assert online.statuses() == ["completed"] * 3
    assert len(online.folders()) == 2


def test_results_are_on_the_disk_before_the_journal_and_then_the_rows_say_so(
    online: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(3)
    batch_id = online.submitted()
    seen: list[tuple[int, bool, list[str]]] = []

    def look() -> None:
        written = len(list((online.data / "results").rglob("page-*.json")))
        seen.append((written, "applied" in online.journal(), sorted(set(online.statuses()))))

    sync, note = files._sync_files, results._note_in_journal

    def watched_sync(descriptors: list[int]) -> None:
        look()
        sync(descriptors)

    def watched_note(batch: Batch, outcomes: list[results.Outcome]) -> None:
        look()
        note(batch, outcomes)
        look()

    monkeypatch.setattr(files, "_sync_files", watched_sync)
    monkeypatch.setattr(results, "_note_in_journal", watched_note)
    online.fetched(batch_id)
    out = ["submitted"]
    assert seen == [(0, False, out), (3, False, out), (3, True, out)]
    assert online.statuses() == ["completed"] * 3


def test_the_result_file_is_kept_verbatim(online: Station, emulator: Emulator) -> None:
    online.rendered(2)
    online.fetched(online.submitted())
    (folder,) = online.folders()
    lines = (folder / "responses.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["key"][-5:] for line in lines if line] == ["00000", "00001"]


def test_the_input_file_is_removed_when_the_last_page_is_settled(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    events = [
        json.loads(e) for e in (online.folders()[0] / "journal.jsonl").read_text().split("\n") if e
    ]
    file = next(event["file"] for event in events if event["event"] == "uploaded")

    def deleted() -> bool:
        calls = emulator.ledger()["requests"]
        return any(c["method"] == "DELETE" and c["path"].endswith(file) for c in calls)

    assert not deleted()
    online.fetched(batch_id)
    assert deleted()


def test_two_fetches_at_once_are_no_harm(online: Station) -> None:
    from filelock import FileLock

    online.rendered(1)
    batch_id = online.submitted()
    with FileLock(online.data / "jobs.lock"):
        done = online.make("batch-fetch")
        assert done.returncode == 0
        assert done.stdout.startswith("nothing fetched: another process is at work")
        assert len(done.stdout.splitlines()) == 1
    online.fetched(batch_id)


def test_a_damaged_journal_is_one_clear_line_and_the_other_batches_go_on(
    online: Station,
) -> None:
    online.rendered(2)
    online.good("batch-submit", "LIMIT=1")
    online.submitted()
    first, _ = online.folders()
    good = (first / "journal.jsonl").read_text()
    (first / "journal.jsonl").write_text("{ no json\n")
    while online.statuses()[1] != "completed":
        said = online.error("batch-fetch")
        assert said.startswith(f"Error: {first}/journal.jsonl:1: is not JSON. Restore it from")
    assert online.statuses() == ["submitted", "completed"]
    (first / "journal.jsonl").write_text(good)
    online.fetched(first.name)
    assert online.statuses() == ["completed", "completed"]


@pytest.mark.parametrize("damage", ["{ no json\n", "", "cut"])
def test_a_damaged_manifest_is_made_again_from_what_jobs_db_knows(
    online: Station, damage: str
) -> None:
    online.rendered(3)
    batch_id = online.submitted()
    manifest = online.folders()[0] / "manifest.jsonl"
    good = manifest.read_text()
    manifest.write_text(good[: good.rindex("{")] if damage == "cut" else damage)
    done = online.make("batch-fetch", f"ID={batch_id}")
    assert "its manifest was damaged, and is made again from jobs.db (3 pages)" in done.stderr
    assert manifest.read_text() == good
    assert "3 completed" in (
        done.stdout + online.make("batch-fetch").stdout + " "
    ) or online.fetched(batch_id)
    assert online.statuses() == ["completed"] * 3


def test_a_page_whose_image_has_changed_is_noticed(online: Station) -> None:
    online.rendered(2)
    batch_id = online.submitted()
    online.png(1).write_bytes(online.png(2).read_bytes())
    assert "1 completed, 1 failed" in online.fetched(batch_id)
    assert "image has changed" in online.rows()[0]["last_error"]


def test_a_page_that_failed_inside_a_batch_is_failed_with_its_reason(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(line_error="1:13")
    online.rendered(2)
    assert "1 completed, 1 failed" in online.fetched(online.submitted())
    row = online.rows()[1]
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert row["last_error"] == "row_error_13: the API answered 13 INTERNAL: no message"


def test_what_cannot_be_tidied_up_is_no_failure_and_is_tidied_up_later(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(2)
    online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status"), 30)
    for name, value in online.environment().items():
        monkeypatch.setenv(name, value)

    def down(*_: object) -> None:
        raise ApiProblem("answered 503", "", code=503, unclear=True)

    with monkeypatch.context() as broken:
        broken.setattr(developer, "tidy_up", down)
        fetch.main([], standalone_mode=False)  # raises where it fails
    assert online.statuses() == ["completed"] * 2
    assert online.journal()[-1] == "applied"
    assert online.good("batch-fetch") == ""
    settled = json.loads((online.folders()[0] / "journal.jsonl").read_text().splitlines()[-1])
    assert (settled["event"], settled["completed"]) == ("settled", 2)


def test_a_late_batch_in_a_state_that_nobody_knows_is_told_both(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_state="BATCH_STATE_PAUSED")
    online.rendered(1)
    emulator.advance(-90_000)
    batch_id = online.submitted()
    emulator.advance(90_000)
    wait_for(lambda: "PAUSED" in online.good("batch-status"), 30)
    said = online.make("batch-fetch").stderr.splitlines()
    assert len(said) == 2
    assert "is unknown here" in said[0]
    assert f"make batch-rescue ID={batch_id}" in said[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"event": "bound"}', "has no time"),
        ('{"at": "soon", "event": "bound"}', "has no time"),
        ('{"at": "2026-11-01T00:00:00+00:00", "event": "created"}', "has no batch_id"),
        ('{"at": "2026-11-01T00:00:00+00:00", "event": "uploaded", "file": 3}', "has no file"),
        ("[]", "is not an event"),
    ],
)
def test_a_journal_line_without_sense_is_that_folders_trouble_alone(
    online: Station, line: str, said: str
) -> None:
    online.rendered(2)
    online.good("batch-submit", "LIMIT=1")
    online.submitted()
    journal = online.folders()[0] / "journal.jsonl"
    journal.write_text(journal.read_text() + line + "\n")

    def other_one_fetched() -> bool:
        done = online.make("batch-fetch")
        assert f"journal.jsonl:6: {said}. " in done.stderr
        assert "Traceback" not in done.stderr
        return online.statuses()[1] == "completed"

    wait_for(other_one_fetched)


def test_a_batch_json_without_sense_is_asked_for_again(online: Station) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    (online.folders()[0] / "batch.json").write_text("[]")
    assert "1 completed" in online.fetched(batch_id)


def test_a_key_that_never_came_back_is_its_pages_failure_where_the_api_counts_no_more(
    online: Station,
) -> None:
    online.rendered(3)
    batch_id = online.submitted()
    wait_for(lambda: "SUCCEEDED" in online.good("batch-status", f"ID={batch_id}"))
    folder = online.folders()[0]
    reply = json.loads((folder / "batch.json").read_text())
    del reply["metadata"]["batchStats"]
    (folder / "batch.json").write_text(json.dumps(reply))
    sent = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    lines = [json.dumps({"key": line["key"], "response": answer()}) for line in sent[:2]]
    (folder / "responses.jsonl").write_text("\n".join(lines))
    assert "2 completed, 1 failed" in online.good("batch-fetch")
    last = online.rows()[2]
    assert (last["status"], last["attempts"], last["last_error"]) == (
        "failed",
        1,
        "no_response: no response in the result file",
    )


def test_a_setting_that_every_row_is_refused_for_is_named(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2)
    batch_id = online.good("batch-submit", GEMINI_THINKING="minimal").split("submitted ")[1]
    said = wait_for(lambda: online.make("batch-fetch").stderr)
    assert "Error: GEMINI_THINKING: " in said
    assert [(r["status"], r["attempts"]) for r in online.rows()] == [("rendered", 0)] * 2
    assert batch_id
