"""Cells of a table that a spreadsheet may open: what came from a server is text there, and never a formula."""

from __future__ import annotations

from typing import TypeVar

_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # those of full width too
_T = TypeVar("_T")


def cell(value: _T) -> _T | str:
    """Give a value as it is written into a cell: a text that would begin a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS) else value


def uncelled(text: str) -> str:
    """Give the text that a cell stands for."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_BEGINS) else text
