"""Ports with somebody between them and the product: handed in where the application makes its ports, never patched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.config.load import load
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.drop import Clock, Disk
from xnatsync.ports.tree import TreeDisk


class Died(BaseException):
    """The process ends here: nobody catches it, and what comes after it is not done."""


class Between:
    """A real port, apart from some methods: each of these is given the real one and its arguments."""

    def __init__(self, real: object, **acts: Callable[..., Any]) -> None:
        unknown = [name for name in acts if not callable(getattr(real, name, None))]
        assert not unknown, f"the port has no {unknown}"
        self._real, self._acts = real, acts

    def __getattr__(self, name: str) -> Any:
        call, act = getattr(self._real, name), self._acts.get(name)
        return call if act is None else lambda *args, **more: act(call, *args, **more)


class Shifted(SystemClock):
    """Real time, so much later; with `stops`, whoever waits is asked to stop."""

    def __init__(self, by: timedelta, *, stops: bool = False) -> None:
        super().__init__(threading.Event())
        self.by, self.stops = by, stops

    def now(self) -> datetime:
        return super().now() + self.by

    def wait(self, seconds: float) -> bool:
        return self.stops or super().wait(seconds)


class PortApp(App):
    """The application with ports of somebody's own; without, the real ones."""

    disk: Disk | None = None
    trees: TreeDisk | None = None
    clock: Clock | None = None

    def make_disk(self) -> Disk:
        return self.disk or super().make_disk()

    def make_tree_disk(self) -> TreeDisk:
        return self.trees or super().make_tree_disk()

    def make_clock(self) -> Clock:
        return self.clock or super().make_clock()


def app_between(
    config: Path,
    *,
    disk: dict[str, Callable[..., Any]] | None = None,
    trees: dict[str, Callable[..., Any]] | None = None,
    clock: Clock | None = None,
    kind: type[App] = App,
) -> App:
    """The application of this configuration with somebody between it and its disks, or with another clock."""

    class Mine(PortApp, kind):  # type: ignore[misc, valid-type]
        """Of the kind that is asked for."""

    app = Mine(load(config))
    app.clock = clock
    if disk is not None:
        app.disk = Between(LocalDisk(), **disk)  # type: ignore[assignment]
    if trees is not None:
        app.trees = Between(LocalTree(), **trees)  # type: ignore[assignment]
    return app


def raising(error: BaseException, when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
    """Does not do what is asked where that is so, and raises instead."""

    def act(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        if when(*args):
            raise error
        return call(*args, **more)

    return act


def raising_after(error: BaseException) -> Callable[..., Any]:
    """Does what is asked, and raises."""

    def act(call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        call(*args, **more)
        raise error

    return act
