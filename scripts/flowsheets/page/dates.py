"""Dates: those in a PDF's name, the one written on a page, and whether both can be right.

The PDF's name is the archive's word on what is in it, the date at the top of a sheet the DJ's. A
page whose writing contradicts its name may be another page's text: nobody else has to be trusted
to see it.
"""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import ClassVar, NamedTuple

from dateutil.parser import parser, parserinfo  # type: ignore[import-untyped]

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# 1990-04apr0106: year, month twice, first and last day; 1990-04apr01: one day.
_NAME = re.compile(
    r"(?P<year>(?:19|20)\d\d)[-_ ]?(?P<month>\d{2})[-_ ]?(?P<word>[a-z]{3,9})[-_ ]?"
    r"(?P<first>\d{2})[-_ ]?(?P<last>\d{2})?(?!\d)",
    re.IGNORECASE,
)
# A PDF holds a week or so; a last day below the first means the next month, if it is that near.
_LONGEST = timedelta(days=31)
# Characters of a writing that is read; `Sunday, the 1st of April 1990` has 29, a misread page more.
_LONGEST_WRITING = 100


class Fields(NamedTuple):
    """What a writing says of a date; None is left open. `weekday` is 0 for Monday."""

    year: int | None
    month: int | None
    day: int | None
    weekday: int | None

    def fits(self, day: date) -> bool:
        return (
            self.year in (None, day.year)
            and self.month in (None, day.month)
            and self.day in (None, day.day)
            and self.weekday in (None, day.weekday())
        )


class _Writings(parserinfo):  # type: ignore[misc]
    """American order, and the abbreviations that people write beside dateutil's own."""

    WEEKDAYS: ClassVar = [
        ("Mon", "Monday"),
        ("Tue", "Tues", "Tuesday"),
        ("Wed", "Weds", "Wednesday"),
        ("Thu", "Thur", "Thurs", "Thursday"),
        ("Fri", "Friday"),
        ("Sat", "Saturday"),
        ("Sun", "Sunday"),
    ]

    def convertyear(self, year: int, century_specified: bool = False) -> int:
        """Of a year in two digits: 1950 to 2049, whatever the year is when this runs."""
        return year if century_specified or year >= 100 else year + (1900 if year >= 50 else 2000)


_PARSER = parser(_Writings())

# Two days that differ in all that a date is made of: what a parser takes over from them was not
# written. Months and days lie so apart that no weekday after the one is the other's.
_SOME_DAY, _OTHER_DAY = datetime(1996, 5, 8), datetime(1998, 7, 23)


@lru_cache(maxsize=4096)
def span(pdf_path: str) -> tuple[date, date] | None:
    """First and last day of what is in a PDF, from its name; None where the name does not say.

    `1990-04apr0106` is 1 to 6 April 1990, `1990-04apr2905` ends in May, `1990-04apr01` is a day.
    """
    found = _NAME.search(PurePosixPath(pdf_path).stem)
    if not found or found["word"].lower()[:3] not in MONTHS:
        return None
    year, month = int(found["year"]), int(found["month"])
    if MONTHS.index(found["word"].lower()[:3]) + 1 != month:
        return None
    try:
        first = date(year, month, int(found["first"]))
        last = _next(first, int(found["last"])) if found["last"] else first
    except (ValueError, OverflowError):
        return None  # 31 April
    return (first, last) if last - first < _LONGEST else None


def written(raw: str | None, within: tuple[date, date] | None) -> date | None:
    """The date that a writing stands for; None where it cannot be read for sure.

    `Sun 4/1/90`, `April 3rd`, `4-5`: month before day. What is left open is taken from the days
    `within` if exactly one of them fits. A weekday beside a date is not asked for its opinion.
    """
    fields = _fields(raw or "")
    if fields is None:
        return None
    fitting = [day for day in _days(within) if fields.fits(day)]
    if len(fitting) == 1:
        return fitting[0]
    if fields.year and fields.month and fields.day:
        return date(fields.year, fields.month, fields.day)
    return None


def agreed(pdf_path: str, raw: str | None) -> str | None:
    """The written date in ISO, where the PDF's name and the writing agree."""
    within = span(pdf_path)
    day = written(raw, within)
    return day.isoformat() if day and day in _days(within) else None


def contradiction(pdf_path: str, raw: str | None) -> str | None:
    """Why the writing and the PDF's name cannot both be right, in a sentence; None where they can.

    A writing that cannot be read contradicts nothing; nor does a lone weekday, since a programme
    that began before midnight is sometimes dated by the evening.
    """
    within = span(pdf_path)
    fields = _fields(raw or "")
    if within is None or fields is None or not (fields.month and fields.day):
        return None
    if any(fields.fits(day) for day in _days(within)):
        return None
    return f'"{" ".join((raw or "").split())}" is not within {_plain(*within)}'


@lru_cache(maxsize=4096)
def _fields(raw: str) -> Fields | None:
    """What of a date is written; None where there is no day in it, or it cannot be read."""
    if len(raw) > _LONGEST_WRITING:
        return None
    one, other = _read(raw, _SOME_DAY), _read(raw, _OTHER_DAY)
    if one is None or other is None:
        return None
    year = one.year if one.year == other.year else None
    if year and f"{year % 100:02d}" not in raw:
        return None  # 4/1/9 breaks off, and the parser took it for 2009
    day = one.day if one.day == other.day else None
    weekday = one.weekday() if day is None and one.weekday() == other.weekday() else None
    if day is None and weekday is None:
        return None
    month = one.month if one.month == other.month else None
    return Fields(year, month, day, weekday)


def _read(raw: str, default: datetime) -> date | None:
    """dateutil's reading, with `default` for what is left open. Words beside a date are skipped."""
    try:
        plain = raw.replace("'", "")  # 4/1/'90
        read, skipped = _PARSER.parse(plain, default, ignoretz=True, fuzzy_with_tokens=True)
    except (ValueError, ArithmeticError):  # of decimal too, for a number of thirty digits
        return None
    # A digit that is left over may be what the date should have been.
    return None if any(letter.isdigit() for word in skipped for letter in word) else read.date()


def _days(within: tuple[date, date] | None) -> list[date]:
    if within is None:
        return []
    first, last = within
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _next(first: date, day: int) -> date:
    """The next day of that number, from `first` on: in its month, or in the one after."""
    if day >= first.day:
        return first.replace(day=day)
    return (first.replace(day=1) + timedelta(days=32)).replace(day=day)


def _plain(first: date, last: date) -> str:
    """`1 to 6 April 1990`, saying month and year once where they are the same."""
    if first == last:
        return f"{last.day} {last:%B %Y}"
    if first.year != last.year:
        return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
    if first.month != last.month:
        return f"{first.day} {first:%B} to {last.day} {last:%B %Y}"
    return f"{first.day} to {last.day} {last:%B %Y}"
