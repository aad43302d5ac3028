"""`DownloadService`: what lies on the disk afterwards is what the server holds, byte for byte."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from noun_world import NounWorld, content
from xnatsync import XNATClient
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.services.downloads import DownloadService
from xnatsync.services.errors import InvalidInputError, OperationCancelled, ResourceNotFoundError
from xnatsync.services.progress import DownloadProgress
from xnatsync.services.resources import ResourceService

P = "NEUROIMAGING"


@pytest.fixture
def service(client: XNATClient) -> DownloadService:
    return DownloadService(client)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder beside the server's."""
    place = tmp_path / "got"
    place.mkdir()
    return place


def tree(root: Path) -> dict[str, bytes]:
    """Everything below a folder but our own notes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".xnatsync" not in path.parts
    }


def members(place: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(place) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_session_comes_as_files(far: NounWorld, service: DownloadService, out: Path) -> None:
    """The example of the documents; a second run fetches nothing."""
    done = service.download_session(project=P, session="MR001", dest=out / "out", workers=3, show_progress=True)

    found = tree(out / "out")
    assert (done.success, done.total, done.succeeded, done.verified) == (True, 10, 10, True)
    assert found["MR001/scans/2/resources/DICOM/files/0003.dcm"] == content("MR001/2/3")
    assert found["MR001/resources_NIFTI/bids/t1.json"] == b"{}"
    assert len(found) == 10
    before = len(far.server.log)
    again = service.download_session("MR001", out / "out", P)
    assert (again.success, again.succeeded, again.skipped) == (True, 0, 10)
    assert not [entry for entry in far.server.log[before:] if "format=zip" in str(entry["query"])]


def test_a_pattern_and_scans_alone(service: DownloadService, out: Path) -> None:
    """Only what matches; without the session's own resources."""
    done = service.download_session("MR001", out, P, include_resources=False, pattern="0001.*", parallel=False)

    assert done.success
    assert {name.rpartition("/")[2] for name in tree(out)} == {"0001.dcm"}
    assert len(tree(out)) == 2


def test_assessors_are_no_silent_omission(service: DownloadService, out: Path) -> None:
    """They are not fetched, and that is said before anything is."""
    with pytest.raises(InvalidInputError, match="assessors"):
        service.download_session("MR001", out, P, include_assessors=True)
    assert tree(out) == {}


def test_a_resource_comes_as_a_zip_or_as_files(client: XNATClient, service: DownloadService, out: Path) -> None:
    """Under the name of the documents; of a scan too; `ResourceService.download` is the same."""
    done = service.download_resource("MR001", "NIFTI", out, project=P)

    assert (done.output_path, done.files) == (out / "NIFTI.zip", (out / "NIFTI.zip",))
    assert members(done.output_path)["MR001/resources/NIFTI/files/bids/t1.json"] == b"{}"
    service.download_resource("MR001", "NIFTI", out / "s", scan_id="1", project=P, zip_filename="one.zip")
    assert list(members(out / "s" / "one.zip").values()) == [content("scan nifti")]
    service.download_resource("MR001", "NIFTI", out / "f", project=P, extract=True)
    assert tree(out / "f")["MR001/resources_NIFTI/t1.nii.gz"] == content("nifti", 9000)
    same = ResourceService(client).download(project=P, session="MR001", resource="QC", dest=str(out / "d"))
    assert list(members(same.output_path).values()) == [b"fine\n"]


def test_scans_come_alone_or_together(service: DownloadService, out: Path) -> None:
    """One as files, several as `scans.zip`, as files, or both."""
    service.download_scan("MR001", "2", out / "one", P)
    assert set(tree(out / "one")) == {f"MR001/scans/2/resources/DICOM/files/000{n}.dcm" for n in (1, 2, 3)}
    done = service.download_scans("MR001", ["1", "2"], out / "zip", P, "SUB001", "DICOM")
    assert done.output_path == out / "zip" / "scans.zip"
    assert len(members(done.output_path)) == 6
    service.download_scans("MR001", ["ALL"], out / "both", P, extract=True, cleanup=False)
    names = set(tree(out / "both"))
    assert "MR001/scans.zip" in names
    assert len(names) == 8


@pytest.mark.parametrize("scans", [["1", "9"], ["*", "1"]])
def test_a_scan_that_is_not_there_is_an_error_before_anything_is_fetched(
    service: DownloadService, out: Path, scans: list[str]
) -> None:
    """Nor is a session of somebody else fetched."""
    with pytest.raises(ResourceNotFoundError):
        service.download_scans("MR001", scans, out, P)
    with pytest.raises(ResourceNotFoundError, match="not of the subject"):
        service.download_scans("MR001", ["1"], out, P, subject="SUB002")
    with pytest.raises(ResourceNotFoundError):
        service.download_resource("MR001", "NO_SUCH", out, project=P)
    assert tree(out) == {}


def test_bytes_that_change_on_the_way_get_no_name(far: NounWorld, service: DownloadService, out: Path) -> None:
    """The right size and CRC, another content: only the listing's digest tells."""

    def spoil(request: Request, answer: Response) -> Response:
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)  # type: ignore[arg-type]
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(body)) as found, zipfile.ZipFile(made, "w") as kept:
            for info in found.infolist():
                kept.writestr(info.filename, found.read(info)[::-1])
        answer.body = made.getvalue()
        answer.headers.pop("Content-Length", None)
        return answer

    far.server.faults.add(Fault("GET", "format=zip", kind="call", after_call=spoil, times=99))
    far.server.faults.add(Fault("GET", r"/files/0001\.dcm", kind="status", status=404, times=99))

    done = service.download_scan("MR001", "1", out, P, "DICOM")

    assert not done.success
    assert not done.verified
    assert not [name for name in tree(out) if name.endswith("0001.dcm")]


def test_a_cut_answer_is_tried_again(far: NounWorld, service: DownloadService, out: Path) -> None:
    """And what is there in the end is whole."""
    far.server.faults.add(Fault("GET", "format=zip", kind="cut_response", times=1))

    assert service.download_scan("MR001", "1", out, P).success
    assert len(tree(out)) == 4


def test_what_we_did_not_write_stays(service: DownloadService, out: Path) -> None:
    """And is told; everything else is fetched."""
    place = out / "MR001" / "scans" / "1" / "resources" / "DICOM" / "files" / "0001.dcm"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"theirs")

    done = service.download_session("MR001", out, P)

    assert (done.success, done.failed, done.succeeded) == (False, 1, 9)
    assert place.read_bytes() == b"theirs"


def test_a_callback_is_told_and_cancels(service: DownloadService, out: Path) -> None:
    """What has arrived stays whole, and a later run goes on; an exception of the callback is raised as it is."""
    told: list[DownloadProgress] = []

    def some(progress: DownloadProgress) -> bool:
        told.append(progress)
        return progress.completed < 2

    with pytest.raises(OperationCancelled):
        service.download_session("MR001", out, P, progress_callback=some)

    assert told[-1].total == 10

    def fails(progress: DownloadProgress) -> None:
        raise KeyError("of the callback")

    with pytest.raises(KeyError, match="of the callback"):
        service.download_session("MR001", out, P, progress_callback=fails)
    assert service.download_session("MR001", out, P).success
    assert len(tree(out)) == 10
