"""After a lost ledger: what is in the tree as we once wrote it is no edit, and has a version again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xnatsync.core.sides import BaseFile, ServerFile, Sides, TreeFile
from xnatsync.routes.tree.landing import new_version
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.world import TreeWorld


def known_again(world: TreeWorld, route: MirrorRoute, sides: Sides) -> Sides:
    """Give the three trees with a base for each file that no ledger knows, that we wrote, and that the server replaced.

    So it goes to the trash under `replica`, as any version that was replaced, instead of being called an edit.  Nothing
    is written down; see `write_down`.
    """
    found = [_version(file, here) for file, here in _unknown(world, route, sides)]
    return replace(sides, base=(*sides.base, *found)) if found else sides


def write_down(world: TreeWorld, route: MirrorRoute, owner_id: int, sides: Sides) -> Sides:
    """Give the three trees as `known_again` does, and each such file its version."""
    found = list(_unknown(world, route, sides))
    if not found:
        return sides
    versions = [
        new_version(owner_id, route.name, file, here.content, here.mtime_ns)
        for file, here in found
        if here.content is not None
    ]
    with world.ledger.write():
        world.ledger.change_versions(versions, [], world.now(), world.run_id)
    bases = []
    for file, here in found:
        row = world.ledger.find_living(route.name, file.path)
        assert row is not None
        bases.append(replace(_version(file, here), version_id=row.id))
    return replace(sides, base=(*sides.base, *bases))


def _unknown(world: TreeWorld, route: MirrorRoute, sides: Sides) -> Iterator[tuple[ServerFile, TreeFile]]:
    agreed = {file.path for file in sides.base}
    server = {file.path: file for file in sides.server if file.wanted and file.md5}
    for here in sides.tree:
        file = server.get(here.path)
        if file is None or here.content is None or here.path in agreed or here.content.md5 == file.md5:
            continue
        if world.ledger.find_living(route.name, here.path) is None and world.disk.remembers(
            route.folder, here.path, here.content.sha256
        ):
            yield file, here


def _version(file: ServerFile, here: TreeFile) -> BaseFile:
    assert here.content is not None
    return BaseFile(
        file.path, file.key, file.name, here.content.size, here.content.sha256, here.content.md5, here.mtime_ns
    )
