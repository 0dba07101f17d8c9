"""Texts and times as they are shown: on a terminal, and in a spreadsheet."""

from datetime import UTC, datetime

# What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection).
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain(text: str) -> str:
    """The text as one line without control characters, so that it is safe on a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def shortened(text: str, letters: int) -> str:
    """`plain`, cut to so many letters where it is longer."""
    line = plain(text)
    return line if len(line) <= letters else f"{line[: letters - 3]}..."


def age(since: datetime | None) -> str:
    """The time since then, in minutes, hours or days; 0 min for a time in the future, or none."""
    if since is None:
        return "0 min"
    minutes = max(int((datetime.now(UTC) - since).total_seconds()) // 60, 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def harmless(cell: object) -> object:
    """The cell of a CSV, with a single quote before it where a spreadsheet would take it for a
    formula.
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_TRIGGERS) else cell
