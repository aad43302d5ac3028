"""How long one exchange may take, from its first byte to its last: limits that no single byte sets back.

A timeout of a socket starts anew with each byte, so a server that drips keeps us for ever.  Here the whole head of an
answer (with every `102 Processing` before it) has one deadline, a body has a floor of speed and a reply a deadline of
its own, and a request to stop ends each wait.  Only the time that we spend waiting counts, not that of whoever reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from xnatsync.core.errors import OutcomeUnknown, ReadFailed, Stopped, XnatsyncError
from xnatsync.xnat.wire import Call

SLICE_S: Final = 0.25  # the longest time for which a socket is waited for without a look at the limits
STOP_READ_S: Final = 1.0  # so long a read may still come to its end after a request to stop
STOP_WRITE_S: Final = 10.0  # likewise the answer to a write that was sent whole: better known than unknown


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long what may take, in seconds."""

    connect_s: float = 15.0
    pool_s: float = 3600.0  # for one of our own connections to become free; each use of one has limits of its own
    send_s: float = 120.0  # for a piece to leave
    read_s: float = 180.0  # for the whole head of an answer, and then for the next piece of it
    import_s: float = 3600.0  # for the answer to an upload: a proxy that buffers imports after the last byte
    work_s: float = 1800.0  # for building, archiving, deleting: longer than XNAT's own 600 s (import.md §2.5)
    reply_s: float = 900.0  # for the whole body of an answer that is read at once, such as a listing
    window_s: float = 180.0  # within which so many bytes must move
    floor_bytes: int = 64 << 10
    leave_s: float = 1.5  # for each step of logging out


class Pace(float):
    """The limits of one exchange; it travels to the socket as the timeout of its reads and writes."""

    def __new__(cls, call: Call, times: Timeouts, *, head_s: float, stop: Callable[[], bool], whole: bool) -> Self:
        """Make it a number, as the layers between expect; `whole`: the body is read at once, and has a deadline."""
        return super().__new__(cls, head_s)

    def __init__(self, call: Call, times: Timeouts, *, head_s: float, stop: Callable[[], bool], whole: bool) -> None:
        self._call, self._times, self._head_s, self._stop, self.whole = call, times, head_s, stop, whole
        self._stopped_at: float | None = None
        self._body = False
        self._since = time.monotonic()  # when this stretch of waiting began
        self._spent = 0.0  # seconds of waiting before it, in this phase
        self._window_from = 0.0  # of the time spent
        self._moved = 0  # bytes in this window
        self._sent_at = self._since

    def begin(self) -> None:
        """Note that the exchange begins, or begins anew after it waited for a connection of ours."""
        self._since = self._sent_at = time.monotonic()
        self._spent = self._window_from = 0.0

    def resume(self) -> None:
        """Note that we wait for the server from now on."""
        self._since = time.monotonic()

    def rest(self) -> None:
        """Note that somebody else works now: the disk that is read, or whoever takes the pieces."""
        self._spent += time.monotonic() - self._since

    def head_came(self) -> None:
        """Begin with the body, with limits of its own."""
        self._body = True
        self._since, self._spent, self._window_from, self._moved = time.monotonic(), 0.0, 0.0, 0

    def delivered(self, size: int) -> None:
        """Count bytes of the body that have come, unpacked."""
        self._moved += size
        self._turn(self._spent)

    def sent(self, size: int) -> None:
        """Count bytes that left."""
        self._sent_at = time.monotonic()
        self._moved += size
        self._turn(self._spent + self._sent_at - self._since)

    def before_read(self, began: float) -> float:
        """Return how long the socket may be waited for at once; raise when a limit is passed."""
        now = time.monotonic()
        left = [SLICE_S]
        if not self._body:
            left.append(self._sent_at + self._head_s - now)
            if left[-1] <= 0:
                raise self._failure(f"no whole answer came within {self._head_s:g} seconds")
        else:
            left.append(began + self._times.read_s - now)
            if left[-1] <= 0:
                raise self._failure(f"nothing came for {self._times.read_s:g} seconds")
            self._check(self._spent + now - self._since)
        self._check_stop(now, STOP_WRITE_S if self._call.verb.writes else STOP_READ_S)
        return max(min(left), 0.001)

    def before_write(self, began: float) -> float:
        """Return how long the socket may be waited for at once; raise when a limit is passed."""
        now = time.monotonic()
        left = began + self._times.send_s - now
        if left <= 0:
            raise self._failure(f"nothing could be sent for {self._times.send_s:g} seconds")
        self._check(self._spent + now - self._since)
        self._check_stop(now, STOP_READ_S)
        return max(min(SLICE_S, left), 0.001)

    def check_stop(self) -> None:
        """Raise when we are asked to stop: a stream ends between two pieces."""
        if self._stop():
            raise self._interrupted()

    def _check(self, spent: float) -> None:
        if spent - self._window_from > self._times.window_s:
            self._turn(spent)
        if self.whole and self._body and spent > self._times.reply_s:
            raise self._failure(f"the answer took longer than {self._times.reply_s:g} seconds")

    def _turn(self, spent: float) -> None:
        """Judge a window that is over, and begin the next."""
        if spent - self._window_from <= self._times.window_s:
            return
        if self._moved < self._times.floor_bytes:
            raise self._failure(f"only {self._moved} bytes moved in {spent - self._window_from:.0f} seconds")
        self._window_from, self._moved = spent, 0

    def _check_stop(self, now: float, patience_s: float) -> None:
        if not self._stop():
            return
        if self._stopped_at is None:
            self._stopped_at = now
        if now - self._stopped_at > patience_s:
            raise self._interrupted()

    def _interrupted(self) -> XnatsyncError:
        failure = OutcomeUnknown if self._call.verb.writes else Stopped
        return failure(f"{self._call.what}: interrupted by a request to stop")

    def _failure(self, why: str) -> XnatsyncError:
        failure = OutcomeUnknown if self._call.verb.writes else ReadFailed
        return failure(f"{self._call.what}: {why}")
