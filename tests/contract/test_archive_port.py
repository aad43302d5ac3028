"""One suite for the port `Archive`: what every archive must do for mirrors and pushes to be right.

It runs on the simulation's archive in this process, and on the sandbox over real sockets, as an administrator and as a
member.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from archive_world import ALL, BARE, DICOM, SESSION, SHARED, World, furnish, key
from big_project import add_resource
from contract.model_world import ArchiveModel
from xnatsync.core.errors import ForeignContent, NotThere, RequestRefused
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.ports.tree import SmallFile
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat.server import XnatServer

REQUESTS = map("contract-{}".format, itertools.count())


@pytest.fixture(params=["model", "admin", "mia"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "model":
        with closing(ArchiveModel()) as model:
            yield model.world
        return
    site = Site.in_memory()
    site.accounts.add("admin", "secret", admin=True)
    site.accounts.add("mia", "secret")
    furnish(site)
    with (
        SandboxServer(site) as sandbox,
        XnatServer(sandbox.url, request.param, "secret", server_name="contract") as archive,
    ):
        yield World(site, archive)


def put(world: World, owner: Owner, where: ResourceKey, name: str, content: bytes, *, overwrite: bool = False) -> None:
    pieces = iter([content] if content else [])
    world.archive.put_resource_file(
        owner, where, name, pieces, size=len(content), overwrite=overwrite, request_id=next(REQUESTS)
    )


def digest(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.md5(content).hexdigest()


# --- inventory ---------------------------------------------------------------------------------------------------


def test_a_project_is_listed_with_all_its_owners_and_resources(world: World) -> None:
    """Sessions without scans too, shared ones under the labels they have here."""
    seen = world.inventory()

    assert seen.complete
    assert {(owner.kind, owner.id): tuple(item.key for item in items) for owner, items in seen.owners.items()} == {
        (OwnerKind.SESSION, SESSION): (
            *(key("", "QC"), key("4", "DICOM"), key("4", "NIFTI"), key("4-T1_mpr", "DICOM"), key("5", "DICOM")),
        ),
        (OwnerKind.SESSION, BARE): (),
        (OwnerKind.SESSION, SHARED): (key("", "NOTES"), key("1", "DICOM")),
        (OwnerKind.SUBJECT, "XNAT_S00001"): (key("", "PLAN"),),
        (OwnerKind.SUBJECT, "XNAT_S00002"): (),
        (OwnerKind.SUBJECT, "XNAT_S00003"): (),
        (OwnerKind.PROJECT, "P1"): (key("", "PLAN"),),
    }


def test_owners_say_who_they_are(world: World) -> None:
    """Labels as shown in this project, the owning project of what is shared, modality by type."""
    full, bare, shared = (world.owner(each) for each in (SESSION, BARE, SHARED))

    assert (full.subject, full.subject_id, full.session) == ("SUB01", "XNAT_S00001", "SUB01_MR1")
    assert (full.xsi_type, full.modality, full.date, full.home) == ("xnat:mrSessionData", "MR", "2024-03-01", "")
    assert bare.modality == "PT"
    assert (shared.project, shared.home, shared.subject, shared.session) == ("P1", "P2", "HERE", "HERE_CT")
    assert full.stamp


def test_resources_say_what_is_in_them(world: World) -> None:
    """Count, size, and of a scan's its type, description and quality."""
    items = {item.key: item for item in world.inventory().owners[world.owner(SESSION)]}
    dicom = items[key("4", "DICOM")]

    assert (dicom.files, dicom.size) == (3, sum(map(len, DICOM.values())))
    assert (dicom.scan_type, dicom.scan_description, dicom.quality) == ("T1 mpr", "series 4", "usable")
    assert dicom.stamp
    assert len({item.id for item in items.values()}) == len(items)


def test_a_stamp_changes_when_files_come(world: World) -> None:
    """And no other stamp with it."""
    before = {item.key: item.stamp for items in world.inventory().owners.values() for item in items}
    put(world, world.owner(SESSION), key("5", "DICOM"), "b.dcm", b"more")
    after = {item.key: item.stamp for items in world.inventory().owners.values() for item in items}

    assert {each for each in before if before[each] != after[each]} == {key("5", "DICOM")}


def test_a_resource_that_was_never_counted_has_no_stamp(world: World) -> None:
    """Nothing can be concluded from it."""
    resource = world.resource(SESSION, "4", "NIFTI")
    resource.file_count = resource.file_size = None

    items = {item.key: item for item in world.inventory().owners[world.owner(SESSION)]}
    assert items[key("4", "NIFTI")].stamp == ""


def test_only_the_kinds_asked_for_are_listed(world: World) -> None:
    """Each alone."""
    for kind in ALL:
        assert {owner.kind for owner in world.archive.inventory("P1", frozenset({kind})).owners} == {kind}


@pytest.mark.parametrize("label", ["..", "a/b", "a\\b", "bell\a"])
def test_a_hostile_label_is_refused_and_the_others_come(world: World, label: str) -> None:
    """Of a session and of a resource; the inventory is then incomplete, and says whose name it was."""
    before = world.inventory().owners
    session = world.site.experiments[SESSION]
    hostile = session.resources[label] = session.resources.pop("QC")
    hostile.label = label
    world.site.experiments[BARE].label = label

    seen = world.inventory()

    assert not seen.complete
    assert {owner_id for owner_id, _ in seen.refused} == {SESSION, BARE}
    assert {owner.id for owner in seen.owners} == {owner.id for owner in before} - {BARE}
    assert key("", "QC") not in {item.key for item in seen.owners[world.owner(SESSION)]}
    assert key("4", "DICOM") in {item.key for item in seen.owners[world.owner(SESSION)]}


def test_an_absent_project_is_not_empty(world: World) -> None:
    """It is not there."""
    with pytest.raises(NotThere):
        world.inventory("NOPE")


# --- listings ----------------------------------------------------------------------------------------------------


def test_every_owner_lists_its_own_files(world: World) -> None:
    """All at once, those of assessors left out; an owner without files has an empty and complete listing."""
    owners = list(world.inventory().owners)
    listings = world.archive.owner_files(owners)

    assert set(listings) == set(owners)
    assert all(listing.complete for listing in listings.values())
    files = {
        owner.id: {(file.scan, file.resource, file.name) for file in listing.files}
        for owner, listing in listings.items()
    }
    assert files == {
        SESSION: {
            ("", "QC", "report.html"),
            *(("4", "DICOM", name) for name in DICOM),
            *(("4", "NIFTI", "a.nii.gz"), ("5", "DICOM", "5.dcm"), ("4-T1_mpr", "DICOM", "odd.dcm")),
        },
        SHARED: {("", "NOTES", "note.txt"), ("1", "DICOM", "ct.dcm")},
        "XNAT_S00001": {("", "PLAN", "plan.txt")},
        "P1": {("", "PLAN", "plan.txt")},
        **{empty: set() for empty in (BARE, "XNAT_S00002", "XNAT_S00003")},
    }
    assert world.listed(world.owner(SESSION))["4", "DICOM", "sub/2.dcm"] == digest(DICOM["sub/2.dcm"])


def test_owners_that_are_gone_are_missing_and_the_others_come(world: World) -> None:
    """Whatever their kind, and when all are gone."""
    owners = list(world.inventory().owners)
    gone = {SESSION, "XNAT_S00002"}
    for owner_id in gone:
        world.site.experiments.pop(owner_id, None)
        world.site.subjects.pop(owner_id, None)

    assert {owner.id for owner in world.archive.owner_files(owners)} == {owner.id for owner in owners} - gone
    assert world.archive.owner_files([owner for owner in owners if owner.id in gone]) == {}


def test_a_hostile_file_name_is_refused_and_the_others_come(world: World) -> None:
    """The listing is then incomplete, and says why."""
    owner = world.owner(SESSION)
    entries = world.resource(SESSION, "4", "NIFTI").entries
    entries["../../up"] = entries["a.nii.gz"].__class__("../../up", 3)

    listing = world.archive.owner_files([owner])[owner]

    assert not listing.complete
    assert [(scan, label) for scan, label, _ in listing.refused] == [("4", "NIFTI")]
    assert "a.nii.gz" in {file.name for file in listing.files}


def test_a_server_without_checksums_tells_no_digest(world: World) -> None:
    """And that is no digest, not a wrong one."""
    world.resource(SESSION, "5", "DICOM").entries["5.dcm"].digest = ""
    assert world.listed(world.owner(SESSION))["5", "DICOM", "5.dcm"] == (4, "")


@pytest.mark.parametrize("scan", ["4,5", "ALL", "a b", "NULL", "7-x"])
def test_scans_of_odd_ids_are_fetched_alone_and_among_others(world: World, scan: str) -> None:
    """Where the ID would mean several scans, all are asked for and only that one is taken."""
    session = world.site.experiments[SESSION]
    one = session.scans["5"]
    session.scans[scan] = one.__class__(world.site.next_key(), scan, one.xsi_type, one.stamps, {"type": "T"})
    add_resource(world.site, session.scans[scan], f"{session.folder}/SCANS/more", "DICOM", {"x.dcm": b"x"})
    owner = world.owner(SESSION)

    assert world.listed(owner)[scan, "DICOM", "x.dcm"] == digest(b"x")
    assert world.fetched(owner, key(scan, "DICOM")) == {(scan, "DICOM", "x.dcm"): b"x"}
    assert world.fetched(owner, key(scan, "DICOM"), key("5", "DICOM")) == {
        (scan, "DICOM", "x.dcm"): b"x",
        ("5", "DICOM", "5.dcm"): b"five",
    }
    assert b"".join(world.archive.fetch_file(owner, key(scan, "DICOM"), "x.dcm")) == b"x"


# --- fetching ----------------------------------------------------------------------------------------------------


def test_what_is_asked_for_comes_and_nothing_else(world: World) -> None:
    """A scan whose type is the ID of another one, and one whose ID looks like another's folder, do not mix in."""
    owner = world.owner(SESSION)

    assert world.fetched(owner, key("4", "DICOM")) == {("4", "DICOM", name): held for name, held in DICOM.items()}
    assert world.fetched(owner, key("4-T1_mpr", "DICOM"), key("5", "DICOM"), key("4", "NIFTI"), key("", "QC")) == {
        ("4-T1_mpr", "DICOM", "odd.dcm"): b"odd",
        ("5", "DICOM", "5.dcm"): b"five",
        ("4", "NIFTI", "a.nii.gz"): b"nii",
        ("", "QC", "report.html"): b"<!DOCTYPE html><html>fine</html>",
    }


def test_every_resource_of_every_owner_can_be_fetched(world: World) -> None:
    """By the keys of the inventory, with the names and sizes of the listing."""
    for owner, items in world.inventory().owners.items():
        back = world.fetched(owner, *(item.key for item in items))
        assert {place: digest(content) for place, content in back.items()} == world.listed(owner)


def test_an_empty_resource_gives_nothing_and_an_absent_owner_is_not_there(world: World) -> None:
    """XNAT answers both alike."""
    owner = world.owner(SESSION)
    session = world.site.experiments[SESSION]
    add_resource(world.site, session, f"{session.folder}/RESOURCES", "EMPTY", {})
    assert world.fetched(owner, key("", "EMPTY")) == {}

    del world.site.experiments[SESSION]
    for where in (key("", "EMPTY"), key("4", "DICOM")):
        with pytest.raises(NotThere):
            world.fetched(owner, where)


@pytest.mark.parametrize("label", ["2024", "two words", "a,b", "ü"])
def test_labels_that_no_address_can_name_are_fetched(world: World, label: str) -> None:
    """Of scans and of the session; whole and file by file."""
    session = world.site.experiments[SESSION]
    add_resource(world.site, session, f"{session.folder}/RESOURCES", label, {"x.txt": b"own"})
    add_resource(world.site, session.scans["5"], f"{session.folder}/SCANS/5", label, {"x.txt": b"scan"})
    owner = world.owner(SESSION)

    assert world.fetched(owner, key("", label), key("5", label), key("4", "NIFTI")) == {
        ("", label, "x.txt"): b"own",
        ("5", label, "x.txt"): b"scan",
        ("4", "NIFTI", "a.nii.gz"): b"nii",
    }
    assert b"".join(world.archive.fetch_file(owner, key("5", label), "x.txt")) == b"scan"
    assert b"".join(world.archive.fetch_file(owner, key("", label), "x.txt")) == b"own"


ODD = ("two words.txt", "a+b", "é.txt", "a#b?c", "100%", "a%20b", "star*", ".hidden", "a b/c d")


@pytest.mark.parametrize("name", ODD)
def test_odd_file_names_are_listed_and_fetched_as_stored(world: World, name: str) -> None:
    """Whole and alone, whether an address can name them or not."""
    session = world.site.experiments[SESSION]
    add_resource(world.site, session, f"{session.folder}/RESOURCES", "ODD", {name: b"odd", "other": b"other"})
    owner = world.owner(SESSION)

    assert world.listed(owner)["", "ODD", name] == digest(b"odd")
    assert world.fetched(owner, key("", "ODD"))["", "ODD", name] == b"odd"
    assert b"".join(world.archive.fetch_file(owner, key("", "ODD"), name)) == b"odd"


def test_a_file_is_fetched_from_any_offset(world: World) -> None:
    """A stored web page is a file like any other."""
    owner = world.owner(SESSION)
    whole = DICOM["sub/2.dcm"]
    for offset in (0, 1, 70_000, len(whole) - 1):
        pieces = world.archive.fetch_file(owner, key("4", "DICOM"), "sub/2.dcm", offset=offset)
        assert digest(b"".join(pieces)) == digest(whole[offset:])  # pytest would explain for ever how the bytes differ
    assert b"".join(world.archive.fetch_file(owner, key("", "QC"), "report.html")).endswith(b"fine</html>")
    assert b"".join(world.archive.fetch_file(owner, key("4", "DICOM"), "empty.dcm")) == b""


def test_a_file_that_is_gone_is_not_there(world: World) -> None:
    """Nor is one of an owner or a resource that is gone."""
    owner = world.owner(SESSION)
    for where, name in ((key("4", "DICOM"), "9.dcm"), (key("4", "NOPE"), "1.dcm"), (key("", "QC"), "é")):
        with pytest.raises(NotThere):
            list(world.archive.fetch_file(owner, where, name))
    del world.site.experiments[SESSION]
    with pytest.raises(NotThere):
        list(world.archive.fetch_file(owner, key("4", "DICOM"), "1.dcm"))


def test_fetching_may_be_given_up(world: World) -> None:
    """And the next request works as if nothing had been."""
    owner = world.owner(SESSION)
    stream = world.archive.fetch_resources(owner, [key("4", "DICOM")])
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert len(world.listed(owner)) == 7


# --- storing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["report.pdf", "sub/two words.txt", "a+b é.txt", ".dot", "d e#%?[x].txt"])
@pytest.mark.parametrize("content", [b"", b"%PDF" * 1000])
def test_a_file_is_stored_byte_for_byte(world: World, name: str, content: bytes) -> None:
    """In a new resource of a session or a scan, and found under its own name."""
    owner = world.owner(SESSION)
    for where in (key("", "NEW"), key("5", "NEW")):
        put(world, owner, where, name, content)
        assert world.listed(owner)[where.scan, "NEW", name] == digest(content)
        assert world.fetched(owner, where) == {(where.scan, "NEW", name): content}


def test_subjects_and_projects_store_files_too(world: World) -> None:
    """In resources of their own."""
    for owner_id in ("XNAT_S00002", "P1"):
        owner = world.owner(owner_id)
        put(world, owner, key("", "NEW"), "x.txt", b"x")
        assert world.listed(owner)["", "NEW", "x.txt"] == digest(b"x")


def test_nothing_is_overwritten_unless_asked(world: World) -> None:
    """ForeignContent, as for an attachment of a drop, and what was there stays."""
    owner = world.owner(SESSION)
    with pytest.raises(ForeignContent):
        put(world, owner, key("5", "DICOM"), "5.dcm", b"other")
    assert world.listed(owner)["5", "DICOM", "5.dcm"] == digest(b"five")

    put(world, owner, key("5", "DICOM"), "5.dcm", b"other", overwrite=True)
    assert world.listed(owner)["5", "DICOM", "5.dcm"] == digest(b"other")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (key("", "NEW"), "é.txt"),
        (key("", "NEW"), "a#b"),
        (key("", "NEW"), "a%20b"),
        (key("", "NEW"), "a b*"),
        (key("", "QC"), "QC_catalog.xml"),
        (key("", "2024"), "x"),
        (key("", "two words"), "x"),
        (key("4,5", "NEW"), "x"),
        (key("ALL", "NEW"), "x"),
    ],
)
def test_what_cannot_be_stored_faithfully_is_refused(world: World, where: ResourceKey, name: str) -> None:
    """Before anything is sent: nothing changes on the server."""
    owner = world.owner(SESSION)
    before = world.listed(owner)
    with pytest.raises(RequestRefused):
        put(world, owner, where, name, b"x")
    assert world.listed(owner) == before


def test_storing_where_nothing_is_does_not_fall_through(world: World) -> None:
    """A scan or session that is not there takes no file; nor does one whose ID is the type of another (§3.6)."""
    owner = world.owner(SESSION)
    for scan in ("99", "4"):
        with pytest.raises(NotThere):
            put(world, owner, key(scan, "NEW"), "x", b"x")
    del world.site.experiments[SESSION]
    with pytest.raises(NotThere):
        put(world, owner, key("", "NEW"), "x", b"x")


# --- metadata ----------------------------------------------------------------------------------------------------


def test_metadata_is_the_owners_own(world: World) -> None:
    """XML whose root tells who it is; NotThere when the owner is gone."""
    for owner in world.inventory().owners:
        assert ET.fromstring(world.archive.metadata(owner)).get("ID") == owner.id
    gone = world.owner(SESSION)
    del world.site.experiments[SESSION]
    with pytest.raises(NotThere):
        world.archive.metadata(gone)


def put_many(
    world: World, owner: Owner, where: ResourceKey, files: dict[str, bytes], *, overwrite: bool = False
) -> frozenset[str]:
    small = [SmallFile(name, len(content), lambda content=content: content) for name, content in files.items()]  # type: ignore[misc]
    return world.archive.put_resource_files(owner, where, small, overwrite=overwrite, request_id=next(REQUESTS))


def test_small_files_are_stored_together_byte_for_byte(world: World) -> None:
    """In folders, with blanks, and empty ones."""
    files = {"a.txt": b"a", "sub/b c.txt": b"b" * 1000, "empty": b"", ".hidden": b"h"}

    assert put_many(world, world.owner(SESSION), key("5", "NEW"), files) == frozenset()

    listing = world.archive.owner_files([world.owner(SESSION)])[world.owner(SESSION)]
    assert {file.name: (file.size, file.digest) for file in listing.files if file.resource == "NEW"} == {
        name: digest(content) for name, content in files.items()
    }


def test_what_is_there_stays_and_is_named(world: World) -> None:
    """The rest is stored; asked for, it is replaced."""
    owner = world.owner(SESSION)
    put(world, owner, key("", "NEW"), "taken", b"theirs")

    assert put_many(world, owner, key("", "NEW"), {"taken": b"ours", "free": b"ours"}) == {"taken"}

    def held() -> dict[str, tuple[int | None, str]]:
        files = world.archive.owner_files([owner])[owner].files
        return {file.name: (file.size, file.digest) for file in files if file.resource == "NEW"}

    assert held() == {"taken": digest(b"theirs"), "free": digest(b"ours")}
    assert put_many(world, owner, key("", "NEW"), {"taken": b"ours"}, overwrite=True) == frozenset()
    assert held() == {"taken": digest(b"ours"), "free": digest(b"ours")}


def test_together_as_alone_what_cannot_be_stored_faithfully_is_refused(world: World) -> None:
    """With everything beside it, before anything is sent."""
    for where, name in ((key("", "NEW"), "x_catalog.xml"), (key("", "NEW"), "star*"), (key("", "a b"), "good")):
        with pytest.raises(RequestRefused):
            put_many(world, world.owner(SESSION), where, {"good": b"g", name: b"bad"})
    assert not [each for each in world.inventory().owners[world.owner(SESSION)] if each.key.label in {"NEW", "a b"}]


def test_together_nothing_falls_through(world: World) -> None:
    """A scan that is not there is NotThere, and the session gets nothing."""
    with pytest.raises(NotThere):
        put_many(world, world.owner(SESSION), key("99", "NEW"), {"a": b"a", "b": b"b"})
    assert not [each for each in world.inventory().owners[world.owner(SESSION)] if each.key.label == "NEW"]
