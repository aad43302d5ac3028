"""When a write may be tried: each effect on each unit has waits of its own, and so have all writes to one server.

Reads that go well end none of them: a server may list everything and take nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.retry import pause_s


@dataclass(slots=True)
class Writes:
    """How the servers of one run take writes."""

    _failing: dict[str, tuple[int, float, str]] = field(default_factory=dict)  # failures, until (elapsed), the words
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, server: str, error: XnatsyncError, elapsed_s: float) -> tuple[int, float]:
        """Note a failure that speaks of the whole server: gives how many in a row, and the wait."""
        with self._lock:
            failures = self._failing.get(server, (0, 0.0, ""))[0] + 1
            wait_s = pause_s(failures, error.retry_after_s)
            self._failing[server] = failures, elapsed_s + wait_s, str(error)
            return failures, wait_s

    def went(self, server: str) -> bool:
        """Note that it took one; True when it had not before."""
        with self._lock:
            return self._failing.pop(server, None) is not None

    def wait_s(self, server: str, elapsed_s: float) -> tuple[float, str]:
        """Tell how long nothing is written to a server, and why; 0 when it may be tried."""
        with self._lock:
            _, until, words = self._failing.get(server, (0, 0.0, ""))
        return max(0.0, until - elapsed_s), words
