"""make retry: finished pages back to the queue."""

import json

import pytest
from sqlite_utils import Database

from flowsheets.jobs import database, date_checks, mended_answers
from flowsheets.paths import PageId
from forked import commands
from station import PDF, Station

OTHER = '1990/January 1990/it\'s "one" & more.pdf'


def test_a_completed_page_goes_back_with_all_its_tries(online: Station) -> None:
    online.rendered(2).rendered(1, OTHER)
    online.good("process")
    old = online.result(1, OTHER)
    said = online.good("retry", f"PDF={OTHER}", "PAGE=1")
    assert said.startswith(f"{OTHER} page 1 is back in the queue")
    assert online.statuses() == ["completed", "completed", "rendered"] or (
        online.statuses().count("rendered") == 1
    )
    row = next(r for r in online.rows() if r["pdf_path"] == OTHER)
    assert (row["status"], row["attempts"], row["last_error"]) == ("rendered", 0, None)
    assert (row["model_version"], row["result_path"]) == (None, None)
    assert "1 completed" in online.good("process")
    assert online.result(1, OTHER) != old  # read again, later
    folder = online.data / "results" / OTHER.removesuffix(".pdf")
    assert len(list(folder.iterdir())) == 2  # the earlier one is kept


def test_a_page_out_of_tries_gets_new_ones(online: Station) -> None:
    online.rendered(1)
    from sqlite_utils import Database

    db = Database(online.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = 'failed', attempts = 3")
    assert "no tries left" in online.good("status")
    online.good("retry", f"PDF={PDF}", "PAGE=1")
    assert "1 completed" in online.good("process")


def test_only_a_finished_page_can_be_retried(online: Station) -> None:
    online.rendered(1)
    assert "is rendered, not finished" in online.error("retry", f"PDF={PDF}", "PAGE=1")
    online.submitted()
    assert "is submitted, not finished" in online.error("retry", f"PDF={PDF}", "PAGE=1")


def test_a_page_that_is_not_there_is_one_clear_line(online: Station) -> None:
    online.rendered(1)
    assert "is not in jobs.db" in online.error("retry", f"PDF={PDF}", "PAGE=9")
    assert online.error("retry", "PAGE=9").startswith("Error: PDF: is missing")
    assert "is not in jobs.db" in online.error("retry", "PDF=1990/nowhere.pdf")
    assert online.error("retry", f"PDF={PDF}", "PAGE=two").startswith("Error: PAGE: ")


def test_a_dollar_sign_and_quotes_in_the_name_reach_the_page(station: Station) -> None:
    odd = '1990/a$b $(HOME) ${PATH} $$ `c` "d" it\'s.pdf'
    station.rendered(1, odd)
    set_status(station, "completed")
    station.real = True  # make itself: a dollar sign is its own
    assert f"{odd} page 1 is back" in station.good("retry", f"PDF={odd}", "PAGE=1")


def test_a_line_break_in_a_value_is_one_clear_line(station: Station) -> None:
    station.rendered(1)
    station.real = True
    done = station.make("retry", "PDF=a\nb.pdf", "PAGE=1")
    assert done.stderr.splitlines()[0] == (
        "Error: a b.pdf page 1: is not in jobs.db. PDF is relative to SCANS_ROOT; make status"
    )
    assert "yntax error" not in done.stderr


def test_a_status_that_is_not_ours_has_a_way_back(station: Station) -> None:
    station.rendered(1)
    set_status(station, "done?")
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    assert station.statuses() == ["rendered"]


def test_killed_at_any_step_a_completed_page_has_its_result_and_none_is_lost(
    station: Station,
) -> None:
    station.rendered(1)
    folder = station.data / "results" / PDF.removesuffix(".pdf")
    folder.mkdir(parents=True)
    for step in range(1, 50):
        result = {"read": step}
        (folder / "page-01.json").write_text(json.dumps(result))
        set_status(station, "completed")
        done = commands().run(
            "scripts/retry.py",
            *("--pdf", PDF, "--page", "1"),
            env=station.environment(FATE="kill", STEP=str(step)),
        )
        whole = [path for path in folder.iterdir() if path.suffix != ".part"]
        assert result in [json.loads(path.read_bytes()) for path in whole]
        if station.statuses() == ["completed"]:
            assert station.result(1) == result
            station.good("retry", f"PDF={PDF}", "PAGE=1")
        assert station.statuses() == ["rendered"]
        if not done.fate_met:
            return
    raise AssertionError("it never got through")


def test_results_that_cannot_be_written_leave_the_page_completed(online: Station) -> None:
    online.rendered(1)
    online.good("process")
    done = commands().run(
        "scripts/retry.py",
        *("--pdf", PDF, "--page", "1"),
        env=online.environment(FATE="full", STEP="1"),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert online.statuses() == ["completed"]
    assert online.result(1)


def test_a_whole_pdf_goes_back_and_says_how_many_before(online: Station) -> None:
    online.rendered(3).rendered(1, OTHER)
    online.good("process")
    fail(online, 3, "not_json: the response is not JSON")
    said = online.good("retry", f"PDF={PDF}").splitlines()
    assert said[0] == "3 pages go back to the queue: 2 completed, 1 failed"
    assert said[-1].startswith("3 pages are back in the queue. Next: make process")
    assert online.statuses() == ["rendered"] * 3 + ["completed"]
    assert "has no finished page" in online.error("retry", f"PDF={PDF}")
    kept = [path.name for path in (online.data / "results").rglob("*.json.*")]
    assert len(kept) == 3


def test_failed_pages_go_back_by_status_or_by_code(station: Station) -> None:
    station.rendered(4).rendered(1, OTHER)
    set_status(station, "completed")
    assert station.good("retry", "STATUS=failed") == "no page is failed: nothing to retry\n"
    fail(station, 1, "recitation: the model stopped: RECITATION")
    fail(station, 2, "recitation: the model stopped: RECITATION")
    fail(station, 3, "not_json: the response is not JSON")
    fail(station, 1, "recitation without a code", OTHER)
    assert "Codes here: recitation (2), not_json (1)" in station.error("retry", "CODE=safety")
    said = station.good("retry", "CODE=Recitation").splitlines()
    assert said[0] == "2 pages go back to the queue: 2 failed"
    assert station.statuses() == ["rendered", "rendered", "failed", "completed", "failed"]
    station.good("retry", "STATUS=failed", f"PDF={PDF}")
    assert station.statuses()[2:] == ["rendered", "completed", "failed"]
    assert f"{OTHER} page 1 is back" in station.good("retry", "STATUS=FAILED")
    assert "failed" not in station.statuses()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Error: PDF: is missing. Give make retry PDF="),
        (("PAGE=2", "STATUS=failed"), "Error: PDF: is missing"),
        ((f"PDF={PDF}", "PAGE=2", "CODE=x"), "Error: CODE: makes no sense beside PAGE"),
        ((f"PDF={PDF}", "PAGE=2", "STATUS=failed"), "Error: STATUS: makes no sense beside PAGE"),
        (("STATUS=completed",), "Error: STATUS: 'completed' is not failed. Give STATUS=failed"),
        ((f"PDF={PDF}", "STATUS=rendered"), "Error: STATUS: 'rendered' is not failed"),
        (("CODE=a'b; DROP TABLE jobs",), "Error: CODE: no failed page has the code"),
    ],
)
def test_what_names_no_pages_is_one_clear_line(
    station: Station, words: tuple[str, ...], said: str
) -> None:
    station.rendered(2)
    set_status(station, "completed")
    assert station.error("retry", *words).startswith(said)
    assert station.statuses() == ["completed", "completed"]


def test_what_was_noted_of_the_old_result_is_forgotten(station: Station) -> None:
    station.rendered(1)
    set_status(station, "completed")
    page = PageId(PDF, 1)
    db = database.connect(station.data)
    with database.transaction(db):
        mended_answers.note(db, page, ("a fence",), "2026-01-01")
        date_checks.note(db, page, "another year", "2026-01-01")
    station.good("retry", f"PDF={PDF}")
    assert mended_answers.noted(db) == {}
    assert date_checks.noted(db) == {}


def test_killed_at_any_step_many_pages_keep_their_results(station: Station) -> None:
    station.rendered(3)
    folder = station.data / "results" / PDF.removesuffix(".pdf")
    folder.mkdir(parents=True)
    for step in range(1, 80):
        for number in (1, 2, 3):
            (folder / f"page-{number:02d}.json").write_text(json.dumps([number, step]))
        set_status(station, "completed")
        environment = station.environment(FATE="kill", STEP=str(step))
        done = commands().run("scripts/retry.py", "--pdf", PDF, env=environment)
        whole = [path for path in folder.iterdir() if path.suffix != ".part"]
        contents = [json.loads(path.read_bytes()) for path in whole]
        assert all([number, step] in contents for number in (1, 2, 3))
        for number, status in enumerate(station.statuses(), 1):
            assert status == "rendered" or (folder / f"page-{number:02d}.json").exists()
        if not done.fate_met:
            assert station.statuses() == ["rendered"] * 3
            return
    raise AssertionError("it never got through")


def fail(station: Station, number: int, error: str, pdf: str = PDF) -> None:
    db = Database(station.data / "jobs.db")
    with db.atomic():
        db.execute(
            "UPDATE jobs SET status = 'failed', attempts = 1, last_error = ?"
            " WHERE pdf_path = ? AND page_number = ?",
            [error, pdf, number],
        )


def set_status(station: Station, status: str) -> None:
    """As if somebody had edited the rows by hand."""
    db = Database(station.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = ?", [status])
