"""How much of a server's line a transfer uses: bytes in a second, and streams at a time; shared by all its workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xnatsync.core.errors import Stopped
from xnatsync.ports.drop import Clock

BURST_S: Final = 0.25  # so much of a second's bytes may go at once


class Line:
    """The line to one server.  Thread-safe."""

    def __init__(self, clock: Clock | None = None, bytes_s: float | None = None, streams: int | None = None) -> None:
        """`bytes_s` and `streams` are limits; None: none."""
        self._clock, self._bytes_s = clock, bytes_s
        self._streams = threading.BoundedSemaphore(streams) if streams is not None else None
        self._lock = threading.Lock()
        self._free_at = float("-inf")  # when everything that was taken will have gone over the line

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Keep one stream open within the block."""
        if self._streams is None:
            yield
            return
        with self._streams:
            yield

    def take(self, size: int) -> None:
        """Wait until so many bytes may go; Stopped when we are asked to stop meanwhile."""
        if self._clock is None or self._bytes_s is None or not size:
            return
        with self._lock:
            now = self._clock.elapsed_s()
            self._free_at = max(self._free_at, now - BURST_S) + size / self._bytes_s
            wait_s = self._free_at - now
        if wait_s > 0 and self._clock.wait(wait_s):
            raise Stopped("asked to stop")


UNLIMITED: Final = Line()


def lines(
    clock: Clock, source: tuple[int, float | None], destination: tuple[int, float | None], *, same: bool
) -> tuple[Line, Line]:
    """Return the lines to source and destination by their connections and bytes in a second.

    Where both are one server, a stream that is read keeps a connection while the next store needs one: one connection
    is left free for that, and both share the bytes.
    """
    connections, bytes_s = source
    here = Line(clock, bytes_s, max(1, connections - 1) if same else connections)
    return here, here if same else Line(clock, destination[1], None)
