"""`make browse REVIEWER=…` without a browser: what may be saved, by whom, and what it leaves."""

import asyncio
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import httpx
import pytest
from datasette.plugins import pm

import browse
from browser import editing
from flowsheets import files, lock, paths
from flowsheets.errors import Problem
from flowsheets.page import verified
from flowsheets.page.schema import POSITIONS
from flowsheets.paths import PageId
from results import ADA, OURS, STEM, ask, indexed, indexed_anew, put, row, save, set_columns, sheet
from station import PDF, Station, room_for

ONE = f"{PDF.removesuffix('.pdf')}/page-01"
HOME = "http://127.0.0.1"
SCRIPT = "</script><script>alert(1)</script>\"'&\u2028"


class Session:
    """A person's `make browse`, in this process, and a browser's requests to it."""

    def __init__(self, station: Station, app: Any) -> None:
        self.station, self.app = station, app
        self.loop = asyncio.new_event_loop()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
                return await client.request(method, path, **more)

        return self.loop.run_until_complete(send())

    def desk(self, page: str = ONE) -> dict[str, Any]:
        """What the page view is given to correct a page with."""
        shown = self.ask("GET", f"/page/{quote(page)}")
        assert shown.status_code == 200, shown.text
        found = re.search(r'id="desk" type="application/json">(.*?)</script>', shown.text, re.S)
        assert found
        desk: dict[str, Any] = json.loads(found[1])
        return desk

    def post(
        self, desk: dict[str, Any], page: Any = None, body: Any = None, **more: Any
    ) -> httpx.Response:
        """Save a page as the browser does; `more` are headers, and parts of the body."""
        headers = {
            "origin": HOME,
            "x-flowsheets-token": desk["token"],
            "content-type": "application/json",
            "sec-fetch-site": "same-origin",
        } | {name.replace("_", "-"): more.pop(name) for name in list(more) if "_" in name}
        opened = desk["opened"]
        content = {
            "version": opened["version"],
            "page": plain(opened["page"]) if page is None else page,
            "checked": opened["checked"],
            "mark": None,
        } | more
        sent = json.dumps(content) if body is None else body
        kept = {name: value for name, value in headers.items() if value is not None}
        return self.ask("POST", desk["url"], content=sent, headers=kept)


def plain(page: dict[str, Any]) -> dict[str, Any]:
    """The page without what the browser is told beside each row."""
    for quadrant in page["quadrants"]:
        for entry in quadrant["entries"]:
            entry.pop("read", None)
            entry.pop("later", None)
    return page


def corrected(desk: dict[str, Any], text: str) -> dict[str, Any]:
    """The page with another text in its first row."""
    page = plain(json.loads(json.dumps(desk["opened"]["page"])))
    page["quadrants"][0]["entries"][0]["raw_text"] = text
    return page


@contextmanager
def session(station: Station, reviewer: str | None = "Ada L.") -> Iterator[Session]:
    with patch.dict(os.environ, station.environment()):
        datasette = browse.shown(station.data / "flowsheets.db", reviewer)
        try:
            yield Session(station, datasette.app())
        finally:
            if pm.has_plugin("editing"):
                pm.unregister(name="editing")


@pytest.fixture
def read(station: Station) -> Station:
    """A page of three rows that a model read, indexed."""
    rows = [row(0, "Wire - Mop Ref", "low"), row(1, "Slint - Glenn"), row(3, "Unrest - Isabel")]
    put(station, 1, sheet(*rows, hour_raw="2 AM", jock_raw="SCOTT"))
    indexed_anew(station)
    return station


@pytest.fixture
def ada(read: Station) -> Iterator[Session]:
    with session(read) as ada:
        yield ada


def saved(station: Station, number: int = 1) -> dict[str, Any]:
    path = station.data / f"verifier/{STEM}-page{number:02d}.verified.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def beside(station: Station) -> dict[str, Any]:
    path = station.data / f"verifier/{STEM}-page01.corrections.json"
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_a_correction_is_a_verified_page_and_the_models_result_stays(ada: Session) -> None:
    station = ada.station
    result = paths.result(station.data, PageId(PDF, 1))
    before, row_before = result.read_bytes(), station.rows()[0]
    desk = ada.desk()
    said = ada.post(desk, corrected(desk, "Wire - Map Ref"))
    assert said.status_code == 200, said.text
    assert (said.json()["status"], said.json()["by"]) == ("draft", "Ada L.")
    page = saved(station)
    assert list(page) == [
        "page_date_raw",
        "quadrants",
        "comments_raw",
        "oddities",
        "model_version",
        "extracted_at",
        "verified_by",
    ]
    assert page["quadrants"][0]["entries"][0] == row(0, "Wire - Map Ref", "low")
    assert {name: page[name] for name in OURS} == OURS
    who = page["verified_by"]
    assert set(who) == {"user_id", "username", "real_name", "dj_name", "verified_at"}
    assert who["real_name"] == "Ada L."
    edit = {"position": "top_left", "row_index": 0, "field": "raw_text", "confidence": "low"}
    texts = {"from": "Wire - Mop Ref", "to": "Wire - Map Ref"}
    about = beside(station)
    assert (about["status"], about["edits"]) == ("draft", [edit | texts])
    (job,) = station.rows()
    folder = station.data / "verifier"
    assert job["verified_path"] == str(folder / f"{STEM}-page01.verified.json")
    assert job["corrections_path"] == str(folder / f"{STEM}-page01.corrections.json")
    assert (job["reviewer_id"], job["verified_at"]) == ("Ada L.", who["verified_at"])
    assert job["updated_at"] > row_before["updated_at"]
    untouched = ("status", "attempts", "result_path", "batch_id", "model_version")
    assert {n: job[n] for n in untouched} == {n: row_before[n] for n in untouched}
    assert result.read_bytes() == before


def test_a_save_is_searched_and_exported_at_once(ada: Session) -> None:
    desk = ada.desk()
    ada.post(desk, corrected(desk, "Wire - Map Ref"))
    assert "1 row with" in ada.ask("GET", "/search?q=Map").text
    assert "0 rows with" in ada.ask("GET", "/search?q=Mop").text
    assert "Draft by Ada L." in ada.ask("GET", "/search?q=Map").text


def test_complete_is_never_lowered_by_a_plain_save(ada: Session) -> None:
    desk = ada.desk()
    said = ada.post(desk, mark="complete").json()
    assert (said["status"], said["checked"]) == ("complete", list(POSITIONS))
    desk = ada.desk()
    assert ada.post(desk, corrected(desk, "again")).json()["status"] == "complete"
    assert beside(ada.station)["status"] == "complete"
    desk = ada.desk()
    assert ada.post(desk, mark="draft", checked=["top_right"]).json()["status"] == "draft"
    assert ada.desk()["opened"]["checked"] == ["top_right"]


def test_the_second_of_two_windows_is_told_and_overwrites_nothing(ada: Session) -> None:
    first, second = ada.desk(), ada.desk()
    assert ada.post(first, corrected(first, "first")).status_code == 200
    tree = ada.station.tree()
    told = ada.post(second, corrected(second, "second"))
    assert told.status_code == 409
    assert "Ada L. saved this page meanwhile" in told.json()["error"]
    now = told.json()["opened"]
    assert now["page"]["quadrants"][0]["entries"][0]["raw_text"] == "first"
    verifier = {name: data for name, data in tree.items() if name.startswith("verifier/")}
    assert verifier.items() <= ada.station.tree().items()
    again = ada.post(second, corrected(second, "second"), version=now["version"])
    assert again.status_code == 200, "after a look at both"


def test_another_persons_save_by_the_other_tool_is_noticed(ada: Session) -> None:
    desk = ada.desk()
    save(ada.station, 1, sheet(row(0, "by the verifier")))
    assert ada.post(desk, corrected(desk, "mine")).status_code == 409
    assert saved(ada.station)["quadrants"][0]["entries"][0]["raw_text"] == "by the verifier"


def test_a_save_that_is_sent_again_is_no_other_text(ada: Session) -> None:
    desk = ada.desk()
    page = corrected(desk, "once")
    assert ada.post(desk, page).status_code == 200
    assert ada.post(desk, page).status_code == 200, "the same text, of which no response was heard"


def test_an_old_version_never_overwrites_whoever_sends_it(ada: Session) -> None:
    desk = ada.desk()
    assert ada.post(desk, corrected(desk, "first")).status_code == 200
    assert ada.post(desk, corrected(desk, "second")).status_code == 409, "a duplicated window"
    assert saved(ada.station)["quadrants"][0]["entries"][0]["raw_text"] == "first"


def test_two_pdfs_of_one_name_never_share_a_text(ada: Session) -> None:
    station = ada.station
    other = f"elsewhere/{STEM}.pdf"
    put(station, 1, sheet(row(0, "another page")), other)
    indexed_anew(station)
    assert ada.post(ada.desk(), mark="complete").status_code == 200
    before = saved(station)
    desk = ada.desk(f"elsewhere/{STEM}/page-01")
    assert f"has the text of {PDF} page 1" in desk["opened"]["problem"]
    refused = ada.post(desk, corrected(desk, "not his"))
    assert refused.status_code == 503
    assert refused.json()["error"].count(".verified.json") == 1
    assert saved(station) == before


def test_a_file_that_may_be_another_pages_is_left_alone(read: Station) -> None:
    other = f"elsewhere/{STEM}.pdf"
    put(read, 1, sheet(row(0, "another page")), other)
    save(read, 1, sheet(row(0, "whose?")), named=None)
    indexed_anew(read)
    with session(read) as ada:
        desk = ada.desk()
        assert "may be its text" in desk["opened"]["problem"]
        assert ada.post(desk, mark="complete").status_code == 503
    assert saved(read)["quadrants"][0]["entries"][0]["raw_text"] == "whose?"


def test_a_page_that_is_read_again_keeps_its_text_and_says_so(ada: Session) -> None:
    desk = ada.desk()
    assert not desk["opened"]["newer"]
    ada.post(desk, corrected(desk, "person"))
    ada.station.good("retry", f"PDF={PDF}", "PAGE=1")
    path = put(ada.station, 1, {})
    later = {"model_version": "gemini-y", "extracted_at": "2026-07-01T00:00:00Z"}
    path.write_text(json.dumps(sheet(row(0, "machine again")) | later))
    indexed_anew(ada.station)
    opened = ada.desk()["opened"]
    first = opened["page"]["quadrants"][0]["entries"][0]
    assert opened["newer"]
    assert first["raw_text"] == "person"
    assert first["read"]["raw_text"] == "Wire - Mop Ref", "what was corrected, put aside by now"
    assert first["later"]["raw_text"] == "machine again"
    shown = ada.ask("GET", f"/page/{quote(ONE)}").text
    assert "machine again" not in re.sub(r'"later".*', "", shown)


def test_a_page_that_no_model_has_read_can_be_typed(station: Station) -> None:
    station.rendered(1)
    indexed_anew(station)
    with session(station) as ada:
        desk = ada.desk()
        page = plain(desk["opened"]["page"])
        page["quadrants"][0]["entries"] = [row(2, "typed"), row(0, "before it")]
        assert ada.post(desk, page).status_code == 200
    assert [e["raw_text"] for e in saved(station)["quadrants"][0]["entries"]] == [
        "before it",
        "typed",
    ]
    assert saved(station)["model_version"] == "typed by a person"
    assert station.statuses() == ["rendered"]
    assert ask(station, "SELECT text, verified FROM plays") == [
        ("before it", "draft"),
        ("typed", "draft"),
    ]


def test_nothing_of_the_other_tool_is_lost_by_a_save(read: Station) -> None:
    path = save(read, 1, sheet(row(0, "by the verifier")), ADA)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"its_own": [1]}))
    about = path.with_name(path.name.replace("verified", "corrections"))
    about.write_text(json.dumps({"status": "complete", "edits": [{"row": 1}], "tool": "v"}))
    indexed_anew(read)
    with session(read, "Bob") as bob:
        desk = bob.desk()
        assert bob.post(desk, corrected(desk, "by Bob")).json()["status"] == "complete"
    assert saved(read)["its_own"] == [1]
    assert saved(read)["verified_by"]["real_name"] == "Bob"
    after = json.loads(about.read_text())
    assert after["tool"] == "v"
    assert after["edits"][0] == {"row": 1}
    assert len(after["edits"]) > 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin_": None}, 403),
        ({"origin_": "http://evil.example"}, 403),
        ({"origin_": "http://127.0.0.1:9"}, 403),
        ({"origin_": "https://127.0.0.1"}, 403),
        ({"origin_": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
        ({"x_flowsheets_token": None}, 403),
        ({"x_flowsheets_token": ""}, 403),
        ({"x_flowsheets_token": "wrong"}, 403),
        ({"host_": "evil.example"}, 421),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": None}, 415),
    ],
    ids=str,
)
def test_a_save_that_no_page_of_this_session_sent_is_refused(
    ada: Session, headers: dict[str, Any], status: int
) -> None:
    desk = ada.desk()
    before = ada.station.tree()
    names = {name.rstrip("_").replace("_", "-"): value for name, value in headers.items()}
    good = {
        "origin": HOME,
        "x-flowsheets-token": desk["token"],
        "content-type": "application/json",
    }
    sent = {name: value for name, value in (good | names).items() if value is not None}
    said = ada.ask("POST", desk["url"], content=json.dumps(_body(desk)), headers=sent)
    assert said.status_code == status, said.text
    assert ada.station.tree() == before
    assert "verifier" not in str(list(ada.station.data.iterdir()))


def _body(desk: dict[str, Any]) -> dict[str, Any]:
    page = corrected(desk, "forged")
    return {
        "version": desk["opened"]["version"],
        "page": page,
        "checked": [],
        "mark": None,
    }


def _row(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    def change(body: dict[str, Any]) -> Any:
        body["page"]["quadrants"][0]["entries"][0] |= fields
        return body

    return change


BAD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda body: b"",
    "not JSON": lambda body: b"{",
    "not UTF-8": lambda body: b'"\xff"',
    "a list": lambda body: [],
    "deep": lambda body: b"[" * 100_000,
    "no page": lambda body: {k: v for k, v in body.items() if k != "page"},
    "more": lambda body: body | {"path": "/etc/passwd"},
    "a mark": lambda body: body | {"mark": "verified"},
    "a block": lambda body: body | {"checked": ["middle"]},
    "three blocks": lambda body: body | {"page": body["page"] | {"quadrants": []}},
    "a number": _row(raw_text=1),
    "no text": _row(raw_text=None),
    "a word": _row(confidence="certain"),
    "a row": _row(row_index=10**30),
    "half a row": _row(row_index=0.5),
    "a note": _row(notes="<script>"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_body_that_is_no_page_is_one_clear_message(ada: Session, kind: str) -> None:
    desk = ada.desk()
    made = BAD[kind](_body(desk))
    said = ada.post(desk, body=made if isinstance(made, bytes) else json.dumps(made))
    assert said.status_code == 400, said.text
    error = said.json()["error"]
    assert error.startswith("This is not a page that can be saved: ")
    assert "\n" not in error
    assert not (ada.station.data / "verifier").exists()


def test_a_body_of_any_size_is_not_taken(ada: Session) -> None:
    desk = ada.desk()
    said = ada.post(desk, corrected(desk, "x" * editing.BODY_BYTES))
    assert said.status_code == 413
    assert not (ada.station.data / "verifier").exists()


@pytest.mark.parametrize(
    "name",
    ["nothing/page-01", "../../etc/passwd", f"{ONE}/../page-02", "%2e%2e/jobs.db", "\x00", "é'\""],
)
def test_only_a_page_of_the_index_can_be_saved(ada: Session, name: str) -> None:
    desk = ada.desk()
    before = ada.station.tree()
    said = ada.post(desk | {"url": f"/save/{quote(name)}"})
    assert said.status_code == 404, said.text
    assert ada.station.tree() == before


def test_nothing_else_of_datasette_takes_a_post(ada: Session) -> None:
    desk = ada.desk()
    before = {k: v for k, v in ada.station.tree().items() if "-shm" not in k and "-wal" not in k}
    headers = {"origin": HOME, "x-flowsheets-token": desk["token"]}
    for path in ("/flowsheets", "/flowsheets/pages", "/-/permissions", "/flowsheets/-/query"):
        ada.ask("POST", path, data={"sql": "delete from pages"}, headers=headers)
    assert ada.ask("GET", desk["url"]).status_code == 405
    assert ada.ask("PUT", desk["url"], headers=headers).status_code == 405
    after = {k: v for k, v in ada.station.tree().items() if "-shm" not in k and "-wal" not in k}
    assert after == before


def test_without_a_reviewer_nothing_can_be_saved(ada: Session) -> None:
    desk = ada.desk()
    pm.unregister(name="editing")
    with session(ada.station, None) as reader:
        assert reader.post(desk, corrected(desk, "x")).status_code in (302, 404)  # Datasette's
        shown = reader.ask("GET", f"/page/{quote(ONE)}").text
        assert "desk" not in re.sub('class="ours desk"', "", shown)
        assert "edit.js" not in shown
    assert not (ada.station.data / "verifier").exists()


def test_without_a_reviewer_a_page_that_was_read_once_is_as_it_ever_was(read: Station) -> None:
    path = f"/page/{quote(ONE)}"
    with session(read, None) as reader:
        shown = reader.ask("GET", path).text
    older = read.folder / "browser"
    shutil.copytree(browse.BROWSER, older)
    template = older / "templates/sheet.html"
    loops = r"\n *\{%-? for one in second\b.*?\{%-? endfor %\}"
    text, left_out = re.subn(loops, "", template.read_text(), flags=re.DOTALL)
    assert left_out == 5
    template.write_text(text)
    with patch("browse.BROWSER", older), session(read, None) as reader:
        assert reader.ask("GET", path).text == shown


@pytest.mark.parametrize(
    "hostile",
    [SCRIPT, "\u202eright to left", "nul \x00", "lone \ud800 half", "'; DROP TABLE jobs;"],
)
def test_a_hostile_text_is_text(ada: Session, hostile: str) -> None:
    desk = ada.desk()
    page = corrected(desk, hostile)
    page["comments_raw"] = page["page_date_raw"] = hostile
    assert ada.post(desk, page).status_code == 200
    kept = hostile.replace("\ud800", "\ufffd")
    assert saved(ada.station)["comments_raw"] == kept
    shown = ada.ask("GET", f"/page/{quote(ONE)}")
    assert "<script>alert" not in shown.text
    assert ada.desk()["opened"]["page"]["quadrants"][0]["entries"][0]["raw_text"] == kept


def test_a_name_is_kept_as_letters_on_one_line() -> None:
    assert editing.reviewer("") is None
    assert editing.reviewer("  Zoë \n O'Hara\x1b[31m ") == "Zoë O'Hara[31m"
    assert editing.reviewer('<b>"</b>') == '<b>"</b>'
    for bad in (" ", "\x1b", "\u202e", "x" * 101):
        with pytest.raises(Problem) as problem:
            editing.reviewer(bad)
        assert problem.value.message.startswith("REVIEWER: ")


def test_a_hostile_name_is_text_wherever_it_is_shown(read: Station) -> None:
    name = editing.reviewer(f"<script>{SCRIPT}")
    places = (f"/page/{quote(ONE)}", "/search?q=wire", "/month/1990-04", "/flowsheets/pages")
    with session(read, name) as someone:
        assert someone.post(someone.desk(), mark="complete").status_code == 200
        for path in places:
            assert "<script>alert" not in someone.ask("GET", path).text, path
    assert read.rows()[0]["reviewer_id"] == name


def test_a_full_disk_is_told_and_leaves_all_as_it_was(ada: Session) -> None:
    desk = ada.desk()
    ada.post(desk, corrected(desk, "first"))
    desk = ada.desk()
    before = ada.station.tree()
    with room_for(20):
        said = ada.post(desk, corrected(desk, "second"))
    assert said.status_code in (503, 507)
    assert len(said.json()["error"].splitlines()) == 1
    after = ada.station.tree()
    assert {k: v for k, v in after.items() if k.startswith("verifier/")} == {
        k: v for k, v in before.items() if k.startswith("verifier/")
    }
    assert ada.post(desk, corrected(desk, "second")).status_code == 200


def test_after_a_kill_between_file_and_row_the_text_is_there(ada: Session) -> None:
    desk = ada.desk()
    ada.post(desk, corrected(desk, "person"))
    set_columns(ada.station, 1, verified_path=None, verified_at=None, corrections_path=None)
    indexed_anew(ada.station)
    assert ask(ada.station, "SELECT text, verified FROM plays LIMIT 1") == [("person", "draft")]
    desk = ada.desk()
    assert ada.post(desk, corrected(desk, "person again")).status_code == 200
    assert ada.station.rows()[0]["verified_path"]


def test_a_kill_between_the_files_never_leaves_a_page_more_checked_than_it_is(
    ada: Session,
) -> None:
    written: list[list[str]] = []
    write_all = files.write_all

    def noted(some: Any) -> None:
        written.append([path.name.split(".")[-2] for path, _ in some])
        write_all(some)

    with patch("flowsheets.page.verified.files.write_all", noted):
        for mark in (None, "complete", None, "draft"):
            desk = ada.desk()
            assert ada.post(desk, corrected(desk, f"text {mark}"), mark=mark).status_code == 200
    text_first, status_first = ["verified", "corrections"], ["corrections", "verified"]
    assert written == [status_first, text_first, text_first, status_first]


def test_a_kill_before_the_row_leaves_a_text_that_is_found_and_saved_over(ada: Session) -> None:
    desk = ada.desk()
    with (
        patch("flowsheets.index.saves.states.verify", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        ada.post(desk, corrected(desk, "person"))
    assert ada.station.rows()[0]["verified_path"] is None
    assert indexed(ada.station, "SELECT text FROM plays LIMIT 1") == [("person",)]
    assert ada.post(desk, corrected(desk, "person")).status_code in (200, 409)
    desk = ada.desk()
    assert ada.post(desk, corrected(desk, "person again")).status_code == 200
    assert ada.station.rows()[0]["verified_path"]


def test_a_copied_data_root_saves_into_itself(read: Station) -> None:
    old = save(read, 1, sheet(row(0, "in the old folder")))
    copy = Station(read.folder / "copy")
    shutil.copytree(read.data, copy.data)
    shutil.rmtree(copy.data / "verifier")
    with session(copy) as ada:
        desk = ada.desk()
        assert desk["opened"]["status"] == "complete"
        assert ada.post(desk, corrected(desk, "in the new one")).status_code == 200
    assert "in the old folder" in old.read_text()
    assert saved(copy)["quadrants"][0]["entries"][0]["raw_text"] == "in the new one"
    assert copy.rows()[0]["verified_path"].startswith(str(copy.data))


def test_a_save_waits_for_another_process_and_says_so(ada: Session) -> None:
    desk = ada.desk()
    with patch("flowsheets.index.saves.WAIT_SECONDS", 0), lock.held(ada.station.data, "verifier"):
        said = ada.post(desk, corrected(desk, "second"))
    assert said.status_code == 503
    assert "another save is at work" in said.json()["error"]


def test_a_page_is_not_half_saved_where_another_program_holds_jobs_db(ada: Session) -> None:
    desk = ada.desk()
    before = ada.station.tree()
    with (
        patch("browser.editing.database.QUIET_SECONDS", 0),
        closing(sqlite3.connect(ada.station.data / "jobs.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        said = ada.post(desk, corrected(desk, "second"))
        other.execute("ROLLBACK")
    assert said.status_code == 503
    assert "in use by another program" in said.json()["error"]
    assert not [name for name in ada.station.tree().keys() - before.keys() if "verifier/" in name]
    assert ada.post(desk, corrected(desk, "second")).status_code == 200


def test_a_row_that_was_lost_is_noted_by_the_save_that_is_sent_again(ada: Session) -> None:
    for text in ("person", "person again"):
        desk = ada.desk()
        page = corrected(desk, text)
        before = ada.station.rows()[0]
        with patch("flowsheets.index.saves.states.verify", side_effect=Problem("a", "b", "c")):
            assert ada.post(desk, page).status_code == 503
        assert saved(ada.station)["quadrants"][0]["entries"][0]["raw_text"] == text
        assert ada.station.rows()[0]["verified_at"] == before["verified_at"]
        assert ada.post(desk, page).status_code == 200
        (row,) = ada.station.rows()
        assert row["verified_path"].endswith("-page01.verified.json")
        assert row["verified_at"] == saved(ada.station)["verified_by"]["verified_at"]
        assert row["reviewer_id"] == "Ada L."


def test_free_words_of_an_older_file_may_stay_as_a_note(read: Station) -> None:
    put(read, 1, sheet(row(0, "old", "high", notes="Crossed out")))
    indexed_anew(read)
    with session(read) as ada:
        desk = ada.desk()
        assert ada.post(desk, corrected(desk, "new")).status_code == 200


def test_a_file_beside_has_the_same_name_but_for_its_ending() -> None:
    path = Path("a.verified.json-page01.verified.json")
    assert verified.corrections(path).name == "a.verified.json-page01.corrections.json"


def test_a_damaged_file_of_a_person_is_put_aside_and_not_lost(read: Station) -> None:
    path = save(read, 1, sheet(row(0, "person")))
    path.write_text("{damaged")
    indexed_anew(read)
    with session(read) as ada:
        desk = ada.desk()
        assert ada.post(desk, corrected(desk, "anew")).status_code == 200
    kept: list[Path] = list(path.parent.glob("*.verified.json.*"))
    assert [one.read_text() for one in kept] == ["{damaged"]
    assert saved(read)["quadrants"][0]["entries"][0]["raw_text"] == "anew"
