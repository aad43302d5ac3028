"""Real time, real ids, and the wish to stop."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import FrameType


class SystemClock:
    """Wall time; `wait` ends at once when a stop is asked for."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> datetime:
        """Return the current UTC time."""
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        """Return the seconds since some fixed moment."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait; answer True when a stop was asked for meanwhile."""
        return self._stop.wait(seconds)


def today() -> date:
    """Return the day where we are: schedules are written in local days."""
    return datetime.now(UTC).astimezone().date()


class RandomIds:
    """Names that are unique for ever."""

    def request_id(self) -> str:
        """Return a name for one request."""
        return f"xs-{uuid.uuid4().hex}"


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[list[int]]:
    """Turn the first SIGINT or SIGTERM into a wish to stop; a second one ends the process at once.

    Ending at once is safe: nothing is resumed from memory.  Gives the list of signals received so far.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        received.append(number)
        stop.set()

    wanted = [signal.SIGINT, signal.SIGTERM]
    former = {number: signal.signal(number, note) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
