"""make discover: one job a page."""

from station import PDF, Station


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
