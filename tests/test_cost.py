"""make cost: what was spent, and what it would have been in real time."""

import csv
import io
import json
from datetime import datetime, timedelta

import pytest

from flowsheets.jobs import database
from flowsheets.money import usage
from flowsheets.paths import PageId
from station import Station

MODEL = "gemini-3.1-pro-preview"
PAGE = usage.Tokens(3000, 0, 2000, 600, 5600)  # $0.0372 in real time
COLUMNS = (
    "month,model,mode,pages,answers,prompt_token_count,cached_content_token_count,"
    "candidates_token_count,thoughts_token_count,answers_without_price,usd_known,"
    "usd_in_real_time,ratio,price_list"
)
CACHED = usage.Tokens(3000, 2000, 2600, 0, 5600)


def spent(
    station: Station,
    mode: str,
    pages: int,
    tokens: usage.Tokens | None = PAGE,
    model: str = MODEL,
    month: str = "2026-11",
) -> None:
    """So many answers of one kind, in jobs.db."""
    station.data.mkdir(exist_ok=True)
    db = database.connect(station.data)
    batch = f"batches/{mode}-{model}-{month}" if mode == "batch" else None
    at = f"{month}-05T12:00:00.000000+00:00"
    with database.transaction(db):
        usage.note(
            db,
            [
                usage.row(usage.Answer(PageId(mode, n), batch, mode, model, "x", tokens, at))
                for n in range(1, pages + 1)
            ],
        )
    db.close()


def test_nothing_spent_is_one_line_and_asks_for_no_key(station: Station) -> None:
    station.data.mkdir()
    said = station.good("cost", GEMINI_API_KEY="")
    assert said == "no response was billed yet. Next: make estimate\n"


def test_a_batch_is_half_of_real_time_by_hand(station: Station) -> None:
    spent(station, "batch", 1000)
    said = station.good("cost").splitlines()
    # 1,000 x (3,000 x $1 + 2,600 x $6) / 1,000,000, and twice that
    assert said[-1] == "batch: $18.60 for 1,000 pages, 0.50 of real time ($37.20)"
    assert said[1].split() == (
        f"2026-11 {MODEL} batch 1,000 3,000,000 0 2,000,000 600,000 $18.60 $37.20 0.50".split()
    )


def test_each_mode_and_month_has_its_own_line_and_flex_names_its_list(station: Station) -> None:
    spent(station, "realtime", 2, month="2026-10")
    spent(station, "batch", 2)
    spent(station, "flex", 2)
    done = station.make("cost")
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:4]] == [
        ["2026-10", MODEL, "real"],
        ["2026-11", MODEL, "batch"],
        ["2026-11", MODEL, "flex"],
    ]
    assert done.stdout.splitlines()[-3:] == [
        "real time: $0.0744 for 2 pages",
        "batch: $0.0372 for 2 pages, 0.50 of real time ($0.0744)",
        "flex: $0.0372 for 2 pages, 0.50 of real time ($0.0744)",
    ]
    assert done.stderr.startswith(f"Warning: {MODEL} in flex: genai-prices 0.2.3 has no price, ")
    assert len(done.stderr.splitlines()) == 1


def test_cached_tokens_are_not_halved_again_and_the_ratio_says_so(station: Station) -> None:
    spent(station, "batch", 10, CACHED)
    # batch .001 + .0004 + .0156 = .0170, real time .002 + .0004 + .0312 = .0336 a page
    assert station.good("cost").endswith("batch: $0.170 for 10 pages, 0.51 of real time ($0.336)\n")


def test_an_unknown_price_is_counted_and_never_shown_as_nothing(station: Station) -> None:
    spent(station, "batch", 3, model="gemini-3.5-flash")
    done = station.make("cost")
    assert done.stdout.endswith("batch: 3 responses without a known price\n")
    assert "$" not in done.stdout
    assert "Warning: gemini-3.5-flash in batch: genai-prices 0.2.3 has no price" in done.stderr
    spent(station, "batch", 2)
    assert station.good("cost").endswith(
        "batch: $0.0372 for 3 pages (5 responses), 0.50 of real time ($0.0744);"
        " 3 responses without a known price on top\n"
    )
    totals = json.loads(station.good("cost", "FORMAT=json"))["totals"]["all"]
    assert (totals["answers"], totals["answers_without_price"]) == (5, 3)
    assert totals["usd_known"] == pytest.approx(0.0372)


def test_the_books_get_the_same_rows_as_json_and_csv(station: Station) -> None:
    spent(station, "realtime", 2)
    spent(station, "batch", 2, None, month="2026-10")
    said = json.loads(station.good("cost", "FORMAT=json"))
    table = list(csv.DictReader(io.StringIO(station.good("cost", "FORMAT=csv"))))
    as_text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in said["rows"]]
    assert table == as_text
    assert [(row["month"], row["mode"], row["usd_known"]) for row in table] == [
        ("2026-10", "batch", ""),
        ("2026-11", "realtime", "0.0744"),
    ]
    assert ",".join(table[0]) == COLUMNS


def test_an_unknown_format_is_one_clear_line(station: Station) -> None:
    station.data.mkdir()
    assert station.error("cost", "FORMAT=xml") == (
        "Error: FORMAT: 'xml' is unknown. Give json, csv, or none"
    )


def cached(station: Station, name: str, model: str, month: str, hours: int) -> None:
    """A batch whose prompt of a million tokens was kept for so many hours."""
    folder = station.data / "batches" / name
    folder.mkdir(parents=True)
    line = {"index": 0, "key": "k", "pdf_path": "a.pdf", "page_number": 1, "image_sha256": ""}
    (folder / "manifest.jsonl").write_text(json.dumps(line))
    at = datetime.fromisoformat(f"{month}-05T12:00:00+00:00")
    events = [
        {"event": "built", "model": model, "cached_content": "cachedContents/x"},
        {"event": "settled"},
    ]
    events[0]["at"] = at.isoformat()
    events[0]["cached_tokens"] = 1_000_000  # type: ignore[assignment]
    events[1]["at"] = (at + timedelta(hours=hours)).isoformat()
    (folder / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def test_the_storage_of_prompt_caches_stands_in_the_books(station: Station) -> None:
    spent(station, "batch", 2)
    cached(station, "a", MODEL, "2026-10", 2)  # $4.50 an hour
    cached(station, "b", MODEL, "2026-11", 1)
    cached(station, "c", MODEL, "2026-11", 1)
    assert station.good("cost").endswith("3 prompt caches, about $18.00 for storage on top\n")
    said = json.loads(station.good("cost", "FORMAT=json"))
    assert said["storage"] == {"caches": 3, "caches_without_price": 0, "usd": 18.0}
    table = list(csv.DictReader(io.StringIO(station.good("cost", "FORMAT=csv"))))
    assert [(row["month"], row["mode"], row["pages"], row["usd_known"]) for row in table] == [
        ("2026-11", "batch", "2", "0.0372"),
        ("2026-10", "storage", "", "9.0"),
        ("2026-11", "storage", "", "9.0"),
    ]


def test_storage_without_a_known_price_is_never_shown_as_nothing(station: Station) -> None:
    spent(station, "batch", 2)
    cached(station, "a", "gemini-9", "2026-11", 2)
    assert "1 prompt cache, storage without a known price on top" in station.good("cost")
    said = json.loads(station.good("cost", "FORMAT=json"))
    assert said["storage"] == {"caches": 1, "caches_without_price": 1, "usd": None}
    assert (
        station.good("cost", "FORMAT=csv").splitlines()[-1].startswith("2026-11,gemini-9,storage")
    )
    cached(station, "b", MODEL, "2026-11", 2)
    assert "2 prompt caches, about $9.00 for storage on top, 1 of them without a known" in (
        station.good("cost")
    )


def test_without_a_prompt_cache_there_is_no_storage(station: Station) -> None:
    spent(station, "batch", 2)
    assert "storage" not in station.good("cost") + station.good("cost", "FORMAT=csv")
    said = json.loads(station.good("cost", "FORMAT=json"))
    assert said["storage"] == {"caches": 0, "caches_without_price": 0, "usd": 0}


def test_the_books_say_mode_and_responses(station: Station) -> None:
    spent(station, "batch", 1)
    assert station.good("cost").split()[:4] == ["month", "model", "mode", "responses"]


def test_a_format_in_other_letters_is_taken(station: Station) -> None:
    spent(station, "batch", 1)
    assert station.good("cost", "FORMAT=CSV") == station.good("cost", "FORMAT=csv")


def test_the_cache_of_a_real_time_run_is_in_the_books_until_it_was_deleted_or_ended(
    station: Station,
) -> None:
    spent(station, "realtime", 1)
    db = database.connect(station.data)
    with database.transaction(db):
        for name, ended in (("a", "2026-11-05T12:30:00+00:00"), ("b", None)):  # b: a kill left it
            db.table("caches").insert(
                {
                    "name": f"cachedContents/{name}",
                    "model": MODEL,
                    "tokens": 1_000_000,
                    "made_at": "2026-11-05T12:00:00+00:00",
                    "ends_at": "2026-11-05T13:00:00+00:00",
                    "ended_at": ended,
                }
            )
    db.close()
    # half an hour and an hour at $4.50
    assert station.good("cost").endswith("2 prompt caches, about $6.75 for storage on top\n")


def test_the_cache_of_a_batch_that_never_ended_is_not_counted_beyond_its_life(
    station: Station,
) -> None:
    spent(station, "batch", 1)
    cached(station, "a", MODEL, "2026-01", 1)
    journal = station.data / "batches" / "a" / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    assert "about $225.00 for storage" in station.good("cost")  # 50 h


def answered_by(station: Station, version: str, batch: str) -> None:
    """A response of another model than the one that was asked for."""
    db = database.connect(station.data)
    answer = usage.Answer(
        PageId("p", 1), batch, "batch", MODEL, version, PAGE, "2026-11-05T12:00:00+00:00"
    )
    with database.transaction(db):
        usage.note(db, [usage.row(answer)])
    db.close()


def test_what_another_model_answered_has_its_own_price_and_is_warned_of(station: Station) -> None:
    station.data.mkdir()
    answered_by(station, "gemini-2.5-flash", "a")
    answered_by(station, "gemini-2.5-flash", "b")
    done = station.make("cost")
    # twice 3,000 x $0.15 + 2,600 x $1.25, half of 2.5 Flash's $0.30 and $2.50
    assert "batch: $0.0074 for 1 page (2 responses)" in done.stdout
    assert done.stderr.splitlines() == [
        f"Warning: {MODEL} was asked and gemini-2.5-flash answered, which is what it is priced by."
        " Set GEMINI_MODEL to a model that is still served"
    ]


@pytest.mark.parametrize("version", [f"{MODEL}-05-2026", "gemini-3.1-pro", "emulator-quick", ""])
def test_another_version_of_the_model_that_was_asked_is_no_other_model(
    station: Station, version: str
) -> None:
    station.data.mkdir()
    answered_by(station, version, "a")
    done = station.make("cost")
    assert "batch: $0.0186" in done.stdout
    assert done.stderr == ""
