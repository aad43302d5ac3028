"""The progress of an upload on stderr: the line of downloads, fed by the callback that services call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xnatsync.app.clock import stop_on_signals
from xnatsync.cli.gauging import gauging
from xnatsync.cli.render import Screen
from xnatsync.services.progress import UploadProgress


@contextmanager
def sending(screen: Screen) -> Iterator[Callable[[UploadProgress], bool]]:
    """Show how far the upload inside the block is; a signal cancels it, and what has arrived stays."""
    stop = threading.Event()
    seen = [0, 0]  # bytes and files told so far
    with stop_on_signals(stop), gauging(screen) as gauge:

        def told(progress: UploadProgress) -> bool:
            if progress.total:
                gauge.aim(progress.total, progress.total_bytes)
            gauge.moved(progress.completed_bytes - seen[0])
            for _ in range(progress.completed - seen[1]):
                gauge.done()
            seen[:] = progress.completed_bytes, max(seen[1], progress.completed)
            return not stop.is_set()

        yield told
