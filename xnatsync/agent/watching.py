"""Events of the operating system, as hints: something at the top level of a drop folder may have changed.

Nothing depends on them: what they do not tell, the next look finds.  Of watchdog a fixed list of events is taken, at
the folder's top level alone; what arrives below it is looked at while it arrives.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from xnatsync.disk.mounts import remote_kind

MISSED_MAX = 3  # looks in a row that found what no event had told of: there are none


class Watcher(Protocol):
    """The port: who tells of changes."""

    def watch(self, folder: Path, changed: Callable[[str], None]) -> Callable[[], None]:
        """Call `changed` with the name of each top-level entry that changes; gives what ends that.  OSError: cannot."""
        ...

    def close(self) -> None:
        """Watch nothing any more."""
        ...


class Events:
    """The events of the operating system, by watchdog."""

    def __init__(self) -> None:
        self._observer: Any = None

    def watch(self, folder: Path, changed: Callable[[str], None]) -> Callable[[], None]:
        """Watch the top level of a folder."""
        from watchdog import events
        from watchdog.observers import Observer

        wanted = [
            events.FileClosedEvent, events.FileMovedEvent, events.FileCreatedEvent, events.DirCreatedEvent,
            events.DirMovedEvent,
        ]  # fmt: skip

        class Handler(events.FileSystemEventHandler):
            def on_any_event(self, event: Any) -> None:
                for path in (event.src_path, event.dest_path):
                    if path and (parts := Path(os.path.relpath(os.fsdecode(path), folder)).parts):
                        changed(parts[0])

        if self._observer is None:
            self._observer = Observer()
            self._observer.start()
        watch = self._observer.schedule(Handler(), str(folder), recursive=False, event_filter=wanted)
        return lambda: self._observer.unschedule(watch)

    def close(self) -> None:
        """End the thread."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5.0)


class Watching:
    """Which drop folders are watched, and why others are not; a folder that went and came back is watched anew."""

    def __init__(self, watcher: Watcher, hint: Callable[[str, str], None]) -> None:
        self._watcher = watcher
        self._hint = hint
        self._spots: dict[str, tuple[int, int]] = {}  # device and number of each folder that is watched
        self._ends: dict[str, Callable[[], None]] = {}
        self._why: dict[str, str] = {}
        self._lock = threading.Lock()

    def see(self, route: str, folder: Path, missed: int = 0) -> None:
        """Watch a folder that is there, unless it is watched already; `missed`: looks that found what was not told."""
        with self._lock:
            if missed >= MISSED_MAX and route in self._ends:
                self._end(route, "changes come without events")
            if route in self._why and route not in self._spots:
                return
            try:
                found = folder.stat()
            except OSError:
                return
            spot = found.st_dev, found.st_ino
            if self._spots.get(route) == spot:
                return
            self._begin(route, folder, spot)

    def _begin(self, route: str, folder: Path, spot: tuple[int, int]) -> None:
        if route in self._ends:
            self._end(route, "")
        if (kind := remote_kind(folder)) is not None:
            self._why[route] = f"its drive is {kind}, which reports no changes by others"
            return
        try:
            self._ends[route] = self._watcher.watch(folder, lambda name: self._hint(route, name))
        except OSError as error:
            self._why[route] = limits(error)
        else:
            self._spots[route] = spot
            self._why.pop(route, None)

    def _end(self, route: str, why: str) -> None:
        end = self._ends.pop(route)
        self._spots.pop(route, None)
        if why:
            self._why[route] = why
        try:
            end()
        except (KeyError, OSError, RuntimeError):  # the folder it watched is gone, and so is its watch
            return

    def told(self) -> dict[str, str]:
        """Return how each route is watched: `events`, or why only by looking."""
        with self._lock:
            return dict.fromkeys(self._spots, "events") | dict(self._why)

    def close(self) -> None:
        """Watch nothing any more."""
        self._watcher.close()


def limits(error: OSError) -> str:
    """Say why a folder cannot be watched, and how that is mended where it is a limit of Linux."""
    key = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}.get(error.errno or 0)
    words = error.strerror or type(error).__name__
    if key is None:
        return f"it cannot be watched: {words}"
    return f"the limit fs.inotify.{key} is reached: `sudo sysctl fs.inotify.{key}=524288` raises it"
