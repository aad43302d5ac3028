"""The proof: the target is listed once more, fetched back where the level asks for it; only then is there a receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from xnatsync.core.decide import AGAIN_S
from xnatsync.core.errors import (
    Bug,
    Disposition,
    ForeignContent,
    NotThere,
    ObjectsDiffer,
    ReadFailed,
    ServerBusy,
    Stopped,
    Unverifiable,
    XnatsyncError,
)
from xnatsync.core.manifest import Kind, Level, manifest_digest
from xnatsync.core.moment import later, parse
from xnatsync.core.receipt import Findings, Place, Receipt, examine
from xnatsync.core.remote import FileListing
from xnatsync.core.situation import quiet_s
from xnatsync.core.tree import Node, Tree
from xnatsync.core.wording import counted
from xnatsync.dicom.identity import pixel_digest
from xnatsync.engine.failing import LOOK_AGAIN_S
from xnatsync.engine.perform import as_manifest
from xnatsync.engine.world import Due, Result, World, last_attempt
from xnatsync.ledger.rows import FileRow, Outcome, UnitRow
from xnatsync.routes.drop import (
    NO_PIXELS,
    DropRoute,
    attached_key,
    attached_tree,
    is_attached,
    object_key,
    source_tree,
    target_tree,
)


def prove(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow]) -> Result:
    """Examines a landed unit at the route's level; attaches what is still to be attached; concludes with a receipt."""
    source = source_tree(files)
    members = {file.member: file.key for file in files if file.kind == Kind.DICOM}
    seen = _listing(world, unit)
    if seen is None:
        return _back(world, unit, "its session is gone")
    listing, place = seen
    target = target_tree(listing, members)
    attached = _attached(world, route, unit, source)
    todo = [key for key in source if is_attached(key) and key not in attached]
    findings = examine(_objects(source), target, Level.NAMES, place)
    if findings.missing:
        return _back(world, unit, f"no longer listed: {counted(len(findings.missing), 'object')}")
    _refuse(findings, target)
    if todo:
        _refuse_unsure(attached, todo)
        last = last_attempt(world.ledger.attempts(unit.id))
        if last is not None and last.effect == "attach":
            if (rest_s := quiet_s(last, world.now())) > 0:
                return Due(rest_s, "an attachment without an answer may still be stored")
            if last.outcome in {"ok", "refused"} and parse(world.now()) < parse(later(last.began_at, AGAIN_S)):
                raise ServerBusy(f"said to be there and not listed: {counted(len(todo), 'attached file')}")
        return _attach(world, route, unit, files, todo)
    if place == "archive" and route.level.rank >= Level.PIXELS.rank:
        target = _fetched(world, unit, listing, target, members)
    whole = Tree([*target.values(), *attached.values()], complete=target.complete and attached.complete)
    findings = examine(source, whole, route.level if place == "archive" else Level.NAMES, place)
    if findings.missing:
        return _back(world, unit, f"no longer listed: {counted(len(findings.missing), 'object')}")
    _refuse(findings, whole)
    if findings.receipt is None:
        raise Bug("everything agrees and there is no receipt")
    return _conclude(world, unit, files, findings.receipt)


def _listing(world: World, unit: UnitRow) -> tuple[FileListing, Place] | None:
    """Lists where the unit has landed; None when that session is gone (deleted, or archived by a person).

    What waits in the prearchive may be the rest of a study that is archived already: then both together are listed.
    """
    server = world.server(unit.server)
    if unit.session_id is not None:
        try:
            return server.session_files(unit.session_id), "archive"
        except NotThere:
            return None
    if unit.prearchive is None:
        raise Bug(f"unit {unit.id} has landed nowhere")
    try:
        staged = server.prearchive_files(unit.prearchive)
    except NotThere:
        return None
    listings = [staged]
    listings += [server.session_files(one.id) for one in server.sessions(unit.project, study_uid=unit.study_uid)]
    files = tuple(file for listing in listings for file in listing.files)
    return FileListing(files, complete=all(listing.complete for listing in listings)), "prearchive"


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
    """
    ours_perhaps = not any(past.code == ForeignContent.code for past in world.ledger.attempts(unit.id))
    wanted = [file for file in files if file.kind == Kind.OTHER and attached_key(file.member) in set(keys)]
    attempt = world.ledger.open_attempt(
        unit.id, run_id=world.run_id, effect="attach", request_id=world.ids.request_id(), now=world.now(),
        quiet_at=world.in_seconds(route.quiet_s), before=(), keys=keys, detail=counted(len(wanted), "file"),
    )  # fmt: skip
    try:
        _put(world, route, unit, wanted, attempt.request_id)
    except XnatsyncError as error:
        there = isinstance(error, ForeignContent)
        outcome: Outcome = "unknown" if error.disposition is Disposition.LOOK else "refused" if there else "failed"
        world.ledger.close_attempt(
            attempt.id, outcome=outcome, now=world.now(), http=error.http, code=error.code, detail=str(error),
            quiet_at=world.in_seconds(route.quiet_s) if outcome == "unknown" else None,
        )  # fmt: skip
        if there and ours_perhaps:
            return Due(LOOK_AGAIN_S, str(error))
        raise
    world.ledger.close_attempt(attempt.id, outcome="ok", now=world.now())
    return Due()


def _put(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], request_id: str) -> None:
    assert unit.session_id is not None
    item = world.ledger.item(unit.item_id)
    members = {file.path: file.member for file in files}
    source = world.disk.stream(route.source_path(item.place, item.path), [as_manifest(file) for file in files])
    for number, (file, chunks) in enumerate(source):
        world.server(unit.server).put_file(
            unit.session_id,
            route.attach_to,
            members[file.path],
            chunks,
            size=file.size,
            request_id=f"{request_id}.{number}",
        )


# --- fetching back -----------------------------------------------------------------------------------------------


def _fetched(world: World, unit: UnitRow, listing: FileListing, target: Tree, members: dict[str, str]) -> Tree:
    """The target with digests of what it gives back; what it does not give back has no digest, so proves nothing."""
    assert unit.session_id is not None
    keys = {(file.scan, file.resource, file.name): object_key(file, members) for file in listing.files}
    scans = sorted({file.scan for file in listing.files if object_key(file, members) in set(members.values())})
    nodes = dict(target.items())
    fetched: dict[str, dict[str, str]] = {}
    for scan, resource, name, content in world.server(unit.server).fetch_scans(unit.session_id, scans):
        key = keys.get((scan, resource, name))
        node = nodes.get(key) if key is not None else None
        digests, size, sop_uid = _digests(world, unit, content)
        if isinstance(node, Node):
            if sop_uid != node.key:  # another object under this one's name
                digests = dict.fromkeys(digests, f"of object {sop_uid}")
            if node.key in fetched and fetched[node.key] != digests:  # stored twice: which of the two is proven?
                digests = dict.fromkeys(digests, "stored twice, and not the same")
            fetched[node.key] = digests
            nodes[node.key] = Node(node.key, size, 0, digests, node.where)
    return Tree(nodes.values(), complete=target.complete)


def _digests(world: World, unit: UnitRow, content: Iterator[bytes]) -> tuple[dict[str, str], int, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0

    def seen() -> Iterator[bytes]:
        nonlocal size
        for chunk in content:
            if world.stopping():
                raise Stopped("the proof was interrupted by a request to stop")
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            world.progress.fetched(unit.id, len(chunk))
            yield chunk

    stream = seen()
    facts = pixel_digest(stream)
    for _ in stream:  # whatever follows the pixel data belongs to the digests too
        pass
    # A damaged object has no pixel digest either, and must not pass for one that never had pixels.
    pixels = facts.pixels.hex() if facts.pixels is not None else facts.problem or NO_PIXELS
    return {"sha256": sha256.hexdigest(), "md5": md5.hexdigest(), "pixels": pixels}, size, facts.sop_uid


# --- the receipt -------------------------------------------------------------------------------------------------


def _conclude(world: World, unit: UnitRow, files: Sequence[FileRow], receipt: Receipt) -> Result:
    ours = set(world.ledger.entries(unit.route, unit.target))
    strangers = [key for key in receipt.extra if key not in ours]
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
            },
            manifest_digest=manifest_digest((file.path, file.sha256) for file in files),
            expected=receipt.expected,
            held=receipt.held,
            targets=receipt.targets,
            now=now,
            session_id=unit.session_id,
        )
        world.note(
            unit, "unit.verified", f"unit {unit.id}: {receipt.held} of {receipt.expected} proven ({receipt.level})"
        )
        if strangers:
            world.note(
                unit,
                "session.extra",
                f"unit {unit.id}: the session holds {counted(len(strangers), 'object')} not sent from here",
                level="warning",
            )
    world.progress.unit(world.ledger.unit(unit.id), f"verified ({receipt.level})")
    return Due()
