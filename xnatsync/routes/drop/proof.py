"""The proof: the target is listed once more, fetched back where the level asks for it; only then is there a receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from xnatsync.core.drop_decision import AGAIN_S
from xnatsync.core.drop_view import quiet_s
from xnatsync.core.errors import (
    Bug,
    Disposition,
    ForeignContent,
    NotThere,
    ObjectsDiffer,
    ReadFailed,
    ServerBusy,
    Unverifiable,
    XnatsyncError,
)
from xnatsync.core.heads import stripped
from xnatsync.core.manifest import Kind, Level, manifest_digest
from xnatsync.core.moment import later, parse
from xnatsync.core.receipt import Findings, Receipt, compared_counts, compared_words, examine
from xnatsync.core.tree import Node, Tree
from xnatsync.core.wording import counted
from xnatsync.engine.holds import LOOK_AGAIN_S
from xnatsync.engine.observers import tell
from xnatsync.engine.result import Due, Result
from xnatsync.ledger.rows import FileRow, Outcome, UnitRow
from xnatsync.routes.drop.effects import as_manifest
from xnatsync.routes.drop.fetch_back import Seen, deepened
from xnatsync.routes.drop.holds import held_back
from xnatsync.routes.drop.recognition import sessions
from xnatsync.routes.drop.settings import (
    DropRoute,
    attached_key,
    attached_tree,
    is_attached,
    source_tree,
    target_tree,
)
from xnatsync.routes.drop.world import World, last_attempt

UNLISTED = (
    "A store that was cut, perhaps one of ours that a lost ledger knew of, leaves such a part. Have an administrator "
    "refresh the catalogue of that resource (options append and checksum), which lists it. Compare it, move it away "
    "if it is a part of the file here, or another one. The same file is left as it is, and counts as attached."
)


def prove(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow]) -> Result:
    """Examines a landed unit at the route's level; attaches what is still to be attached; concludes with a receipt."""
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
        return _attach_rest(world, route, unit, files, attached, todo)
    level = route.level if seen.place == "archive" else Level.NAMES
    source, target = deepened(world, route, unit, files, source, target, seen, level)
    whole = Tree([*target.values(), *attached.values()], complete=target.complete and attached.complete)
    findings = examine(source, whole, level, seen.place)
    if findings.missing:
        return _back(world, unit, f"no longer listed: {counted(len(findings.missing), 'object')}")
    _refuse_others(source, findings, announced=set(world.ledger.entries(unit.route, unit.target)))
    _refuse(findings, whole)
    if findings.receipt is None:
        raise Bug("everything agrees and there is no receipt")
    return _conclude(world, unit, files, findings.receipt, stripped(source, whole))


def _look(world: World, unit: UnitRow, members: Mapping[str, str]) -> Seen | None:
    """Lists where the unit has landed; None when that session is gone (deleted, or archived by a person).

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
        world.ledger.move_unit(unit.id, "planned", world.now())
        world.note(
            unit,
            "unit.again",
            f"unit {unit.id} is planned anew: {why}",
            level="warning",
        )
    return Due()


# --- attached files ----------------------------------------------------------------------------------------------


def _attach_rest(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], attached: Tree, todo: Sequence[str]
) -> Result:
    _refuse_unsure(attached, todo)
    last = last_attempt(world.ledger.attempts(unit.id))
    if last is not None and last.effect == "attach":
        if (rest_s := quiet_s(last, world.now())) > 0:
            return Due(rest_s, "an attachment without an answer may still be stored")
        if last.outcome in {"ok", "refused"} and parse(world.now()) < parse(later(last.began_at, AGAIN_S)):
            raise ServerBusy(f"said to be there and not listed: {counted(len(todo), 'attached file')}")
    if (held := held_back(world, unit, "attach")) is not None:
        return held
    return _attach(world, route, unit, files, todo)


def _refuse_unsure(attached: Tree, todo: Sequence[str]) -> None:
    """What an incomplete listing does not show may be stored: sent again, it would be taken for somebody else's."""
    if not attached.complete:
        raise ReadFailed(f"could not be listed: {counted(len(todo), 'attached file')}; nothing is concluded")


def _attached(world: World, route: DropRoute, unit: UnitRow, source: Tree) -> Tree:
    if unit.session_id is None or not any(is_attached(key) for key in source):
        return Tree(complete=True)
    listed = attached_tree(world.server(unit.server).resource_files(unit.session_id, route.attach_to))
    return Tree((node for key, node in listed.items() if key in source), complete=listed.complete)


def _attach(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], keys: Sequence[str]) -> Result:
    """Stores files beside the session, one after the other, never over one that is there.

    The first that is said to be there already may be ours, sent twice by something on the way: the next look tells.
    One that is said to be there, is in no catalogue, and was being stored when an answer failed to come, is the part
    that our own store left (hierarchy.md §6.1): that one alone is stored over it.  The item may have changed since,
    and another unit been planned for it: what the unit before announced stays announced by that one.
    """
    past = [attempt for attempt in world.ledger.attempts(unit.id) if attempt.effect == "attach"]
    since = list(takewhile(lambda attempt: attempt.outcome in {"failed", "refused"}, reversed(past)))
    refused = any(attempt.code == ForeignContent.code for attempt in since)
    our_part = refused and len(since) < len(past) and past[-len(since) - 1].outcome == "unknown"
    wanted = [file for file in files if file.kind == Kind.OTHER and attached_key(file.member) in set(keys)]
    inherited = world.ledger.left_in_part(unit)
    if refused and len(since) == len(past) and attached_key(wanted[0].member) in inherited:
        if (until := world.ledger.unsure_until(unit)) is not None and parse(world.now()) < parse(until):
            rest_s = (parse(until) - parse(world.now())).total_seconds()
            return Due(rest_s, "an attachment without an answer may still be stored")
        our_part = True
    attempt = world.ledger.open_attempt(
        unit.id, run_id=world.run_id, effect="attach", request_id=world.ids.request_id(), now=world.now(),
        quiet_at=world.in_seconds(route.quiet_s), before=(), keys=[key for key in keys if key not in inherited],
        detail=counted(len(wanted), "file"),
    )  # fmt: skip
    try:
        _put(world, route, unit, wanted, attempt.request_id, over_part=our_part)
    except XnatsyncError as error:
        there = isinstance(error, ForeignContent)
        outcome: Outcome = "unknown" if error.disposition is Disposition.LOOK else "refused" if there else "failed"
        world.ledger.close_attempt(
            attempt.id, outcome=outcome, now=world.now(), http=error.http, code=error.code, detail=str(error),
            quiet_at=world.in_seconds(route.quiet_s) if outcome == "unknown" else None,
            retry_after_s=error.retry_after_s,
        )  # fmt: skip
        error.effect = "attach"
        if there and not refused:
            return Due(LOOK_AGAIN_S, str(error))
        if there:
            raise _unlisted(error) from error
        raise
    world.ledger.close_attempt(attempt.id, outcome="ok", now=world.now())
    if world.writes.went(unit.server):
        tell(world.ledger.unpause, f"writes to {unit.server}")
    return Due()


def _unlisted(error: XnatsyncError) -> ForeignContent:
    """Say what fits a file that is there and in no catalogue, and that nobody here knows to be ours."""
    found = ForeignContent(f"{error}, and in no catalogue", http=error.http, advice=UNLISTED)
    found.effect = "attach"
    return found


def _put(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], request_id: str, *, over_part: bool
) -> None:
    """Stores files in their order; the first is the one at which the attempt before ended."""
    assert unit.session_id is not None
    item = world.ledger.item(unit.item_id)
    members = {file.path: file.member for file in files}
    source = world.disk.stream(route.source(item), [as_manifest(file) for file in files])
    for number, (file, chunks) in enumerate(source):
        world.server(unit.server).put_file(
            unit.session_id,
            route.attach_to,
            members[file.path],
            chunks,
            size=file.size,
            overwrite=over_part and number == 0,
            request_id=f"{request_id}.{number}",
        )


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
