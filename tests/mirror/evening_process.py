"""A run in a process of its own, in the last second of a day, that kills itself where it meets its disk.

evening_process.py CONFIG sync|repair METHOD before|after
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ports_between import app_between
from xnatsync.app.clock import SystemClock
from xnatsync.app.sync import sync
from xnatsync.app.verify import Asked, verify
from xnatsync.engine.progress import Progress


class Evening(SystemClock):
    """The last second of this day, for as long as it takes."""

    def now(self) -> datetime:
        return super().now().replace(hour=23, minute=59, second=59, microsecond=0)


def main(config: str, act: str, method: str, when: str) -> None:
    """Never comes to its end when the method is called."""

    def die(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if when == "after":
            call(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    app = app_between(Path(config), clock=Evening(threading.Event()), trees={method: die})
    if act == "repair":
        verify(app, [], Asked(repair=True), progress=Progress())
    else:
        sync(app, [], progress=Progress(), on_bug=print, patience_s=20.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
