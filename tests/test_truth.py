"""make truth: which pages are drawn, and what a person finds to type."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import forms
from flowsheets import lock, paths
from flowsheets.accuracy import sample
from flowsheets.accuracy.sample import Drawn
from flowsheets.jobs import database, states
from flowsheets.paths import PageId
from results import put, row, sheet
from station import PDF, Station, room_for

YEARS = {"1990/1990-04apr0106.pdf": 60, "1991/1991-05may0106.pdf": 30, "tapes/odd one.pdf": 10}
CORPUS = [PageId(pdf, number) for pdf, pages in YEARS.items() for number in range(1, pages + 1)]


def draw(limit: int, seed: int = 1, kept: tuple[Drawn, ...] = ()) -> list[PageId]:
    return sample.more(CORPUS, kept, limit, seed)


def lines(station: Station) -> list[dict[str, Any]]:
    text = (station.data / "truth" / "sample.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def draft(station: Station, number: int, pdf: str = PDF) -> Path:
    return paths.truth_page(station.data, PageId(pdf, number))


def drafts(station: Station) -> list[Path]:
    return sorted((station.data / "truth").rglob("page-*.json"))


def test_each_year_has_its_share_of_the_draw() -> None:
    drawn = Counter(sample.stratum(page.pdf_path) for page in draw(20))
    assert drawn == {"1990": 12, "1991": 6, "no year": 2}
    assert Counter(sample.stratum(page.pdf_path) for page in draw(1)) == {"1990": 1}


def test_the_head_of_the_list_is_not_drawn() -> None:
    numbers = [page.page_number for page in draw(20) if page.pdf_path.startswith("1990")]
    assert sorted(numbers) != list(range(1, 13))
    assert max(numbers) > 40


def test_a_seed_draws_the_same_pages_and_more_of_them_keep_the_earlier_ones() -> None:
    assert draw(20) == draw(20)
    assert draw(20, seed=2) != draw(20)
    for size in range(1, 100):
        assert draw(size) == draw(size + 1)[:size]
    shuffled = sample.more(CORPUS[::-1], (), 20, 1)
    assert shuffled == draw(20)


def test_a_draw_goes_on_from_what_was_kept() -> None:
    kept = tuple(Drawn(page, 1, sample.stratum(page.pdf_path), "rows") for page in draw(20))
    assert [drawn.page for drawn in kept] + draw(50, kept=kept) == draw(50)


def test_more_pages_than_there_are_draws_all_of_them() -> None:
    assert set(draw(1000)) == set(CORPUS)


def test_a_year_is_that_of_the_dates_else_of_the_path() -> None:
    assert sample.stratum("x/1990-04apr0106.pdf") == "1990"
    assert sample.stratum("tapes/1987 box 3/scan.pdf") == "1987"
    assert sample.stratum("tapes/120001/scan.pdf") == "no year"


def test_a_draft_has_the_rows_that_carry_ink_and_room_for_a_name(station: Station) -> None:
    station.rendered(1)
    forms.form_with([[0, 1, 20], [], [5], []]).save(station.png(1))
    said = station.good("truth")
    page = json.loads(draft(station, 1).read_text())
    rows = [[e["row_index"] for e in q["entries"]] for q in page["quadrants"]]
    assert rows == [[0, 1, 20], [], [5], []]
    assert {e["raw_text"] for q in page["quadrants"] for e in q["entries"]} == {""}
    assert page["verified_by"] == {"real_name": "", "draft": "rows"}
    assert str(draft(station, 1)) in said
    assert "real_name" in said.splitlines()[-1]
    assert "LIMIT=20 asks for more" in said


def test_the_draw_is_kept_with_seed_year_and_draft(station: Station) -> None:
    station.rendered(5)
    station.good("truth", "LIMIT=2", "SEED=7")
    first = lines(station)
    assert [(one["seed"], one["stratum"], one["draft"]) for one in first] == [
        (7, "1990", "rows"),
        (7, "1990", "rows"),
    ]
    station.good("truth", "LIMIT=4", "SEED=7")
    assert lines(station)[:2] == first
    assert len(lines(station)) == len(drafts(station)) == 4
    before = station.tree()
    station.good("truth", "LIMIT=3", "SEED=7")
    assert station.tree() == before


def test_another_seed_is_another_draw_beside_the_first(station: Station) -> None:
    station.rendered(6)
    station.good("truth", "LIMIT=2")
    station.good("truth", "LIMIT=2", "SEED=2")
    assert [one["seed"] for one in lines(station)] == [1, 1, 2, 2]


def test_a_file_that_is_there_is_never_touched(station: Station) -> None:
    station.rendered(1)
    mine = draft(station, 1)
    mine.parent.mkdir(parents=True)
    mine.write_text("half typed {")
    assert "0 new drafts" in station.good("truth")
    assert mine.read_text() == "half typed {"


def test_a_draft_that_was_deleted_is_written_again(station: Station) -> None:
    station.rendered(2)
    station.good("truth", "LIMIT=1")
    (only,) = drafts(station)
    only.unlink()
    station.good("truth", "LIMIT=1")
    assert drafts(station) == [only]


def test_a_draft_that_begins_as_the_reading_says_so(station: Station) -> None:
    put(station, 1, sheet(row(0, "Lush - Sweetness")))
    station.rendered(3)
    station.good("truth", "DRAFT=reading")
    page = json.loads(draft(station, 1).read_text())
    assert page["quadrants"][0]["entries"][0]["raw_text"] == "Lush - Sweetness"
    assert page["verified_by"] == {"real_name": "", "draft": "reading"}
    assert [(one["page_number"], one["draft"]) for one in lines(station)] == [(1, "reading")]


def test_a_damaged_result_gives_no_draft_and_one_line(station: Station) -> None:
    put(station, 1, sheet(row(0, "Lush"))).write_text("{")
    done = station.make("truth", "DRAFT=reading")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "is not a result" in done.stderr
    assert drafts(station) == []


def test_a_page_without_an_image_gets_an_empty_draft(station: Station) -> None:
    put(station, 1, sheet(row(0, "Lush")))
    done = station.make("truth")
    assert "make render" in done.stderr
    page = json.loads(draft(station, 1).read_text())
    assert all(quadrant["entries"] == [] for quadrant in page["quadrants"])


def test_without_a_page_one_line_says_what_to_do(station: Station) -> None:
    assert "make discover" in station.error("truth")
    station.data.mkdir(exist_ok=True)
    states.register(database.connect(station.data), [PageId(PDF, 1)])
    assert "make render" in station.error("truth")
    assert "DRAFT=reading" in station.rendered(1).error("truth", "DRAFT=reading")
    assert not (station.data / "truth").exists()


@pytest.mark.parametrize("words", ["LIMIT=0", "LIMIT=-3", "LIMIT=x", "SEED=1.5", "DRAFT=guess"])
def test_a_wrong_option_is_one_line(station: Station, words: str) -> None:
    assert words.split("=")[0] in station.rendered(1).error("truth", words)


@pytest.mark.parametrize("line", ["{", '{"pdf_path": 3}', "[]", '"x"', "\udcff"])
def test_a_damaged_sample_is_one_line_with_its_number(station: Station, line: str) -> None:
    station.rendered(3).good("truth", "LIMIT=1")
    path = station.data / "truth" / "sample.jsonl"
    content = path.read_bytes() + line.encode(errors="surrogateescape") + b"\n"
    path.write_bytes(content)
    assert "sample.jsonl:2" in station.error("truth")
    assert path.read_bytes() == content


def test_two_draws_at_once_are_one_after_the_other(station: Station) -> None:
    station.rendered(1)
    with lock.held(station.data, "truth"):
        assert "Wait for it" in station.error("truth")
    assert "1 new drafts" in station.good("truth")


def test_a_page_that_has_gone_since_gets_no_draft(station: Station) -> None:
    station.rendered(2).good("truth")
    for path in drafts(station):
        path.unlink()
    with station.jobs() as db:
        db.execute("DELETE FROM jobs WHERE page_number = 2")
    station.good("truth")
    assert drafts(station) == [draft(station, 1)]


def test_a_full_disk_leaves_the_draw_whole_or_not_there(station: Station) -> None:
    station.rendered(3).good("truth", "LIMIT=1")
    before = lines(station)
    with room_for(100):
        assert "Make room" in station.error("truth", "LIMIT=3")
    assert lines(station) == before
    station.good("truth", "LIMIT=3")
    assert len(lines(station)) == len(drafts(station)) == 3
