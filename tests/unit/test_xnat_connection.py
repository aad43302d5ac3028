from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpcore
import pytest

from unit.xnat_scripted import QUICK
from xnatsync.core.errors import ConfigError, CredentialsRefused, TlsRefused
from xnatsync.xnat import connection
from xnatsync.xnat.server import XnatServer


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers 401: whoever hears that has got through."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, cert


@pytest.fixture
def url(certificate: tuple[Path, Path]) -> Iterator[str]:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            return  # a client that does not trust us hangs up

    server = Server(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(url: str, verify: bool | Path) -> None:
    with XnatServer(url, "jdoe", "secret", server_name="x", verify=verify, retries=QUICK) as server:
        server.whoami()


def test_a_certificate_nobody_vouches_for_is_refused(url: str) -> None:
    """At once and for a person, before the password is sent."""
    with pytest.raises(TlsRefused):
        ask(url, verify=True)


def test_the_authority_named_is_trusted(url: str, certificate: tuple[Path, Path]) -> None:
    """`ca_file` lets us through, to an answer of the server."""
    with pytest.raises(CredentialsRefused):
        ask(url, verify=certificate[1])


def test_checking_can_be_switched_off(url: str) -> None:
    """For a test server, if somebody says so."""
    with pytest.raises(CredentialsRefused):
        ask(url, verify=False)


def test_an_authority_that_cannot_be_read_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """Missing or not a certificate: said at start."""
    (tmp_path / "no.pem").write_text("nothing")
    for path in (tmp_path / "missing.pem", tmp_path / "no.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            XnatServer("https://127.0.0.1:1", "u", "p", server_name="x", verify=path)


def test_a_proxy_is_taken_from_the_environment_but_never_for_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other program does; loopback and NO_PROXY are direct."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "intern.example.org")

    assert connection.proxy_for("https://xnat.example.org") == "http://proxy.example.org:3128"
    for direct in (
        "https://intern.example.org",
        "https://127.0.0.1:8080",
        "https://[::1]",
        "https://localhost",
        "http://xnat.example.org",
    ):
        assert connection.proxy_for(direct) is None

    monkeypatch.setenv("https_proxy", "socks5://proxy.example.org")
    with pytest.raises(ConfigError, match="socks5"):
        connection.proxy_for("https://xnat.example.org")


def test_sockets_are_read_in_large_pieces(tmp_path: Path) -> None:
    """A file on a quick line comes in few pieces; should httpx read otherwise one day, this tells."""
    seen: list[int] = []

    class Stream(httpcore.MockStream):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            seen.append(max_bytes)
            return super().read(max_bytes, timeout)

    stream = Stream([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok"])
    with httpcore.HTTP11Connection(httpcore.Origin(b"http", b"x", 80), stream) as opened:
        assert opened.request("GET", "http://x/").content == b"ok"
    assert set(seen) == {connection.PIECE_BYTES}
