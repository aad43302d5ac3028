"""Zips and tars of files: the layouts, the streams (hierarchy.md §7)."""

from __future__ import annotations

import io
import tarfile
import zipfile

import httpx
import pytest

from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.store import FolderStore, MemoryStore, Store
from xnatsync.sandbox.model.zipping import Packed, zipped

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def filled(admin: httpx.Client, session: str) -> str:
    for path in ("scans/4/resources/DICOM/files/sub/1.dcm", "resources/NIFTI/files/a.nii"):
        admin.put(f"{session}/{path}?inbody=true", content=path.encode(), headers=OCTETS).raise_for_status()
    return session


def names(reply: httpx.Response) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        ("", ["E1/resources/NIFTI/files/a.nii", "E1/scans/4/resources/DICOM/files/sub/1.dcm"]),
        ("simplified", ["E1/NIFTI/a.nii", "E1/scans/4/DICOM/sub/1.dcm"]),
        ("improved", ["resources/NIFTI/a.nii", "scans/4_T1_mpr/DICOM/sub/1.dcm"]),
        ("legacy", ["E1/RESOURCES/NIFTI/a.nii", "E1/SCANS/4/DICOM/sub/1.dcm"]),
    ],
)
def test_the_four_layouts_of_a_session(admin: httpx.Client, filled: str, structure: str, expected: list[str]) -> None:
    reply = admin.get(f"{filled}/files", params={"format": "zip", "all": "true", "structure": structure})
    assert names(reply) == expected


def test_addressed_by_scan_the_default_layout_shows_the_type(admin: httpx.Client, filled: str) -> None:
    reply = admin.get(f"{filled}/scans/ALL/files?format=zip")
    assert names(reply) == ["E1/scans/4-T1_mpr/resources/DICOM/files/sub/1.dcm"]
    assert reply.headers["content-disposition"] == 'attachment; filename="E1.zip";'
    assert "content-length" not in reply.headers


def test_without_all_a_session_zip_holds_its_own_resources_only(admin: httpx.Client, filled: str) -> None:
    assert names(admin.get(f"{filled}/files?format=zip")) == ["E1/resources/NIFTI/files/a.nii"]


def test_project_and_subject_can_lead_the_path(admin: httpx.Client, filled: str) -> None:
    flags = "projectIncludedInPath=true&subjectIncludedInPath=true"
    assert names(admin.get(f"{filled}/files?format=zip&{flags}")) == ["P1/S1/E1/resources/NIFTI/files/a.nii"]


@pytest.mark.parametrize(("query", "method"), [("", zipfile.ZIP_STORED), ("&compression=8", zipfile.ZIP_DEFLATED)])
def test_zips_are_stored_unless_compression_is_asked(admin: httpx.Client, filled: str, query: str, method: int) -> None:
    reply = admin.get(f"{filled}/files?format=zip{query}")
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert [info.compress_type for info in archive.infolist()] == [method]
        assert archive.read("E1/resources/NIFTI/files/a.nii") == b"resources/NIFTI/files/a.nii"


def test_stored_members_have_no_data_descriptor(admin: httpx.Client, filled: str) -> None:
    content = admin.get(f"{filled}/files?format=zip").content
    assert content[:4] == b"PK\3\4"
    assert int.from_bytes(content[6:8], "little") & 8 == 0
    assert b"PK\7\x08" not in content


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_tars(admin: httpx.Client, filled: str, kind: str) -> None:
    reply = admin.get(f"{filled}/files?format={kind}&all=true&structure=improved")
    with tarfile.open(fileobj=io.BytesIO(reply.content)) as archive:
        assert archive.getnames() == ["resources/NIFTI/a.nii", "scans/4/DICOM/sub/1.dcm"]
        member = archive.extractfile("resources/NIFTI/a.nii")
        assert member is not None
        assert member.read() == b"resources/NIFTI/files/a.nii"


def test_an_empty_selection_is_404_and_a_missing_file_silently_left_out(
    admin: httpx.Client, filled: str, site: Site
) -> None:
    assert admin.get(f"{filled}/resources/NOPE/files?format=zip").status_code == 404
    assert admin.get(f"{filled}/resources/NOPE/files?format=zip&accept-not-found=true").status_code == 204
    site.store.delete("archive/P1/arc001/E1/RESOURCES/NIFTI/a.nii")
    assert names(admin.get(f"{filled}/files?format=zip&all=true")) == ["E1/scans/4/resources/DICOM/files/sub/1.dcm"]


def test_an_open_range_of_an_archive_is_500_and_a_closed_one_ignored(admin: httpx.Client, filled: str) -> None:
    url = f"{filled}/files?format=zip"
    assert admin.get(url, headers={"Range": "bytes=5-"}).status_code == 500
    assert admin.get(url, headers={"Range": "bytes=0-5"}).status_code == 200


@pytest.mark.parametrize("deflate", [False, True])
def test_memory_and_disk_make_the_same_zip(tmp_path_factory: pytest.TempPathFactory, deflate: bool) -> None:
    contents = []
    stores: list[Store] = [MemoryStore(lambda: 1e9), FolderStore(tmp_path_factory.mktemp("store"))]
    for store in stores:
        store.write("a", [b"x" * 3_000_000])
        store.write("b", [b""])
        stream = b""
        for piece in zipped(store, [Packed("é/a", "a"), Packed("b", "b"), Packed("gone", "gone")], deflate=deflate):
            if isinstance(piece, bytes):
                stream += piece
            else:
                with open(piece.path, "rb") as file:
                    file.seek(piece.offset)
                    stream += file.read(piece.length)
        with zipfile.ZipFile(io.BytesIO(stream)) as archive:
            assert archive.testzip() is None
            contents.append({name: archive.read(name) for name in archive.namelist()})
    assert contents[0] == contents[1] == {"é/a": b"x" * 3_000_000, "b": b""}
