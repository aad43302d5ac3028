"""Who watches a run must not be able to stop it: the one seam between the engine and whatever hears of its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, Protocol

if TYPE_CHECKING:
    from xnatsync.engine.progress import Progress
    from xnatsync.ledger.rows import ItemRow, UnitRow

Given = ParamSpec("Given")


class TreeWatcher(Protocol):
    """Who watches a mirror or a push."""

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """An owner came to a new point."""
        ...

    def goal(self, size_bytes: int) -> None:
        """So many more bytes are to be brought."""
        ...

    def fetched(self, size_bytes: int) -> None:
        """So many more bytes came."""
        ...

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing else can be done for so long."""
        ...

    def failed(self, code: str, what: str) -> None:
        """Something met a failure of that code."""
        ...


def tell(observer: Callable[Given, object], *args: Given.args, **kwargs: Given.kwargs) -> bool:
    """Tells an observer something; False when it failed, which concerns nobody else."""
    try:
        observer(*args, **kwargs)
    except Exception:  # a pipe that nobody reads, a full disk, a mistake in a drawing: the work goes on
        return False
    return True


class UnfailingTree:
    """Passes on to whoever watches a tree, whatever happens; its failures end here."""

    def __init__(self, watcher: TreeWatcher) -> None:
        self._watcher = watcher

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """Passed on."""
        tell(self._watcher.owner, owner_id, name, note)

    def goal(self, size_bytes: int) -> None:
        """Passed on."""
        tell(self._watcher.goal, size_bytes)

    def fetched(self, size_bytes: int) -> None:
        """Passed on."""
        tell(self._watcher.fetched, size_bytes)

    def waiting(self, seconds: float, why: str) -> None:
        """Passed on, to who can hear it."""
        tell(lambda: self._watcher.waiting(seconds, why))

    def failed(self, code: str, what: str) -> None:
        """Passed on, to who can hear it."""
        tell(lambda: self._watcher.failed(code, what))


class Unfailing(UnfailingTree):
    """Passes on to a `Progress` whatever happens; its failures end here."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self._progress = progress

    def item(self, item: ItemRow, note: str) -> None:
        """Passed on."""
        tell(self._progress.item, item, note)

    def unit(self, unit: UnitRow, note: str) -> None:
        """Passed on."""
        tell(self._progress.unit, unit, note)

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """Passed on."""
        tell(self._progress.read, what, number, files, size_bytes)

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """Passed on."""
        tell(self._progress.sent, unit_id, size_bytes)
