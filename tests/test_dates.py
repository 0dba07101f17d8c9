"""Dates: in a PDF's name, on a page, and the two held against each other."""

from datetime import date

import pytest

from flowsheets.page import dates

APRIL = (date(1990, 4, 1), date(1990, 4, 6))
PDF = "1990/April 1990/1990-04apr0106.pdf"


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("1990-04apr0106", "1990-04-01", "1990-04-06"),
        ("1990-03mar2831", "1990-03-28", "1990-03-31"),
        ("1990-04apr2905", "1990-04-29", "1990-05-05"),
        ("1990-12dec3005", "1990-12-30", "1991-01-05"),
        ("1992-02feb2901", "1992-02-29", "1992-03-01"),
        ("1990-04apr07", "1990-04-07", "1990-04-07"),
        ("1990-04Apr01-06", "1990-04-01", "1990-04-06"),
        ("1990-04apr0106 second scan", "1990-04-01", "1990-04-06"),
    ],
)
def test_a_name_says_its_days(name: str, first: str, last: str) -> None:
    span = dates.span(f"1990/April 1990/{name}.PDF")
    assert span == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "name", ["flowsheets", "1990-04may0106", "1990-04apr3131", "1990-13abc0106", "1990-04apr010607"]
)
def test_a_name_that_does_not_say_is_not_guessed_at(name: str) -> None:
    assert dates.span(f"1990/{name}.pdf") is None


@pytest.mark.parametrize(
    ("raw", "day"),
    [
        ("Sun 4/1/90", 1),
        ("Sunday 4/1/90", 1),
        ("TUES 4/3/90", 3),
        ("Mon. 4/2/90", 2),
        ("Weds April 4 1990", 4),
        ("Thurs. Apr. 5, '90", 5),
        ("4 / 2 / 1990", 2),
        ("4-5", 5),
        ("April 3rd", 3),
        ("Tues 3", 3),
        ("Sun. night 4/1/90", 1),
        ("Friday", 6),
    ],
)
def test_writings_of_a_date_are_read(raw: str, day: int) -> None:
    assert dates.written(raw, APRIL) == date(1990, 4, day)
    assert dates.agreed(PDF, raw) == f"1990-04-{day:02d}"
    assert dates.contradiction(PDF, raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "??",
        "2 AM",
        "April",
        "1990",
        "Sat",
        "4/31/90",
        "4/1/9",
        "4/1-2/90",
        "<script>",
        "9",
    ],
)
def test_what_cannot_be_read_for_sure_is_no_date_and_no_contradiction(raw: str | None) -> None:
    assert dates.written(raw, APRIL) is None
    assert dates.contradiction(PDF, raw) is None


def test_a_gap_is_filled_only_where_one_day_fits() -> None:
    two_weeks = (date(1990, 4, 1), date(1990, 4, 14))
    assert dates.written("Sunday", two_weeks) is None
    assert dates.written("Sunday", None) is None
    assert dates.written("4/5", None) is None
    assert dates.written("4/5/90", None) == date(1990, 4, 5)


@pytest.mark.parametrize("raw", ["Sun 7/1/90", "4/7", "4/1/91", "Mon 1/2/90"])
def test_a_date_outside_the_name_contradicts_it(raw: str) -> None:
    assert dates.contradiction(PDF, raw) == f'"{raw}" is not within 1 to 6 April 1990'
    assert dates.agreed(PDF, raw) is None
    assert dates.contradiction("unknown.pdf", raw) is None


def test_a_span_is_told_as_people_say_it() -> None:
    told = {
        "1990-04apr2905": "29 April to 5 May 1990",
        "1990-12dec3005": "30 December 1990 to 5 January 1991",
        "1990-04apr07": "7 April 1990",
    }
    for name, days in told.items():
        assert dates.contradiction(f"{name}.pdf", "8/8/90") == f'"8/8/90" is not within {days}'


def test_years_that_no_station_had_are_no_dates() -> None:
    assert dates.span("9999-12dec3101.pdf") is None
    assert dates.span("0990-04apr0106.pdf") is None
