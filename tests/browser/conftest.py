"""A station of the sample scans, `make browse` on it, and Debian's Chromium."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    sync_playwright,
)

from browse_process import browsing, complete
from flowsheets import paths
from flowsheets.accuracy import second_reading
from flowsheets.accuracy.second_reading import About, Reader
from flowsheets.jobs import database, states
from flowsheets.money import usage
from flowsheets.page.schema import PageResult
from flowsheets.paths import PageId
from station import TOP, Station

SAMPLES = TOP / "tests/samples"
SCRIPT = '<script>document.title = "run"</script><img src=x onerror="document.title = 1">'
# What the console says of a server that is gone or says no, and of another site's script.
REFUSED = ("Failed to load resource", "Access to fetch at")
THIS_MACHINE = ("127.0.0.1", "localhost", None)  # None: data: and the like
# Chromium's own, so that it starts as root, without a graphics card, and asks no other machine.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """Ten pages of two PDFs: nine are read, one of them holds a script, and one failed."""
    station = Station(tmp_path_factory.mktemp("station"))
    shutil.copytree(SAMPLES / "scans", station.scans)
    station.data.mkdir()
    station.good("discover")
    station.good("render")
    for row in station.rows():
        page = PageId(row["pdf_path"], row["page_number"])
        truth = SAMPLES / "truth" / page.pdf_path.removesuffix(".pdf")
        reading = json.loads((truth / f"page-{page.page_number:02d}.json").read_text())
        if page == PageId(row["pdf_path"], 5) and "1994" in page.pdf_path:
            with closing(database.connect(station.data)) as db:
                states.flip(
                    db, [page], "rendered", "failed", count_try=True, last_error="finish: SAFETY"
                )
            continue
        if page.page_number == 4 and "1994" in page.pdf_path:
            reading["quadrants"][0]["entries"][0]["raw_text"] = f"inert {SCRIPT}"
        complete(station, page, reading)
        _pay(station, page)
    _read_again(station, PageId("1991/March 1991/1991-03mar0407.pdf", 3))
    station.good("index")
    station.good("review", MAX_ATTEMPTS="1")
    return station


@pytest.fixture(scope="session")
def url(ready: Station) -> Iterator[str]:
    """`make browse` of that station, to look at."""
    with browsing(ready) as url:
        yield url


def _read_again(station: Station, page: PageId) -> None:
    """A second reading that has the first row as a script, the second one elsewhere, one more."""
    result = paths.result(station.data, page)
    reading = PageResult.model_validate_json(result.read_bytes())
    first, second = reading.quadrants[0].entries[:2]
    first.raw_text, second.row_index = SCRIPT, 20
    reading.quadrants[3].entries = []
    reading.page_date_raw = "3/7/91"
    image = second_reading.digest(paths.png(station.data, page).read_bytes())
    about = About(Reader("gemini-second", "low", "high"), image, None)
    second_reading.write(station.data, page, reading, about)


def _pay(station: Station, page: PageId) -> None:
    """Note the answer that the page is from, as fetch does."""
    tokens = usage.Tokens(3_400, 0, 2_600, 900, None)
    model, at = "gemini-3.1-pro-preview", "2026-05-06T04:12:00+00:00"
    with closing(database.connect(station.data)) as db, database.transaction(db):
        usage.note(
            db, [usage.row(usage.Answer(page, "batches/a", "batch", model, model, tokens, at))]
        )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        with closing(playwright.chromium.launch(executable_path=path, args=QUIET)) as browser:
            yield browser


@pytest.fixture(scope="session")
def desk(chromium: Browser, url: str) -> Iterator[BrowserContext]:
    """A desk's screen, with the pages to look at: tests that only look share what it has loaded."""
    with closing(screen(chromium, url, (1400, 900))) as context:
        yield context


@pytest.fixture(scope="session")
def hand(chromium: Browser, url: str) -> Iterator[BrowserContext]:
    """A phone's screen, likewise."""
    with closing(screen(chromium, url, (390, 844), has_touch=True)) as context:
        yield context


@pytest.fixture
def tab(request: pytest.FixtureRequest, desk: BrowserContext) -> Iterator[Page]:
    """A tab on a desk's screen; at the end, nothing went wrong in it."""
    with tab_on(request, desk) as page:
        yield page


@pytest.fixture
def phone(request: pytest.FixtureRequest, hand: BrowserContext) -> Iterator[Page]:
    """A tab on a phone; at the end, nothing went wrong in it."""
    with tab_on(request, hand) as page:
        yield page


@pytest.fixture
def tabs(
    request: pytest.FixtureRequest, chromium: Browser
) -> Callable[..., AbstractContextManager[Page]]:
    """Makes tabs, each of a browser of its own, on a desk's screen or on another one; with
    `refusals`, the server may be gone or say no.
    """

    @contextmanager
    def tab(
        url: str,
        name: str = "tab",
        size: tuple[int, int] = (1440, 900),
        refusals: bool = False,
        **more: Any,
    ) -> Iterator[Page]:
        with (
            closing(screen(chromium, url, size, **more)) as context,
            tab_on(request, context, name, refusals) as page,
        ):
            yield page

    return tab


def screen(chromium: Browser, url: str, size: tuple[int, int], **more: Any) -> BrowserContext:
    """A browser of its own, of that size, at that address."""
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    return chromium.new_context(base_url=url, viewport=viewport, reduced_motion="reduce", **more)


@contextmanager
def tab_on(
    request: pytest.FixtureRequest,
    context: BrowserContext,
    name: str = "",
    refusals: bool = False,
) -> Iterator[Page]:
    """A tab of that browser; with `refusals`, the server may be gone or say no."""
    trouble: list[str] = []  # errors and warnings of the console, and requests to other machines

    def heard(message: ConsoleMessage) -> None:
        refused = refusals and message.text.startswith(REFUSED)
        if message.type in ("error", "warning") and not refused:
            trouble.append(message.text)

    def asked(sent: Request) -> None:
        if urlsplit(sent.url).hostname not in THIS_MACHINE:
            trouble.append(sent.url)

    page = context.new_page()
    page.on("console", heard)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", asked)
    with closing(page):
        yield page
        _look_at(page, f"{request.node.name}.{name or request.fixturename}")
    assert trouble == []


def _look_at(page: Page, name: str) -> None:
    """A picture of what the test ended with, for whoever wants to look."""
    shots = Path(__file__).with_name("shots")
    shots.mkdir(exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")
