"""Every verdict on a mirror, each by real tampering in the tree or on the server."""

from __future__ import annotations

import os

import pytest

from mirror_world import MirrorWorld
from verify_world import flip, found, look, only, snapshot, untouched, writes
from xnatsync.core.manifest import Level
from xnatsync.core.verification import Verdict

FIRST = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
URL = "experiments/{number}/scans/1/resources/NIFTI/files/{name}"


def url(world: MirrorWorld, name: str = "1.nii") -> str:
    """The address of a file of the first scan."""
    return URL.format(number=world.number, name=name)


@pytest.mark.parametrize("level", [None, *Level])
def test_a_mirror_in_agreement_is_the_same_and_nothing_is_changed(pulled: MirrorWorld, level: Level | None) -> None:
    """At every level: no finding, no write to the server, no change in the tree."""
    before, held = len(pulled.server.log), snapshot(pulled.tree)

    report = look(pulled, level=level)

    assert untouched(report), report.findings
    assert (report.server.expected, report.server.same) == (6, 6)
    assert report.local.expected == report.local.same == len(pulled.shown())
    assert writes(pulled, before) == []
    assert snapshot(pulled.tree) == held


def test_what_is_read_depends_on_the_level(pulled: MirrorWorld) -> None:
    """Usually the tree is read and the server listed; names read nothing, bytes fetch everything."""
    usual, names, whole = look(pulled), look(pulled, level=Level.NAMES), look(pulled, level=Level.BYTES)

    assert (usual.local.read_bytes > 0, usual.server.read_bytes) == (True, 0)
    assert (names.local.read_bytes, names.server.read_bytes) == (0, 0)
    assert whole.server.read_bytes == 600


# --- the tree ----------------------------------------------------------------------------------------------------


def test_bit_rot_in_the_tree_is_seen(pulled: MirrorWorld) -> None:
    """Size and time as they were: no sync would look at it, and no look at names shows it."""
    flip(pulled.tree / FIRST)
    assert pulled.mirror().exit_code == 0

    report = look(pulled)

    assert (only(report).side, only(report).verdict, only(report).key) == ("tree", Verdict.DIFFERS, FIRST)
    assert "damaged" in only(report).detail
    assert report.exit_code == 4
    assert untouched(look(pulled, level=Level.NAMES))


def test_an_edit_is_told_from_damage(pulled: MirrorWorld) -> None:
    """Its time is another."""
    (pulled.tree / FIRST).write_bytes(b"my own work")

    report = look(pulled)

    assert (only(report).verdict, only(report).detail) == (Verdict.DIFFERS, "it was edited here")
    assert only(look(pulled, level=Level.NAMES)).verdict is Verdict.DIFFERS


def test_a_file_that_is_gone_from_the_tree_is_missing(pulled: MirrorWorld) -> None:
    """At every level."""
    (pulled.tree / FIRST).unlink()

    for level in (None, *Level):
        report = look(pulled, level=level)
        assert (only(report).side, only(report).verdict, report.exit_code) == ("tree", Verdict.MISSING, 4)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_unreadable(pulled: MirrorWorld) -> None:
    """It is there: neither missing nor different."""
    (pulled.tree / FIRST).chmod(0)

    report = look(pulled)

    assert (only(report).verdict, report.exit_code) == (Verdict.UNREADABLE, 4)


def test_strangers_in_the_tree_are_told_and_no_difference(pulled: MirrorWorld) -> None:
    """Unless they are asked for with `strict`."""
    (pulled.tree / "P1" / "mine.txt").write_text("mine")

    report = look(pulled)

    assert (only(report).verdict, only(report).key, report.exit_code) == (Verdict.EXTRA, "P1/mine.txt", 0)
    assert look(pulled, strict=True).exit_code == 4


def test_a_tree_that_is_not_mounted_halts(pulled: MirrorWorld) -> None:
    """Nothing is concluded about what was in it."""
    pulled.tree.rename(pulled.root / "away")
    pulled.tree.mkdir()

    report = look(pulled)

    assert (report.exit_code, report.findings) == (7, [])
    assert [error.code for error in report.errors] == ["XS-FOLDER-MISSING"]


# --- the server --------------------------------------------------------------------------------------------------


def test_a_file_that_was_deleted_there_is_missing(pulled: MirrorWorld) -> None:
    """By its path in the tree, where it still is."""
    pulled.delete(url(pulled))

    report = look(pulled)

    assert (only(report).side, only(report).verdict, only(report).key) == ("server", Verdict.MISSING, FIRST)
    assert report.exit_code == 4
    assert look(pulled, level=Level.COUNTS).exit_code == 4


def test_a_replacement_of_equal_size_is_seen(pulled: MirrorWorld) -> None:
    """No inventory shows it, and no sync asks: the digest of the listing is another."""
    pulled.upload(url(pulled), b"x" * 100, overwrite=True)
    assert pulled.mirror().exit_code == 0

    report = look(pulled)

    assert (only(report).side, only(report).verdict, only(report).key) == ("server", Verdict.DIFFERS, FIRST)
    assert "of the same size" in only(report).detail


def test_without_digests_only_bytes_can_tell(tree: MirrorWorld) -> None:
    """A server whose checksums are off states none: names agree, and what is fetched back does not."""
    tree.site.settings.values["checksums"] = False
    tree.number = tree.session_with()
    tree.fill(tree.number)
    assert tree.mirror().exit_code == 0
    tree.upload(url(tree), b"x" * 100, overwrite=True)

    assert untouched(look(tree))
    report = look(tree, level=Level.BYTES)

    assert (only(report).side, only(report).verdict, report.exit_code) == ("server", Verdict.DIFFERS, 4)


def test_damage_on_the_servers_own_disk_is_seen_by_bytes(pulled: MirrorWorld) -> None:
    """Its listing still tells the old digest."""
    (stored,) = [path for path in (pulled.root / "site").rglob("1.nii") if "/1/" in path.as_posix()][:1]
    flip(stored, later_ns=10**9)

    assert untouched(look(pulled))
    report = look(pulled, level=Level.BYTES)

    assert (only(report).side, report.exit_code) == ("server", 4)


def test_what_is_new_there_is_told(pulled: MirrorWorld) -> None:
    """A file of a known session, and a session that was never brought: the next sync brings them."""
    pulled.upload(url(pulled, "new.nii"), b"new")
    other = pulled.session_with("S2_MR", subject="S2")
    pulled.fill(other)

    report = look(pulled)

    assert found(report) == {("server", "extra")}
    assert sorted(finding.count for _, finding in report.findings) == [1, 6]
    assert report.exit_code == 0


def test_a_session_that_was_deleted_is_missing_as_a_whole(pulled: MirrorWorld) -> None:
    """One finding, with the number of its files."""
    pulled.delete(f"experiments/{pulled.number}?removeFiles=true")

    report = look(pulled)

    missing = [finding for _, finding in report.findings if finding.verdict is Verdict.MISSING]
    assert [(finding.key, finding.count) for finding in missing] == [(None, 6)]
    assert report.exit_code == 4


def test_a_project_that_is_hidden_is_not_a_loss(pulled: MirrorWorld) -> None:
    """An account that lost its rights sees nothing, as if all were gone."""
    pulled.site.accounts.add("other", "secret")
    pulled.config.write_text(pulled.config.read_text().replace('user = "agent"', 'user = "other"'))

    report = look(pulled)

    assert found(report) == {("server", "unverifiable")}
    assert report.exit_code == 5


def test_a_listing_that_fails_proves_no_absence(pulled: MirrorWorld) -> None:
    """The session's files cannot be listed while one is gone."""
    pulled.delete(url(pulled))
    pulled.fault("GET", "/files", "status", status=500, times=99)

    report = look(pulled)

    assert found(report) == {("server", "unverifiable")}
    assert report.exit_code == 5


def test_a_fetch_that_is_cut_proves_nothing(pulled: MirrorWorld) -> None:
    """What did not come to its end is neither the same nor different."""
    pulled.fault("GET", "resources/NIFTI/files", "cut_response", bytes=20, times=99)

    report = look(pulled, level=Level.BYTES)

    assert found(report) == {("server", "unverifiable")}
    assert report.exit_code == 5
