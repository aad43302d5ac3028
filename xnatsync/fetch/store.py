"""Where fetched files wait until they are known to be right, and how they are named there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xnatsync.core.sides import ServerFile
from xnatsync.ports.tree import Content, TreeDisk


@dataclass(frozen=True, slots=True)
class Staged:
    """A file in a store that is what the server listed."""

    file: ServerFile
    name: str  # in staging, "" elsewhere
    content: Content
    begun: int = 0  # bytes that an interrupted try had brought: they were not fetched again

    @property
    def came(self) -> int:
        """The bytes that were fetched now."""
        return self.content.size - self.begun


class Store(Protocol):
    """Takes files one by one or several at a time."""

    @property
    def at_once(self) -> int:
        """How many threads may put files at the same time."""
        ...

    @property
    def apart(self) -> bool:
        """Whether each file is of use without the others: then those that fit are taken when not all do."""
        ...

    def free(self) -> int:
        """How many bytes it can still take."""
        ...

    def begun(self, file: ServerFile) -> int:
        """How many bytes an interrupted try left of a file, with which it can be gone on."""
        ...

    def put(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Staged:
        """Take a file, or the rest of it; the bytes that came before an error stay for a later try."""
        ...

    def drop(self, file: ServerFile) -> None:
        """Throw away what there is of a file."""
        ...


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging of a tree.  Who shares it with others gives each a prefix of its own."""

    disk: TreeDisk
    root: Path
    prefix: str
    at_once: int = 2
    apart: bool = True

    def free(self) -> int:
        """What the disk has left, without what is kept free on it."""
        return self.disk.free_bytes(self.root)

    def begun(self, file: ServerFile) -> int:
        """Only one of which size and digest are listed can be gone on with: they tell whether it is the same still."""
        return self.disk.staged_size(self.root, self.name(file)) if file.md5 and file.size is not None else 0

    def put(self, file: ServerFile, content: Iterator[bytes], *, append: bool) -> Staged:
        """Stage it under a name of its own."""
        name = self.name(file)
        return Staged(file, name, self.disk.stage(self.root, name, content, append=append))

    def drop(self, file: ServerFile) -> None:
        """Remove it from staging."""
        self.disk.clear_staging(self.root, self.name(file))

    def name(self, file: ServerFile) -> str:
        """Name it in staging: another content on the server is another name, so nothing is resumed with it."""
        told = f"{file.key.scan}\n{file.key.label}\n{file.name}\n{file.md5}"
        return f"{self.prefix}{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
