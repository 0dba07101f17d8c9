"""make retry: one finished page back to the queue."""

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
