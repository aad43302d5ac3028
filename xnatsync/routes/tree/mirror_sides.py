"""The three trees of one owner, looked at now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from xnatsync.core.conflict import is_conflict_copy
from xnatsync.core.download_layout import of_resource
from xnatsync.core.errors import ListingShort, NameHostile, SourceChanged, SourceUnreadable
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.mirror_decision import Trouble, copy_kept, needs_reading
from xnatsync.core.paths import HostileName, folded
from xnatsync.core.remote import FileListing
from xnatsync.core.sides import BaseFile, ServerFile, Sides, TreeFile
from xnatsync.core.wording import counted
from xnatsync.ledger.tree_rows import VersionRow
from xnatsync.routes.tree.mirror_settings import METADATA, MirrorRoute
from xnatsync.routes.tree.mirror_survey import Survey, check_still_there
from xnatsync.routes.tree.world import TreeWorld


@dataclass(slots=True)
class Parts:
    """What was found of one owner: resources and, apart from them, its metadata."""

    sides: Sides
    metadata: Sides
    troubles: list[Trouble] = field(default_factory=list)  # about names, before any file was compared
    tree: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def together(self) -> Sides:
        """Resources and metadata as one: when the owner is gone, both go."""
        return replace(self.sides, base=self.sides.base + self.metadata.base, tree=self.sides.tree + self.metadata.tree)


def look(world: TreeWorld, survey: Survey, number: int, placed: Owner, listing: FileListing | None) -> Parts:
    """Look at an owner's part of all three trees and read what must be read.

    `placed` is the owner under the labels its folders have.  Without a listing the owner is gone: a complete inventory
    of its project says so.
    """
    route = survey.route
    parts = Parts(Sides(), Sides())
    server, complete = ((), True) if listing is None else _server(survey, number, placed, listing, parts)
    rows = world.ledger.living_of(number)
    if listing is not None and not survey.complete:  # what it does not name was not counted either
        complete = complete and all(row.label == METADATA or row.key in survey.listed[number] for row in rows)
    kept = [trouble.path for trouble in world.ledger.troubles(owner_id=number) if is_conflict_copy(trouble.path)]
    tree, whole = _tree(world, route, placed, [row.path for row in rows], [file.path for file in server], kept, parts)
    base = [_base(survey, number, row, gone=listing is None) for row in rows]
    sidecar = _own(route, placed)[0]
    if sidecar is not None:  # no other look at the tree would see the copies of metadata
        copies = [path for path in sorted(parts.tree) if path.startswith(sidecar) and is_conflict_copy(path)]
        parts.troubles += [copy_kept(path) for path in copies]
    apart = {sidecar, *(row.path for row in rows if row.label == METADATA)}
    if sidecar is not None:  # nor what differs from them in letter case alone
        alike = [path for path in parts.tree if path != sidecar and folded(path) == folded(sidecar)]
        apart.update(alike)
        tree += [TreeFile(path, *parts.tree[path]) for path in alike]
    parts.sides = read(
        world,
        route,
        Sides(
            tuple(server),
            tuple(file for file in base if file.path not in apart),
            tuple(file for file in tree if file.path not in apart),
            complete,
            whole,
        ),
    )
    parts.metadata = read(
        world,
        route,
        Sides(
            (),
            tuple(file for file in base if file.path in apart),
            tuple(file for file in tree if file.path in apart),
            complete,
            whole,
        ),
    )
    return parts


def _server(
    survey: Survey, number: int, placed: Owner, listing: FileListing, parts: Parts
) -> tuple[list[ServerFile], bool]:
    """Put every listed file in its place; a listing that is shorter than the inventory counted proves no absence."""
    route, wanted = survey.route, survey.wanted[number]
    files: list[ServerFile] = []
    complete = listing.complete
    many: Counter[ResourceKey] = Counter()
    for file in listing.files:
        key = ResourceKey(file.scan, file.resource)
        many[key] += 1
        seen = wanted.get(key)
        is_wanted = seen is not None and route.selection.wants_file(file.name)
        try:
            path = route.layout.path(placed, key, file.name, scan_type=seen.scan_type if seen is not None else "")
        except HostileName as error:
            if is_wanted:
                parts.troubles.append(_hostile(key, f"a file of it cannot be written to this tree: {error}"))
            continue
        files.append(ServerFile(key, file.name, path, file.size, file.digest, is_wanted))
    parts.troubles += [_hostile(ResourceKey(scan, label), why) for scan, label, why in listing.refused]
    for key, seen in wanted.items():
        if seen.files is not None and many[key] < seen.files:
            complete = False
            text = f"the server counts {counted(seen.files, 'file')} and lists {many[key]}"
            parts.troubles.append(Trouble(_of(key), ListingShort.code, text, person=False))
    return files, complete


def _tree(
    world: TreeWorld,
    route: MirrorRoute,
    placed: Owner,
    base: list[str],
    server: list[str],
    kept: list[str],
    parts: Parts,
) -> tuple[list[TreeFile], bool]:
    _, folders = _own(route, placed)
    if not folders:  # a layout in which owners share folders: those of the files that matter
        folders = tuple(sorted({path.rpartition("/")[0] for path in (*base, *server, *kept)}))
    seen = world.disk.look_tree(route.folder, folders)
    if any(path not in seen.files for path in base):
        check_still_there(world, route)
    parts.tree = dict(seen.files)
    mine = {*base, *server}
    files = [
        TreeFile(path, size, mtime_ns)
        for path, (size, mtime_ns) in seen.files.items()
        if path in mine or _is_of(route, placed, path)
    ]
    files += [TreeFile(problem.path, 0, 0, problem=problem.reason) for problem in seen.problems if problem.path in mine]
    blind = [problem for problem in seen.problems if problem.unreadable]
    parts.troubles += [
        Trouble(problem.path, SourceUnreadable.code, f"{problem.path}: {problem.reason}", person=False)
        for problem in blind
        if problem.path not in mine and not _is_of_another(route, placed, f"{problem.path}/x")
    ]
    return files, not blind


def _own(route: MirrorRoute, placed: Owner) -> tuple[str | None, tuple[str, ...]]:
    """Return where an owner's metadata and its folders lie; none of one whose label can be no folder."""
    try:
        return route.layout.sidecar(placed), route.layout.folders(placed)
    except HostileName:
        return None, ()


def _is_of(route: MirrorRoute, placed: Owner, path: str) -> bool:
    """Return whether a file that nobody knows lies where this owner's files lie."""
    place = route.layout.locate(path)
    return place is not None and place.kind is placed.kind


def _is_of_another(route: MirrorRoute, placed: Owner, path: str) -> bool:
    """Return whether files of another kind of owner lie there, who reports it."""
    place = route.layout.locate(path)
    return place is not None and place.kind is not placed.kind


def _base(survey: Survey, number: int, row: VersionRow, *, gone: bool) -> BaseFile:
    """A file whose resource the server still has and the route no longer wants is left alone."""
    there = row.key in survey.listed.get(number, ())
    wanted = gone or row.label == METADATA or not there or row.key in survey.wanted.get(number, {})
    wanted = wanted and (row.label == METADATA or survey.route.selection.wants_file(row.name))
    return BaseFile(
        row.path, row.key, row.name, row.size, row.sha256, row.md5, row.mtime_ns, version_id=row.id, wanted=wanted
    )


def read(world: TreeWorld, route: MirrorRoute, sides: Sides) -> Sides:
    """Read the files of the tree that must be read: those that differ from the base in size or time."""
    wanted = frozenset(needs_reading(sides))
    return replace(sides, tree=tuple(_read_some(world, route, sides.tree, wanted))) if wanted else sides


def _read_some(
    world: TreeWorld, route: MirrorRoute, files: Iterable[TreeFile], wanted: frozenset[str]
) -> Iterator[TreeFile]:
    for file in files:
        if file.path not in wanted:
            yield file
            continue
        try:
            content = world.disk.read(route.folder, file.path, stop=world.stopping)
        except (SourceUnreadable, SourceChanged) as error:
            yield replace(file, problem=str(error))
        else:
            yield replace(file, size=content.size, mtime_ns=content.mtime_ns, content=content)


def _hostile(key: ResourceKey, why: str) -> Trouble:
    return Trouble(_of(key), NameHostile.code, why, person=True)


def _of(key: ResourceKey) -> str:
    return f"{key.scan}/{key.label}" if key.label else of_resource(key.scan, "")
