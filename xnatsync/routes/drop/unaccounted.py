"""Files that nobody can account for: they hold their item for a person, who may accept them."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.accounting import Rules
from xnatsync.core.completeness import is_marker_within
from xnatsync.core.errors import DeliveryError, FilesUnaccounted, ObjectsBroken, ObjectsOdd
from xnatsync.core.group import Study
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
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
    lenient = route.given is not None and route.given.unparsable == "leave"
    return Rules(
        route.odd,
        route.dicomdir,
        route.other,
        world.ledger.accepted(item.id),
        is_marker=lambda path: is_marker_within(route.patience, item.path, path),
        everything=lenient,
    )


def refuse_all(route: DropRoute, files: Sequence[ManifestFile], studies: Sequence[Study]) -> None:
    """Let no study go where the command asked for objects only, and something else lies among them."""
    others = [file for file in files if file.kind in {Kind.OTHER, Kind.BROKEN}]
    if route.given is None or route.given.unparsable != "refuse" or not others:
        return
    words = f"{counted(len(others), 'file')} cannot be read as a DICOM object, the first is {others[0].path}"
    for study in studies:
        study.error = study.error or ObjectsBroken(
            f"{words}: {others[0].reason}; nothing was sent",
            advice="Take them away, or give `--ignore-unparsable` to have everything else sent.",
        )


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
