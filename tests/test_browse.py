"""`make browse` without a browser: what it answers, and what does no harm."""

import csv
import io
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlite_utils import Database

from browse_process import browsing, complete, get
from browser import place
from flowsheets.batch.folder import request_key, write_lines
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from pages import reading
from results import put, row, save, sheet
from station import PDF, Station

SCRIPT = "<script>alert(1)</script>"
LONG = "long " * 100_000
STEM = PDF.removesuffix(".pdf")
AT = {"requested_at": "2026-01-01T00:00:00+00:00"}


def page(number: int) -> str:
    return quote(f"{STEM}/page-{number:02d}")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Station:
    """Three pages: one with a row, one that holds markup wherever it can, one that failed."""
    station = Station(tmp_path_factory.mktemp("station"))
    station.scans.mkdir()
    station.rendered(3)
    complete(station, PageId(PDF, 1), reading())
    complete(station, PageId(PDF, 2), _hostile())
    db = database.connect(station.data)
    states.flip(db, [PageId(PDF, 3)], "rendered", "failed", count_try=True, last_error=SCRIPT)
    db.close()
    station.good("index")
    return station


@pytest.fixture(scope="module")
def url(station: Station) -> Iterator[str]:
    with browsing(station) as url:
        yield url


def test_the_front_page_shows_how_far_the_corpus_is(url: str) -> None:
    front = get(url).text
    assert "3 pages of 1 scanned PDF," in front
    assert 'aria-label="Apr 1990: 2 of 3 completed"><b>2</b><span class="of"> of 3</span>' in front
    assert "?status=failed" in front


def test_a_search_marks_the_hit_and_links_to_its_row(url: str) -> None:
    found = get(f"{url}/search?q=bongwater").text
    assert "1 row with" in found
    assert "<mark>Bongwater</mark> - Too Much Sleep" in found
    assert f'href="/page/{page(1)}#top_left-00"' in found
    assert 'id="top_left-00"' in get(f"{url}/page/{page(1)}").text


def test_the_start_of_a_word_a_phrase_and_a_filter_narrow_a_search(url: str) -> None:
    assert "1 row with" in get(f"{url}/search?q=bongw*").text
    assert "1 row with" in get(f"{url}/search?q=%22much+sleep%22").text
    assert "0 rows with" in get(f"{url}/search?q=%22sleep+much%22").text
    assert "0 rows with" in get(f"{url}/search?q=bongwater&confidence=low").text


@pytest.mark.parametrize(
    "typed",
    [
        '"',
        '"""',
        "*",
        '"*',
        "a*b*",
        "NEAR(",
        "a AND",
        "-a",
        "raw_text:a",
        "'; --",
        "\x00",
        "(",
        "^",
    ],
)
def test_whatever_is_typed_into_the_search_is_only_text(url: str, typed: str) -> None:
    assert get(f"{url}/search?q={quote(typed)}").status == 200


def test_markup_on_a_page_is_shown_as_text(url: str) -> None:
    for path in (
        f"/page/{page(2)}",
        f"/page/{page(3)}",
        f"/search?q={quote(SCRIPT)}",
        f"/search?q=alert&dj={quote(SCRIPT)}",
        "/month/1990-04",
        "/check",
        "/flowsheets/entries",
        "/flowsheets/pages",
    ):
        text = get(url + path).text
        assert SCRIPT not in text, path
        assert "<b>bold" not in text, path
    assert "&lt;script&gt;" in get(f"{url}/page/{page(2)}").text


def test_a_page_without_a_result_says_why(url: str) -> None:
    shown = get(f"{url}/page/{page(3)}").text
    assert "<strong>failed.</strong> &lt;script&gt;" in shown
    assert f'src="/scan/{page(3)}.png"' in shown


def test_the_list_to_check_leads_to_its_pages(url: str, station: Station) -> None:
    assert "Nothing on the list" in get(f"{url}/check").text
    station.good("review", MAX_ATTEMPTS="1")
    listed = get(f"{url}/check").text
    assert f'href="/page/{page(3)}"' in listed
    assert 'id="failed"' in listed
    assert 'href="/check#failed"' in get(url).text
    assert "To check: failed" in get(f"{url}/page/{page(3)}").text


def test_neighbours_are_linked_in_order(url: str) -> None:
    shown = get(f"{url}/page/{page(2)}").text
    assert f'<a rel="prev" href="/page/{page(1)}"' in shown
    assert f'<a rel="next" href="/page/{page(3)}"' in shown
    assert '<a rel="next"' not in get(f"{url}/page/{page(3)}").text


def test_the_scan_is_sent_once_and_then_only_asked_for(url: str, station: Station) -> None:
    scan = get(f"{url}/scan/{page(1)}.png")
    assert scan.headers["content-type"] == "image/png"
    assert scan.body == station.png(1).read_bytes()
    again = get(f"{url}/scan/{page(1)}.png", **{"If-None-Match": scan.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_a_scan_that_is_not_there_is_said_in_its_place(url: str, station: Station) -> None:
    hidden = station.png(1).rename(station.png(1).with_suffix(".hidden"))
    assert "The image of this page is missing" in get(f"{url}/page/{page(1)}").text
    assert get(f"{url}/scan/{page(1)}.png").status == 404
    hidden.rename(station.png(1))


@pytest.mark.parametrize(
    "path",
    [
        "/scan/../../jobs.db",
        "/scan/..%2F..%2Fjobs.db",
        "/scan/" + quote("../data/pages/1990/x") + ".png",
        f"/scan/{page(9)}.png",
        f"/scan/{STEM.replace(' ', '%20')}/../1990-04apr0106/page-01.png",
        "/page/nowhere",
        "/assets/../hooks.py",
        "/assets/..%2Fhooks.py",
    ],
)
def test_nothing_but_known_pages_is_served(url: str, path: str) -> None:
    answer = get(url + path)
    assert answer.status == 404
    assert b"SQLite format" not in answer.body
    assert b"import" not in answer.body


def test_no_page_may_load_anything_from_another_machine(url: str) -> None:
    for path in ("/", f"/page/{page(1)}", "/search", "/flowsheets", "/flowsheets/entries", "/nope"):
        policy = get(url + path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy
    assert "unsafe" not in get(f"{url}/page/{page(1)}").headers["content-security-policy"]


def test_datasettes_tables_link_to_the_page_beside_its_scan(url: str) -> None:
    table = get(f"{url}/flowsheets/entries").text
    assert f'href="/page/{page(1)}#top_left-00"' in table
    assert "Bongwater" in get(f"{url}/flowsheets/entries.csv").text
    for link in re.findall(r'href="([^"]*\.(?:csv|json)[^"]*)"', get(url).text):
        assert get(url + unescape(link)).status == 200
        assert "json" in link or "_stream=on" in link, "all rows of it"
    assert get(f"{url}/flowsheets/entries.json?_shape=array").text.startswith("[")


def test_no_cell_of_a_csv_is_a_formula_and_the_others_are_as_they_are(url: str) -> None:
    table = get(f"{url}/flowsheets/pages.csv?_stream=on&_dl=on").text
    rows = list(csv.DictReader(table.splitlines(keepends=True)))
    assert [row["page_number"] for row in rows] == ["1", "2", "3"]
    assert rows[1]["comments_raw"] == f"{SCRIPT}<b>bold"
    asked = "select+'=1%2B1'+as+a,+-1.5+as+b,+'%0A-x,y\"'+as+c,+'plain'+as+d"
    made = get(f"{url}/flowsheets.csv?sql={asked}").text
    assert made == 'a,b,c,d\r\n\'=1+1,-1.5,"\'\n-x,y""",plain\r\n'
    assert get(f"{url}/flowsheets/nothing.csv").status == 404


def test_an_index_that_is_made_anew_is_shown_without_a_restart(
    station: Station, tmp_path: Path
) -> None:
    other = Station(tmp_path)
    shutil.copytree(station.data, other.data)
    with browsing(other) as url:
        assert "0 rows" in get(f"{url}/search?q=Slint").text
        complete_again = reading("Slint - Good Morning, Captain")
        _replace(other, complete_again)
        other.good("index")
        assert "1 row " in get(f"{url}/search?q=Slint").text
        for file in other.data.glob("flowsheets.db*"):
            file.unlink()
        gone = get(url)
        assert (gone.status, gone.text.endswith("is not there. Run make index")) == (503, True)
        _replace(other, reading("Unrest - Cath Carroll"))
        other.good("index")
        assert "1 row " in get(f"{url}/search?q=Unrest").text
        assert "0 rows" in get(f"{url}/search?q=Slint").text


def test_an_open_batch_is_on_the_front_page_and_a_damaged_one_says_so(
    url: str, station: Station
) -> None:
    assert re.search("Open batches</h2>\\s*<p>None.</p>", get(url).text)
    _batch(station, "20260101-000000-000000-abcd", pages=2)
    front = get(url).text
    assert "batches/x" in front
    assert "out since 2026-01-01 00:00 UTC" in front
    (station.data / "batches/20260101-000000-000000-abcd/manifest.jsonl").write_text("{")
    assert "damaged" in get(url).text
    shutil.rmtree(station.data / "batches")


def test_a_row_is_marked_where_its_sheet_lay_on_the_scanner(url: str, station: Station) -> None:
    assert str(place.row("top_left", 0)) in get(f"{url}/page/{page(1)}").text
    with closing(sqlite3.connect(station.data / "flowsheets.db")) as db, db:
        shifts = {"top_left_shift": -17, "bottom_right_shift": 30}
        stamp = {"page": f"{STEM}/page-01", "mtime_ns": 0, "size": 0}
        Database(db).table("ink").insert(stamp | shifts, replace=True)
    shown = get(f"{url}/page/{page(1)}").text
    lower = place.row("top_left", 0).top - 100 * 17 / 4200
    assert f'data-place="{place.row("top_left", 0).left:.2f} {lower:.2f} ' in shown
    assert f'data-place="{place.block("bottom_right", 30)}"' in shown
    assert f'data-place="{place.block("bottom_left")}"' in shown


def test_what_was_spent_is_the_same_as_in_make_cost(url: str, station: Station) -> None:
    assert "No response was billed yet" in get(url).text
    with closing(database.connect(station.data)) as db, database.transaction(db):
        for batch_id, mode, usd in (("batches/a", "batch", 0.04), (None, "realtime", 1.5)):
            row = {
                "pdf_path": PDF,
                "page_number": 1,
                "batch_id": batch_id,
                "mode": mode,
                "usd": usd,
            }
            db.table("usage").insert(row | dict.fromkeys(("model", "model_version"), "m") | AT)
        unpriced = {"pdf_path": PDF, "page_number": 2, "mode": "realtime", "usd": None}
        db.table("usage").insert(unpriced | dict.fromkeys(("model", "model_version"), "m") | AT)
    table = re.sub(r"<[^>]+>|\s+", " ", get(url).text.partition("Spend</h2>")[2])
    assert re.search(r"batch +1 +0\.04 ", table)
    assert re.search(r"real time +2 +1\.50 +1 more of unknown price", table)


def test_a_page_in_doubt_is_on_the_front_page_before_the_next_index(
    url: str, station: Station
) -> None:
    assert "to check: its date" not in get(url).text
    with closing(database.connect(station.data)) as db, database.transaction(db):
        doubt = (PDF, 1, "date_contradicts_name", "not within", "2026-01-01")
        db.conn.execute("INSERT INTO date_checks VALUES (?, ?, ?, ?, ?)", doubt)
    assert "1 page to check: its date" in get(url).text
    with closing(database.connect(station.data)) as db, database.transaction(db):
        db.conn.execute("DELETE FROM date_checks")


def test_columns_that_a_person_picked_are_shown(url: str) -> None:
    assert get(f"{url}/flowsheets/plays?_col=page_number").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8001", "127.0.0.1.evil.example"])
def test_a_stranger_whose_name_points_at_this_machine_gets_nothing(url: str, host: str) -> None:
    assert get(url, Host=host).status == 421
    assert get(f"{url}/flowsheets/entries.json", Host=host).status == 421
    assert get(url, Host="localhost:1").status == get(url, Host="[::1]:8001").status == 200


def test_nothing_is_written_by_browsing(station: Station, url: str) -> None:
    before = {k: v for k, v in station.tree().items() if not k.endswith(("-shm", "-wal"))}
    get(f"{url}/flowsheets?sql=delete+from+pages")
    get(url)
    assert before == {k: v for k, v in station.tree().items() if not k.endswith(("-shm", "-wal"))}


def test_without_an_index_one_line_says_what_to_do(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.data.mkdir()
    assert station.error("browse").endswith("flowsheets.db: is not there. Run make index")
    (station.data / "flowsheets.db").write_bytes(b"no database at all" * 100)
    assert "is not an index" in station.error("browse")
    (station.data / "flowsheets.db").unlink()
    Database(station.data / "flowsheets.db").table("pages").create({"page": str})
    assert "of another version" in station.error("browse")
    station.good("index")  # which builds it anew


def test_a_port_in_use_is_one_line(station: Station, url: str) -> None:
    port = url.rpartition(":")[2]
    assert f"PORT: {port} cannot be used" in station.error("browse", f"PORT={port}")
    assert "PORT: 'x' is not a whole number" in station.error("browse", "PORT=x")


def test_a_row_is_found_on_the_scan_where_the_form_rules_it() -> None:
    first = place.row("top_left", 0)
    last = place.row("bottom_right", 20)
    assert (first.left, first.top) == pytest.approx((100 * 243 / 2550, 100 * 565 / 4200), abs=0.05)
    assert last.top + last.height == pytest.approx(100 * 3866 / 4200, abs=0.05)
    assert place.row("top_left", 99) == place.row("top_left", 20)
    assert place.row("top_right", 3, 2).height > 1.7 * place.row("top_right", 3).height


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A station with one page that a person verified, one draft, and one of odd texts."""
    station = Station(tmp_path_factory.mktemp("odd"))
    for number, status in ((1, "complete"), (2, "draft")):
        put(station, number, sheet(row(0, f"machine {number}"), date="8/8/90"))
        save(station, number, sheet(row(0, f"person {number}"), date="8/8/90"), status=status)
    odd = [row(0, LONG), row(1, "nul \x00 and \x02 marks \x03 of odd"), row(2, "after it")]
    put(station, 3, sheet(*odd, row(-1, "above"), row(10**30, "below")))
    station.good("review")
    with browsing(station) as url:
        yield url


def test_a_verified_page_says_who_and_when_wherever_it_is_shown(odd: str) -> None:
    complete, draft = "Verified by Ada L. on 2026-03-01", "Draft by Ada L. on 2026-03-01"
    first = get(f"{odd}/page/{page(1)}").text
    assert f"<strong>{complete}.</strong>" in first
    assert "person 1" in first
    assert "machine" not in first
    assert f"<strong>{draft}.</strong>" in get(f"{odd}/page/{page(2)}").text
    assert "erified by" not in get(f"{odd}/page/{page(3)}").text
    found = get(f"{odd}/search?q=person").text
    assert complete in found
    assert draft in found
    assert "0 rows with" in get(f"{odd}/search?q=machine").text
    assert complete in get(f"{odd}/month/1990-04").text
    assert "2 pages have the text that a person verified." in get(odd).text
    listed = get(f"{odd}/check").text
    assert draft in listed
    assert complete not in listed, "its date was looked at"


def test_a_table_with_a_cell_of_any_length_is_whole(odd: str) -> None:
    table = get(f"{odd}/flowsheets/entries.csv?_stream=on&page={page(3)}").text
    limit = csv.field_size_limit(len(LONG) + 1)
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    csv.field_size_limit(limit)
    assert [row["row_index"] for row in rows] == ["-1", "0", "1", "2", str(2**53 - 1)]
    assert [row["raw_text"] for row in rows][1] == LONG
    assert get(f"{odd}/flowsheets/entries.json?page={page(3)}").status == 200
    assert "after it" in get(f"{odd}/page/{page(3)}").text


def test_odd_texts_are_found_and_shown(odd: str) -> None:
    assert "1 row with" in get(f"{odd}/search?q=marks").text
    assert "1 row with" in get(f"{odd}/search?q=above").text
    assert get(f"{odd}/page/{page(3)}").text.count('data-place="') > 5


@pytest.mark.parametrize(
    "sql",
    [
        "select randomblob(900000000)",
        "select hex(zeroblob(400000000))",
        "with recursive n(i) as (select 1 union all select i + 1 from n)"
        " select zeroblob(3000000), i from n",
        "select " + ", ".join(["zeroblob(3000000)"] * 300),
        "select group_concat(raw_text, hex(zeroblob(2000000))) from entries",
    ],
)
def test_a_query_that_asks_for_all_memory_is_refused(url: str, sql: str) -> None:
    answer = get(f"{url}/flowsheets.json?sql={quote(sql)}")
    assert answer.status == 400, answer.text[:200]
    assert get(url).status == 200


IMAGE = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_may_link_to_a_page_and_do_nothing_else(url: str, site: str) -> None:
    one = f"{url}/page/{page(1)}"
    query = f"{url}/flowsheets?sql=select+1"
    assert get(one, **{"Sec-Fetch-Site": site}, **LINK).status == 200
    for asked, how in ((query, IMAGE), (query, LINK), (one, IMAGE), (one, FRAME), (query, {})):
        refused = get(asked, **{"Sec-Fetch-Site": site}, **how)
        assert (refused.status, "Another site's page" in refused.text) == (403, True)
    for own in ("same-origin", "none"):
        assert get(query, **{"Sec-Fetch-Site": own}, **IMAGE).status == 200


def _hostile() -> dict[str, Any]:
    page = reading(f"{SCRIPT} alert <b>bold</b>")
    page["page_date_raw"] = page["comments_raw"] = f"{SCRIPT}<b>bold"
    page["oddities"] = [SCRIPT]
    for quadrant in page["quadrants"]:
        quadrant |= {"hour_raw": SCRIPT, "jock_raw": SCRIPT, "oddities": [SCRIPT]}
        for entry in quadrant["entries"]:
            entry |= {"type_raw": SCRIPT, "oddities": [SCRIPT], "confidence": "low"}
    return page


def _batch(station: Station, name: str, pages: int) -> None:
    """The folder of a batch that is out."""
    folder = station.data / "batches" / name
    write_lines(
        folder / "manifest.jsonl",
        (
            {
                "index": index,
                "key": request_key(name, index),
                "pdf_path": PDF,
                "page_number": index + 1,
                "image_sha256": "",
                "batch_id": "batches/x",
            }
            for index in range(pages)
        ),
    )
    created = {"at": "2026-01-01T00:00:00.000+00:00", "event": "created", "batch_id": "batches/x"}
    write_lines(folder / "journal.jsonl", [created])


def _replace(station: Station, answer: dict[str, Any]) -> None:
    """Another answer for the first page."""
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    complete(station, PageId(PDF, 1), answer)
