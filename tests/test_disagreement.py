"""What two readings of a page have differently, field by field."""

import pytest

from flowsheets.accuracy import disagreement
from flowsheets.accuracy.disagreement import MODEL, OCR, Witness
from flowsheets.page.schema import PageReading
from readings import TEXTS, block, entry, page


def fields(first: PageReading, second: PageReading, witness: Witness = MODEL) -> list[str]:
    return [one.field for one in disagreement.of(first, second, witness)]


def test_the_same_page_twice_disagrees_in_nothing() -> None:
    one = page(block(*TEXTS))
    assert disagreement.of(one, page(block(*TEXTS))) == []
    assert disagreement.of(page(), page()) == []


def test_case_punctuation_and_blanks_are_no_disagreement() -> None:
    assert fields(page(block("Lush - Sweetness")), page(block("LUSH: sweetness "))) == []


def test_each_field_is_named_with_both_writings() -> None:
    first = page([entry(0, "Lush - Sweetness", type_raw="H")])
    second = page([entry(0, "Rush - Sweetness", type_raw="M")], page_date_raw="4/7/90")
    second.quadrants[0].hour_raw, second.quadrants[0].jock_raw = "10", "ANDY"
    found = {one.field: (one.first, one.second) for one in disagreement.of(first, second)}
    assert found == {
        "date": ("4/1/90", "4/7/90"),
        "hour": ("9", "10"),
        "dj": ("ANDREA", "ANDY"),
        "text": ("Lush - Sweetness", "Rush - Sweetness"),
        "circle": ("H", "M"),
    }


def test_a_row_too_many_at_the_top_is_one_row_and_one_shift() -> None:
    first, second = block(*TEXTS), [entry(0, "Can - Vitamin C"), *block(*TEXTS, first=1)]
    found = disagreement.of(page(first), page(second))
    assert [one.field for one in found] == ["rows"] + ["shift"] * len(TEXTS)
    assert [(one.row_index, one.second_row) for one in found[1:3]] == [(0, 1), (1, 2)]
    assert disagreement.score(found) == disagreement.ROW + disagreement.SHIFT


def test_two_neighbouring_rows_with_nothing_in_common_are_one_shift() -> None:
    first = page(block("Lush - Sweetness", "AAAA BBBB", "CCCC DDDD", "Prong - Lost"))
    second = page(block("Lush - Sweetness", "1234 5678", "9012 3456", "Prong - Lost"))
    found = disagreement.of(first, second)
    assert [one.field for one in found] == ["shift", "shift"]
    assert disagreement.score(found) == disagreement.SHIFT
    lone = page(block("Lush - Sweetness", "1234 5678", "CCCC DDDD", "Prong - Lost"))
    assert fields(first, lone) == ["text"], "a row alone is read otherwise"


def test_two_shifts_with_a_good_row_between_are_two() -> None:
    first = page([entry(0, TEXTS[0]), entry(5, TEXTS[1]), entry(10, TEXTS[2])])
    second = page([entry(1, TEXTS[0]), entry(5, TEXTS[1]), entry(11, TEXTS[2])])
    assert disagreement.score(disagreement.of(first, second)) == 2 * disagreement.SHIFT


def test_text_that_wraps_is_the_same_in_one_row_or_in_two() -> None:
    one = [entry(0, "Nick Cave - Jesus Met The Woman At The Well", notes="double_height")]
    two = [entry(0, "Nick Cave - Jesus Met The Woman"), entry(1, "At The Well")]
    assert fields(page(one), page(two)) == fields(page(two), page(one)) == []
    above = [entry(0, "At The Well"), entry(1, "Nick Cave - Jesus Met The Woman")]
    low = [entry(1, "At The Well Nick Cave - Jesus Met The Woman")]
    assert fields(page(low), page(above)) == []


def test_a_reading_without_any_type_letter_is_one_disagreement() -> None:
    first = page(block(*TEXTS))
    second = page([entry(row, text, type_raw="H") for row, text in enumerate(TEXTS)])
    (found,) = disagreement.of(first, second)
    assert (found.field, found.first, found.second) == (
        "circle",
        "0 type letters",
        "5 type letters",
    )
    assert fields(first, second, OCR) == []


def test_a_poor_reader_is_believed_where_it_is_far_from_its_usual() -> None:
    first = page(block("The Blue Aeroplanes - World View Blue"))
    poor = page(block("The Blue Aesoplmes -horld vieiBlue"))
    other = page(block("Kingston Trio - Tom Dooley"))
    assert fields(first, poor) == ["text"]
    assert fields(first, poor, OCR) == []
    assert fields(first, other, OCR) == ["text"]


@pytest.mark.parametrize(("confidence", "expected"), [("high", ["rows"]), ("low", [])])
def test_specks_that_a_poor_reader_takes_for_a_row_are_none(
    confidence: str, expected: list[str]
) -> None:
    first = page(block(*TEXTS[:2]))
    second = page([*block(*TEXTS[:2]), entry(9, "q 1 D", confidence=confidence)])
    assert fields(first, second, OCR) == expected


def test_what_differs_is_told_in_words_and_more_of_it_scores_higher() -> None:
    first = page(block(*TEXTS))
    little = disagreement.of(first, page(block(*TEXTS[:-1])))
    much = disagreement.of(first, page(block(*TEXTS[:2]), page_date_raw=None))
    assert disagreement.in_words(little) == "1 row that one of them lacks"
    assert disagreement.in_words(much) == "the date, 3 rows that one of them lacks"
    assert disagreement.score(little) < disagreement.score(much)
