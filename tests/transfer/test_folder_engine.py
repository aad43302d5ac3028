"""What lies in a folder on the way, and what becomes of it when somebody was at it, or the filling was cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.engine_world import furnish
from transfer.folder_world import PROJECT, Road, WatchedDisk, opened
from transfer.inline import inline
from transfer.model import Archive
from xnatsync.app.certificates import Certificate, Side
from xnatsync.app.transfer_ends import folder_to_fill, source_folder
from xnatsync.app.transfer_legs import kept_alone
from xnatsync.core.described import ThingKind
from xnatsync.core.errors import (
    ContentDiffers,
    FolderMissing,
    FolderUnusable,
    GoneThere,
    LostAtSource,
    PlaceTaken,
    XnatsyncError,
)
from xnatsync.core.folder_documents import Origin
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.disk.tree import LocalTree
from xnatsync.routes.transfer.folder import TransferFolder
from xnatsync.verify.transfers import Examined


class Killed(BaseException):
    """The process is gone.  No handler of the product may swallow it."""


ORIGIN = Origin("a", "https://a.example.org", PROJECT)


@pytest.fixture
def road(tmp_path: Path) -> Road:
    """A furnished source, and nothing else."""
    source = Archive("a")
    furnish(source, PROJECT)
    return Road(tmp_path, source)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Everything that lies in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_everything_arrives_over_the_folder_and_it_is_only_read_then(road: Road) -> None:
    """Both legs; each again does nothing; a folder that is sealed stays as it is down to its times."""
    assert road.fill().outcome == "complete"
    road.seal()
    before = snapshot(road.disk)
    assert (road.fill().due, snapshot(road.disk)) == (0, before)

    assert road.send().outcome == "complete"

    assert road.there.state() == road.source.state()
    assert (road.send().due, road.there.writes) == (0, [])
    assert snapshot(road.disk) == before
    assert opened(road.disk).strangers() == []


def test_only_what_changed_is_put_into_it_and_sent(road: Road) -> None:
    """A field, a new scan, a file that is another now: one more round over the same folder."""
    road.fill()
    road.seal()
    road.send()
    session = road.source.find("S1_MR")
    session.fields["note"] = "another"
    session.changes += 1
    road.source.put(session, "QC", {"report.txt": b"better now"})

    assert road.fill().due == 1
    road.seal()
    assert road.send().due == 1

    assert road.there.state() == road.source.state()


@pytest.mark.parametrize("harm", ["other", "longer", "gone", "link"])
def test_a_file_that_somebody_changed_is_named_and_never_sent(road: Road, harm: str) -> None:
    """Everything else arrives; what lies beside it and was not sealed is told, and stays where it is."""
    road.fill()
    road.seal()
    place, session = road.disk / "sessions/S1_MR/scans/1/DICOM/1.dcm", road.source.find("S1_MR").id
    content = place.read_bytes()
    place.unlink()
    if harm == "link":
        place.with_name("elsewhere").write_bytes(content)
        place.symlink_to(place.with_name("elsewhere"))
    elif harm != "gone":
        place.write_bytes({"other": content[:-1] + b"?", "longer": content + b"?"}[harm])
    (road.disk / "sessions/S2_MR/scans/1/DICOM/99.dcm").write_bytes(b"not of the source")

    road.send()

    assert road.second.codes() == {LostAtSource.code}
    assert [trouble.path for trouble in road.second.troubles()] == ["1/DICOM/1.dcm"]
    scans = [road.there.find(f"S{number}_MR").part(ThingKind.SCAN, "1") for number in (1, 2)]
    there = [set(scan.resources["", "DICOM"].files) for scan in scans]
    assert there == [{"0.dcm", "2.dcm"}, {"0.dcm", "1.dcm", "2.dcm"}]
    if harm in {"other", "longer"}:  # whatever the listing says of its MD5
        folder = TransferFolder(opened(road.disk), is_source=True)
        with pytest.raises(ContentDiffers):
            list(folder.fetch_file(Owner(OwnerKind.SESSION, "", session), ResourceKey("1", "DICOM"), "1.dcm"))
    strangers = opened(road.disk).strangers()
    assert "sessions/S2_MR/scans/1/DICOM/99.dcm" in strangers


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return harm


def _later(folder: Path) -> None:
    _edit("xnatsync-folder.json", "transfer-folder/1", "transfer-folder/2")(folder)


HARMS: dict[str, Callable[[Path], None]] = {
    "a field of a session": _edit("sessions/S1_MR/entity.json", "fine", "good"),
    "a description is gone": lambda folder: (folder / "subjects/S1/entity.json").unlink(),
    "a description is cut": lambda folder: (folder / "subjects/S1/entity.json").write_text("{"),
    "a description of another": lambda folder: (folder / "subjects/S1/entity.json").write_bytes(
        (folder / "subjects/S2/entity.json").read_bytes()
    ),
    "a digest in a list": _edit("sessions/S2_MR/files.jsonl", '"md5": "', '"md5": "0'),
    "a list lost a line": lambda folder: (folder / "sessions/S2_MR/files.jsonl").write_text(
        "\n".join((folder / "sessions/S2_MR/files.jsonl").read_text().splitlines()[1:])
    ),
    "a list is gone": lambda folder: (folder / "sessions/S2_MR/files.jsonl").unlink(),
    "the outcome of the first leg": _edit("xnatsync-folder.json", '"complete"', '"incomplete"'),
    "an entity less": lambda folder: _without_an_entity(folder / "xnatsync-folder.json"),
    "the manifest is cut": lambda folder: (folder / "xnatsync-folder.json").write_text(
        (folder / "xnatsync-folder.json").read_text()[:-20]
    ),
    "a list in its place": lambda folder: (folder / "xnatsync-folder.json").write_text("[]"),
    "a later version": _later,
}


def _without_an_entity(place: Path) -> None:
    document = json.loads(place.read_text())
    document["entities"].pop()
    place.write_text(json.dumps(document))


def test_a_folder_that_is_not_as_it_was_sealed_is_refused_whole(road: Road, tmp_path: Path) -> None:
    """Each harm by itself, before anything is asked of the destination; whole again, it is taken."""
    road.fill()
    with pytest.raises(FolderUnusable, match="not filled to its end"):
        source_folder(LocalTree(), road.disk, PROJECT)
    road.seal()
    before = snapshot(road.disk)
    for name, harm in HARMS.items():
        harm(road.disk)
        with pytest.raises(FolderUnusable) as caught:
            source_folder(LocalTree(), road.disk, PROJECT)
        assert ("later version" in str(caught.value)) is (name == "a later version"), name
        for path, (content, _) in before.items():
            (road.disk / path).write_bytes(content)
    assert source_folder(LocalTree(), road.disk, PROJECT).manifest.is_sealed
    with pytest.raises(FolderUnusable, match="holds project P"):
        source_folder(LocalTree(), road.disk, "ANOTHER")
    with pytest.raises(FolderMissing):
        source_folder(LocalTree(), tmp_path / "nowhere", PROJECT)


def test_nothing_but_its_own_project_is_put_into_a_folder(road: Road, tmp_path: Path) -> None:
    """Not beside another project, not beside what somebody keeps there, not where a disk is not mounted."""
    road.fill()
    assert folder_to_fill(LocalTree(), road.disk, ORIGIN).held
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "letters.txt").write_text("mine")
    errors: list[tuple[Path, Origin, type[XnatsyncError]]] = [
        (road.disk, Origin("a", "https://a.example.org", "ANOTHER"), FolderUnusable),
        (road.disk, Origin("a", "https://b.example.org", PROJECT), FolderUnusable),
        (strange, ORIGIN, PlaceTaken),
        (tmp_path / "not mounted" / "disk", ORIGIN, FolderMissing),
    ]
    for place, origin, error in errors:
        with pytest.raises(error):
            folder_to_fill(LocalTree(), place, origin)
    assert [path.name for path in strange.iterdir()] == ["letters.txt"]


def test_filling_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    """Killed before any change of the disk, the next run fills the rest, and the folder holds what the source has."""
    source = Archive("a")
    source.project(PROJECT, description="a study")
    session = source.session(source.subject(PROJECT, "S1", gender="female"), "S1_MR", UID="1.2.3")
    scan = source.part_of(session, ThingKind.SCAN, "1", "xnat:mrScanData", quality="usable")
    source.put(scan, "DICOM", {"1.dcm": b"one", "2.dcm.gz": b"two"})
    source.put(session, "EMPTY", {})
    counted = Road(tmp_path / "counted", source)
    changes: list[str] = []
    with inline():
        counted.fill(WatchedDisk(changes.append))  # type: ignore[arg-type]
    assert len(changes) > 40
    for number in range(0, len(changes), len(changes) // 8):
        road = Road(tmp_path / str(number), source)
        left = iter(range(number))

        def before(name: str, left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise Killed

        with inline():
            with pytest.raises(Killed):
                road.fill(WatchedDisk(before))  # type: ignore[arg-type]
            assert road.fill().outcome == "complete"
            road.seal()
            road.send()
        assert road.there.state() == source.state(), number
        assert road.first.codes() | road.second.codes() == set(), number


def test_what_the_source_no_longer_has_is_named_when_the_folder_is_sealed_again(road: Road) -> None:
    """It stays in the folder, as at any destination, and nobody takes it for what was certified last."""
    road.fill()
    gone = road.source.find("S2_MR")
    state, side = opened(road.disk), Side("a", "https://a.example.org", PROJECT)
    examined = tuple(Examined(one.owner) for one in state.held.values() if one.owner.id != gone.id)
    made = Certificate(
        id="XSC-1", route="t", run_id=1, made_at="", program="", source=side, destination=side, dicom="copy",
        filtering={}, planned={}, moved={}, entities=examined,
    )  # fmt: skip

    assert kept_alone(state, made) == [{"kind": "session", "source_id": gone.id, "label": "S2_MR"}]


def test_what_was_taken_out_of_the_folder_is_put_back_when_that_is_asked_for(road: Road) -> None:
    """A file that is gone from a destination waits for a person, from a folder as from a server."""
    road.fill()
    road.seal()
    (road.disk / "sessions/S1_MR/own/QC/report.txt").unlink()
    road.source.find("S1_MR").changes += 1

    road.fill()

    assert road.first.codes() == {GoneThere.code}


def test_names_that_some_disk_refuses_arrive_as_they_are(road: Road) -> None:
    """Names of Windows' devices, two that differ in case alone, a file beside a folder of its name in capitals."""
    names = [
        "CON",
        "aux.txt",
        "ab:c",
        "dot.",
        "blank ",
        "A.dcm",
        "a.dcm",
        "D/x",
        "d/y",
        "d/Y",
        "ü" * 80,
        "~",
        "e",
        "E/1",
    ]
    session = road.source.find("S1_MR")
    road.source.put(session, "ODD", {name: name.encode() for name in names})
    road.source.put(session, "odd", {"x": b"x"})

    assert road.fill().outcome == "complete"
    road.seal()
    assert road.send().outcome == "complete"

    assert road.there.state() == road.source.state()
    paths = [str(path.relative_to(road.disk)) for path in road.disk.rglob("*")]
    assert len({path.lower() for path in paths}) == len(paths)
    assert all(path.isascii() for path in paths)
