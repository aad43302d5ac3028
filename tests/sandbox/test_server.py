"""The HTTP engine: routing, negotiation, bodies, connections (hierarchy.md §1)."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.http.status_page import status_page
from xnatsync.sandbox.model.site import Site


def answer(_request: Request, _match: Match) -> Response:
    return Response()


def other(_request: Request, _match: Match) -> Response:
    return Response()


@pytest.mark.parametrize("prefix", ["/data", "/REST", "/data/archive", "/REST/archive"])
def test_hierarchy_routes_answer_under_four_prefixes(prefix: str) -> None:
    routes = Routes()
    routes.add("GET", "/projects/{PROJECT_ID}", answer)
    found = routes.find("GET", f"{prefix}/projects/P1")
    assert found is not None
    assert found.match.values == {"PROJECT_ID": "P1"}


def test_services_are_not_doubled_below_archive() -> None:
    routes = Routes()
    routes.add("GET", "/services/auth", answer)
    assert routes.find("GET", "/data/services/auth") is not None
    assert routes.find("GET", "/data/archive/services/auth") is None


def test_the_longest_template_wins_and_the_rest_is_its_tail() -> None:
    routes = Routes()
    routes.add("GET", "/projects/{PROJECT_ID}/experiments/{EXPT_ID}", answer)
    routes.add("GET", "/projects/{PROJECT_ID}/experiments/{EXPT_ID}/resources", other)
    scans = routes.find("GET", "/data/projects/P/experiments/E/scans/4")
    resources = routes.find("GET", "/data/projects/P/experiments/E/resources")
    assert scans is not None
    assert (scans.handler, scans.match.tail) == (answer, "/scans/4")
    assert resources is not None
    assert resources.handler is other


def test_a_longer_template_without_the_method_is_405_not_the_shorter_one() -> None:
    routes = Routes()
    routes.add("DELETE", "/experiments/{EXPT_ID}", answer)
    routes.add("GET", "/experiments/{EXPT_ID}/scans", answer)
    found = routes.find("DELETE", "/data/experiments/E/scans")
    assert found is not None
    assert found.handler is None


def test_segments_are_not_decoded_but_escaped() -> None:
    routes = Routes()
    routes.add("GET", "/subjects/{SUBJECT_ID}", answer)
    found = routes.find("GET", "/data/subjects/a%20b&c")
    assert found is not None
    assert found.match.values["SUBJECT_ID"] == "a%20b&amp;c"


def test_xapi_routes_are_exact() -> None:
    routes = Routes()
    routes.add("GET", "/xapi/users/{USER}", answer)
    assert routes.find("GET", "/xapi/users/u") is not None
    assert routes.find("GET", "/xapi/users/u/more") is None


def test_a_literal_segment_beats_a_variable() -> None:
    routes = Routes()
    routes.add("GET", "/xapi/users/{USER}", answer)
    routes.add("GET", "/xapi/users/profile", other)
    found = routes.find("GET", "/xapi/users/profile")
    assert found is not None
    assert found.handler is other


def test_the_status_page_shows_the_message_in_its_heading() -> None:
    page = status_page(Refusal(404, "Unable to find the specified experiment."))
    assert page.status == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert isinstance(page.body, bytes)
    assert b"<h3>Unable to find the specified experiment.</h3>" in page.body
    assert b"sec10.4.5" in page.body


def test_unknown_paths_are_404_and_wrong_methods_405(admin: httpx.Client) -> None:
    assert admin.get("/data/nope").status_code == 404
    assert admin.get("/data/version").status_code == 404
    assert admin.put("/data/JSESSION").status_code == 405


def test_post_is_tunnelled_to_the_method_it_names(admin: httpx.Client, site: Site) -> None:
    assert admin.post("/data/projects/P9?method=PUT").status_code == 200
    assert "P9" in site.projects
    assert admin.post("/data/projects/P9?method=DELETE").status_code == 200
    assert "P9" not in site.projects


def test_answers_carry_restlets_headers_and_the_clock_cookie(admin: httpx.Client) -> None:
    reply = admin.get("/data/auth")
    assert reply.headers["server"].startswith("Noelios-Restlet-Engine/1.1")
    assert reply.headers["x-frame-options"] == "SAMEORIGIN"
    assert any(
        value.startswith('SESSION_EXPIRATION_TIME="1700000000000,900000"')
        for value in reply.headers.get_list("set-cookie")
    )


def test_xapi_refusals_are_text_and_not_restlets(admin: httpx.Client) -> None:
    reply = admin.get("/xapi/siteConfig/nothing-like-it")
    assert reply.status_code == 404
    assert reply.headers["content-type"].startswith("text/plain")
    assert "server" not in reply.headers


def test_illegal_characters_in_the_path_are_the_containers_400(server: SandboxServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"GET /data/experiments/a[1] HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_expect_continue_is_answered_before_the_body_comes(server: SandboxServer, session: str) -> None:
    head = (
        f"PUT {session}/resources/R/files/a.bin?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        "Authorization: Basic YWRtaW46c2VjcmV0\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"hello")
        reply = raw.recv(4096)
    assert reply.startswith(b"HTTP/1.1 200 ")


def test_a_refused_upload_that_asked_first_never_gets_its_continue(server: SandboxServer) -> None:
    head = (
        "PUT /data/experiments/NOPE/resources/R/files/a.bin?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        "Authorization: Basic YWRtaW46c2VjcmV0\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 404 ")


def test_several_requests_share_a_connection_and_pipelining_works(server: SandboxServer) -> None:
    request = b"GET /data/JSESSION HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(request * 2 + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        received = b"".join(iter(lambda: raw.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_the_log_has_one_line_per_request(server: SandboxServer, admin: httpx.Client, tmp_path: Path) -> None:
    admin.get("/data/auth?x=1", headers={"X-Request-Id": "mine"})
    admin.put("/data/projects/P1", content=b"", headers={"Content-Type": "text/plain"})
    server.stop()
    lines = [json.loads(line) for line in (tmp_path / "sandbox" / "requests.log").read_text().splitlines()]
    assert lines == server.log
    assert [(line["method"], line["path"], line["query"], line["status"], line["user"]) for line in lines] == [
        ("GET", "/data/auth", "x=1", 200, "admin"),
        ("PUT", "/data/projects/P1", "", 200, "admin"),
    ]
    assert lines[0]["request_id"] == "mine"
    assert lines[0]["bytes_out"] == len("User 'admin' is logged in")


def test_a_handler_that_breaks_is_a_500_with_a_page(server: SandboxServer, admin: httpx.Client) -> None:
    def breaks(_request: Request, _match: Match) -> Response:
        raise RuntimeError("nobody caught this")

    server.routes.add("GET", "/breaks", breaks)
    reply = admin.get("/data/breaks")
    assert reply.status_code == 500
    assert "nobody caught this" in reply.text


def test_stop_waits_for_the_request_under_way(server: SandboxServer, admin: httpx.Client) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(_request: Request, _match: Match) -> Response:
        entered.set()
        leave.wait(10)
        return Response(body=b"done")

    server.routes.add("GET", "/slow", slow)
    replies: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: replies.append(admin.get("/data/slow")))
    asking.start()
    assert entered.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    leave.set()
    asking.join(10)
    stopping.join(10)
    assert replies[0].text == "done"
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)


def test_metadata_is_served_while_an_upload_stands_still(
    server: SandboxServer, admin: httpx.Client, session: str
) -> None:
    head = (
        f"PUT {session}/resources/R/files/slow.bin?inbody=true HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
        "Authorization: Basic YWRtaW46c2VjcmV0\r\nConnection: close\r\n\r\nhalf "
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert admin.get("/data/auth", timeout=5).status_code == 200
        assert admin.put("/data/projects/P2", timeout=5).status_code == 200
        raw.sendall(b"done!")
        assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert admin.get(f"{session}/resources/R/files/slow.bin").content == b"half done!"


def test_stop_right_behind_an_answer_does_not_wait_for_the_idle_connection(site: Site) -> None:
    for _ in range(20):
        server = SandboxServer(site)
        server.start()
        with httpx.Client(base_url=server.url) as client:
            client.get("/data/JSESSION")
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 5
