"""Layouts: a path tells whose file it is, for the default and for any legal templates, over all of Unicode."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.layout import DEFAULTS, Layout, Place
from xnatsync.core.paths import HostileName, check_path, clashes, folded
from xnatsync.core.selection import TIERS, Tier

WORDS = st.sampled_from(
    ["scans", "resources", "files", "P", "S", "4", "DICOM", "session.xml", "Resources", "a", "ses-S"]
)
LABELS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), WORDS, st.text(max_size=4))
NAMES = st.one_of(st.lists(st.one_of(WORDS, LABELS), min_size=1, max_size=4).map("/".join), st.text(max_size=8))


@st.composite
def files(draw: st.DrawFn) -> tuple[Owner, ResourceKey, str]:
    """A file of any owner, with ordinary, confusing and hostile names."""
    kind = draw(st.sampled_from(OwnerKind))
    project, subject, session = (draw(LABELS) for _ in range(3))
    scan = draw(st.one_of(st.just(""), LABELS)) if kind is OwnerKind.SESSION else ""
    if kind is OwnerKind.PROJECT:
        subject = ""
    if kind is not OwnerKind.SESSION:
        session = ""
    number = f"{project}|{subject}|{session}".encode("utf-8", "surrogatepass").hex()
    owner = Owner(kind, project, f"X{number}"[:60], subject=subject, session=session)
    return owner, ResourceKey(scan, draw(LABELS)), draw(NAMES)


@st.composite
def templates(draw: st.DrawFn) -> dict[Tier, str]:
    """Templates that name what they must, in any order, with fixed text around and between."""
    found: dict[Tier, str] = {}
    for tier in draw(st.sets(st.sampled_from(TIERS))):
        places = {
            "project": ["project"],
            "subject": ["project", "subject"],
            "session": ["project", draw(st.sampled_from(["session", "session_id"]))],
            "scan": ["project", draw(st.sampled_from(["session", "session_id"])), "scan"],
        }[tier]
        if tier in {"session", "scan"} and draw(st.booleans()):
            places.append("subject")
        if tier == "scan" and draw(st.booleans()):
            places.append("scan_type")
        fixed = st.sampled_from(["", "", "", "x-", "s", "=", "_"])
        steps = [f"{draw(fixed)}{{{place}}}{draw(fixed)}" for place in draw(st.permutations([*places, "resource"]))]
        for word in draw(st.lists(st.sampled_from(["scans", "resources", "sub", tier]), max_size=2)):
            steps.insert(draw(st.integers(0, len(steps))), word)
        found[tier] = "/".join([*steps, f"{draw(fixed)}{{path}}"])
    return found


def expected(layout: Layout, owner: Owner, key: ResourceKey, name: str) -> Place:
    """What a path of this layout can tell."""
    level: Tier = "scan" if key.scan else owner.kind.value  # type: ignore[assignment]
    told = layout.templates[level].places
    facts = {
        "project": owner.project, "subject": owner.subject, "session": owner.session, "session_id": owner.id,
        "scan": key.scan, "resource": key.label,
    }  # fmt: skip
    return Place(level, name=name, **{place: value for place, value in facts.items() if place in told})


def round_trip(layout: Layout, file: tuple[Owner, ResourceKey, str]) -> str | None:
    owner, key, name = file
    try:
        path = layout.path(owner, key, name, scan_type="T1 / x")
    except HostileName:
        return None
    assert check_path(path, windows=layout.windows) == path
    assert layout.locate(path) == expected(layout, owner, key, name)
    return path


@given(st.lists(files(), max_size=6), st.booleans())
def test_a_path_of_the_default_tree_tells_whose_file_it_is(
    several: list[tuple[Owner, ResourceKey, str]], windows: bool
) -> None:
    """Round trip; so two different files never have one path."""
    layout = Layout.parse(windows=windows)
    paths = [path for file in set(several) if (path := round_trip(layout, file)) is not None]

    assert len(paths) == len(set(paths))


@given(templates(), st.lists(files(), min_size=1, max_size=6))
def test_so_does_a_path_of_any_legal_layout(
    texts: dict[Tier, str], several: list[tuple[Owner, ResourceKey, str]]
) -> None:
    """What could not be told apart was refused when the configuration was read, or is refused by name."""
    try:
        layout = Layout.parse(texts)
    except ValueError:
        assume(False)
    for file in several:
        round_trip(layout, file)
        owner = file[0]
        try:
            sidecar, folders = layout.sidecar(owner), layout.folders(owner)
        except HostileName:
            continue
        if sidecar is not None:
            place = layout.locate(sidecar)
            assert place is not None
            assert (place.sidecar, place.kind) == (True, owner.kind)
            assert not folders or sidecar.rpartition("/")[0] in folders  # none where scans lie among others


ORDINARY = st.from_regex(r"[A-Z0-9][A-Za-z0-9_]{0,7}", fullmatch=True)


@given(
    templates(),
    ORDINARY,
    ORDINARY,
    ORDINARY,
    ORDINARY,
    ORDINARY,
    st.lists(ORDINARY, min_size=1, max_size=3).map("/".join),
)
def test_ordinary_names_are_never_refused(
    texts: dict[Tier, str], project: str, subject: str, session: str, scan: str, label: str, name: str
) -> None:
    """Labels as XNAT makes them, in a layout that was accepted."""
    try:
        layout = Layout.parse(texts)
    except ValueError:
        assume(False)
    owners = [
        Owner(OwnerKind.PROJECT, project, project),
        Owner(OwnerKind.SUBJECT, project, "X_S1", subject=subject),
        Owner(OwnerKind.SESSION, project, "X_E1", subject=subject, session=session),
    ]
    for owner in owners:
        keys = [ResourceKey("", label), *([ResourceKey(scan, label)] if owner.kind is OwnerKind.SESSION else [])]
        for key in keys:
            path = layout.path(owner, key, name)
            assert any(
                path.startswith(f"{folder}/") or not folder for folder in layout.folders(owner)
            ) or not layout.folders(owner)


@given(st.text(max_size=40))
def test_any_text_is_located_or_is_nobodys(path: str) -> None:
    """And what is located is made again from what was told."""
    place = Layout.parse().locate(path)
    if place is None or place.sidecar:
        return
    ids = {"project": place.project, "subject": place.subject, "session": place.session}
    owner = Owner(place.kind, place.project, "X", subject=ids["subject"], session=ids["session"])
    assert Layout.parse().path(owner, place.key, place.name) == path


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "A", "b", "é", "e\u0301"]), min_size=1, max_size=3).map("/".join), max_size=8
    )
)
def test_clashes_are_exactly_what_a_forgetful_disk_would_mix_up(paths: list[str]) -> None:
    """Against a disk that folds names: it puts file by file, and sees what it would have mixed up."""
    distinct = sorted(set(paths))
    twice = {path for path in distinct if paths.count(path) > 1}
    bad = set(twice)
    for one in distinct:
        for other in distinct:
            if one == other:
                continue
            parts, others = one.split("/"), other.split("/")
            for depth in range(1, min(len(parts), len(others)) + 1):
                mine, theirs = "/".join(parts[:depth]), "/".join(others[:depth])
                if folded(mine) == folded(theirs) and (
                    mine != theirs or (depth == len(parts)) is not (depth == len(others))
                ):
                    bad |= {one, other}

    assert {path for group in clashes(paths) for path in group} >= bad
    if not bad:
        assert clashes(paths) == ()
    assert sum(map(len, clashes(paths))) <= len(paths)


@pytest.mark.parametrize("tier", TIERS)
def test_the_defaults_are_legal_alone_and_together(tier: Tier) -> None:
    """Said or not said, it is the same layout."""
    assert Layout.parse({tier: DEFAULTS[tier]}) == Layout.parse() == Layout.parse(dict(DEFAULTS))
