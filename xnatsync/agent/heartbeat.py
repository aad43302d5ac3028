"""A sign of life for somebody else's eyes: an address that is asked for while the agent goes forward, and only then.

Whoever watches that address raises the alarm when nothing comes any more.  A failing ping is nobody's alarm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from xnatsync.engine.observers import tell

PING_S = 60.0
ANSWER_S = 10.0


class Heartbeat:
    """Asks for an address once a minute; without one it does nothing."""

    def __init__(self, address: Callable[[], str | None], is_well: Callable[[], bool], every_s: float = PING_S) -> None:
        self._address, self._is_well, self._every_s = address, is_well, every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start to ping."""
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ping no more; one that is on its way is not waited for."""
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.is_set():
            tell(self.beat)
            self._stop.wait(self._every_s)

    def beat(self) -> None:
        """Ping once, if there is progress; whatever goes wrong is raised."""
        if (address := self._address()) is not None and self._is_well():
            ping(address)


def ping(address: str) -> None:
    """Ask for an address; its answer is not read."""
    import httpx

    with httpx.stream("GET", address, timeout=ANSWER_S, follow_redirects=False):
        return
