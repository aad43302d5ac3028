"""A tree, a server and a ledger as plain dictionaries, and an engine of ten lines that carries out an agreement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from xnatsync.core.diff3 import Policy
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.mirror_decision import (
    Agreement,
    BaseFile,
    Fetch,
    ServerFile,
    Sides,
    TreeFile,
    agree,
    needs_reading,
)

KEY = ResourceKey("4", "DICOM")


@dataclass(frozen=True)
class Bytes:
    """Content as it was read."""

    text: str

    @property
    def size(self) -> int:
        return len(self.text)

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def md5(self) -> str:
        return hashlib.md5(self.text.encode()).hexdigest()


def on_server(path: str, text: str, *, digest: bool = True, size: bool = True, wanted: bool = True) -> ServerFile:
    content = Bytes(text)
    return ServerFile(KEY, path, path, content.size if size else None, content.md5 if digest else "", wanted)


def agreed(path: str, text: str, mtime_ns: int = 1, *, wanted: bool = True) -> BaseFile:
    content = Bytes(text)
    return BaseFile(path, KEY, path, content.size, content.sha256, content.md5, mtime_ns, wanted=wanted)


def here(path: str, text: str, mtime_ns: int = 1, *, read: bool = True, problem: str = "") -> TreeFile:
    content = Bytes(text)
    return TreeFile(path, content.size, mtime_ns, content if read else None, problem)


@dataclass
class Model:
    """One owner.  The server states digests but for the paths in `silent`."""

    server: dict[str, str]
    base: dict[str, BaseFile]
    tree: dict[str, tuple[str, int]]
    policy: Policy
    silent: frozenset[str] = frozenset()
    unwanted: frozenset[str] = frozenset()
    complete: bool = True
    trash: list[str] = field(default_factory=list)
    clock: int = 1000

    def listed(self, told: frozenset[str] = frozenset()) -> tuple[ServerFile, ...]:
        return tuple(
            on_server(path, text, digest=path not in self.silent or path in told, wanted=path not in self.unwanted)
            for path, text in self.server.items()
        )

    def ask(self) -> Agreement:
        """As the engine does: looks, reads what must be read, asks; fetches what must be probed, asks again."""
        base = tuple(replace(file, wanted=path not in self.unwanted) for path, file in self.base.items())
        tree = {path: here(path, text, mtime, read=False) for path, (text, mtime) in self.tree.items()}
        sides = Sides(self.listed(), base, tuple(tree.values()), self.complete)
        for path in needs_reading(sides):
            tree[path] = here(path, *self.tree[path])
        sides = replace(sides, tree=tuple(tree.values()))
        answer = agree(sides, policy=self.policy)
        if answer.probe:
            told = frozenset(file.path for file in answer.probe)
            answer = agree(replace(sides, server=self.listed(told)), policy=self.policy)
            assert not answer.probe
        return answer

    def carry_out(self, answer: Agreement) -> None:
        for step in answer.fetch:
            self._fetch(step)
        for found in answer.adopt:
            path = found.file.path
            self.base[path] = agreed(path, self.tree[path][0], found.mtime_ns)
        for version, mtime_ns in answer.touched:
            self.base[version.path] = replace(self.base[version.path], mtime_ns=mtime_ns)
        for version in answer.trash:
            self.trash.append(self.tree.pop(version.path)[0])
            del self.base[version.path]
        for version in answer.end:
            del self.base[version.path]

    def _fetch(self, step: Fetch) -> None:
        path = step.file.path
        if step.copy:
            self.tree.setdefault(step.copy, self.tree[path])
        elif path in self.tree:
            self.trash.append(self.tree[path][0])
        self.clock += 1
        self.tree[path] = (self.server[path], self.clock)
        self.base[path] = agreed(path, self.server[path], self.clock)
