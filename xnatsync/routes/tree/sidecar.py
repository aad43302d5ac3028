"""The metadata beside the files: `session.xml`, `subject.xml`, `project.xml`, as the server writes them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.mirror_decision import Agreement, Fetch, Trouble, agree
from xnatsync.core.sides import ServerFile
from xnatsync.fetch.store import Staged
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.tree.landing import Landing, new_version, settle
from xnatsync.routes.tree.mirror_settings import METADATA, MirrorRoute
from xnatsync.routes.tree.mirror_sides import Parts, read
from xnatsync.routes.tree.remembered import known_again, write_down
from xnatsync.routes.tree.world import TreeWorld


def bring_metadata(
    world: TreeWorld, route: MirrorRoute, row: OwnerRow, owner: Owner, placed: Owner, parts: Parts
) -> list[Trouble]:
    """Fetch an owner's metadata when they may have changed; say whose places something else had taken.

    They are ours to keep current under both policies: the version before goes to the trash.
    """
    path = _due(route, row, owner, placed, parts)
    if path is None:
        return []
    staged_as = f"{row.id}-metadata"
    xml = world.archive(route.server).metadata(owner)
    content = world.disk.stage(route.folder, staged_as, iter([xml]))
    file = _file(path, content.size, content.md5)
    sides = write_down(world, route, row.id, read(world, route, replace(parts.metadata, server=(file,))))
    answer = agree(sides, policy="replica")
    parts.troubles += answer.troubles
    settle(world, route, (step.file.path for step in answer.adopt))
    world.disk.remember(route.folder, ((step.file.path, step.content.sha256) for step in answer.adopt))
    with world.ledger.write():
        world.ledger.touch_versions({base.version_id: mtime_ns for base, mtime_ns in answer.touched})
        world.ledger.change_versions(
            [new_version(row.id, route.name, step.file, step.content, step.mtime_ns) for step in answer.adopt],
            [(step.base.version_id, "replaced") for step in answer.adopt if step.base is not None],
            world.now(),
            world.run_id,
        )
    if not answer.fetch:
        world.disk.clear_staging(route.folder, staged_as)
        return []
    landing = Landing(world, route, row.id, parts.tree)
    steps: list[tuple[Fetch, Staged]] = [(step, Staged(file, staged_as, content)) for step in answer.fetch]
    landing.land(steps)
    world.tally(route.name).add("metadata", len(answer.fetch))
    return landing.done.troubles


def foresee_metadata(
    world: TreeWorld, route: MirrorRoute, row: OwnerRow, owner: Owner, placed: Owner, parts: Parts
) -> Agreement:
    """Say what bringing them would do; they are asked for only where something lies that they are compared with."""
    path = _due(route, row, owner, placed, parts)
    if path is None:
        return Agreement()
    file = _file(path, None, "")
    if path in parts.tree:
        xml = world.archive(route.server).metadata(owner)
        file = _file(path, len(xml), hashlib.md5(xml, usedforsecurity=False).hexdigest())
    sides = read(world, route, replace(parts.metadata, server=(file,)))
    return agree(known_again(world, route, sides), policy="replica")


def _due(route: MirrorRoute, row: OwnerRow, owner: Owner, placed: Owner, parts: Parts) -> str | None:
    """Where metadata are to lie that may have changed; None when the route keeps none or they are current."""
    path = route.layout.sidecar(placed) if route.metadata else None
    return path if path is not None and not _is_current(row, owner, path, parts) else None


def _file(path: str, size: int | None, md5: str) -> ServerFile:
    return ServerFile(ResourceKey("", METADATA), path.rpartition("/")[2], path, size, md5)


def _is_current(row: OwnerRow, owner: Owner, path: str, parts: Parts) -> bool:
    """The stamp is the one agreed, and the file lies there as it was written."""
    known = [base for base in parts.metadata.base if base.path == path]
    if row.stamp != owner.stamp or not owner.stamp or not known:
        return False
    return parts.tree.get(path) == (known[0].size, known[0].mtime_ns)
