"""A person looks at the station's pages, in a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

FIRST = "/page/1991/March%201991/1991-03mar0407/page-01"
SECOND = "/page/1991/March%201991/1991-03mar0407/page-02"
HOSTILE = "/page/1994/October%201994/1994-10oct1618/page-04"
FAILED = "/page/1994/October%201994/1994-10oct1618/page-05"
ALL = ["/", "/search?q=the", FIRST, FAILED, "/check", "/month/1991-03"]
DATASETTES = ["/flowsheets", "/flowsheets/entries", "/flowsheets/pages", "/flowsheets/plays"]


def test_the_front_page_shows_how_far_the_corpus_is(tab: Page) -> None:
    tab.goto("/")
    expect(tab.get_by_role("heading", level=1)).to_have_text("The station's flowsheets")
    status = tab.get_by_role("region", name="Pages by status").get_by_role("row")
    expect(status.filter(has_text="completed")).to_contain_text("9")
    spend = tab.get_by_role("region", name="Spend").get_by_role("row", name="batch")
    expect(spend).to_contain_text("0.22")
    expect(tab.get_by_role("row", name="1994").get_by_role("link")).to_have_text("4 of 5")


def test_a_month_of_the_calendar_leads_to_its_pages(tab: Page) -> None:
    tab.goto("/")
    tab.get_by_role("link", name="5 of 5").click()
    expect(tab).to_have_url(re.compile("/month/1991-03"))
    expect(tab.get_by_role("link", name=re.compile("page [1-5]$"))).to_have_count(5)


def test_a_search_finds_a_row_and_opens_it_beside_its_scan(tab: Page) -> None:
    tab.goto("/")
    tab.get_by_label("Search every row").fill("ayler ghosts")
    tab.keyboard.press("Enter")
    hit = tab.get_by_role("link", name="ALBERT AYLER - GHOSTS").first
    expect(hit.locator("mark")).to_have_text(["AYLER", "GHOSTS"])
    hit.click()
    row = tab.locator("tr.pointed")
    expect(row).to_contain_text("ALBERT AYLER - GHOSTS")
    expect(row).to_be_in_viewport()
    expect(tab.locator(".place")).to_be_in_viewport()


def test_a_hit_that_goes_on_in_the_next_row_is_marked_with_both(tab: Page) -> None:
    tab.goto("/search?q=%22night+owls%22+part")
    tab.get_by_role("link", name="The Night Owls").click()
    expect(tab.locator("tr.pointed")).to_have_text(
        [re.compile("The Night Owls"), re.compile("Part 1")]
    )
    place = _box(tab.locator(".place"))
    tab.locator("#bottom_right-00").hover()
    one = _box(tab.locator(".place"))
    assert place["height"] == pytest.approx(one["height"] * (2 * 75 + 20) / (75 + 20), rel=0.02)


def test_the_scan_is_drawn(tab: Page) -> None:
    tab.goto(SECOND)
    assert _natural_width(tab) == 2550


def test_pointing_at_a_row_shows_its_place_on_the_scan(tab: Page) -> None:
    tab.goto(SECOND)
    _natural_width(tab)
    row = tab.locator("#top_left-08")
    row.hover()
    place = tab.locator(".place")
    expect(place).to_be_visible()
    image = _box(tab.locator(".paper img"))
    frame = _box(place)
    # Row 8, of rows 75.05 pixels high whose first rule is at 650: its middle, on a sheet 4200 high.
    middle = (frame["y"] + frame["height"] / 2 - image["y"]) / image["height"]
    assert middle == pytest.approx((650 + 75.05 * 7.5) / 4200, abs=0.003)
    assert (frame["x"] - image["x"]) / image["width"] == pytest.approx(243 / 2550, abs=0.005)
    tab.get_by_role("heading", level=1).hover()
    expect(place).to_be_hidden()


def test_a_row_is_reached_by_keyboard(tab: Page) -> None:
    tab.goto(SECOND)
    tab.locator("#bottom_right-00 a").focus()
    expect(tab.locator(".place")).to_be_in_viewport()
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("#bottom_right-00$"))


def test_the_scan_zooms_by_button_key_and_wheel(tab: Page) -> None:
    tab.goto(SECOND)
    _natural_width(tab)
    paper = tab.locator(".paper")
    fit = _box(paper)["width"]
    tab.get_by_role("button", name="Zoom in").click()
    assert _box(paper)["width"] == pytest.approx(1.25 * fit, rel=0.01)
    tab.keyboard.press("+")
    assert _box(paper)["width"] == pytest.approx(1.25**2 * fit, rel=0.01)
    tab.keyboard.press("0")
    assert _box(paper)["width"] == pytest.approx(fit, rel=0.01)
    tab.locator(".pane").hover()
    tab.mouse.wheel(0, -100)
    expect(paper).to_have_attribute("style", re.compile("width: 12"))
    left = _box(paper)["x"]
    tab.mouse.down()
    tab.mouse.move(200, 500)
    tab.mouse.up()
    assert _box(paper)["x"] < left, "it is dragged"


def test_arrow_keys_turn_the_page(tab: Page) -> None:
    tab.goto(FIRST)
    tab.keyboard.press("ArrowRight")
    tab.wait_for_url("**/page-02")  # until it is loaded, and listens to the keys
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url("**/page-01")
    tab.get_by_label("Search every row").focus()
    tab.keyboard.press("ArrowRight")  # in a field, it moves the cursor
    expect(tab).to_have_url(re.compile("page-01$"))


def test_a_script_on_a_page_is_text(tab: Page) -> None:
    tab.goto(HOSTILE)
    expect(tab.locator("#top_left-00")).to_contain_text('<script>document.title = "run"</script>')
    expect(tab).to_have_title(re.compile("page 4$"))
    tab.goto("/search?q=inert")
    expect(tab.get_by_role("link", name="<script>")).to_be_visible()
    expect(tab).to_have_title("inert: search")


def test_a_page_that_failed_shows_its_scan_and_the_reason(tab: Page) -> None:
    tab.goto(FAILED)
    expect(tab.locator(".state")).to_have_text("failed. finish: SAFETY")
    assert _natural_width(tab) == 2550


def test_a_page_on_the_list_says_what_to_check(tab: Page) -> None:
    tab.goto("/check")
    section = tab.get_by_role("region", name=re.compile("failed", re.IGNORECASE)).first
    section.get_by_role("link").first.click()
    expect(tab.get_by_role("list", name="To check")).to_contain_text("failed")


def test_on_a_phone_a_row_that_is_tapped_is_shown_above_on_the_scan(phone: Page) -> None:
    phone.goto(SECOND)
    row = phone.locator("#bottom_right-00")
    row.tap()
    expect(phone.locator(".place")).to_be_in_viewport()
    expect(row).to_be_in_viewport()
    assert _box(phone.locator(".place"))["y"] < _box(row)["y"]


def test_every_page_fits_a_phone_and_a_desk_and_loads_without_an_error(
    tab: Page, phone: Page
) -> None:
    for path in ALL + DATASETTES:
        for screen in (tab, phone):
            screen.goto(path)
            assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_screen_reader_has_names_for_everything(tab: Page) -> None:
    for path in ALL:
        tab.goto(path)
        assert tab.evaluate("document.documentElement.lang") == "en"
        expect(tab.get_by_role("heading", level=1)).to_have_count(1)
        expect(tab.get_by_role("main")).to_have_count(1)
        unnamed: list[str] = tab.evaluate(
            """[...document.querySelectorAll("img:not([alt]), th:not([scope])"),
                ...[...document.querySelectorAll("input:not([type=hidden]), select")]
                    .filter((field) => !field.labels.length),
                ...[...document.querySelectorAll("a, button")]
                    .filter((link) => !link.textContent.trim())].map((one) => one.outerHTML)"""
        )
        assert unnamed == [], path


def _natural_width(tab: Page) -> int:
    """Pixels of the scan's width, once it is loaded."""
    image = tab.locator(".paper img")
    tab.wait_for_function("document.querySelector('.paper img').complete")
    width: int = image.evaluate("image => image.naturalWidth")
    return width


def _box(locator: Locator) -> Any:
    """Where an element stands, in pixels of the screen."""
    found = locator.bounding_box()
    assert found
    return found
