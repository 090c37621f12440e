"""Cells of CSVs that people open in spreadsheets: none of them is run there as a formula (ADR 45). Pure."""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")
SAVED = r"'*[=+\-@\t\r]"
"""How a text begins that gets an apostrophe. One that has some already gets one more, so that each can be read back."""
_AT_RISK = re.compile(SAVED)
_SAVED = re.compile(f"'{SAVED}")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet that opens a CSV with this in a cell may run it."""
    return text.startswith(FORMULA)


def harmless(text: str) -> str:
    """The text as it is written into a CSV: behind an apostrophe where a spreadsheet would run it."""
    return f"'{text}" if _AT_RISK.match(text) else text


def as_meant(cell: str) -> str:
    """The text that `harmless` made this cell of."""
    return cell[1:] if _SAVED.match(cell) else cell
