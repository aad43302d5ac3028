"""The three trees of one owner, file by file: what the server lists, what was agreed, what lies here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xnatsync.core.inventory import ResourceKey


class ContentLike(Protocol):
    """What a file holds, as it was read (`tree_ports.Content`)."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def sha256(self) -> bytes:
        """Of everything in it."""
        ...

    @property
    def md5(self) -> str:
        """In lower-case hex."""
        ...


@dataclass(frozen=True, slots=True)
class ServerFile:
    """A file as the server lists it.  What a route does not want is listed too: it is there, and left alone."""

    key: ResourceKey
    name: str
    path: str  # where it belongs in the tree
    size: int | None = None
    md5: str = ""  # "" when the server did not say
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class BaseFile:
    """A living version: what both sides last agreed to hold at a path."""

    path: str
    key: ResourceKey
    name: str
    size: int
    sha256: bytes
    md5: str
    mtime_ns: int
    version_id: int = 0
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file in the tree.  `content` is None until it was read; `problem` says why it could not be."""

    path: str
    size: int
    mtime_ns: int
    content: ContentLike | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sides:
    """The three trees of one owner.

    `complete`: the listing shows every file the server has of this owner, or a complete inventory says that the owner
    is gone and `server` is empty.  `tree_complete`: every folder of the owner could be looked into.
    """

    server: tuple[ServerFile, ...] = ()
    base: tuple[BaseFile, ...] = ()
    tree: tuple[TreeFile, ...] = ()
    complete: bool = True
    tree_complete: bool = True

    @property
    def left(self) -> frozenset[str]:
        """The paths that the route does not want."""
        inside = {file.path for file in self.server if file.wanted}
        outside = {file.path for file in self.server if not file.wanted}
        return frozenset(outside | {file.path for file in self.base if not file.wanted}) - inside

    @property
    def paths(self) -> frozenset[str]:
        """All paths of all three trees."""
        server, base, tree = (file.path for file in self.server), (file.path for file in self.base), self.tree
        return frozenset((*server, *base, *(file.path for file in tree)))
