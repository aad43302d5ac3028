"""An item is complete when nothing of it has changed for the settle time."""

from __future__ import annotations

import itertools

import pytest

from xnatsync.core.moment import later
from xnatsync.core.settle import fingerprint, settles_at

NOON = "2026-03-01T12:00:00.000Z"
FILES = [("a/1", 10, 1_000), ("a/2", 20, 2_000)]
PROBLEMS = [("a/3", "permission denied")]


def test_the_order_in_which_a_folder_is_read_does_not_matter() -> None:
    """File systems list in any order, and differently after a remount."""
    prints = {fingerprint(files, PROBLEMS) for files in itertools.permutations(FILES)}

    assert len(prints) == 1


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        ([("a/1", 10, 1_000)], PROBLEMS),
        ([("a/1", 11, 1_000), FILES[1]], PROBLEMS),
        ([("a/1", 10, 1_001), FILES[1]], PROBLEMS),
        ([("a/9", 10, 1_000), FILES[1]], PROBLEMS),
        ([*FILES, ("a/3", 0, 0)], PROBLEMS),
        (FILES, []),
        (FILES, [("a/3", "a link")]),
    ],
    ids=["one less", "size", "time", "name", "one more", "readable again", "other problem"],
)
def test_every_change_shows(files: list[tuple[str, int, int]], problems: list[tuple[str, str]]) -> None:
    """A file more or less, a size, a time, a name, a thing that cannot be read any more."""
    assert fingerprint(files, problems) != fingerprint(FILES, PROBLEMS)


def test_names_cannot_be_spelled_so_that_two_folders_look_alike() -> None:
    """Line breaks and exclamation marks are legal in file names; NUL is not, so it separates."""
    assert fingerprint([("a\n!b", 1, 2)], []) != fingerprint([("a", 1, 2)], [("b", "")])
    assert fingerprint([("!a", 1, 2)], []) != fingerprint([], [("a", "1 2")])
    assert fingerprint([("a1", 2, 3)], []) != fingerprint([("a", 12, 3)], [])


def test_a_name_that_is_no_text_has_a_fingerprint_too() -> None:
    """Old shares hold names in any encoding; Python hands them out as surrogates."""
    assert fingerprint([("caf\udce9", 1, 2)], []) != fingerprint([("cafe", 1, 2)], [])


def test_it_settles_so_long_after_the_last_change() -> None:
    """Not after the first look, and not after the last one."""
    assert settles_at(NOON, 60, later(NOON, 20)) == later(NOON, 60)
    assert settles_at(NOON, 60, later(NOON, 600)) == later(NOON, 60)


def test_a_clock_that_was_set_back_does_not_make_it_wait_for_years() -> None:
    """The wait is never longer than asked."""
    assert settles_at(later(NOON, 10**8), 60, NOON) == later(NOON, 60)
