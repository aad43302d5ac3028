"""Whole protocol data units over a connection (PS3.8 9.3), each within a deadline."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from xnatsync.core.errors import PeerLost, Stopped, TlsRefused
from xnatsync.dicomnet.peer import Patience, Peer, hang_up

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
LONGEST: Final = 1 << 20  # bytes of a unit that is received: answers are small
_HEAD: Final = 6
_READ: Final = 1 << 16
# A receiver that writes an answer in two pieces (dcmtk does) sends the second one when the first is acknowledged, and
# a system that delays its acknowledgements costs 40 ms for each object.  Linux forgets this option, so it is set again.
_QUICKLY: Final = getattr(socket, "TCP_QUICKACK", None)


class Line:
    """A connection on which one unit is read after the other.  Whatever goes wrong ends it."""

    def __init__(
        self, connection: socket.socket, peer: Peer, patience: Patience, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.peer, self.patience = peer, patience
        self._connection, self._stopping = connection, stopping
        self._held = bytearray()

    def send(self, content: bytes) -> None:
        """Send some bytes; PeerLost when the receiver takes none for a while, or has hung up."""
        self._connection.settimeout(self.patience.send_s)
        try:
            self._connection.sendall(content)
        except TimeoutError as error:
            raise PeerLost(f"{self.peer} took no data for {self.patience.send_s:g} s") from error
        except OSError as error:
            raise self._ended(error) from error

    def unit(self, within_s: float) -> tuple[int, bytes]:
        """Read a unit: its type and its content.  PeerLost when there is none in time, or what comes is no DICOM."""
        until = time.monotonic() + within_s
        self._fill(_HEAD, until, within_s)
        kind, length = self._held[0], int.from_bytes(self._held[2:_HEAD], "big")
        if not ASSOCIATE_RQ <= kind <= ABORT or length > LONGEST:
            raise PeerLost(
                f"what answers at {self.peer.address} is no DICOM",
                advice="Check --port; if the receiver wants TLS, give --tls.",
            )
        self._fill(_HEAD + length, until, within_s)
        content = bytes(self._held[_HEAD : _HEAD + length])
        del self._held[: _HEAD + length]
        return kind, content

    def close(self) -> None:
        """Hang up."""
        hang_up(self._connection)

    def _fill(self, count: int, until: float, within_s: float) -> None:
        while len(self._held) < count:
            if self._stopping():
                raise Stopped("we were asked to stop while an answer was awaited")
            left = until - time.monotonic()
            if left <= 0:
                raise PeerLost(f"{self.peer} gave no answer within {within_s:g} s")
            self._connection.settimeout(min(left, self.patience.look_s))
            try:
                if _QUICKLY is not None:
                    self._connection.setsockopt(socket.IPPROTO_TCP, _QUICKLY, 1)
                piece = self._connection.recv(_READ)
            except TimeoutError:
                continue
            except OSError as error:
                raise self._ended(error) from error
            if not piece:
                raise PeerLost(f"{self.peer} closed the connection")
            self._held += piece

    def _ended(self, error: OSError) -> PeerLost | TlsRefused:
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            words = (error.reason or "").replace("_", " ").lower()
            return TlsRefused(
                f"{self.peer} refused TLS: {words}",
                advice="It probably wants a certificate that it trusts: give `--tls-cert` and `--tls-key`.",
            )
        return PeerLost(f"the connection to {self.peer} ended: {error.strerror or 'it was cut'}")
