"""What lay in a tree at a moment, and what was another then: from the ledger alone, beside a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from xnatsync.app.status import reading
from xnatsync.config.moments import moment as read_moment
from xnatsync.core.errors import NothingFound, Usage
from xnatsync.core.moment import clock_words
from xnatsync.core.pasting import command_line, operand
from xnatsync.core.paths import HostileName, check_path
from xnatsync.disk.spelling import told
from xnatsync.ledger.tree_rows import Difference, PlacedVersion, VersionRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.config.trees import MirrorConfig, PushConfig
    from xnatsync.ledger.ledger import Ledger

Change = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or a folder with everything below it."""

    path: str
    files: tuple[PlacedVersion, ...]
    is_folder: bool

    @property
    def bytes(self) -> int:
        """The size of all of it."""
        return sum(placed.version.size for placed in self.files)


@dataclass(frozen=True, slots=True)
class Sight:
    """What lay in a tree, or below a path of it, at a moment."""

    route: str
    moment: str
    path: str  # "" for the whole tree
    entries: tuple[Entry, ...]  # by path

    @property
    def files(self) -> int:
        """How many files."""
        return sum(len(entry.files) for entry in self.entries)

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(entry.bytes for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Changed:
    """One path at which something else lay; of a file that was moved, the old and the new."""

    change: Change
    path: str
    before: VersionRow | None
    after: VersionRow | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a tree at one moment differs from the same at another."""

    route: str
    before: str
    after: str
    changes: tuple[Changed, ...]  # by path


def tree_config(config: Config, route: str) -> MirrorConfig | PushConfig:
    """Return the settings of a route that keeps a tree; RouteUnknown, Usage for one of another kind."""
    config.refuse_unknown([route])
    if route not in config.tree_routes:
        raise Usage(f"route {route} keeps no tree", advice="Name a route of the kind mirror or push.")
    return config.tree_routes[route]


@contextmanager
def history(config: Config, route: str) -> Iterator[Ledger]:
    """Open the ledger for reading; NothingFound when there is none yet."""
    tree_config(config, route)
    with reading(config) as ledger:
        if ledger is None:
            raise NothingFound("there is no ledger yet: nothing was ever synchronised")
        yield ledger


def moment_of(text: str, option: str = "--at") -> str:
    """Read a moment that a person gave; Usage when it is none."""
    try:
        return read_moment(text, datetime.now(UTC))
    except ValueError as error:
        raise Usage(f"{option}: {error}") from error


def tree_path(config: Config, route: str, text: str) -> str:
    """Return a path of the tree as the ledger knows it: relative, or absolute below the route's folder; Usage."""
    own = str(tree_config(config, route).folder)
    path = told(text)
    if path == own or path.startswith(f"{own}/"):
        path = path[len(own) :].strip("/")
    path = path.removeprefix("./").rstrip("/")
    if path in {"", "."}:
        return ""
    try:
        return check_path(path)
    except HostileName as error:
        raise Usage(f"{text!r} is no path of the tree of {route}: {error}") from error


def look_back(config: Config, route: str, path: str, moment: str, *, deep: bool, now: str) -> Sight:
    """List what lay at or below a path, folder by folder or, `deep`, file by file.

    `now` is not later than a moment that was asked for as now: what a clock ahead wrote counts from then on.
    NothingFound when a path was named and nothing lay there.
    """
    prefix = tree_path(config, route, path)
    with history(config, route) as ledger:
        found = ledger.versions_at(route, moment, prefix, now=now)
    if prefix and not found:
        raise NothingFound(
            f"there was nothing at {prefix} at {clock_words(moment)}",
            advice=f"`{command_line('why', *operand(prefix))}` shows what was ever there.",
        )
    return Sight(route, moment, prefix, tuple(_entries(found, prefix, deep=deep)))


def _entries(found: Sequence[PlacedVersion], prefix: str, *, deep: bool) -> Iterator[Entry]:
    start = f"{prefix}/" if prefix else ""
    groups: dict[tuple[str, bool], list[PlacedVersion]] = {}
    for placed in found:
        path = placed.version.path
        inner = path[len(start) :].partition("/")
        is_folder = path != prefix and bool(inner[1]) and not deep
        groups.setdefault((f"{start}{inner[0]}" if is_folder else path, is_folder), []).append(placed)
    for (path, is_folder), files in groups.items():
        yield Entry(path, tuple(files), is_folder)


def compare(config: Config, route: str, before: str, after: str, path: str = "", *, now: str) -> Comparison:
    """Compare a tree, or what is below a path of it, at two moments; Usage when the later comes first."""
    if before > after:
        raise Usage("the first timestamp is later than the second", advice="Give the earlier one first.")
    prefix = tree_path(config, route, path)
    with history(config, route) as ledger:
        found = ledger.differences(route, before, after, prefix, now=now)
    return Comparison(route, before, after, tuple(_changes(found)))


def _changes(found: Sequence[Difference]) -> list[Changed]:
    """Pair what went from one path with what came at another because a folder was renamed."""
    moved: dict[tuple[object, ...], list[VersionRow]] = {}
    for part in found:
        if part.before is not None and part.after is None and part.before.ended == "moved":
            moved.setdefault(_identity(part.before), []).append(part.before)
    changes, gone = [], set()
    for part in found:
        if part.before is None and part.after is not None:
            old = moved.get(_identity(part.after))
            if old:
                before = old.pop()
                gone.add(before.id)
                changes.append(Changed("moved", part.path, before, part.after))
            else:
                changes.append(Changed("added", part.path, None, part.after))
        elif part.before is not None and part.after is not None:
            changes.append(Changed("changed", part.path, part.before, part.after))
    changes += [
        Changed("removed", part.path, part.before, None)
        for part in found
        if part.after is None and part.before is not None and part.before.id not in gone
    ]
    return sorted(changes, key=lambda change: change.path)


def _identity(version: VersionRow) -> tuple[object, ...]:
    return version.owner_id, version.key, version.name, version.sha256
