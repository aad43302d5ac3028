"""Work that goes on when nobody waits for it any more, as behind XNAT's queues."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Jobs:
    """A few workers, started when there is work; `stop` waits for what is under way."""

    def __init__(self, workers: int = 4) -> None:
        self._count = workers
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run something on a worker."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="sandbox-work")
            return self._pool.submit(work)

    def stop(self) -> None:
        """Finish all work; new work may be given afterwards."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)
