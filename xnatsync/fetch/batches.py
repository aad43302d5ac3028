"""Staged files in batches, so that the disk is waited for once for many of them, and while the next ones come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from xnatsync.core.errors import XnatsyncError
from xnatsync.fetch.threads import abreast

FILES_AT_ONCE: Final = 512  # of which a crash makes us look again
BYTES_AT_ONCE: Final = 512 << 20
BATCHES_AT_ONCE: Final = 2  # one waits for the disk, one is renamed

One = TypeVar("One")


def in_batches(
    items: Iterable[One], size: Callable[[One], int], act: Callable[[list[One]], None], *, threads: bool
) -> None:
    """Act on everything that comes, and on what came before an error, before the error goes on upwards."""
    batches = _Batches(items, size)
    deque(abreast(batches, act, BATCHES_AT_ONCE) if threads else map(act, batches), maxlen=0)
    if batches.error is not None:
        raise batches.error


class _Batches(Generic[One]):
    """Items in batches; an error ends them after everything that came before it."""

    def __init__(self, items: Iterable[One], size: Callable[[One], int]) -> None:
        self._items, self._size = items, size
        self.error: XnatsyncError | None = None

    def __iter__(self) -> Iterator[list[One]]:
        batch: list[One] = []
        size = 0
        try:
            for one in self._items:
                batch.append(one)
                size += self._size(one)
                if len(batch) >= FILES_AT_ONCE or size >= BYTES_AT_ONCE:
                    full, batch, size = batch, [], 0
                    yield full
        except XnatsyncError as error:
            self.error = error
        if batch:
            yield batch
