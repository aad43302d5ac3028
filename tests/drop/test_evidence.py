"""What is proven says exactly what was compared, and what is removed was proven by nothing less."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_pieces import KINDS, without_pixels
from drop_pieces import LABEL, delete, edit, elsewhere, held, imports, retry, upload
from drop_world import DropWorld, only, unit_of
from xnatsync.core.manifest import Compared

STUDY = "2.25.77"


def _study(world: DropWorld, kind: str, text: str, name: str = "exam") -> Path:
    """Two images and one object without pixel data, in the drop folder."""
    world.study(name, uid=STUDY, series=(2,))
    return without_pixels(world.folder / name / "other.dcm", kind, text, study=STUDY, sop_uid=f"{STUDY}.9.1")


def _older(world: DropWorld, kind: str) -> list[Path]:
    """What somebody else had archived before: the same study, with an older version of that object."""
    files = elsewhere(world, uid=STUDY, series=(2,))
    old = without_pixels(files[0].parents[1] / "old.dcm", kind, "an older text", study=STUDY, sop_uid=f"{STUDY}.9.1")
    upload(world, [*files, old], archive=True)
    return [*files, old]


def _compared(world: DropWorld) -> dict[tuple[int, Compared], int]:
    with world.ledger() as ledger:
        return ledger.compared(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("after", "level"), [("delete", None), ("move", "pixels"), ("move", "names"), ("keep", "names")]
)
def test_another_version_that_others_archived_is_never_taken_for_ours(
    world: DropWorld, kind: str, after: str, level: str | None
) -> None:
    """Same UIDs, same size, another content: nothing is done, removed or said to be there."""
    world.configure(after=after, verify=level)
    _older(world, kind)
    ours = _study(world, kind, "a newer text!")
    before = ours.read_bytes()

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FOREIGN-CONTENT"), report
    assert "another version" in (held(report).detail or "")
    assert unit_of(only(report)).receipt is None
    assert imports(world) == [path for _, path in world.writes() if "/import" in path][:1]  # that of the other one
    assert ours.read_bytes() == before


@pytest.mark.parametrize("level", ["names", "pixels"])
def test_a_corrected_head_of_an_image_is_another_version(world: DropWorld, level: str) -> None:
    """HFS became FFS: the pictures are equal, and left and right are not."""
    world.configure(verify=level)
    files = elsewhere(world, uid=STUDY, series=(2,))
    upload(world, files, archive=True)
    ours = world.study(uid=STUDY, series=(2,))
    edit(ours[0], PatientPosition="FFS")

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FOREIGN-CONTENT")
    assert "1 object" in (held(report).detail or "")
    assert world.in_drop() == {"exam"}


@pytest.mark.parametrize("first", ["names", "pixels"])
@pytest.mark.parametrize(("after", "level"), [("delete", "pixels"), ("move", "bytes"), ("keep", "pixels")])
def test_what_was_replaced_since_it_was_proven_is_another_version(
    world: DropWorld, first: str, after: str, level: str
) -> None:
    """Our upload was acknowledged and proven; then its head was corrected there, and the scanner sends it again."""
    world.site.settings.update({"enableSitewideAnonymizationScript": False})
    world.configure(verify=first)
    sent = {path.name: path.read_bytes() for path in world.study(series=(2,))}
    assert world.sync().exit_code == 0
    for path in world.stored(LABEL):
        edit(path, PatientPosition="FFS")
    world.configure(after=after, verify=level)
    (world.folder / "again").mkdir()
    for name, content in sent.items():
        (world.folder / "again" / name).write_bytes(content)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-DIFFER"), report
    assert {path.name: path.read_bytes() for path in (world.folder / "again").iterdir()} == sent


def test_what_a_server_wrote_anew_since_it_was_proven_is_ours_still(world: DropWorld) -> None:
    """A new label or a script changes the part of the head that identifies: other bytes, and nothing else."""
    world.configure(after="delete")
    files = world.study(series=(2,))
    sent = {path.name: path.read_bytes() for path in files}
    assert world.sync().exit_code == 0
    for path in world.stored(LABEL):
        edit(path, PatientID="RENAMED", StudyDescription="another one")
    (world.folder / "again").mkdir()
    for name, content in sent.items():
        (world.folder / "again" / name).write_bytes(content)

    assert world.sync().exit_code == 0
    assert (world.filed(), world.in_drop()) == (set(), set())
    assert _compared(world) == {(1, Compared.CONTENT): 2}
    with world.ledger() as ledger:
        assert ledger.compared(2) == {(2, Compared.CONTENT): 2}


def test_the_way_on_from_another_version_leads_on(world: DropWorld) -> None:
    """Who removes the older one from the server and retries has the newer one delivered, and proven."""
    world.configure(after="delete")
    _older(world, "report")
    _study(world, "report", "a newer text!")
    assert world.sync().exit_code == 3
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")

    retry(world)
    report = world.sync()

    assert report.exit_code == 0, report
    assert world.filed() == set()
    assert world.in_drop() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_sent_is_proven_by_its_content_and_removed(world: DropWorld, kind: str) -> None:
    """The site's script rewrote every head; the receipt says what was compared instead of pixels."""
    world.configure(after="delete")
    _study(world, kind, "what it says.")

    report = world.sync()

    assert report.exit_code == 0, report
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert (receipt.level, receipt.compared) == ("pixels", {Compared.CONTENT: 3})
    assert _compared(world) == {(1, Compared.CONTENT): 3}
    assert (world.filed(), world.in_drop()) == (set(), set())


def test_where_no_script_runs_everything_is_proven_by_its_bytes(world: DropWorld) -> None:
    world.site.settings.update({"enableSitewideAnonymizationScript": False})
    world.configure(after="delete")
    _study(world, "report", "what it says.")

    report = world.sync()

    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert receipt.compared == {Compared.BYTES: 3}


@pytest.mark.parametrize("kind", KINDS)
def test_content_that_was_damaged_on_the_server_is_caught(world: DropWorld, kind: str) -> None:
    """One letter of what it says, in a file of the same size: only the content can tell."""
    world.configure(after="delete")
    _study(world, kind, "what it says.")

    def damage() -> None:
        struck = 0
        for path in world.stored(LABEL):
            data = path.read_bytes()
            if b"what it says." in data:
                path.write_bytes(data.replace(b"what it says.", b"what it sayz."))
                struck += 1
        assert struck == 1

    world.after("POST", "action=commit", damage)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-DIFFER")
    assert (world.folder / "exam" / "other.dcm").is_file()


def test_what_others_archived_is_removed_here_on_equal_bytes_alone(world: DropWorld) -> None:
    """The site rewrote their heads: pixels and content are ours, and yet the dropped files are filed, not removed."""
    world.configure(after="delete")
    files = elsewhere(world, uid=STUDY, series=(2,))
    upload(world, files, archive=True)
    world.study(uid=STUDY, series=(2,))

    report = world.sync()

    assert report.exit_code == 0
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert receipt.compared == {Compared.CONTENT: 2}
    assert len(world.filed()) == 2


def test_what_others_archived_byte_by_byte_is_removed(world: DropWorld) -> None:
    world.site.settings.update({"enableSitewideAnonymizationScript": False})
    world.configure(after="delete")
    files = elsewhere(world, uid=STUDY, series=(2,))
    upload(world, files, archive=True)
    world.study(uid=STUDY, series=(2,))

    report = world.sync()

    assert report.exit_code == 0
    receipt = unit_of(only(report)).receipt
    assert receipt is not None
    assert receipt.compared == {Compared.BYTES: 2}
    assert (world.filed(), world.in_drop()) == (set(), set())


def test_an_attached_file_is_filed_and_not_removed(world: DropWorld) -> None:
    """The digest that the server lists is its memory of the file, and not the file (ADR 8)."""
    world.site.settings.update({"checksums": True})
    world.configure(after="delete", other="attach")
    world.study()
    (world.folder / "exam" / "note.txt").write_text("beside the pictures")

    assert world.sync().exit_code == 0

    assert world.filed() == {"exam/note.txt"}
    assert (1, Compared.LISTED) in _compared(world)


@pytest.mark.parametrize("whose", ["another study's report", "a blank picture of ours"])
def test_another_object_in_the_place_of_ours_is_never_proven(world: DropWorld, whose: str) -> None:
    """The name is right, and what came back says of itself that it is another: that is all the evidence there is."""
    world.configure(after="delete")
    files = world.study(series=(2,), uid=STUDY)
    if "report" in whose:
        without_pixels(
            world.folder / "exam" / "r.dcm", "report", "equal to the end", study=STUDY, sop_uid="2.25.77.9.1"
        )

    def swap() -> None:
        path = next(p for p in world.stored(LABEL) if "report" not in whose or p.name == "2.25.77.9.1.dcm")
        edit(path, SOPInstanceUID="2.25.99999")

    world.after("POST", "action=commit", swap)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-DIFFER"), report
    assert all(file.is_file() for file in files)
