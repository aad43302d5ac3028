"""The judge of fidelity: the official Python client, unmodified, against the sandbox on a real socket."""

from __future__ import annotations

import datetime as dt
import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from sandbox.archive_example import example
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # whatever the library's own imports warn about is not ours to judge
    import xnat

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:xnat"),
    pytest.mark.filterwarnings("ignore:::xnat"),
]
ROOT = "1.2.826.0.1.3680043.8.498.7"


@contextmanager
def connected(site: Site) -> Iterator[xnat.session.XNATSession]:
    with SandboxServer(site) as server, xnat.connect(server.url, user="admin", password="admin") as session:
        yield session


@pytest.fixture
def session() -> Iterator[xnat.session.XNATSession]:
    with connected(example()) as found:
        yield found


@pytest.fixture
def disk_site(tmp_path: Path) -> Iterator[Site]:
    site = Site.on_disk(tmp_path / "site")
    site.accounts.add("admin", "admin", admin=True)
    yield site
    site.close()


def mr_object(series: int, instance: int) -> bytes:
    """Makes one small MR object of a study of two series."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{series}.{instance}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{ROOT}.0", f"{ROOT}.{series}"
    data.Modality, data.PatientID, data.PatientName = "MR", "SUB01", "Sub^One"
    data.StudyDate, data.StudyTime, data.SeriesDescription = "20240102", "101112", f"series {series}"
    data.SeriesNumber, data.InstanceNumber, data.Manufacturer = series, instance, "SIEMENS"
    data.Rows = data.Columns = 8
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = bytes([series, instance]) * 64
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for series in (1, 2):
            for instance in (1, 2, 3):
                archive.writestr(f"{ROOT}.{series}.{instance}.dcm", mr_object(series, instance))
    return path


def test_it_connects_and_knows_the_version_and_the_user(session):
    assert session.xnat_version == "1.9.2.1"
    assert session.logged_in_user == "admin"


def test_a_wrong_password_is_told_in_the_clients_own_words():
    with SandboxServer(example()) as server, pytest.raises(xnat.exceptions.XNATLoginFailedError):
        xnat.connect(server.url, user="admin", password="wrong")


def test_it_lists_projects_subjects_experiments_scans_and_resources(session):
    assert set(session.projects) == {session.projects["P1"], session.projects["P2"]}
    project = session.projects["Project 1"]
    assert [subject.label for subject in project.subjects.values()] == ["SUB01", "SUB02"]
    assert set(project.experiments.key_map) == {"SUB01_MR1", "SUB02_CT1", "VARS"}
    assert set(session.subjects.keys()) == {"XNAT_S00001", "XNAT_S00002", "XNAT_S00003"}
    assert len(session.experiments) == 5
    scans = project.experiments["SUB01_MR1"].scans
    assert list(scans.keys()) == ["4", "5"]
    assert scans["T1"].id == "4"
    resource = scans["4"].resources["DICOM"]
    assert (resource.file_count, resource.file_size, resource.format) == (176, 92838912, "DICOM")
    assert list(project.resources.key_map) == ["plan"]


def test_it_reads_fields_with_their_types(session):
    experiment = session.projects["P1"].experiments["SUB01_MR1"]
    assert type(experiment).__name__ == "MrSessionData"
    assert experiment.date == dt.date(2018, 7, 1)
    assert (experiment.uid, experiment.modality, experiment.label) == ("1.2.3", "MR", "SUB01_MR1")
    assert dict(experiment.fields.items()) == {"rater": "X", "pass": "1"}
    assert experiment.subject.label == "SUB01"
    assert experiment.status == "active"
    scan = experiment.scans["4"]
    assert (scan.type, scan.series_description, scan.quality) == ("T1", "t1_mpr", "usable")
    assert (scan.frames, scan.parameters.tr) == (176, 2.5)
    assert scan.parent.id == experiment.id
    subject = session.projects["P1"].subjects["SUB01"]
    assert (subject.demographics.gender, subject.demographics.yob) == ("male", 1980)
    assert subject.fields["age_grp"] == "A"
    assert subject.insert_date.date() == dt.date(2023, 9, 27)
    assert list(experiment.assessors) == [experiment.assessors["QC1"]]


def test_it_creates_a_subject_and_writes_fields_and_custom_variables(session):
    project = session.projects["P1"]
    subject = session.classes.SubjectData(parent=project, label="NEW")
    subject.demographics.gender = "female"
    subject.fields["age_grp"] = "B"
    experiment = project.experiments["SUB01_MR1"]
    experiment.note = "seen"
    session.clearcache()
    again = session.projects["P1"].subjects["NEW"]
    assert again.demographics.gender == "female"
    assert again.fields["age_grp"] == "B"
    assert session.projects["P1"].experiments["SUB01_MR1"].note == "seen"


def test_it_refuses_a_value_the_schema_does_not_allow(session):
    with pytest.raises(ValueError, match="gender"):
        session.projects["P1"].subjects["SUB01"].demographics.gender = "nonsense"


def test_it_searches(session):
    mr = session.classes.MrSessionData
    query = mr.query().filter(mr.label == "SUB01_MR1")
    assert query.view(mr.label, mr.project).tabulate_dict() == [
        {"xnat_col_mrsessiondatalabel": "SUB01_MR1", "project": "P1", "quarantine_status": "active"}
    ]
    assert [found.id for found in query.all()] == [session.projects["P1"].experiments["SUB01_MR1"].id]
    assert (query.first().label, query.last().label, query.one().label) == ("SUB01_MR1",) * 3


def test_it_tabulates_and_filters_listings(session):
    rows = session.projects["P1"].experiments.tabulate(columns=["label", "date"], filter={"label": "SUB*"})
    assert {(row.label, row.date) for row in rows} == {("SUB01_MR1", "2018-07-01"), ("SUB02_CT1", "2018-07-20")}


def test_it_knows_users_members_and_the_sites_overviews(session):
    assert {"admin", "member", "stranger"} <= set(session.users)
    assert {user.login for user in session.projects["P1"].users.values()} == {"member"}
    assert {row["type"] for row in session.scan_types} == {"T1", "4"}
    assert session.xnat_build_info["version"] == "1.9.2.1"


def test_it_shares_renames_and_deletes(session):
    experiment = session.projects["P1"].experiments["SUB02_CT1"]
    experiment.share("P2", "CT_THERE")
    experiment.label = "RENAMED"
    session.clearcache()
    # asked as plain JSON: the client keeps one object per id, whose later DELETE would go through the other project
    there = session.get_json("/data/projects/P2/experiments")["ResultSet"]["Result"]
    assert {row["label"]: row["ID"] for row in there}["CT_THERE"] == "XNAT_E00002"
    experiment = session.projects["P1"].experiments["RENAMED"]
    experiment.delete()
    session.clearcache()
    assert "XNAT_E00002" not in session.projects["P1"].experiments


def test_it_uploads_files_to_a_resource_and_gets_them_back(disk_site, tmp_path):
    _project(disk_site)
    (tmp_path / "a.txt").write_text("content")
    folder = tmp_path / "folder" / "sub"
    folder.mkdir(parents=True)
    (folder / "b.bin").write_bytes(bytes(1000))
    with connected(disk_site) as session:
        resource = session.projects["P1"].create_resource("NOTES")
        resource.upload(tmp_path / "a.txt")
        resource.upload_data("text", "sub/c.txt")
        resource.upload_dir(tmp_path / "folder")
        session.clearcache()
        resource = session.projects["P1"].resources["NOTES"]
        assert set(resource.files.keys()) == {"a.txt", "sub/c.txt", "sub/b.bin"}
        assert resource.file_count == 3
        resource.files["a.txt"].download(tmp_path / "back.txt", verbose=False)
        with resource.files["sub/c.txt"].open() as stream:
            assert stream.read() == b"text"
        assert resource.files["sub/b.bin"].verify_digest()
        assert int(resource.files["sub/b.bin"].size) == 1000
        resource.download_dir(tmp_path / "all", verbose=False)
    assert (tmp_path / "back.txt").read_text() == "content"
    assert sorted(path.name for path in (tmp_path / "all").rglob("*") if path.is_file()) == ["a.txt", "b.bin", "c.txt"]


def _project(site: Site) -> None:
    with SandboxServer(site) as server, xnat.connect(server.url, user="admin", password="admin") as session:
        session.put("/data/projects/P1")


def test_it_imports_a_study_into_the_prearchive_archives_it_and_downloads_it(disk_site, study, tmp_path):
    _project(disk_site)
    with connected(disk_site) as session:
        received = session.services.import_(
            study, project="P1", subject="SUB01", experiment="SUB01_MR1", destination="/prearchive"
        )
        assert received.status == "READY"
        listed = session.prearchive.sessions()
        assert [(row.project, row.subject, row.label) for row in listed] == [("P1", "SUB01", "SUB01_MR1")]
        assert session.prearchive.find(project="P1", session="SUB01_MR1")[0].uri == listed[0].uri
        assert listed[0].scan_date == dt.date(2024, 1, 2)
        assert {scan.id for scan in listed[0].scans} == {"1", "2"}

        archived = listed[0].archive()
        assert session.prearchive.sessions() == []
        assert (archived.label, archived.uid) == ("SUB01_MR1", f"{ROOT}.0")
        assert archived.date == dt.date(2024, 1, 2)
        scan = archived.scans["1"]
        assert (scan.series_description, scan.uid, scan.frames) == ("series 1", f"{ROOT}.1", 3)
        assert len(scan.resources["DICOM"].files) == 3

        scan.download(str(tmp_path / "scan.zip"), verbose=False)
        scan.download_dir(str(tmp_path / "scan"), verbose=False)
        archived.download(str(tmp_path / "session.zip"), verbose=False)
        archived.download_dir(str(tmp_path / "session"), verbose=False)
        assert scan.read_dicom().SeriesInstanceUID == f"{ROOT}.1"
        assert "1.2.840.10008.5.1.4.1.1.4" in {row["value"] for row in scan.dicom_dump()}
    with zipfile.ZipFile(tmp_path / "session.zip") as archive:
        assert len(archive.namelist()) == 6
        assert archive.testzip() is None
    found = [pydicom.dcmread(path) for path in (tmp_path / "session").rglob("*.dcm")]
    assert {str(data.SOPInstanceUID) for data in found} == {f"{ROOT}.{s}.{i}" for s in (1, 2) for i in (1, 2, 3)}
    one = next(data for data in found if data.SOPInstanceUID == f"{ROOT}.2.3")
    assert one.PixelData == bytes([2, 3]) * 64
    assert len(list((tmp_path / "scan").rglob("*.dcm"))) == 3


def test_it_imports_straight_into_the_archive(disk_site, study):
    _project(disk_site)
    with connected(disk_site) as session:
        session.services.import_(
            study, project="P1", subject="SUB01", experiment="SUB01_MR1", destination="/archive", overwrite="append"
        )
        session.clearcache()
        assert set(session.projects["P1"].experiments["SUB01_MR1"].scans.keys()) == {"1", "2"}


def test_disconnecting_ends_the_login():
    with SandboxServer(example()) as server:
        session = xnat.connect(server.url, user="admin", password="admin")
        session.disconnect()
        assert (server.log[-1]["method"], server.log[-1]["path"]) == ("DELETE", "/data/JSESSION")
        assert len(server.site.logins.of("admin", server.site.clock(), 900.0)) == 0
