"""make estimate, and the limit that make batch-submit keeps to."""

from dataclasses import replace
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


def answered(
    db: Database,
    outputs: list[int],
    thoughts: int = 0,
    model: str = MODEL,
    *,
    version: str = MODEL,
    thinking: str | None = None,
    cut_off: tuple[int, ...] = (),
) -> None:
    """Responses of this model, one a page, of so much text and thinking, some of them cut off."""
    with database.transaction(db):
        for number, output in enumerate(outputs, 1):
            finish = "MAX_TOKENS" if number in cut_off else "STOP"
            tokens = usage.Tokens(3000, 0, output, thoughts, None, finish)
            at = f"2026-11-05T12:{len(model) % 60:02d}:{number:02d}+00:00"
            one = usage.Answer(
                PageId("a", number), None, "realtime", model, version, tokens, at, thinking
            )
            usage.note(db, [usage.row(one)])


def test_an_estimate_asks_no_api_changes_nothing_and_shows_the_modes_side_by_side(
    station: Station,
) -> None:
    station.rendered(5)
    before = station.rows()
    said = station.good("estimate", "LIMIT=4", GEMINI_API_KEY="", BATCH_PAGES="3").splitlines()
    assert said[0].startswith("4 pages wait, 2 batches, 0.0 MB to upload")
    assert "thinking comes on top and is unknown" in said[1]
    assert said[4].split() == ["tokens", "out", "2,600", "2,900", "32,768"]
    modes = {line[:16].strip(): line[16:].split() for line in said}
    now, batch = (float(modes[mode][0].strip("$")) for mode in ("real time", "batch"))
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
    assert basis.usual == (3000, 1800)
    assert basis.high == (3000, 1800)  # nine tenths of the way, between 1,500 and 4,500
    assert basis.source.startswith(f"the newest 10 responses from {MODEL} here: mean and 90th")
    # ten pages at 3,000 x $1 + 1,800 x $6, 32,768 x $6; at $2 and $12
    assert estimate.line(config, 10, basis) == (
        "estimate: 10 pages, about $0.138 in batch ($0.276 in real time), at most $2.00"
    )


def test_what_another_model_answered_or_another_thinking_level_took_is_no_guide(
    jobs_db: Database,
) -> None:
    config = settings.load()
    answered(jobs_db, [1000] * 10, version="gemini-2.5-flash")
    assert not estimate.basis(jobs_db, config).known
    jobs_db.table("usage").delete_where()
    answered(jobs_db, [1000] * 10, thinking="low")
    assert not estimate.basis(jobs_db, config).known  # the model's own level takes far more
    low = replace(config, thinking="low")
    assert estimate.basis(jobs_db, low).usual == (3000, 1000)


def test_the_limit_counts_the_ceiling_for_the_share_of_responses_that_ran_into_it(
    jobs_db: Database,
) -> None:
    config = settings.load()
    answered(jobs_db, [2600] * 19 + [32_768])
    basis = estimate.basis(jobs_db, config)
    assert basis.cut_off == pytest.approx(0.05)
    # 100 pages: 90th percentile = the mean, 4,109 x $6; the ceiling for 5 of them; 3,000 x $1 in
    held = float(estimate.held(MODEL, "batch", 100, basis) or 0)
    assert held == pytest.approx(100 * (0.003 + 0.95 * 4109 * 6e-6 + 0.05 * 32_768 * 6e-6))
    jobs_db.table("usage").delete_where()
    answered(jobs_db, [2600] * 18 + [8192, 8192], cut_off=(19, 20))  # under an older ceiling
    assert estimate.basis(jobs_db, config).cut_off == pytest.approx(0.1)
    assert estimate.basis(jobs_db, replace(config, max_output_tokens=2000)).cut_off == 1.0


def test_a_few_very_large_pages_are_not_hidden_by_the_90th_percentile(jobs_db: Database) -> None:
    answered(jobs_db, [1000] * 19 + [30_000])
    assert estimate.basis(jobs_db, settings.load()).high.output == 2450  # the mean


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
    assert first.endswith(" and thinking, which is unknown yet, at most $0.398")
    assert built.endswith(f" 2 requests, {upload}")
    assert submitted.startswith("submitted batches/")


def test_the_limit_counts_what_is_still_out_and_refuses_before_a_page_is_taken(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(3)
    # a page may take some $0.20: 32,768 x $6 and 2,284 x $1 a million
    online.good("batch-submit", "LIMIT=1", MAX_USD="0.50")
    said = online.error("batch-submit", MAX_USD="0.50")
    assert said == (
        "Error: MAX_USD: 2 pages and what is still out ($0.199) may cost up to $0.597, the limit is"
        " $0.500; until 10 pages are read, each counts at MAX_OUTPUT_TOKENS. Give LIMIT=1, a larger"
        " MAX_USD, or fetch what is out; nothing was sent"
    )
    assert online.statuses() == ["submitted", "rendered", "rendered"]
    # what is out keeps the ceiling that it was sent with
    said = online.error("batch-submit", MAX_USD="0.20", MAX_OUTPUT_TOKENS="5000")
    assert "what is still out ($0.199)" in said
    online.good("batch-submit", "LIMIT=1", MAX_USD="0.24", MAX_OUTPUT_TOKENS="5000")
    assert online.statuses() == ["submitted", "submitted", "rendered"]
    assert len(online.folders()) == 2
    assert "still out in batches: 2 pages, about $0.0" in online.good("estimate")


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
    with pytest.raises(Exception, match=r"MAX_USD: .* is not an amount of dollars above 0"):
        settings.load()


def test_ten_responses_that_never_end_cost_no_more_than_the_limit(
    online: Station, emulator: Emulator
) -> None:
    before = len(emulator.ledger()["answers"])
    emulator.faults(answer_thinks_to_the_ceiling="all")
    online.rendered(10)
    for command in ("batch-submit", "process"):
        assert "MAX_USD: 10 pages may cost up to" in online.error(command, MAX_USD="0.50")
    assert len(emulator.ledger()["answers"]) == before
    online.good("batch-submit", "LIMIT=2", MAX_USD="0.50")
    batch = online.rows()[0]["batch_id"]
    assert "0 completed, 2 failed" in online.fetched(batch)
    bills = emulator.ledger()["answers"][before:]
    assert [bill["usage"]["thoughtsTokenCount"] for bill in bills] == [32_768] * 2
    rows = online.usage()
    assert [row["finish_reason"] for row in rows] == ["MAX_TOKENS"] * 2
    assert sum(row["usd"] for row in rows) == pytest.approx(0.398, abs=0.001)
    assert online.rows()[0]["last_error"].startswith("max_tokens: ")


def test_first_use_under_a_limit_of_five_dollars_works(online: Station) -> None:
    online.rendered(10)
    assert "MAX_USD of $5.00 counts $1.99 in batch" in online.good("estimate", MAX_USD="5")
    online.good("process", "LIMIT=10", MAX_USD="5")
    assert online.statuses() == ["completed"] * 10


def test_a_thinking_level_that_the_model_refuses_is_one_clear_line_and_no_try(
    online: Station,
) -> None:
    online.rendered(2)
    said = online.error("process", GEMINI_THINKING="minimal", GEMINI_CACHE="off")
    assert said.startswith("Error: GEMINI_THINKING: answered 400 INVALID_ARGUMENT: Thinking level")
    assert said.endswith("Unset it, or give a level that the model takes")
    assert {(row["status"], row["attempts"]) for row in online.rows()} == {("rendered", 0)}
    online.good("process", GEMINI_THINKING="low")
    assert online.statuses() == ["completed"] * 2
