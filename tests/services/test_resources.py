"""`ResourceService`: what it stores is on the server byte for byte, what it says is what the server holds."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from noun_world import NounWorld, content
from xnatsync import XNATClient
from xnatsync.sandbox.http.exchange import Request, Response, pieces
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.objects import Resource as Held
from xnatsync.services.errors import (
    InvalidInputError,
    OperationCancelled,
    PermissionDeniedError,
    RequestRefused,
    ResourceNotFoundError,
    XNATError,
)
from xnatsync.services.progress import UploadProgress
from xnatsync.services.resource_uploads import ResourceUploads
from xnatsync.services.resources import ResourceService

P = "NEUROIMAGING"


@pytest.fixture
def service(client: XNATClient) -> ResourceService:
    return ResourceService(client)


def held(far: NounWorld, label: str, session: str = "MR001", scan: str | None = None) -> Held | None:
    """The resource as the server keeps it."""
    site = far.site
    found = next(each for each in site.experiments.values() if each.label == session)
    return (found.scans[scan].resources if scan else found.resources).get(label)


def stored(far: NounWorld, label: str, session: str = "MR001", scan: str | None = None) -> dict[str, bytes]:
    """What the server keeps of a resource that its catalogue names."""
    resource = held(far, label, session, scan)
    assert resource is not None
    return bytes_of(far, resource)


def bytes_of(far: NounWorld, resource: Held) -> dict[str, bytes]:
    found = {}
    for name in resource.entries:
        with far.site.store.open(f"{resource.folder}/{name}") as file:
            found[name] = file.read()
    return found


def puts(far: NounWorld, label: str) -> list[str]:
    """The stores that were asked of the server since it was furnished."""
    asked = [f"{entry['path']}?{entry['query']}" for entry in far.server.log if entry["method"] == "PUT"]
    return [line for line in asked if f"/resources/{label}/" in line and "inbody" not in line]


def nothing_done(request: Request) -> Response:
    """Answer 200 to everything, and do nothing."""
    for _ in pieces(request.body, 1 << 16):
        pass
    return Response()


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    return root


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


# --- listings ----------------------------------------------------------------------------------------------------


def test_resources_of_a_session_and_of_a_scan_are_listed(far: NounWorld, service: ResourceService) -> None:
    """Both call styles; counts and sizes are the server's."""
    own = service.list(project=P, session="MR001")

    assert [each.label for each in own] == ["NIFTI", "QC"]
    assert (own[0].file_count, own[0].file_size, own[0].scan) == (2, 9002, None)
    assert [(each.label, each.scan) for each in service.list("MR001", "1", P)] == [("DICOM", "1"), ("NIFTI", "1")]
    assert service.get("MR001", "QC", project=P).id == str(held(far, "QC").id)  # type: ignore[union-attr]


def test_files_are_listed_with_size_and_digest(service: ResourceService) -> None:
    """By name, as the catalogue has them."""
    files = service.list_files(session="MR001", resource="NIFTI", project=P)

    assert [(file.name, file.size) for file in files] == [("bids/t1.json", 2), ("t1.nii.gz", 9000)]
    assert all(file.digest and len(file.digest) == 32 for file in files)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("XNAT_E99999", None, None), "no session"),
        (("MR009", None, P), "no session MR009"),
        (("MR001", "9", P), "no scan 9"),
        (("MR001", None, "NEUROIMAGNG"), "the nearest: NEUROIMAGING"),
    ],
)
def test_what_is_not_there_is_named(
    service: ResourceService, asked: tuple[str, str | None, str | None], words: str
) -> None:
    """Never an empty list of somebody else's."""
    with pytest.raises(ResourceNotFoundError, match=words):
        service.list(*asked)
    with pytest.raises(ResourceNotFoundError):
        service.get("MR001", "NO_SUCH", project=P)


# --- making and deleting -----------------------------------------------------------------------------------------


def test_a_resource_is_made_once(far: NounWorld, service: ResourceService) -> None:
    """With format and content; a second time it is left as it is."""
    made = service.create("MR001", "BIDS", project=P, format="BIDS", content="dataset")

    assert (made.label, made.format, made.content) == ("BIDS", "BIDS", "dataset")
    there = held(far, "BIDS")
    assert there is not None
    assert there.format == "BIDS"
    with pytest.raises(XNATError, match="already"):
        service.create("MR001", "BIDS", project=P, format="OTHER")
    assert there.format == "BIDS"


def test_a_deleted_resource_is_gone_with_its_files(far: NounWorld, service: ResourceService) -> None:
    """And nothing beside it; a second time it is not there, which XNAT itself answers with 200."""
    gone = held(far, "NIFTI")
    assert gone is not None

    assert service.delete(project=P, session="MR001", resource="NIFTI")

    assert held(far, "NIFTI") is None
    assert far.site.store.size(f"{gone.folder}/t1.nii.gz") is None
    assert held(far, "NIFTI", scan="1") is not None
    assert held(far, "QC") is not None
    with pytest.raises(ResourceNotFoundError):
        service.delete("MR001", "NIFTI", project=P)


def test_files_cannot_be_kept_without_their_resource(far: NounWorld, service: ResourceService) -> None:
    """XNAT has no such thing, so nothing is deleted."""
    with pytest.raises(InvalidInputError, match="always"):
        service.delete("MR001", "QC", project=P, remove_files=False)
    assert held(far, "QC") is not None


def test_a_delete_that_did_nothing_is_no_success(far: NounWorld, service: ResourceService) -> None:
    """The answer says 200, the listing shows it."""
    far.server.faults.add(Fault("DELETE", "/resources/QC", kind="call", before=nothing_done))

    with pytest.raises(XNATError, match="lists it"):
        service.delete("MR001", "QC", project=P)


def test_a_refresh_lists_what_lies_on_the_servers_disk(far: NounWorld, service: ResourceService) -> None:
    """Files that a pipeline wrote there become visible, with digest and count."""
    resource = held(far, "QC")
    assert resource is not None
    far.site.store.write(f"{resource.folder}/late.txt", [b"late"])

    after = service.refresh("MR001", "QC", project=P)

    assert after.file_count == 2
    assert [file.name for file in service.list_files("MR001", "QC", project=P)] == ["late.txt", "report.txt"]
    with pytest.raises(InvalidInputError):
        service.refresh("MR001", "QC", project=P, options=["everything"])


# --- uploading ---------------------------------------------------------------------------------------------------


def test_files_are_stored_as_they_are(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """The example of the documents; a second time nothing is sent."""
    here = folder(tmp_path / "in", {"analysis.nii.gz": gzip.compress(b"x" * 5000), "report.pdf": b"%PDF"})
    paths = [str(here / "analysis.nii.gz"), str(here / "report.pdf")]

    done = service.upload(project=P, session="MR001", resource="PROCESSED", files=paths)

    assert (done.success, done.total, done.uploaded, done.skipped, done.errors) == (True, 2, 2, 0, ())
    assert stored(far, "PROCESSED") == {path.name: path.read_bytes() for path in here.iterdir()}
    before = len(puts(far, "PROCESSED"))
    again = service.upload(project=P, session="MR001", resource="PROCESSED", files=paths)
    assert (again.success, again.uploaded, again.skipped, puts(far, "PROCESSED")[before:]) == (True, 0, 2, [])


@pytest.mark.parametrize(
    ("session", "scan", "subject"), [("MR001", "1", None), (None, None, "SUB001"), (None, None, None)]
)
def test_every_level_has_resources(
    far: NounWorld, service: ResourceService, tmp_path: Path, session: str | None, scan: str | None, subject: str | None
) -> None:
    """Scan, subject and project: the bytes are at that level, and nowhere else."""
    here = folder(tmp_path / "in", {"a.txt": b"a", "deep/b.txt": b"b" * 1000})

    done = service.upload(session, "PLAN", [here], project=P, subject=subject, scan=scan)

    assert done.success
    project, sub = far.site.projects[P], next(each for each in far.site.subjects.values() if each.label == "SUB001")
    at = {
        "scan": held(far, "PLAN", scan="1"),
        "subject": sub.resources.get("PLAN"),
        "project": project.resources.get("PLAN"),
    }
    level = "scan" if scan else "subject" if subject else "project"
    assert {name for name, resource in at.items() if resource is not None} == {level}
    assert bytes_of(far, at[level]) == {"a.txt": b"a", "deep/b.txt": b"b" * 1000}  # type: ignore[arg-type]
    assert [each.label for each in service.list(session, scan, P, subject=subject)].count("PLAN") == 1
    service.delete(session, "PLAN", scan, P, subject=subject)
    assert not [each for each in service.list(session, scan, P, subject=subject) if each.label == "PLAN"]


def test_many_small_files_are_one_request(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """And every one of them is there byte for byte."""
    files = {f"sub-{n % 7}/file {n:04}.txt": content(str(n), 50 + n) for n in range(400)}
    here = folder(tmp_path / "in", files)

    assert service.upload_directory("MR001", "BIDS", here, project=P).uploaded == 400

    assert stored(far, "BIDS") == files
    assert len(puts(far, "BIDS")) == 1


ODD = (
    *("a b.txt", "a+b.txt", "a%20b.txt", "a%b.txt", "a#b.txt", "a?b.txt", "ümlaut.txt", "日本.txt", ".hidden"),
    *("a&b;c=d,e@f~(1)[2]{3}.txt", "'quoted'.txt", '"double".txt', "trailing dot.", " leading", "a  b", "$HOME"),
    *("x.dcm", "no-ending", "!bang"),
)


def test_every_name_arrives_as_it_is(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """Together in one folder, and each by itself."""
    files = {f"d/{name}": content(name, 40) for name in ODD}
    here = folder(tmp_path / "in", files)

    assert service.upload("MR001", "ODD", [here], project=P).success
    assert stored(far, "ODD") == files
    for number, name in enumerate(ODD):
        assert service.upload("MR001", f"ODD{number}", [here / "d" / name], project=P).success, name
        assert stored(far, f"ODD{number}") == {name: content(name, 40)}


@pytest.mark.parametrize(
    "name",
    ["x_catalog.xml", "Catalog.XML", "star*", "a\nb", "back\\slash", "über.zip", "a#b.nii.gz"],
)
def test_a_name_that_would_not_arrive_is_refused_before_the_first_byte(
    far: NounWorld, service: ResourceService, tmp_path: Path, name: str
) -> None:
    """With whatever lies beside it."""
    here = folder(tmp_path / "in", {"good.txt": b"good", name: b"bad"})

    with pytest.raises(RequestRefused, match="nothing was sent"):
        service.upload("MR001", "NEW", [here], project=P)

    assert puts(far, "NEW") == []
    assert held(far, "NEW") is None


def test_what_a_person_packed_stays_packed(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """Alone and inside a folder, beside small files that travel in a zip of ours (case 1)."""
    inner = zipped({"inner.txt": b"inner"})
    files = {
        "a.zip": inner, "B.ZIP": inner, "t1.nii.gz": gzip.compress(b"volume"), "deep/c.zip": inner, "d.tgz": b"no tar",
        "empty.zip": b"", "note.txt": b"note", "other.txt": b"other",
    }  # fmt: skip
    here = folder(tmp_path / "in", files)

    assert service.upload("MR001", "ALONE", [here / "a.zip"], project=P).success
    assert stored(far, "ALONE") == {"a.zip": inner}
    assert service.upload("MR001", "FOLDER", [here], project=P).success
    assert stored(far, "FOLDER") == files


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "gz"])
def test_an_archive_is_unpacked_where_that_is_asked_for(
    far: NounWorld, service: ResourceService, tmp_path: Path, kind: str
) -> None:
    """Its members are what is compared and proven."""
    files = {"one.txt": b"one", "deep/two.nii.gz": gzip.compress(b"two")}
    place = tmp_path / f"packed.{kind}"
    if kind == "zip":
        place.write_bytes(zipped(files))
    elif kind == "gz":
        files = {"packed": b"volume" * 100}
        place.write_bytes(gzip.compress(files["packed"]))
    else:
        with tarfile.open(place, "w" if kind == "tar" else "w:gz") as archive:
            for name, body in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(body)
                archive.addfile(entry, io.BytesIO(body))

    done = service.upload_file("MR001", "OUT", place, project=P, extract=True)

    assert (done.success, done["uploaded"]) == (True, len(files))
    assert stored(far, "OUT") == files
    assert service.upload_file("MR001", "OUT", place, project=P, extract=True).skipped == len(files)


def test_only_an_archive_is_unpacked(service: ResourceService, tmp_path: Path) -> None:
    """Anything else would be stored under another meaning."""
    (tmp_path / "a.txt").write_text("a")

    with pytest.raises(InvalidInputError, match="no archive"):
        service.upload_file("MR001", "OUT", tmp_path / "a.txt", project=P, extract=True)


def test_another_content_there_is_told_and_stays(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """The rest is stored; asked for, it is replaced."""
    here = folder(tmp_path / "in", {"report.txt": b"mine!", "new.txt": b"new", "new2.txt": b"new2"})

    done = service.upload("MR001", "QC", [here], project=P)

    assert (done.success, done.uploaded, done.failed) == (False, 2, 1)
    assert "report.txt" in done.errors[0]
    assert stored(far, "QC") == {"report.txt": b"fine\n", "new.txt": b"new", "new2.txt": b"new2"}
    done = service.upload("MR001", "QC", [here], project=P, overwrite=True)
    assert (done.success, done.uploaded, done.skipped) == (True, 1, 2)
    assert stored(far, "QC")["report.txt"] == b"mine!"


def test_content_of_the_same_size_is_told_apart_without_digests(
    far: NounWorld, service: ResourceService, tmp_path: Path
) -> None:
    """The server's is fetched."""
    resource = held(far, "QC")
    assert resource is not None
    resource.entries["report.txt"].digest = ""
    (tmp_path / "report.txt").write_bytes(b"FINE\n")

    done = service.upload("MR001", "QC", [tmp_path / "report.txt"], project=P)

    assert not done.success
    (tmp_path / "report.txt").write_bytes(b"fine\n")
    assert service.upload("MR001", "QC", [tmp_path / "report.txt"], project=P).skipped == 1


def test_a_mistyped_project_is_one_error_and_no_store(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """With the nearest readable one; nothing is made (case 2)."""
    (tmp_path / "a.txt").write_text("a")
    subjects = len(far.site.subjects)

    with pytest.raises(ResourceNotFoundError, match=r"NEUROIMAGINGG.*the nearest: NEUROIMAGING"):
        service.upload("MR001", "QC", [tmp_path / "a.txt"], project="NEUROIMAGINGG")

    assert puts(far, "QC") == []
    assert len(far.site.subjects) == subjects


def test_who_may_not_change_the_project_sends_nothing(far: NounWorld, tmp_path: Path) -> None:
    """XNAT would answer 200 and store nothing (§6.1)."""
    far.site.accounts.add("guest2", "secret")
    far.site.projects[P].members["guest2"] = "collaborator"
    (tmp_path / "a.txt").write_text("a")

    with (
        XNATClient(far.server.url, "guest2", "secret") as client,
        pytest.raises(PermissionDeniedError, match="store none"),
    ):
        ResourceService(client).upload("MR001", "NEW", [tmp_path / "a.txt"], project=P)

    assert puts(far, "NEW") == []


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 30])
def test_bytes_that_change_on_the_way_are_no_success(
    far: NounWorld, service: ResourceService, tmp_path: Path, count: int
) -> None:
    """An answer of 200 proves nothing: the listing shows another digest."""
    here = folder(tmp_path / "in", {f"{n}.txt": content(str(n)) for n in range(count)})

    def spoil(request: Request, response: Response) -> None:
        resource = held(far, "NEW")
        assert resource is not None
        resource.entries["0.txt"].digest = "0" * 32

    far.server.faults.add(Fault("PUT", "/resources/NEW/", kind="call", after_call=spoil))

    done = service.upload("MR001", "NEW", [here], project=P)

    assert (done.success, done.uploaded, done.failed) == (False, count - 1, 1)
    assert "0.txt" in done.errors[0]


@pytest.mark.parametrize("count", [1, 30])
def test_a_store_that_stores_nothing_is_no_success(
    far: NounWorld, service: ResourceService, tmp_path: Path, count: int
) -> None:
    """Answered by 200 all the same."""
    here = folder(tmp_path / "in", {f"{n}.txt": content(str(n)) for n in range(count)})
    far.server.faults.add(Fault("PUT", "/resources/NEW/", kind="call", times=9, before=nothing_done))

    done = service.upload("MR001", "NEW", [here], project=P)

    assert (done.success, done.uploaded, done.failed) == (False, 0, count)


@pytest.mark.parametrize("count", [1, 30])
def test_a_lost_answer_is_settled_by_looking(
    far: NounWorld, service: ResourceService, tmp_path: Path, count: int
) -> None:
    """Everything arrived, so it is a success; nothing is sent twice."""
    here = folder(tmp_path / "in", {f"{n}.txt": content(str(n)) for n in range(count)})
    far.server.faults.add(Fault("PUT", "/resources/NEW/", kind="lost_reply"))

    assert service.upload("MR001", "NEW", [here], project=P).success

    assert len(puts(far, "NEW")) == 1
    assert len(stored(far, "NEW")) == count


def test_a_cut_upload_is_told_and_made_whole_by_the_next(
    far: NounWorld, service: ResourceService, tmp_path: Path
) -> None:
    """What lies there unlisted is replaced only when that is asked for."""
    files = {f"{n:02}.txt": content(str(n), 20_000) for n in range(30)}
    here = folder(tmp_path / "in", files)
    far.server.faults.add(Fault("PUT", "/resources/NEW/", kind="cut_request", bytes=300_000))

    with pytest.raises(XNATError) as caught:
        service.upload("MR001", "NEW", [here], project=P)

    assert "0 files of 30 are proven" in " ".join(caught.value.lines)
    done = service.upload("MR001", "NEW", [here], project=P)
    if not done.success:  # some lay there in no catalogue
        assert "does not list" in done.errors[0]
        done = service.upload("MR001", "NEW", [here], project=P, overwrite=True)
    assert done.success
    assert stored(far, "NEW") == files


def test_a_callback_cancels(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """What has arrived stays, nothing new begins."""
    here = folder(tmp_path / "in", {f"{n}.nii.gz": content(str(n)) for n in range(5)})
    told: list[UploadProgress] = []

    def until_two(progress: UploadProgress) -> bool:
        told.append(progress)
        return progress.completed < 2

    with pytest.raises(OperationCancelled):
        service.upload("MR001", "NEW", [here], project=P, progress_callback=until_two)

    assert len(stored(far, "NEW")) == 2
    assert told[-1].total == 5


def test_an_empty_folder_and_a_link_to_a_folder_are_refused(
    far: NounWorld, service: ResourceService, tmp_path: Path
) -> None:
    """Nothing is passed over in silence."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="no file"):
        service.upload("MR001", "NEW", [tmp_path / "empty"], project=P)
    here = folder(tmp_path / "in", {"a.txt": b"a"})
    (here / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(XNATError, match="link to a folder"):
        service.upload("MR001", "NEW", [here], project=P)
    with pytest.raises(XNATError, match="not there"):
        service.upload("MR001", "NEW", [tmp_path / "gone.txt"], project=P)
    assert held(far, "NEW") is None


def test_a_link_to_a_file_is_stored_as_the_file(far: NounWorld, service: ResourceService, tmp_path: Path) -> None:
    """As data sets under version control keep theirs."""
    folder(tmp_path / "annex", {"object": b"the bytes"})
    here = folder(tmp_path / "in", {})
    here.mkdir()
    (here / "scan.txt").symlink_to(tmp_path / "annex" / "object")

    assert service.upload("MR001", "NEW", [here], project=P).success
    assert stored(far, "NEW") == {"scan.txt": b"the bytes"}


def test_upload_service_stores_at_scan_level(far: NounWorld, client: XNATClient, tmp_path: Path) -> None:
    """`UploadService.upload_resource`, in its documented order of parameters."""
    here = folder(tmp_path / "in", {"a.png": b"a", "b.png": b"b"})

    done = ResourceUploads(client).upload_resource("MR001", "SNAPSHOTS", here, "1", P)

    assert (done.success, done.uploaded) == (True, 2)
    assert stored(far, "SNAPSHOTS", scan="1") == {"a.png": b"a", "b.png": b"b"}
