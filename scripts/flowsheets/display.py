"""Cells of a CSV: a text that a spreadsheet would take for a formula is made plain text."""

# What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection).
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: object) -> object:
    """The cell, with a single quote before it where it would be a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_TRIGGERS) else cell
