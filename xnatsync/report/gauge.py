"""How far a download is, counted from many threads and read by whoever draws it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.engine.observers import tell

_WINDOW_S = 10.0  # the rate is that of the last so many seconds
_SAMPLES_MAX = 400


@dataclass(frozen=True, slots=True)
class Reading:
    """All counts at one moment."""

    goal_files: int
    goal_bytes: int
    files: int
    bytes: int
    rate_bytes_s: float
    eta_s: float | None  # None when it cannot be told


class Gauge:
    """Counts files and bytes against a goal.  `on_note` is told each thing that is finished."""

    def __init__(
        self, on_note: Callable[[str], None] = lambda text: None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_note = on_note
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._goal = (0, 0)
        self._files = self._bytes = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_MAX)

    def aim(self, files: int, size_bytes: int) -> None:
        """So much is to come."""
        with self._lock:
            self._goal = (files, size_bytes)

    def moved(self, size_bytes: int) -> None:
        """So many more bytes came; what is thrown away again counts negative."""
        with self._lock:
            self._bytes += size_bytes
            self._samples.append((self._monotonic(), size_bytes))

    def had(self, size_bytes: int) -> None:
        """So many bytes lay here from an interrupted try: they count, and say nothing of the rate."""
        with self._lock:
            self._bytes += size_bytes

    def done(self) -> None:
        """One more file is in its place."""
        with self._lock:
            self._files += 1

    def note(self, text: str) -> None:
        """Say something in between."""
        tell(self._on_note, text)

    def reading(self) -> Reading:
        """Read all counts at once."""
        with self._lock:
            files, size = self._goal
            now = self._monotonic()
            recent = [(at, moved) for at, moved in self._samples if now - at <= _WINDOW_S]
            rate = sum(moved for _, moved in recent) / max(now - recent[0][0], 0.25) if recent else 0.0
            left = max(0, size - self._bytes)
            return Reading(files, size, self._files, self._bytes, rate, left / rate if rate > 0 and left else None)
