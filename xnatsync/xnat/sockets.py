"""Sockets that ask, before each wait, whether the exchange may still go on (see `pace`)."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from xnatsync.xnat.pace import Pace


class PacedBackend(httpcore.SyncBackend):
    """Opens connections as httpcore does; their reads and writes look at the pace they are given as a timeout."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        return _Paced(super().connect_tcp(host, port, timeout, local_address, socket_options))


class _Paced(httpcore.NetworkStream):
    """A connection.  Waiting in slices is safe: nothing was taken from, or given to, a socket that timed out."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        found = inner.get_extra_info("socket")
        # TLS within TLS (an https proxy) keeps its state outside of the socket: there the plain timeouts must do.
        whole = isinstance(found, ssl.SSLSocket) or inner.get_extra_info("ssl_object") is None
        self._socket: socket.socket | None = found if whole else None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what comes; raise the pace's error when it is over."""
        if self._socket is None or not isinstance(timeout, Pace):
            return self._inner.read(max_bytes, _plain(timeout))
        began = time.monotonic()
        while True:
            wait_s = timeout.before_read(began)
            try:
                self._socket.settimeout(wait_s)  # it may have been closed by now: the pool closes what seems idle
                return self._socket.recv(max_bytes)
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; raise the pace's error when it is over."""
        if self._socket is None or not isinstance(timeout, Pace):
            self._inner.write(buffer, _plain(timeout))
            return
        left = memoryview(buffer)
        began = time.monotonic()
        while left:
            wait_s = timeout.before_write(began)
            try:
                self._socket.settimeout(wait_s)
                count = self._socket.send(left)
            except TimeoutError:
                continue
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error
            left = left[count:]
            timeout.sent(count)
            began = time.monotonic()

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Encrypt it; the timeout is that of the whole handshake."""
        return _Paced(self._inner.start_tls(ssl_context, server_hostname, _plain(timeout)))

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection."""
        return self._inner.get_extra_info(info)


def _plain(timeout: float | None) -> float | None:
    return None if timeout is None else float(timeout)
