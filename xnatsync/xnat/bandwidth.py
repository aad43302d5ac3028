"""What goes over the line to one server, metered in one place for everything that this process does there.

Only data is metered: the bodies of uploads, and answers that are read piece by piece.  Listings and other answers that
are read at once pass freely.  Whoever has to wait does so in the order of asking, and in small steps, so that nobody is
kept for long, and another limit holds as soon as the clock says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import Final

from xnatsync.core.bandwidth import Bandwidth
from xnatsync.ports.drop import Clock

BURST_S: Final = 0.25  # so much of a second's bytes may go at once
STEP_S: Final = 0.5  # the longest wait without a look at the clock on the wall
LEAST_STEP: Final = 16 << 10  # bytes


class Meter:
    """The line to one server.  Thread-safe."""

    def __init__(self, clock: Clock, limit: Bandwidth | None = None, zone: tzinfo | None = None) -> None:
        """`zone` is that of the clock on the wall; None: the machine's."""
        self._clock, self._limit, self._zone = clock, limit, zone
        self._most: int | None = None
        self._lock = threading.Lock()
        self._asked = 0  # bytes, by everybody so far
        self._allowed = 0.0  # bytes of them that may have gone by now
        self._seen_s = clock.elapsed_s()

    def follow(self, limit: Bandwidth | None) -> None:
        """Take over another limit, as a configuration that was read again has it."""
        with self._lock:
            self._limit = limit

    def at_most(self, bytes_s: int | None) -> None:
        """Take over a limit of one command, beside the other: the lower one holds."""
        with self._lock:
            self._most = bytes_s

    @property
    def rate(self) -> int | None:
        """The bytes a second that are allowed now; None: no limit."""
        shown: datetime = self._clock.now().astimezone(self._zone)
        found = self._limit.at(shown.hour * 60 + shown.minute) if self._limit is not None else None
        return min((one for one in (found, self._most) if one is not None), default=None)

    def take(self, size: int, stopped: Callable[[], None] = lambda: None) -> None:
        """Wait until these bytes may go; `stopped` raises where we are to stop."""
        with self._lock:
            if self._limit is None and self._most is None:
                return
            self._advance()
            self._asked += size
            mine = self._asked
        while (wait_s := self._left_s(mine)) > 0:
            stopped()
            self._clock.wait(min(wait_s, STEP_S))

    def steps(self, piece: bytes) -> Iterator[bytes]:
        """Cut a piece so that what leaves does so steadily: a server ends a connection on which nothing moves."""
        rate = self.rate
        step = max(int(rate * BURST_S), LEAST_STEP) if rate is not None else len(piece)
        if len(piece) <= step:
            yield piece
            return
        view = memoryview(piece)
        for first in range(0, len(piece), step):
            yield bytes(view[first : first + step])

    def _left_s(self, mine: int) -> float:
        """Return how long what was asked for has to wait still."""
        with self._lock:
            rate = self._advance()
            return (mine - self._allowed) / rate if rate is not None else 0.0

    def _advance(self) -> int | None:
        """Allow what the time since the last look allows; return the rate of now."""
        now_s, rate = self._clock.elapsed_s(), self.rate
        passed_s, self._seen_s = max(now_s - self._seen_s, 0.0), now_s
        if rate is None:
            self._allowed = float(self._asked)
        else:
            self._allowed = min(self._allowed + passed_s * rate, self._asked + rate * BURST_S)
        return rate


class Meters:
    """The meters of this process, one for each address."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._known = clock, dict[str, Meter]()
        self._lock = threading.Lock()
        self._most: int | None = None

    def of(self, url: str, limit: Bandwidth | None) -> Meter:
        """Return the meter of an address, which follows this limit from now on."""
        with self._lock:
            meter = self._known.setdefault(url, Meter(self._clock))
            meter.follow(limit)
            meter.at_most(self._most)
            return meter

    def at_most(self, bytes_s: int | None) -> None:
        """Limit one command: every server it talks to."""
        with self._lock:
            self._most = bytes_s
            for meter in self._known.values():
                meter.at_most(bytes_s)

    @property
    def rate(self) -> int | None:
        """The lowest limit that holds now; None where there is none."""
        with self._lock:
            rates = [rate for meter in self._known.values() if (rate := meter.rate) is not None]
        return min(rates, default=None)
