"""The sandbox as a process: a folder, a port, an administrator."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

if TYPE_CHECKING:
    from xnatsync.sandbox.scp.receiver import Receiver

_PARTS = ("store", "state/site", "state/accounts", "state/projects")  # whatever else somebody added
_IN_EMPTY_FOLDERS = {"lost+found", "sandbox.lock"}


class InUse(OSError):
    """Another sandbox serves from this folder."""


class NotASandbox(OSError):
    """The folder holds something that no sandbox put there."""


@dataclass(frozen=True, slots=True)
class Receives:
    """How a sandbox receives from modalities: the port on 127.0.0.1 (0: any that is free), and its AE title."""

    port: int
    title: str
    on_ready: Callable[[int], None]  # is told the port that was found, before the URL is told


def serve(
    root: Path,
    port: int,
    user: str,
    password: str,
    on_ready: Callable[[str], None],
    stop: threading.Event,
    dicom: Receives | None = None,
) -> None:
    """Serve the site kept in `root` until `stop` is set; calls `on_ready` with the URL once it accepts logins.

    With `dicom` it receives from modalities too.

    InUse when another sandbox serves from there, NotASandbox when it holds other things: nothing is made there then.

    The administrator is created, or given this password, at every start.  When this returns, all state is on disk.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        if not _is_ours(root):
            raise NotASandbox(errno.ENOTEMPTY, f"{root} holds other things than a sandbox's state")
        _serve(root, port, user, password, on_ready, stop, dicom)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder: two sites that keep their state in one would write over each other's.  InUse otherwise."""
    if sys.platform == "win32":
        handle = os.open(root / "sandbox.lock", os.O_RDWR | os.O_CREAT)
    else:
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}:
                raise InUse(errno.EBUSY, f"another sandbox serves from {root}") from error
            raise
        yield
    finally:
        os.close(handle)


def _is_ours(root: Path) -> bool:
    """Tell whether a folder is empty, or was filled by a sandbox."""
    there = {entry.name for entry in root.iterdir()} - _IN_EMPTY_FOLDERS
    return not there or all((root / part).is_dir() for part in _PARTS)


def _serve(
    root: Path,
    port: int,
    user: str,
    password: str,
    on_ready: Callable[[str], None],
    stop: threading.Event,
    dicom: Receives | None,
) -> None:
    site = Site.on_disk(root)
    try:
        site.accounts.add(user, password, admin=True)
        site.save_accounts()
        with SandboxServer(site, port, root) as server, _receiver(site, dicom) as receiver:
            if dicom is not None and receiver is not None:
                dicom.on_ready(receiver.port)
            on_ready(server.url)
            stop.wait()
    finally:
        site.close()


def _receiver(site: Site, dicom: Receives | None) -> AbstractContextManager[Receiver | None]:
    if dicom is None:
        return nullcontext()
    from xnatsync.sandbox.scp.receiver import Receiver

    return Receiver(site, dicom.port, dicom.title)
