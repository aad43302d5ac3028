"""The receiver that is called: its address and titles, and the connection to it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xnatsync.core.errors import PeerUnreachable, TlsRefused, Usage

_TLS_ADVICE: Final = (
    "Ask the receiver's administrator for its CA certificate, and name it with `--tls-ca-bundle`; check the host name."
)


@dataclass(frozen=True, slots=True)
class Tls:
    """How to trust a receiver, and how it may trust us: files with PEM certificates and the key of ours."""

    ca_bundle: Path | None = None  # None: the authorities of the system
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A receiver: where it listens, what it is called, and what we are called."""

    host: str
    port: int
    called: str
    calling: str
    tls: Tls | None = None

    @property
    def address(self) -> str:
        """Host and port as one word."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """Title and address, as messages name it."""
        return f"{self.called} at {self.address}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each wait may last, in seconds."""

    connect_s: float = 15.0
    answer_s: float = 120.0  # for a whole answer: a server may have a script to run on a large object
    send_s: float = 60.0  # without a byte that the receiver takes
    look_s: float = 0.25  # between two looks whether we are asked to stop
    part_s: float = 3.0  # for the answer to our goodbye
    again_s: float = 1.0  # before an association is asked for again; the second time twice as long


def trust(tls: Tls | None) -> ssl.SSLContext | None:
    """Return what TLS needs, None without TLS; Usage when a file cannot be used."""
    if tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_bundle) if tls.ca_bundle is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise Usage(
            f"{tls.ca_bundle} cannot be used as a list of authorities: {_words(error)}",
            advice="Give a file with PEM certificates to --tls-ca-bundle.",
        ) from error
    if tls.key is not None and tls.cert is None:
        raise Usage("--tls-key was given without --tls-cert", advice="Give the certificate that the key belongs to.")
    if tls.cert is not None:
        try:
            context.load_cert_chain(tls.cert, tls.key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Usage(
                f"{tls.cert} cannot be used as our certificate: {_words(error)}",
                advice="Give a PEM certificate to --tls-cert and its key, without a password, to --tls-key.",
            ) from error
    return context


def connect(peer: Peer, patience: Patience, context: ssl.SSLContext | None) -> socket.socket:
    """Open a connection, with TLS where that is wanted; PeerUnreachable or TlsRefused."""
    try:
        plain = socket.create_connection((peer.host, peer.port), timeout=patience.connect_s)
    except OSError as error:
        raise _unreachable(peer, error, patience) from error
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if context is None else _wrapped(plain, peer, patience, context)
    except BaseException:
        plain.close()
        raise


def hang_up(connection: socket.socket) -> None:
    """Close a connection, whatever state it is in."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        connection.close()


def _wrapped(plain: socket.socket, peer: Peer, patience: Patience, context: ssl.SSLContext) -> socket.socket:
    plain.settimeout(patience.connect_s)
    try:
        return context.wrap_socket(plain, server_hostname=peer.host)
    except ssl.SSLCertVerificationError as error:
        raise TlsRefused(
            f"the certificate of {peer} is not trusted: {error.verify_message}; nothing was sent", advice=_TLS_ADVICE
        ) from error
    except TimeoutError as error:
        raise TlsRefused(
            f"{peer} did not answer the TLS handshake within {patience.connect_s:g} s; nothing was sent",
            advice="Perhaps it speaks no TLS on this port: ask its administrator, or leave out `--tls`.",
        ) from error
    except (OSError, ValueError) as error:
        raise TlsRefused(
            f"{peer} ended the TLS handshake: {_words(error)}; nothing was sent",
            advice="Perhaps it speaks no TLS on this port, or wants a certificate of ours (`--tls-cert`, `--tls-key`).",
        ) from error


def _unreachable(peer: Peer, error: OSError, patience: Patience) -> PeerUnreachable:
    if isinstance(error, socket.gaierror):
        return PeerUnreachable(f"no address is known for the host {peer.host}", advice="Check the spelling of --host.")
    if isinstance(error, TimeoutError):
        return PeerUnreachable(f"{peer} did not answer within {patience.connect_s:g} s")
    if isinstance(error, ConnectionRefusedError):
        return PeerUnreachable(f"nothing listens on {peer.address}")
    return PeerUnreachable(f"{peer.address} cannot be reached: {_words(error)}")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS error").replace("_", " ").lower()
    return getattr(error, "strerror", None) or "it is not as it should be"


def _no_password() -> bytes:
    """Answer OpenSSL, which would ask on the terminal and wait."""
    return b""
