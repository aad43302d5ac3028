"""Faults strike exactly where they are wanted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import httpx
import pytest

from sandbox.dicom_study import files, project, rows, send, study, zipped
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault, Faults
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

OCTETS = {"Content-Type": "application/octet-stream"}


def collect(reply: httpx.Response, into: bytearray) -> None:
    for piece in reply.iter_raw():
        into += piece


def test_after_and_times_choose_the_requests_that_suffer() -> None:
    faults = Faults()
    fault = faults.add(Fault("GET", "/data/auth", "status", times=2, after=1))
    assert [bool(faults.strike("GET", "/data/auth")) for _ in range(5)] == [False, True, True, False, False]
    assert (fault.seen, fault.hits) == (5, 2)
    assert not faults.strike("PUT", "/data/auth")
    assert not faults.strike("GET", "/data/projects")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no such kind"):
        Faults().add(Fault("GET", "x", "explode"))  # type: ignore[arg-type]


def test_a_status_comes_with_its_headers_and_the_handler_does_not_run(
    server: SandboxServer, admin: httpx.Client, site: Site
) -> None:
    server.faults.add(Fault("PUT", "/data/projects/P1", "status", status=503, headers={"Retry-After": "7"}))
    reply = admin.put("/data/projects/P1")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "7")
    assert "P1" not in site.projects
    assert admin.put("/data/projects/P1").status_code == 200


def test_a_login_page_is_a_200(server: SandboxServer, admin: httpx.Client) -> None:
    server.faults.add(Fault("ANY", "/data/auth", "login_page"))
    reply = admin.get("/data/auth")
    assert reply.status_code == 200
    assert reply.text.startswith("<!DOCTYPE html")


def test_a_cut_upload_leaves_its_part_in_no_catalogue(server: SandboxServer, admin: httpx.Client, session: str) -> None:
    fault = server.faults.add(Fault("PUT", "/files/a", "cut_request", bytes=1000))
    target = f"{session}/resources/R/files/a?inbody=true"
    with pytest.raises(httpx.TransportError):
        admin.put(target, content=b"x" * 10_000_000, headers=OCTETS)
    assert fault.hits == 1
    assert rows(admin.get(f"{session}/resources/R/files?format=json")) == []
    again = admin.put(target, content=b"whole", headers=OCTETS)
    assert again.json() == {"duplicates": ["a"]}  # what nobody can see is in the way
    assert admin.put(f"{target}&overwrite=true", content=b"whole", headers=OCTETS).text == ""
    assert admin.get(f"{session}/resources/R/files/a").content == b"whole"


def test_a_cut_import_leaves_the_members_that_were_whole(server: SandboxServer, admin: httpx.Client) -> None:
    project(admin)
    body = zipped(study([1], 3), zipfile.ZIP_STORED)
    server.faults.add(Fault("POST", "/services/import", "cut_request", bytes=len(body) * 3 // 5))
    with pytest.raises(httpx.TransportError):
        send(admin, body, "project=P1&subject=S1&session=E1&prevent_auto_commit=true")
    (row,) = rows(admin.get("/data/prearchive/projects/P1?format=json"))
    admin.post(f"/data{row['url']}?action=build").raise_for_status()
    assert len(files(admin, f"/data{row['url']}")) == 1


def test_a_request_without_a_body_is_cut_before_anything_is_done(server: SandboxServer, admin: httpx.Client) -> None:
    server.faults.add(Fault("PUT", "/data/projects/P7", "cut_request"))
    with pytest.raises(httpx.TransportError):
        admin.put("/data/projects/P7")
    assert admin.get("/data/projects/P7").status_code == 404


@pytest.mark.parametrize("kind", ["file", "bytes", "zip"])
def test_a_cut_response_breaks_in_the_middle(
    server: SandboxServer, admin: httpx.Client, session: str, kind: str
) -> None:
    admin.put(f"{session}/resources/R/files/a?inbody=true", content=b"x" * 100_000, headers=OCTETS)
    path = {
        "file": f"{session}/resources/R/files/a",
        "bytes": "/xapi/siteConfig",
        "zip": f"{session}/files?format=zip",
    }[kind]
    server.faults.add(Fault("GET", ".", "cut_response"))
    received = bytearray()
    with admin.stream("GET", path) as reply:
        assert reply.status_code == 200
        with pytest.raises(httpx.TransportError):
            collect(reply, received)
    whole = admin.get(path)
    assert whole.status_code == 200
    assert len(received) < len(whole.content)


def test_a_lost_reply_leaves_the_work_done(server: SandboxServer, admin: httpx.Client, site: Site) -> None:
    server.faults.add(Fault("PUT", "/data/projects/P1", "lost_reply"))
    with pytest.raises(httpx.TransportError):
        admin.put("/data/projects/P1")
    assert "P1" in site.projects
    server.stop()
    assert server.log[-1]["status"] == 0


def test_a_body_replaces_the_answers(server: SandboxServer, admin: httpx.Client) -> None:
    server.faults.add(Fault("GET", "/data/auth", "body", body="something else"))
    reply = admin.get("/data/auth")
    assert (reply.status_code, reply.text) == (200, "something else")


def test_a_call_may_tamper_before_and_after(server: SandboxServer, admin: httpx.Client, site: Site) -> None:
    seen: list[str] = []

    def before(request: Request) -> Response | None:
        seen.append(request.path)
        return None

    def after(_request: Request, answer: Response) -> Response | None:
        seen.append(str(answer.status))
        del site.projects["P1"]
        return Response(418)

    server.faults.add(Fault("PUT", "/data/projects/P1", "call", before=before, after_call=after))
    assert admin.put("/data/projects/P1").status_code == 418
    assert seen == ["/data/projects/P1", "200"]
    assert "P1" not in site.projects


def test_a_delay_delays(server: SandboxServer, admin: httpx.Client) -> None:
    server.faults.add(Fault("GET", "/data/auth", "delay", seconds=0.2))
    assert admin.get("/data/auth").elapsed.total_seconds() >= 0.2


def test_faults_come_from_a_file_while_the_server_runs(
    server: SandboxServer, admin: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "sandbox" / "faults.json"
    file.write_text(
        json.dumps([{"method": "GET", "path_regex": "/data/auth$", "kind": "status", "status": 502, "times": 2}])
    )
    assert [admin.get("/data/auth").status_code for _ in range(3)] == [502, 502, 200]
    file.write_text(json.dumps([{"method": "GET", "path_regex": "/data/auth$", "kind": "status", "status": 504}]))
    assert [admin.get("/data/auth").status_code for _ in range(2)] == [504, 200]
    file.write_text("[{not json")
    assert admin.get("/data/auth").status_code == 200
