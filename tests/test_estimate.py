"""make estimate, and the limit that make batch-submit keeps to."""

from pathlib import Path

import pytest
from sqlite_utils import Database

from emulator_process import Emulator
from flowsheets import settings
from flowsheets.jobs import database
from flowsheets.money import estimate, usage
from flowsheets.paths import PageId
from station import Station

MODEL = "gemini-3.1-pro-preview"


def answered(db: Database, outputs: list[int], thoughts: int = 0, model: str = MODEL) -> None:
    """Answers of this model, one a page, of so much text and thinking."""
    with database.transaction(db):
        for number, output in enumerate(outputs, 1):
            tokens = usage.Tokens(3000, 0, output, thoughts, None)
            at = f"2026-11-05T12:00:{number:02d}+00:00"
            one = usage.Answer(PageId("a", number), None, "realtime", model, "x", tokens, at)
            usage.note(db, [usage.row(one)])


def test_an_estimate_asks_no_api_changes_nothing_and_shows_the_ways_side_by_side(
    station: Station,
) -> None:
    station.rendered(5)
    before = station.rows()
    said = station.good("estimate", "LIMIT=4", GEMINI_API_KEY="", BATCH_PAGES="3").splitlines()
    assert said[0].startswith("4 pages wait, 2 batches, 0.0 MB to upload")
    assert "thinking comes on top and is unknown" in said[1]
    ways = {line[:16].strip(): line[16:].split() for line in said}
    now, batch = (float(ways[way][0].strip("$")) for way in ("real time", "batch"))
    assert batch == pytest.approx(now / 2, abs=0.01)
    assert said[-3].startswith("batch with cache")
    assert "may be too short to be cached: 1,156 of 4,096 tokens" in said[-2]
    assert station.rows() == before


def test_what_is_counted_before_is_what_the_api_counts(online: Station) -> None:
    online.rendered(1)
    said = online.good("estimate").splitlines()
    (line,) = [line for line in said if line.startswith("tokens in")]
    online.good("process")
    assert online.usage()[0]["prompt_token_count"] == int(line.split()[2].replace(",", ""))


def test_nothing_that_waits_is_said(station: Station) -> None:
    station.rendered(0)
    assert station.good("estimate").startswith("no pages wait")


def test_from_ten_pages_on_the_station_s_own_answers_count_thinking_among_them(
    jobs_db: Database, tmp_path: Path
) -> None:
    config = settings.load()
    answered(jobs_db, [1000] * 9, thoughts=500)
    answered(jobs_db, [9] * 9, model="another-model")
    assert estimate.basis(jobs_db, config).usual.output == estimate.OUTPUT_TOKENS
    answered(jobs_db, [1000] * 9 + [4000], thoughts=500)
    basis = estimate.basis(jobs_db, config)
    assert basis.usual == (3000, 1500)
    assert basis.high == (3000, 1800)  # nine tenths of the way, between 1,500 and 4,500
    assert basis.source.startswith(f"10 answers that this station had from {MODEL}")
    # ten pages at 3,000 x $1 + 1,500 x $6, 1,800 x $6; at $2 and $12
    assert estimate.line(config, 10, basis) == (
        "estimate: 10 pages, about $0.120 in batch ($0.240 in real time), up to $0.138"
    )


def test_a_cache_costs_its_storage_and_is_not_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "prompt", lambda: "x" * 4 * 10_000)
    tokens = estimate.PageTokens(11_000, 1000)
    assert estimate.too_short_to_cache(MODEL) is None
    # 1,000 pages: 1,000 fresh at $1, 10,000 cached at $0.20, 1,000 out at $6 = $0.009 a page,
    # and 10,000 tokens kept for 50 h at $4.50 a million = $2.25, twice
    cost = estimate.cost_with_cache(MODEL, 1000, 2, tokens)
    assert float(cost or 0) == pytest.approx(9.00 + 4.50)


def test_a_submit_says_what_it_will_cost_and_uploads_the_bytes_that_were_named(
    online: Station,
) -> None:
    online.rendered(2)
    for number in (1, 2):  # larger than life, so that megabytes show
        with online.png(number).open("ab") as png:
            png.write(bytes(2_000_000))
    upload = online.good("estimate").split(" to upload")[0].split(", ")[-1]
    first, built, submitted = online.good("batch-submit").splitlines()
    assert first.startswith("estimate: 2 pages, about $0.0")
    assert first.endswith("; thinking comes on top")
    assert built.endswith(f" 2 requests, {upload}")
    assert submitted.startswith("submitted batches/")


def test_the_limit_counts_what_is_still_out_and_refuses_before_a_page_is_taken(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(3)
    # a page may take some $0.02: 2,900 x $6 and 3,000 x $1 a million
    online.good("batch-submit", "LIMIT=1", MAX_USD="0.03")
    said = online.error("batch-submit", MAX_USD="0.03")
    assert said.startswith(
        "Error: MAX_USD: 2 pages and what is still out ($0.0197) may cost up to $0.0"
    )
    assert "the limit is $0.0300; thinking comes on top. Give a smaller LIMIT" in said
    assert online.statuses() == ["submitted", "rendered", "rendered"]
    assert len(online.folders()) == 1
    assert "still out in batches: 1 pages, about $0.0" in online.good("estimate")


def test_a_limit_that_cannot_be_kept_for_want_of_a_price_refuses(station: Station) -> None:
    station.rendered(1)
    said = station.error("batch-submit", MAX_USD="5", GEMINI_MODEL="gemini-99")
    assert said.startswith("Error: MAX_USD: cannot be kept to: gemini-99 in batch: genai-prices")
    assert station.statuses() == ["rendered"]
    said = station.good("estimate", GEMINI_MODEL="gemini-99")
    assert said.count("no known price") == 3
    assert "$0" not in said
    station.error("batch-submit", GEMINI_MODEL="gemini-99")  # it is built; nobody listens
    assert station.statuses() == ["submitted"]


@pytest.mark.parametrize("amount", ["0", "-1", "five", "1e3", "²", "nan"])
def test_a_limit_that_is_no_amount_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    monkeypatch.setenv("MAX_USD", amount)
    with pytest.raises(Exception, match=r"MAX_USD: .* is no amount of dollars above 0"):
        settings.load()
