"""A page that a person verified keeps that text, whatever is read later."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from flowsheets import paths
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from results import (
    ADA,
    AT,
    OURS,
    STEM,
    ask,
    indexed,
    indexed_anew,
    put,
    row,
    save,
    set_columns,
    sheet,
)
from station import PDF, Station

TEXTS = "SELECT page_number, raw_text, verified, verified_by, verified_at FROM plays"


def reasons(station: Station) -> list[tuple[Any, ...]]:
    return ask(station, "SELECT page, reason, detail FROM reviews ORDER BY rank")


def test_a_verified_page_is_the_text_everywhere(station: Station) -> None:
    result = put(station, 1, sheet(row(0, "Wire - Mop Ref")))
    before = result.read_bytes()
    save(station, 1, sheet(row(0, "Wire - Map Ref")))
    station.good("export")
    (play,) = (station.data / "export/plays.jsonl").read_text().splitlines()
    told = {"text": "Wire - Map Ref", "verified": "complete", "verified_by": "Ada L."}
    assert json.loads(play).items() >= (told | {"verified_at": AT}).items()
    found = "SELECT count(*) FROM entries_fts WHERE entries_fts MATCH '{}'"
    assert ask(station, found.format("map")) == [(1,)]
    assert ask(station, found.format("mop")) == [(0,)]
    pages = ask(station, "SELECT verified, verified_by, verified_at, text_path FROM pages")
    assert pages == [("complete", "Ada L.", AT, f"verifier/{STEM}-page01.verified.json")]
    assert result.read_bytes() == before


def test_a_verified_page_stays_when_the_page_is_read_again(station: Station) -> None:
    put(station, 1, sheet(row(0, "machine")))
    save(station, 1, sheet(row(0, "person")))
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]
    put(station, 1, sheet(row(0, "machine again")))
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]


def test_a_hand_checked_result_stays_when_the_page_is_read_again(station: Station) -> None:
    path = put(station, 1, {})
    path.write_text(json.dumps(sheet(row(0, "person")) | OURS | {"verified_by": ADA}))
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]
    station.good("retry", f"PDF={PDF}", "PAGE=1")
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]
    put(station, 1, sheet(row(0, "machine")))
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]


def test_of_two_verified_texts_the_later_one_counts(station: Station) -> None:
    later = ADA | {"real_name": "Bob", "verified_at": "2026-03-02T00:00:00Z"}
    path = put(station, 1, {})
    path.write_text(json.dumps(sheet(row(0, "second")) | OURS | {"verified_by": later}))
    save(station, 1, sheet(row(0, "first")))
    assert indexed(station, "SELECT text, verified_by FROM plays") == [("second", "Bob")]
    save(station, 1, sheet(row(0, "third")), ADA | {"verified_at": "2026-03-03T00:00:00Z"})
    assert indexed(station, "SELECT text, verified_by FROM plays") == [("third", "Ada L.")]


@pytest.mark.parametrize("by", [None, {}])
def test_who_and_when_come_from_jobs_db_where_the_file_does_not_say(
    station: Station, by: Any
) -> None:
    put(station, 1, sheet(row(0, "machine")))
    save(station, 1, sheet(row(0, "person")), by)
    assert indexed(station, TEXTS) == [(1, "person", "complete", "r-7", AT)]


def test_a_correction_is_seen_at_the_next_index(station: Station) -> None:
    put(station, 1, sheet(row(0, "machine")))
    indexed_anew(station)
    save(station, 1, sheet(row(0, "person")), status="draft")
    assert indexed_anew(station).read == 1
    assert ask(station, "SELECT text, verified FROM plays") == [("person", "draft")]
    assert indexed_anew(station).read == 0
    save(station, 1, sheet(row(0, "person")), status="complete")
    assert indexed(station, "SELECT text, verified FROM plays") == [("person", "complete")]


def test_a_complete_page_is_in_doubt_no_more_and_a_draft_is(station: Station) -> None:
    for number, status in ((1, "complete"), (2, "draft"), (3, None)):
        put(station, number, sheet(row(0, f"machine {number}"), date="Sun 7/1/90"))
        if status:
            save(station, number, sheet(row(0, "p"), date="Sun 7/1/90"), status=status)
    put(station, 4, sheet(row(0, "machine 4"), date="Sun 7/1/90"))
    save(station, 4, sheet(row(0, "a date put right"), date="Sun 4/1/90"), status="draft")
    indexed_anew(station)
    assert [page[-1] for page, _, _ in reasons(station)] == ["2", "3"]
    assert "2 pages to check" in station.good("status")


@pytest.mark.parametrize("old", ["/gone/data/verifier/{}", "data/verifier/{}", "verifier/{}"])
def test_a_data_root_that_moved_still_has_its_verified_pages(station: Station, old: str) -> None:
    put(station, 1, sheet(row(0, "machine")))
    save(station, 1, sheet(row(0, "person")), named=old.format(f"{STEM}-page01.verified.json"))
    assert indexed(station, "SELECT text FROM plays") == [("person",)]


def test_a_copied_data_root_has_its_own_text_and_not_the_old_ones(station: Station) -> None:
    put(station, 1, sheet(row(0, "machine")))
    save(station, 1, sheet(row(0, "old root")))
    copy = Station(station.folder / "copy")
    shutil.copytree(station.data, copy.data)
    changed = copy.data / "verifier" / f"{STEM}-page01.verified.json"
    changed.write_text(changed.read_text().replace("old root", "new root"))
    assert indexed(copy, "SELECT text FROM plays") == [("new root",)]


def test_a_lost_jobs_db_loses_no_verified_text(station: Station) -> None:
    put(station, 1, sheet(row(0, "machine")))
    save(station, 1, sheet(row(0, "person")))
    (station.data / "jobs.db").unlink()
    put(station, 1, sheet(row(0, "machine")))
    assert indexed(station, TEXTS) == [(1, "person", "complete", "Ada L.", AT)]


def test_a_file_that_two_pages_may_own_is_on_neither_unless_jobs_db_says_whose(
    station: Station,
) -> None:
    other = f"elsewhere/{STEM}.pdf"
    for pdf in (PDF, other):
        put(station, 1, sheet(row(0, f"machine {pdf}")), pdf)
    path = save(station, 1, sheet(row(0, "person")), named=None)
    texts = "SELECT text FROM plays ORDER BY pdf_path"
    assert indexed(station, texts) == [(f"machine {PDF}",), (f"machine {other}",)]
    own(station, other, path, "2026-03-01")
    assert indexed(station, texts) == [(f"machine {PDF}",), ("person",)]
    own(station, PDF, path, "2026-03-02")
    assert indexed(station, texts) == [("person",), (f"machine {other}",)]
    assert [(page, reason) for page, reason, _ in reasons(station)] == [
        (f"elsewhere/{STEM}/page-01", "verified_unused")
    ]


def own(station: Station, pdf: str, path: Path, at: str) -> None:
    with sqlite3.connect(station.data / "jobs.db") as db:
        db.execute(
            "UPDATE jobs SET verified_path = ?, verified_at = ? WHERE pdf_path = ?",
            (str(path), at, pdf),
        )


@pytest.mark.parametrize("fault", ["missing", "damaged", "another page's", "a folder", "no path"])
def test_a_verified_file_that_cannot_be_used_is_named_and_the_result_is_shown(
    station: Station, fault: str
) -> None:
    put(station, 1, sheet(row(0, "machine")))
    path = save(station, 1, sheet(row(0, "person")))
    if fault == "another page's":
        set_columns(station, 1, verified_path=str(save(station, 2, sheet(row(0, "page 2")))))
    elif fault == "damaged":
        path.write_text('{"page_date_raw": "\x1b[31m')
    else:
        path.unlink()
        if fault == "a folder":
            path.mkdir()
        elif fault == "no path":
            set_columns(station, 1, verified_path=None)
    for _ in range(2):
        done = station.make("index")
        assert done.returncode == 0
        assert done.stderr.startswith("Warning: 1 page: a person verified the page, and that file")
        assert len(done.stderr.splitlines()) == 1
        assert "\x1b" not in done.stderr
    assert ask(station, TEXTS) == [(1, "machine", None, None, None)]
    assert [reason for _, reason, _ in reasons(station)] == ["verified_unused"]
    path.rmdir() if fault == "a folder" else None
    save(station, 1, sheet(row(0, "person")))
    assert indexed(station, "SELECT text FROM plays WHERE page_number = 1") == [("person",)]
    assert reasons(station) == []


def test_a_verified_page_without_any_result_is_shown(station: Station) -> None:
    station.data.mkdir()
    db = database.connect(station.data)
    states.register(db, [PageId(PDF, 1)])
    db.close()
    save(station, 1, sheet(row(0, "person")))
    assert indexed(station, "SELECT text, status FROM plays JOIN pages USING (page)") == [
        ("person", "pending")
    ]
    assert not paths.result(station.data, PageId(PDF, 1)).exists()


def test_what_a_reviewer_is_called_does_a_terminal_and_a_page_no_harm(station: Station) -> None:
    put(station, 1, sheet(row(0, "machine"), date="Sun 7/1/90"))
    by = {"real_name": "\x1b[31m" + "A" * 100_000, "verified_at": "yesterday"}
    save(station, 1, sheet(row(0, "person"), date="Sun 7/1/90"), by, status="draft")
    assert "\x1b" not in station.good("review")
    ((who, at),) = ask(station, "SELECT verified_by, verified_at FROM pages")
    assert (who[:6], len(who), at) == ("[31mAA", 100, AT)
