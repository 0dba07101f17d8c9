"""make compare with letters: the same drawn pages under each setting, billed once each."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from emulator_process import Emulator, wait_for
from flowsheets import paths
from flowsheets.batch import draw
from flowsheets.jobs import database
from flowsheets.page import prompts, request
from flowsheets.paths import PageId
from forked import commands
from pages import reading
from station import PDF, Station, billed

LOW = "B=GEMINI_THINKING=low"


def finished(station: Station, *words: str, **given: str) -> str:
    """Run it until every setting has ended; returns what it says then."""
    ended = "remove that folder; for more pages"

    def said() -> str:
        out = station.good("compare", *words, **given)
        return out if ended in out else ""

    return str(wait_for(said, 60))


def table(said: str) -> dict[str, list[str]]:
    """The line of each letter, as words."""
    lines = [line.split() for line in said.splitlines()]
    return {w[0]: w[1:] for w in lines if len(w) > 8 and w[0] in "ABCDEFGH" and w[1].isdigit()}


def answered(emulator: Emulator, before: int) -> Counter[tuple[str, str]]:
    """Responses since then, by mode and model."""
    new = emulator.ledger()["answers"][before:]
    return Counter((one["mode"], one["model"]) for one in new)


def folder(station: Station) -> Path:
    (one,) = (station.data / "compare").iterdir()
    return one


def typed(station: Station, number: int, page: dict[str, Any]) -> None:
    path = paths.truth_page(station.data, PageId(PDF, number))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**page, "verified_by": {"real_name": "Ada L."}}))


def test_each_setting_reads_the_same_pages_once_and_changes_nothing(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(5)
    before, rows = len(emulator.ledger()["answers"]), online.rows()
    flash = "C=GEMINI_MODEL=gemini-3.8-flash GEMINI_ANSWER=lean"
    first = online.good("compare", "LIMIT=3", "A=", LOW, flash, "D=WAY=realtime")
    assert "drawn at random, in proportion to the years: 3 that wait" in first
    estimate = next(line for line in first.splitlines() if line.startswith("estimate: "))
    assert "3 pages under 4 settings, about $" in estimate
    whole, *each = (float(usd) for usd in re.findall(r"\$([\d.]+)", estimate))
    assert whole == pytest.approx(sum(each), abs=0.001)
    assert each[:2] == [0.0537, 0.0537]  # 2,284 tokens x $1 and 2,600 x $6
    assert each[3] == pytest.approx(2 * each[0], abs=0.001)  # D, in real time
    assert each[2] < each[0]
    said = finished(online)
    lines = table(said)
    assert {letter: words[0] for letter, words in lines.items()} == dict.fromkeys("ABCD", "3")
    dollars = {letter: float(words[4].strip("$")) for letter, words in lines.items()}
    assert dollars["D"] == pytest.approx(2 * dollars["A"], abs=0.0001)
    assert dollars["C"] < dollars["A"]
    assert "$ of 5" in said  # dollars for the pages that wait
    assert lines["B"][-2:] == ["100.00%", "100.00%"]
    assert "make truth, then make compare, which asks for nothing again" in said
    assert answered(emulator, before) == {
        ("batch", "gemini-3.1-pro-preview"): 6,
        ("batch", "gemini-3.8-flash"): 3,
        ("realtime", "gemini-3.1-pro-preview"): 3,
    }
    assert online.rows() == rows
    assert not (online.data / "results").exists()
    usage = online.usage()
    assert Counter(row["page_number"] for row in usage) == dict.fromkeys(
        {row["page_number"] for row in usage}, 4
    )
    assert {(row["thinking"], row["answer"]) for row in usage} == {
        (None, "full"),
        ("low", "full"),
        (None, "lean"),
    }
    for prompt in {row["prompt"] for row in usage}:
        assert f"prompt {prompt}" in said


def test_what_has_ended_is_shown_again_and_a_larger_limit_reads_other_pages_alone(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(5, "more.pdf")
    before = billed(emulator.ledger())
    said = finished(online, "LIMIT=2", "A=", LOW)
    for again in (("A=", LOW, "LIMIT=2"), ("A=", LOW, "LIMIT=1"), ()):
        assert online.good("compare", *again, GEMINI_API_KEY="") == said[said.index("2 pages of") :]
    assert finished(online, "LIMIT=4", "A=", LOW).count("4 pages of") == 1
    after = billed(emulator.ledger())
    assert (
        sorted(after[i] - before.get(i, 0) for i in after if after[i] != before.get(i)) == [2] * 4
    )
    assert {letter: words[0] for letter, words in table(online.good("compare")).items()} == {
        "A": "4",
        "B": "4",
    }
    finished(online, "LIMIT=9", "A=", LOW)  # one page is left
    assert "no more page has an image" in online.error("compare", "LIMIT=20", "A=", LOW)


def test_what_a_setting_has_read_before_is_not_asked_for_again(
    online: Station, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.rendered(3, "before.pdf")
    finished(online, "LIMIT=2", "A=", "B=WAY=realtime", "C=GEMINI_MODEL=gpt-5")
    before = len(emulator.ledger()["answers"])
    first = online.good("compare", "LIMIT=2", "A=WAY=realtime", LOW, "C=")
    assert "read before, and not asked for again: A, 2 pages; C, 2 pages" in first
    assert "estimate: 2 pages under 1 setting, about $0.0358 (B $0.0358)" in first
    said = finished(online)
    assert [words[0] for words in table(said).values()] == ["2", "2", "2"]
    assert answered(emulator, before) == {("batch", "gemini-3.1-pro-preview"): 2}
    usage = online.usage()
    assert len(usage) == 6
    db = Database(online.data / "jobs.db")
    db.table("usage").delete_where()
    online.good("rebuild")
    assert online.usage() == usage
    monkeypatch.setattr(prompts, "today", lambda: "another prompt")
    monkeypatch.setattr(request, "prompt", lambda: "Another prompt.")
    assert "read before" not in online.good("compare", "LIMIT=2", "A=WAY=realtime", LOW, "C=")


def test_of_more_pages_those_that_a_setting_has_read_before_are_not_asked_for_again(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(5, "some.pdf")
    finished(online, "LIMIT=1", "A=", LOW)
    finished(online, "LIMIT=3", "A=", LOW)
    before = len(emulator.ledger()["answers"])
    first = online.good("compare", "LIMIT=5", "A=", "C=GEMINI_MODEL=gemini-3.8-flash")
    assert "read before, and not asked for again: A, 3 pages" in first
    assert "estimate: 5 pages under 2 settings" in first
    said = finished(online)
    assert said.startswith("5 pages of ")
    assert {letter: words[0] for letter, words in table(said).items()} == {"A": "5", "C": "5"}
    assert answered(emulator, before) == {
        ("batch", "gemini-3.1-pro-preview"): 2,
        ("batch", "gemini-3.8-flash"): 5,
    }
    same = online.good("compare", "LIMIT=5", "A=", "C=GEMINI_MODEL=gemini-3.8-flash")
    assert same == said


def test_pages_drawn_in_steps_are_those_drawn_at_once(station: Station) -> None:
    for pdf, pages in (("1990/1990-04apr0106.pdf", 6), ("1991/1991-05may0106.pdf", 3)):
        station.rendered(pages, pdf)
    db = database.connect(station.data)
    truth = [PageId("1990/1990-04apr0106.pdf", 4)]

    def drawn(limit: int, known: list[PageId]) -> list[PageId]:
        return draw.pages(db, station.data, limit, 3, with_truth=truth, known=known).pages

    whole = drawn(9, [])
    assert whole[0] == truth[0]
    for size in range(1, 9):
        first = drawn(size, [])
        assert first + drawn(9 - size, first) == whole
    db.close()


def test_the_limit_on_dollars_counts_what_is_new_for_each_setting(online: Station) -> None:
    online.rendered(4, "held.pdf")
    finished(online, "LIMIT=2", "A=", LOW)
    more = ("LIMIT=4", "A=", "C=GEMINI_THINKING=medium")  # A 2 pages, C 4: 6 x $0.199
    assert "may cost up to $1.19, the limit is $1.18" in online.error(
        "compare", *more, MAX_USD="1.18"
    )
    online.good("compare", *more, MAX_USD="1.20")


def test_a_limit_that_was_lowered_holds_for_what_was_not_sent_yet(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "lowered.pdf")
    before = len(emulator.ledger()["answers"])
    letters = ("LIMIT=2", "A=", "B=WAY=realtime")
    online.make("compare", *letters, GOOGLE_GEMINI_BASE_URL="http://127.0.0.1:9")
    done = online.make("compare", MAX_USD="0.01")
    assert done.returncode == 1
    assert "2 pages may cost up to $0.398, the limit is $0.0100" in done.stderr
    assert "2 pages may cost up to $0.796, the limit is $0.0100" in done.stderr
    assert len(emulator.ledger()["answers"]) == before
    assert table(finished(online, MAX_USD="1.20"))["B"][0] == "2"


def test_while_one_is_under_way_no_other_begins_and_its_own_file_says_what_it_asks(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2, "other.pdf")
    assert "Next: make compare, to finish" in online.good("compare", "A=", LOW)
    said = online.error("compare", "A=", "B=GEMINI_ANSWER=lean")
    assert 'one of A="" B="GEMINI_THINKING=low" is under way. make compare goes on with it' in said
    assert f"to give it up, remove {folder(online)}" in said
    emulator.faults(batch_stays_pending=None)
    emulator.restart()
    finished(online, GEMINI_MODEL="gemini-of-another-day", GEMINI_ANSWER="lean")
    assert {(row["model"], row["answer"]) for row in online.usage()} == {
        ("gemini-3.1-pro-preview", "full")
    }


def test_while_both_modes_are_under_way_no_settings_are_compared(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(1, "both.pdf")
    assert "is PENDING" in online.good("compare")
    assert "one of both modes is under way" in online.error("compare", "A=", LOW)


def test_a_limit_on_dollars_holds_for_all_settings_together(online: Station) -> None:
    online.rendered(3, "dear.pdf")
    said = online.error("compare", "A=", LOW, "C=WAY=realtime", MAX_USD="0.9")
    # a page: $0.199 in a batch, twice, and $0.398
    assert "MAX_USD: 3 pages may cost up to $2.39, the limit is $0.900" in said
    assert "Give LIMIT=1" in said
    assert not (online.data / "compare").exists()
    unknown = online.error("compare", "A=", "B=GEMINI_MODEL=gemini-of-mars", MAX_USD="9")
    assert "cannot be kept to: gemini-of-mars in batch" in unknown


def test_what_is_under_way_counts_as_out_for_the_limit(online: Station, emulator: Emulator) -> None:
    emulator.faults(batch_stays_pending=True)
    online.rendered(2, "out.pdf")
    online.good("compare", "A=", "B=WAY=realtime", "LIMIT=1")
    said = online.error("process", MAX_USD="0.9")
    assert "2 pages and what is still out" in said


def test_a_setting_that_is_refused_or_fails_loses_no_other(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "refused.pdf")
    said = finished(
        online,
        *("A=", "B=GEMINI_THINKING=minimal", "C=GEMINI_MODEL=gpt-5"),
        *("D=GEMINI_MODEL=gpt-5 WAY=realtime", "E=GEMINI_THINKING=minimal WAY=flex"),
        "F=WAY=flex",
    )
    lines = table(said)
    assert [lines[letter][0] for letter in "ABCDEF"] == ["2", "0", "0", "0", "0", "2"]
    for letter in "BCDE":
        assert f"{letter} was refused: " in said
        assert "refused" in lines[letter]
    assert "Thinking level MINIMAL is not supported" in said
    assert {row["mode"] for row in online.usage()} == {"batch", "flex"}
    emulator.faults(batch_failed=True)
    again = finished(online, "A=", "B=GEMINI_ANSWER=lean", "LIMIT=1")
    assert "A was refused: ended as FAILED" in again


def test_one_setting_s_file_that_cannot_be_trusted_is_a_problem_of_its_own(
    online: Station, emulator: Emulator
) -> None:
    online.rendered(2, "strange.pdf")
    emulator.faults(line_unknown=True)

    def told() -> Any:
        done = online.make("compare", "A=", "B=WAY=realtime")
        return done if done.returncode else None

    done = wait_for(told, 30)
    assert "has a key that was not sent" in done.stderr
    assert table(done.stdout)["B"][0] == "2"


def test_a_quota_keeps_the_others_going_and_is_told_with_what_goes_on(
    online: Station, emulator: Emulator
) -> None:
    emulator.faults(create_429=1)
    online.rendered(1, "quota.pdf")
    done = online.make("compare", "A=", LOW)
    assert done.returncode == 1
    assert "make compare goes on with it" in done.stderr
    assert "A has not ended yet" in done.stdout
    assert table(finished(online))["A"][0] == "1"


def test_pages_with_truth_come_first_and_are_scored(online: Station, emulator: Emulator) -> None:
    online.rendered(6)
    online.good("process", "LIMIT=6")
    for number in (2, 5, 6):
        page = online.result(number)
        if number == 5:
            page["quadrants"][0]["entries"] = page["quadrants"][0]["entries"][:-1]
        typed(online, number, page)
    typed(online, 3, {**reading(), "page_date_raw": "nobody's"})
    path = paths.truth_page(online.data, PageId(PDF, 3))
    path.write_text(json.dumps(reading()))  # without a reviewer's name it does not count
    said = finished(online, "LIMIT=4", "A=", "B=WAY=realtime", "C=GEMINI_ANSWER=lean")
    first = online.good("compare")
    assert "with truth: 3 typed" in first
    numbers = {row["page_number"] for row in online.usage() if row["aside"]}
    assert {2, 5, 6} < numbers
    assert len(numbers) == 4
    assert said.splitlines()[-2].startswith("C is the cheapest setting whose CER is as good")
    rows = table(first)
    assert rows["A"][-4:-2] == rows["B"][-6:-4] or rows["A"][-3] == "-"
    digest = json.loads(online.good("accuracy", "FORMAT=json"))["truth"]["digest"]
    assert f"with truth: 3 typed; digest {digest[:16]}" in first
    assert "apart, " not in first


def test_truth_that_began_as_a_reading_is_scored_apart(online: Station) -> None:
    online.rendered(3)
    for number in (1, 2, 3):
        typed(online, number, reading())
    led = paths.truth_page(online.data, PageId(PDF, 3))
    by = {"real_name": "Ada L.", "draft": "reading"}
    led.write_text(json.dumps({**reading(), "verified_by": by}))
    said = finished(online, "LIMIT=3", "A=", LOW)
    assert "with truth: 2 typed, 1 reading; digest " in said
    assert "apart, 1 pages of truth: begun as a reading, which leads the eye" in said
    lines = said.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("apart, "))
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["CER", "A", "B"]
    assert len([line for line in lines if "  CER" in line]) == 2


def test_completed_pages_are_drawn_where_none_waits_and_failed_ones_are_not(
    online: Station,
) -> None:
    online.rendered(3, "done.pdf")
    online.good("process", "LIMIT=2")
    with online.jobs() as db:
        db.execute("UPDATE jobs SET status = 'failed', attempts = 9 WHERE page_number = 3")
    before = online.tree()
    said = online.good("compare", "A=", LOW)
    assert "drawn at random, in proportion to the years: 2 that were read" in said
    finished(online)
    after = online.tree()
    unchanged = [name for name in before if not name.startswith("jobs.db")]
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_nothing_to_compare_is_one_line_and_no_folder(online: Station) -> None:
    online.rendered(0)
    assert "no page has an image" in online.error("compare", "A=", LOW)
    assert "A: is alone" in online.error("compare", "A=")
    online.rendered(1)
    assert "GEMINI_API_KEY: is not set" in online.error("compare", "A=", LOW, GEMINI_API_KEY="")
    assert not (online.data / "compare").exists()


@pytest.mark.parametrize("damage", ["comparison.json", "manifest"])
def test_a_damaged_comparison_is_one_line_that_names_it(online: Station, damage: str) -> None:
    online.rendered(1, f"{damage}.pdf")
    finished(online, "A=", LOW)
    one = folder(online)
    path = one / damage if damage.endswith("json") else one / f"{one.name}-B" / "manifest.jsonl"
    path.write_text("{")
    said = online.error("compare", "A=", LOW)
    assert str(path) in said
    assert f"to give the comparison up, remove {one}" in said


def test_a_rebuild_has_every_response_of_a_comparison_again(online: Station) -> None:
    online.rendered(2, "rebuilt.pdf")
    finished(online, "A=", "B=GEMINI_THINKING=low WAY=flex")
    before = online.usage()
    (online.data / "jobs.db").unlink()
    online.good("discover")
    online.good("rebuild")
    assert online.usage() == before


@pytest.mark.parametrize("fate", ["kill", "cut", "full"])
def test_broken_off_anywhere_it_goes_on_and_bills_each_setting_once(
    online: Station, emulator: Emulator, fate: str
) -> None:
    words = ("--setting", "A=", "--setting", "B=WAY=realtime GEMINI_ANSWER=lean")
    for step in range(3, 400, 47):
        station = Station(online.folder / f"{step}", online.base_url)
        station.scans.mkdir(parents=True)
        station.rendered(1, f"{fate}{step}.pdf")
        before = len(emulator.ledger()["answers"])
        environment = station.environment(FATE=fate, STEP=str(step))
        done = commands().run("scripts/compare.py", *words, env=environment)
        assert "Traceback" not in done.stderr
        finished(station, "A=", "B=WAY=realtime GEMINI_ANSWER=lean")
        modes = Counter(mode for mode, _ in answered(emulator, before).elements())
        (one,) = (path for path in (station.data / "compare").iterdir() if path.name[0] != ".")
        journal = (one / f"{one.name}-B" / "journal.jsonl").read_text()
        # A real-time call that a kill came upon may be billed again, and nothing else.
        assert modes["batch"] == 1
        assert modes["realtime"] == 1 or fate == "kill" or "real_time_failed" in journal
        if not done.fate_met:
            return
    raise AssertionError("it never got through")
