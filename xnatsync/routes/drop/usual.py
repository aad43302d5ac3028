"""What earlier exams of a route had and this one has not: it may still be on its way, and is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.manifest import ManifestFile
from xnatsync.core.usual_series import absent, kinds_of, words
from xnatsync.ledger.rows import UnitRow
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World


def not_yet(world: World, route: DropRoute, files: Sequence[ManifestFile]) -> str:
    """Say what usually comes and is not there; "" when nothing is missing, or the route waits for nothing missing."""
    if not route.patience.missing_s:
        return ""
    found = []
    for uid, kinds in sorted(kinds_of(files).items()):
        here = world.ledger.kind_digests(route.name, kinds) | world.ledger.kinds_so_far(route.name, uid)
        found.append(words(*absent(here, world.ledger.earlier_kinds(route.name, uid))))
    return "; ".join(text for text in found if text)


def note_kinds(world: World, route: DropRoute, units: Sequence[UnitRow], files: Sequence[ManifestFile]) -> None:
    """Write down which kinds of series came, where that is used."""
    if not route.patience.missing_s:
        return
    found = kinds_of(files)
    for unit in units:
        world.ledger.note_kinds(unit.id, world.ledger.kind_digests(route.name, found.get(unit.study_uid, frozenset())))
