"""make discover: one job a page."""

import subprocess

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


def test_files_that_a_mac_leaves_are_no_scans(station: Station) -> None:
    (station.scans / "._a.pdf").write_bytes(b"resource fork")
    assert station.make("discover").stderr == ""


def test_a_missing_folder_of_scans_is_one_clear_line(station: Station) -> None:
    said = station.error("discover", SCANS_ROOT="/nowhere")
    assert said.startswith("Error: SCANS_ROOT: /nowhere is no folder. ")


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
