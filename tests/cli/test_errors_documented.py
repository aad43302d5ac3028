"""docs/errors.md knows every code."""

from __future__ import annotations

import re

import pytest

from cli_world import REPOSITORY
from xnatsync.core.errors import Disposition, XnatsyncError

WORDS = {
    Disposition.RETRY: "again",
    Disposition.PAUSE: "pause",
    Disposition.LOOK: "look",
    Disposition.REFUSED: "refused",
    Disposition.PERSON: "person",
    Disposition.BUG: "stop",
}


def family(error: type[XnatsyncError]) -> list[type[XnatsyncError]]:
    return [error, *(child for below in error.__subclasses__() for child in family(below))]


def rows(page: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for line in page.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split(" | "))
        if (code := re.fullmatch(r"`(XS-[A-Z-]+)`", cells[0])) is not None:
            found[code.group(1)] = cells[1:]
    return found


PAGE = rows((REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8"))
OWN = sorted(
    (error for error in family(XnatsyncError) if "code" in vars(error) and error.__module__ == "xnatsync.core.errors"),
    key=lambda error: error.code,
)


@pytest.mark.parametrize("error", OWN, ids=lambda error: error.code)
def test_every_code_is_documented(error: type[XnatsyncError]) -> None:
    """Each code is on the page with its exit code, what happens by itself, its meaning and its remedy."""
    exit_code, by_itself, meaning, remedy = PAGE[error.code]

    assert (str(error.exit_code), WORDS[error.disposition]) == (exit_code, by_itself)
    assert len(meaning) > 20
    assert remedy


def test_no_code_is_documented_that_is_not_there() -> None:
    """The page names no code that no error has."""
    assert sorted(PAGE) == sorted({error.code for error in OWN})


def test_a_code_belongs_to_one_class() -> None:
    """No two classes share a code."""
    codes = [error.code for error in OWN]

    assert sorted(set(codes)) == sorted(codes)


def test_the_reader_of_the_page_sees_what_is_missing() -> None:
    """A page without a row does not pass for one with it."""
    assert rows("| `XS-A` | 1 | stop | m | r |\n| XS-B | 1 | stop | m | r |") == {"XS-A": ("1", "stop", "m", "r")}
