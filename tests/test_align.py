"""Which row is which: rows are told apart as equal, misread, missing, extra and shifted."""

from flowsheets.accuracy.align import align
from flowsheets.page.schema import Entry
from readings import TEXTS, block, entry


def kinds(truth: list[Entry], read: list[Entry]) -> list[str]:
    return [pair.kind for pair in align(truth, read)]


def test_one_row_too_many_at_the_top_costs_one_row() -> None:
    read = [entry(0, "CLASSIC ROCK"), *block(*TEXTS, first=1)]
    assert kinds(block(*TEXTS), read) == ["extra", *["shifted"] * 5]
    for pair in align(block(*TEXTS), read)[1:]:
        assert pair.truth is not None
        assert pair.read is not None
        assert pair.truth.raw_text == pair.read.raw_text


def test_a_block_read_badly_and_a_row_too_low_is_still_aligned() -> None:
    worse = ["Lsh Swetnes ard Liqht", "Pixes Debuser", "Te Fal Hot te Nrth", "Galxie 50 Tugbat"]
    read = [entry(0, "~"), *block(*worse, first=1)]
    assert kinds(block(*TEXTS[:4]), read) == ["extra", *["shifted"] * 4]


def test_a_row_that_was_left_out_is_missing_and_the_others_are_found() -> None:
    without_a_gap = block(*TEXTS[:2], *TEXTS[3:])
    assert kinds(block(*TEXTS), without_a_gap) == [
        "equal",
        "equal",
        "missing",
        "shifted",
        "shifted",
    ]
    with_a_gap = [one for one in block(*TEXTS) if one.row_index != 2]
    assert kinds(block(*TEXTS), with_a_gap) == ["equal", "equal", "missing", "equal", "equal"]


def test_a_row_without_a_right_letter_is_one_row_read_wrongly() -> None:
    read = block(TEXTS[0], "XYZQ WVU KJH", TEXTS[2])
    assert kinds(block(*TEXTS[:3]), read) == ["equal", "text", "equal"]


def test_equal_texts_go_to_the_nearer_row() -> None:
    truth = [entry(0, "PSA"), entry(10, "PSA"), entry(20, "PSA")]
    read = [entry(11, "PSA")]
    assert kinds(truth, read) == ["missing", "shifted", "missing"]


def test_two_rows_that_changed_places_are_not_two_right_rows() -> None:
    swapped = block(TEXTS[1], TEXTS[0], *TEXTS[2:])
    found = kinds(block(*TEXTS), swapped)
    assert found.count("equal") == 3
    assert sorted(found) != sorted(kinds(block(*TEXTS), block(*TEXTS)))


def test_an_empty_block_and_empty_rows() -> None:
    blank = [entry(3, ""), entry(4, "  ", type_raw=" ")]
    assert kinds([], []) == []
    assert kinds([], blank) == []
    assert kinds(blank, block(TEXTS[0])) == ["extra"]
    assert kinds(block(TEXTS[0]), []) == ["missing"]
    letter_alone = [entry(0, "", type_raw="H")]
    assert kinds(letter_alone, letter_alone) == ["equal"]


def test_rows_in_another_order_are_rows_by_their_number() -> None:
    assert kinds(block(*TEXTS), block(*TEXTS)[::-1]) == ["equal"] * 5


def test_accents_written_in_two_ways_are_one_text() -> None:
    assert kinds(block("Björk - Venus"), block("Bjo\u0308rk - Venus")) == ["equal"]
    assert kinds(block("Lush"), block("LUSH")) == ["text"]


def test_every_row_is_in_one_pair() -> None:
    truth, read = block(*TEXTS), block(TEXTS[3], "x", TEXTS[0], *TEXTS, first=2)
    pairs = align(truth, read)
    assert [pair.truth for pair in pairs if pair.truth] == truth
    assert [pair.read for pair in pairs if pair.read] == read
