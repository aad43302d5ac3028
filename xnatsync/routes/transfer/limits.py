"""How many streams of a server a transfer keeps open at a time, shared by all its workers.

How many bytes go over a server's line is metered where they go (`xnat.bandwidth`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from xnatsync.core.errors import ConfigError

CONNECTIONS: Final = 4  # as many as a server has when nothing else is said
BOTH_ENDS: Final = 2  # a server that is read and written at the same time needs so many


class Line:
    """The line to one server that is read.  Thread-safe."""

    def __init__(self, streams: int | None = None) -> None:
        """`streams` is the limit; None: none."""
        self._streams = threading.BoundedSemaphore(streams) if streams is not None else None

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Keep one stream open within the block."""
        if self._streams is None:
            yield
            return
        with self._streams:
            yield


UNLIMITED: Final = Line()


class Lines:
    """The lines of one run: every worker gets the same ones."""

    def __init__(self, connections: Mapping[str, int] | None = None) -> None:
        """Take the connections by the names of servers; what is not named has the usual ones."""
        self._connections = connections or {}
        self._known: dict[tuple[str, bool], Line] = {}
        self._lock = threading.Lock()

    def between(self, source: str, destination: str) -> Line:
        """Return the line to the source.

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
            return self._known.setdefault((source, same), Line(connections - 1 if same else connections))
