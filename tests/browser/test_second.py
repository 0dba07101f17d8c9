"""A page that was read twice shows both readings of what differs."""

import re

from playwright.sync_api import Page, expect

TWICE = "/page/1991/March%201991/1991-03mar0407/page-03"
WHO = "gemini-second+low"


def test_a_row_that_differs_shows_both_readings_and_whose_the_second_is(tab: Page) -> None:
    tab.goto(TWICE)
    row = tab.locator("#top_left-00")
    expect(row.locator(".text")).not_to_be_empty()
    said = row.locator(".again")
    expect(said).to_contain_text(WHO)
    expect(said).to_contain_text("<script>")
    expect(tab).to_have_title(re.compile("page 3$"))  # the script did not run
    assert tab.locator(".again script, .again img").count() == 0


def test_the_head_says_who_read_it_again_and_the_date_that_it_read(tab: Page) -> None:
    tab.goto(TWICE)
    expect(tab.get_by_text(f"Read again by {WHO}")).to_contain_text("differs in")
    expect(tab.get_by_text(f"{WHO} reads the date as")).to_contain_text("3/7/91")
    expect(tab.get_by_role("list", name="To check")).to_contain_text(f"{WHO} reads otherwise")


def test_a_row_that_one_of_them_lacks_says_so(tab: Page) -> None:
    tab.goto(TWICE)
    block = tab.locator("section.block").filter(has=tab.locator("#bottom_right"))
    rows = block.locator("tbody tr")
    expect(rows.first).to_be_visible()
    expect(block.get_by_text(f"{WHO} has no such row")).to_have_count(rows.count())
    expect(tab.get_by_text(f"{WHO} alone reads row 20")).to_be_visible()


def test_a_page_that_was_read_once_says_nothing_of_it(tab: Page) -> None:
    tab.goto(TWICE.replace("page-03", "page-02"))
    expect(tab.get_by_role("heading", level=1)).to_be_visible()
    expect(tab.locator(".again")).to_have_count(0)


def test_what_differs_fits_a_phone(phone: Page) -> None:
    phone.goto(TWICE)
    expect(phone.locator(".again").first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
