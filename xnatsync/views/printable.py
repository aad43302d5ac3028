"""Text from outside as it may be shown: what would not be seen, or would steer a terminal, is escaped."""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str) -> str:
    """Escape what would not be seen: a file's name or a server's words must not steer the terminal."""
    if text.isprintable():  # what Python takes for that holds nothing of the kind
        return text
    return "".join(
        char if unicodedata.category(char) not in _UNSEEN else char.encode("unicode_escape").decode() for char in text
    )
