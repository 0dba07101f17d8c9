"""Artist and track of a row's text, and by which rule: a hint beside the verbatim text."""

import re
from typing import NamedTuple

# One dash with room on both sides; X-Ray Spex is a name. A cell may have any length, so no
# pattern here goes over the same letters twice.
_DASH = re.compile(r"\s[-–—]\s")
_WORD = re.compile(r"[^\W_][\W_]*[^\W_]")  # two letters or digits; less is a ditto mark
_QUOTE = re.compile('["“”„«»]')
# What parts a row less surely: a dash with room on one side, or a gap.
_LESS_SURE = {"half_dash": re.compile(r"[-–—]\s|\s[-–—]"), "gap": re.compile(r"\s\s")}


class Parts(NamedTuple):
    """`artist` and `track` by a sign between them, or else `guess`: a text that may be an artist.

    `rule` is how: one_dash, first_dash, quotes, colon; half_dash, gap, whole_row for a guess.
    """

    artist: str | None = None
    track: str | None = None
    guess: str | None = None
    rule: str | None = None


def of(text: str | None) -> Parts:
    """What a row's text with its continuation rows says; nothing where it has no word."""
    text = (text or "").strip()
    if not _WORD.search(text):
        return Parts()
    return _dashed(text) or _quoted(text) or _with_colon(text) or _guess(text)


def _dashed(text: str) -> Parts | None:
    artist, *rest = _DASH.split(text, maxsplit=1)
    if not rest or not artist.strip() or not rest[0].strip():
        return None
    rule = "first_dash" if _DASH.search(rest[0]) else "one_dash"
    return Parts(artist.strip(), rest[0].strip(), rule=rule)


def _quoted(text: str) -> Parts | None:
    """Thee Hypnotics "Justice In Freedom" (live): the row may end before the quote does, and only
    brackets may follow it. Clarence "Frogman" Henry is a name.
    """
    artist, *rest = _QUOTE.split(text, maxsplit=2)
    if not rest:
        return None
    more = rest[1].strip() if len(rest) == 2 else ""
    in_brackets = more.startswith("(") and more.endswith(")") and not _QUOTE.search(more)
    if more and not in_brackets:
        return None
    return _both(artist, f"{rest[0].strip()} {more}", "quotes")


def _with_colon(text: str) -> Parts | None:
    """Christine Lavin: Moving Target; 2:30 is a time."""
    artist, _, track = text.partition(":")
    if not track[:1].isspace() or not any(letter.isalpha() for letter in artist):
        return None
    return _both(artist, track, "colon")


def _both(artist: str, track: str, rule: str) -> Parts | None:
    """Artist and track, if there is a word on both sides."""
    sides = artist.strip(), track.strip()
    if not all(any(letter.isalnum() for letter in side) for side in sides):
        return None
    return Parts(*sides, rule=rule)


def _guess(text: str) -> Parts:
    if text.startswith(("-", "–", "—")) or _QUOTE.match(text):  # a track without its artist
        return Parts()
    for rule, sign in _LESS_SURE.items():
        if found := sign.search(text):
            return Parts(guess=text[: found.start()].rstrip(" -–—"), rule=rule)
    return Parts(guess=text, rule="whole_row")
