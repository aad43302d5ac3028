"""Every verdict on what a drop route delivered, each by real tampering on one side."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from drop_pieces import as_archive, delete, edit, elsewhere, other_pixels, post, upload
from drop_world import DropWorld, uids
from verify_world import LABEL, filed, flip, found, look, lose, only, resources, snapshot, untouched, writes
from xnatsync.core.manifest import Level
from xnatsync.core.verification import Verdict, VerifyReport

LEVELS = [None, Level.COUNTS, Level.NAMES, Level.PIXELS]  # at `bytes` rewritten heads are no proof: see below


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_delivered_is_the_same_and_nothing_is_changed(world: DropWorld, level: Level | None) -> None:
    """At every level: no finding, no write to the server, no change on the disk."""
    before, disk = len(world.server.log), snapshot(world.folder)

    report = look(world, level=level)

    assert untouched(report), report.findings
    assert (report.server.expected, report.server.same) == (5, 5)
    assert (report.local.expected, report.local.same) == (5, 5)
    assert writes(world, before) == []
    assert snapshot(world.folder) == disk


def test_bytes_are_the_same_where_the_server_leaves_them_alone(empty: DropWorld) -> None:
    """Fetched back and compared to the byte."""
    empty.site.settings.values["enableSitewideAnonymizationScript"] = False
    empty.configure(verify="bytes")
    empty.study()
    empty.sync()

    report = look(empty)

    assert untouched(report), report.findings
    assert report.server.read_bytes > 5000


def test_rewritten_heads_are_no_difference_and_no_proof_by_bytes(world: DropWorld) -> None:
    """The reason is said: the server may rewrite heads, and the pixel data are ours."""
    report = look(world, level=Level.BYTES)

    assert found(report) == {("server", "unverifiable")}
    assert report.exit_code == 5
    assert all("pixel data are ours" in finding.detail for _, finding in report.findings)


def test_bytes_that_were_proven_and_changed_are_a_difference(empty: DropWorld) -> None:
    """One byte of a head, under a receipt by bytes."""
    empty.site.settings.values["enableSitewideAnonymizationScript"] = False
    empty.configure(verify="bytes")
    empty.study()
    empty.sync()
    path = empty.stored(LABEL)[0]
    data = path.read_bytes()
    flip(path, data.index(b"series 1"), later_ns=10**9)

    report = look(empty)

    assert (only(report).verdict, report.exit_code) == (Verdict.DIFFERS, 4)


# --- the server --------------------------------------------------------------------------------------------------


def test_an_object_that_the_server_lost_is_missing(world: DropWorld) -> None:
    """Named by its UID."""
    path = world.stored(LABEL)[0]
    (uid,) = uids([path])
    lose(world, path)

    report = look(world)

    assert (only(report).side, only(report).verdict, only(report).key) == ("server", Verdict.MISSING, uid)
    assert (report.exit_code, report.server.expected, report.server.same) == (4, 5, 4)


def test_counts_see_that_one_is_missing(world: DropWorld) -> None:
    """Without saying which."""
    lose(world, world.stored(LABEL)[0])

    report = look(world, level=Level.COUNTS)

    assert (only(report).verdict, only(report).count, report.exit_code) == (Verdict.MISSING, 1, 4)


def test_a_session_that_was_deleted_is_missing_as_a_whole(world: DropWorld) -> None:
    """One finding that counts its objects, not one for each."""
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")

    report = look(world)

    assert (only(report).verdict, only(report).count, only(report).key) == (Verdict.MISSING, 5, None)
    assert report.exit_code == 4


def test_a_session_that_was_deleted_and_sent_by_somebody_else_is_found_by_its_study(world: DropWorld) -> None:
    """It has another accession ID now, and holds the same."""
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")
    upload(world, filed(world), archive=True)

    assert untouched(look(world, level=Level.PIXELS))


def test_changed_pixels_are_seen_at_pixels(world: DropWorld) -> None:
    """Of equal size, so that no listing shows it; the manifest has no digest of them, the filed copy gives it."""
    flip(world.stored(LABEL)[0])

    assert untouched(look(world))
    report = look(world, level=Level.PIXELS)

    assert (only(report).verdict, report.exit_code) == (Verdict.DIFFERS, 4)
    assert "pixel data" in only(report).detail


def test_one_damaged_file_does_not_hide_the_others(world: DropWorld) -> None:
    """The zip breaks at it: its own scan is unverifiable from there on, the other scan is judged."""
    assert untouched(look(world, level=Level.PIXELS))
    flip(world.stored(LABEL)[0])  # behind the back of the sandbox too: the zip tells the checksum of before

    report = look(world, level=Level.PIXELS)

    assert found(report) == {("server", "unverifiable")}
    assert "damaged" in only_detail(report)
    assert 3 <= report.server.same < 5


def only_detail(report: VerifyReport) -> str:
    """What is said of all findings alike."""
    (detail,) = {finding.detail for _, finding in report.findings}
    return detail


def test_pixels_cannot_be_told_where_nobody_digested_them(world: DropWorld) -> None:
    """No digest in the manifest and no filed copy of one object: neither same nor different."""
    filed(world)[0].unlink()

    report = look(world, level=Level.PIXELS)

    assert found(report) == {("filed", "missing"), ("server", "unverifiable")}


def test_an_object_replaced_by_one_of_another_size_is_seen_by_names(world: DropWorld) -> None:
    """Its catalogue says so; what is proven at pixels afterwards is the same, and stays so by names."""
    path = world.stored(LABEL)[0]
    edit(path, SeriesDescription="another and a much longer description than it had before")
    for resource in resources(world):
        if path.name in resource.entries:
            resource.entries[path.name].size = path.stat().st_size
            resource.entries[path.name].digest = ""

    report = look(world)

    assert (only(report).verdict, report.exit_code) == (Verdict.DIFFERS, 4)
    assert "when it was proven" in only(report).detail
    assert untouched(look(world, level=Level.PIXELS))
    assert untouched(look(world))


def test_an_object_that_is_not_ours_is_told_and_no_difference(world: DropWorld) -> None:
    """Unless it is asked for with `strict`."""
    other = elsewhere(world, "more", series=(1,), first=9, uid=_study_of(world), seed=4)
    upload(world, other, archive=True)

    report, strict = look(world), look(world, strict=True)

    assert only(report).verdict is Verdict.EXTRA
    assert (report.exit_code, strict.exit_code) == (0, 4)


def _study_of(world: DropWorld) -> str:
    with world.ledger() as ledger:
        return ledger.units(living=False)[0].study_uid


def test_an_incomplete_listing_proves_no_absence(world: DropWorld) -> None:
    """What a listing does not show while its catalogues fail is unverifiable, not missing."""
    lose(world, world.stored(LABEL)[0])
    world.fault("GET", "/files", "status", status=500, times=99)

    report = look(world)

    assert {verdict for _, verdict in found(report)} == {"unverifiable"}
    assert report.exit_code == 5


def test_a_server_that_is_down_ends_it(world: DropWorld) -> None:
    """Nothing is concluded, and it says so."""
    world.server.stop()

    report = look(world)

    assert (report.findings, report.exit_code) == ([], 5)
    assert [error.code for error in report.errors] == ["XS-SERVER-UNREACHABLE"]
    assert report.summaries == []


def test_a_project_that_is_hidden_is_not_a_loss(world: DropWorld) -> None:
    """An account that lost its rights sees nothing, as if all were gone."""
    world.site.accounts.add("other", "secret")
    world.config.write_text(world.config.read_text().replace('user = "agent"', 'user = "other"'))

    report = look(world)

    assert {verdict for _, verdict in found(report)} == {"unverifiable"}
    assert report.exit_code == 5


# --- the filed copy ----------------------------------------------------------------------------------------------


def test_bit_rot_in_the_filed_copy_is_seen(world: DropWorld) -> None:
    """One byte, with size and time as they were."""
    flip(filed(world)[0])

    report = look(world)

    assert (only(report).side, only(report).verdict, report.exit_code) == ("filed", Verdict.DIFFERS, 4)
    assert (report.local.expected, report.local.same) == (5, 4)
    assert untouched(look(world, level=Level.NAMES))  # which looks at names and sizes alone


def test_a_filed_file_that_is_gone_is_missing(world: DropWorld) -> None:
    """By its place below the done folder."""
    filed(world)[0].unlink()

    report = look(world)

    assert (only(report).side, only(report).verdict) == ("filed", Verdict.MISSING)
    assert str(only(report).key).endswith(filed(world)[0].suffix)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_filed_file_that_cannot_be_read_is_unreadable(world: DropWorld) -> None:
    """It is there: neither missing nor different."""
    filed(world)[0].chmod(0)

    report = look(world)

    assert (only(report).verdict, report.exit_code) == (Verdict.UNREADABLE, 4)


@pytest.mark.parametrize("name", ["exam.zip", "exam.tar.gz"])
def test_a_filed_archive_is_read_through(empty: DropWorld, name: str) -> None:
    """Its members are what the manifest says; one changed byte in it is seen."""
    as_archive(empty, name)
    assert empty.sync().exit_code == 0
    (archive,) = [path for path in (empty.folder / "done").rglob("*") if path.is_file()]
    assert untouched(look(empty))
    assert look(empty).local.read_bytes > 0

    flip(archive, archive.stat().st_size // 2)

    assert look(empty).exit_code == 4
    assert ("filed", "differs") in found(look(empty))


def test_what_was_not_delivered_is_looked_at_too(empty: DropWorld) -> None:
    """Notes beside a study are filed with it, and rot as well."""
    empty.study()
    (empty.folder / "exam" / "notes.txt").write_text("as they were")
    empty.sync()
    (notes,) = (empty.folder / "done").rglob("notes.txt")
    assert untouched(look(empty))

    flip(notes)

    assert str(only(look(empty)).key).endswith("notes.txt")


def test_a_disk_that_is_not_mounted_halts(world: DropWorld) -> None:
    """Without our own folder nothing shows whose disk it is: nothing is concluded about what was filed."""
    world.folder.rename(world.root / "away")

    gone = look(world)
    world.folder.mkdir()
    empty = look(world)

    assert (gone.exit_code, empty.exit_code) == (7, 7)
    assert [error.code for error in (*gone.errors, *empty.errors)] == ["XS-FOLDER-MISSING"] * 2
    assert gone.findings == empty.findings == []
    assert gone.unkept == empty.unkept == []


@pytest.mark.parametrize("how", ["the copy", "its files", "the day", "everything"])
def test_a_filed_copy_that_is_wholly_gone_is_told_once(world: DropWorld, how: str) -> None:
    """Somebody empties the done folder, as everybody does some day: no difference, now and in every night to come."""
    done = world.folder / "done"
    (day,) = done.iterdir()
    (copy,) = day.iterdir()
    if how == "its files":
        for path in filed(world):
            path.unlink()
    elif how == "everything":
        shutil.rmtree(done)
        done.mkdir()
    else:
        shutil.rmtree({"the copy": copy, "the day": day}[how])

    first, second = look(world), look(world)

    assert [part.filed_as for part in first.unkept] == [f"{day.name}/exam"]
    assert second.unkept == []
    assert untouched(first)
    assert untouched(second)
    assert (first.local.expected, first.server.same) == (0, 5)
    with world.ledger() as ledger:
        assert [event.code for event in ledger.events(item_id=1)].count("copy.unkept") == 1


def test_nothing_is_concluded_while_the_done_folder_itself_is_away(world: DropWorld) -> None:
    """It may be a mount point: a copy that was told as no longer kept would never be looked for again."""
    done = world.folder / "done"
    done.rename(world.root / "away")

    away = look(world)
    (world.root / "away").rename(done)

    assert (away.exit_code, [error.code for error in away.errors]) == (7, ["XS-FOLDER-MISSING"])
    assert f"mkdir -p {done}" in away.errors[0].remedy
    assert away.unkept == []
    assert untouched(look(world))


def test_a_part_of_a_filed_copy_that_is_missing_is_a_difference_in_every_run(world: DropWorld) -> None:
    """Nobody keeps a half: that is damage, told until somebody does something about it."""
    for path in filed(world)[1:]:
        path.unlink()

    reports = [look(world), look(world)]

    assert [report.exit_code for report in reports] == [4, 4]
    assert [report.unkept for report in reports] == [[], []]


def test_filed_copies_are_found_where_done_was_then(world: DropWorld) -> None:
    """`done` is another folder now: what was filed before is verified in its place, and repaired from there."""
    former = filed(world)
    world.configure(done=str(world.folder / "new"))
    world.study("second", patient="SUB2", seed=2)
    assert world.sync().exit_code == 0
    assert untouched(look(world))

    flip(former[0])

    assert (only(look(world)).side, look(world).exit_code) == ("filed", 4)


def test_repair_says_that_a_copy_is_no_longer_kept(world: DropWorld) -> None:
    """The server lost an object, and nobody has the copy: the person hears what to do, and nothing is blamed."""
    lose(world, world.stored(LABEL)[0])
    shutil.rmtree(world.folder / "done")
    (world.folder / "done").mkdir()

    report = look(world, repair=True)

    (repair,) = report.repairs
    assert (repair.action, "no longer kept" in repair.text) == ("person", True)


def test_a_deleted_source_has_no_copy_to_look_at(empty: DropWorld) -> None:
    """It was proven by pixels and removed: the server alone is looked at."""
    empty.configure(after="delete")
    empty.study()
    empty.sync()

    report = look(empty)

    assert untouched(report)
    assert report.local.expected == 0
    flip(empty.stored(LABEL)[0], later_ns=10**9)
    assert look(empty).exit_code == 4


# --- attached files ----------------------------------------------------------------------------------------------


@pytest.fixture
def attached(empty: DropWorld) -> DropWorld:
    """A study with a note that was attached to its session."""
    empty.configure(other="attach")
    empty.study()
    (empty.folder / "exam" / "notes.txt").write_text("as they were")
    assert empty.sync().exit_code == 0
    return empty


def _note(world: DropWorld) -> Path:
    (path,) = [path for path in (world.root / "site").rglob("notes.txt") if path.is_file()]
    return path


@pytest.mark.parametrize("level", [None, Level.PIXELS])
def test_an_attached_file_is_the_same(attached: DropWorld, level: Level | None) -> None:
    """By size and digest, or by fetching it."""
    report = look(attached, level=level)

    assert untouched(report), report.findings
    assert report.server.expected == 6


def test_an_attached_file_that_rots_on_the_server_is_seen_when_it_is_fetched(attached: DropWorld) -> None:
    """Its listing still tells the old digest."""
    flip(_note(attached))

    assert untouched(look(attached))
    assert only(look(attached, level=Level.PIXELS)).verdict is Verdict.DIFFERS


def test_other_pixels_everywhere_are_told_one_by_one(world: DropWorld) -> None:
    """Each object by its UID."""
    for path in world.stored(LABEL):
        other_pixels(path)

    report = look(world, level=Level.PIXELS)

    assert {finding.key for _, finding in report.findings} == uids(filed(world))


# --- the prearchive ----------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(empty: DropWorld) -> DropWorld:
    """A study that was delivered into the prearchive, where a person decides."""
    empty.configure(destination="prearchive")
    empty.study()
    assert empty.sync().exit_code == 0
    return empty


def test_what_waits_in_the_prearchive_is_verified_by_names(waiting: DropWorld) -> None:
    """More than names it does not give: that is said."""
    assert untouched(look(waiting))

    assert found(look(waiting, level=Level.PIXELS)) == {("server", "unverifiable")}


def test_what_a_person_archived_is_found_there(waiting: DropWorld) -> None:
    """By its study; and it can be fetched now."""
    (row,) = waiting.site.prearchive.rows.values()
    post(waiting, f"/data/prearchive/projects/P1/{row.timestamp}/{row.folder}?action=commit&AA=true&SOURCE=uploader")

    report = look(waiting, level=Level.PIXELS)

    assert untouched(report), report.findings


def test_what_a_person_deleted_from_the_prearchive_is_missing(waiting: DropWorld) -> None:
    """As a whole."""
    (row,) = waiting.site.prearchive.rows.values()
    delete(waiting, f"/data/prearchive/projects/P1/{row.timestamp}/{row.folder}")

    report = look(waiting)

    assert (only(report).verdict, only(report).count) == (Verdict.MISSING, 5)


# --- the ledger --------------------------------------------------------------------------------------------------


def test_a_manifest_that_its_receipt_does_not_vouch_for_is_seen(world: DropWorld) -> None:
    """Somebody changed the ledger, with its triggers taken away."""
    with sqlite3.connect(world.root / "ledger.db") as raw:
        raw.execute("drop trigger manifest_frozen")
        raw.execute("update file set sha256 = randomblob(32) where position = 0")
    raw.close()

    report = look(world)

    assert report.exit_code == 4
    assert any("vouches for" in finding.detail for _, finding in report.findings)
