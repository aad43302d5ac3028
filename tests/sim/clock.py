"""Time and names: integers that only the simulation moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SimClock:
    """Milliseconds.  The wall clock may be ahead of, or behind, the time that really passes."""

    def __init__(self) -> None:
        self.ms = 0
        self.offset_ms = 0
        self._now = 0, EPOCH  # the last answer: most questions come at the same moment

    def now(self) -> datetime:
        """The wall clock."""
        ms = self.ms + self.offset_ms
        if self._now[0] != ms:
            self._now = ms, EPOCH + timedelta(milliseconds=ms)
        return self._now[1]

    def elapsed_s(self) -> float:
        """What really passed."""
        return self.ms / 1000

    def wait(self, seconds: float) -> bool:
        """Nothing in the engine waits: the simulation plays the dispatcher."""
        raise AssertionError("the engine waited inside a step")

    @property
    def wall_ns(self) -> int:
        """The wall clock, as a file system stamps files."""
        return int(EPOCH.timestamp() * 1000 + self.ms + self.offset_ms) * 1_000_000

    def server_s(self) -> float:
        """The server's own clock, which nobody sets."""
        return EPOCH.timestamp() + self.ms / 1000


class SimIds:
    """Numbers, the same in every replay."""

    def __init__(self) -> None:
        self.count = 0

    def request_id(self) -> str:
        """The next one; it goes on over crashes, as random names would."""
        self.count += 1
        return f"xs-{self.count}"
