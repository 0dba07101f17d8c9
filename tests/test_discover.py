"""make discover: one job a page."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from pikepdf import Pdf

from drawing import bitmap, write_pdf
from flowsheets.jobs import database, pdfs, states
from flowsheets.paths import PageId
from station import PDF, TOP, UNPRIVILEGED, Station


def test_each_page_at_any_depth_is_one_pending_job(station: Station) -> None:
    station.scan(2)
    station.scan(1, "top.pdf")
    station.scan(1, '1991/März 1991/Größe & Co\'s $1 "x".PDF')
    said = station.good("discover")
    assert said.splitlines()[-1].startswith("registered 4 new pages of 3 PDFs, 0 PDFs skipped")
    assert [(r["pdf_path"], r["page_number"], r["status"]) for r in station.rows()] == [
        (PDF, 1, "pending"),
        (PDF, 2, "pending"),
        ('1991/März 1991/Größe & Co\'s $1 "x".PDF', 1, "pending"),
        ("top.pdf", 1, "pending"),
    ]


def test_a_second_time_registers_only_what_is_new(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    before = station.rows()
    station.scan(1, "new.pdf")
    assert "registered 1 new pages" in station.good("discover")
    assert station.rows()[0] == before[0]


def test_a_damaged_pdf_is_one_warning_and_the_others_go_on(station: Station) -> None:
    station.scan(1)
    (station.scans / "bad one.pdf").write_bytes(b"%PDF-1.4 nothing else")
    done = station.make("discover")
    assert done.returncode == 0
    warnings = done.stderr.splitlines()
    assert len(warnings) == 1
    assert "bad one.pdf is skipped" in warnings[0]
    assert "registered 1 new pages of 1 PDFs, 1 PDFs skipped" in done.stdout


def test_files_that_a_mac_leaves_are_not_scans(station: Station) -> None:
    (station.scans / "._a.pdf").write_bytes(b"resource fork")
    assert station.make("discover").stderr == ""


def test_a_missing_folder_of_scans_is_one_clear_line(station: Station) -> None:
    said = station.error("discover", SCANS_ROOT="/nowhere")
    assert said.startswith("Error: SCANS_ROOT: /nowhere is not a folder. ")


def test_a_pdf_whose_name_differs_by_the_ending_alone_is_one_warning(station: Station) -> None:
    station.scan(1, "x/a.PDF")
    station.scan(1, "x/a.pdf")
    station.scan(1, "x/b.pdf")
    done = station.make("discover")
    assert done.stderr == (
        f"Warning: {station.scans}/x/a.pdf is skipped:"
        " its name differs from x/a.PDF by the ending alone; rename it\n"
    )
    assert "registered 2 new pages of 2 PDFs, 1 PDFs skipped" in done.stdout
    assert [row["pdf_path"] for row in station.rows()] == ["x/a.PDF", "x/b.pdf"]


def test_the_pdf_that_has_jobs_already_keeps_its_name(station: Station) -> None:
    station.scan(1, "x/a.pdf")
    station.good("discover")
    station.scan(2, "x/a.PDF")
    station.scan(3, "x/a.pdf")  # it grew
    done = station.make("discover")
    assert "x/a.PDF is skipped: its name differs from x/a.pdf by" in done.stderr
    assert [row["pdf_path"] for row in station.rows()] == ["x/a.pdf"] * 3


def test_rows_of_two_such_pdfs_in_an_older_database_are_left_alone(station: Station) -> None:
    station.rendered(1, "x/a.PDF").rendered(1, "x/a.pdf")
    before = station.rows()
    assert "is skipped" in station.make("discover").stderr
    assert station.rows() == before


def test_a_data_folder_that_is_a_file_is_one_clear_line(station: Station) -> None:
    station.data.write_text("a file")
    assert station.error("discover") == (
        f"Error: DATA_ROOT: {station.data} is not a folder. Correct it, or make the folder"
    )
    inside = str(station.data / "deeper")
    said = station.error("discover", DATA_ROOT=inside)
    assert said.startswith(f"Error: {inside}: Not a directory. ")


def test_a_folder_of_scans_with_a_name_that_is_too_long_is_one_clear_line(station: Station) -> None:
    long = str(station.folder / ("x" * 300))
    assert station.error("discover", SCANS_ROOT=long).startswith(
        f"Error: {long}: File name too long. "
    )


def test_a_folder_of_scans_that_cannot_be_read_is_a_warning(station: Station) -> None:
    station.scan(1, "a/open.pdf")
    station.scan(1, "b/closed.pdf")
    closed = station.scans / "b"
    closed.chmod(0)
    try:
        done = subprocess.run(
            [*UNPRIVILEGED, TOP / ".venv/bin/python", TOP / "scripts/discover.py"],
            env=station.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        closed.chmod(0o755)
    assert done.stderr == f"Warning: {closed} is skipped: Permission denied\n"
    assert done.stdout.startswith("registered 1 new pages of 1 PDFs")


def warned(station: Station) -> str:
    """discover, which has to succeed; returns its warnings."""
    done = station.make("discover")
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("Warning: ") for line in done.stderr.splitlines()), done.stderr
    return done.stderr


def test_a_pdf_cut_short_is_never_registered_in_silence(station: Station) -> None:
    station.scan(5, "whole.pdf")
    whole = (station.scans / "whole.pdf").read_bytes()
    for share in range(5, 100, 5):
        (station.scans / f"cut-{share}.pdf").write_bytes(whole[: len(whole) * share // 100])
    said = warned(station)
    pages = [row["pdf_path"] for row in station.rows()]
    for share in range(5, 100, 5):
        assert f"cut-{share}.pdf is " in said
        assert pages.count(f"cut-{share}.pdf") in (0, 5)  # mended whole, or not at all


def test_a_pdf_that_has_lost_a_page_gets_no_jobs(station: Station) -> None:
    station.scan(5, "a.pdf")
    pdf = station.scans / "a.pdf"
    raw = pdf.read_bytes()
    kids = re.search(rb"/Kids \[ 3 0 R", raw)
    assert kids
    pdf.write_bytes(raw.replace(kids.group(), kids.group().replace(b"3 0", b"0 0")))
    assert warned(station) == (
        f"Warning: {pdf} is skipped: the PDF is damaged: it says that it has 5 pages, and 4 are"
        " found; copy it again\n"
    )
    assert station.rows() == []


def test_a_page_of_a_pdf_that_lost_one_since_is_not_drawn_under_another_number(
    station: Station,
) -> None:
    station.scan(5, "a.pdf")
    station.good("discover")
    pdf = station.scans / "a.pdf"
    pdf.write_bytes(pdf.read_bytes().replace(b"/Kids [ 3 0 R", b"/Kids [ 0 0 R"))
    assert "rendered 0 pages, 5 failed" in station.good("render")
    assert station.rows()[0]["last_error"].startswith("pdf_damaged: ")


def test_a_mended_pdf_is_a_warning_and_gets_its_jobs(station: Station) -> None:
    station.scan(2, "a.pdf")
    pdf = station.scans / "a.pdf"
    pdf.write_bytes(pdf.read_bytes().replace(b"startxref", b"startxxxx"))
    assert warned(station) == (
        f"Warning: {pdf} is damaged, and was mended to be read; copy it again\n"
    )
    assert station.statuses() == ["pending", "pending"]


def test_what_is_not_a_pdf_is_said_in_plain_words(station: Station) -> None:
    (station.scans / "a.pdf").write_text("<html><body>404 not found</body></html>")
    (station.scans / "b.pdf").write_bytes(b"")
    Pdf.new().save(station.scans / "c.pdf")
    (station.scans / "d.pdf").symlink_to("nowhere.pdf")
    os.mkfifo(station.scans / "e.pdf")
    station.scan(1, "f.pdf ")
    assert warned(station).replace(f"Warning: {station.scans}/", "").splitlines() == [
        "d.pdf is skipped: it is a link to a file that is missing",
        "e.pdf is skipped: it is not a file",
        "f.pdf  is skipped: its name ends in a blank; rename it",
        "a.pdf is skipped: it is not a PDF",
        "b.pdf is skipped: it is not a PDF: the file is empty",
        "c.pdf is skipped: it has no pages",
    ]


def test_linked_folders_are_followed_once_and_hidden_ones_left_out(
    station: Station, tmp_path: Path
) -> None:
    write_pdf(tmp_path / "elsewhere/far.pdf", [bitmap("far")])
    station.scan(1, "real/near.pdf")
    station.scan(1, ".trash/old.pdf")
    (station.scans / "a linked").symlink_to(tmp_path / "elsewhere")
    (station.scans / "another name").symlink_to(station.scans / "real")
    (station.scans / "real/back").symlink_to(station.scans)
    assert warned(station) == ""
    assert [row["pdf_path"] for row in station.rows()] == ["a linked/far.pdf", "real/near.pdf"]


def test_a_pdf_that_changed_is_drawn_anew_where_it_has_no_result(station: Station) -> None:
    station.scan(3, "a.pdf")
    station.good("discover")
    station.good("render")
    with station.jobs() as rows:
        rows.execute("UPDATE jobs SET status = 'completed' WHERE page_number = 1")
        rows.execute("UPDATE jobs SET status = 'submitted' WHERE page_number = 2")
    before = [station.png(number, "a.pdf").read_bytes() for number in (1, 2, 3)]
    write_pdf(station.scans / "a.pdf", [bitmap(f"new {number}") for number in range(4)])
    assert warned(station) == (
        "Warning: a.pdf has changed (3 pages then, 4 now): make render draws 2 of its pages anew;"
        " 1 keep their result, and make review lists them\n"
    )
    db = database.connect(station.data)
    waiting = states.choose(db, station.data, 9, 3).waiting
    assert waiting == []  # the old picture of page 3 is not sent any more
    assert "rendered 2 pages" in station.good("render")  # pages 3 and 4
    after = [station.png(number, "a.pdf").read_bytes() for number in (1, 2, 3)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]
    assert pdfs.read_from_another(db) == [PageId("a.pdf", 1)]
    assert re.search(r"a/page-01 .* pdf_changed +Its PDF is another file", station.good("review"))
    with station.jobs() as rows:  # the page that was out is back, without a result
        rows.execute("UPDATE jobs SET status = 'rendered' WHERE page_number = 2")
    assert "rendered 1 pages" in station.good("render")
    assert station.png(2, "a.pdf").read_bytes() != before[1]
    assert warned(station) == ""


def test_a_page_that_a_changed_pdf_has_no_more_is_not_sent(station: Station) -> None:
    station.scan(2, "a.pdf")
    station.good("discover")
    station.good("render")
    station.scan(1, "a.pdf")
    warned(station)
    station.good("render")
    row = station.rows()[1]
    assert (row["status"], row["last_error"]) == (
        "failed",
        "no_such_page: the PDF has 1 pages only",
    )
    assert not station.png(2, "a.pdf").exists()


def test_an_older_database_learns_its_pdfs_and_sees_the_next_change(station: Station) -> None:
    station.rendered(2, "a.pdf")
    before = station.rows()
    assert warned(station) == ""
    assert station.rows() == before
    station.scan(3, "a.pdf")
    assert "a.pdf has changed (2 pages then, 3 now)" in warned(station)


@pytest.mark.parametrize("older", [False, True])
def test_scans_root_moved_a_level_down_is_one_error_and_registers_nothing(
    station: Station, older: bool
) -> None:
    station.scan(1, "1990/a.pdf")
    station.scan(2, "1990/b.pdf")
    station.good("discover")
    if older:
        with station.jobs() as db:
            db.execute("DELETE FROM pdfs")
    before = station.rows()
    assert station.error("discover", SCANS_ROOT=str(station.scans / "1990")) == (
        "Error: SCANS_ROOT: no PDF is where jobs.db has it: 2 are elsewhere, 1990/a.pdf is a.pdf"
        f" now. Set SCANS_ROOT={station.scans}, or move the folders back"
    )
    assert station.error("discover", SCANS_ROOT=str(station.folder)).endswith(
        f"Set SCANS_ROOT={station.scans}, or move the folders back"
    )
    assert station.rows() == before


def test_a_pdf_under_another_name_is_not_registered_a_second_time(station: Station) -> None:
    station.scan(2, "a.pdf")
    station.scan(1, "b.pdf")
    station.good("discover")
    (station.scans / "a.pdf").rename(station.scans / "c.pdf")
    assert warned(station) == (
        "Warning: 1 of the 2 PDFs in jobs.db are missing, the first is a.pdf\n"
        f"Warning: {station.scans}/c.pdf is skipped:"
        " it was a.pdf, whose pages have jobs; name it so again\n"
    )
    assert {row["pdf_path"] for row in station.rows()} == {"a.pdf", "b.pdf"}


def test_new_pdfs_are_registered_where_old_ones_were_put_away(station: Station) -> None:
    station.scan(1, "a.pdf")
    station.good("discover")
    (station.scans / "a.pdf").unlink()
    station.scan(2, "b.pdf")
    assert "1 of the 1 PDFs in jobs.db are missing" in warned(station)
    assert len(station.rows()) == 3
