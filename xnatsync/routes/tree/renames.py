"""Owners that are called otherwise now, lie in another project, or came back: their files follow, none is fetched.

Done for all owners one after the other before any is stepped, because a folder that is renamed while another owner's
files come into it would take them along.  Under both policies: no byte is removed or overwritten, and the old paths
stay in the history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from xnatsync.core.errors import DiskRefused, NameHostile, PlaceTaken, SourceChanged
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.paths import HostileName
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.tree.mirror_survey import Survey
from xnatsync.routes.tree.world import TreeWorld

_Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class _Move:
    """The files of `row` are to lie where those of `owner`, whose number is `heir`, lie."""

    row: OwnerRow
    heir: int
    owner: Owner
    pairs: _Pairs
    taken: str = ""
    why: str = ""  # what the disk, or another owner, had against it
    refused: DiskRefused | None = None  # the disk refuses to rename it, though its place is free
    halfway: bool = False  # a part of it lies in its new place, and does not go back


def follow(world: TreeWorld, found: Survey) -> None:
    """Rename what can be renamed; notes who lies under older labels, and who has to wait until a place is free."""
    moves = [*_inherited(world, found), *_renamed(world, found)]
    while moves:
        left = [move for move in moves if not _done(world, found, move)]
        if len(left) == len(moves):
            break  # a circle, or strangers
        moves = left
    for move in moves:
        if move.heir == move.row.id:
            found.placed[move.heir] = _shown(move.row, move.owner)
            text = "something exists where its folder is to be renamed to"
            found.stuck[move.heir] = _trouble(move, text)
            if move.halfway:  # stepped where it was, what lies in its new place already would be fetched anew
                found.barred[move.heir] = found.stuck[move.heir]
        else:
            text = "something exists where the files that it had before are to go"
            found.barred[move.heir] = _trouble(move, text)
            found.gone = [row for row in found.gone if row.id != move.row.id]
    _bar(world, found)


def _trouble(move: _Move, text: str) -> Trouble:
    if move.refused is not None:
        return Trouble(move.taken, move.refused.code, str(move.refused), person=True)
    return Trouble(move.taken, PlaceTaken.code, f"{text}: {move.why}" if move.why else text, person=True)


# --- who moves ---------------------------------------------------------------------------------------------------


def _renamed(world: TreeWorld, found: Survey) -> list[_Move]:
    moves = []
    for number in found.due:
        owner, row = found.owners[number], world.ledger.owner(number)
        if (row.subject, row.session) == (owner.subject, owner.session):
            continue
        old = _shown(row, owner)
        if not _may_lie(found, old):  # it never had a folder that could move
            moves.append(_Move(row, number, owner, []))
            continue
        try:
            pairs = _pairs(world, found, row, number, old, owner)
            moves.append(_Move(row, number, owner, [pair for pair in pairs if pair[0] != pair[1]]))
        except HostileName as error:
            found.placed[number] = old
            text = f"its new label cannot be a folder: {error}"
            found.stuck[number] = Trouble("", NameHostile.code, text, person=True)
    return moves


def _inherited(world: TreeWorld, found: Survey) -> list[_Move]:
    """Find who is gone from one project and new in another, or gone and there again under the same labels."""
    gone = {row.id: row for row in (*found.gone, *found.past)}
    by_id: dict[tuple[str, str], OwnerRow] = {}
    by_labels: dict[tuple[str, str, str, str], OwnerRow] = {}
    for row in gone.values():
        if row.kind != OwnerKind.PROJECT.value:
            by_id[row.key] = row
            by_labels[_labels(row)] = row
    moves: list[_Move] = []
    for number, why in found.due.items() if gone else ():
        owner = found.owners[number]
        place = (owner.project, owner.kind.value, owner.subject, owner.session)
        before = by_labels.get(place) or (None if owner.home else by_id.get(owner.key))
        if before is None or why != "new" or world.ledger.living_of(number):
            continue
        try:
            pairs = _pairs(world, found, before, number, _shown(before, owner), owner)
        except HostileName:
            continue  # it is told when the owner is stepped
        moves.append(_Move(before, number, owner, pairs))
        by_id.pop(before.key, None)
        by_labels.pop(_labels(before), None)
    return moves


def _pairs(world: TreeWorld, found: Survey, row: OwnerRow, heir: int, old: Owner, new: Owner) -> _Pairs:
    """List where everything is and is to be: a session's folders, with whatever else is in them, or each of its files.

    In the folder of a subject or project lie the sessions' too, which follow by themselves; and where this one had
    nothing, another that was given its label may have moved in meanwhile.
    """
    layout = found.route.layout
    before, after = layout.folders(old), layout.folders(new)
    alone = old.kind is OwnerKind.SESSION and before and len(before) == len(after) and "" not in before
    if alone and not any(world.ledger.others_below(found.route.name, folder, row.id) for folder in before):
        return list(zip(before, after, strict=True))
    types = {key.scan: seen.scan_type for key, seen in found.wanted[heir].items()}
    sidecar = layout.sidecar(old), layout.sidecar(new)
    return [
        (version.path, target)
        for version in world.ledger.living_of(row.id)
        if (
            target := sidecar[1] or ""
            if version.path == sidecar[0]
            else layout.path(new, version.key, version.name, scan_type=types.get(version.scan, ""))
        )
    ]


# --- moving ------------------------------------------------------------------------------------------------------


def _done(world: TreeWorld, found: Survey, move: _Move) -> bool:
    """Rename and write it down; False, and everything as it was, when a place is taken.

    Where that cannot be, or a run that was killed had begun it, the owner waits as it is: nobody else has to.
    """
    ledger, route = world.ledger, found.route
    renamed: _Pairs = []
    before: list[str] = []  # where earlier runs brought something, perhaps
    for source, target in move.pairs:
        if source == target:
            continue
        try:
            _rename(world, route.name, route.folder, source, target, move.row.id)
        except SourceChanged:  # nothing at the source: renamed already, as before a crash, or taken away
            before.append(target)
        except (PlaceTaken, NameHostile, DiskRefused) as error:
            look = world.disk.look_tree(route.folder, [source])
            gone = not look.files and not any(problem.unreadable for problem in look.problems)
            if gone and not ledger.others_below(route.name, target, move.row.id):
                before.append(target)
                continue  # nothing is called so any more, but something whose name differs in case alone may be there
            move.taken, move.why = target, str(error)
            move.refused = error if isinstance(error, DiskRefused) else None
            left = [(done, back) for done, back in reversed(renamed) if not _is_back(world, route.folder, back, done)]
            move.halfway = bool(left or (before and world.disk.look_tree(route.folder, before).files))
            return False
        else:
            renamed.append((source, target))
    inherited = move.row.id != move.heir
    with ledger.write():
        for source, target in move.pairs:
            owners = {move.row.id: move.heir} if inherited else None
            ledger.move_versions(route.name, source, target, world.now(), world.run_id, owners)
        ledger.note_labels(move.heir, move.owner.subject, move.owner.session)
        if inherited:
            ledger.set_troubles(move.row.id, [], world.now())
            ledger.owner_gone(move.row.id, world.now())
    if inherited:
        found.gone = [row for row in found.gone if row.id != move.row.id]
        found.past = [row for row in found.past if row.id != move.row.id]
    if not inherited or any(source != target for source, target in move.pairs):
        world.tally(route.name).add("renamed")
    text = f"o{move.heir} has another label; its folder was renamed"
    world.note(route.name, "entity.renamed", text, owner=move.heir)
    return True


def _is_back(world: TreeWorld, folder: Path, source: str, target: str) -> bool:
    """Move back what was renamed; False when that is refused too."""
    try:
        world.disk.rename(folder, source, target)
    except (PlaceTaken, NameHostile, DiskRefused):
        return False
    except SourceChanged:  # taken away in this moment
        pass
    return True


def _rename(world: TreeWorld, route: str, folder: Path, source: str, target: str, number: int) -> None:
    """Rename; PlaceTaken also where files of another owner are expected, and somebody took them away."""
    if world.ledger.others_below(route, target, number):
        raise PlaceTaken("files of another session, subject or project are expected there")
    world.disk.rename(folder, source, target)


def _bar(world: TreeWorld, found: Survey) -> None:
    """Who is to lie where another still lies waits: files of two sessions in one folder could not be told apart."""
    if not found.due:
        return
    firm = {
        _labels(row): row.id
        for row in world.ledger.owners(found.route.name)
        if row.id not in found.owners or row.id in found.stuck
    }
    for number in found.due:
        owner = found.owners[number]
        if number in found.stuck or number in found.barred:
            continue
        other = firm.get((owner.project, owner.kind.value, owner.subject, owner.session))
        if other is not None and world.ledger.living_of(other):
            text = f"its folder still holds the files of o{other}, which had this label before"
            found.barred[number] = Trouble("", PlaceTaken.code, text, person=True)
            continue
        try:
            found.route.layout.folders(owner)
            found.route.layout.sidecar(owner)
        except HostileName as error:
            text = f"its label cannot be a folder: {error}"
            found.barred[number] = Trouble("", NameHostile.code, text, person=True)


def _may_lie(found: Survey, owner: Owner) -> bool:
    """Return whether an owner's labels can be folders."""
    try:
        found.route.layout.folders(owner)
    except HostileName:
        return False
    return True


def _shown(row: OwnerRow, owner: Owner) -> Owner:
    """The owner where its files lie."""
    return replace(owner, project=row.project, id=row.server_id, subject=row.subject, session=row.session)


def _labels(row: OwnerRow) -> tuple[str, str, str, str]:
    return row.project, row.kind, row.subject, row.session
