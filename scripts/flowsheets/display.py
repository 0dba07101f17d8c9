"""What is fit to be shown: ages, and cells of a CSV that no spreadsheet takes for a formula."""

from datetime import timedelta

# What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection).
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: object) -> object:
    """The cell, with a single quote before it where it would be a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_TRIGGERS) else cell


def age(since: timedelta) -> str:
    """How long, in the unit that says enough: minutes, hours or days."""
    minutes = max(int(since.total_seconds()) // 60, 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"
