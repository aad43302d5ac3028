"""A line of so many Mbit/s before a server: relays connections and lets what is sent to the server wait its turn.

`python slowline.py PORT MBIT` prints the port it listens on, and relays to 127.0.0.1:PORT until it is ended.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

PIECE = 1 << 16


class Line:
    """The bytes of all connections go one after the other, each taking its time."""

    def __init__(self, bytes_s: float) -> None:
        self._bytes_s = bytes_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, count: int) -> None:
        """Waits until so many bytes have gone over the line."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + count / self._bytes_s
            wait = self._free_at - time.monotonic()
        if wait > 0:
            time.sleep(wait)


def relay(source: socket.socket, target: socket.socket, line: Line | None) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            if line is not None:
                line.carry(len(piece))
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main() -> None:
    port, mbit = int(sys.argv[1]), float(sys.argv[2])
    line = Line(mbit * 1e6 / 8)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for arguments in ((client, server, line), (server, client, None)):
            threading.Thread(target=relay, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
