"""A person corrects the station's pages, in a real browser."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from browse_process import browsing
from station import Station

MARCH = "/page/1991/March%201991/1991-03mar0407/page-0"
OCTOBER = "/page/1994/October%201994/1994-10oct1618/page-0"
# Tests share a station and leave each other's pages alone: the first two of March are on the list
# of pages to check, and one test alone saves them.
LISTED = (1, 2)
READ_TWICE, LOOKED_AT, UNREACHABLE = f"{MARCH}3", f"{MARCH}4", f"{MARCH}5"
HOSTILE, CHANGED, BOTH, AGAIN, FORGED = (f"{OCTOBER}{number}" for number in range(1, 6))
ADA = "REVIEWER=Ada L."
Tabs = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def own(ready: Station, tmp_path_factory: pytest.TempPathFactory) -> Station:
    """A copy of the station, whose pages tests may correct."""
    station = Station(tmp_path_factory.mktemp("own"))
    shutil.copytree(ready.data, station.data)
    doubtful(station, *LISTED)
    return station


@pytest.fixture(scope="module")
def hers(own: Station) -> Iterator[str]:
    """Ada's `make browse` of it."""
    with browsing(own, ADA) as url:
        yield url


@pytest.fixture(scope="module")
def his(own: Station) -> Iterator[str]:
    """Bob's, of the same station."""
    with browsing(own, "REVIEWER=Bob") as url:
        yield url


@pytest.fixture
def ada(hers: str, tabs: Tabs) -> Iterator[Page]:
    """Ada at her desk, with the station's pages to correct."""
    with tabs(hers) as tab:
        yield tab


def saved(station: Station, address: str) -> Any:
    """The verified page of that address, if it is there, with the status beside it."""
    stem, leaf = address.split("/")[-2:]
    page = f"{stem}-{leaf.replace('-', '')}"
    path = station.data / f"verifier/{page}.verified.json"
    if not path.exists():
        return None
    beside = path.with_name(f"{page}.corrections.json")
    return json.loads(path.read_text()) | {"status": json.loads(beside.read_text())["status"]}


def texts(page: Any, block: int = 0) -> list[str]:
    return [entry["raw_text"] for entry in page["quadrants"][block]["entries"]]


def line(tab: Page, anchor: str) -> Locator:
    return tab.locator(f"[id='{anchor}']")


def is_saved(tab: Page) -> None:
    expect(tab.locator("#saved")).to_contain_text(re.compile("^Saved"))


def press(tab: Page, *keys: str) -> None:
    for key in keys:
        tab.keyboard.press(key)


def test_a_correction_by_keyboard_alone_from_the_list_to_the_next_page(
    ada: Page, own: Station
) -> None:
    ada.goto("/check")
    listed = ada.get_by_role("region", name="Most doubt for the least rows").first
    wanted = listed.get_by_role("link", name=re.compile("03mar0407.pdf page 2"))
    for _ in range(40):
        if wanted.evaluate("link => link === document.activeElement"):
            break
        press(ada, "Tab")
    press(ada, "Enter")
    ada.wait_for_url("**/1991-03mar0407/page-02*")
    expect(line(ada, "top_left-00").get_by_role("button", name="Row 0")).to_be_focused()
    press(ada, "Enter", "End")
    ada.keyboard.type(" (live)")
    press(ada, "Enter")  # row 1 is right
    expect(ada.get_by_role("form", name=re.compile("^Row 1:"))).to_be_visible()
    press(ada, "Enter")
    press(ada, "End", "Tab", "ControlOrMeta+a")
    ada.keyboard.type("L")
    press(ada, "Enter")
    is_saved(ada)
    press(ada, "Control+Enter")
    ada.wait_for_url(re.compile("/page/1991.*03mar0407/page-0[13]"))
    expect(line(ada, "top_left-00").get_by_role("button", name="Row 0")).to_be_focused()
    page = saved(own, f"{MARCH}2")
    assert texts(page)[:2] == ["JESUS LIZARD - MOUTHBREATHER (live)", "GANG OF FOUR - ETHER"]
    assert page["quadrants"][0]["entries"][2]["type_raw"] == "L"
    assert page["status"] == "complete"
    assert page["verified_by"]["real_name"] == "Ada L."
    ada.goto("/check")
    expect(wanted).to_have_count(0)


def doubtful(station: Station, *numbers: int) -> None:
    """Let these pages be on the list of make review: a good part of their rows is low."""
    for number in numbers:
        path = station.data / f"results/1991/March 1991/1991-03mar0407/page-{number:02d}.json"
        page = json.loads(path.read_text())
        for quadrant in page["quadrants"]:
            for entry in quadrant["entries"][: 3 * 3 - number]:
                entry["confidence"] = "low"
        path.write_text(json.dumps(page))
    station.good("index")


def test_the_row_is_shown_enlarged_above_its_field(ada: Page) -> None:
    ada.goto(f"{LOOKED_AT}#top_left-08")
    press(ada, "Enter")
    strip, field = ada.locator(".strip"), ada.get_by_label("As written")
    expect(strip).to_be_visible()
    box, below = strip.bounding_box(), field.bounding_box()
    assert box
    assert below
    assert box["y"] + box["height"] <= below["y"]
    scale = box["width"] / (1298 + 45 - 253 + 25)  # the row's width on a sheet, and what is around
    fitted = ada.locator(".paper").bounding_box()
    assert fitted
    assert scale > 1.5 * fitted["width"] / 2550, "larger than on the scan beside it"
    top = float(strip.evaluate("e => getComputedStyle(e).backgroundPositionY").removesuffix("px"))
    assert -top / scale == pytest.approx(650 + 75.05 * 7 - 26, abs=30)  # and how the sheet lay


def test_a_lost_server_loses_no_text(own: Station, hers: str, tabs: Tabs) -> None:
    with tabs(hers, refusals=True) as tab:
        tab.goto(f"{UNREACHABLE}#top_left-00")
        press(tab, "Enter")
        tab.get_by_label("As written").fill("saved before")
        press(tab, "Enter")
        is_saved(tab)
        tab.context.set_offline(True)
        tab.get_by_label("As written").fill("typed without a server")
        press(tab, "Enter")
        expect(tab.get_by_role("alert")).to_contain_text("The server cannot be reached")
        tab.get_by_label("As written").fill("half a wor")
        tab.goto("about:blank")
        tab.context.set_offline(False)
        tab.goto(UNREACHABLE)
        offered = tab.get_by_role("region", name="Text that was not saved")
        expect(offered).to_contain_text("typed without a server")
        expect(offered).to_contain_text("half a wor")
        offered.get_by_role("button", name="Use it").click()
        is_saved(tab)
        rows = texts(saved(own, UNREACHABLE))
        assert rows[:3] == ["saved before", "typed without a server", "half a wor"]
        tab.reload()
        expect(offered).to_have_count(0)
        press(tab, "Enter")
        tab.get_by_label("As written").fill("while it was away")
        _away(tab)


def test_a_lost_response_is_no_other_persons_text(own: Station, hers: str, tabs: Tabs) -> None:
    def cut(route: Route) -> None:
        route.fetch()  # it arrives, and is saved
        route.abort()

    with tabs(hers, refusals=True) as tab:
        tab.goto(f"{UNREACHABLE}#top_right-00")
        tab.route("**/save/**", cut)
        press(tab, "Enter")
        tab.get_by_label("As written").fill("saved, unheard")
        press(tab, "Enter")
        expect(tab.get_by_role("alert")).to_contain_text("The server cannot be reached")
        assert texts(saved(own, UNREACHABLE), 1)[0] == "saved, unheard"
        tab.unroute("**/save/**")
        tab.get_by_label("As written").fill("typed meanwhile")
        press(tab, "Enter")
        is_saved(tab)
        expect(tab.get_by_role("region", name="Two texts")).to_have_count(0)
        assert texts(saved(own, UNREACHABLE), 1)[:2] == ["saved, unheard", "typed meanwhile"]


def _away(tab: Page) -> None:
    tab.route("**/save/**", lambda route: route.abort())
    press(tab, "Enter")
    expect(tab.get_by_role("alert")).to_contain_text("kept in this browser")
    tab.unroute("**/save/**")
    tab.get_by_role("button", name="Try again").click()
    is_saved(tab)


def test_a_server_that_was_started_again_is_told_apart_and_loses_no_text(
    own: Station, tabs: Tabs
) -> None:
    with ExitStack() as open_until_the_end:
        with browsing(own, ADA) as url:
            port = int(url.rpartition(":")[2])
            tab = open_until_the_end.enter_context(tabs(url, refusals=True))
            tab.goto(f"{AGAIN}#top_left-00")
            press(tab, "Enter")
        with browsing(own, ADA, port=port):
            tab.get_by_label("As written").fill("typed meanwhile")
            press(tab, "Enter")
            expect(tab.get_by_role("alert")).to_contain_text("was started again")
            assert saved(own, AGAIN) is None, "an old token is refused"
            tab.get_by_role("button", name="Load the page again").click()
            tab.get_by_role("button", name="Use it").click()
            is_saved(tab)
            assert texts(saved(own, AGAIN))[0] == "typed meanwhile"


def test_a_forged_origin_and_a_wrong_token_are_refused(own: Station, hers: str, tabs: Tabs) -> None:
    send = """async ([url, type, token]) => {
        try {
            const answer = await fetch(url, {
                method: "POST", body: "{}", mode: type ? "cors" : "no-cors",
                headers: type ? { "content-type": type, "x-flowsheets-token": token } : {},
            });
            return answer.status;
        } catch { return -1; }
    }"""
    with another_site() as elsewhere, tabs(hers, refusals=True) as tab:
        path = FORGED.replace("/page/1994", "/save/1994", 1)
        tab.goto(FORGED)
        assert tab.evaluate(send, [path, "application/json", "wrong"]) == 403
        token = json.loads(tab.locator("#desk").text_content() or "")["token"]
        assert tab.evaluate(send, [path, "application/json", token]) == 400, "it is the right one"
        tab.goto(elsewhere)
        seen: list[int] = []
        tab.on(
            "response", lambda answer: seen.append(answer.status) if path in answer.url else None
        )
        assert tab.evaluate(send, [f"{hers}{path}", "application/json", token]) == -1
        assert tab.evaluate(send, [f"{hers}{path}", "", ""]) in (0, -1)
        assert set(seen) <= {403}
    assert saved(own, FORGED) is None


@contextmanager
def another_site() -> Iterator[str]:
    """A page of another origin, whose scripts may do what they like."""

    class Blank(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><link rel=icon href=data:,><title>another</title>")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_hostile_text_stays_text(ada: Page, own: Station) -> None:
    hostile = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'
    ada.goto(f"{HOSTILE}#top_left-00")
    press(ada, "Enter")
    ada.get_by_label("As written").fill(hostile)
    ada.get_by_role("combobox", name="Type").fill("<b>H</b>")
    press(ada, "Enter", "Escape", "ArrowUp", "ArrowUp", "Enter")
    expect(ada.get_by_label("DJ", exact=True)).to_be_visible()
    ada.get_by_label("DJ", exact=True).fill(hostile)
    press(ada, "Enter")
    is_saved(ada)
    ada.reload()
    expect(line(ada, "top_left-00")).to_contain_text(hostile)
    expect(line(ada, "top_left-00")).to_contain_text("<b>H</b>")
    expect(ada).to_have_title(re.compile("page 1: correct it$"))
    assert ada.locator("#rows img, #rows script, #rows b").count() == 0
    assert saved(own, HOSTILE)["quadrants"][0]["jock_raw"] == hostile


def test_two_windows_on_one_page_lose_neither_text(
    own: Station, hers: str, his: str, tabs: Tabs
) -> None:
    with tabs(hers, "ada") as ada, tabs(his, "bob", refusals=True) as bob:
        both = _both_type(ada, bob, "top_left-00")
        expect(both).to_contain_text("Ada L. saved this page meanwhile")
        expect(both).to_contain_text("Ada's text")
        expect(both).to_contain_text("Bob's text")
        assert texts(saved(own, BOTH))[0] == "Ada's text"
        both.get_by_role("radio").first.check()
        both.get_by_role("button", name="Save this choice").click()
        is_saved(bob)
        assert texts(saved(own, BOTH))[0] == "Bob's text"


def test_a_person_may_drop_all_of_hers_for_the_other_text(
    own: Station, hers: str, his: str, tabs: Tabs
) -> None:
    with tabs(hers, "ada") as ada, tabs(his, "bob", refusals=True) as bob:
        both = _both_type(ada, bob, "top_right-00")
        before = saved(own, BOTH)
        both.get_by_role("button", name="Drop all of mine").click()
        expect(both).to_have_count(0)
        expect(line(bob, "top_right-00")).to_contain_text("Ada's text")
        expect(bob.locator("#standing")).to_contain_text("by Ada L.")
        assert saved(own, BOTH) == before
        bob.reload()
        expect(line(bob, "top_right-00")).to_contain_text("Ada's text")
        expect(bob.get_by_text("was not saved")).to_have_count(0)
        press(bob, "Enter")
        bob.get_by_label("As written").fill("and goes on")
        press(bob, "Enter")
        is_saved(bob)


def _both_type(ada: Page, bob: Page, anchor: str) -> Locator:
    """Both correct the same row, Ada first; what Bob is shown."""
    for tab in (ada, bob):
        tab.goto(f"{BOTH}#{anchor}")
        press(tab, "Enter")
    ada.get_by_label("As written").fill("Ada's text")
    press(ada, "Enter")
    is_saved(ada)
    bob.get_by_label("As written").fill("Bob's text")
    press(bob, "Enter")
    both = bob.get_by_role("region", name="Two texts of this page")
    expect(both).to_be_visible()
    return both


def test_a_duplicated_window_is_another_one(own: Station, hers: str, tabs: Tabs) -> None:
    with tabs(hers, refusals=True) as tab:
        tab.goto(f"{BOTH}#bottom_left-00")
        with tab.expect_popup() as opened:  # with what this window keeps, as a duplicate has it
            tab.evaluate("window.open(location.href) && null")
        twin = opened.value
        for one, text in ((tab, "here"), (twin, "there")):
            # Of two windows Chromium calls one inactive, and which one is not ours to say.
            one.wait_for_function("document.activeElement.closest('#bottom_left-00')")
            press(one, "Enter")
            one.get_by_label("As written").fill(text)
            press(one, "Enter")
            if one is tab:
                is_saved(one)
        expect(twin.get_by_role("region", name="Two texts of this page")).to_be_visible()
        assert texts(saved(own, BOTH), 2)[0] == "here"


def test_rows_are_added_moved_deleted_and_brought_back(ada: Page, own: Station) -> None:
    ada.goto(f"{CHANGED}#top_left-02")
    whole = [ada.locator(".lines").first.locator(".text").nth(n).inner_text() for n in range(4)]
    press(ada, "a")
    ada.get_by_label("As written").fill("a row that was missed")
    press(ada, "Enter", "Escape")
    is_saved(ada)
    assert texts(saved(own, CHANGED))[2:4] == [whole[2], "a row that was missed"]
    press(ada, "ArrowUp", "Alt+ArrowUp")
    expect(ada.locator("#told")).to_contain_text("Now printed row 2")
    press(ada, "Delete")
    expect(ada.locator("#told")).to_contain_text("deleted")
    press(ada, "Control+z", "Control+z", "Control+z")
    third = ada.locator(".lines").first.locator(".text").nth(3)
    expect(third).to_have_text(whole[3])
    is_saved(ada)
    press(ada, "Control+y")
    expect(third).to_have_text("a row that was missed")
    expect(ada.locator("#told")).to_have_text("Done again")
    press(ada, "Control+Shift+z", "Control+Shift+z")
    expect(ada.get_by_role("button", name="Redo")).to_be_disabled()
    expect(third).to_have_text(whole[3])
    press(ada, "Control+z", "Control+z")
    expect(third).to_have_text("a row that was missed")
    ada.get_by_role("button", name="Undo").click()
    expect(third).to_have_text(whole[3])
    ada.get_by_role("button", name=re.compile("^Row 2")).first.focus()
    press(ada, "End", "Enter")
    ada.get_by_label("Comments as written").fill("two\nlines")
    press(ada, "Enter")
    expect(ada.get_by_role("button", name="Page is checked")).to_be_focused()
    press(ada, "Home")
    ada.locator("[data-item='date'] .open").focus()
    press(ada, "Enter")
    ada.get_by_label("Date as written").fill("MON. 3/4/91")
    press(ada, "Enter", "Escape", "c")
    expect(ada.get_by_role("button", name="Top left is checked")).to_have_attribute(
        "aria-pressed", "true"
    )
    ada.wait_for_timeout(100)
    is_saved(ada)
    page = saved(own, CHANGED)
    assert texts(page)[:4] == whole
    assert (page["comments_raw"], page["page_date_raw"]) == ("two\nlines", "MON. 3/4/91")
    assert page["status"] == "draft"


def test_undo_takes_back_what_is_typed_and_no_more(ada: Page, own: Station) -> None:
    ada.goto(f"{CHANGED}#bottom_left-00")
    press(ada, "Enter")
    ada.get_by_label("As written").fill("saved first")
    press(ada, "Enter")
    ada.get_by_label("As written").fill("typed then")
    ada.get_by_role("button", name="Undo").click()
    expect(line(ada, "bottom_left-00")).to_contain_text("saved first")
    expect(line(ada, "bottom_left-01")).not_to_contain_text("typed then")
    ada.get_by_role("button", name="Redo").click()
    expect(line(ada, "bottom_left-01")).to_contain_text("typed then")
    is_saved(ada)
    assert texts(saved(own, CHANGED), 2)[:2] == ["saved first", "typed then"]


def test_a_link_that_is_followed_saves_what_is_typed(ada: Page, own: Station) -> None:
    ada.goto(f"{CHANGED}#bottom_right-00")
    press(ada, "Enter")
    ada.get_by_label("As written").fill("typed, and left")
    ada.get_by_role("link", name="Next →").click()
    ada.wait_for_url(f"**{BOTH}")
    ada.goto(CHANGED)
    expect(line(ada, "bottom_right-00")).to_contain_text("typed, and left")
    expect(ada.get_by_text("was not saved")).to_have_count(0)
    assert texts(saved(own, CHANGED), 3)[0] == "typed, and left"


@pytest.mark.parametrize("size", [(1024, 768), (768, 1024)])
def test_on_a_tablet_a_row_is_corrected_by_touch(
    own: Station, hers: str, tabs: Tabs, size: tuple[int, int]
) -> None:
    with tabs(hers, f"{size[0]}", size=size, has_touch=True, is_mobile=True) as tab:
        tab.goto(f"{LOOKED_AT}#top_left-00")
        line(tab, "top_right-02").tap()
        expect(tab.get_by_label("As written")).to_be_in_viewport()
        expect(tab.locator(".strip")).to_be_in_viewport()
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small: list[str] = tab.evaluate(
            """[...document.querySelectorAll(".right button, .right input, .right select")]
                .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 43.5)
                .map((one) => one.outerHTML)"""
        )
        assert small == []
        tab.get_by_label("As written").fill(f"by touch {size}")
        tab.get_by_role("button", name="Save, next").tap()
        is_saved(tab)
        assert texts(saved(own, LOOKED_AT), 1)[2] == f"by touch {size}"


def test_what_a_second_reader_has_is_shown_beside_the_row(ada: Page) -> None:
    ada.goto(READ_TWICE)
    expect(line(ada, "top_left-00")).to_contain_text("gemini-second+low has “<script>")
    expect(line(ada, "top_left-00").get_by_role("button")).to_be_focused()
    expect(ada.locator("[data-item='date']")).to_contain_text("reads the date as “3/7/91”")
    more = ada.get_by_role("list", name="Second readings of Top left")
    expect(more).to_contain_text("gemini-second+low alone reads row 20")


def test_a_screen_reader_has_names_for_all_that_can_be_corrected(ada: Page) -> None:
    ada.goto(f"{LOOKED_AT}#top_left-03")
    press(ada, "Enter")
    expect(ada.get_by_role("heading", level=1)).to_have_count(1)
    unnamed: list[str] = ada.evaluate(
        """[...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
            .filter((field) => !field.labels.length)
            .concat([...document.querySelectorAll("button")]
                .filter((one) => !(one.getAttribute("aria-label") ?? one.textContent).trim()))
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    expect(ada.get_by_role("form", name=re.compile("^Row 3, type"))).to_be_visible()
    press(ada, "Escape", "ArrowDown")
    expect(ada.get_by_role("button", name=re.compile("^Row 4")).first).to_be_focused()
    assert ada.locator("[aria-live], [role=status], [role=alert]").count() >= 3
