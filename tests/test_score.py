"""Known edits give known figures, and jiwer agrees on them."""

import random

import jiwer
import pytest

from flowsheets.accuracy import score, words
from flowsheets.accuracy.score import Counts, page_counts, total
from readings import TEXTS, block, entry, page

TRUTH = page(block(*TEXTS), block("PSA"))


def test_a_page_read_as_it_is_has_no_fault() -> None:
    counts = page_counts(TRUTH, TRUTH)
    assert (score.cer(counts), score.wer(counts), score.row_recall(counts)) == (0, 0, 1)
    assert counts["rows"] == counts["equal"] == counts["strict.right"] == 6
    assert counts["hour.strict"] == counts["hour"] == 4


def test_known_edits_give_known_figures() -> None:
    truth = page([entry(0, "abcdefghij"), entry(1, "klmno pqrst")])  # 21 letters, 3 words
    read = page([entry(0, "abcdXfghij"), entry(1, "klmno pqr")])  # 1 and 2 edits, 2 words
    counts = page_counts(truth, read)
    assert score.cer(counts) == 3 / 21
    assert score.wer(counts) == 2 / 3
    assert counts["text"] == 2


def test_case_punctuation_and_blanks_count_strictly_alone() -> None:
    truth = page([entry(0, "R.E.M. - Stand"), entry(1, "Straße\tNo. 1")])
    read = page([entry(0, "rem stand"), entry(1, "STRASSE  No 1")])
    counts = page_counts(truth, read)
    assert score.cer_lenient(counts) == score.wer_lenient(counts) == 0
    assert (counts["lenient.right"], counts["strict.right"]) == (2, 0)
    assert score.cer(counts) != 0


def test_letters_that_look_alike_are_not_one_letter_but_two_spellings_are() -> None:
    assert words.strict("e\u0301") == words.strict("é")
    assert words.lenient("O'Connor") == words.lenient("o’connor") == "oconnor"
    assert words.lenient("€ 5 + 5") == "€5+5"  # symbols stay
    assert words.lenient("0") != words.lenient("O")


def test_a_missing_row_is_lost_letters_and_an_extra_one_made_up() -> None:
    missing = page_counts(TRUTH, page(block(*TEXTS[:4]), block("PSA")))
    letters = sum(map(len, TEXTS)) + 3
    assert score.cer(missing) == len(TEXTS[4]) / letters
    assert score.row_recall(missing) == 5 / 6
    extra = page_counts(TRUTH, page([*block(*TEXTS), entry(9, "NEW")], block("PSA")))
    assert score.cer(extra) == 3 / letters
    assert (score.row_recall(extra), score.row_precision(extra)) == (1, 6 / 7)


def test_one_row_too_many_at_the_top_costs_that_row() -> None:
    read = page([entry(0, "NEW"), *block(*TEXTS, first=1)], block("PSA"))
    counts = page_counts(TRUTH, read)
    assert counts["strict.edits"] == 3
    assert (counts["shifted"], counts["extra"], counts["strict.right"]) == (5, 1, 6)


def test_empty_read_as_empty_is_right() -> None:
    empty = page(page_date_raw=None)
    for quadrant in empty.quadrants:
        quadrant.hour_raw = quadrant.jock_raw = None
    counts = page_counts(empty, empty)
    assert counts["hour.strict"] == counts["hour"] == 4
    assert (counts["hour.filled"], counts["date.strict"], counts["date.filled"]) == (0, 1, 0)
    assert score.cer(counts) is None  # nothing to read wrongly
    both = total([counts, page_counts(TRUTH, TRUTH)])
    assert (score.cer(both), score.row_recall(both)) == (0, 1)


def test_a_block_that_nobody_has_begun_with_does_not_count() -> None:
    begun = page([entry(0, "Lush"), entry(1, "")], [entry(0, ""), entry(3, " ")])
    begun.page_date_raw = begun.quadrants[1].hour_raw = begun.quadrants[1].jock_raw = None
    read = page([entry(0, "Lush"), entry(1, "Prong")], [entry(0, "Pixies"), entry(1, "Prong")])
    counts = page_counts(begun, read)
    assert (counts["hour"], counts["jock"], counts["date"], counts["extra"]) == (3, 3, 0, 0)
    assert counts["hour.strict"] == 3
    begun.quadrants[1].hour_raw = "9"  # begun with: what is not there is not on the page
    counts = page_counts(begun, read)
    assert (counts["hour"], counts["jock.strict"], counts["date"], counts["extra"]) == (4, 3, 1, 1)


def test_an_empty_page_with_made_up_rows_shows_in_the_extra_rows() -> None:
    empty = page()
    counts = page_counts(empty, TRUTH)
    assert (counts["extra"], counts["rows"]) == (6, 0)
    assert score.row_precision(counts) == 0


def test_an_endless_repetition_counts_as_one_page_that_is_wrong() -> None:
    endless = page([entry(row, "la la la la la") for row in range(200)])
    counts = page_counts(TRUTH, endless)
    assert (score.cer(counts), score.wer(counts)) == (1, 1)
    assert score.cer(total([counts, page_counts(TRUTH, TRUTH)])) == 0.5


def test_a_page_without_a_result_has_all_rows_missing_and_says_so() -> None:
    counts = page_counts(TRUTH, None)
    assert (counts["unread"], counts["pages"], counts["missing"], counts["rows"]) == (1, 1, 6, 6)
    assert (score.cer(counts), score.row_recall(counts)) == (1, 0)
    assert counts["hour"] == 0


def test_circle_hour_jock_and_date_count_where_they_are_filled() -> None:
    truth = page([entry(0, "Lush", type_raw="Std."), entry(1, "Prong")])
    read = page([entry(0, "Lush", type_raw="std"), entry(1, "Prong", type_raw="H")])
    read.page_date_raw = "4/2/90"
    read.quadrants[3].jock_raw = None
    counts = page_counts(truth, read)
    assert (counts["circle"], counts["circle.strict"], counts["circle.lenient"]) == (2, 0, 1)
    assert (counts["circle.filled"], counts["circle.filled.lenient"]) == (1, 1)
    assert (counts["jock"], counts["jock.strict"], counts["date.strict"]) == (4, 3, 0)


def test_notes_are_a_confusion_table() -> None:
    truth = page([entry(0, TEXTS[0], notes="crossed_out"), entry(1, TEXTS[1]), entry(2, TEXTS[2])])
    read = page([entry(0, TEXTS[0]), entry(1, TEXTS[1], notes="crossed_out"), entry(5, "zzzzzzz")])
    counts = page_counts(truth, read)
    assert counts["notes.crossed_out.none"] == 1
    assert counts["notes.none.crossed_out"] == 1
    assert counts["notes.none.missing"] == counts["notes.extra.none"] == 1


def test_each_stated_confidence_has_its_share_of_wrong_rows() -> None:
    read = page(
        [
            entry(0, TEXTS[0], confidence="high"),
            entry(1, TEXTS[1].upper(), confidence="high"),
            entry(2, "?", confidence="low"),
        ]
    )
    counts = page_counts(page(block(*TEXTS[:3])), read)
    assert (counts["confidence.high"], counts["confidence.high.strict"]) == (2, 1)
    assert counts["confidence.high.lenient"] == 0
    assert (counts["confidence.low"], counts["confidence.low.strict"]) == (1, 1)
    assert counts["confidence.medium"] == 0


def test_counts_add_up() -> None:
    one, other = page_counts(TRUTH, TRUTH), page_counts(TRUTH, page(block(*TEXTS[:2])))
    both = one + other
    assert isinstance(both, Counts)
    assert both == total([one, other])
    assert both["rows"] == 12
    assert (one + one)["missing"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_jiwer_agrees_to_the_last_digit(seed: int) -> None:
    drawn = random.Random(seed)
    pairs = [(text := _text(drawn), _spoilt(text, drawn)) for _ in range(84)]
    lost = set(drawn.sample(range(84), 6))
    pairs = [(text, "" if n in lost else read) for n, (text, read) in enumerate(pairs)]
    truth, read = (
        page(*[block(*side[at : at + 21]) for at in range(0, 84, 21)])
        for side in zip(*pairs, strict=True)
    )
    counts = page_counts(truth, read)
    assert (counts["missing"], counts["extra"]) == (6, 0)
    references, readings = ([*side] for side in zip(*pairs, strict=True))
    assert score.cer(counts) == jiwer.cer(references, readings)
    assert score.wer(counts) == jiwer.wer(references, readings)


def _text(drawn: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHéöß-'&. "
    return "x" + "".join(drawn.choice(letters) for _ in range(drawn.randint(3, 40)))


def _spoilt(text: str, drawn: random.Random) -> str:
    """The text with some letters left out, changed or doubled, never all of them."""
    spoilt = [drawn.choice(["", "#", c * 2]) if drawn.random() < 0.15 else c for c in text]
    return "x" + "".join(spoilt[1:])
