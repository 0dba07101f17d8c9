"""make render: pending pages to upright PNGs."""

import errno
import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from drawing import add_page, bitmap
from emulator_process import wait_for
from flowsheets import files, lock
from flowsheets.jobs import database, states
from flowsheets.page import scan
from station import PDF, TOP, UNPRIVILEGED, Station


def in_process(station: Station, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """`render.py` in this process, so that a test can bring something about within it."""
    import render

    for name, value in station.environment().items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(render.main, words)


def test_pages_become_upright_pngs_of_one_bit(station: Station) -> None:
    upright = station.scan(3)
    station.good("discover")
    said = station.good("render", "JOBS=2")
    assert said.startswith("rendered 3 pages, 0 failed")
    for number, image in enumerate(upright, 1):
        with Image.open(station.png(number)) as png:
            assert (png.mode, png.tobytes()) == ("1", image.tobytes())
    row = station.rows()[0]
    assert (row["status"], row["image_path"]) == ("rendered", str(station.png(1)))


def test_the_limit_takes_the_first_pages(station: Station) -> None:
    station.scan(3)
    station.good("discover")
    station.good("render", "LIMIT=2")
    assert station.statuses() == ["rendered", "rendered", "pending"]


def test_a_png_that_is_there_is_kept(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    station.png(1).parent.mkdir(parents=True)
    station.png(1).write_bytes(b"drawn by hand")
    station.good("render")
    assert station.png(1).read_bytes() == b"drawn by hand"
    assert station.statuses() == ["rendered"]


def mixed(station: Station) -> None:
    """A PDF whose second page has no image."""
    document = pikepdf.new()
    add_page(document, [bitmap("a").rotate(180)])
    add_page(document, [])
    add_page(document, [bitmap("b").rotate(180)])
    document.save(station.scans / "mixed.pdf")


def test_a_page_without_an_image_fails_alone_and_costs_no_try(station: Station) -> None:
    mixed(station)
    station.good("discover")
    for _ in range(4):
        station.good("render")
        rows = station.rows()
        assert [row["status"] for row in rows] == ["rendered", "failed", "rendered"]
        assert rows[1]["last_error"] == "no_image: no image is drawn on the page"
        assert [row["attempts"] for row in rows] == [0, 0, 0]


def test_a_page_that_could_not_be_rendered_is_rendered_when_its_pdf_is_mended(
    station: Station,
) -> None:
    mixed(station)
    station.good("discover")
    station.good("render")
    station.scan(3, "mixed.pdf")
    station.good("render")
    row = station.rows()[1]
    assert (row["status"], row["last_error"]) == ("rendered", None)


def test_tries_that_were_counted_for_rendering_once_are_given_back(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    with station.jobs() as db:
        db.execute("UPDATE jobs SET status = 'failed', attempts = 3, last_error = 'no images'")
    station.good("render")
    assert [(row["status"], row["attempts"]) for row in station.rows()] == [("rendered", 0)]


def test_failed_pages_in_front_do_not_keep_new_ones_waiting(station: Station) -> None:
    document = pikepdf.new()
    for _ in range(5):
        add_page(document, [])
    document.save(station.scans / "a.pdf")
    station.good("discover")
    station.good("render", "LIMIT=5")
    station.scan(2, "b.pdf")
    station.good("discover")
    assert "rendered 2 pages, 0 failed" in station.good("render", "LIMIT=2")
    assert "rendered 0 pages, 2 failed" in station.good("render", "LIMIT=2")


def test_failed_pages_are_never_sent(station: Station) -> None:
    mixed(station)
    station.good("discover")
    station.good("render")
    db = database.connect(station.data)
    assert [page.page_number for page in states.choose(db, station.data, 9, 3).waiting] == [1, 3]


def test_a_pdf_that_went_away_is_a_warning_and_its_pages_wait(station: Station) -> None:
    station.scan(2)
    station.scan(1, "other.pdf")
    station.good("discover")
    (station.scans / PDF).unlink()
    done = station.make("render")
    assert "rendered 1 pages, 0 failed" in done.stdout
    assert done.stderr == (
        f"Warning: {station.scans / PDF} is missing; its pages stay as they are."
        " Put it back, or set SCANS_ROOT\n"
    )
    assert [(row["status"], row["attempts"]) for row in station.rows()] == [
        ("pending", 0),
        ("pending", 0),
        ("rendered", 0),
    ]


def test_a_folder_of_scans_that_is_missing_is_one_error_and_no_try(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    before = station.rows()
    assert station.error("render", SCANS_ROOT="/nowhere") == (
        "Error: SCANS_ROOT: /nowhere is not a folder. Put the PDFs there, or set SCANS_ROOT"
    )
    assert station.rows() == before


def test_a_folder_that_cannot_be_read_is_its_pages_failure(station: Station) -> None:
    station.scan(1, "a/closed.pdf")
    station.scan(1, "b/open.pdf")
    station.good("discover")
    closed = station.scans / "a"
    closed.chmod(0)
    try:
        done = subprocess.run(
            [*UNPRIVILEGED, TOP / ".venv/bin/python", TOP / "scripts/render.py"],
            env=station.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        closed.chmod(0o755)
    assert (done.stderr, done.returncode) == ("", 0)
    rows = station.rows()
    assert [row["status"] for row in rows] == ["failed", "rendered"]
    assert rows[0]["last_error"] == "pdf_unreadable: the PDF cannot be read: Permission denied"


def test_a_file_where_a_page_ought_to_be_written_is_that_pages_failure(station: Station) -> None:
    station.scan(1, "a.pdf")
    station.scan(1, "b.pdf")
    station.good("discover")
    (station.data / "pages").mkdir()
    (station.data / "pages/a").write_text("in the way")
    assert "rendered 1 pages, 1 failed" in station.good("render")
    assert station.rows()[0]["last_error"] == (
        "cannot_write: the image cannot be written: a file is in the way"
    )


def test_a_path_that_is_too_long_is_its_pages_failure(station: Station) -> None:
    station.scan(1, "b.pdf")
    station.good("discover")
    with station.jobs() as db:
        db.execute("UPDATE jobs SET pdf_path = ?", ["x" * 300 + ".pdf"])
    station.good("discover")
    assert "rendered 1 pages, 1 failed" in station.good("render")
    assert station.rows()[1]["last_error"].startswith("pdf_unreadable: ")


def test_a_page_that_kills_its_worker_fails_alone(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.scan(30)
    station.good("discover")
    draw = scan.draw

    def deadly(pdf: Path, page_number: int) -> scan.PageImage:
        if page_number == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return draw(pdf, page_number)

    monkeypatch.setattr(scan, "draw", deadly)
    done = in_process(station, monkeypatch, "--jobs", "2")
    assert done.output.startswith("rendered 29 pages, 1 failed")
    rows = station.rows()
    assert [row["page_number"] for row in rows if row["status"] == "failed"] == [13]
    assert rows[12]["last_error"].startswith("killed_worker: drawing the page takes more memory")
    assert rows[12]["attempts"] == 0


def never(pdf: Path, page_number: int) -> scan.PageImage:
    while True:
        pass


def of_any_size(pdf: Path, page_number: int) -> scan.PageImage:
    return scan.PageImage(Image.new("RGB", (80_000, 20_000)), "renderer")


@pytest.mark.parametrize("draw", [never, of_any_size])
def test_a_page_that_takes_any_time_or_memory_fails_alone(
    station: Station, monkeypatch: pytest.MonkeyPatch, draw: Callable[[Path, int], scan.PageImage]
) -> None:
    import render

    station.scan(1)
    station.good("discover")
    monkeypatch.setattr(render, "MAX_PAGE_CPU_SECONDS", 0.3)
    monkeypatch.setattr(scan, "draw", draw)
    assert in_process(station, monkeypatch).output.startswith("rendered 0 pages, 1 failed")
    (row,) = station.rows()
    assert row["last_error"].startswith(("killed_worker: ", "too_large: "))
    assert row["attempts"] == 0


def test_what_was_rendered_before_the_disk_was_full_stays_rendered(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.scan(40)
    station.good("discover")
    write = scan.write_png

    def full(image: Image.Image, path: Path) -> None:
        if path.stem == "page-33":
            raise files.cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))
        write(image, path)

    monkeypatch.setattr(scan, "write_png", full)
    done = in_process(station, monkeypatch, "--jobs", "1")
    assert done.exit_code == 1
    assert "No space left on device" in done.output
    assert station.statuses().count("rendered") == 32
    assert set(station.statuses()[32:]) == {"pending"}


def test_the_database_says_how_each_page_was_drawn(station: Station) -> None:
    document = pikepdf.new()
    add_page(document, [bitmap("a")])
    add_page(document, [bitmap("a"), bitmap("b")])
    document.save(station.scans / "a.pdf")
    station.good("discover")
    station.good("render")
    with station.jobs() as db:
        rows = db.execute("SELECT drawn_by, pdf_sha256 FROM drawings ORDER BY page_number")
        drawn_by, digests = zip(*rows, strict=True)
    assert drawn_by == ("bitmap", "renderer")
    assert set(digests) == {hashlib.sha256((station.scans / "a.pdf").read_bytes()).hexdigest()}


def test_a_rendered_page_whose_image_is_gone_gets_it_again(station: Station) -> None:
    station.scan(2)
    station.good("discover")
    station.good("render")
    before = station.png(2).read_bytes()
    station.png(2).unlink()
    assert "rendered 1 pages" in station.good("render")
    assert station.png(2).read_bytes() == before
    assert station.statuses() == ["rendered", "rendered"]


def test_a_page_that_failed_at_gemini_keeps_its_tries_when_its_image_is_drawn_again(
    station: Station,
) -> None:
    station.scan(1)
    station.good("discover")
    station.good("render")
    with station.jobs() as db:
        db.execute("UPDATE jobs SET status = 'failed', attempts = 3, last_error = 'safety: x'")
    before = station.rows()
    station.png(1).unlink()
    station.good("render")
    assert station.png(1).is_file()
    assert station.rows() == before


def test_a_completed_page_gets_its_image_again_on_request(station: Station) -> None:
    station.scan(2)
    station.good("discover")
    station.good("render")
    with station.jobs() as db:
        db.execute("UPDATE jobs SET status = 'completed' WHERE page_number = 1")
    before = station.rows()
    station.png(1).unlink()
    assert "rendered 0 pages" in station.good("render")
    assert not station.png(1).exists()
    assert "rendered 1 pages" in station.good("render", "MISSING=1")
    assert station.png(1).is_file()
    assert station.rows() == before


def test_a_limit_that_is_no_number_is_one_clear_line(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    for value in ("abc", "0", "-3", "1.5", "²"):
        said = station.error("render", f"LIMIT={value}")
        assert said.startswith("Error: LIMIT: "), said
    assert station.error("render", "JOBS=many").startswith("Error: JOBS: ")
    assert station.statuses() == ["pending"]


def test_a_second_render_says_who_is_at_work_and_is_content(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    with lock.held(station.data, "render"):
        said = station.good("render")
    assert said.startswith("nothing rendered: ")
    assert "is at work on the pages" in said
    assert station.statuses() == ["pending"]
    assert "rendered 1 pages" in station.good("render")


def test_a_killed_render_leaves_no_worker_and_the_next_goes_on(station: Station) -> None:
    station.scan(300)
    station.good("discover")
    environment = station.environment()
    python = TOP / ".venv/bin/python"
    run = subprocess.Popen(
        [python, TOP / "scripts/render.py", "--jobs", "2", "--limit", "300"],
        env=environment,
        stdout=subprocess.PIPE,  # of the workers too: it ends when the last of them has
    )
    wait_for(station.png(1).is_file, 20)
    run.kill()
    run.communicate(timeout=10)
    station.good("render", "LIMIT=300")
    assert set(station.statuses()) == {"rendered"}


def test_a_number_of_many_digits_is_one_clear_line(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    for digits in (10, 20, 5000):
        said = station.error("render", f"LIMIT={'9' * digits}")
        assert said.startswith("Error: LIMIT: '999")
        assert len(said) < 150
        assert station.error("render", f"JOBS={'9' * digits}").startswith("Error: JOBS: ")
    assert "rendered 1 pages" in station.good("render", "LIMIT=999999999")
