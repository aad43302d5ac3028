"""What a mirror does about each file of an owner: three trees, one answer (ADR 10).

The server is the source, the tree the target, and the living versions are the merge base: `plan.diff3` decides, this
module says what its answers mean for files.  Nothing here destroys bytes that are nowhere else: an edited file is
never replaced without a copy, nothing is removed for want of a listing, and `add` neither replaces nor removes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from xnatsync.core.compare import Same, same
from xnatsync.core.conflict import conflict_path, is_conflict_copy
from xnatsync.core.diff3 import ActionKind, BaseNode, BaseState, Policy, diff3
from xnatsync.core.errors import MirrorGone, MirrorReplaced, NameClash, SourceUnreadable, TreeEdited, TreeForeign
from xnatsync.core.manifest import Level
from xnatsync.core.paths import clashes
from xnatsync.core.removal_limit import max_delete
from xnatsync.core.sides import BaseFile, ContentLike, ServerFile, Sides, TreeFile
from xnatsync.core.tree import Node, Problem, Tree

__all__ = [
    "Adopt",
    "Agreement",
    "BaseFile",
    "ContentLike",
    "Fetch",
    "ServerFile",
    "Sides",
    "TreeFile",
    "Trouble",
    "Why",
    "agree",
    "copy_kept",
    "max_delete",
    "needs_reading",
]

Why = Literal["new", "restored", "replaced"]


@dataclass(frozen=True, slots=True)
class Fetch:
    """A file to bring.

    `replaced`: what lies there is exactly `base`, and goes to the trash.  `copy` is where what lies there is kept when
    it was edited here.
    """

    file: ServerFile
    why: Why
    base: BaseFile | None = None
    copy: str = ""


@dataclass(frozen=True, slots=True)
class Adopt:
    """A file that both sides hold the same of, and that the base does not know, or not so."""

    file: ServerFile
    content: ContentLike
    mtime_ns: int
    base: BaseFile | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a file is not in agreement.  `person`: somebody must act."""

    path: str
    code: str
    detail: str
    person: bool
    many: int = 1  # files: of very many the ledger tells some, and the number of all in one without a path


@dataclass(frozen=True, slots=True)
class Agreement:
    """What follows for an owner.  Every list is in the order of the paths."""

    fetch: tuple[Fetch, ...] = ()
    adopt: tuple[Adopt, ...] = ()
    touched: tuple[tuple[BaseFile, int], ...] = ()  # unchanged, with another time: (version, its mtime in ns)
    trash: tuple[BaseFile, ...] = ()  # gone from the server, unchanged here: removals, under `max_delete`
    end: tuple[BaseFile, ...] = ()  # gone on both sides
    probe: tuple[ServerFile, ...] = ()  # only fetching tells whether what lies here is the server's: then ask again
    unverified: tuple[str, ...] = ()  # the server states no digest: a change of equal size would not be seen
    left: tuple[str, ...] = ()  # outside the selection: kept, and not looked at
    own: tuple[str, ...] = ()  # in the tree alone, and never on the server as far as we know
    unknown: tuple[str, ...] = ()  # a listing or a look was cut: nothing is concluded
    troubles: tuple[Trouble, ...] = ()

    @property
    def idle(self) -> bool:
        """Return whether there is nothing to do; there may be trouble all the same."""
        return not (self.fetch or self.adopt or self.touched or self.trash or self.end or self.probe)

    @property
    def to_trash(self) -> int:
        """Count the files that would be in the trash afterwards: removed and replaced ones."""
        return len(self.trash) + sum(step.why == "replaced" and not step.copy for step in self.fetch)


def copy_kept(path: str) -> Trouble:
    """Say that a conflict copy lies there: for as long as it does, somebody is asked."""
    words = (
        "a local version that the server does not have is kept in this file, and the server's version took its place: "
        "an edit, or a version that the ledger does not know"
    )
    return Trouble(path, TreeEdited.code, words, person=True)


def needs_reading(sides: Sides) -> tuple[str, ...]:
    """List the files of the tree that must be read before `agree` can tell what they are.

    A file of the base whose size or time is another, and a file that the server has under a path we never agreed on.
    """
    left = sides.left
    base = {file.path: file for file in sides.base if file.path not in left}
    server = {file.path for file in sides.server if file.path not in left}
    return tuple(
        sorted(
            file.path
            for file in sides.tree
            if file.content is None
            and not file.problem
            and (not _looks_like(file, base[file.path]) if file.path in base else file.path in server)
        )
    )


def agree(sides: Sides, *, policy: Policy) -> Agreement:
    """Decide for every path of the three trees; total, and independent of their order.

    What should have been read and was not is trouble, never guessed.
    """
    return _Agreeing(sides, policy).result()


@dataclass
class _Agreeing:
    """One decision in the making."""

    sides: Sides
    policy: Policy
    fetch: list[Fetch] = field(default_factory=list)
    adopt: list[Adopt] = field(default_factory=list)
    touched: list[tuple[BaseFile, int]] = field(default_factory=list)
    trash: list[BaseFile] = field(default_factory=list)
    end: list[BaseFile] = field(default_factory=list)
    probe: list[ServerFile] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = self.sides.left
        self.server = {file.path: file for file in self.sides.server if file.path not in self.left}
        self.base = {file.path: file for file in self.sides.base if file.path not in self.left}
        self.tree = {file.path: file for file in self.sides.tree if file.path not in self.left}
        self.clashing = self._clashing()

    def result(self) -> Agreement:
        source = Tree(map(_server_node, self._listed()), complete=self.sides.complete)
        target = Tree(
            (
                _tree_node(file, self.base.get(file.path), needed=file.path in self.server)
                for file in self.tree.values()
            ),
            complete=self.sides.tree_complete,
        )
        base = {path: BaseNode(path, BaseState.VERIFIED, "", _base_node(file)) for path, file in self.base.items()}
        plan = diff3(base, source, target, policy=self.policy, level=Level.BYTES)
        for action in plan.actions:
            self._act(action.kind, action.key)
        for conflict in plan.conflicts:
            self._differ(conflict.key)
        for path in plan.unproven:
            self._cannot_tell(path)
        for path in plan.extra:
            self._only_here(path)
        for problem in plan.problems:
            self._problem(problem.key)
        nowhere = [file for path, file in self.base.items() if path not in self.server and path not in self.tree]
        if self.sides.complete and self.sides.tree_complete:
            self.end += nowhere
        else:
            self.unknown += [file.path for file in nowhere]
        return self._agreement()

    def _listed(self) -> list[ServerFile]:
        """All that is wanted, a path as often as the server names it."""
        return [file for file in self.sides.server if file.path not in self.left]

    def _clashing(self) -> dict[str, frozenset[str]]:
        """Return the paths of this owner that some disk cannot hold beside each other, each with all of its group."""
        return {path: frozenset(group) for group in clashes(self.sides.paths) for path in group}

    # --- what diff3's answers mean for files ---------------------------------------------------------------------

    def _act(self, kind: ActionKind, path: str) -> None:
        match kind:
            case ActionKind.WRITE:
                self._write(path)
            case ActionKind.REPAIR:  # under `replica`, and what lies there is exactly what was agreed
                self.fetch.append(Fetch(self.server[path], "replaced", self.base[path]))
            case ActionKind.REMOVE:
                self._touch(path)
                self.trash.append(replace(self.base[path], mtime_ns=self.tree[path].mtime_ns))
            case ActionKind.AGREE:
                self._both_same(path)

    def _write(self, path: str) -> None:
        """What is missing here comes, unless it would meet another file on some disk."""
        base = self.base.get(path)
        group = self.clashing.get(path, frozenset())
        if group and (base is None or not group.isdisjoint(self.tree)):
            self._trouble(path, NameClash.code, "another path differs from it in letter case or Unicode form alone")
        else:
            self.fetch.append(Fetch(self.server[path], "new" if base is None else "restored", base))

    def _both_same(self, path: str) -> None:
        file, base, here = self.server[path], self.base.get(path), self.tree[path]
        if base is not None and self._unedited(path) and (base.key, base.name) == (file.key, file.name):
            self._touch(path)
        elif here.content is not None:
            self.adopt.append(Adopt(file, here.content, here.mtime_ns, base))
        elif base is not None:  # not read, for it looks like the base
            self.adopt.append(Adopt(file, _Agreed(base.size, base.sha256, base.md5), here.mtime_ns, base))

    def _differ(self, path: str) -> None:
        """Both sides hold the path, not the same, and `diff3` may not choose."""
        file, base, here = self.server[path], self.base.get(path), self.tree[path]
        changed = base is None or same(_base_node(base), _server_node(file), Level.BYTES) is Same.NO
        if base is not None and self._unedited(path):
            self._touch(path)
            self._trouble(path, MirrorReplaced.code, "the server has another version of it")
        elif self.policy == "replica" and changed and here.content is not None:
            copy = conflict_path(path, here.content.sha256)
            self.fetch.append(Fetch(file, "new" if base is None else "replaced", base, copy))
            self._copied(copy)
        elif base is None:
            self._trouble(path, TreeForeign.code, "the content here is not what the server has")
        else:
            self._trouble(path, TreeEdited.code, "it was edited here" + (", and replaced on the server" * changed))

    def _cannot_tell(self, path: str) -> None:
        """The server states no digest, or a folder here could not be looked into."""
        if path not in self.tree:
            self.unknown.append(path)
            return
        file, base = self.server[path], self.base.get(path)
        if base is not None and self._unedited(path):
            self.unverified.append(path)
            self._touch(path)
        elif base is not None and file.size == base.size:
            self._trouble(path, TreeEdited.code, "it was edited here")
        else:
            self.probe.append(file)

    def _only_here(self, path: str) -> None:
        base = self.base.get(path)
        if base is not None and not self._unedited(path):
            self._trouble(path, TreeEdited.code, "it was edited here" + (", and is gone" * self.sides.complete))
        elif base is not None and self.sides.complete:
            self._touch(path)
            self._trouble(path, MirrorGone.code, "the server no longer has it", person=False)
        elif base is None and is_conflict_copy(path):
            self._copied(path)
        elif base is None and self.sides.complete:
            self.own.append(path)
        else:
            self.unknown.append(path)

    def _problem(self, path: str) -> None:
        here = self.tree.get(path)
        if here is not None and isinstance(_tree_node(here, self.base.get(path), needed=True), Problem):
            self._trouble(path, SourceUnreadable.code, here.problem or "it could not be read", person=False)
        else:
            self._trouble(path, NameClash.code, "the server lists it twice, and not the same")

    def _copied(self, copy: str) -> None:
        self.troubles.append(copy_kept(copy))

    # --- small things --------------------------------------------------------------------------------------------

    def _unedited(self, path: str) -> bool:
        """Return whether what lies here is what was agreed."""
        here, base = self.tree[path], self.base[path]
        if here.content is None:
            return _looks_like(here, base)
        return here.content.sha256 == base.sha256

    def _touch(self, path: str) -> None:
        here, base = self.tree[path], self.base[path]
        if here.mtime_ns != base.mtime_ns:
            self.touched.append((base, here.mtime_ns))

    def _trouble(self, path: str, code: str, detail: str, *, person: bool = True) -> None:
        self.troubles.append(Trouble(path, code, detail, person))

    def _agreement(self) -> Agreement:
        return Agreement(
            fetch=tuple(sorted(self.fetch, key=lambda step: step.file.path)),
            adopt=tuple(sorted(self.adopt, key=lambda step: step.file.path)),
            touched=tuple(sorted(self.touched, key=lambda pair: pair[0].path)),
            trash=tuple(sorted(self.trash, key=lambda file: file.path)),
            end=tuple(sorted(self.end, key=lambda file: file.path)),
            probe=tuple(sorted(self.probe, key=lambda file: file.path)),
            unverified=tuple(sorted(self.unverified)),
            left=tuple(sorted(self.left)),
            own=tuple(sorted(self.own)),
            unknown=tuple(sorted(self.unknown)),
            troubles=tuple(sorted({trouble.path: trouble for trouble in self.troubles}.values(), key=_by_path)),
        )


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What a file holds that was not read, because it looks like the base."""

    size: int
    sha256: bytes
    md5: str


def _by_path(trouble: Trouble) -> str:
    return trouble.path


def _looks_like(here: TreeFile, base: BaseFile) -> bool:
    return (here.size, here.mtime_ns) == (base.size, base.mtime_ns)


def _server_node(file: ServerFile) -> Node:
    return Node(file.path, file.size, digests={"md5": file.md5} if file.md5 else {}, where=file.name)


def _base_node(file: BaseFile) -> Node:
    return Node(file.path, file.size, digests={"md5": file.md5, "sha256": file.sha256.hex()}, where=file.name)


def _tree_node(here: TreeFile, base: BaseFile | None, *, needed: bool) -> Node | Problem:
    """What is known of a file here: as read, or as agreed where it looks untouched."""
    if here.content is not None:
        digests = {"md5": here.content.md5, "sha256": here.content.sha256.hex()}
        return Node(here.path, here.content.size, digests=digests)
    if base is not None and not here.problem and _looks_like(here, base):
        return _base_node(base)
    if needed or base is not None:
        return Problem(here.path, here.problem or "it was not read")
    return Node(here.path, here.size)
