"""How much of a server's line a transfer uses: bytes in a second, and streams at a time; shared by all its workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from xnatsync.core.errors import ConfigError, Stopped
from xnatsync.ports.drop import Clock

CONNECTIONS: Final = 4  # as many as a server has when nothing else is said
BOTH_ENDS: Final = 2  # a server that is read and written at the same time needs so many
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


class Lines:
    """The lines of one run: every worker gets the same ones."""

    def __init__(
        self, clock: Clock | None = None, connections: Mapping[str, int] | None = None,
        bytes_s: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        """Take the limits by the names of servers; what is not named has the usual connections, and all of its line."""
        self._clock, self._connections, self._bytes_s = clock, connections or {}, bytes_s or {}
        self._known: dict[tuple[str, bool], Line] = {}
        self._lock = threading.Lock()

    def between(self, source: str, destination: str) -> tuple[Line, Line]:
        """Return the lines to both.

        Where both are one server, a stream that is read keeps a connection while the next store needs one: one is left
        free for that, else all would wait for each other.  ConfigError when there is only one.
        """
        same = source == destination
        connections = self._connections.get(source, CONNECTIONS)
        if same and connections < BOTH_ENDS:
            raise ConfigError(
                f"server {source} is both ends of a transfer, and may have one connection only",
                advice=f"Set `connections` of server {source} to {BOTH_ENDS} or more.",
            )
        with self._lock:
            here = self._line(source, same, connections - 1 if same else connections)
            return here, here if same else self._line(destination, same, None)

    def _line(self, server: str, same: bool, streams: int | None) -> Line:
        key = server, same
        if key not in self._known:
            self._known[key] = Line(self._clock, self._bytes_s.get(server), streams)
        return self._known[key]
