"""Resources and files (hierarchy.md §5, §6)."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import FileEntry
from xnatsync.sandbox.model.site import Site

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def dicom(session: str) -> str:
    return f"{session}/scans/4/resources/DICOM"


@pytest.fixture
def collaborator(server: SandboxServer, site: Site, session: str) -> Iterator[httpx.Client]:
    site.accounts.add("joe", "pw")
    site.projects["P1"].members["joe"] = "collaborator"
    with httpx.Client(base_url=server.url, auth=("joe", "pw"), timeout=30) as client:
        yield client


def rows(client: httpx.Client, url: str) -> list[dict[str, str]]:
    reply = client.get(url, params={"format": "json"} if "?" not in url else None)
    assert reply.status_code == 200
    result: list[dict[str, str]] = reply.json()["ResultSet"]["Result"]
    return result


def names(client: httpx.Client, url: str) -> list[str]:
    return [row["URI"].partition("/files/")[2] for row in rows(client, f"{url}/files")]


def put(client: httpx.Client, url: str, body: bytes = b"content", **params: str) -> httpx.Response:
    return client.put(url, params={"inbody": "true", **params}, content=body, headers=OCTETS)


def test_a_resource_is_created_once(admin: httpx.Client, dicom: str, site: Site) -> None:
    created = admin.put(f"{dicom}?format=DICOM&content=RAW&tags=a,b")
    assert (created.status_code, created.content) == (200, b"")
    again = admin.put(f"{dicom}?format=OTHER")
    assert (again.status_code, "Specified resource already exists." in again.text) == (409, True)
    resource = site.experiments["XNAT_E00001"].scans["4"].resources["DICOM"]
    assert (resource.format, resource.content, resource.tags) == ("DICOM", "RAW", "a,b")


def test_the_first_resource_of_a_typed_scan_is_raw(admin: httpx.Client, dicom: str, site: Site) -> None:
    admin.put(dicom)
    admin.put(dicom.replace("DICOM", "NIFTI"))
    resources = site.experiments["XNAT_E00001"].scans["4"].resources
    assert (resources["DICOM"].content, resources["NIFTI"].content) == ("RAW", "")


def test_deleting_a_resource_takes_its_files_and_a_missing_one_is_no_error(
    admin: httpx.Client, dicom: str, site: Site
) -> None:
    put(admin, f"{dicom}/files/a")
    assert admin.delete(dicom).status_code == 200
    assert not site.store.exists("archive/P1/arc001/E1/SCANS/4/DICOM")
    assert admin.delete(dicom).status_code == 200
    assert admin.delete("/data/experiments/XNAT_E00001/scans/NOPE/resources/DICOM").status_code == 404


def test_a_resource_takes_no_file_path(admin: httpx.Client, dicom: str) -> None:
    admin.put(dicom)
    assert admin.get(f"{dicom}/a.txt").status_code == 400


def test_writes_never_fall_through_to_a_higher_parent(admin: httpx.Client, session: str) -> None:
    scoped = "/data/projects/P1/subjects/S1/experiments"
    for url in (
        f"{scoped}/NOPE/resources/R",
        f"{scoped}/E1/scans/NOPE/resources/R",
        "/data/projects/P1/experiments/NOPE/resources/R",
    ):
        assert admin.put(url).status_code == 404
        assert put(admin, f"{url}/files/a").status_code == 404


def test_an_upload_is_200_and_empty_and_shows_size_and_md5(admin: httpx.Client, dicom: str) -> None:
    reply = put(admin, f"{dicom}/files/sub/a.nii", b"voxels", format="NIFTI", content="x")
    assert (reply.status_code, reply.content) == (200, b"")
    assert rows(admin, f"{dicom}/files") == [
        {
            "Name": "a.nii",
            "Size": "6",
            "URI": "/data/experiments/XNAT_E00001/scans/4/resources/2/files/sub/a.nii",
            "collection": "DICOM",
            "file_tags": "",
            "file_format": "NIFTI",
            "file_content": "x",
            "cat_ID": "2",
            "digest": hashlib.md5(b"voxels", usedforsecurity=False).hexdigest(),
        }
    ]
    assert admin.get(f"{dicom}/files/sub/a.nii").content == b"voxels"


def test_digests_are_empty_while_checksums_are_off(admin: httpx.Client, dicom: str, site: Site) -> None:
    site.settings.update({"checksums": False})
    put(admin, f"{dicom}/files/a")
    assert rows(admin, f"{dicom}/files")[0]["digest"] == ""
    refresh = {"resource": "/archive/experiments/XNAT_E00001/scans/4/resources/DICOM", "options": "checksum"}
    assert admin.post("/data/services/refresh/catalog", params=refresh).status_code == 200
    assert rows(admin, f"{dicom}/files")[0]["digest"] == hashlib.md5(b"content", usedforsecurity=False).hexdigest()


def test_an_existing_file_is_kept_and_called_a_duplicate(admin: httpx.Client, dicom: str) -> None:
    put(admin, f"{dicom}/files/a", b"old")
    reply = put(admin, f"{dicom}/files/a", b"new")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.json() == {"duplicates": ["a"]}
    assert admin.get(f"{dicom}/files/a").content == b"old"
    assert put(admin, f"{dicom}/files/a", b"new", overwrite="true").content == b""
    assert admin.get(f"{dicom}/files/a").content == b"new"


def test_who_may_only_read_gets_200_and_nothing_is_stored(
    collaborator: httpx.Client, admin: httpx.Client, dicom: str
) -> None:
    reply = put(collaborator, f"{dicom}/files/a")
    assert (reply.status_code, reply.content) == (200, b"")
    assert admin.get(dicom).status_code == 404
    assert collaborator.put(dicom).status_code == 403


def test_multipart_takes_the_urls_name_or_the_parts(admin: httpx.Client, dicom: str) -> None:
    part = ("my name.txt", b"content", "text/plain")
    assert admin.put(f"{dicom}/files/sub/b.txt", files={"any": part}).status_code == 200
    assert admin.post(f"{dicom}/files", files={"any": part}).status_code == 200
    assert admin.put(f"{dicom}/files/zero", files={"any": ("zero", b"", "text/plain")}).status_code == 200
    assert names(admin, dicom) == ["sub/b.txt", "my name.txt", "zero"]


def test_a_large_multipart_upload_arrives_whole(admin: httpx.Client, dicom: str) -> None:
    content = bytes(range(256)) * 20000 + b"\r\n--almost a boundary\r\n"
    admin.put(f"{dicom}/files/big", files={"any": ("big", content, "text/plain")})
    assert admin.get(f"{dicom}/files/big").content == content


@pytest.mark.parametrize(
    ("params", "headers", "content", "status"),
    [
        ({}, {"Content-Type": "text/plain"}, b"x", 400),
        ({"inbody": "true"}, {"Content-Type": "multipart/form-data; boundary=x"}, b"x", 400),
        ({"inbody": "true"}, OCTETS, b"", 500),
        ({}, {"Content-Type": "application/x-www-form-urlencoded"}, b"x", 500),
        ({}, OCTETS, b"x", 200),
    ],
)
def test_forms_of_upload_xnat_refuses(
    admin: httpx.Client, dicom: str, params: dict[str, str], headers: dict[str, str], content: bytes, status: int
) -> None:
    assert admin.put(f"{dicom}/files/a", params=params, headers=headers, content=content).status_code == status


def test_a_chunked_body_needs_the_zip_type(admin: httpx.Client, dicom: str) -> None:
    chunks = [b"some ", b"thing"]
    params = {"inbody": "true"}
    assert admin.put(f"{dicom}/files/a", params=params, headers=OCTETS, content=iter(chunks)).status_code == 500
    zipped = {"Content-Type": "application/zip"}
    assert admin.put(f"{dicom}/files/a", params=params, headers=zipped, content=iter(chunks)).status_code == 200
    assert admin.get(f"{dicom}/files/a").content == b"some thing"


def test_a_numeric_label_is_taken_for_an_id(admin: httpx.Client, session: str) -> None:
    assert admin.put(f"{session}/resources/99").status_code == 404
    assert put(admin, f"{session}/resources/99/files/a").status_code == 404
    assert admin.get(f"{session}/resources/99/files").status_code == 404


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("a%23b", "a%23b"), ("a%20b%23c", "a b#c"), ("%C3%A9", "%C3%A9"), ("a+b", "a+b"), ("a%2Bb+c", "a+b c")],
)
def test_names_are_decoded_only_when_a_blank_or_plus_is_encoded(
    admin: httpx.Client, dicom: str, sent: str, stored: str
) -> None:
    url = httpx.URL(admin.base_url).copy_with(raw_path=f"{dicom}/files/{sent}?inbody=true".encode())
    assert admin.put(url, content=b"x", headers=OCTETS).status_code == 200
    assert names(admin, dicom) == [stored]


@pytest.mark.parametrize("path", ["../../../../../outside", "a/../../b", "/etc/x"])
def test_nothing_is_ever_written_outside_the_store(admin: httpx.Client, dicom: str, path: str, site: Site) -> None:
    reply = admin.put(f"{dicom}/files", files={"any": (path, b"x", "text/plain")})
    assert reply.status_code == 500
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(path, "x")
    evil = admin.put(f"{dicom}/files/x.zip?extract=true&inbody=true", content=archive.getvalue(), headers=OCTETS)
    assert evil.status_code == 500
    assert site.store.list("archive") == []


def test_extract_keeps_directories_and_reports_duplicates(admin: httpx.Client, dicom: str) -> None:
    put(admin, f"{dicom}/files/mr_1/1.dcm", b"old")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("mr_1/1.dcm", "new")
        writer.writestr("mr_1/2.dcm", "two" * 1000)
        writer.writestr("x_catalog.xml", "<nothing/>")
    reply = admin.put(f"{dicom}/files/ignored/x.zip?extract=true", content=archive.getvalue(), headers=OCTETS)
    assert reply.json() == {"duplicates": ["mr_1/1.dcm"]}
    assert names(admin, dicom) == ["mr_1/1.dcm", "mr_1/2.dcm"]
    assert admin.get(f"{dicom}/files/mr_1/1.dcm").content == b"old"
    assert admin.get(f"{dicom}/files/mr_1/2.dcm").content == b"two" * 1000


def test_extract_of_tar_and_of_a_lone_gz(admin: httpx.Client, dicom: str) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        member = tarfile.TarInfo("sub/a.txt")
        member.size = 3
        writer.addfile(member, io.BytesIO(b"abc"))
    put(admin, f"{dicom}/files/x.tar.gz", archive.getvalue(), extract="true")
    put(admin, f"{dicom}/files/a.nii.gz", gzip.compress(b"voxels"), extract="true")
    put(admin, f"{dicom}/files/kept.ZIP", b"no zip by its name", extract="true")
    assert names(admin, dicom) == ["sub/a.txt", "a.nii", "kept.ZIP"]
    assert admin.get(f"{dicom}/files/a.nii").content == b"voxels"


def test_the_loser_of_a_race_is_500_on_disk_and_uncatalogued(
    server: SandboxServer, admin: httpx.Client, dicom: str
) -> None:
    admin.put(dicom)
    head = (
        f"PUT {dicom}/files/loser?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
        "Authorization: Basic YWRtaW46c2VjcmV0\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 100")  # the catalogue has been read by now
        assert put(admin, f"{dicom}/files/winner").status_code == 200
        raw.sendall(b"0123456789")
        reply = raw.recv(4096)
    assert reply.startswith(b"HTTP/1.1 500 ")
    assert names(admin, dicom) == ["winner"]
    assert put(admin, f"{dicom}/files/loser", b"0123456789").json() == {"duplicates": ["loser"]}
    refresh = {"resource": "/archive/experiments/XNAT_E00001", "options": "append,populateStats"}
    assert admin.post("/data/services/refresh/catalog", params=refresh).status_code == 200
    assert names(admin, dicom) == ["winner", "loser"]


def test_parallel_uploads_lose_nothing_silently(admin: httpx.Client, server: SandboxServer, dicom: str) -> None:
    admin.put(dicom)
    statuses: dict[str, int] = {}

    def upload(worker: int) -> None:
        with httpx.Client(base_url=server.url, auth=("admin", "secret"), timeout=30) as client:
            for number in range(10):
                name = f"{worker}-{number}"
                statuses[name] = put(client, f"{dicom}/files/{name}", b"x" * 5000).status_code

    workers = [threading.Thread(target=upload, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(statuses.values()) <= {200, 500}
    assert set(names(admin, dicom)) == {name for name, status in statuses.items() if status == 200}


def test_a_dropped_connection_leaves_a_part_that_is_not_catalogued(
    server: SandboxServer, admin: httpx.Client, dicom: str, site: Site
) -> None:
    admin.put(dicom)
    head = (
        f"PUT {dicom}/files/part?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        "Authorization: Basic YWRtaW46c2VjcmV0\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        raw.recv(100)
        raw.sendall(b"x" * 400)
    server.stop()  # waits for the request to end
    assert site.store.size("archive/P1/arc001/E1/SCANS/4/DICOM/part") == 400
    assert site.experiments["XNAT_E00001"].scans["4"].resources["DICOM"].entries == {}


def test_a_broken_zip_upload_is_500(admin: httpx.Client, dicom: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("a", b"x" * 10000)
    cut = archive.getvalue()[:5000]
    assert put(admin, f"{dicom}/files/x.zip", cut, extract="true").status_code == 500
    assert names(admin, dicom) == []


def test_counts_follow_uploads_unless_told_otherwise(admin: httpx.Client, dicom: str, site: Site) -> None:
    put(admin, f"{dicom}/files/a", b"12345", **{"update-stats": "false"})
    resource = site.experiments["XNAT_E00001"].scans["4"].resources["DICOM"]
    assert (resource.file_count, resource.file_size) == (None, None)
    put(admin, f"{dicom}/files/b", b"123")
    assert (resource.file_count, resource.file_size) == (2, 8)
    admin.delete(f"{dicom}/files/b")
    assert (resource.file_count, resource.file_size) == (1, 5)


def test_one_file_has_length_date_and_no_etag(admin: httpx.Client, dicom: str) -> None:
    put(admin, f"{dicom}/files/a.dcm")
    reply = admin.get(f"{dicom}/files/a.dcm")
    assert reply.headers["content-length"] == "7"
    assert reply.headers["content-disposition"] == 'attachment; filename="a.dcm";'
    assert reply.headers["cache-control"] == "must-revalidate"
    assert "etag" not in reply.headers
    unchanged = admin.get(f"{dicom}/files/a.dcm", headers={"If-Modified-Since": reply.headers["last-modified"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert admin.get(f"{dicom}/files/a.dcm", headers={"If-Match": '"x"'}).status_code == 412
    head = admin.head(f"{dicom}/files/a.dcm")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "7")


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-2", 206, b"012"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=5-500", 206, b"56789"),
        ("bytes=0-1,3-4", 501, None),
        ("bytes=10-", 416, None),
    ],
)
def test_single_ranges_are_served(
    admin: httpx.Client, dicom: str, asked: str, status: int, content: bytes | None
) -> None:
    put(admin, f"{dicom}/files/a", b"0123456789")
    reply = admin.get(f"{dicom}/files/a", headers={"Range": asked})
    assert reply.status_code == status
    if content is not None:
        assert reply.content == content
        assert reply.headers["content-range"].endswith("/10")


def test_a_missing_file_is_404_or_204_as_asked(admin: httpx.Client, dicom: str, site: Site) -> None:
    put(admin, f"{dicom}/files/a")
    assert "Unable to find catalog entry" in admin.get(f"{dicom}/files/nope").text
    assert admin.get(f"{dicom}/files/nope?accept-not-found=true").status_code == 204
    site.store.delete("archive/P1/arc001/E1/SCANS/4/DICOM/a")
    reply = admin.get(f"{dicom}/files/a")
    assert (reply.status_code, "Unable to find file." in reply.text) == (404, True)


def test_accept_must_fit_before_format_is_looked_at(admin: httpx.Client, dicom: str) -> None:
    put(admin, f"{dicom}/files/a")
    assert admin.get(f"{dicom}/files?format=zip", headers={"Accept": "application/zip"}).status_code == 406
    assert admin.get(f"{dicom}/files/a", headers={"Accept": "application/octet-stream"}).status_code == 406


def test_delete_goes_by_prefix(admin: httpx.Client, dicom: str) -> None:
    for name in ("1", "1.dcm", "10.dcm", "2.dcm", "sub/a", "sub/b"):
        put(admin, f"{dicom}/files/{name}")
    assert admin.delete(f"{dicom}/files/1").status_code == 200
    assert names(admin, dicom) == ["2.dcm", "sub/a", "sub/b"]
    assert admin.delete(f"{dicom}/files/sub").status_code == 200
    missing = admin.delete(f"{dicom}/files/1")
    assert (missing.status_code, "No matched files" in missing.text) == (404, True)
    assert admin.delete(f"{dicom}/files").status_code == 200
    assert names(admin, dicom) == []


def test_delete_of_an_unknown_resource_is_400_and_needs_the_right(
    admin: httpx.Client, collaborator: httpx.Client, dicom: str, site: Site
) -> None:
    assert admin.delete(f"{dicom}/files/a").status_code == 400
    put(admin, f"{dicom}/files/a")
    site.projects["P1"].members["joe"] = "member"
    assert collaborator.delete(f"{dicom}/files/a").status_code == 403
    assert admin.delete(f"{dicom}/files/a?removeFiles=false").status_code == 200
    assert site.store.exists("archive/P1/arc001/E1/SCANS/4/DICOM/a")


def test_wrong_parents_answer_as_xnat_does(admin: httpx.Client, session: str) -> None:
    put(admin, "/data/projects/P1/subjects/S1/resources/NOTES/files/n.txt")
    scoped = "/data/projects/P1/subjects/S1/experiments"
    assert admin.get("/data/experiments/NOPE/files").status_code == 500
    assert admin.get(f"{session}/scans/NOPE/files").status_code == 500
    for url in (f"{scoped}/NOPE", f"{scoped}/E1/scans/NOPE"):
        assert [row["Name"] for row in rows(admin, f"{url}/files")] == ["n.txt"]
    assert rows(admin, f"{session}/resources/NOPE/files") == []
    assert admin.get(f"{session}/resources/NOPE/files/x.txt").status_code == 404
    assert admin.get(f"{session}/resources/NOPE").status_code == 404


def test_head_counts_its_parents_like_a_write(admin: httpx.Client, session: str) -> None:
    admin.put(f"{session}/scans/5?xsiType=xnat:mrScanData")
    for scan in ("4", "5"):
        put(admin, f"{session}/scans/{scan}/resources/DICOM/files/a")
    assert admin.get(f"{session}/scans/4,5/files").status_code == 200
    assert admin.head(f"{session}/scans/4,5/files").status_code == 404
    assert admin.head(f"{session}/scans/4/files").status_code == 200


def test_listings_over_several_resources_begin_with_data_too(admin: httpx.Client, session: str, dicom: str) -> None:
    put(admin, f"{dicom}/files/a")
    put(admin, f"{session}/resources/R/files/b")
    found = rows(admin, f"{session}/files?all=true&format=json")
    assert [row["URI"] for row in found] == [
        "/data/experiments/XNAT_E00001/resources/3/files/b",
        "/data/experiments/XNAT_E00001/scans/4/resources/2/files/a",
    ]
    assert [row["Name"] for row in rows(admin, f"{session}/files")] == ["b"]
    scoped = "/data/projects/P1/subjects/S1/experiments/E1/scans/4/resources/DICOM/files"
    assert rows(admin, scoped)[0]["URI"].startswith("/data/projects/P1/subjects/XNAT_S00001/experiments/XNAT_E00001/")


def test_listings_are_filtered_by_content_and_format(admin: httpx.Client, dicom: str) -> None:
    put(admin, f"{dicom}/files/a", format="NIFTI", content="x")
    put(admin, f"{dicom}/files/b", format="TXT")
    found = lambda query: [row["Name"] for row in rows(admin, f"{dicom}/files?format=json&{query}")]  # noqa: E731
    assert found("file_format=NIFTI&file_format=TXT") == ["a", "b"]
    assert found("file_format=NIFTI") == ["a"]
    assert found("file_format=NULL") == []
    assert found("file_content=x") == ["a"]
    assert admin.get(f"{dicom}/files?index=1").content == b"content"


def test_the_catalogue_of_dicom_shows_uids(admin: httpx.Client, dicom: str, site: Site) -> None:
    put(admin, f"{dicom}/files/1.dcm")
    resource = site.experiments["XNAT_E00001"].scans["4"].resources["DICOM"]
    resource.dicom, resource.uid = True, "1.2.3"
    resource.entries["2.dcm"] = FileEntry("2.dcm", 5, uid="1.2.3.2", instance_number="2")
    root = ET.fromstring(admin.get(f"{dicom}?format=json").content)
    assert root.tag == "{http://nrg.wustl.edu/catalog}DCMCatalog"
    assert root.get("UID") == "1.2.3"
    entries = {entry.get("URI"): entry for entry in root.iter("{http://nrg.wustl.edu/catalog}entry")}
    assert (entries["1.dcm"].get("UID"), entries["2.dcm"].get("UID")) == (None, "1.2.3.2")
    assert entries["1.dcm"].get("digest") == hashlib.md5(b"content", usedforsecurity=False).hexdigest()


def test_a_member_of_a_zip_can_be_read_alone(admin: httpx.Client, dicom: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("in/ner.txt", "inside")
    put(admin, f"{dicom}/files/a.zip", archive.getvalue())
    assert admin.get(f"{dicom}/files/a.zip!/in/ner.txt").content == b"inside"
    put(admin, f"{dicom}/files/bad.zip", b"no zip")
    assert admin.get(f"{dicom}/files/bad.zip!/in/ner.txt").status_code == 415


def test_the_users_cache_keeps_files(admin: httpx.Client) -> None:
    url = f"/data/user/cache/resources/X/files/{quote('scan.zip')}"
    assert admin.put(url, files={"any": ("scan.zip", b"zipped", "application/zip")}).status_code == 200
    assert admin.get(url).content == b"zipped"
    assert admin.delete(url).status_code == 200
    assert admin.get(url).status_code == 404


@pytest.mark.parametrize("scan_type", ["EPI PEAP", "T2 (fat sat)", "100%", "prä+post"])
@pytest.mark.parametrize("form", ["/data/experiments/{}", "/data/projects/P1/subjects/S1/experiments/{}"])
def test_an_encoded_scan_type_means_the_scan_in_every_request_below_it(
    admin: httpx.Client, session: str, site: Site, form: str, scan_type: str
) -> None:
    """xnatpy addresses a scan that it made by its type (§1.6: decoded for resources and files, and only there)."""
    site.experiments["XNAT_E00001"].scans["4"].fields["type"] = scan_type
    by_id, by_type = (f"{form.format('XNAT_E00001')}/scans/{name}" for name in ("4", quote(scan_type, safe="")))
    assert admin.put(f"{by_type}/resources/DICOM").status_code == 200
    assert put(admin, f"{by_type}/resources/DICOM/files/a.txt").status_code == 200
    for tail in ("/resources", "/files", "/resources/DICOM/files"):
        assert rows(admin, f"{by_type}{tail}") == rows(admin, f"{by_id}{tail}") != []
    assert admin.get(f"{by_type}/resources/DICOM").text == admin.get(f"{by_id}/resources/DICOM").text
    assert admin.get(f"{by_type}/resources/DICOM/files/a.txt").text == "content"
    assert admin.delete(f"{by_type}/resources/DICOM/files/a.txt").status_code == 200
    assert admin.delete(f"{by_type}/resources/DICOM").status_code == 200
    assert rows(admin, f"{by_id}/resources") == []
