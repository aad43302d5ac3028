"""What a push knows of the past of a file: what was last stored under its name, who had it first, what it replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xnatsync.core.inventory import Owner
from xnatsync.core.layout import Layout
from xnatsync.core.push_decision import LastDeed
from xnatsync.ledger.tree_rows import DeedRow, OwnerRow, VersionRow
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.push_survey import LocalFile, lies_in
from xnatsync.routes.tree.world import TreeWorld


def latest_deed(world: TreeWorld, route: PushRoute, row: OwnerRow, file: LocalFile) -> DeedRow | None:
    """Return what was last stored under a name of the server; it is quiet for the route's `quiet` at most.

    A longer rest was written down by clocks that were ahead, however many: it begins now, once.
    """
    deed = world.ledger.latest_deed(row.id, file.key, file.name)
    longest = world.in_seconds(route.quiet_s)
    if deed is None or deed.outcome in {None, "ok"} or deed.quiet_at <= longest:
        return deed
    world.ledger.shorten_deed(deed.id, longest)
    return replace(deed, quiet_at=longest)


def is_unstored(world: TreeWorld, row: OwnerRow, file: LocalFile) -> bool:
    """Tell whether the last store of a file failed, or had no answer: its waits grow until one succeeds."""
    deed = world.ledger.latest_deed(row.id, file.key, file.name)
    return deed is not None and deed.outcome in {None, "failed", "unknown"}


def last_deed(deed: DeedRow | None) -> LastDeed | None:
    """Return what a decision needs of it.

    One that was refused left nothing; one that was never closed counts as unknown.
    """
    if deed is None or deed.outcome == "refused":
        return None
    return LastDeed(deed.sha256, deed.outcome in {None, "unknown"}, deed.quiet_at, failed=deed.outcome == "failed")


def was_there(world: TreeWorld, route: PushRoute, file: LocalFile, deed: DeedRow) -> bool:
    """Tell whether the content of a store was on the server before it: then it shows nothing of whose it is.

    A mirror of the same tree had got it from there, or the server had said so.
    """
    beside = [name for name, folder in world.folders.items() if folder == route.folder and name != route.name]
    return world.ledger.had_from_server_before(deed, beside, file.path) or world.ledger.was_there_before(deed)


def followed(living: Sequence[VersionRow], layout: Layout, owner: Owner) -> set[int]:
    """Return which of the versions of an owner are followed by a newer one of the same file of the server.

    Its session has another label, so it is sent from another folder now: what still is in the old one belongs to
    nothing on the server.  Where a layout has several folders for one resource (the type of a scan is in their names,
    say), the files in them are all the entity's, and none follows another.
    """
    newest = {(version.key, version.name): version.id for version in sorted(living, key=lambda version: version.id)}
    return {
        version.id
        for version in living
        if newest[version.key, version.name] != version.id and not lies_in(layout, version.path, owner)
    }
