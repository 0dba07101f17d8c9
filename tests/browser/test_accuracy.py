"""The report of make accuracy, opened as a file: no server, no network."""

import json
import re
import shutil

import pytest
from playwright.sync_api import Page, expect

from browse_process import complete
from flowsheets import paths
from flowsheets.paths import PageId
from station import TOP, Station

SAMPLES = TOP / "tests/samples"
SCRIPT = '<script>document.title = "run"</script><img src=x onerror="document.title = 1">'
PDF = "1991/March 1991/1991-03mar0407.pdf"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two pages typed, one of them read with a row wrong and a script in another; its address."""
    station = Station(tmp_path_factory.mktemp("accuracy"))
    (station.scans / "1991").mkdir(parents=True)
    shutil.copytree(SAMPLES / "scans" / "1991", station.scans / "1991", dirs_exist_ok=True)
    station.data.mkdir()
    station.good("discover")
    station.good("render", "LIMIT=2")
    for number in (1, 2):
        page = PageId(PDF, number)
        name = f"{paths.page_name(page)}.json"
        typed = json.loads((SAMPLES / "truth" / name).read_text())
        path = paths.truth_page(station.data, page)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**typed, "verified_by": {"real_name": "Ada L."}}))
        if number == 1:
            rows = typed["quadrants"][0]["entries"]
            rows[0]["raw_text"] = rows[0]["raw_text"].upper()
            rows[1]["raw_text"] = f"inert {SCRIPT}"
        complete(station, page, typed)
    station.good("accuracy")
    return paths.accuracy_report(station.data).as_uri()


def test_each_wrong_row_is_shown_beside_its_scan_without_a_server(tab: Page, report: str) -> None:
    tab.goto(report)
    expect(tab.get_by_role("heading", level=1)).to_have_text("How right the readings are")
    wrong = tab.get_by_role("article")
    expect(wrong).to_have_count(2)
    expect(wrong.locator("img")).to_have_count(2)
    assert tab.evaluate("[...document.images].every((image) => image.naturalWidth > 800)")
    expect(wrong.last.locator("del").first).to_be_visible()
    expect(wrong.last.locator("ins").first).to_be_visible()


def test_hostile_text_is_shown_and_does_nothing(tab: Page, report: str) -> None:
    tab.goto(report)
    expect(tab.get_by_role("article").first).to_contain_text("inert <script>")
    assert tab.title() == "How right the readings are"


def test_the_scan_is_one_link_away(tab: Page, report: str) -> None:
    tab.goto(report)
    tab.get_by_role("article").first.get_by_role("link").click()
    assert tab.url.endswith("/pages/1991/March%201991/1991-03mar0407/page-01.png")


def test_it_fits_a_phone_and_a_desk_in_the_dark_and_on_paper(
    tab: Page, phone: Page, report: str
) -> None:
    for screen in (tab, phone):
        screen.goto(report)
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.emulate_media(color_scheme="dark")
    for part in ("body", "del", "ins"):
        colour = tab.locator(part).first.evaluate("part => getComputedStyle(part).color")
        assert sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 150, part  # light on dark
    tab.emulate_media(media="print", color_scheme="light")
    expect(tab.get_by_role("navigation")).to_have_count(0)


def test_the_keyboard_reaches_links_and_wide_tables(tab: Page, report: str) -> None:
    tab.goto(report)
    reached = set()
    for _ in range(8):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.className || 'link'"))
    assert {"link", "wide"} <= reached


def test_a_screen_reader_has_names_for_everything(tab: Page, report: str) -> None:
    tab.goto(report)
    assert tab.evaluate("document.documentElement.lang") == "en"
    expect(tab.get_by_role("main")).to_have_count(1)
    expect(tab.locator("img:not([alt]), th:not([scope])")).to_have_count(0)
    expect(tab.get_by_role("region", name="Figures, typed")).to_be_visible()
