"""When what is at work last went forward, key by key: one that is stuck is not hidden by others that are lively."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from xnatsync.engine.dispatcher import Key
from xnatsync.engine.progress import Fetched, Goal, Happening, ItemAt, Noted, Read, Sent, UnitAt, Waiting


class Pulse:
    """Is told when a step begins and ends, and what happens meanwhile; from any thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now  # seconds that only ever grow
        self._at: dict[Key, float] = {}  # of each key that is at work: when it last went forward
        self._threads: dict[int, Key] = {}  # which of them each worker steps
        self._lock = threading.Lock()

    def step(self, key: Key, begins: bool) -> None:
        """Take note that the step of a key begins, or has ended, in this thread."""
        with self._lock:
            if begins:
                self._at[key] = self._now()
                self._threads[threading.get_ident()] = key
            else:
                self._at.pop(key, None)
                self._threads.pop(threading.get_ident(), None)

    def hear(self, happening: Happening) -> None:
        """Take note that something went forward; to wait is not to go forward."""
        if isinstance(happening, Waiting):
            return
        with self._lock:
            for key in self._about(happening):
                self._at[key] = self._now()

    def _about(self, happening: Happening) -> Collection[Key]:
        """Return what went forward: what the worker's thread steps, what is named, else all that it can have been."""
        if (mine := self._threads.get(threading.get_ident())) is not None:
            return (mine,)
        if (named := _named(happening)) in self._at:
            return (named,)
        if isinstance(happening, Fetched | Goal):  # by a thread that works for one of them: nobody knows for which
            return tuple(self._at)
        return [key for key in self._at if key[0] == "job"]  # it has workers of its own

    def silent_s(self) -> float:
        """Return for how long the one that is stuck longest has not gone forward; 0 when nothing is at work."""
        with self._lock:
            return max((self._now() - at for at in self._at.values()), default=0.0)


def _named(happening: Happening) -> Key | None:
    match happening:
        case ItemAt(item):
            return ("item", item.id)
        case UnitAt(unit):
            return ("unit", unit.id)
        case Sent(unit_id, _):
            return ("unit", unit_id)
        case Read(what, number):
            return (what, number)
        case Noted(event) if event.unit_id is not None:
            return ("unit", event.unit_id)
        case Noted(event) if event.item_id is not None:
            return ("item", event.item_id)
    return None
