"""Files that nobody can account for: they hold their item for a person, who may accept them."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.accounting import Rules
from xnatsync.core.errors import DeliveryError, FilesUnaccounted, ObjectsBroken, ObjectsOdd
from xnatsync.core.manifest import Doubt
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import FileRow, ItemRow
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

_WORST = (ObjectsBroken, FilesUnaccounted, ObjectsOdd)
_WHAT: dict[type[DeliveryError], tuple[str, str]] = {
    ObjectsBroken: ("broken object", "broken objects"),
    FilesUnaccounted: ("file in doubt", "files in doubt"),
    ObjectsOdd: ("odd object", "odd objects"),
}


def rules_of(world: World, route: DropRoute, item: ItemRow) -> Rules:
    """Give what the route says of files in doubt, and what a person has accepted of this item."""
    return Rules(route.odd, route.dicomdir, route.other, world.ledger.accepted(item.id))


def are_accepted(world: World, item: ItemRow, files: Sequence[FileRow]) -> bool:
    """Tell whether a person has accepted one of the files that hold an item since it was last judged."""
    accepted = world.ledger.accepted(item.id)
    return any((file.path, file.sha256, file.reason) in accepted for file in files)


def refusal(files: Sequence[FileRow]) -> DeliveryError:
    """Say what of an item is not accounted for, the worst first, and what can be done about it.

    Nothing of the rest waits for them, but the item is not filed as if it were complete.
    """
    found: dict[type[DeliveryError], list[FileRow]] = {kind: [] for kind in _WORST}
    for file in files:
        found[_kind_of(file)].append(file)
    kinds = [kind for kind in _WORST if found[kind]]
    told = ", ".join(counted(len(found[kind]), *_WHAT[kind]) for kind in kinds)
    first = found[kinds[0]][0]
    return kinds[0](f"not delivered: {told}; the first is {first.path}: {first.reason}")


def _kind_of(file: FileRow) -> type[DeliveryError]:
    match file.doubt:
        case Doubt.NONE:
            return ObjectsBroken
        case Doubt.ODD:
            return ObjectsOdd
        case _:
            return FilesUnaccounted
