"""Certificates that are refused, on real TLS sockets: each reason is told apart, with the remedy that fits it."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from unit.test_xnat_connection import Refusing
from unit.xnat_scripted import QUICK
from xnatsync.core.errors import CredentialsRefused, Disposition, ServerUnreachable, TlsRefused
from xnatsync.xnat.server import XnatServer

x509 = pytest.importorskip("cryptography.x509", reason="cryptography makes the certificates")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
HERE = ("127.0.0.1",)


def certificate(folder: Path, *hosts: str, since: datetime = NOW - DAY, until: datetime = NOW + DAY) -> Path:
    """Writes a key and a certificate that an authority in `folder/ca.pem` signed."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Authority")])
    root = _signed(issuer, issuer, authority, authority, NOW - 9 * DAY, NOW + 9 * DAY, ca=True, hosts=())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test Server")])
    leaf = _signed(subject, issuer, key, authority, since, until, ca=False, hosts=hosts)
    (folder / "ca.pem").write_bytes(root)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(secret + leaf)
    return folder / "ca.pem"


def _signed(
    subject: object, issuer: object, key: object, by: object, since: datetime, until: datetime, *, ca: bool,
    hosts: tuple[str, ...],
) -> bytes:  # fmt: skip
    names = [_name(host) for host in hosts]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[no-any-return]


def _name(host: str) -> object:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves with the certificate of a folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            return

    server = Server(("127.0.0.1", 0), Refusing)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refusal(url: str, trusted: Path | bool) -> TlsRefused:
    """Asks, and gives the error."""
    with (
        XnatServer(url, "jdoe", "secret", server_name="x", verify=trusted, retries=QUICK) as server,
        pytest.raises(TlsRefused) as caught,
    ):
        server.whoami()
    assert caught.value.disposition is Disposition.PERSON
    return caught.value


def test_a_right_one_is_trusted(tmp_path: Path) -> None:
    """The others differ from it in one thing each."""
    authority = certificate(tmp_path, *HERE)
    with (
        serving(tmp_path) as url,
        XnatServer(url, "u", "p", server_name="x", verify=authority) as server,
        pytest.raises(CredentialsRefused),
    ):
        server.whoami()


@pytest.mark.parametrize(
    "hosts", [("xnat.example.org", "*.lab.example.org"), ("10.1.2.3",), ("127.0.0.2", "localhost")]
)
def test_one_for_another_host_is_told_with_both_names(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    """`ca_file` cannot help, and is not advised."""
    authority = certificate(tmp_path, *hosts)
    with serving(tmp_path) as url:
        told = refusal(url, authority)

    assert f"it is for {', '.join(hosts)}, and not for 127.0.0.1" in str(told)
    assert "into `url`" in told.remedy
    assert "`ca_file` does not help" in told.remedy


def test_of_many_names_some_are_told_and_without_any_none_is_invented(tmp_path: Path) -> None:
    """A certificate of a whole site, and one of the old kind that has a common name alone."""
    many = certificate(tmp_path, *(f"node{number}.example.org" for number in range(12)))
    with serving(tmp_path) as url:
        told = refusal(url, many)
    assert "it is for node0.example.org, node1.example.org" in str(told)
    assert "node4.example.org and others, and not for 127.0.0.1" in str(told)
    assert "node5" not in f"{told}{told.remedy}"

    with serving(certificate(tmp_path).parent) as url:
        told = refusal(url, tmp_path / "ca.pem")
    assert "it is not one for 127.0.0.1" in str(told)
    assert "`ca_file` does not help" in told.remedy


@pytest.mark.parametrize("until", [NOW - DAY, NOW + DAY], ids=["expired too", "in time"])
def test_with_two_reasons_both_are_told(tmp_path: Path, until: datetime) -> None:
    """Of another host, and expired; of an unknown authority alone that is told: nothing else of it is believed."""
    authority = certificate(tmp_path, "xnat.example.org", since=NOW - 3 * DAY, until=until)
    with serving(tmp_path) as url:
        told = refusal(url, authority)
        unknown = refusal(url, True)
    assert ("not one for 127.0.0.1, and it has expired" in str(told)) is (until < NOW)
    assert ("renew" in told.remedy) is (until < NOW)
    assert ("it is for xnat.example.org, and not for 127.0.0.1" in str(told)) is (until > NOW)
    assert "the authority that signed it is not known" in str(unknown) or "has expired" in str(unknown)


@pytest.mark.parametrize(
    ("since", "until", "words", "remedy"),
    [
        (NOW - 3 * DAY, NOW - DAY, "has expired", "renew"),
        (NOW + DAY, NOW + 3 * DAY, "not valid yet", "clock"),
    ],
    ids=["expired", "not yet"],
)
def test_one_whose_time_is_not_now_is_told_so(
    tmp_path: Path, since: datetime, until: datetime, words: str, remedy: str
) -> None:
    """The one needs an administrator, the other most often a clock."""
    authority = certificate(tmp_path, *HERE, since=since, until=until)
    with serving(tmp_path) as url:
        told = refusal(url, authority)

    assert words in str(told)
    assert remedy in told.remedy
    assert "ca_file" not in told.remedy


def test_one_of_an_unknown_authority_needs_its_file(tmp_path: Path) -> None:
    """Here `ca_file` is what helps."""
    certificate(tmp_path, *HERE)
    with serving(tmp_path) as url:
        told = refusal(url, True)

    assert "the authority that signed it is not known" in str(told)
    assert "Set `ca_file`" in told.remedy


def test_a_port_where_nobody_speaks_https_is_told_so(tmp_path: Path) -> None:
    """`https://host:8080` where 8080 speaks http."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        words = "that port does not speak https"
        with (
            XnatServer(url, "u", "p", server_name="x", retries=QUICK) as client,
            pytest.raises(ServerUnreachable, match=words),
        ):
            client.whoami()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
