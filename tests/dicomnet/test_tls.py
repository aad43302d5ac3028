"""TLS: the receiver is verified, and ours is the certificate that it may want."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dicomnet.conftest import Send
from dicomnet.objects import write_study
from dicomnet.peers import keeping
from unit.test_xnat_certificates import certificate
from xnatsync.core.errors import PeerLost, TlsRefused, Usage
from xnatsync.dicomnet.peer import Tls


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("right"), "127.0.0.1")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("other"), "elsewhere.example.org")


def serving(authority: Path, clients: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context


def test_a_verified_receiver_gets_everything(source: Path, send: Send, authority: Path) -> None:
    """Over several associations."""
    write_study(source, 5)
    with keeping(tls=serving(authority)) as keeper:
        report = send(keeper.port, workers=2, tls=Tls(authority))
    assert (report.exit_code, len(keeper.held)) == (0, 5)


@pytest.mark.parametrize("trusted", ["another", "the system's"])
def test_another_authority_is_not_trusted(source: Path, send: Send, authority: Path, other: Path, trusted: str) -> None:
    """Nothing is sent, and the words say so and what to do."""
    write_study(source, 1)
    tls = Tls(other if trusted == "another" else None)
    with keeping(tls=serving(authority)) as keeper, pytest.raises(TlsRefused, match="not trusted") as caught:
        send(keeper.port, tls=tls)
    assert "--tls-ca-bundle" in caught.value.remedy
    assert keeper.held == []


def test_a_certificate_of_another_host_is_not_trusted(source: Path, send: Send, other: Path) -> None:
    """Although its authority is."""
    write_study(source, 1)
    with keeping(tls=serving(other)) as keeper, pytest.raises(TlsRefused, match="not trusted"):
        send(keeper.port, tls=Tls(other))


def test_a_receiver_may_want_our_certificate(source: Path, send: Send, authority: Path, other: Path) -> None:
    """Without one, or with another's, it is refused; with it everything is stored."""
    write_study(source, 2)
    ours, theirs = authority.with_name("server.pem"), other.with_name("server.pem")
    with keeping(tls=serving(authority, clients=authority)) as keeper:
        for tls in (Tls(authority), Tls(authority, theirs, theirs)):
            with pytest.raises((TlsRefused, PeerLost)):
                send(keeper.port, tls=tls)
        assert keeper.held == []
        assert send(keeper.port, tls=Tls(authority, ours, ours)).stored == 2


def test_tls_and_plain_do_not_meet(source: Path, send: Send, authority: Path) -> None:
    """Either way round it is told, and nothing is sent."""
    write_study(source, 1)
    with keeping() as keeper, pytest.raises(TlsRefused):
        send(keeper.port, tls=Tls(authority), patience={"connect_s": 0.4})
    with keeping(tls=serving(authority)) as keeper, pytest.raises(PeerLost):
        send(keeper.port, patience={"answer_s": 0.4})


@pytest.mark.parametrize("which", ["ca_bundle", "cert", "key alone", "a key of another"])
def test_a_file_that_cannot_be_used_is_named(
    source: Path, send: Send, authority: Path, other: Path, tmp_path: Path, which: str
) -> None:
    """Before any connection."""
    write_study(source, 1)
    none, ours = tmp_path / "none.pem", authority.with_name("server.pem")
    none.write_text("no certificate")
    other_key = tmp_path / "key.pem"
    other_key.write_bytes(other.with_name("server.pem").read_bytes().partition(b"-----BEGIN CERT")[0])
    tls = {
        "ca_bundle": Tls(none), "cert": Tls(authority, none), "key alone": Tls(authority, None, ours),
        "a key of another": Tls(authority, ours, other_key),
    }[which]  # fmt: skip
    with pytest.raises(Usage):
        send(1, tls=tls)
