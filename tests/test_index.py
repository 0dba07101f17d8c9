"""make index: every page and row in flowsheets.db."""

import json
import sqlite3
from unittest.mock import Mock

import pytest

from flowsheets.index import artists, tables
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from results import ask, indexed, indexed_anew, put, row, sheet
from station import PDF, Station

PAGE = "1990/April 1990/1990-04apr0106/page-01"


def test_a_page_and_its_rows_are_in_their_tables(station: Station) -> None:
    page = sheet(
        row(0, "Bongwater - Too Much Sleep", type_raw="H"),
        row(3, "X-Ray Spex Identity", "low", oddities=["an arrow"]),
        hour_raw="2 AM",
        jock_raw="R.  Palmer",
        oddities=["a brace"],
    )
    put(station, 1, page | {"comments_raw": "veldt", "oddities": ["coffee"]})
    pages = indexed(
        station,
        "SELECT page, pdf_path, page_number, status, page_date_raw, page_date, pdf_first_date,"
        " pdf_last_date, comments_raw, entry_count, low_count, high_count, oddity_count,"
        " confidence, model_version, mode FROM pages",
    )
    dates = ("Sun 4/1/90", "1990-04-01", "1990-04-01", "1990-04-06")
    assert pages == [
        (PAGE, PDF, 1, "completed", *dates, "veldt", 2, 1, 1, 3, 0.5, "gemini-x", None)
    ]
    rows = ask(
        station, "SELECT entry, hour_raw, dj, type_raw, artist, track, page_date FROM entries"
    )
    assert rows == [
        (
            f"{PAGE}/top_left/00",
            "2 AM",
            "R. Palmer",
            "H",
            "Bongwater",
            "Too Much Sleep",
            "1990-04-01",
        ),
        (f"{PAGE}/top_left/03", "2 AM", "R. Palmer", None, None, None, "1990-04-01"),
    ]
    oddities = ask(station, "SELECT position, entry, text FROM oddities ORDER BY text")
    assert oddities == [
        ("top_left", None, "a brace"),
        ("top_left", f"{PAGE}/top_left/03", "an arrow"),
        (None, None, "coffee"),
    ]
    assert ask(station, "PRAGMA foreign_key_check") == []


def test_artist_and_track_are_parted_by_a_sign_and_the_rule_is_named(station: Station) -> None:
    nothing = (None, None, None, None)
    texts = {
        "A – B": ("A", "B", None, "one_dash"),
        "10,000 Maniacs — Hey": ("10,000 Maniacs", "Hey", None, "one_dash"),
        "Louvin Brothers - Yoo Hoo - Live": (
            "Louvin Brothers",
            "Yoo Hoo - Live",
            None,
            "first_dash",
        ),
        'Loop "Afterglow"': ("Loop", "Afterglow", None, "quotes"),
        "Stooges “1969” (live)": ("Stooges", "1969 (live)", None, "quotes"),
        'MC 900 Ft "Real Black Angel': ("MC 900 Ft", "Real Black Angel", None, "quotes"),
        "Soulside : Hate": ("Soulside", "Hate", None, "colon"),
        "LEMONHEADS- HOME": (None, None, "LEMONHEADS", "half_dash"),
        "Art Tatum    Humoresque": (None, None, "Art Tatum", "gap"),
        "King Crimson Industry": (None, None, "King Crimson Industry", "whole_row"),
        'Clarence "Frogman" Henry': (None, None, 'Clarence "Frogman" Henry', "whole_row"),
        "X-Ray Spex": (None, None, "X-Ray Spex", "whole_row"),
        "2:30 News": (None, None, "2:30 News", "whole_row"),
        '"Giant Steps"': nothing,
        "- Bad Brains": nothing,
        '"': nothing,
    }
    put(station, 1, sheet(*(row(n, text) for n, text in enumerate(texts))))
    columns = "raw_text, artist, track, artist_guess, artist_rule"
    found = indexed(station, f"SELECT {columns} FROM entries ORDER BY ordinal")
    assert {text: tuple(parts) for text, *parts in found} == texts
    assert ask(station, "SELECT count(*) FROM plays_by_artist") == [(7,)], "no guess among them"


@pytest.mark.parametrize("piece", ["x", "a ", '"a', ": ", "- ", "a -", "  ", "-"])
def test_a_cell_of_any_length_is_parted_in_no_time(piece: str) -> None:
    artists.of(piece * 100_000)  # a pattern that goes back over it takes minutes


def test_a_continuation_row_is_joined_to_the_row_above_and_kept(station: Station) -> None:
    page = sheet(
        row(0, "of nothing", notes="continuation"),
        row(2, "sleep", notes="continuation"),
        row(1, "Bongwater - too"),
        row(2, "much", notes="continuation"),
        row(4, "NCS", notes="crossed_out"),
    )
    put(station, 1, page)
    rows = indexed(station, "SELECT substr(entry, -4), joined_text, continues FROM entries")
    first = f"{PAGE}/top_left/01"
    assert rows == [
        ("t/00", "of nothing", None),
        ("t/01", "Bongwater - too sleep much", None),
        ("t/02", None, first),
        ("02.2", None, first),
        ("t/04", "NCS", None),
    ]
    assert ask(station, "SELECT track FROM plays WHERE row_index = 1") == [("too sleep much",)]
    assert ask(station, "SELECT sum(play_count) FROM blocks") == [(3,)]


def test_one_dj_is_one_whatever_the_capitals(station: Station) -> None:
    for number, jock in enumerate(["KRISTINA", "Kristina", "Kristina ", " "], 1):
        put(station, number, sheet(row(0, "a - b"), jock_raw=jock))
    djs = indexed(station, "SELECT dj, blocks, pages, plays, first_date FROM djs")
    assert djs == [("Kristina", 3, 3, 3, "1990-04-01")]
    assert ask(station, "SELECT DISTINCT dj FROM entries") == [(None,), ("Kristina",)]
    assert ask(station, "SELECT dj, plays FROM plays_by_dj") == [("Kristina", 3)]


def test_an_index_brought_up_to_date_is_the_one_that_is_built_anew(station: Station) -> None:
    for number, jock in enumerate(["Ann", "ANN", "Bob", "Cid"], 1):
        put(station, number, sheet(row(0, f"{jock} - {number}"), jock_raw=jock))
    indexed_anew(station)
    put(station, 1, sheet(row(0, "a - b"), jock_raw="ANN"))  # the other writing is the name now
    put(station, 3, sheet(row(0, "c - d"), jock_raw="Dee", date="4/2/90"))  # one leaves, one comes
    put(station, 4, sheet(row(0, "e - f"), jock_raw="Cid", date="4/3/90"))
    with sqlite3.connect(station.data / "jobs.db") as db:
        db.execute("DELETE FROM jobs WHERE page_number = 2")
    tables = ("pages", "djs", "blocks", "entries", "reviews", "sources", "findings")
    queries = [f"SELECT * FROM {table} ORDER BY 1, 2, 3" for table in tables]
    indexed_anew(station)
    updated = [ask(station, sql) for sql in queries]
    assert [row[0] for row in updated[1]] == ["ANN", "Cid", "Dee"]
    for path in station.data.glob("flowsheets.db*"):
        path.unlink()
    indexed_anew(station)
    assert [ask(station, sql) for sql in queries] == updated


def test_views_answer_what_people_ask(station: Station) -> None:
    for number, (artist, hour) in enumerate([("RAMONES", "2 AM"), ("Ramones", "2a")], 1):
        put(
            station, number, sheet(row(0, f"{artist} - Beat"), hour_raw=hour, date=f"4/{number}/90")
        )
    by_artist = indexed(station, "SELECT * FROM plays_by_artist")
    assert by_artist == [("Ramones", 2, 0, "1990-04-01", "1990-04-02")]
    assert ask(station, "SELECT * FROM plays_by_hour WHERE plays > 0") == [("2am", 2, 0, 2)]
    assert ask(station, "SELECT * FROM pages_by_month") == [("1990-04", "completed", 2)]


def test_search_finds_what_is_there_now_and_across_a_continuation(station: Station) -> None:
    put(station, 1, sheet(row(0, "Motörhead - Ace of"), row(1, "Spades", notes="continuation")))
    put(station, 2, sheet(row(0, "Sonic Youth - Kool Thing")))
    hits = "SELECT count(*) FROM entries_fts WHERE entries_fts MATCH '{}'"
    assert indexed(station, hits.format('"motorhead ace of spades"')) == [(1,)]
    put(station, 1, sheet(row(0, "Hüsker Dü - Diane")))
    assert indexed(station, hits.format("spades")) == [(0,)]
    assert ask(station, hits.format("husker")) == [(1,)]
    assert ask(station, hits.format("kool")) == [(1,)]


def test_only_what_changed_is_read_again(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")))
    put(station, 2, sheet(row(0, "two")))
    assert indexed_anew(station) == (2, 2, 2, 0, 0)
    assert indexed_anew(station) == (2, 0, 0, 0, 0)
    put(station, 2, sheet(row(0, "two and more")))
    assert indexed_anew(station) == (2, 1, 0, 0, 0)
    assert ask(station, "SELECT raw_text FROM entries") == [("one",), ("two and more",)]
    station.good("retry", f"PDF={PDF}", "PAGE=2")
    said = station.good("index")
    assert said.startswith("indexed 2 pages: 1 read, 1 changed, 0 gone, 0 damaged. Next: make ")
    rows = ask(station, "SELECT status, entry_count, page_date_raw FROM pages")
    assert rows == [("completed", 1, "Sun 4/1/90"), ("pending", None, None)]
    assert ask(station, "SELECT raw_text FROM entries") == [("one",)]


def test_deleting_the_index_loses_nothing(station: Station) -> None:
    put(station, 1, sheet(row(0, "one"), jock_raw="Scott"))
    everything = "SELECT * FROM entries JOIN pages USING (page) JOIN djs USING (dj)"
    before = indexed(station, everything)
    for path in station.data.glob("flowsheets.db*"):
        path.unlink()
    assert indexed(station, everything) == before


def test_every_page_of_jobs_is_there_and_a_page_that_left_is_not(station: Station) -> None:
    station.rendered(2)
    put(station, 2, sheet(row(0, "one")))
    found = "SELECT page_number, status, image_path, entry_count FROM pages"
    image = f"pages/{PAGE[:-2]}"
    assert indexed(station, found) == [
        (1, "rendered", f"{image}01.png", None),
        (2, "completed", f"{image}02.png", 1),
    ]
    with sqlite3.connect(station.data / "jobs.db") as db:
        db.execute("DELETE FROM jobs WHERE page_number = 2")
    done = station.make("index")
    assert done.stdout.startswith("indexed 1 pages: 0 read, 0 changed, 1 gone")
    assert "1 results have no page in jobs.db" in done.stderr
    assert ask(station, "SELECT count(*) FROM entries") == [(0,)]


def test_mode_and_cost_come_from_the_usage_table_where_there_is_one(station: Station) -> None:
    for number in (1, 2, 3):
        put(station, number, sheet(row(0, "one")))
    db = database.connect(station.data)
    states.flip(db, [PageId(PDF, 3)], "completed", "completed", batch_id="batches/a")
    usage = {"pdf_path": PDF, "page_number": 1, "model": "gemini-x", "model_version": "gemini-x"}
    table = db.table("usage")
    table.insert(usage | {"mode": "batch", "usd": 0.01, "requested_at": "2026-01-01"})
    table.insert(usage | {"mode": "realtime", "usd": 0.02, "requested_at": "2026-01-02"})
    db.conn.commit()
    db.close()
    rows = indexed(station, "SELECT mode, round(usd, 4) FROM pages")
    assert rows == [("realtime", 0.03), (None, None), ("batch", None)]


def test_a_damaged_result_is_one_warning_and_a_page_without_one(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")))
    for number, damage in ((2, "{"), (3, "[]"), (4, json.dumps(sheet(row(0, "x", "sure"))))):
        put(station, number, {}).write_text(damage)
    done = station.make("index")
    assert done.returncode == 0
    warnings = done.stderr.splitlines()
    assert [line.split(" is not a result")[0][-7:] for line in warnings] == [
        "02.json",
        "03.json",
        "04.json",
    ]
    assert "4 pages: 4 read, 4 changed, 0 gone, 3 damaged" in done.stdout
    assert ask(station, "SELECT count(*), count(entry_count) FROM pages") == [(4, 1)]
    assert station.make("index").stderr == done.stderr  # as long as it is damaged
    put(station, 4, sheet(row(0, "mended")))
    assert indexed_anew(station).damaged == 2
    assert ask(station, "SELECT raw_text FROM entries") == [("one",), ("mended",)]


def test_a_checked_file_with_a_reviewers_block_is_a_result(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")) | {"verified_by": {"reviewer_id": "x", "notes": None}})
    assert indexed(station, "SELECT entry_count FROM pages") == [(1,)]


def test_a_reader_sees_the_old_state_until_the_new_one_is_whole(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(station, 1, sheet(row(0, "one")))
    indexed_anew(station)
    reader = sqlite3.connect(f"file:{station.data / 'flowsheets.db'}?mode=ro", uri=True)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    put(station, 2, sheet(row(0, "two")))
    indexed_anew(station)
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    reader.rollback()
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    # Broken off when all rows are in: none of it is to be seen, not even by who comes later.
    put(station, 3, sheet(row(0, "three")))
    monkeypatch.setattr(tables, "finish", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        indexed_anew(station)
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    reader.close()


def test_an_index_that_is_not_a_database_is_one_clear_line(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")))
    (station.data / "flowsheets.db").write_text("not a database, and long enough to be read" * 9)
    assert "flowsheets.db: cannot be written" in station.error("index")


def test_an_index_of_another_version_is_built_anew(station: Station) -> None:
    put(station, 1, sheet(row(0, "one")))
    indexed_anew(station)
    with sqlite3.connect(station.data / "flowsheets.db") as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("DROP VIEW plays")
    assert indexed(station, "SELECT text FROM plays") == [("one",)]


def test_a_crossed_out_row_is_a_play_and_a_column_says_so(station: Station) -> None:
    crossed = row(1, "Wire - Map Ref") | {"notes": "crossed_out"}
    put(station, 1, sheet(row(0, "Wire - Outdoor Miner"), crossed))
    indexed_anew(station)
    assert ask(station, "SELECT crossed_out FROM plays ORDER BY row_index") == [(0,), (1,)]
    counted = "SELECT artist, plays, crossed_out FROM plays_by_artist"
    assert ask(station, counted) == [("Wire", 2, 1)]


def test_what_goes_leaves_the_search(station: Station) -> None:
    put(station, 1, sheet(row(0, "Wire - Outdoor Miner")))
    path = put(station, 2, sheet(row(0, "Wire - Map Ref")))
    indexed_anew(station)
    path.unlink()
    indexed_anew(station)
    found = "SELECT count(*) FROM entries_fts WHERE entries_fts MATCH 'wire'"
    assert ask(station, found) == [(1,)]
    db = sqlite3.connect(station.data / "flowsheets.db")
    for table in ("entries_fts", "pages_fts"):  # raises where it and its table differ
        db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
    db.close()


def test_a_contradicting_date_of_an_older_result_is_on_the_list_of_make_status(
    station: Station,
) -> None:
    put(station, 1, sheet(row(0, "one")) | {"page_date_raw": "Sun 7/1/90"})
    station.good("index")
    assert "1 page to check" in station.good("status")


def test_blank_rows_are_no_plays(station: Station) -> None:
    crossed = row(1, " ", notes="crossed_out")
    put(
        station,
        1,
        sheet(row(0, "Wire - Map"), crossed, row(2, "Ref", notes="continuation"), row(3, "\u200b")),
    )
    assert indexed(station, "SELECT text FROM plays") == [("Wire - Map Ref",)]
    assert ask(station, "SELECT play_count FROM blocks LIMIT 1") == [(1,)]
    assert ask(station, "SELECT count(*) FROM entries") == [(4,)]


def test_shapes_that_the_existing_pipeline_accepts_are_indexed(station: Station) -> None:
    page = sheet(
        row(0, "one", notes="Crossed out, I think"),
        row(1, "two", notes="Crossed-out"),
        row(1000, "three"),
        row(10**30, "four"),
        row(-1, "five", oddities=None),
    )
    path = put(station, 1, page)
    path.write_text(path.read_text().replace('.690591Z"', '"'))  # a time without its zone
    rows = indexed(station, "SELECT raw_text, notes, crossed_out FROM entries ORDER BY ordinal")
    assert rows == [
        ("five", None, 0),
        ("one", "Crossed out, I think", 0),
        ("two", "Crossed-out", 1),
        ("three", None, 0),
        ("four", None, 0),
    ]
    ((reason, detail),) = ask(station, "SELECT reason, detail FROM reviews")
    assert (reason, "-1, 1000, 1000" in detail) == ("row_numbers", True)
    station.good("export")


def test_a_completed_page_whose_result_is_missing_is_named(station: Station) -> None:
    put(station, 1, sheet(row(0, "one"))).unlink()
    put(station, 2, sheet(row(0, "two"))).unlink()
    put(station, 3, sheet(row(0, "three")))
    done = station.make("index")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Warning: 2 pages: completed, and the result file is missing. First ")
    assert f"{PAGE}: " in line
    found = ask(station, "SELECT page, reason FROM reviews")
    assert found == [(PAGE, "result_missing"), (f"{PAGE[:-2]}02", "result_missing")]


def test_odd_bytes_in_a_result_are_read_and_odd_rows_of_jobs_db_stop_nothing(
    station: Station,
) -> None:
    path = put(station, 1, sheet(row(0, "one \ud83c half"), row(1, "two")))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    db = database.connect(station.data)
    states.register(db, [PageId("x" * 5000 + ".pdf", 1), PageId("nul\0.pdf", 1)])
    db.execute("UPDATE jobs SET verified_path = ? WHERE page_number = 1", ["/" + "y" * 5000])
    db.conn.commit()
    db.close()
    assert indexed(station, "SELECT text FROM plays") == [("one \ufffd half",), ("two",)]
    assert ask(station, "SELECT count(*) FROM reviews") == [(3,)]
