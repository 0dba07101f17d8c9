"""What of a text is compared: strictly, and without case, punctuation and blanks.

strict   in Unicode's NFC, without the blanks at both ends, which nobody sees
lenient  casefolded as well, and without every character of the Unicode categories P (punctuation)
         and Z (separators), and every other blank, tabs and line breaks; symbols (S) stay
Words are what blanks divide; of a lenient word what is left, if anything.
"""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=65536)
def strict(text: str | None) -> str:
    """The text to compare strictly; empty for null."""
    return unicodedata.normalize("NFC", text or "").strip()


@lru_cache(maxsize=65536)
def lenient(text: str | None) -> str:
    """The text without case, punctuation and blanks; empty for null."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text or "").casefold())
    return "".join(letter for letter in folded if not _is_dropped(letter))


def strict_words(text: str | None) -> list[str]:
    """The words of the text, as they are."""
    return strict(text).split()


def lenient_words(text: str | None) -> list[str]:
    """The words of the text without case and punctuation; punctuation alone is no word."""
    return [word for word in map(lenient, strict(text).split()) if word]


def _is_dropped(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter)[0] in "PZ"
