"""The filter language: each key, its examples in the manual, and what is refused with a good text."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.selection import KEYS, TIERS, Days, PathPatterns, Patterns, Selection, Span

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TODAY = date(2026, 3, 1)

PROJECT = Owner(OwnerKind.PROJECT, "NEURO", "NEURO")
SUBJECT = Owner(OwnerKind.SUBJECT, "NEURO", "X_S1", subject="NC01", subject_id="X_S1")
SESSION = Owner(
    OwnerKind.SESSION, "NEURO", "X_E1", subject="NC01", subject_id="X_S1", session="NC01_MR",
    xsi_type="xnat:mrSessionData", date="2024-05-17", modality="MR",
)  # fmt: skip


def resource(scan: str = "4", label: str = "NIFTI", **facts: str) -> ResourceSeen:
    return ResourceSeen(ResourceKey(scan, label), **{"scan_type": "T1w", "quality": "usable", **facts})  # type: ignore[arg-type]


def session(**facts: str) -> Owner:
    known = {name: getattr(SESSION, name) for name in Owner.__dataclass_fields__}
    return Owner(**{**known, **facts})


# --- the manual --------------------------------------------------------------------------------------------------


def documented() -> list[tuple[str, str, str, str]]:
    section = PAGE[PAGE.index("\n### Examples\n") : PAGE.index("\n## Layout\n")]
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return [(key, patterns, takes, leaves) for key, patterns, takes, leaves in rows]


def takes(key: str, patterns: list[str], text: str) -> bool:
    """Asks the whole selection about something that differs in this one fact."""
    chosen = Selection.parse(today=TODAY, **{key: patterns})
    match key:
        case "subjects" | "sessions" | "types" | "modalities" | "dates":
            name = {"types": "xsi_type", "modalities": "modality"}.get(key, key.removesuffix("s"))
            return chosen.wants_owner(session(**{name: text}))
        case "files":
            return chosen.wants_file(text)
        case "resources":
            return chosen.wants_resource(SESSION, resource(label=text))
        case "scans":
            return chosen.wants_resource(SESSION, resource(scan=text))
        case "qualities":
            return chosen.wants_resource(SESSION, resource(quality=text))
        case "scan_types":
            by_type = chosen.wants_resource(SESSION, resource(scan_type=text))
            by_name = chosen.wants_resource(SESSION, resource(scan_type="", scan_description=text))
            assert by_type is by_name
            return by_type
    raise AssertionError(key)


@pytest.mark.parametrize(("key", "patterns", "taken", "left"), documented(), ids=str)
def test_every_example_of_the_manual_is_true(key: str, patterns: str, taken: str, left: str) -> None:
    """What it says is taken is taken, and what it says is left is left."""
    texts = tomllib.loads(f"x = {patterns}")["x"]

    for cell, expected in ((taken, True), (left, False)):
        for text in re.findall(r"`([^`]*)`", cell):
            assert takes(key, texts, text.strip()) is expected, text


def test_the_manual_has_an_example_of_every_key() -> None:
    """And says what each asks."""
    assert {key for key, *_ in documented()} == set(KEYS)
    section = PAGE[PAGE.index("\n## Selection\n") : PAGE.index("\n## Layout\n")]
    assert all(f"| `{key}` |" in section for key in (*KEYS, "levels"))


# --- owners and resources ----------------------------------------------------------------------------------------


def test_without_any_key_everything_is_taken() -> None:
    """And said to be."""
    everything = Selection.parse()

    assert everything.kinds == frozenset(OwnerKind)
    assert all(everything.wants_owner(owner) for owner in (PROJECT, SUBJECT, SESSION))
    assert everything.wants_resource(SESSION, resource())
    assert everything.wants_file("a/b")
    assert everything.describes() == "everything"
    assert everything == Selection()


def test_levels_tell_whose_resources_are_taken() -> None:
    """A scan's come with its session, so a session is listed for its scans alone too."""
    scans, subjects = Selection.parse(levels=["scan"]), Selection.parse(levels=["subject"])

    assert scans.kinds == {OwnerKind.SESSION}
    assert scans.wants_resource(SESSION, resource())
    assert not scans.wants_resource(SESSION, resource(scan=""))
    assert not scans.wants_owner(PROJECT)
    assert subjects.kinds == {OwnerKind.SUBJECT}
    assert subjects.wants_resource(SUBJECT, resource(scan=""))
    assert not subjects.wants_owner(SESSION)
    assert scans.describes() == "of scans"


def test_a_key_asks_only_those_who_have_such_a_thing() -> None:
    """Scans' keys say nothing about a session's own resources, sessions' keys nothing about subjects."""
    chosen = Selection.parse(scans=["9"], sessions=["OTHER"], qualities=["usable"])

    assert chosen.wants_owner(SUBJECT)
    assert chosen.wants_owner(PROJECT)
    assert not chosen.wants_owner(SESSION)
    assert not chosen.wants_resource(SESSION, resource())
    assert Selection.parse(scans=["9"]).wants_resource(SESSION, resource(scan=""))
    assert not Selection.parse(subjects=["X"]).wants_owner(SUBJECT)
    assert not Selection.parse(subjects=["X"]).wants_owner(SESSION)
    assert Selection.parse(subjects=["X"]).wants_owner(PROJECT)


def test_every_key_must_take_it() -> None:
    """Keys narrow each other."""
    assert Selection.parse(scans=["4"], resources=["NIFTI"]).wants_resource(SESSION, resource())
    assert not Selection.parse(scans=["4"], resources=["DICOM"]).wants_resource(SESSION, resource())
    assert not Selection.parse(scans=["5"], resources=["NIFTI"]).wants_resource(SESSION, resource())


@pytest.mark.parametrize("key", ["modalities", "dates", "qualities", "scan_types"])
def test_the_unknown_is_in_no_list_and_in_every_exclusion(key: str) -> None:
    """Nothing is taken on a guess."""
    pattern = "2024-01-01.." if key == "dates" else "X*"
    blank = session(modality="", date="", xsi_type="site:odd")
    bare = resource(scan_type="", scan_description="", quality="")

    assert not Selection.parse(**{key: [pattern]}).wants_resource(blank, bare)
    assert Selection.parse(**{key: [f"!{pattern}"]}).wants_resource(blank, bare)


def test_an_exclusion_meets_type_and_description() -> None:
    """Either name is enough, for taking and for leaving."""
    both = resource(scan_type="T1w", scan_description="t1_mprage")

    assert Selection.parse(scan_types=["t1_*"]).wants_resource(SESSION, both)
    assert Selection.parse(scan_types=["T1w"]).wants_resource(SESSION, both)
    assert not Selection.parse(scan_types=["T1w", "!t1_*"]).wants_resource(SESSION, both)


# --- days --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day", "taken"),
    [
        ("last 30d", "2026-03-01", True), ("last 30d", "2026-01-31", True), ("last 30d", "2026-01-30", False),
        ("last 30d", "2026-03-02", False), ("last 1d", "2026-03-01", True), ("last 1d", "2026-02-28", False),
        ("last 99999d", "2000-01-01", True), ("last  7 d", "2026-02-23", True), (" 2024-05-17 ", "2024-05-17", True),
        ("2024-05-17", "2024-05-18", False), ("..2024-06-30", "0001-01-01", True),
    ],
)  # fmt: skip
def test_days_are_counted_with_both_ends(text: str, day: str, taken: bool) -> None:
    """`last 30d` are thirty days, today the last of them."""
    assert Selection.parse(dates=[text], today=TODAY).wants_owner(session(date=day)) is taken
    assert Selection.parse(dates=[text]).on(TODAY).wants_owner(session(date=day)) is taken


def test_a_date_may_have_a_time_behind_it_and_may_be_none() -> None:
    """As some servers write it."""
    assert Days.parse(["2024-05-17"]).match("2024-05-17 00:00:00")
    assert not Days.parse(["2024-01-01.."]).match("yesterday")
    assert Days.parse(["!2024-01-01.."]).match("")


def test_relative_days_without_a_day_are_refused_when_asked() -> None:
    """Never read as some day or other."""
    with pytest.raises(ValueError, match="means nothing"):
        Selection.parse(dates=["last 30d"]).wants_owner(SESSION)


@given(st.dates(), st.dates(), st.dates())
def test_a_range_takes_what_lies_in_it(one: date, other: date, day: date) -> None:
    """Over all of the calendar."""
    first, last = sorted((one, other))
    span = Span.parse(f"{first}..{last}")

    assert span.match(day) is (first <= day <= last)
    assert Span.parse(f"..{last}").match(day) is (day <= last)
    assert Span.parse(f"{first}..").match(day) is (first <= day)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("subjects", "", "matches nothing"),
        ("subjects", "!", "matches nothing"),
        ("scans", "[1-", "not closed"),
        ("scans", "[]", "not closed"),
        ("scans", "a[[]b[", "not closed"),
        ("resources", "a\tb", "control character"),
        ("dates", "2024-1-1", "write"),
        ("dates", "2024-13-01..", "no such day"),
        ("dates", "2024-02-30", "no such day"),
        ("dates", "2024-06-30..2024-01-01", "ends before"),
        ("dates", "..", "write"),
        ("dates", "last 0d", "no day"),
        ("dates", "last 3 months", "write"),
        ("dates", "last month", "write"),
        ("dates", "2024-01-01...2024-02-01", "write"),
        ("files", "a**", "between slashes"),
        ("files", "**.nii", "between slashes"),
        ("files", "/a", "matches nothing"),
        ("files", "a//b", "matches nothing"),
        ("files", "a/../b", "matches nothing"),
        ("files", "a/", "matches nothing"),
        ("files", "[a/b]", "not closed"),
        ("nonsense", "a", "no such key"),
    ],
)  # fmt: skip
def test_a_pattern_that_cannot_be_meant_is_refused(key: str, text: str, words: str) -> None:
    """With the key first, and what to write instead."""
    with pytest.raises(ValueError, match=words) as caught:
        Selection.parse(**{key: [text]})
    assert str(caught.value).startswith(f"{key}: ")


@pytest.mark.parametrize("levels", [[], ["scan", "scans"], ["resource"]])
def test_levels_that_are_none_are_refused(levels: list[str]) -> None:
    """Named, with those that are."""
    with pytest.raises(ValueError, match="levels: "):
        Selection.parse(levels=levels)


@pytest.mark.parametrize("text", ["[[]", "[]]", "[!]]x", "a[a-z]*", "[*]", "*", "?", "!x", "[!-!]"])
def test_a_bracket_that_is_closed_is_fine(text: str) -> None:
    """As the shell reads it."""
    assert Selection.parse(scans=[text]).describes() == f"scans {text}"


# --- matching ----------------------------------------------------------------------------------------------------

NAMES = st.text("ab.", min_size=1, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from(["a", "b", "*", "?", "a*", "[ab]", "**"])
GLOBS = st.lists(PIECES, min_size=1, max_size=5).map("/".join)


def by_regex(pattern: str) -> str:
    """Another reading of the language: one regular expression for the whole path."""
    words = {"*": "[^/]*", "?": "[^/]", "a*": "a[^/]*", "[ab]": "[ab]"}
    pieces = pattern.split("/")
    text = ""
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        if piece == "**":
            text += "(?:[^/]+/)*" + ("[^/]+" if last else "")
        else:
            text += words.get(piece, piece) + ("" if last else "/")
    return text


@given(GLOBS, PATHS)
def test_paths_match_as_an_independent_reading_of_the_language_says(pattern: str, path: str) -> None:
    """Folder by folder, `**` over any number of them."""
    assert PathPatterns.parse([pattern]).match(path) is (re.fullmatch(by_regex(pattern), path) is not None)


@given(st.lists(st.sampled_from(["a*", "*b", "?", "!ab", "!b*"]), max_size=4), st.text("ab", min_size=1, max_size=3))
def test_the_order_of_patterns_does_not_matter(texts: list[str], name: str) -> None:
    """O1, for people who sort their lists."""
    assert Patterns.parse(texts).match(name) is Patterns.parse(texts[::-1]).match(name)


def test_no_pattern_takes_long() -> None:
    """One that was made to be slow is answered; backtracking over it would take longer than anybody waits."""
    slow = PathPatterns.parse(["/".join(["**", "*a*a*a*a*a*b"] * 8)])
    path = "/".join(["a" * 40] * 30)

    assert not slow.match(path)


@given(st.text(max_size=12), st.sampled_from(sorted(KEYS)))
def test_any_text_is_a_pattern_or_is_refused(text: str, key: str) -> None:
    """Nothing else comes out of it."""
    try:
        chosen = Selection.parse(today=TODAY, **{key: [text]})
    except ValueError:
        return
    assert isinstance(chosen.wants_resource(SESSION, resource()), bool)
    assert set(chosen.levels) == set(TIERS)
