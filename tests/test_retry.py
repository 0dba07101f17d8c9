"""make retry: one finished page back to the queue."""

import json

from sqlite_utils import Database

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
    assert online.error("retry", "PAGE=9").startswith("Error: PDF and PAGE: ")
    assert online.error("retry", f"PDF={PDF}").startswith("Error: PAGE: ")
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


def set_status(station: Station, status: str) -> None:
    """As if somebody had edited the rows by hand."""
    db = Database(station.data / "jobs.db")
    with db.atomic():
        db.execute("UPDATE jobs SET status = ?", [status])
