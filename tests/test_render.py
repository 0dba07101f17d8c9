"""make render: pending pages to upright PNGs."""

import subprocess

import pikepdf
from PIL import Image

from drawing import add_page, bitmap
from emulator_process import wait_for
from flowsheets import lock
from station import PDF, TOP, Station


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


def test_a_page_without_one_image_fails_alone_and_may_be_tried_again(station: Station) -> None:
    document = pikepdf.new()
    add_page(document, [bitmap("a")])
    add_page(document, [])
    add_page(document, [bitmap("b"), bitmap("c")])
    document.save(station.scans / "mixed.pdf")
    station.good("discover")
    assert "rendered 1 pages, 2 failed" in station.good("render")
    rows = station.rows()
    assert [row["status"] for row in rows] == ["rendered", "failed", "failed"]
    assert rows[1]["last_error"] == "no images on the page; a scan has one"
    assert rows[2]["last_error"] == "2 images on the page; a scan has one"
    assert [row["attempts"] for row in rows] == [0, 1, 1]
    station.good("render")
    station.good("render")
    assert [row["attempts"] for row in station.rows()] == [0, 3, 3]  # and no more than that
    assert "rendered 0 pages, 0 failed" in station.good("render")


def test_a_pdf_that_went_away_is_its_pages_failure(station: Station) -> None:
    station.scan(1)
    station.scan(1, "other.pdf")
    station.good("discover")
    (station.scans / PDF).unlink()
    assert "rendered 1 pages, 1 failed" in station.good("render")
    assert "is not there" in station.rows()[0]["last_error"]


def test_a_limit_that_is_no_number_is_one_clear_line(station: Station) -> None:
    station.scan(1)
    station.good("discover")
    for value in ("abc", "0", "-3", "1.5", "²"):
        said = station.error("render", f"LIMIT={value}")
        assert said.startswith("Error: LIMIT: "), said
    assert station.error("render", "JOBS=many").startswith("Error: JOBS: ")
    assert station.statuses() == ["pending"]


def test_a_page_whose_image_no_png_holds_fails_alone(station: Station) -> None:
    document = pikepdf.new()
    for number in range(3):
        add_page(document, [bitmap(str(number))])
    ink = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=2,
        Height=2,
        ColorSpace=pikepdf.Name.DeviceCMYK,
        BitsPerComponent=8,
    )
    cmyk = pikepdf.Stream(document, b"\0\xff\0\0" * 4, ink)
    document.pages[1].Resources.XObject.Im0 = document.make_indirect(cmyk)
    document.save(station.scans / "mixed.pdf")
    station.good("discover")
    assert "rendered 2 pages, 1 failed" in station.good("render")
    assert station.statuses() == ["rendered", "failed", "rendered"]
    assert "an image in CMYK fits no PNG" in station.rows()[1]["last_error"]


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
