"""The in-process worlds of the contract: the simulations' own servers, on the sandbox's model, with nothing that fails.

What the simulations prove rests on these being servers: so they answer the same questions as one over sockets.
"""

from __future__ import annotations

from pathlib import Path

from archive_world import World, furnish
from sim import slate
from sim.invariants import Judge
from sim.server import AGENT, PROJECT, SimXnat
from sim.tree_disk import TRASH, SimTreeDisk
from sim.tree_invariants import TreeJudge
from sim.tree_server import SimArchive, TreeServer
from sim.tree_world import TreeHistory
from sim.world import History
from xnatsync.core.manifest import ManifestFile
from xnatsync.sandbox.model.prearchive import Row

USER = AGENT.login


class Easy(Judge):
    """Knows no engine, so nothing that it may not do."""

    def before_object(self, file: ManifestFile) -> None:
        """Whatever is sent may be sent."""

    def acts_on(self, row: Row, *, archives: bool) -> None:
        """Whatever is acted on."""

    def writes_to(self, target: tuple[str, str]) -> None:
        """Whenever."""

    def after_effect(self, before: dict[str, tuple[bytes, float]]) -> None:
        """With whatever effect."""

    def before_delete(self, uri: str) -> None:
        """And may be deleted."""


class ModelWorld:
    """One such server with one project."""

    def __init__(self) -> None:
        self._history = History(0, only=frozenset())
        self._history.judge = Easy(self._history)
        self.server = self._history.server
        self.server.scripted = False  # the contract is that of a server that shows the UID that was sent
        self.project, self.user, self.password = PROJECT, USER, self._history.password

    def connect(self, password: str) -> SimXnat:
        """The port, for whoever knows, or does not know, the password."""
        return SimXnat(self.server, password)

    def close(self) -> None:
        """Gives back what it borrowed."""
        slate.give_back(self._history.slate)


class ArchiveModel:
    """The archive of the simulation of trees, with the small project of `archive_world` in it."""

    def __init__(self, archive: type[SimArchive] = SimArchive) -> None:
        self._history = TreeHistory(0, only=frozenset())
        server = self._history.server = TreeServer(self._history, checksums=True)
        furnish(server.site)
        self.world = World(server.site, archive(server, server.password))

    def close(self) -> None:
        """Gives back what it borrowed."""
        slate.give_back(self._history.slate)


class Indulgent(TreeJudge):
    """Lets everything be done: a suite does what no mirror does."""

    def broken(self, promise: str, story: str) -> None:  # type: ignore[override]
        """Nothing is."""


class DiskModel:
    """The simulated disk of a tree, and what people do and see there."""

    def __init__(self, disk: type[SimTreeDisk] = SimTreeDisk, *, folding: bool = False) -> None:
        self._history = TreeHistory(0, only=frozenset())
        self._history.judge = Indulgent(self._history)
        self.root = Path("/tree")
        self.tree = self._history.disk = disk(self._history, self.root, 1, folding=folding)

    def write(self, path: str, content: bytes) -> None:
        """A person writes a file."""
        self._history.write_by_hand(path, content, in_place=False)

    def trash(self) -> dict[str, bytes]:
        """What lies in the trash."""
        return {path.removeprefix(TRASH): inode.data for path, inode in self.tree.trashed().items()}

    def unmount(self) -> None:
        """The disk goes, and leaves nothing."""
        self.tree.mounted = False

    def close(self) -> None:
        """Gives back what it borrowed."""
        slate.give_back(self._history.slate)
