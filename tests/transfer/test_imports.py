"""A transfer by DICOM import between two stand-in XNATs: the destination's script runs, and everything else arrives."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from big_project import add_resource
from dicom_pieces import without_pixels
from transfer.imports_world import LABEL, NAME, SCRIPT, Moving, anonymise, moving
from transfer_world import SOURCE, TARGET
from xnatsync.core.described import Described, ThingKind
from xnatsync.core.errors import Usage
from xnatsync.core.inventory import OwnerKind, ResourceKey
from xnatsync.core.manifest import Kind, Level, ManifestFile
from xnatsync.core.packing import SMALL_BYTES
from xnatsync.core.remote import ImportTarget
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.faults import Fault
from xnatsync.xnat.zipstream import zip_size

OTHER = StudyPlan("Q", "M", "20240102", (SeriesPlan(1, "T1", 1),), size=(8, 8))  # somebody's


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Moving]:
    with moving(tmp_path) as made:
        yield made


@pytest.fixture
def done(moved: Moving) -> Moving:
    """The same, transferred."""
    assert moved.run().outcome == "complete"
    return moved


def scans(thing: Described) -> dict[str, dict[str, str]]:
    return {dict(part.fields)["note"]: dict(part.fields) for part in thing.parts if part.kind is ThingKind.SCAN}


def test_a_session_is_imported_and_the_rest_of_it_travels(moved: Moving) -> None:
    """With what people wrote, under scan IDs of the import; who it is stays at home; then nothing is asked again."""
    before = moved.pair.source.writes()
    done = moved.run()

    assert (done.outcome, done.errors, moved.codes()) == ("complete", [], {})
    thing = moved.pair.target.server.describe(moved.there)
    facts, found = dict(thing.fields), scans(thing)
    assert (facts["note"], facts["fields/field[name=who]"], facts["dcmPatientName"]) == ("calm", "RK", "Nobody")
    assert {note: (one["@type"], one["quality"]) for note, one in found.items()} == {
        "of 5": ("anat", "questionable"), "of 9": ("func", "questionable"), "of N": ("notes", "questionable")
    }  # fmt: skip
    assert {part.id for part in thing.parts if part.kind is ThingKind.SCAN} == {"1", "2", "N"}
    assert [part.label for part in thing.parts if part.kind is ThingKind.ASSESSOR] == ["S1_QC"]
    files = moved.pair.target.server.all_files([moved.there])[moved.there].files
    others = {(file.scan, file.resource, file.name) for file in files if file.resource != "DICOM"}
    assert others == {("1", "NIFTI", "t1.nii"), ("N", "TEXT", "a.txt"), ("", "NOTES", "readme.txt")}
    assert len(files) - len(others) == len(moved.study)
    assert NAME not in repr(thing)
    assert "Ward 7" not in repr(thing)  # no object says it, as after a script that removed it
    for file in moved.objects(moved.pair.target, moved.there):
        resource = moved.resource(moved.pair.target, moved.there, file.scan)
        assert NAME.encode() not in moved.pair.target.site.store.open(f"{resource.folder}/{file.name}").read()
    examined = moved.examined()
    assert (moved.grave(), examined.is_complete) == ({}, True)
    filled = {one.name for one in examined.comparison.differences if one.fate.value == "filled by the import"}
    assert {"dcmPatientName", "@UID"} <= filled
    sent = moved.sent()
    assert (moved.run().outcome, moved.run().due, moved.sent()) == ("complete", 0, sent)
    assert len(moved.sent("/services/import")) == 2
    assert moved.pair.source.writes() == before


def test_without_a_script_the_objects_are_found_as_well(tmp_path: Path) -> None:
    """The destination changes nothing: UIDs are those of the source."""
    with moving(tmp_path, script='version "6.1"\n') as moved:
        assert moved.run().outcome == "complete"
        assert (moved.codes(), moved.grave()) == ({}, {})


def test_new_objects_are_appended_by_import(done: Moving) -> None:
    """A new scan, and a new object of a known one: only those are sent, and into the session that is there."""
    number = done.there.id
    (key, first), *_ = done.study
    more = _another(first)
    done.plant({"late": more}, key)
    place = f"/data/experiments/{done.here.id}/scans/7"
    done.pair.source.put(place, xsiType="xnat:mrScanData", type="late", note="of 7")
    done.plant({"seven": _another(first, number="7", series=".7", instance=".8")}, ResourceKey("7", "DICOM"))
    before = len(done.sent("/services/import"))

    assert done.run().outcome == "complete"

    assert (done.there.id, done.codes(), done.grave()) == (number, {}, {})
    assert len(done.objects(done.pair.target, done.there)) == len(done.study) + 2
    assert len(done.sent("/services/import")) - before == 2
    assert scans(done.pair.target.server.describe(done.there))["of 7"]["@type"] == "late"


def _another(content: bytes, *, number: str = "", series: str = "", instance: str = ".9") -> bytes:
    """The object with another UID, of another series when that is asked for."""
    image = pydicom.dcmread(io.BytesIO(content))
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SOPInstanceUID}"[:40] + instance
    if series:
        image.SeriesInstanceUID, image.SeriesNumber = f"{image.SeriesInstanceUID}"[:40] + series, number
    held = io.BytesIO()
    image.save_as(held, enforce_file_format=True)
    return held.getvalue()


# --- what is wrong at the destination --------------------------------------------------------------------------------


def test_other_pixels_at_the_destination_are_grave(done: Moving) -> None:
    """Real bytes of the disk are changed: seen when they are read, and at once where the server lists them so."""
    name = done.spoil(b"", b"", listed=False)
    assert done.grave() == {}  # the server lists what it listed before
    ((place, fate),) = done.grave(reads=True).items()
    assert fate == "differs"
    done.resource(done.pair.target, done.there, "1").entries[name].digest = "0" * 32

    assert done.grave() == {place: "differs"}
    done.run(sync_new_only=False)
    assert list(done.codes().values()) == ["XS-OBJECTS-DIFFER"]
    assert not [line for line in done.sent("/files/") if name in line]


def test_verify_reads_what_was_imported_when_it_is_asked_to(done: Moving) -> None:
    """Bytes of the disk are another matter than what the server lists: `--level pixels` reads them."""
    name = done.spoil(b"", b"", listed=False)
    found = {level: done.verified(level) for level in (None, Level.NAMES, Level.PIXELS)}
    assert [verdict for verdict, _ in found.values()] == ["same", "same", "differs"]
    assert found[Level.PIXELS][1].server is Level.PIXELS
    with pytest.raises(Usage):
        done.verified(Level.BYTES)
    assert name


def test_a_head_that_the_destination_changed_later_is_no_other_object(done: Moving) -> None:
    """The pixel data are what was sent, whatever the listing says: it is read, and known again from then on."""
    done.spoil(b"Nobody", b"Nowone")
    assert done.grave() == {}
    assert (done.run(sync_new_only=False).outcome, done.codes()) == ("complete", {})
    assert all(row.proof == "pixels" for row in done.rows())


def test_a_missing_object_is_grave_and_sent_again_with_repair_alone(done: Moving) -> None:
    resource = done.resource(done.pair.target, done.there, "1")
    gone = min(resource.entries)
    del resource.entries[gone]
    before = len(done.sent("/services/import"))

    assert list(done.grave().values()) == ["missing"]
    done.run(sync_new_only=False)
    assert set(done.codes().values()) == {"XS-GONE-THERE"}
    assert len(done.sent("/services/import")) == before
    assert (done.run(repair=True, sync_new_only=False).outcome, done.codes(), done.grave()) == ("complete", {}, {})
    assert len(done.objects(done.pair.target, done.there)) == len(done.study)


# --- what cannot be imported -----------------------------------------------------------------------------------------


def test_what_is_no_object_or_not_of_the_session_is_named_and_the_rest_goes(moved: Moving, tmp_path: Path) -> None:
    """A text among the objects, an object of another study, and two of one UID that are not the same."""
    (key, first), *_ = moved.study
    foreign = make_study(tmp_path / "o", OTHER, seed=9)
    moved.plant({"notes.txt": b"no object", "other": foreign[0].read_bytes(), "z twin": first[:-1] + b"\xff"}, key)

    moved.run()

    assert moved.codes() == {
        "5/DICOM/notes.txt": "XS-OBJECTS-BROKEN", "5/DICOM/other": "XS-OBJECTS-CONFLICT",
        "5/DICOM/z twin": "XS-OBJECTS-CONFLICT",
    }  # fmt: skip
    assert len(moved.objects(moved.pair.target, moved.there)) == len(moved.study)
    assert set(moved.grave()) == {"5 DICOM/notes.txt", "5 DICOM/other", "5 DICOM/z twin"}
    sent = len(moved.sent("/services/import"))
    moved.run()
    assert len(moved.sent("/services/import")) == sent


def test_dicom_beside_the_scans_does_not_pass_by_the_script(moved: Moving) -> None:
    """A resource of the session that says that it holds DICOM is named, and not copied; its filter lets the rest go."""
    site, session = moved.pair.source.site, moved.pair.source.site.experiments[moved.here.id]
    add_resource(site, session, f"{session.folder}/RESOURCES", "secondary", {"a.dcm": moved.study[0][1]})

    moved.run()

    assert moved.codes() == {"-/secondary": "XS-PAST-ANONYMISATION"}
    files = moved.pair.target.server.all_files([moved.there])[moved.there].files
    assert not [file for file in files if file.resource == "secondary"]
    assert len(moved.objects(moved.pair.target, moved.there)) == len(moved.study)
    assert "missing" in moved.grave().values()


def test_an_object_among_other_files_stays_at_home(moved: Moving) -> None:
    """Small or big, whatever it is called; the others of its resource are copied."""
    big = moved.study[0][1] + bytes(SMALL_BYTES)
    moved.plant({"t1.nii": b"nifti", "hidden": moved.study[0][1], "large": big}, ResourceKey("5", "NIFTI"))
    moved.run()
    assert moved.codes() == {
        "5/NIFTI/hidden": "XS-PAST-ANONYMISATION", "5/NIFTI/large": "XS-PAST-ANONYMISATION"
    }  # fmt: skip
    files = moved.pair.target.server.all_files([moved.there])[moved.there].files
    assert [file.name for file in files if file.resource == "NIFTI"] == ["t1.nii"]
    assert set(moved.grave()) == {"5 NIFTI/hidden", "5 NIFTI/large"}


def test_a_big_object_is_imported_and_read_on_both_sides(moved: Moving) -> None:
    """It is never in memory as a whole, and proven all the same; other pixels there are grave."""
    image = pydicom.dcmread(io.BytesIO(moved.study[0][1]))
    image.Rows = image.Columns = 1500
    image.PixelData = bytes(2 * 1500 * 1500)
    held = io.BytesIO()
    image.save_as(held, enforce_file_format=True)
    moved.plant({"odd name 0": held.getvalue()})
    assert (moved.run().outcome, moved.codes(), moved.grave(), moved.grave(reads=True)) == ("complete", {}, {}, {})
    for number in range(5):
        name = moved.spoil(b"", b"", listed=False, at=number)
        if len(moved.grave(reads=True)) and name.startswith(str(image.SOPInstanceUID)):
            break
    assert moved.grave(reads=True)["5 DICOM/odd name 0"] == "differs"


def test_an_object_without_pixels_is_known_by_its_uid_where_a_script_changed_it(tmp_path: Path) -> None:
    """It is named as that, and what is changed there later is grave all the same."""
    with moving(tmp_path, script=f"{SCRIPT}- (0040,A730)\n") as moved:
        uid = str(pydicom.dcmread(io.BytesIO(moved.study[0][1]), stop_before_pixels=True).StudyInstanceUID)
        path = without_pixels(tmp_path / "sr.dcm", "report", "what was found", study=uid, sop_uid="2.25.77")
        moved.plant({"report": path.read_bytes()}, ResourceKey("9", "secondary"))

        assert (moved.run().outcome, moved.codes(), moved.grave()) == ("complete", {}, {})
        told = {one.name: one.fate.value for one in moved.examined().comparison.differences if one.what == "file"}
        assert told == {"secondary/report": "known by its UID alone"}
        owner = moved.there
        files = moved.pair.target.server.all_files([owner])[owner].files
        (file,) = [one for one in files if one.name == "2.25.77.dcm"]
        moved.resource(moved.pair.target, owner, file.scan, file.resource).entries[file.name].digest = "0" * 32
        assert moved.grave() == {"9 secondary/report": "differs"}
        moved.run(sync_new_only=False)
        assert moved.codes() == {"9/secondary/report": "XS-OBJECTS-DIFFER"}


def test_a_session_without_objects_goes_by_copy(moved: Moving) -> None:
    """But for what says whose it is."""
    place = f"/data/projects/{SOURCE}/subjects/S1/experiments/S1_EMPTY"
    moved.pair.source.put(place, xsiType="xnat:mrSessionData", date="2024-01-02", note="no scan", UID="1.2.3.4",
                          **{"xnat:mrSessionData/dcmPatientName": NAME})  # fmt: skip
    assert moved.run().outcome == "complete"
    owner = moved.pair.target.owner(OwnerKind.SESSION, "S1_EMPTY", TARGET)
    facts = dict(moved.pair.target.server.describe(owner).fields)
    assert (facts["note"], facts["date"]) == ("no scan", "2024-01-02")
    assert {"dcmPatientName", "@UID"}.isdisjoint(facts)
    assert (moved.codes(), moved.run(sync_new_only=False).outcome) == ({}, "complete")


def test_what_the_source_changed_after_the_import_is_told_and_replaces_nothing(done: Moving) -> None:
    """A person deletes it at the destination, and `--repair` sends the new version."""
    (key, first), *_ = done.study
    changed = first[:-1] + bytes([first[-1] ^ 0x0F])
    done.plant({"odd name 0": changed}, key)
    before = len(done.sent("/services/import"))

    done.run(sync_new_only=False)

    assert (done.codes(), done.grave()) == (
        {"5/DICOM/odd name 0": "XS-CHANGED-AT-SOURCE"}, {"5 DICOM/odd name 0": "differs"}
    )  # fmt: skip
    assert len(done.sent("/services/import")) == before
    uid = next(row.sop_uid for row in done.rows() if row.name == "odd name 0")
    del done.resource(done.pair.target, done.there, "1").entries[f"{uid}.dcm"]
    assert (done.run(repair=True, sync_new_only=False).outcome, done.codes(), done.grave()) == ("complete", {}, {})


# --- what is in the way ----------------------------------------------------------------------------------------------


def test_somebodys_upload_of_the_label_is_left_alone(moved: Moving, tmp_path: Path) -> None:
    """Nothing is sent beside it; when it is gone, the session goes."""
    paths = make_study(tmp_path / "o", OTHER, seed=9)
    server = moved.pair.target.server
    content = paths[0].read_bytes()
    facts = ManifestFile("a", len(content), 0, b"", zlib.crc32(content), b"", Kind.DICOM)
    members = [("a.dcm", facts, iter([content]))]
    reply = server.import_zip(
        ImportTarget(TARGET, "X", LABEL), members, size=zip_size([("a.dcm", len(content))]), request_id="stranger"
    )
    before = len(moved.sent("/services/import"))

    moved.run()

    assert (moved.codes(), len(moved.sent("/services/import"))) == ({"": "XS-PREARCHIVE-OCCUPIED"}, before)
    assert [row.uri for row in server.prearchive(TARGET)] == list(reply.uris)
    server.delete_prearchive(reply.uris[0], request_id="x")
    assert (moved.run().outcome, moved.codes(), moved.grave()) == ("complete", {}, {})


def test_another_study_under_the_label_is_left_as_it_is(moved: Moving) -> None:
    """Nothing is sent, and nothing is written into what is there, however often."""
    number = moved.pair.target.put(
        f"/data/projects/{TARGET}/subjects/OTHER/experiments/{LABEL}", xsiType="xnat:mrSessionData", UID="1.2.3",
        note="another's",
    )  # fmt: skip
    before = moved.pair.target.server.describe(moved.there)
    for _ in range(2):
        moved.run()
        assert moved.codes() == {"": "XS-SESSION-COLLISION"}
    assert moved.pair.target.server.describe(moved.there) == before
    assert (moved.there.id, moved.sent("/services/import")) == (number, [])
    assert not moved.examined().is_complete


def test_a_script_that_keeps_an_object_out_is_no_success(tmp_path: Path) -> None:
    """It is named, and asked for no more until a person releases it; the others are there."""
    with moving(tmp_path, script='version "6.6"\n(0020,0013) = "1" ? reject[]\n') as moved:
        moved.run()
        assert moved.codes() == {"5/DICOM/odd name 0": "XS-REQUEST-REFUSED", "9/DICOM/odd name 4": "XS-REQUEST-REFUSED"}
        assert moved.grave() == {"5 DICOM/odd name 0": "missing", "9 DICOM/odd name 4": "missing"}
        sent = len(moved.sent("/services/import"))
        moved.run(sync_new_only=False)
        assert len(moved.sent("/services/import")) == sent
        anonymise(moved.pair.target, 'version "6.1"\n')  # it is mended, and a person says so
        for row in moved.world.ledger.owners("t"):
            moved.world.ledger.release_owner(row.id)
        moved.run(sync_new_only=False)
        assert (moved.codes(), moved.grave()) == ({}, {})
        assert len(moved.objects(moved.pair.target, moved.there)) == len(moved.study)


@pytest.mark.parametrize("kind", ["cut_request", "lost_reply"])
def test_an_upload_without_an_answer_is_taken_back_and_sent_anew(moved: Moving, kind: str) -> None:
    """Its row is never archived; what is there in the end is whole."""
    more = {"bytes": 800} if kind == "cut_request" else {}
    fault = Fault("POST", "/data/services/import", kind, after=1, **more)  # type: ignore[arg-type]
    moved.pair.target.box.faults.add(fault)
    assert (moved.run().outcome, moved.codes(), moved.grave()) == ("complete", {}, {})
    assert [line for line in moved.sent("/prearchive/") if line.startswith("DELETE")]


@pytest.mark.parametrize("after", ["commit", "build"])
def test_an_answer_that_is_lost_is_looked_for(moved: Moving, after: str) -> None:
    """The row was built, or archived: the next look tells."""
    moved.pair.target.box.faults.add(Fault("POST", f"action={after}", "lost_reply"))
    assert (moved.run().outcome, moved.codes(), moved.grave()) == ("complete", {}, {})
    assert len(moved.sent("POST /data/prearchive/")) == 2
