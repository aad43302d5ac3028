"""Archives as items: read without unpacking, filed as they are, and held whole when anything about them is wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from drop_pieces import LABEL, as_archive, contents, elsewhere, held, packed
from drop_world import DropWorld, only, uids
from xnatsync.app.accept import accept
from xnatsync.config.load import load

NAMES = ["exam.zip", "exam.tar", "exam.tar.gz", "exam.tgz", "EXAM.ZIP"]


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_is_delivered_and_filed_as_it_is(world: DropWorld, name: str) -> None:
    files = as_archive(world, name)
    dropped = (world.folder / name).read_bytes()

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert world.filed() == {name}
    (filed,) = (world.folder / "done").rglob(name)
    assert filed.read_bytes() == dropped


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_clutter_and_archives_within_an_archive_are_listed(world: DropWorld, suffix: str) -> None:
    """A nested archive is named with what to do about it, never opened and never lost: its item waits for a person."""
    files = elsewhere(world)
    members = contents(files[0].parents[1])
    inner = packed(members, suffix)
    (world.folder / f"exam{suffix}").write_bytes(
        packed({**members, "deep/er/inner.zip": inner, "notes.txt": b"notes", "empty": b""}, suffix)
    )

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FILES-UNACCOUNTED")
    assert world.archived(LABEL) == uids(files)
    reasons = {file.path: file.reason for file in only(report).others}
    assert set(reasons) == {"deep/er/inner.zip", "notes.txt", "empty"}
    assert "archive inside an archive" in reasons["deep/er/inner.zip"]
    assert world.in_drop() == {f"exam{suffix}"}
    accept(load(world.config), ["1"])
    assert world.sync().exit_code == 0
    assert world.filed() == {f"exam{suffix}"}


def _truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _bit_flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _zip_with(
    members: dict[str, bytes], name: str, data: bytes, *, link: bool = False, encrypted: bool = False
) -> bytes:
    import io

    stream = io.BytesIO(packed(members, ".zip"))
    with zipfile.ZipFile(stream, "a") as archive:
        head = zipfile.ZipInfo(name)
        head.external_attr = (0o120777 if link else 0o100644) << 16
        archive.writestr(head, data)
    packed_bytes = bytearray(stream.getvalue())
    if encrypted:  # the flag in the local head of the last member and in its entry of the directory
        local = packed_bytes.rindex(b"PK\x03\x04")
        packed_bytes[local + 6] |= 1
        packed_bytes[packed_bytes.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(packed_bytes)


BAD = {
    "truncated.zip": lambda m: _truncated(packed(m, ".zip")),
    "truncated.tar": lambda m: _truncated(packed(m, ".tar")),
    "truncated.tar.gz": lambda m: _truncated(packed(m, ".tar.gz")),
    "flipped.zip": lambda m: _bit_flipped(packed(m, ".zip")),
    "flipped.tgz": lambda m: _bit_flipped(packed(m, ".tgz")),
    "text.zip": lambda m: b"this is no archive at all",
    "empty.zip": lambda m: b"",
    "empty.tar": lambda m: b"",
    "slip.zip": lambda m: _zip_with(m, "../../evil.dcm", b"x"),
    "slip.tar": lambda m: packed({**m, "../evil.dcm": b"x"}, ".tar"),
    "absolute.tar.gz": lambda m: packed({**m, "/etc/evil": b"x"}, ".tar.gz"),
    "drive.zip": lambda m: _zip_with(m, "C:\\evil.dcm", b"x"),
    "link.zip": lambda m: _zip_with(m, "lnk.dcm", b"/etc/passwd", link=True),
    "locked.zip": lambda m: _zip_with(m, "locked.dcm", b"x" * 40, encrypted=True),
}
MEMBERS = {
    "slip.zip": "evil.dcm", "slip.tar": "evil.dcm", "absolute.tar.gz": "/etc/evil", "drive.zip": "evil.dcm",
    "link.zip": "lnk.dcm", "locked.zip": "locked.dcm",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_held_with_its_name_member_and_reason(world: DropWorld, name: str) -> None:
    """Nothing of it is sent, nothing leaves the drop folder, nothing is written anywhere else."""
    members = contents(elsewhere(world)[0].parents[1])
    (world.folder / name).write_bytes(BAD[name](members))
    before = contents(world.root / "elsewhere")

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-SOURCE-DAMAGED")
    assert row.detail is not None
    assert row.detail.startswith(name)
    assert MEMBERS.get(name, "") in row.detail
    whole = (
        name in MEMBERS
    )  # what is damaged and is unpacked all the same leaves a folder in which some of it is missing
    assert ("Unpack it" if whole else "Copy or export the archive again") in (row.advice or "")
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {name}
    assert contents(world.root / "elsewhere") == before
    assert not list(world.root.rglob("evil*"))


def test_a_damaged_archive_goes_by_itself_when_it_is_exported_again(world: DropWorld) -> None:
    files = as_archive(world, "exam.zip")
    whole = (world.folder / "exam.zip").read_bytes()
    (world.folder / "exam.zip").write_bytes(_truncated(whole))
    assert world.sync().exit_code == 3
    assert world.sync().exit_code == 3

    (world.folder / "exam.zip").write_bytes(whole)

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids(files)
    assert world.filed() == {"exam.zip"}


def test_a_bad_archive_does_not_keep_a_good_neighbour(world: DropWorld) -> None:
    (world.folder / "bad.zip").write_bytes(b"PK nothing")
    files = as_archive(world, "good.zip")

    report = world.sync()

    assert report.exit_code == 3
    assert world.archived(LABEL) == uids(files)
    assert world.in_drop() == {"bad.zip"}


def test_an_archive_with_nothing_to_deliver_stays_and_is_listed(world: DropWorld) -> None:
    (world.folder / "notes.zip").write_bytes(packed({"a.txt": b"a", "b/c.txt": b"c"}, ".zip"))

    report = world.sync()

    item = only(report)
    assert (report.exit_code, item.item.phase) == (0, "left")
    assert {file.path: file.reason for file in item.others} == {"a.txt": "not DICOM", "b/c.txt": "not DICOM"}
    assert world.in_drop() == {"notes.zip"}


def test_a_dicom_object_with_an_archives_suffix_is_an_object(world: DropWorld) -> None:
    """Content decides, not the name."""
    (file,) = elsewhere(world, series=(1,))
    (world.folder / "image.zip").write_bytes(file.read_bytes())

    report = world.sync()

    assert report.exit_code == 0
    assert world.archived(LABEL) == uids([file])


def test_an_archive_is_deleted_only_when_all_of_it_is_on_the_server(world: DropWorld) -> None:
    """With `after = "delete"` an archive that also holds a note is filed: the note is nowhere else."""
    world.configure(after="delete")
    members = contents(elsewhere(world)[0].parents[1])
    (world.folder / "plain.zip").write_bytes(packed(members, ".zip"))
    (world.folder / "noted.zip").write_bytes(packed({**members, "note.txt": b"read me"}, ".zip"))

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.in_drop() == set()
    assert world.filed() == {"noted.zip"}


def test_names_of_members_come_back_in_the_list(world: DropWorld) -> None:
    """Umlauts, and a name of 230 characters, within an archive."""
    (file,) = elsewhere(world, series=(1,))
    long = "n" * 230 + ".dcm"
    archive = packed({f"Bäume/{long}": file.read_bytes(), "Grüße an alle.txt": b"hello"}, ".zip")
    (world.folder / "a.zip").write_bytes(archive)

    report = world.sync()

    assert report.exit_code == 0
    with world.ledger() as ledger:
        assert {Path(row.path).name for row in ledger.files(only(report).item.id)} == {long, "Grüße an alle.txt"}


def test_joined_archives_are_not_unpacked_as_if_they_were_one(world: DropWorld) -> None:
    """The advice fits the case: tar gives the first of them and says nothing."""
    members = contents(elsewhere(world)[0].parents[1])
    (world.folder / "joined.tar").write_bytes(2 * packed(members, ".tar"))

    row = held(world.sync())

    assert row.code == "XS-SOURCE-DAMAGED"
    assert "each of the joined archives by itself" in (row.advice or "")


@pytest.mark.parametrize("after", ["move", "delete"])
def test_what_no_directory_names_is_never_called_done(world: DropWorld, after: str) -> None:
    """Programs read the last of joined zip archives: the first was filed, or removed, and nobody had read it."""
    world.configure(after=after)
    members = contents(elsewhere(world)[0].parents[1])
    joined = 2 * packed(members, ".zip")
    (world.folder / "joined.zip").write_bytes(joined)

    row = held(world.sync())

    assert row.code == "XS-SOURCE-DAMAGED"
    assert "the first of two archives that were joined" in (row.advice or "")
    assert (world.folder / "joined.zip").read_bytes() == joined
    assert world.writes() == [("PUT", "/data/projects/P1")]


def test_an_archive_of_nothing_but_zeros_is_held(world: DropWorld) -> None:
    """A power cut leaves such a file, and it reads as the end mark of a tar archive."""
    (world.folder / "exam.tar").write_bytes(bytes(1 << 20))

    assert held(world.sync()).code == "XS-SOURCE-DAMAGED"
