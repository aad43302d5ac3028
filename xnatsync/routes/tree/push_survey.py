"""What a push finds in its tree: which files are to be on the server, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xnatsync.core.conflict import is_conflict_copy
from xnatsync.core.errors import NameRefused, NoPlace, NotFollowed, NotThere, SourceUnreadable
from xnatsync.core.hold import still_waits_s
from xnatsync.core.inventory import Inventory, Owner, ResourceKey, ResourceSeen
from xnatsync.core.layout import Layout, Place
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.paths import HostileName, check_path, check_segment
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.ports.drop import ProblemSeen
from xnatsync.routes.tree.mirror_settings import SENTINEL
from xnatsync.routes.tree.mirror_survey import check_still_there, check_tree
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.world import TreeWorld

Kept = dict[int, set[ResourceKey]]  # by owner: the resources of which files lie here that both sides agreed on


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the tree that the route sends."""

    path: str
    key: ResourceKey
    name: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class PushSurvey:
    """What one run of one push found."""

    route: PushRoute
    owners: dict[int, Owner] = field(default_factory=dict)
    files: dict[int, list[LocalFile]] = field(default_factory=dict)  # of the owners that are due
    counted: dict[int, dict[ResourceKey, int | None]] = field(default_factory=dict)  # what the server says it has
    unplaced: list[tuple[str, str]] = field(default_factory=list)  # (path, why): nobody on the server owns them
    unnamable: list[tuple[str, str]] = field(default_factory=list)  # (path, why): no file on the server has such a name
    astray: list[str] = field(default_factory=list)  # files that lie where the layout has no place for any
    unseen: list[Trouble] = field(default_factory=list)  # what may be to be sent, and cannot be looked at or followed
    ended: list[int] = field(default_factory=list)  # versions whose file was removed here
    agreed: int = 0  # files that are as they were agreed
    seen: dict[int, tuple[ResourceSeen, ...]] = field(default_factory=dict)  # the resources of the owners that are due
    lost: list[OwnerRow] = field(default_factory=list)  # a complete inventory no longer names them, and they have files


def push_survey(world: TreeWorld, route: PushRoute, *, dry: bool = False) -> PushSurvey:
    """Look at the tree, and once at the server when anything of the tree is or is to be there.

    An owner is due when something of it is new or another here, when the server counts another number of files or bytes
    in a resource than when both last agreed, and when it is held.
    """
    if check_tree(world, route) and not dry:
        world.disk.mark(route.folder, SENTINEL)
    look = world.disk.look_tree(route.folder)
    base = dict(world.ledger.living(route.name))
    found = PushSurvey(route)
    fresh: list[tuple[Place, LocalFile]] = []
    for path, (size, mtime_ns) in sorted(look.files.items()):
        if base.get(path) == (size, mtime_ns):
            found.agreed += 1
            continue
        place = route.layout.locate(path)
        if place is None and (why := _why_unnamable(route, path)):
            found.unnamable.append((path, why))
        elif place is None and _is_astray(route, path):
            found.astray.append(path)
        if place is None or place.sidecar or not _is_sent(route, place) or is_conflict_copy(path):
            continue
        fresh.append((place, LocalFile(path, place.key, place.name, size, mtime_ns)))
    found.unseen = [_unseen(problem) for problem in look.problems if _may_send(route, problem.path)]
    world.tally(route.name).add("incomplete", sum(not trouble.person for trouble in found.unseen))
    if not look.problems:
        gone = [path for path in base if path not in look.files]
        if gone:
            check_still_there(world, route)
        found.ended = [row.id for path in gone if (row := world.ledger.find_living(route.name, path)) is not None]
    held = [row for row in world.ledger.owners(route.name) if row.hold is not None]
    kept = world.ledger.living_resources(route.name, found.ended)
    if fresh or kept:
        inventory = world.archive(route.server).inventory(route.project, route.selection.kinds)
        _find_owners(world, found, inventory, fresh)
        _look_again(world, found, inventory, kept)
        if not inventory.complete:  # whoever is not shown may be there all the same
            held = [row for row in held if not _still_waits(row, fresh, world.now())]
    for number in {row.id for row in held} - found.owners.keys() - kept.keys():  # what held it is no longer there
        world.ledger.set_troubles(number, [], world.now())
        world.ledger.unhold_owner(number)  # its files may be there again: under another label, say
    return found


def _look_again(world: TreeWorld, found: PushSurvey, inventory: Inventory, kept: Kept) -> None:
    """Make due what is no longer there as it was agreed: nobody else would tell that a file was deleted there."""
    route = found.route
    stamps = world.ledger.resource_stamps(route.name)
    there = {owner.key: (owner, resources) for owner, resources in inventory.owners.items()}
    for row in world.ledger.owners(route.name):
        if row.id not in kept or row.project != inventory.project:
            continue
        if row.key not in there:
            if inventory.complete and row.kind in {kind.value for kind in route.selection.kinds}:
                found.lost.append(row)
            continue
        owner, resources = there[row.key]
        if row.id not in found.owners and (
            route.recheck or row.hold is not None or _stamps(kept[row.id], resources) != stamps.get(row.id, {})
        ):
            found.owners[row.id], found.files[row.id] = owner, []
            found.counted[row.id] = {seen.key: seen.files for seen in resources}
        if row.id in found.owners:
            found.seen[row.id] = resources


def _stamps(ours: set[ResourceKey], resources: Sequence[ResourceSeen]) -> dict[ResourceKey, str]:
    """Return what the server counts in each resource that has files of ours; what is not counted never agrees."""
    return {seen.key: seen.stamp or "not counted" for seen in resources if seen.key in ours}


def _is_sent(route: PushRoute, place: Place) -> bool:
    """What the tree alone tells of a file: owner, resource and name; scan types and dates are the server's to tell."""
    wants = route.selection
    is_taken = bool(place.name) and place.level in wants.levels and wants.files.match(place.name)
    return is_taken and _is_wanted(route, place)


def _is_wanted(route: PushRoute, place: Place) -> bool:
    """Tell whether the route takes what a place names: of a folder that may be a part only."""
    wants = route.selection
    return (
        place.project in {"", route.project}  # a tree may hold other projects beside it, with the same labels
        and (not place.resource or wants.resources.match(place.resource))
        and (not place.subject or wants.subjects.match(place.subject))
        and (not place.session or wants.sessions.match(place.session))
    )


def _may_send(route: PushRoute, path: str) -> bool:
    """Tell whether a file at a path, or below it, would be sent: then it is not passed over in silence."""
    place = route.layout.locate(path)
    if place is not None:
        return not place.sidecar and _is_sent(route, place)
    above = (route.layout.above(level, path) for level in route.selection.levels)
    return any(place is not None and _is_wanted(route, place) for place in above)


def _unseen(problem: ProblemSeen) -> Trouble:
    """Say what is not sent, as nobody could look at it: a right helps the one, the other is never followed."""
    code = SourceUnreadable.code if problem.unreadable else NotFollowed.code
    return Trouble(problem.path, code, problem.reason, person=not problem.unreadable)


def _why_unnamable(route: PushRoute, path: str) -> str:
    """Say why a file that lies where things are sent from has a name that is nobody's; "" when it lies elsewhere."""
    windows = route.layout.windows
    try:
        check_path(path, windows=windows)
    except HostileName as error:
        place = route.layout.locate("/".join(_harmless(part, windows=windows) for part in path.split("/")))
        return str(error) if place is not None and not place.sidecar and _is_sent(route, place) else ""
    return ""


def _is_astray(route: PushRoute, path: str) -> bool:
    """Return whether somebody may have meant a file for this project that lies where the layout has no place."""
    if is_conflict_copy(path):
        return False
    first = route.layout.templates["project"].steps[0]
    elsewhere = first.place == "project" and path.partition("/")[0] != first.fill({"project": route.project})
    return not (elsewhere and "/" in path)


def troubles_of(found: PushSurvey) -> list[Trouble]:
    """What is to be told of the files that belong to nothing on the server."""
    words = (
        f"no file of a resource belongs there in this layout, such as {found.route.layout.templates['session'].text}"
    )
    unplaced = [Trouble(path, NotThere.code, why, person=True) for path, why in found.unplaced]
    unplaced += [Trouble(path, NameRefused.code, why, person=True) for path, why in found.unnamable]
    return unplaced + found.unseen + [Trouble(path, NoPlace.code, words, person=False) for path in found.astray]


def _harmless(part: str, *, windows: bool) -> str:
    try:
        return check_segment(part, windows=windows)
    except HostileName:
        return "x"


def _find_owners(
    world: TreeWorld, found: PushSurvey, inventory: Inventory, fresh: list[tuple[Place, LocalFile]]
) -> None:
    """Return each file to the owner on the server that has these labels."""
    route = found.route
    by_label = {_labels(owner): (owner, resources) for owner, resources in inventory.owners.items()}
    by_id = {owner.key: (owner, resources) for owner, resources in inventory.owners.items()}
    wanted: dict[Owner, list[LocalFile]] = {}
    known: dict[Owner, tuple[ResourceSeen, ...]] = {}
    for place, file in fresh:
        match = by_id.get(("session", place.session_id)) if place.session_id else by_label.get(_labels_of(place))
        if match is None:
            found.unplaced.append((file.path, _why_unplaced(inventory, place)))
            continue
        owner, resources = match
        if route.selection.wants_owner(owner) and route.selection.wants_resource(owner, _as_seen(file.key, resources)):
            wanted.setdefault(owner, []).append(file)
            known[owner] = resources
    rows = world.ledger.ensure_owners(route.name, list(wanted), world.now())
    for row, (owner, files) in zip(rows, wanted.items(), strict=True):
        found.owners[row.id], found.files[row.id] = owner, files
        found.counted[row.id] = {seen.key: seen.files for seen in known[owner]}


def lies_in(layout: Layout, path: str, owner: Owner) -> bool:
    """Return whether a path is in a folder of an entity: the one with its labels, or with its accession ID."""
    place = layout.locate(path)
    if place is None:
        return False
    if place.session_id:
        return owner.key == ("session", place.session_id)
    return _labels_of(place) == _labels(owner)


def _as_seen(key: ResourceKey, resources: tuple[ResourceSeen, ...]) -> ResourceSeen:
    """The resource as the server knows it; a new one gets what is known of its scan."""
    for seen in resources:
        if seen.key == key:
            return seen
    for seen in resources:
        if seen.key.scan == key.scan and key.scan:
            return ResourceSeen(key, "", None, None, seen.scan_type, seen.scan_description, seen.quality)
    return ResourceSeen(key)


def _labels(owner: Owner) -> tuple[str, str, str]:
    return owner.kind.value, owner.subject, owner.session


def _labels_of(place: Place) -> tuple[str, str, str]:
    return place.kind.value, place.subject, place.session


def _still_waits(row: OwnerRow, fresh: Sequence[tuple[Place, LocalFile]], now: str) -> bool:
    """Tell whether an owner's time has not come, and a file lies where its files lay when it was last looked at."""
    labels = (row.kind, row.subject, row.session)
    return still_waits_s(row, now) > 0 and any(
        place.session_id == row.server_id if place.session_id else _labels_of(place) == labels for place, _ in fresh
    )


def _why_unplaced(inventory: Inventory, place: Place) -> str:
    if not inventory.complete:
        return "the server's listing was not whole"
    return f"the server has no such {place.kind.value} in this project"
