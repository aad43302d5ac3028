"""What survives a restart, and what the store refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Project, Resource, Scan, Stamps
from xnatsync.sandbox.model.persist import decode, encode
from xnatsync.sandbox.model.site import Site, time_text
from xnatsync.sandbox.model.store import FolderStore, MemoryStore, Store, UnsafePathError, safe
from xnatsync.sandbox.serve import serve


def serve_for(root: Path, use: object) -> None:
    """Runs the real entry point in a thread while `use(client)` works with it."""
    stop, ready = threading.Event(), threading.Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    thread = threading.Thread(target=serve, args=(root, 0, "admin", "secret", on_ready, stop))
    thread.start()
    try:
        assert ready.wait(10)
        with httpx.Client(base_url=urls[0], auth=("admin", "secret"), timeout=30) as client:
            use(client)  # type: ignore[operator]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    def fill(client: httpx.Client) -> None:
        client.put("/data/projects/P1?name=One").raise_for_status()
        client.put("/data/projects/P2").raise_for_status()
        client.put("/data/projects/P1/subjects/S1?gender=male").raise_for_status()
        client.put("/data/projects/P1/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData").raise_for_status()
        client.put("/data/experiments/XNAT_E00001/scans/4?xsiType=xnat:mrScanData").raise_for_status()
        url = "/data/experiments/XNAT_E00001/scans/4/resources/DICOM/files/a.dcm?inbody=true&format=DICOM"
        client.put(url, content=b"pixels", headers={"Content-Type": "application/octet-stream"}).raise_for_status()
        client.put("/data/experiments/XNAT_E00001/projects/P2?label=L2").raise_for_status()
        client.put("/data/projects/P1/subjects/GONE").raise_for_status()
        client.delete("/data/projects/P1/subjects/GONE").raise_for_status()
        client.delete("/data/projects/P2?removeFiles=true").raise_for_status()
        client.post("/xapi/siteConfig", json={"checksums": False}).raise_for_status()
        client.post("/xapi/users", json={"username": "jane", "password": "pw"}).raise_for_status()

    def look(client: httpx.Client) -> None:
        assert client.get("/data/experiments/XNAT_E00001/scans/4/resources/DICOM/files/a.dcm").content == b"pixels"
        assert client.get("/xapi/siteConfig/checksums").json() is False
        assert client.get("/xapi/siteConfig/siteUrl").text == str(client.base_url).rstrip("/")
        assert client.get("/data/auth", auth=("jane", "pw")).text == "User 'jane' is logged in"
        assert client.put("/data/projects/P2").status_code == 403  # its id is used up
        again = client.put("/data/projects/P1/subjects/S3")
        assert again.text == "XNAT_S00003"  # numbers of the deleted are not given again
        assert client.put("/data/projects/P1/subjects/S1").text == "XNAT_S00001"

    serve_for(tmp_path, fill)
    serve_for(tmp_path, look)


def test_state_reaches_the_disk_while_the_server_runs(tmp_path: Path) -> None:
    site = Site.on_disk(tmp_path)
    try:
        site.accounts.add("admin", "secret", admin=True)
        with SandboxServer(site) as server:
            httpx.put(f"{server.url}/data/projects/P1", auth=("admin", "secret")).raise_for_status()
            site.documents.flush()
            other = Site.on_disk(tmp_path)
            other.close()
            assert "P1" in other.projects
    finally:
        site.close()


def test_logins_do_not_survive(tmp_path: Path) -> None:
    ids: list[str] = []
    serve_for(tmp_path, lambda client: ids.append(client.get("/data/JSESSION").text))

    def look(client: httpx.Client) -> None:
        reply = httpx.get(f"{client.base_url}/data/auth", cookies={"JSESSIONID": ids[0]})
        assert reply.status_code == 401

    serve_for(tmp_path, look)


def test_documents_come_back_as_they_were() -> None:
    stamps = Stamps("2020-01-01 00:00:00.0", "admin")
    resource = Resource(1, "R", "f", dimensions=(1, 2, 3), entries={"a": FileEntry("a", 5, "d")})
    scan = Scan(3, "4", "xnat:mrScanData", stamps, resources={"R": resource}, custom={"k": [1, {"x": None}]})
    experiment = Experiment("E", "P", "S", "L", "xnat:mrSessionData", stamps, scans={"4": scan}, shares={"P2": ""})
    assert decode(Experiment, encode(experiment)) == experiment


def test_a_document_of_an_older_version_gets_defaults() -> None:
    old = {"id": "P", "stamps": {"insert_date": "x", "insert_user": "y"}, "unknown": 1}
    project = decode(Project, old)
    assert project == Project("P", Stamps("x", "y"))


def test_timestamps_are_written_as_java_does() -> None:
    assert time_text(1_700_000_000.352).endswith(".352")
    assert time_text(1_700_000_000.1).endswith(".1")
    assert time_text(1_700_000_000.0).endswith(".0")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return FolderStore(tmp_path / "root") if request.param == "folder" else MemoryStore()


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".", "a/./b", "a\0b", "a\\b", "x" * 300]
)
def test_the_store_refuses_paths_that_lead_elsewhere(store: Store, path: str) -> None:
    with pytest.raises(UnsafePathError):
        safe(path)
    with pytest.raises(UnsafePathError):
        store.write(path, [b"x"])
    with pytest.raises(UnsafePathError):
        store.open(path)


def test_both_stores_behave_alike(store: Store) -> None:
    assert store.write("a/b/c", [b"12", b"3"]) == (3, "202cb962ac59075b964b07152d234b70")
    assert store.write("a/d", [b"x"], digest=False) == (1, "")
    assert store.list("a") == [("b/c", 3), ("d", 1)]
    assert store.list("nothing") == []
    assert (store.size("a/b/c"), store.size("a/nothing")) == (3, None)
    store.move("a/b", "moved/here")
    assert store.list("moved") == [("here/c", 3)]
    with pytest.raises(FileExistsError):
        store.move("a/d", "moved/here")
    with store.open("moved/here/c") as file:
        assert file.read() == b"123"
    store.delete("moved")
    store.delete("moved")
    assert not store.exists("moved")
    with pytest.raises(FileNotFoundError):
        store.open("moved/here/c")


def test_a_large_write_has_the_right_digest(store: Store) -> None:
    import hashlib

    pieces = [bytes([number]) * (1 << 20) for number in range(9)]
    expected = hashlib.md5(b"".join(pieces), usedforsecurity=False).hexdigest()
    assert store.write("big", pieces) == (9 << 20, expected)


def test_a_write_that_breaks_off_leaves_its_part(store: Store) -> None:
    def pieces() -> object:
        yield b"part"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.write("a", pieces())  # type: ignore[arg-type]
    assert store.size("a") == 4
