"""The two ends of a transfer: servers, or at one of them a folder that the project travels in.

A folder that is read stands for the server that it was filled from; one that is filled has a name of its own.  Neither
is ever the name of a configured server.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xnatsync import __version__
from xnatsync.app.certificates import Side
from xnatsync.core.errors import FolderMissing, FolderUnusable, PlaceTaken
from xnatsync.core.folder_documents import FolderManifest, Origin
from xnatsync.core.remote import ServerAbout
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.transfer.folder import TransferFolder
from xnatsync.routes.transfer.folder_state import FolderState, open_folder
from xnatsync.routes.transfer.settings import FOLDER
from xnatsync.xnat.server import XnatServer

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.transfers import TransferConfig
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ports.transfer import TransferServer

_FILL = "`xnatsync project transfer --to-folder DIR` fills one."


@dataclass(frozen=True, slots=True)
class End:
    """One end of a transfer."""

    name: str  # as the ledger knows it
    url: str
    project: str
    server: Callable[[], TransferServer]
    folder: FolderState | None = None
    about: Callable[[], ServerAbout] = field(default=lambda: ServerAbout("", None))
    whoami: Callable[[], str] = field(default=lambda: "")

    def side(self, *, asked: bool = False) -> Side:
        """Say what it is; `asked`: with the version that the server tells."""
        if self.folder is not None:
            origin = self.folder.manifest.origin
            server, version = (origin.server, origin.version) if self.name == source_name(origin) else (self.name, "")
            return Side(server, self.url, self.project, version)
        return Side(self.name, self.url, self.project, self.about().version if asked else "")


@dataclass(frozen=True, slots=True)
class Ends:
    """Both."""

    source: End
    destination: End

    def server(self, name: str) -> TransferServer:
        """Return what is called so in the ledger and the engine."""
        return (self.source if name == self.source.name else self.destination).server()


def source_name(origin: Origin) -> str:
    """Return what every folder is called that was filled from one server: a second one goes on with the first."""
    return f"{FOLDER}{hashlib.sha256(origin.url.encode()).hexdigest()[:8]}"


def ends_of(app: App, config: TransferConfig) -> Ends:
    """Return both ends; an error says why a folder cannot be one."""
    disk = app.make_tree_disk()
    if config.from_folder is not None:
        source = _from_folder(source_folder(disk, config.from_folder, config.project), config.from_folder)
    else:
        source = _server(app, config.server, config.project)
    if config.to_folder is None:
        return Ends(source, _server(app, config.to_server, config.to_project))
    origin = Origin(source.name, source.url, config.project)
    state = folder_to_fill(disk, config.to_folder, origin)
    return Ends(source, _to_folder(state, config.to_folder))


def _server(app: App, name: str, project: str) -> End:
    server = app.config.servers.get(name)
    url = server.base_url if server is not None else ""

    def asked() -> XnatServer:
        return cast("XnatServer", app.server(name))

    return End(
        name, url, project, lambda: cast("TransferServer", app.server(name)), about=lambda: _about(app, name),
        whoami=lambda: asked().whoami(),
    )  # fmt: skip


def _about(app: App, name: str) -> ServerAbout:
    server = app.server(name)
    return server.about() if isinstance(server, XnatServer) else ServerAbout("", None)


# --- folders -----------------------------------------------------------------------------------------------------


def _from_folder(state: FolderState, path: Path) -> End:
    origin = state.manifest.origin
    server = _as_server(TransferFolder(state, is_source=True))
    return End(source_name(origin), origin.url, origin.project, lambda: server, state)


def _to_folder(state: FolderState, path: Path) -> End:
    name, server = f"{FOLDER}{state.manifest.id[:8]}", _as_server(TransferFolder(state, is_source=False))
    return End(name, str(path), state.manifest.origin.project, lambda: server, state)


def _as_server(folder: TransferFolder) -> TransferServer:
    """Pass a folder off as a server: it answers everything but uploads, which no transfer by copy asks for."""
    return cast("TransferServer", folder)


def source_folder(disk: TreeDisk, path: Path, project: str | None) -> FolderState:
    """Open a folder that is to be read; FolderUnusable when it is damaged, not finished, or of another project."""
    state = open_folder(disk, path) if path.is_dir() else None
    if state is None:
        raise FolderMissing(f"{path} is no folder that a project travels in", advice=_FILL)
    origin = state.manifest.origin
    if not state.manifest.is_sealed:
        raise FolderUnusable(f"{path} was not filled to its end, so nothing of it is sent")
    if project is not None and origin.project != project:
        raise FolderUnusable(
            f"{path} holds project {origin.project} of {origin.url}, and not {project}",
            advice="Name the project that the folder holds, or another folder.",
        )
    state.check_texts()
    return state


def folder_to_fill(disk: TreeDisk, path: Path, origin: Origin) -> FolderState:
    """Open a folder that is to be filled, or begin one; nothing is written yet."""
    state = open_folder(disk, path) if path.is_dir() else None
    if state is not None:
        there = state.manifest.origin
        if (there.url, there.project) != (origin.url, origin.project):
            raise FolderUnusable(
                f"{path} holds project {there.project} of {there.url}: nothing else is put beside it",
                advice="Name an empty folder.",
            )
        return state
    is_loose = path.is_symlink() and not path.exists()
    if is_loose or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise PlaceTaken(
            f"{path} is not empty, and no folder that a project travels in", advice="Name an empty folder."
        )
    if not path.parent.is_dir():
        raise FolderMissing(
            f"{path.parent} is not there: perhaps its disk is not mounted", advice="Mount the disk, or make the folder."
        )
    program = f"xnatsync {__version__}"
    return FolderState(disk, path, FolderManifest(uuid.uuid4().hex, origin, program))


def refuse_exchanged(ledger: Ledger, route: str, end: End) -> None:
    """Raise FolderMissing when a route filled another folder before: of this one, it would take everything for lost."""
    before = ledger.transfer_runs(route=route, limit=1)
    if end.folder is not None and before and before[0].to_server != end.name:
        raise FolderMissing(
            f"{end.url} is not the folder that route {route} filled before",
            advice="Mount that one. To fill another one, give it a route of its own, or use `project transfer`.",
        )


def note_version(ends: Ends) -> None:
    """Note the version of the server that a folder is filled from, in a folder that is new."""
    state = ends.destination.folder
    if state is not None and not state.manifest.origin.version:
        origin = replace(state.manifest.origin, version=ends.source.about().version)
        state.manifest = replace(state.manifest, origin=origin)


def project_in(path: Path) -> str:
    """Return the project that a folder holds."""
    return source_folder(LocalTree(), path, None).manifest.origin.project
