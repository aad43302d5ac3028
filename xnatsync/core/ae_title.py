"""AE titles: the names by which DICOM applications call each other."""

from __future__ import annotations

from typing import Final

from xnatsync.core.errors import Usage

LONGEST: Final = 16


def checked_title(given: str, what: str) -> str:
    """Return a title without the blanks around it; Usage when it can be none (PS3.5, AE).  `what` names whose it is."""
    title = given.strip(" ")
    if title and len(title) <= LONGEST and title.isascii() and title.isprintable() and "\\" not in title:
        return title
    raise Usage(
        f"{what} {given!r} is no AE title",
        advice=f"An AE title has 1 to {LONGEST} printable ASCII characters, and no backslash.",
    )
