"""A session or subject got another label: its folders are renamed, with everything in them, and nothing is fetched.

Under both policies: no byte is removed or overwritten, and the old paths stay in the history.
"""

from __future__ import annotations

from dataclasses import replace

from xnatsync.core.agreement import Trouble
from xnatsync.core.errors import PlaceTaken, SourceChanged
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.treenames import HostileName
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.mirror.world import TreeWorld
from xnatsync.routes.mirror import MirrorRoute


def follow_labels(world: TreeWorld, route: MirrorRoute, row: OwnerRow, owner: Owner) -> tuple[Owner, list[Trouble]]:
    """Gives the owner under the labels its files lie under, after following a change where that can be done."""
    old = replace(owner, subject=row.subject, session=row.session)
    if (row.subject, row.session) == (owner.subject, owner.session):
        return owner, []
    try:
        pairs = _pairs(route, row, old, owner, world)
    except HostileName as error:
        return old, [Trouble("", PlaceTaken.code, f"its new label cannot be a folder: {error}", person=True)]
    taken = [target for source, target in pairs if not _moved(world, route, source, target)]
    if taken:
        return old, [
            Trouble(taken[0], PlaceTaken.code, "something lies where its folder is to be renamed to", person=True)
        ]
    with world.ledger.write():
        for source, target in pairs:
            world.ledger.move_versions(route.name, source, target, world.now(), world.run_id)
        world.ledger.note_labels(row.id, owner.subject, owner.session)
    world.tally(route.name).add("renamed")
    world.note(route.name, "owner.renamed", f"owner {row.id} has another label; its folder was renamed")
    return owner, []


def _pairs(route: MirrorRoute, row: OwnerRow, old: Owner, new: Owner, world: TreeWorld) -> list[tuple[str, str]]:
    """Lists what is to be renamed: a session's folders, with whatever else lies in them, or else each of its files.

    In the folder of a subject or project lie the sessions' too, which follow by themselves.
    """
    before, after = route.layout.folders(old), route.layout.folders(new)
    if old.kind is OwnerKind.SESSION and before and len(before) == len(after) and "" not in before:
        return [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    sidecar = route.layout.sidecar(old), route.layout.sidecar(new)
    return [
        (version.path, target)
        for version in world.ledger.living_of(row.id)
        if (
            target := sidecar[1] or ""
            if version.path == sidecar[0]
            else route.layout.path(new, version.key, version.name)
        )
        and target != version.path
    ]


def _moved(world: TreeWorld, route: MirrorRoute, source: str, target: str) -> bool:
    """Renames; done already when only the target is there, as after a crash."""
    try:
        world.disk.rename(route.folder, source, target)
    except SourceChanged:  # nothing at the source: renamed already, or taken away
        return True
    except PlaceTaken:
        return False
    return True
