"""What the ledger keeps of mirrors: owners, the merge base, the history of a tree, troubles and deeds."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from unit.ledger_example import LATER, MUCH_LATER, NOW, fresh, raw
from xnatsync.core.errors import Bug, NothingFound
from xnatsync.core.hold import Hold
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.ledger import open as opening
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_apart, open_ledger
from xnatsync.ledger.tree_rows import MirrorCounts, NewAudit, NewTrouble, NewVersion, OwnerRow, VersionRow

ONE = Owner(OwnerKind.SESSION, "NEURO", "XNAT_E1", "S1", "XNAT_S1", "S1_MR1", stamp="a")
TWO = Owner(OwnerKind.SESSION, "NEURO", "XNAT_E2", "S2", "XNAT_S2", "S2_MR1")
PROJECT = Owner(OwnerKind.PROJECT, "NEURO", "NEURO")
DICOM = ResourceKey("4", "DICOM")
EVEN_LATER = "2026-03-03T12:00:00.000Z"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = fresh(tmp_path)
    for route in ("nightly", "other"):
        ledger.remember_route(route, "mirror", "digest", NOW)
    yield ledger
    ledger.close()


@pytest.fixture
def bypass(ledger: Ledger, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(raw(tmp_path)) as connection:
        yield connection


def known(ledger: Ledger, owner: Owner = ONE, route: str = "nightly") -> OwnerRow:
    (row,) = ledger.ensure_owners(route, [owner], NOW)
    return row


def new(owner: OwnerRow, path: str, content: str = "1", route: str = "nightly") -> NewVersion:
    digest = hashlib.sha256(content.encode()).digest()
    return NewVersion(
        owner_id=owner.id,
        scan="4",
        label="DICOM",
        name=path.rsplit("/", 1)[-1],
        route=route,
        path=path,
        size=len(content),
        sha256=digest,
        md5="0" * 32,
        mtime_ns=7,
        origin="server",
    )


def begun(ledger: Ledger, owner: OwnerRow, *paths: str, content: str = "1", now: str = NOW) -> list[VersionRow]:
    ledger.change_versions([new(owner, path, content) for path in paths], (), now, 1)
    return [version for path in paths if (version := ledger.find_living("nightly", path)) is not None]


def refused(bypass: sqlite3.Connection, sql: str, values: Sequence[object] = ()) -> str:
    with pytest.raises(sqlite3.IntegrityError) as caught:
        bypass.execute(sql, values)
    return str(caught.value)


# --- owners ------------------------------------------------------------------------------------------------------


def test_owners_come_back_in_order_and_keep_their_numbers(ledger: Ledger) -> None:
    """Asked again, with others between them, and one of them twice."""
    first = ledger.ensure_owners("nightly", [ONE, TWO], NOW)
    again = ledger.ensure_owners("nightly", [TWO, PROJECT, ONE, TWO], LATER)

    assert [row.key for row in again] == [TWO.key, PROJECT.key, ONE.key, TWO.key]
    assert [again[2], again[0]] == first
    assert [(row.phase, row.seen_at) for row in again[:2]] == [("known", NOW), ("known", LATER)]


def test_a_session_shared_into_two_projects_is_two_owners(ledger: Ledger) -> None:
    """It has a folder in each; so it has in another route."""
    shared = replace(ONE, project="OTHER")

    rows = ledger.ensure_owners("nightly", [ONE, shared], NOW) + ledger.ensure_owners("other", [ONE], NOW)

    assert len({row.id for row in rows}) == 3


def test_labels_stay_until_the_folders_follow(ledger: Ledger) -> None:
    """What the server calls it now is no news of where its files lie."""
    row = known(ledger)
    renamed = replace(ONE, session="NEW")

    assert known(ledger, renamed).session == "S1_MR1"
    ledger.note_labels(row.id, "S1", "NEW")
    assert ledger.owner(row.id).session == "NEW"


def test_what_is_agreed_is_what_was_said(ledger: Ledger) -> None:
    """Stamps by owner and resource; what is not named is no longer one of it; what held it is forgotten."""
    row = known(ledger)
    ledger.hold_owner(row.id, Hold(kind="person", code="XS-X", detail="d", advice="a", tries=3))
    ledger.agree_owner(row.id, ONE, {DICOM: ("1:2:3", 2, 3), ResourceKey("", "BIDS"): ("", 0, 0)}, NOW)
    ledger.agree_owner(row.id, replace(ONE, stamp="b", session="R"), {DICOM: ("1:3:4", 3, 4)}, LATER)

    seen = ledger.owner(row.id)
    assert (seen.phase, seen.agreed_at, seen.stamp, seen.session) == ("agreed", LATER, "b", "R")
    assert (seen.hold, seen.code, seen.tries) == (None, None, 0)
    assert ledger.resource_stamps("nightly") == {row.id: {DICOM: "1:3:4"}}
    assert [(found.key, found.files, found.bytes) for found in ledger.resources(row.id)] == [(DICOM, 3, 4)]
    assert ledger.resource_stamps("other") == {}


def test_a_gone_owner_is_known_again_when_it_is_back(ledger: Ledger) -> None:
    """It has to be looked at as if it were new, with the labels that its folders have."""
    row = known(ledger)
    ledger.agree_owner(row.id, ONE, {DICOM: ("1", 1, 1)}, NOW)
    ledger.owner_gone(row.id, LATER)
    ledger.owner_gone(row.id, MUCH_LATER)

    assert (ledger.owner(row.id).phase, ledger.owner(row.id).gone_at) == ("gone", LATER)
    assert ledger.resource_stamps("nightly") == {}
    assert [found.id for found in ledger.owners("nightly", phases=("known", "agreed"))] == []
    back = known(ledger, replace(ONE, session="X"))
    assert (back.id, back.phase, back.gone_at, back.session) == (row.id, "known", None, "S1_MR1")


def test_holding_and_releasing(ledger: Ledger) -> None:
    """As for items; an owner that is not there is told."""
    row = known(ledger)
    ledger.hold_owner(row.id, Hold(kind="person", code="XS-X", detail="d", advice="a", tries=1))

    assert [held.id for held in ledger.owners("nightly") if held.hold == "person"] == [row.id]
    ledger.release_owner(row.id)
    assert [held.hold for held in ledger.owners("nightly")] == [None]
    with pytest.raises(NothingFound):
        ledger.owner(99)


def test_what_nothing_holds_any_more_keeps_its_tries(ledger: Ledger) -> None:
    """They count failures in a row: a release by a person, or a success, begins them anew."""
    row = known(ledger)
    ledger.hold_owner(row.id, Hold(kind="retry", code="XS-X", detail="d", advice="a", retry_at=LATER, tries=3))

    ledger.unhold_owner(row.id)
    assert ledger.owner(row.id) == replace(row, tries=3)
    ledger.release_owner(row.id)
    assert ledger.owner(row.id) == row


def test_troubles_are_replaced_and_keep_since_when(ledger: Ledger) -> None:
    """A trouble that is still there is as old as it is; one that is over is gone."""
    row = known(ledger)
    edited, told = NewTrouble("a", "XS-TREE-EDITED", "one", True), NewTrouble("b", "XS-GONE", "told", False)
    ledger.set_troubles(row.id, [edited, told], NOW)
    ledger.set_troubles(row.id, [replace(edited, detail="two"), NewTrouble("a", "XS-OTHER", "x", True)], LATER)

    assert [(t.path, t.code, t.detail, t.person, t.at) for t in ledger.troubles("nightly")] == [
        ("a", "XS-OTHER", "x", True, LATER),
        ("a", "XS-TREE-EDITED", "two", True, NOW),
    ]
    assert {t.owner_id for t in ledger.troubles("nightly")} == {row.id}
    assert ledger.troubles("other") == []
    ledger.set_troubles(row.id, [], LATER)
    assert ledger.troubles(owner_id=row.id) == []


# --- versions ----------------------------------------------------------------------------------------------------


def test_the_merge_base_is_what_is_living(ledger: Ledger) -> None:
    """Path, size and time as a look at the tree gives them."""
    row = known(ledger)
    assert not ledger.has_living("nightly")
    first, _ = begun(ledger, row, "S1/a", "S1/b")
    ledger.change_versions([new(row, "S1/a", "22")], [(first.id, "replaced")], LATER, 1)

    assert dict(ledger.living("nightly")) == {"S1/a": (2, 7), "S1/b": (1, 7)}
    assert ledger.living("other") == []
    assert ledger.has_living("nightly")
    assert not ledger.has_living("other")
    assert [(v.path, v.size) for v in ledger.living_of(row.id)] == [("S1/a", 2), ("S1/b", 1)]
    assert ledger.find_living("nightly", "S1/c") is None
    assert [(v.until, v.ended, v.run_id) for v in ledger.versions_of("nightly", "S1/a")] == [
        (LATER, "replaced", 1),
        (None, None, 1),
    ]


def test_a_change_happens_whole_or_not_at_all(ledger: Ledger) -> None:
    """A version that cannot begin leaves the one that should have ended as it was."""
    row = known(ledger)
    one, _ = begun(ledger, row, "a", "b")

    with pytest.raises(Bug, match="none is living"):
        ledger.change_versions([new(row, "c"), new(row, "b")], [(one.id, "removed")], LATER, 1)
    with pytest.raises(Bug, match="not living"):
        ledger.change_versions([], [(one.id, "removed"), (one.id, "removed")], LATER, 1)

    assert sorted(path for path, _ in ledger.living("nightly")) == ["a", "b"]


def test_a_touched_file_is_the_same_version(ledger: Ledger) -> None:
    """Only its time is another, so that it is not read again; the past is not touched."""
    row = known(ledger)
    one, two = begun(ledger, row, "a", "b")
    ledger.change_versions([], [(two.id, "removed")], LATER, 1)
    ledger.touch_versions({one.id: 8, two.id: 8})

    assert dict(ledger.living("nightly")) == {"a": (1, 8)}
    assert [version.mtime_ns for version in ledger.versions_of("nightly", "b")] == [7]


@pytest.mark.parametrize("target", ["N/T1/T1_MR1", "N/S1", "N/S1/S1_MR1/deeper"])
def test_a_renamed_folder_takes_everything_in_it_along(ledger: Ledger, target: str) -> None:
    """Also upwards or into itself; a folder whose name only begins alike stays."""
    row, other = ledger.ensure_owners("nightly", [ONE, TWO], NOW)
    inside = ["N/S1/S1_MR1/a", "N/S1/S1_MR1/scans/4/b", "N/S1/S1_MR1/S1_MR1/a"]
    begun(ledger, row, *inside)
    begun(ledger, other, "N/S1/S1_MR10/c", "N/S1/S1_MR1.d")

    assert ledger.move_versions("nightly", "N/S1/S1_MR1", target, LATER, 1) == 3

    expected = {path.replace("N/S1/S1_MR1", target, 1) for path in inside} | {"N/S1/S1_MR10/c", "N/S1/S1_MR1.d"}
    assert {path for path, _ in ledger.living("nightly")} == expected
    assert {v.owner_id for v in ledger.living_of(row.id)} == {row.id}
    for path in inside:
        (old, *_) = ledger.versions_of("nightly", path)
        assert (old.until, old.ended) == (LATER, "moved")


def test_a_session_that_went_to_another_project_has_another_owner(ledger: Ledger) -> None:
    """Its files are that owner's from then on; others in the folder stay with theirs."""
    row, moved, other = ledger.ensure_owners("nightly", [ONE, replace(ONE, project="NEW"), TWO], NOW)
    begun(ledger, row, "A/S1/a")
    begun(ledger, other, "A/S1/b")

    ledger.move_versions("nightly", "A/S1", "B/S1", LATER, 1, {row.id: moved.id})

    assert [version.path for version in ledger.living_of(moved.id)] == ["B/S1/a"]
    assert [version.path for version in ledger.living_of(other.id)] == ["B/S1/b"]
    assert ledger.living_of(row.id) == []


def test_a_rename_onto_something_that_is_there_changes_nothing(ledger: Ledger) -> None:
    """The disk refuses it too."""
    row = known(ledger)
    begun(ledger, row, "a/x", "b/x")

    with pytest.raises(Bug):
        ledger.move_versions("nightly", "a", "b", LATER, 1)

    assert sorted(path for path, _ in ledger.living("nightly")) == ["a/x", "b/x"]


# --- the past ----------------------------------------------------------------------------------------------------


def test_time_travel_tells_what_lay_there_and_where_it_is_today(ledger: Ledger) -> None:
    """In its place, in the trash, moved elsewhere, or nowhere any more."""
    row = known(ledger)
    begun(ledger, row, "d/stays", content="stays")
    (trashed,) = begun(ledger, row, "d/trashed", content="trashed")
    begun(ledger, row, "d/moved", content="moved")
    (edited,) = begun(ledger, row, "d/edited", content="edited")
    ledger.announce_trash({trashed.id: "2026-03-01/7/trashed"})
    ledger.change_versions([], [(trashed.id, "removed"), (edited.id, "edited")], MUCH_LATER, 1)
    ledger.move_versions("nightly", "d/moved", "e/moved", MUCH_LATER, 1)

    then = {found.version.path: (found.where, found.place) for found in ledger.versions_at("nightly", LATER)}

    assert then == {
        "d/stays": ("tree", "d/stays"),
        "d/trashed": ("trash", "2026-03-01/7/trashed"),
        "d/moved": ("tree", "e/moved"),
        "d/edited": ("nowhere", ""),
    }
    today = [found.version.path for found in ledger.versions_at("nightly", MUCH_LATER)]
    assert today == ["d/stays", "e/moved"]
    assert ledger.versions_at("nightly", "2026-02-01T00:00:00.000Z") == []
    assert [found.version.path for found in ledger.versions_at("nightly", LATER, "d/moved")] == ["d/moved"]
    assert [found.version.path for found in ledger.versions_at("nightly", LATER, "d/m")] == []


def test_what_is_gone_from_its_place_is_found_in_the_trash_of_another(ledger: Ledger) -> None:
    """Bytes are known by their digest, wherever they are kept."""
    row = known(ledger)
    (first,) = begun(ledger, row, "a", content="same")
    ledger.change_versions([new(row, "b", "same")], [(first.id, "edited")], LATER, 1)
    second = ledger.find_living("nightly", "b")
    assert second is not None
    ledger.announce_trash({second.id: "t/b"})
    ledger.change_versions([], [(second.id, "removed")], MUCH_LATER, 1)

    (found,) = ledger.versions_at("nightly", NOW)

    assert (found.version.path, found.where, found.place) == ("a", "trash", "t/b")


def test_two_moments_are_compared_by_content(ledger: Ledger) -> None:
    """What came and went between them, or was begun again with the same bytes, is no difference."""
    row = known(ledger)
    begun(ledger, row, "new", now=MUCH_LATER)
    same, replaced, removed = begun(ledger, row, "same", "replaced", "removed")
    (passing,) = begun(ledger, row, "passing", now=LATER)
    ledger.change_versions([], [(passing.id, "removed")], LATER, 1)
    ledger.change_versions(
        [new(row, "same"), new(row, "replaced", "22")],
        [(same.id, "edited"), (replaced.id, "replaced"), (removed.id, "removed")],
        MUCH_LATER,
        1,
    )

    found = ledger.differences("nightly", NOW, EVEN_LATER)

    assert [(d.path, d.before and d.before.size, d.after and d.after.size) for d in found] == [
        ("new", None, 1),
        ("removed", 1, None),
        ("replaced", 1, 2),
    ]
    assert ledger.differences("nightly", NOW, EVEN_LATER, "replaced") == [found[2]]
    assert ledger.differences("nightly", MUCH_LATER, EVEN_LATER) == []


def test_a_clock_that_was_set_back_shows_one_version_for_a_path(ledger: Ledger) -> None:
    """The newer one, though both say that they were there."""
    row = known(ledger)
    (old,) = begun(ledger, row, "a", now=NOW)
    ledger.change_versions([], [(old.id, "replaced")], MUCH_LATER, 1)
    begun(ledger, row, "a", content="22", now=LATER)

    (found,) = ledger.versions_at("nightly", LATER)

    assert found.version.size == 2


def test_the_trash_is_told_by_age_and_forgotten(ledger: Ledger) -> None:
    """Only what has ended; a version whose trash is only announced stays."""
    row = known(ledger)
    old, young, living = begun(ledger, row, "old", "young", "living")
    ledger.announce_trash({old.id: "t/old", young.id: "t/young", living.id: "t/living"})
    ledger.change_versions([], [(old.id, "removed")], LATER, 1)
    ledger.change_versions([], [(young.id, "removed")], MUCH_LATER, 1)

    assert ledger.trash_older_than("nightly", MUCH_LATER) == {old.id: "t/old"}
    ledger.forget_trash([old.id, living.id])
    assert ledger.trash_older_than("nightly", EVEN_LATER) == {young.id: "t/young"}
    still = ledger.find_living("nightly", "living")
    assert still is not None
    assert still.trash == "t/living"


# --- deeds, findings, counts -------------------------------------------------------------------------------------


def test_a_deed_is_open_until_it_has_ended_once(ledger: Ledger) -> None:
    """Its end is said once; the latest is found by what it was about."""
    row = known(ledger)
    deeds = [
        ledger.begin_deed(
            row.id, DICOM, "a", run_id=1, sha256=bytes(32), request_id=f"r{number}", now=NOW, quiet_at=LATER
        )
        for number in range(2)
    ]
    ledger.end_deed(deeds[0].id, outcome="ok", now=LATER)

    assert ledger.open_deeds() == ledger.open_deeds(row.id) == [deeds[1]]
    assert ledger.open_deeds(99) == []
    assert ledger.latest_deed(row.id, DICOM, "a") == deeds[1]
    assert ledger.latest_deed(row.id, DICOM, "b") is None
    with pytest.raises(Bug, match="not open"):
        ledger.end_deed(deeds[0].id, outcome="failed", now=LATER)
    ledger.end_deed(deeds[1].id, outcome="unknown", now=LATER, code="XS-X", quiet_at=MUCH_LATER)
    latest = ledger.latest_deed(row.id, DICOM, "a")
    assert latest is not None
    assert (latest.outcome, latest.code, latest.quiet_at) == ("unknown", "XS-X", MUCH_LATER)


def test_findings_are_kept_by_run_and_route(ledger: Ledger) -> None:
    """The newest so many, the oldest of them first."""
    row = known(ledger)
    findings = [
        NewAudit("prod/NEURO/S1", "bytes", "missing", key="a", route="nightly", owner_id=row.id),
        NewAudit("prod/NEURO/S2", "names", "same"),
    ]
    ledger.add_audits(1, findings, NOW)

    assert [(found.target, found.verdict, found.key, found.owner_id) for found in ledger.audits(1)] == [
        ("prod/NEURO/S1", "missing", "a", row.id),
        ("prod/NEURO/S2", "same", None, None),
    ]
    assert [found.target for found in ledger.audits(route="nightly")] == ["prod/NEURO/S1"]
    assert [found.target for found in ledger.audits(limit=1)] == ["prod/NEURO/S2"]
    assert ledger.audits(2) == []


def test_each_route_is_counted(ledger: Ledger) -> None:
    """Owners by how they stand, files and bytes in tree and trash, troubles by who has to act."""
    one, two = ledger.ensure_owners("nightly", [ONE, TWO], NOW)
    ledger.ensure_owners("other", [ONE], NOW)
    ledger.agree_owner(one.id, ONE, {}, NOW)
    ledger.hold_owner(two.id, Hold(kind="person", code="XS-X", detail="d", advice="a", tries=1))
    _, gone = begun(ledger, one, "a", "b", content="333")
    ledger.announce_trash({gone.id: "t/b"})
    ledger.change_versions([], [(gone.id, "removed")], LATER, 1)
    ledger.set_troubles(two.id, [NewTrouble("a", "XS-X", "d", True), NewTrouble("b", "XS-Y", "d", False)], NOW)

    counts = ledger.mirror_counts()

    assert counts["other"] == MirrorCounts(owners=1, session=1)
    assert counts["nightly"] == MirrorCounts(
        owners=2,
        agreed=1,
        held=1,
        files=1,
        bytes=3,
        trash_files=1,
        trash_bytes=3,
        troubles=1,
        told=1,
        session=2,
    )
    assert ledger.mirror_counts("other") == {"other": counts["other"]}


# --- what SQLite itself refuses ----------------------------------------------------------------------------------

VERSION_COLUMNS = "owner_id, scan, label, name, route, path, size, sha256, md5, mtime_ns, origin, since"


@pytest.mark.parametrize(
    "change",
    ["path = 'b'", "size = 2", "sha256 = zeroblob(32)", f"md5 = '{'1' * 32}'", "since = 'x'", "origin = 'tree'",
     "name = 'x'", "scan = '5'", "label = 'x'", "route = 'other'", "id = 77", "run_id = null",
     "until = 'x'", "ended = 'moved'"],
)  # fmt: skip
def test_what_lay_there_cannot_be_rewritten(ledger: Ledger, bypass: sqlite3.Connection, change: str) -> None:
    """Neither what is living nor the past; an end without a reason, or the reverse, is none."""
    row = known(ledger)
    old, _ = begun(ledger, row, "a", "z", content="content")
    ledger.change_versions([], [(old.id, "removed")], LATER, 1)
    before = bypass.execute("select * from version").fetchall()

    refused(bypass, f"update version set {change}")

    assert bypass.execute("select * from version").fetchall() == before


def test_an_end_is_final_and_nothing_is_deleted(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """What has ended does not live again, and keeps its time; no row goes."""
    row = known(ledger)
    (old,) = begun(ledger, row, "a")
    ledger.change_versions([], [(old.id, "removed")], LATER, 1)

    assert "stays" in refused(bypass, "update version set until = null, ended = null")
    assert "stays" in refused(bypass, "update version set mtime_ns = 1")
    assert "kept" in refused(bypass, "delete from version")
    assert "kept" in refused(bypass, "delete from owner")


@pytest.mark.parametrize("verb", ["insert or replace", "replace", "insert"])
def test_a_version_is_never_replaced_behind_its_back(ledger: Ledger, bypass: sqlite3.Connection, verb: str) -> None:
    """Neither by its number nor by its place; `replace` would ask no trigger of deletion."""
    row = known(ledger)
    (old,) = begun(ledger, row, "a")
    values = f"{row.id}, '4', 'DICOM', 'a', 'nightly', ?, 1, zeroblob(32), '{'0' * 32}', 7, 'server', 't'"

    assert "none is living" in refused(bypass, f"{verb} into version ({VERSION_COLUMNS}) values ({values})", ["a"])
    assert "none is living" in refused(
        bypass, f"{verb} into version (id, {VERSION_COLUMNS}) values ({old.id}, {values})", ["b"]
    )
    assert ledger.find_living("nightly", "a") == old


def test_a_version_belongs_to_its_own_route_and_begins_living(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """No history can be made up, and no tree holds another's files."""
    row = known(ledger)
    begin = f"insert into version ({VERSION_COLUMNS}, until, ended) values (?, '4', 'D', 'a', ?, 'a', 1, zeroblob(32), "

    assert "own route" in refused(bypass, f"{begin}'{'0' * 32}', 7, 'server', 't', null, null)", [row.id, "other"])
    assert "begins" in refused(bypass, f"{begin}'{'0' * 32}', 7, 'server', 't', 'u', 'moved')", [row.id, "nightly"])


def test_an_owner_stays_what_it_is(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Its identity, its beginning, and what its phase needs."""
    row = known(ledger)
    columns = "route, project, kind, server_id, phase, seen_at"

    for change in ("server_id = 'X'", "project = 'X'", "kind = 'subject'", "route = 'other'", "id = 9"):
        assert "stays" in refused(bypass, f"update owner set {change}")
    refused(bypass, "update owner set phase = 'agreed'")
    refused(bypass, "update owner set phase = 'gone'")
    refused(bypass, "update owner set gone_at = 't'")
    refused(bypass, "update owner set hold = 'person'")
    for verb in ("insert", "replace"):
        again = f"{verb} into owner ({columns}) values ('nightly', 'NEURO', 'session', 'XNAT_E1', 'known', 't')"
        assert "begin as known" in refused(bypass, again)
    assert ledger.owners() == [row]


def test_a_deed_stays_what_it_was(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Announced, then ended, then nothing more."""
    row = known(ledger)
    deed = ledger.begin_deed(
        row.id, DICOM, "a", run_id=1, sha256=bytes(32), request_id="r", now=NOW, quiet_at=LATER
    )  # fmt: skip
    assert "stays" in refused(bypass, "update deed set name = 'b'")
    ledger.end_deed(deed.id, outcome="failed", now=LATER)

    assert "stays" in refused(bypass, "update deed set outcome = 'ok'")
    for column in ("began_at", "ended_at", "code"):
        assert "stays" in refused(bypass, f"update deed set {column} = '2000'")
    for longer in ("quiet_at || '0'", "null"):
        assert "stays" in refused(bypass, f"update deed set quiet_at = {longer}")
    assert "kept" in refused(bypass, "delete from deed")
    assert "announced once" in refused(
        bypass,
        "replace into deed (owner_id, run_id, scan, label, name, sha256, request_id, began_at, quiet_at) "
        f"values ({row.id}, 1, '', '', 'x', zeroblob(32), 'r', 't', 't')",
    )


def test_the_quiet_time_of_a_deed_becomes_shorter_alone(ledger: Ledger) -> None:
    """For what a clock that was ahead wrote down; all else of it stays, and so does a quiet time that is short."""
    row = known(ledger)
    begun, until = "2027-04-05T12:00:00.000Z", "2027-04-05T12:01:00.000Z"
    deed = ledger.begin_deed(
        row.id, DICOM, "a", run_id=1, sha256=bytes(32), request_id="r", now=begun, quiet_at=until
    )  # fmt: skip
    ledger.end_deed(deed.id, outcome="unknown", now=begun)
    before = ledger.latest_deed(row.id, DICOM, "a")
    assert before is not None

    for moment in (NOW, LATER):
        ledger.shorten_deed(deed.id, moment)
        assert ledger.latest_deed(row.id, DICOM, "a") == replace(before, quiet_at=NOW)


@pytest.mark.parametrize("came", ["2026-01-01", "2027-04-05"])
@pytest.mark.parametrize("stored", ["2026-01-01", "2027-04-05"])
@pytest.mark.parametrize("run_id", [1, 2])
def test_what_came_from_the_server_before_is_told_by_the_order_of_runs(
    ledger: Ledger, came: str, stored: str, run_id: int
) -> None:
    """Whatever their clocks say; within one run the moments tell it."""
    row, run = known(ledger), ledger.start_run("command", 1, "boot", "0", NOW)
    (version,) = begun(ledger, row, "P1/a", now=came)  # in run 1
    deed = ledger.begin_deed(
        row.id, DICOM, "a", run_id=run_id, sha256=version.sha256, request_id="r", now=stored, quiet_at=stored
    )  # fmt: skip

    assert run == 2
    assert ledger.had_from_server_before(deed, ["nightly"], "P1/a") is (run_id == 2 or came < stored)
    assert not ledger.had_from_server_before(deed, ["other"], "P1/a")
    assert not ledger.had_from_server_before(replace(deed, sha256=bytes(32)), ["nightly"], "P1/a")


def test_the_quiet_time_of_a_cut_deed_begins_when_its_death_is_noticed(ledger: Ledger) -> None:
    """However long after it was announced; one that ended keeps what was said of it."""
    row = known(ledger)
    words = {"run_id": 1, "sha256": bytes(32), "request_id": "r", "now": NOW, "quiet_at": "2026-03-01T12:01:00.000Z"}
    ledger.begin_deed(row.id, DICOM, "cut", **(words | {"now": "2026-03-01T12:00:00.000Z"}))  # type: ignore[arg-type]
    other = ledger.begin_deed(row.id, DICOM, "ended", **(words | {"request_id": "s"}))  # type: ignore[arg-type]
    ledger.end_deed(other.id, outcome="ok", now=NOW)
    ended = ledger.latest_deed(row.id, DICOM, "ended")

    for now in ("2026-03-01T13:30:00.000Z", "2026-03-01T13:30:30.000Z"):
        ledger.end_cut_deeds(now)
        cut = ledger.latest_deed(row.id, DICOM, "cut")
        assert cut is not None
        assert (cut.outcome, cut.quiet_at) == ("unknown", "2026-03-01T13:31:00.000Z")
    assert ledger.latest_deed(row.id, DICOM, "ended") == ended
    assert ledger.open_deeds() == []


# --- from version 1 ----------------------------------------------------------------------------------------------


def test_a_ledger_of_version_1_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in it stays; a reader sees it in the new form and leaves the file as it is."""
    scripts = opening._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_scripts", lambda: scripts[:1])
        old = fresh(tmp_path)
        old._run(
            "insert into item (id, route, place, path, fingerprint, phase, files, bytes, seen_at, steady_at, moved_at) "
            "values (1, 'scanner', 'drop', 'visit', 'looks', 'seen', 1, 100, ?, ?, ?)", [NOW, NOW, NOW],
        )  # fmt: skip
        assert old.database.execute("pragma user_version").fetchone()[0] == 1
        old._run("insert into audit (run_id, target, level, verdict, at) values (1, 't', 'names', 'same', 't')")
        old.close()
    path = tmp_path / "ledger.db"
    before = path.read_bytes()

    for ledger in (open_ledger(path, read_only=True), copy_apart(path)):
        assert (ledger.item(1).path, ledger.item(1).flat) == ("visit", 0)
        assert ledger.mirror_counts() == {}
        ledger.close()
    assert path.read_bytes() == before

    ledger = open_ledger(path)
    assert (ledger.item(1).path, ledger.item(1).flat) == ("visit", 0)
    assert [(found.target, found.route, found.owner_id) for found in ledger.audits()] == [("t", None, None)]
    ledger.remember_route("nightly", "mirror", "digest", NOW)
    begun(ledger, known(ledger), "a")
    assert ledger.database.execute("pragma user_version").fetchone()[0] == len(scripts)
    assert ledger.database.execute("pragma foreign_key_check").fetchall() == []
    ledger.close()


def test_a_ledger_of_version_10_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that stood in a sentence stands beside it; every other trouble is about one file."""
    scripts = opening._scripts()
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_scripts", lambda: scripts[:10])
        old = fresh(tmp_path)
        old.remember_route("nightly", "mirror", "digest", NOW)
        row = known(old)
        for path, detail in (("", "1200 files in all"), ("a", "12 files in all"), ("b", "gone")):
            old._run("insert into trouble values (?, ?, 'XS-GONE', ?, 0, ?)", [row.id, path, detail, NOW])
        old.close()

    ledger = open_ledger(tmp_path / "ledger.db")

    assert [(one.path, one.many) for one in ledger.troubles("nightly")] == [("", 1200), ("a", 1), ("b", 1)]
    assert ledger.database.execute("pragma user_version").fetchone()[0] == len(scripts)
    ledger.close()


def test_a_number_of_many_files_is_kept(ledger: Ledger) -> None:
    """Beside the text, whatever the text says."""
    row = known(ledger)

    ledger.set_troubles(row.id, [NewTrouble("", "XS-GONE", "any words", False, 77)], NOW)

    assert [trouble.many for trouble in ledger.troubles(owner_id=row.id)] == [77]


def test_only_a_run_that_was_at_work_beside_us_counts_whatever_its_clock_said(ledger: Ledger) -> None:
    """One that ended before, a year ahead, does not; one that had not ended then, or came since, does."""
    ledger.interrupt_runs([run.id for run in ledger.open_runs()], NOW)
    ahead = ledger.start_run("command", 1, "", "", "2027-03-01T12:00:00.000Z")
    ledger.end_run(ahead, "ok", {}, "2027-03-01T12:00:10.000Z")
    beside = ledger.start_run("command", 1, "", "", NOW)
    before = {run.id for run in ledger.open_runs()}
    ours = ledger.start_run("command", 1, "", "", LATER)
    ledger.end_run(beside, "ok", {}, "2026-02-01T00:00:00.000Z")  # its clock was set back meanwhile

    assert before == {beside}
    assert ledger.others_at_work(ours, before)
    assert not ledger.others_at_work(ours, ())
    ledger.start_run("command", 1, "", "", NOW)
    assert ledger.others_at_work(ours, ())
