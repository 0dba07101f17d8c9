"""make accuracy: what counts as truth, what the figures say, and two folders side by side."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import forms
from flowsheets import paths
from flowsheets.paths import PageId
from results import ADA, OURS, put, row, save, sheet
from station import PDF, Station

TEXTS = ("Lush - Sweetness", "Pixies - Debaser", "Prong - Lost and Found", "The Fall - Bremen")
HOSTILE = '<script>document.title = "run"</script><img src=x onerror=alert(1)>'
NAMED = {"real_name": "Ada L."}


def rows(*texts: str, **more: Any) -> list[dict[str, Any]]:
    return [row(number, text, **more) for number, text in enumerate(texts)]


def truth(
    station: Station, number: int, page: dict[str, Any], by: Any = NAMED, pdf: str = PDF
) -> Path:
    """What a person typed of a page."""
    path = paths.truth_page(station.data, PageId(pdf, number))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**page, **OURS, "verified_by": by}))
    return path


def read(station: Station, folder: str, number: int, page: dict[str, Any]) -> Path:
    """A reading in a folder of its own."""
    path = station.data / folder / PDF.removesuffix(".pdf") / f"page-{number:02d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**page, **OURS}))
    return path


def both(station: Station, number: int, *texts: str) -> None:
    """A page typed with TEXTS, and read as these."""
    truth(station, number, sheet(*rows(*TEXTS)))
    put(station, number, sheet(*rows(*texts)))


def report(station: Station, *words: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(station.good("accuracy", "FORMAT=json", *words))
    return content


def figures(station: Station) -> dict[str, Any]:
    (section,) = report(station)["sections"]
    found: dict[str, Any] = section["figures"]
    return found


def html(station: Station) -> str:
    return (station.data / "accuracy" / "report.html").read_text()


def test_a_page_read_as_it_was_typed_has_no_fault(station: Station) -> None:
    both(station, 1, *TEXTS)
    found = figures(station)
    letters = sum(map(len, TEXTS))
    assert found["cer"] == {"value": 0, "low": None, "high": None, "n": letters}
    assert found["row_recall"]["value"] == found["date"]["value"] == found["hour"]["value"] == 1


def test_known_edits_give_known_figures(station: Station) -> None:
    both(station, 1, "LUSH - Sweetness", "Pixies  Debaser", TEXTS[2])
    found = figures(station)
    letters, words = sum(map(len, TEXTS)), sum(len(text.split()) for text in TEXTS)
    assert found["cer"]["value"] == pytest.approx((3 + 1 + len(TEXTS[3])) / letters)
    assert found["wer"]["value"] == pytest.approx((1 + 1 + 4) / words)
    assert found["cer.lenient"]["value"] == pytest.approx(13 / found["cer.lenient"]["n"])
    assert found["row_recall"] == {"value": 0.75, "low": None, "high": None, "n": 4}


def test_figures_have_intervals_where_pages_differ(station: Station) -> None:
    for number in range(1, 7):
        both(station, number, *TEXTS[: 4 if number % 2 else 3])
    found = figures(station)
    assert 0 < found["cer"]["low"] < found["cer"]["value"] < found["cer"]["high"] < 1
    assert re.search(r"rows found +87\.5% +\d+\.\d to \d+\.\d%", station.good("accuracy"))


def test_the_worst_pages_and_rows_are_named(station: Station) -> None:
    both(station, 1, *TEXTS)
    both(station, 2, TEXTS[0], "nothing alike at all", *TEXTS[2:])
    said = station.good("accuracy")
    assert "worst pages: 1990/April 1990/1990-04apr0106/page-02 (" in said
    assert 'page-02 top_left row 1, text: "Pixies - Debaser" was read as "nothing alike' in said


def test_each_stated_confidence_has_a_line(station: Station) -> None:
    both(station, 1, *TEXTS)
    guessed = [row(0, TEXTS[0]), *rows("", "x y z q", "w w w w", confidence="low")[1:]]
    put(station, 2, sheet(*guessed))
    truth(station, 2, sheet(*rows(*TEXTS[:3])))
    (section,) = report(station)["sections"]
    assert section["confidence"]["low"]["wrong"]["value"] == 1
    assert section["confidence"]["low"]["wrong"]["n"] == 2
    assert section["confidence"]["high"]["wrong"]["value"] == 0
    assert re.search(r"^low +2 +100\.0%", station.good("accuracy"), re.MULTILINE)


def test_notes_are_a_confusion_table(station: Station) -> None:
    truth(station, 1, sheet(*rows(*TEXTS[:2], notes="crossed_out")))
    put(station, 1, sheet(row(0, TEXTS[0], notes="crossed_out"), row(1, TEXTS[1])))
    (section,) = report(station)["sections"]
    assert section["notes"] == {"crossed_out": {"crossed_out": 1, "none": 1}}
    assert "note in truth \\ as read" in station.good("accuracy")


# --- what counts ---------------------------------------------------------------------------------


def test_a_page_counts_once_a_reviewer_has_put_a_name_there(station: Station) -> None:
    both(station, 1, *TEXTS)
    for number, by in enumerate(
        (None, {"real_name": " ", "draft": "rows"}, {"verified_at": "2026-01-01"}), 2
    ):
        truth(station, number, sheet(*rows("Never read")), by)
        put(station, number, sheet(*rows("X")))
    found = report(station)
    assert [page["reviewer"] for page in found["truth"]["pages"]] == ["Ada L."]
    assert len(found["truth"]["without_name"]) == 3
    assert "not counted, without a reviewer's name: 3 (" in station.good("accuracy")


@pytest.mark.parametrize(
    "by", [True, ["Ada L."], {"real_name": True}, {"real_name": {"first": "Ada"}}, {"user_id": 0}]
)
def test_what_is_not_a_name_names_nobody(station: Station, by: Any) -> None:
    both(station, 1, *TEXTS)
    truth(station, 1, sheet(*rows(*TEXTS)), by)
    assert "has a reviewer's name" in station.error("accuracy")


def test_a_row_that_a_person_added_needs_no_confidence_and_null_is_not_typed(
    station: Station,
) -> None:
    page = sheet(*rows(*TEXTS))
    entries = page["quadrants"][0]["entries"]
    del entries[0]["confidence"]
    entries[1]["confidence"] = None
    entries[3]["raw_text"] = None
    truth(station, 1, page)
    put(station, 1, sheet(*rows(*TEXTS)))
    found = report(station)
    assert found["truth"]["unusable"] == {}
    assert found["truth"]["pages"][0]["untyped_rows"] == 1
    assert found["sections"][0]["figures"]["row_text"]["n"] == 3
    assert found["sections"][0]["figures"]["row_text"]["value"] == 1


def test_without_a_name_anywhere_one_line_says_where_to_put_it(station: Station) -> None:
    put(station, 1, sheet(*rows(*TEXTS)))
    assert "make truth" in station.error("accuracy")
    truth(station, 1, sheet(*rows(*TEXTS)), {"real_name": ""})
    assert "real_name" in station.error("accuracy")


def test_a_page_of_the_verifier_counts_once_it_is_complete(station: Station) -> None:
    for number, status in ((1, "complete"), (2, "draft"), (3, "complete")):
        put(station, number, sheet(*rows(*TEXTS)))
        save(station, number, sheet(*rows(*TEXTS)), ADA if number != 3 else None, status)
    found = report(station)
    assert [page["kind"] for page in found["truth"]["pages"]] == ["verified"]
    assert [Path(path).name for path in found["truth"]["drafts_of_the_verifier"]] == [
        "1990-04apr0106-page02.verified.json"
    ]
    assert len(found["truth"]["without_name"]) == 1


def test_a_typed_page_goes_before_the_verifiers(station: Station) -> None:
    both(station, 1, *TEXTS)
    save(station, 1, sheet(*rows("Another")))
    assert [page["kind"] for page in report(station)["truth"]["pages"]] == ["typed"]


def test_a_draft_that_began_as_a_reading_is_reported_apart(station: Station) -> None:
    for number in (1, 2):
        put(station, number, sheet(*rows(*TEXTS)))
    station.good("truth", "DRAFT=reading", "LIMIT=1")
    (drawn,) = (station.data / "truth").rglob("page-*.json")
    page = json.loads(drawn.read_text())
    drawn.write_text(json.dumps({**page, "verified_by": NAMED}))  # the mark went with the block
    other = 3 - int(drawn.stem[-2:])
    truth(station, other, sheet(*rows(*TEXTS[:2], "Wrong row", TEXTS[3])))
    kinds = {s["kind"]: s["figures"]["row_text"]["value"] for s in report(station)["sections"]}
    assert kinds == {"typed": 0.75, "reading": 1}
    said = station.good("accuracy")
    assert "1 typed, 1 reading; 1 of them drawn at random" in said
    assert "leads the eye" in said


def test_damaged_truth_is_a_line_each_and_the_others_count(station: Station) -> None:
    both(station, 1, *TEXTS)
    truth(station, 2, sheet()).write_text("{")
    truth(station, 3, {"quadrants": []})
    truth(station, 4, sheet()).rename(paths.truth(station.data) / "page.json")
    put(station, 2, sheet())
    done = station.make("accuracy")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 3
    assert all("not counted" in line for line in done.stderr.splitlines())
    assert "truth: 1 pages" in done.stdout


def test_a_page_without_a_result_is_in_no_figure_and_is_named(station: Station) -> None:
    both(station, 1, *TEXTS)
    truth(station, 2, sheet(*rows(*TEXTS)))
    truth(station, 3, sheet(*rows(*TEXTS)))
    put(station, 3, sheet()).write_text("{")
    found = report(station)
    assert [name[-7:] for name in found["unread"]] == ["page-02", "page-03"]
    assert found["sections"][0]["figures"]["row_recall"]["n"] == 4
    said = station.good("accuracy")
    assert "2 pages of the truth, 8 rows, are in no figure" in said
    assert re.search(r"without a result: 1 \(.*page-02\)", said)
    assert re.search(r"results are damaged: 1 \(.*page-03: JSON: Invalid", said)


def test_a_result_that_a_person_verified_is_no_reading(station: Station) -> None:
    both(station, 1, *TEXTS)
    truth(station, 2, sheet(*rows("Lush")))
    path = put(station, 2, sheet(*rows("Lush")))
    path.write_text(json.dumps({**json.loads(path.read_text()), "verified_by": ADA}))
    found = report(station)
    assert [name[-7:] for name in found["readings"]["by_hand"]] == ["page-02"]
    assert found["sections"][0]["pages"] == 1
    assert "a person's text, and no reading" in station.good("accuracy")


def test_a_blank_page_read_as_blank_is_right(station: Station) -> None:
    blank = sheet(date="")
    truth(station, 1, blank)
    put(station, 1, blank)
    found = figures(station)
    assert found["cer"]["value"] is None
    assert found["hour"]["value"] == found["date"]["value"] == 1
    assert "0 extra rows" in station.good("accuracy")


def test_rows_that_were_left_untyped_are_neither_right_nor_wrong(station: Station) -> None:
    truth(station, 1, sheet(row(0, TEXTS[0]), row(1, ""), row(2, "")))
    put(station, 1, sheet(*rows(*TEXTS)))
    found = report(station)
    section = found["sections"][0]
    assert section["rows"]["extra"] == 1  # row 3, which the draft did not list
    assert section["figures"]["row_recall"]["n"] == 1
    assert found["truth"]["pages"][0]["untyped_rows"] == 2
    assert "2 rows were left untyped" in station.good("accuracy")


def test_a_draft_with_a_name_and_nothing_typed_does_not_count(station: Station) -> None:
    both(station, 1, *TEXTS)
    truth(station, 2, sheet(row(0, ""), row(1, " ")))
    put(station, 2, sheet(*rows(*TEXTS)))
    done = station.make("accuracy")
    assert "2 rows to be typed, and none is: not counted" in done.stderr
    assert "truth: 1 pages" in done.stdout


def test_the_digest_changes_with_the_truth_that_counts_and_with_nothing_else(
    station: Station,
) -> None:
    both(station, 1, *TEXTS)
    path = truth(station, 1, sheet(*rows(*TEXTS)))
    digest = report(station)["truth"]["digest"]
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    truth(station, 2, sheet(*rows("No name")), None)
    put(station, 1, sheet())
    assert report(station)["truth"]["digest"] == digest
    assert digest[:16] in station.good("accuracy")
    truth(station, 1, sheet(*rows(*TEXTS[:3], "The Fall - Bremem")))
    assert report(station)["truth"]["digest"] != digest


def test_nothing_but_the_report_is_written(station: Station) -> None:
    both(station, 1, *TEXTS)
    station.good("accuracy")
    before = station.tree()
    station.good("accuracy")
    after = station.tree()
    assert before == after
    assert {path for path in after if not path.startswith(("jobs.db", "truth", "results"))} == {
        "accuracy/report.html"
    }


# --- the page ------------------------------------------------------------------------------------


def test_each_wrong_row_is_cut_out_of_its_scan(station: Station) -> None:
    station.rendered(1)
    forms.form_with([[0, 1], [], [], []], shift=9).save(station.png(1))
    truth(station, 1, sheet(*rows(*TEXTS[:2])))
    put(station, 1, sheet(*rows(TEXTS[0], "Pixies - Debuser")))
    station.good("accuracy")
    page = html(station)
    assert page.count('<article class="row"') == page.count('src="data:image/png;base64,') == 1
    assert "Pixies - Deb<del>a</del>ser" in page
    assert "Pixies - Deb<ins>u</ins>ser" in page


def test_hostile_text_is_inert(station: Station) -> None:
    truth(station, 1, sheet(row(0, f"a {HOSTILE}")), {"real_name": HOSTILE})
    put(station, 1, sheet(row(0, f"{HOSTILE} \x1b[31m \u202e b")))
    said = station.good("accuracy")
    assert "\x1b" not in said
    page = html(station)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_a_missing_scan_is_said_and_no_error(station: Station) -> None:
    both(station, 1, *TEXTS[:3])
    station.good("accuracy")
    assert "Its scan is missing" in html(station)


def test_the_page_stays_small_and_says_what_it_shows(station: Station) -> None:
    for number in range(1, 12):
        truth(station, number, sheet(*rows(*[f"row {n}" for n in range(20)])))
        put(station, number, sheet(*rows(*["x"] * 20)))
    station.good("accuracy")
    assert html(station).count('<article class="row"') == 150
    assert "150 of 220, the worst" in html(station)


# --- two folders ---------------------------------------------------------------------------------


def test_two_folders_are_compared_page_by_page(station: Station) -> None:
    for number in range(1, 7):
        both(station, number, *TEXTS)
        wrong = ("Lsh - Swetnes", *TEXTS[1:]) if number < 6 else TEXTS
        read(station, "other", number, sheet(*rows(*wrong)))
    truth(station, 7, sheet(*rows("Of one alone")))
    put(station, 7, sheet())
    found = report(station, "B=other")["comparisons"]
    assert [len(one["pages"]) for one in found] == [6]
    cer = found[0]["figures"]["cer"]
    assert cer["a"] == 0
    assert cer["difference"]["value"] == pytest.approx(cer["b"])
    assert (cer["pages_higher"], cer["pages_lower"], cer["pages_equal"]) == (5, 0, 1)
    assert cer["p"] == 2 / 2**5
    assert len(cer["deciding"]) == 5
    said = station.good("accuracy", "A=results", "B=other")
    assert re.search(r"B: without a result: 1 \(.*page-07\)", said)
    assert "A has fewer characters in error" in said
    assert "5 of 6 pages that would be gone: 1990/April 1990/" in said


def test_a_folder_compared_with_itself_does_not_differ(station: Station) -> None:
    both(station, 1, *TEXTS[:2])
    assert "the same share" in station.good("accuracy", "A=results", "B=results")


def test_without_truth_two_folders_agree_or_do_not(station: Station) -> None:
    for number in range(1, 4):
        put(station, number, sheet(*rows(*TEXTS)))
        read(station, "other", number, sheet(*rows(TEXTS[0], "PIXIES: Debaser", TEXTS[2])))
    one = report(station, "B=other")["agreement"]
    other = report(station, "A=other", "B=results")["agreement"]
    assert one["differ"] == other["differ"]
    assert one["differ"]["rows"]["value"] == 0.25
    assert one["differ"]["row_text"]["value"] == 1 / 3
    assert one["differ"]["row_text.lenient"]["value"] == 0
    assert one["rows_of_a_alone"] == other["rows_of_b_alone"] == 3
    said = station.good("accuracy", "B=other")
    assert "neither being the right one" in said
    assert "rows of A alone: 3" in said


def test_a_folder_may_be_anywhere_and_has_to_be_there(station: Station, tmp_path: Path) -> None:
    both(station, 1, *TEXTS)
    away = station.data.parent / "away with blanks"
    read(station, "../away with blanks", 1, sheet(*rows(*TEXTS)))
    assert report(station, f"B={away}")["comparisons"][0]["figures"]["cer"]["b"] == 0
    assert "B: 'nowhere' is not a folder" in station.error("accuracy", "B=nowhere")
    (tmp_path / "empty").mkdir()
    error = station.error("accuracy", f"B={tmp_path / 'empty'}")
    assert "have no page in common" in error


def test_a_wrong_format_is_one_line(station: Station) -> None:
    both(station, 1, *TEXTS)
    assert "FORMAT" in station.error("accuracy", "FORMAT=xml")


def test_without_results_one_line_says_so(station: Station) -> None:
    truth(station, 1, sheet(*rows(*TEXTS)))
    assert "results: is missing" in station.error("accuracy")


def test_a_folder_of_a_name_that_is_no_text_is_a_line(station: Station) -> None:
    pdf = "1990/two  blanks\u00a0é.pdf"
    truth(station, 1, sheet(*rows(*TEXTS)), pdf=pdf)
    put(station, 1, sheet(*rows(*TEXTS)), pdf)
    odd = station.data / "truth" / "odd\udcff" / "page-01.json"
    odd.parent.mkdir()
    odd.write_text("{}")
    done = station.make("accuracy", "FORMAT=json")
    assert done.returncode == 0
    assert "not UTF-8" in done.stderr
    found = json.loads(done.stdout)
    assert len(found["truth"]["unusable"]) == len(found["truth"]["pages"]) == 1
    assert "is not a folder" in station.error("accuracy", "A=~nobody-of-that-name/x")


def test_a_verified_page_whose_file_is_gone_is_a_line(station: Station) -> None:
    both(station, 1, *TEXTS)
    put(station, 2, sheet())
    save(station, 2, sheet()).unlink()
    done = station.make("accuracy")
    assert done.returncode == 0
    assert "page 2: not counted" in done.stderr
