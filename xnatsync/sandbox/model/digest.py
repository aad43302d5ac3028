"""MD5 of what passes by, on a second processor once it is worth it."""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType
from typing import Self

_SMALL = 4 << 20
_AHEAD = 8  # pieces that may wait


class Digest:
    """Takes pieces and gives their MD5 in the end; beyond a few MiB a thread of its own does the sums."""

    def __init__(self) -> None:
        self._hasher = hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._queue: queue.Queue[bytes | None] | None = None  # made with the thread: most files are small
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self._size += len(piece)
        if self._size <= _SMALL:
            self._hasher.update(piece)
            return
        if self._queue is None:
            self._queue = queue.Queue(_AHEAD)
            self._thread = threading.Thread(target=self._work, args=(self._queue,), name="sandbox-digest", daemon=True)
            self._thread.start()
        self._queue.put(piece)

    def hexdigest(self) -> str:
        """End the sum and return it, lower-case hex."""
        self._finish()
        return self._hasher.hexdigest()

    def _finish(self) -> None:
        if self._queue is not None and self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._queue = self._thread = None

    def _work(self, pieces: queue.Queue[bytes | None]) -> None:
        while (piece := pieces.get()) is not None:
            self._hasher.update(piece)
