"""make batch-run: the whole corpus, a cron line at a time."""

import hashlib
import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import in_process
from drawing import bitmap, write_pdf
from emulator_process import Emulator, wait_for
from flowsheets import lock, settings
from flowsheets.batch import alarm, trial
from flowsheets.jobs import database
from station import KEY, PDF, Station, billed
from test_kills import assert_nothing_left_over


def until_done(station: Station, **settings: str) -> list[str]:
    """What cron's runs say, until every page is completed."""
    said: list[str] = []

    def done() -> bool:
        said.extend(new := station.good("batch-run", **settings).splitlines())
        if not new:
            time.sleep(0.05)  # the emulator is at work
        return set(station.statuses()) == {"completed"}

    wait_for(done)
    return said


def creates(emulator: Emulator) -> int:
    """How many batches were asked for."""
    asked = emulator.ledger()["requests"]
    return sum(one["path"].endswith(":batchGenerateContent") for one in asked)


def told(station: Station) -> list[str]:
    """What ALERT_CMD was given."""
    path = station.folder / "alerts"
    return path.read_text().splitlines() if path.exists() else []


def alert(station: Station) -> dict[str, str]:
    return {"ALERT_CMD": f"cat >> '{station.folder}/alerts'"}


def times_billed(station: Station, emulator: Emulator) -> list[int]:
    """How often each of the station's images was billed; its PDFs' names are no other test's."""
    count = billed(emulator.ledger())
    images = (station.data / "pages").rglob("*.png")
    return [count.get(hashlib.sha256(image.read_bytes()).hexdigest(), 0) for image in images]


def proven(station: Station) -> None:
    """As after ten pages that completed: many may go."""
    station.data.mkdir()
    with patch.dict(os.environ, station.environment()):
        trial.pass_anyway(database.connect(station.data), settings.load())


def test_from_scans_to_results_ten_pages_first_and_each_is_billed_once(
    online: Station, emulator: Emulator
) -> None:
    online.data.mkdir()
    online.scan(14)
    online.good("discover")
    said = until_done(online, BATCH_PAGES="6", **alert(online))
    sizes = [len((f / "manifest.jsonl").read_text().splitlines()) for f in online.folders()]
    assert sizes == [6, 6, 2]
    assert said[0].startswith("rendered 12, submitted 6 pages in 1 batch; 14 left, $0 spent of")
    assert said[-1].startswith("fetched 8 completed, 0 failed; 0 left, $")
    assert all("done on 20" in line for line in said[1:-1])
    assert times_billed(online, emulator) == [1] * 14
    assert online.good("batch-run") == ""
    assert told(online) == []


def test_nothing_is_said_where_nothing_happened(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(12)
    assert "submitted 10 pages in 1 batch" in online.good("batch-run")
    for _ in range(2):
        done = online.make("batch-run")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert online.statuses().count("submitted") == 10


def test_of_two_at_once_the_second_says_so_and_ends_well(online: Station) -> None:
    online.rendered(1)
    with lock.held(online.data, "run"):
        done = online.make("batch-run")
    assert done.returncode == 0
    assert done.stdout.startswith("nothing run: ")
    assert online.statuses() == ["rendered"]


def test_tokens_enqueued_at_once_stay_below_the_limit(online: Station, emulator: Emulator) -> None:
    proven(online)
    emulator.faults(batch_stays_pending=True)
    online.rendered(30)
    limit = {"MAX_ENQUEUED_TOKENS": "25000", "BATCH_PAGES": "6"}
    online.good("batch-run", **limit)
    built = [
        json.loads((f / "journal.jsonl").read_text().splitlines()[0]) for f in online.folders()
    ]
    tokens = sum(one["tokens"] for one in built)
    each = built[0]["tokens"] / built[0]["pages"]
    assert 25_000 - 2 * each < tokens <= 25_000
    assert online.good("batch-run", **limit) == ""
    assert "submitted" in online.good("batch-run", MAX_ENQUEUED_TOKENS="60000")


def test_a_limit_below_one_page_is_one_clear_line(online: Station) -> None:
    online.rendered(1)
    said = online.error("batch-run", MAX_ENQUEUED_TOKENS="100")
    assert said.startswith("Error: MAX_ENQUEUED_TOKENS: 100 leaves no room for one page of ")
    said = online.error("batch-run", GEMINI_TIER="4")
    assert said == "Error: GEMINI_TIER: '4' is unknown. Give 1, 2 or 3"


# --- a create that is refused -----------------------------------------------------------------


def test_a_429_shrinks_what_is_believed_and_is_asked_again_after_a_pause(
    online: Station, emulator: Emulator
) -> None:
    proven(online)
    online.rendered(40, "forty.pdf")
    emulator.faults(create_429=1)
    before = creates(emulator)
    done = online.make("batch-run")
    assert (done.returncode, done.stderr) == (0, "")
    with online.jobs() as db:
        ((what, total, fits),) = db.execute("SELECT what, total, fits FROM beliefs").fetchall()
    assert (what, fits) == ("tokens", total // 2)
    for _ in range(2):  # cron comes each minute, and the pause is ten
        assert online.good("batch-run") == ""
    assert creates(emulator) == before + 1
    with online.jobs() as db:  # eleven minutes later
        at = "strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '-11 minutes')"
        db.execute(f"UPDATE beliefs SET boot = NULL, up = NULL, at = {at}")
    said = online.good("batch-run")
    assert "submitted 20 pages in 1 batch" in said  # in place of the 40 that were refused
    until_done(online)
    assert times_billed(online, emulator) == [1] * 40


def test_what_a_killed_run_was_refused_is_known_to_the_next(
    online: Station, emulator: Emulator
) -> None:
    proven(online)
    online.rendered(12)
    emulator.faults(create_429=True)
    assert online.make("batch-submit").returncode == 1
    before = creates(emulator)
    assert online.good("batch-run") == ""
    assert creates(emulator) == before


def test_files_without_room_at_the_api_wait_without_an_error(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3)
    emulator.faults(storage_429=1)
    done = online.make("batch-run")
    assert (done.returncode, done.stderr) == (0, "")
    with online.jobs() as db:
        assert db.execute("SELECT what FROM beliefs").fetchall() == [("bytes",)]


def test_a_spend_cap_is_for_a_person(online: Station, emulator: Emulator) -> None:
    online.rendered(3)
    emulator.faults(spending_429=1)
    assert "spend cap" in online.error("batch-run")
    with online.jobs() as db:
        assert db.execute("SELECT * FROM beliefs").fetchall() == []


def test_an_unclear_create_is_looked_for_and_not_repeated(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "unclear.pdf")
    emulator.faults(create_503_after=1, listing_lag=9)
    done = online.make("batch-run", SUBMIT_GRACE="600")
    assert (done.returncode, done.stderr) == (0, "")
    before = creates(emulator)
    until_done(online, SUBMIT_GRACE="600")
    assert creates(emulator) == before


# --- the first ten pages ----------------------------------------------------------------------


def test_where_most_of_the_first_ten_fail_no_more_is_sent_until_a_person_says_so(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(30)
    emulator.faults(answer_not_json="0,1,2,3,4,5")
    online.good("batch-run")
    said = wait_for(lambda: online.make("batch-run").stderr)
    said = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert said == [
        "Error: batch-run: 6 of the first 10 pages failed with this model, prompt and settings, so"
        " no more are sent. Look at make status; change what is wrong, or go on: make batch-run"
        " SURE=1"
    ]
    assert online.statuses().count("rendered") == 20
    assert online.make("batch-run").returncode == 1
    emulator.faults(answer_not_json=None)
    assert "submitted" in online.good("batch-run", "SURE=1")
    until_done(online)


def test_half_of_the_first_ten_is_enough(online: Station, emulator: Emulator) -> None:
    online.rendered(14)
    emulator.faults(answer_recitation="0,1,2,3,4")
    online.good("batch-run")
    wait_for(lambda: "submitted 4 pages" in online.good("batch-run"))


def test_another_model_starts_with_ten_pages_again(online: Station, emulator: Emulator) -> None:
    proven(online)
    emulator.faults(batch_stays_pending=True)
    online.rendered(30)
    said = online.good("batch-run", GEMINI_MODEL="gemini-2.5-pro")
    assert "submitted 10 pages in 1 batch" in said
    assert "submitted 20 pages in 1 batch" in online.good("batch-run")


def test_the_first_ten_are_known_also_after_jobs_db_was_lost(
    online: Station, emulator: Emulator
) -> None:
    online.data.mkdir()
    online.scan(10, "trial.pdf")
    online.scan(15, PDF)
    online.good("discover")
    online.good("batch-run")
    wait_for(lambda: "10 completed" in online.good("batch-fetch"))
    (online.data / "jobs.db").unlink()
    online.good("discover")
    online.good("rebuild")
    emulator.faults(batch_stays_pending=True)
    assert "submitted 15 pages in 1 batch" in online.good("batch-run")


def test_a_failed_page_goes_again_also_after_jobs_db_was_lost(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "again.pdf")
    emulator.faults(line_error="1:13")
    online.good("batch-run")
    (online.data / "jobs.db").unlink()
    online.scan(3, "again.pdf")
    online.good("discover")
    online.good("rebuild")
    assert online.statuses() == ["submitted"] * 3  # and the rows do not know of their images
    wait_for(lambda: "fetched" in online.good("batch-fetch"))
    assert online.statuses() == ["completed", "failed", "completed"]
    emulator.faults(line_error=None)
    until_done(online)
    assert times_billed(online, emulator) == [1, 1, 1]


# --- pages that do not get on -----------------------------------------------------------------


def test_a_page_that_cannot_be_drawn_and_a_pdf_that_is_gone_keep_nobody_waiting(
    online: Station, emulator: Emulator
) -> None:
    online.data.mkdir()
    online.scan(2)
    write_pdf(online.scans / "gone.pdf", [bitmap("1")])
    write_pdf(online.scans / "blank.pdf", [bitmap("2")])
    online.good("discover")
    (online.scans / "gone.pdf").unlink()
    (online.scans / "blank.pdf").write_bytes(b"%PDF-1.4 and no more")
    online.good("batch-run")
    wait_for(lambda: online.good("batch-run") and "completed" in online.statuses())
    done = online.make("batch-run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(online.statuses()) == ["completed", "completed", "failed", "pending"]


def test_scans_that_are_not_there_are_an_error_while_pages_want_them(
    online: Station, emulator: Emulator
) -> None:
    online.data.mkdir()
    online.scan(1)
    online.good("discover")
    online.scans.rename(online.folder / "unmounted")
    assert online.error("batch-run").startswith("Error: SCANS_ROOT: ")
    (online.folder / "unmounted").rename(online.scans)
    assert "rendered 1, submitted 1 pages" in online.good("batch-run")
    online.scans.rename(online.folder / "unmounted")
    until_done(online)  # pages that have their image want no scan


def test_pages_whose_images_are_gone_are_drawn_again(online: Station, emulator: Emulator) -> None:
    online.rendered(2, "lost.pdf")
    for number in (1, 2):
        online.png(number, "lost.pdf").unlink()
    assert "rendered 2, submitted 2 pages in 1 batch" in online.good("batch-run")
    until_done(online)


def test_failed_pages_whose_images_are_gone_keep_nobody_waiting(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(12, "fail.pdf")
    emulator.faults(answer_not_json="0,1,2,3,4,5,6,7,8,9")
    online.good("batch-submit", "LIMIT=10")
    wait_for(lambda: "fetched" in online.good("batch-fetch"))
    emulator.faults(answer_not_json=None)
    for number in range(1, 11):
        online.png(number, "fail.pdf").unlink()
    assert "submitted 2 pages" in online.good("batch-run", "SURE=1")


def test_where_nothing_is_left_a_failed_trial_calls_nobody(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(3, "tired.pdf")
    emulator.faults(answer_not_json="all")
    for _ in range(2):
        online.make("batch-run", MAX_ATTEMPTS="2")
        wait_for(lambda: "SUCCEEDED" in online.good("batch-status"))
    online.make("batch-run", MAX_ATTEMPTS="2")
    done = online.make("batch-run", MAX_ATTEMPTS="2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [row["attempts"] for row in online.rows()] == [2] * 3


def test_max_usd_waits_while_something_is_out_and_is_for_a_person_else(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(9)
    assert "submitted 2 pages in 1 batch" in online.good("batch-run", MAX_USD="0.5")
    assert online.good("batch-run", MAX_USD="0.5") == ""
    online.rendered(1, "other.pdf")
    said = online.error("batch-run", MAX_USD="0.01", DATA_ROOT=str(copy_of(online)))
    assert said.startswith("Error: MAX_USD: ")


def copy_of(station: Station) -> Path:
    """A data folder of its own with one rendered page."""
    other = Station(station.folder / "other", station.base_url)
    other.scans.mkdir(parents=True)
    other.rendered(1)
    return other.data


def test_a_refused_result_file_is_an_error_and_the_other_pages_go_on(
    online: Station, emulator: Emulator
) -> None:
    proven(online)
    online.rendered(2)
    emulator.faults(line_unknown=True)
    online.good("batch-run")
    wait_for(lambda: online.make("batch-run", **alert(online)).returncode)
    emulator.faults(line_unknown=None)
    online.rendered(3, "next.pdf")
    done = online.make("batch-run", **alert(online))
    assert "submitted 3 pages" in done.stdout
    assert done.returncode == 1
    assert len([line for line in told(online) if "its result file is refused" in line]) == 1


# --- alerts -----------------------------------------------------------------------------------


def test_many_failed_pages_are_told_once(online: Station, emulator: Emulator) -> None:
    online.rendered(4)
    emulator.faults(answer_recitation="1")
    online.good("batch-run", **alert(online))
    wait_for(lambda: online.good("batch-run", **alert(online)))
    online.good("batch-run", **alert(online))
    (line,) = told(online)
    assert line.endswith(": 1 of 4 pages failed. Next: make status")


def test_a_refused_key_is_told_once_and_again_when_it_comes_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(1)
    wrong = {"GEMINI_API_KEY": "wrong-key-of-some-length", **alert(online)}
    for _ in range(2):
        assert "Check GEMINI_API_KEY" in online.error("batch-run", **wrong)
    assert len(told(online)) == 1
    online.good("batch-run", **alert(online))
    online.rendered(1, "more.pdf")
    online.make("batch-run", **wrong)
    assert len(told(online)) == 2
    assert all("the API key is refused" in line for line in told(online))
    assert "wrong-key" not in "".join(told(online))


def test_a_late_batch_and_two_silent_days_are_told_once(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2)
    online.good("batch-run")
    (folder,) = online.folders()
    journal = folder / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line, hours in zip(lines, (73, 72, 71, 70, 69), strict=True):
        at = datetime.fromisoformat(line["at"]) - timedelta(hours=hours)
        line["at"] = at.isoformat(timespec="milliseconds")
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for _ in range(2):
        online.make("batch-run", **alert(online))
    late, silent = told(online)
    assert ": PENDING for over 24 h; the API gives it up after 48 h" in late
    assert silent == "nothing was fetched for two days; 2 pages are out"


def test_four_fifths_of_the_budget_are_told_once_for_each_budget(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(4)
    for limit in ("0.9", "0.9", "0.95", "50"):
        online.good("batch-run", MAX_USD=limit, **alert(online))
    assert [line.split("(")[1][:6] for line in told(online)] == ["$0.900", "$0.950"]
    assert all(line.startswith("over 80 % of MAX_USD") for line in told(online))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("exit 3", "ended with 3"),
        ("sleep 60 & sleep 60", "took longer than 0.2 s"),
        ("no-such-command", "ended with 127"),
        ("exec 0<&-; true", ""),
    ],
)
def test_whatever_alert_cmd_does_the_run_goes_on(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, command: str, why: str
) -> None:
    monkeypatch.setattr(alarm, "SECONDS", 0.2)
    emulator.faults(batch_stays_pending=True)
    online.rendered(4)
    settings = {"MAX_USD": "0.9", "ALERT_CMD": command}
    done = online.make("batch-run", **settings)
    assert done.returncode == 0
    assert "submitted 4 pages" in done.stdout
    warned = [line for line in done.stderr.splitlines() if "ALERT_CMD" in line]
    assert len(warned) == bool(why)
    assert all(f"ALERT_CMD {why}; it was to say: over 80 %" in line for line in warned)
    assert online.make("batch-run", **settings).stderr == ""  # and it is tried again in an hour


def test_a_command_that_hangs_holds_a_run_up_once_and_not_for_each_alert(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm, "SECONDS", 0.2)
    found = {"late:a": "a is late", "late:b": "b is late"}
    hangs = f"cat >> '{online.folder}/alerts'; sleep 60"
    db = database.connect(online.rendered(1).data)
    alarm.tell(db, found, {"late"}, hangs)
    assert told(online) == ["a is late"]
    alarm.tell(db, found, {"late"}, hangs)
    assert told(online) == ["a is late", "b is late"]
    alarm.tell(db, found, {"late"}, hangs)  # an hour has not passed
    assert len(told(online)) == 2


def test_alert_cmd_sees_no_key(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(4)
    said = online.folder / "environment"
    more = {"MAX_USD": "0.9", "ALERT_CMD": f"env > '{said}'", "OTHER": f"x{KEY}", "A_TOKEN": "t"}
    online.good("batch-run", **more)
    assert "DATA_ROOT=" in said.read_text()
    assert KEY not in said.read_text()
    assert "A_TOKEN" not in said.read_text()


def test_without_alert_cmd_an_alert_is_one_warning(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(4)
    said = online.make("batch-run", MAX_USD="0.9").stderr
    assert said.startswith("Warning: over 80 % of MAX_USD")
    assert online.make("batch-run", MAX_USD="0.9").stderr == ""


# --- a kill, a full disk, no network ------------------------------------------------------------

STRIDE = 60 * int(os.environ.get("STRIDE", "5"))
FIRST = {"kill": 1, "full": STRIDE // 3, "cut": STRIDE * 2 // 3}  # each fate at steps of its own
MOST_STEPS = 900  # of a run and all that it starts


@pytest.mark.parametrize("fate", ["kill", "full", "cut"])
def test_at_whichever_step_each_page_is_paid_for_once_and_completed(
    tmp_path: Path, emulator: Emulator, fate: str
) -> None:
    """A run that fetches one batch, and renders, builds and submits the next."""
    for number, step in enumerate(range(FIRST[fate], MOST_STEPS, STRIDE)):
        name = f"{fate[0]}{number:02d}"  # the last four characters make an image that is its own
        station = Station(tmp_path / str(step), emulator.url)
        station.scans.mkdir(parents=True)
        station.rendered(5, f"{name}a.pdf")
        station.good("batch-run")
        wait_for(lambda station=station: "SUCCEEDED" in station.good("batch-status"))
        station.scan(1, f"{name}b.pdf")
        station.good("discover")
        done = run(station, FATE=fate, STEP=str(step))
        if fate != "kill":
            assert_clear_lines(done)
        until_done(station)
        assert times_billed(station, emulator) == [1] * 6, step
        assert_nothing_left_over(station)
        if not done.fate_met:
            assert done.returncode == 0
            return
    raise AssertionError("the command never got through")


def run(station: Station, **more: str) -> Any:
    return in_process.run("scripts/run.py", env=station.environment(**more))


def assert_clear_lines(done: Any) -> None:
    """A full disk meets several steps, each with its line."""
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert bool(errors) == bool(done.returncode), done.stderr
