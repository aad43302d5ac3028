"""`sync` in a process of its own that kills itself with SIGKILL at the n-th boundary.

A boundary is a point before or after each call of a port (Disk, Xnat), inside each stream after its first piece, around
the one rename or unlink inside a change of the disk, before, inside and after each outermost write transaction of the
ledger, and before each statement with which it is opened.  The product runs unchanged: only `App`'s `make_` methods are
overridden, as they are meant to be.

    boundary_process.py CONFIG [--kill-at N] [--until NAME] [--trace FILE] [--plant BUG] [--workers N]      one run
    boundary_process.py --serve        reads such lines, runs each in a forked process and answers with its wait status

Boundaries are numbered from 1, and can be told by name; without either the run goes to its end.  The trace gets one
line for each boundary passed, so it tells how many there are and at which one the process died.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from planted import PLANTS

from xnatsync.app.app import App
from xnatsync.app.clock import stop_on_signals
from xnatsync.app.sync import sync
from xnatsync.config.load import load
from xnatsync.config.model import ServerConfig
from xnatsync.disk import handles
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.tree import LocalTree
from xnatsync.engine.progress import Progress
from xnatsync.ledger import open as ledger_opening
from xnatsync.ledger.ledger import Ledger
from xnatsync.ports.drop import Disk
from xnatsync.ports.tree import Server, TreeDisk

PATIENCE_S = 20.0
opening: Any = ledger_opening
_SYSTEM = {"mkdir": "make_folder", "unlink": "unlink", "rmdir": "remove_if_empty", "replace": "replace"}


class Boundaries:
    """Counts boundaries and dies at one of them."""

    def __init__(self, kill_at: int, until: str, trace: str | None) -> None:
        self.count = 0
        self._kill_at, self._until = kill_at, until
        self._lock = threading.Lock()
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if trace is not None else None

    def passed(self, name: str) -> None:
        with self._lock:  # whoever dies, dies alone: no other thread passes a boundary after it
            self.count += 1
            if self._trace is not None:
                os.write(self._trace, f"{self.count} {name}\n".encode())
            if name == self._until or self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **more: Any) -> Any:
            self.passed(f"before {name}")
            result = call(*args, **more)
            self.passed(f"after {name}")
            return result

        return watched

    def within(self, name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(pieces):
            yield piece
            if not number:
                self.passed(f"within {name}, first piece")


class Watched:
    """A port of which every method is a boundary before and after, and every stream one inside."""

    def __init__(self, port: Any, name: str, boundaries: Boundaries) -> None:
        self._port, self._name, self._boundaries = port, name, boundaries

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._port, method)
        name = f"{self._name}.{method}"
        special = vars(Watched).get(f"_{method}")
        return self._boundaries.around(name, call if special is None else special(self, name, call))

    def _stream(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def streamed(*args: Any, **more: Any) -> Iterator[Any]:
            for file, pieces in call(*args, **more):
                yield file, self._boundaries.within(name, pieces)

        return streamed

    def _fetch_scans(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def fetched(*args: Any, **more: Any) -> Iterator[Any]:
            for scan, resource, file, pieces in call(*args, **more):
                yield scan, resource, file, self._boundaries.within(name, pieces)

        return fetched

    def _fetch_resources(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def fetched(*args: Any, **more: Any) -> Iterator[Any]:
            for key, file, pieces in call(*args, **more):
                yield key, file, self._boundaries.within(name, pieces)

        return fetched

    def _fetch_file(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def fetched(*args: Any, **more: Any) -> Iterator[bytes]:
            yield from self._boundaries.within(name, call(*args, **more))

        return fetched

    _open = _fetch_file

    def _read_manifest(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any, **more: Any) -> Any:
            tell = more.pop("on_progress", None)

            def told(files: int, size_bytes: int) -> None:
                if files == 1:
                    self._boundaries.passed(f"within {name}, first file")
                if tell is not None:
                    tell(files, size_bytes)

            return call(*args, on_progress=told, **more)

        return read


class WatchedLedger(Ledger):
    """The ledger, with a boundary before, inside and after each outermost transaction."""

    boundaries: Boundaries
    mine: threading.local

    @contextmanager
    def write(self) -> Iterator[None]:
        depth = getattr(self.mine, "depth", 0)
        if depth == 0:
            self.boundaries.passed("before a transaction")
        self.mine.depth = depth + 1
        try:
            with super().write():
                yield
                if depth == 0:
                    self.boundaries.passed("before a commit")
        finally:
            self.mine.depth = depth
        if depth == 0:
            self.boundaries.passed("after a commit")


class WatchedApp(App):
    """The real application with its ports watched."""

    boundaries: Boundaries

    def make_disk(self) -> Disk:
        watched: Any = Watched(LocalDisk(), "disk", self.boundaries)
        return watched  # type: ignore[no-any-return]

    def make_tree_disk(self) -> TreeDisk:
        watched: Any = Watched(LocalTree(), "tree", self.boundaries)
        return watched  # type: ignore[no-any-return]

    def make_server(self, name: str, config: ServerConfig) -> Server:
        watched: Any = Watched(super().make_server(name, config), "xnat", self.boundaries)
        return watched  # type: ignore[no-any-return]

    def make_ledger(self) -> Ledger:
        connect, opened = opening._connect, []

        def watched(path: Path, how: str) -> Any:
            opened.append(connect(path, how))
            opened[-1].set_trace_callback(lambda sql: self.boundaries.passed("within opening the ledger"))
            return opened[-1]

        opening._connect = watched
        ledger: Any = self.boundaries.around("opening the ledger", super().make_ledger)()
        opening._connect = connect
        for raw in opened:
            raw.set_trace_callback(None)
        ledger.__class__ = WatchedLedger
        ledger.boundaries, ledger.mine = self.boundaries, threading.local()
        return ledger  # type: ignore[no-any-return]


def run(arguments: list[str]) -> int:
    """Runs `sync` once, as the arguments say, and gives its exit code; never returns when it is to be killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--kill-at", type=int, default=0)
    parser.add_argument("--until", default="")
    parser.add_argument("--trace")
    parser.add_argument("--plant", choices=sorted(PLANTS))
    parser.add_argument("--workers", type=int, default=1)
    wanted = parser.parse_args(arguments)
    boundaries = Boundaries(wanted.kill_at, wanted.until, wanted.trace)
    stop = threading.Event()
    app = WatchedApp(load(wanted.config), stop)
    app.boundaries = boundaries
    if app.config.transfer_routes:
        from xnatsync.views.certificate_page import signed

        app.sign = signed
    _watch_the_disk(boundaries)
    if wanted.plant is not None:
        PLANTS[wanted.plant]()
    traces: list[str] = []
    with stop_on_signals(stop) as received:
        report = sync(app, [], progress=Progress(), workers=wanted.workers, patience_s=PATIENCE_S, on_bug=traces.append)
    for error in report.errors:
        print(error.code, error, file=sys.stderr)
    for mirror in report.mirrors:
        for error in mirror.errors:
            print(error.code, error, file=sys.stderr)
        for trouble in mirror.troubles:
            print(trouble.code, trouble.path, trouble.detail, file=sys.stderr)
        for owner in mirror.held:
            print(owner.hold, owner.code, owner.detail, file=sys.stderr)
    for transfer in report.transfers:
        for error in transfer.all_errors:
            print(error.code, error, file=sys.stderr)
        for told in transfer.troubles:
            print(told.code, told.path, told.detail, file=sys.stderr)
    for item in report.items:
        for row in (item.item, *(part.unit for part in item.units)):
            if row.hold is not None:
                print(row.hold, row.code, row.detail, file=sys.stderr)
    for trace in traces:
        print(trace, file=sys.stderr)
    if received:
        return 143
    return 1 if traces else report.exit_code


def _watch_the_disk(boundaries: Boundaries) -> None:
    """Puts boundaries around what changes a name, inside one change of the disk."""
    calls: Any = handles
    for inner in ("rename_exclusively", "sync_opened"):
        setattr(calls, inner, boundaries.around(f"disk: {inner}", getattr(calls, inner)))
    system = SimpleNamespace(**vars(os))
    for name, told in _SYSTEM.items():
        setattr(system, name, boundaries.around(f"disk: {told}", getattr(os, name)))
    calls.os = system


def serve() -> None:
    """Forks one process for each line of arguments: what costs half a second to import is imported once."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 1
            try:
                null = os.open(os.devnull, os.O_RDONLY)
                os.dup2(null, 0)
                code = run(shlex.split(line))
            except BaseException as error:  # the child must not go on as a second server
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(f"pid {child}", flush=True)
        print(f"status {os.waitpid(child, 0)[1]}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        raise SystemExit(run(sys.argv[1:]))
