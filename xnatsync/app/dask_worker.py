"""What runs in a worker of a Dask cluster: three functions of plain bytes, which never raise.

Dask writes what a function was given into its log when that raises, so nothing does; and what is given is packed, so
that no page of the dashboard shows a label.  Passwords are found here, as the program finds them on this machine.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from xnatsync import __version__
from xnatsync.app.connecting import connect, login_of
from xnatsync.config.model import ServerConfig
from xnatsync.config.words import duration
from xnatsync.core.errors import Bug, ConfigError, XnatsyncError
from xnatsync.core.plain import from_text, to_text
from xnatsync.ports.transfer import TransferServer
from xnatsync.routes.transfer.carry import pack_bytes
from xnatsync.routes.transfer.errand import Answer, Errand, Fault
from xnatsync.routes.transfer.limits import Lines
from xnatsync.routes.transfer.perform import Performing
from xnatsync.xnat.server import XnatServer

T = TypeVar("T")
PACKED_MAX: Final = 512 << 20
KEPT: Final = 256  # attempts that a worker remembers


@dataclass(frozen=True, slots=True)
class End:
    """A server, as its section of the configuration says: where a password is found, and none."""

    name: str
    config: str


def end_of(name: str, config: ServerConfig, user: str | None = None) -> End:
    """Write down a server for a worker, and whom to log in as; no password is in a section of the configuration."""
    written = config.model_dump(mode="json", exclude_defaults=True, exclude={"project"})
    for key in written.keys() & {"timeout", "long_timeout"}:
        written[key] = duration(written[key])
    return End(name, json.dumps({**written, "user": user or config.user}, sort_keys=True))


@dataclass(frozen=True, slots=True)
class Hail:
    """The servers that a worker is to reach."""

    source: End
    destination: End
    places: int


@dataclass(frozen=True, slots=True)
class Task:
    """An errand for one worker."""

    token: str  # of the process that it is meant for
    source: End
    destination: End
    places: int  # errands at once in this process
    errand: Errand


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answers; a fault says that it did nothing."""

    version: str
    token: str
    answer: Answer | None = None
    fault: Fault | None = None
    users: tuple[str, ...] = ()


@dataclass(slots=True)
class _Process:
    """What this process knows."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex)  # of this process, whatever its address
    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: OrderedDict[str, threading.Event] = field(default_factory=OrderedDict)  # attempts, and their wish to stop
    servers: dict[End, XnatServer] = field(default_factory=dict)
    lines: dict[tuple[End, End], Lines] = field(default_factory=dict)


_now = [_Process()]


def _begin_anew() -> None:
    """A process that was forked is another worker, and knows nothing of what its parent did."""
    _now[0] = _Process()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_begin_anew)


def key_of(attempt: str) -> str:
    """Return what the scheduler calls an attempt: no label is in it."""
    return f"xnatsync-{attempt}"


def pack(value: object) -> bytes:
    """Write a value as workers read it."""
    return zlib.compress(to_text(value).encode("utf-8", "surrogatepass"), 1)


def unpack(kind: type[T], packed: bytes) -> T:
    """Read a value; ValueError for what is none."""
    unzipping = zlib.decompressobj()
    try:
        text = unzipping.decompress(packed, PACKED_MAX)
    except zlib.error:
        raise ValueError("it is not packed as we pack") from None
    if not unzipping.eof:
        raise ValueError("it is cut, or too long")
    return from_text(kind, text.decode("utf-8", "surrogatepass"))


def version() -> str:
    """Return the version of xnatsync where this is asked."""
    return __version__


def hello(packed: bytes) -> bytes:
    """Log in to the servers of a transfer, and say who this is."""

    def act() -> Reply:
        hail = unpack(Hail, packed)
        ends = (hail.source, hail.destination)
        try:
            users = tuple(_server(end, hail.places).whoami() for end in ends)
        except XnatsyncError:
            _forget(ends)  # the next try begins with what is found here then
            raise
        return Reply(__version__, _now[0].token, users=users)

    return _told(act)


def work(packed: bytes) -> bytes:
    """Do an errand, once: an attempt that was begun in this process is not begun again."""

    def act() -> Reply:
        task = unpack(Task, packed)
        if task.token != _now[0].token:
            return _refused("this is another process than the errand was meant for")
        stop = threading.Event()
        with _now[0].lock:
            if task.errand.attempt in _now[0].begun:
                return _refused("this attempt was begun before")
            _now[0].begun[task.errand.attempt] = stop
            while len(_now[0].begun) > KEPT:
                _now[0].begun.popitem(last=False)
        wanted = _wanted(key_of(task.errand.attempt))
        source, destination = _server(task.source, task.places), _server(task.destination, task.places)
        line = _lines(task.source, task.destination).between(task.source.name, task.destination.name)
        answer = Performing(
            task.errand, cast("TransferServer", source), cast("TransferServer", destination), line=line,
            pack=pack_bytes(task.places), stopping=lambda: stop.is_set() or not wanted(),
        ).perform()  # fmt: skip
        return Reply(__version__, _now[0].token, answer)

    return _told(act)


def stop(attempt: str) -> None:
    """Let an errand end at its next piece; it answers for what it did."""
    with _now[0].lock:
        found = _now[0].begun.get(attempt)
    if found is not None:
        found.set()


def let_go() -> None:
    """Log out everywhere."""
    with _now[0].lock:
        servers = list(_now[0].servers.values())
        _now[0].servers.clear()
    for server in servers:
        server.close()


def _told(act: Callable[[], Reply]) -> bytes:
    """Answer whatever happens: what is raised would be written to the worker's log, with what it was given."""
    try:
        return pack(act())
    except XnatsyncError as error:
        return pack(Reply(__version__, _now[0].token, fault=Fault.of(error)))
    except Exception as error:
        return pack(Reply(__version__, _now[0].token, fault=Fault.of(Bug(f"{type(error).__name__} in a worker"))))


def _refused(why: str) -> Reply:
    return Reply(__version__, _now[0].token, fault=Fault.of(Bug(why)))


def _server(end: End, places: int) -> XnatServer:
    """Return the one client of a server in this process, with the credentials of this machine."""
    with _now[0].lock:
        found = _now[0].servers.get(end)
        if found is None:
            try:
                config = ServerConfig.model_validate(json.loads(end.config))
            except ValueError:
                raise ConfigError(f"server {end.name} cannot be used by this version of a worker") from None
            connections = max(config.connections, places + 2)
            login = login_of(end.name, config)
            found = connect(end.name, config, login, stopping=lambda: False, connections=connections)
            _now[0].servers[end] = found
        return found


def _forget(ends: tuple[End, ...]) -> None:
    with _now[0].lock:
        servers = [_now[0].servers.pop(end) for end in set(ends) if end in _now[0].servers]
    for server in servers:
        server.close()


def _lines(source: End, destination: End) -> Lines:
    with _now[0].lock:
        if (source, destination) not in _now[0].lines:
            connections = {
                end.name: ServerConfig.model_validate(json.loads(end.config)).connections
                for end in (source, destination)
            }
            _now[0].lines[source, destination] = Lines(connections)
        return _now[0].lines[source, destination]


def _wanted(key: str) -> Callable[[], bool]:
    """Return how a task asks whether anybody waits for it: not when it was cancelled, or its worker is leaving.

    A worker whose scheduler has gone closes by itself, within Dask's own time of 30 seconds.
    """
    from distributed import get_worker
    from distributed.core import Status

    worker: Any = get_worker()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status in {Status.running, Status.paused}

    return is_wanted
