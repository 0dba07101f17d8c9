"""make batch-submit, second half: a folder to a batch at the API."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from emulator_process import Emulator
from flowsheets import settings
from flowsheets.batch import submit
from flowsheets.batch.folder import load_batch
from flowsheets.errors import Problem
from flowsheets.gemini import developer
from station import KEY, Station


def test_submit_returns_at_once_with_the_id(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(3)
    said = online.good("batch-submit", "LIMIT=2").splitlines()[-1]
    batch_id = said.split()[1]
    assert said.startswith(f"submitted {batch_id} 2 pages")
    assert batch_id.startswith("batches/")


def test_the_id_stands_in_every_manifest_line_and_in_every_row(online: Station) -> None:
    online.rendered(3)
    batch_id = online.submitted()
    (folder,) = online.folders()
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [line["batch_id"] for line in manifest] == [batch_id] * 3
    rows = online.rows()
    assert [row["status"] for row in rows] == ["submitted"] * 3
    assert [row["batch_id"] for row in rows] == [batch_id] * 3
    assert [row["within_batch_index"] for row in rows] == [0, 1, 2]
    assert json.loads((folder / "batch.json").read_text())["name"] == batch_id


def test_the_folders_name_is_the_batchs_display_name(online: Station, emulator: Emulator) -> None:
    online.rendered(1)
    batch_id = online.submitted()
    accepted = {batch["id"]: batch["displayName"] for batch in emulator.ledger()["batches"]}
    assert accepted[batch_id] == online.folders()[0].name


def test_intent_is_on_disk_before_the_outcome(online: Station) -> None:
    online.rendered(1)
    online.submitted()
    assert online.journal() == ["built", "uploaded", "create_sent", "created", "bound"]


def test_process_with_batch_is_the_same(online: Station) -> None:
    online.rendered(2)
    assert "submitted batches/" in online.good("process", "BATCH=1", "LIMIT=1")
    assert online.statuses() == ["submitted", "rendered"]


def test_a_wrong_key_is_one_clear_line_and_the_next_run_goes_on(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    before = len(emulator.ledger()["batches"])
    said = online.error("batch-submit", GEMINI_API_KEY="wrong-key-123")
    assert "API key not valid" in said
    assert "Check GEMINI_API_KEY" in said
    assert "wrong-key-123" not in said
    assert "submitted batches/" in online.good("batch-submit")
    assert len(emulator.ledger()["batches"]) == before + 1


def test_the_key_is_written_nowhere(online: Station) -> None:
    online.rendered(1)
    online.fetched(online.submitted())
    assert [name for name, content in online.tree().items() if KEY.encode() in content] == []


def test_the_model_that_was_estimated_is_the_one_that_is_asked(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    emulator.faults(create_429=1)
    online.error("batch-submit", GEMINI_MODEL="gemini-2.5-flash")
    batch_id = online.submitted()
    reply = json.loads((online.folders()[0] / "batch.json").read_text())
    assert reply["metadata"]["model"] == "models/gemini-2.5-flash"
    online.fetched(batch_id)
    assert online.usage()[0]["model"] == "gemini-2.5-flash"


def test_folders_that_were_built_wait_where_they_would_pass_a_limit_on_dollars(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    emulator.faults(create_429=1)
    online.error("batch-submit", BATCH_PAGES="1")
    before = len(emulator.ledger()["batches"])
    said = online.error("batch-submit", "LIMIT=1", MAX_USD="0.001")
    assert "MAX_USD: 1 page may cost up to" in said
    assert "It waits until then" in said
    assert online.make("batch-fetch", MAX_USD="0.001").stderr == ""  # cron is not nagged
    assert len(emulator.ledger()["batches"]) == before
    # One page costs up to 20 cents: with room for two, the third waits for them to be fetched.
    online.make("batch-submit", MAX_USD="0.45")
    assert len(emulator.ledger()["batches"]) == before + 2


def test_a_key_with_a_line_break_inside_is_refused_and_shown_nowhere(online: Station) -> None:
    online.rendered(1)
    for command in ("process", "batch-submit"):
        done = online.make(command, GEMINI_API_KEY="secret-1\nsecret-2")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: GEMINI_API_KEY: holds letters that no key has")
        assert "secret" not in done.stdout + done.stderr
    assert not any(b"secret" in content for content in online.tree().values())
    assert online.rows()[0]["attempts"] == 0


def test_an_unclear_batch_of_another_key_is_not_created_anew(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(1)
    emulator.faults(create_503_before=1)
    online.error("batch-submit", SUBMIT_GRACE="3600")
    for name, value in online.environment(GEMINI_API_KEY="another-key-of-mine").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(developer, "find", lambda name: None)  # its listing shows none

    def paid(*_: object) -> None:
        raise AssertionError("created anew")

    monkeypatch.setattr(developer, "create", paid)
    batch = load_batch(online.folders()[0])
    with pytest.raises(Problem, match="was sent with another key"):
        submit.send(batch, None, settings.load())


@pytest.mark.parametrize(("hours", "uploads"), [(39, 1), (41, 2)])
def test_an_upload_that_may_expire_on_the_way_is_made_again_first(
    online: Station, emulator: Emulator, hours: int, uploads: int
) -> None:
    online.rendered(1)
    emulator.faults(create_429=1)
    online.error("batch-submit")
    journal = online.folders()[0] / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    uploaded = next(event for event in events if event["event"] == "uploaded")
    uploaded |= {"at": str(datetime.now(UTC) - timedelta(hours=hours)), "boot": "another"}
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert online.submitted()
    assert online.journal().count("uploaded") == uploads
