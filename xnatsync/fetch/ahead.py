"""Runs ahead: one thread makes what another uses, and never has more in hand than an amount that is given.

What comes next is read while the last is sent, and memory stays what it is, however slow the other side is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

Thing = TypeVar("Thing")

_LEAVE_S: Final = 2.0  # how long the maker is waited for when nobody wants anything any more


class Ahead(Generic[Thing]):
    """The same things in the same order, made in a thread of their own; an error comes where it would have been met.

    To be closed by whoever does not take all of them: the maker is closed then, in its own thread.
    """

    def __init__(self, things: Iterator[Thing], weight: Callable[[Thing], int], most: int) -> None:
        """`weight` says how many bytes a thing holds; no more than `most` wait at a time, one thing excepted."""
        self._things, self._weight, self._most = things, weight, most
        self._waiting: deque[Thing] = deque()
        self._held = 0
        self._error: Exception | None = None
        self._over = self._left = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._make, name="carry", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Thing]:
        """Give itself."""
        return self

    def __next__(self) -> Thing:
        """Return the next thing as soon as it is made."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if self._waiting:
                thing = self._waiting.popleft()
                self._held -= self._weight(thing)
                self._changed.notify_all()
                return thing
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        raise StopIteration

    def close(self) -> None:
        """Want nothing more; a server that keeps the maker waiting keeps nobody else."""
        with self._changed:
            self._left = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(_LEAVE_S)

    def _make(self) -> None:
        error: Exception | None = None
        try:
            for thing in self._things:
                if not self._put(thing):
                    break
        except Exception as why:
            error = why
        finally:
            close = getattr(self._things, "close", None)
            if close is not None:
                close()
        with self._changed:
            self._error, self._over = error, True
            self._changed.notify_all()

    def _put(self, thing: Thing) -> bool:
        size = self._weight(thing)
        with self._changed:
            self._changed.wait_for(lambda: self._left or not self._waiting or self._held + size <= self._most)
            if self._left:
                return False
            self._waiting.append(thing)
            self._held += size
            self._changed.notify_all()
        return True
