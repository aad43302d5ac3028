"""The proof: the target is listed once more, fetched back where the level asks for it; only then is there a receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xnatsync.core.compare import NO_PIXELS
from xnatsync.core.errors import (
    Bug,
    ForeignContent,
    NotThere,
    ObjectsDiffer,
    ReadFailed,
    Unverifiable,
)
from xnatsync.core.heads import stripped
from xnatsync.core.manifest import Kind, Level, manifest_digest
from xnatsync.core.phases import UnitPhase
from xnatsync.core.receipt import Findings, Receipt, compared_counts, compared_words, examine
from xnatsync.core.tree import Node, Problem, Tree
from xnatsync.core.wording import counted
from xnatsync.engine.result import Due, Result
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.routes.drop.fetch_back import Seen, deepened
from xnatsync.routes.drop.recognition import sessions
from xnatsync.routes.drop.settings import (
    DropRoute,
    attached_tree,
    is_attached,
    source_tree,
    target_tree,
)
from xnatsync.routes.drop.world import World


@dataclass(frozen=True, slots=True)
class Unattached:
    """Files are still to be stored beside the session; nothing is concluded before they are."""

    keys: tuple[str, ...]
    listed: Tree  # what is attached already


def prove(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow]) -> Result | Unattached:
    """Examine a landed unit at the route's level and conclude with a receipt, or say what is still to be attached."""
    source = source_tree(files)
    members = {file.member: file.key for file in files if file.kind == Kind.DICOM}
    seen = _look(world, unit, members)
    if seen is None:
        return _back(world, unit, "its session is gone")
    target = target_tree(seen.listing, members)
    attached = _attached(world, route, unit, source)
    todo = [key for key in source if is_attached(key) and key not in attached]
    findings = examine(_objects(source), target, Level.NAMES, seen.place)
    if findings.missing:
        return _back(world, unit, f"no longer listed: {counted(len(findings.missing), 'object')}")
    _refuse(findings, target)
    if todo:
        return Unattached(tuple(todo), attached)
    level = route.level if seen.place == "archive" else Level.NAMES
    source, target = deepened(world, route, unit, files, source, target, seen, level)
    whole = Tree([*target.values(), *attached.values()], complete=target.complete and attached.complete)
    findings = examine(source, whole, level, seen.place)
    if findings.missing:
        return _back(world, unit, f"no longer listed: {counted(len(findings.missing), 'object')}")
    _refuse_others(source, findings, announced=set(world.ledger.entries(unit.route, unit.target)))
    if level is Level.BYTES and unit.sends:  # what was there before may have been corrected by a person since
        _refuse_rewritten(source, whole, findings)
    _refuse(findings, whole)
    if findings.receipt is None:
        raise Bug("everything agrees and there is no receipt")
    return _conclude(world, unit, files, findings.receipt, stripped(source, whole))


def _look(world: World, unit: UnitRow, members: Mapping[str, str]) -> Seen | None:
    """List where the unit has landed; None when that session is gone (deleted, or archived by a person).

    What waits in the prearchive may be the rest of a study that is archived already: then both together are listed.
    """
    server = world.server(unit.server)
    if unit.session_id is not None:
        try:
            return Seen("archive", ((unit.session_id, server.session_files(unit.session_id)),))
        except NotThere:
            return None
    if unit.prearchive is None:
        raise Bug(f"unit {unit.id} has landed nowhere")
    try:
        staged = server.prearchive_files(unit.prearchive)
    except NotThere:
        return None
    known = [one for one in sessions(world, unit, members) if one.study_uid == unit.study_uid]
    return Seen("prearchive", tuple((one.id, server.session_files(one.id)) for one in known), staged)


def _objects(source: Tree) -> Tree:
    return Tree((node for key, node in source.items() if not is_attached(key)), complete=source.complete)


def _refuse_rewritten(source: Tree, target: Tree, findings: Findings) -> None:
    """Say what is wrong where no object is the same to the byte, and each came back with what it shows or says.

    No server has damaged them all alike: this one rewrites heads, and nothing makes the bytes the same.  One odd object
    among others is another matter.
    """
    if len(findings.differs) == len(_objects(source)) and all(
        _shows_the_same(source.get(key), target.get(key)) for key in findings.differs
    ):
        raise Unverifiable(
            f"{counted(len(findings.differs), 'object')} came back with other bytes, and with the pixel data or the "
            "content that was sent: this server rewrites heads, so `bytes` cannot be proven here"
        )


def _shows_the_same(ours: Node | Problem | None, theirs: Node | Problem | None) -> bool:
    if not isinstance(ours, Node) or not isinstance(theirs, Node):
        return False
    same = [ours.digests.get(what, "") == theirs.digests.get(what) for what in ("pixels", "content")]
    return same[0] and (same[1] or ours.digests["pixels"] != NO_PIXELS)


def _refuse(findings: Findings, target: Tree) -> None:
    if findings.differs:
        raise ObjectsDiffer(
            f"not what was sent: {counted(len(findings.differs), 'object')} on the server, "
            f"the first is {findings.differs[0]}"
        )
    if findings.unproven and not target.complete:
        raise ReadFailed(f"could not be listed: {counted(len(findings.unproven), 'object')}; nothing is concluded")
    if findings.unproven:
        raise Unverifiable(
            f"not to be proven at this level: {counted(len(findings.unproven), 'object')}, "
            f"the first is {findings.unproven[0]}"
        )


def _refuse_others(source: Tree, findings: Findings, announced: set[str]) -> None:
    """What lies there under our keys and was never sent from here is others' until all of it is ours.

    What was sent and never acknowledged may be our own, damaged on its way: nobody is blamed for that.
    """
    others = [
        key
        for key in findings.differs
        if isinstance(node := source[key], Node) and node.unacknowledged and key not in announced
    ]
    if others:
        raise ForeignContent(
            f"another version is on the server of {counted(len(others), 'object')}, the first is {others[0]}: "
            "it was not stored by an upload from here, and is not what was dropped"
        )


def _back(world: World, unit: UnitRow, why: str) -> Result:
    with world.ledger.write():
        world.ledger.move_unit(unit.id, UnitPhase.PLANNED, world.now())
        world.note(
            unit,
            "unit.again",
            f"unit {unit.id} is planned again: {why}",
            level="warning",
        )
    return Due()


def _attached(world: World, route: DropRoute, unit: UnitRow, source: Tree) -> Tree:
    if unit.session_id is None or not any(is_attached(key) for key in source):
        return Tree(complete=True)
    listed = attached_tree(world.server(unit.server).resource_files(unit.session_id, route.attach_to))
    return Tree((node for key, node in listed.items() if key in source), complete=listed.complete)


# --- the receipt -------------------------------------------------------------------------------------------------


def _conclude(
    world: World, unit: UnitRow, files: Sequence[FileRow], receipt: Receipt, only_stripped: frozenset[str]
) -> Result:
    ours = set(world.ledger.entries(unit.route, unit.target))
    strangers = [key for key in receipt.extra if key not in ours]
    words = compared_words(compared_counts(receipt.compared))
    now = world.now()
    with world.ledger.write():
        world.ledger.conclude(
            unit.id,
            level=receipt.level.value,
            place=receipt.place,
            evidence={
                "listed": "again after archiving",
                "extra": len(strangers),
                "extra_first": strangers[:5],
                "left_out": world.ledger.left_out(unit.item_id),
                "compared": {by.value: many for by, many in compared_counts(receipt.compared).items()},
                "odd": len(world.ledger.delivered_odd(unit.item_id, unit.id)),
            },
            manifest_digest=manifest_digest((file.path, file.sha256) for file in files),
            expected=receipt.expected,
            held=receipt.held,
            targets=receipt.targets,
            compared=receipt.compared,
            stripped=only_stripped,
            now=now,
            session_id=unit.session_id,
        )
        world.note(unit, "unit.verified", f"unit {unit.id}: {receipt.held} of {receipt.expected} proven ({words})")
        if strangers:
            world.note(
                unit,
                "session.extra",
                f"unit {unit.id}: the session holds {counted(len(strangers), 'object')} not sent from here",
                level="warning",
            )
    world.progress.unit(world.ledger.unit(unit.id), f"verified ({words})")
    return Due()
