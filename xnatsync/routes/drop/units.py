"""One step of a unit: planned → sent → landed → verified."""

from __future__ import annotations

from xnatsync.core.diff3 import BaseNode, BaseState
from xnatsync.core.drop_decision import Again, Build, Commit, Landed, Relabel, Send, Stop, Wait, decide
from xnatsync.core.drop_view import ServerView, Wish
from xnatsync.core.errors import SessionCollision, XnatsyncError
from xnatsync.core.manifest import Kind
from xnatsync.core.phases import UNDER_WAY, UnitPhase
from xnatsync.core.remote import PrearchiveSeen
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.routes.drop.attachments import attach
from xnatsync.routes.drop.effects import build, commit, lease_taken, send
from xnatsync.routes.drop.foreseeing import (
    refuse_taken_names,
    refuse_to_send_twice,
    refuse_what_is_refused,
    refuse_what_is_there,
)
from xnatsync.routes.drop.holds import fail_unit, held_back, is_tried_again, still_held
from xnatsync.routes.drop.observation import observe
from xnatsync.routes.drop.proof import Unattached, prove
from xnatsync.routes.drop.settings import DropRoute, source_tree
from xnatsync.routes.drop.world import World, last_attempt

QUIET_S = 300.0  # so often, at least, the clock is looked at during quiet hours: it may be put forward or back


def step_unit(world: World, unit: UnitRow) -> Result:
    """Bring a unit one step further, with at most one outside effect; never raises an XnatsyncError."""
    held = still_held(unit, world.now())
    if held is not None and not is_tried_again(world, unit):
        return held
    if unit.phase not in UNDER_WAY:
        return Rest()
    if (busy := lease_taken(world, unit)) is not None:
        return busy
    if unit.phase is UnitPhase.PLANNED and (quiet_s := world.quiet_s()) > 0:
        return Due(min(quiet_s, QUIET_S), "quiet hours")
    try:
        route = world.routes[unit.route]
        files = world.ledger.files(unit.item_id, unit_id=unit.id)
        if unit.phase is UnitPhase.LANDED:
            found = prove(world, route, unit, files)
            return attach(world, route, unit, files, found) if isinstance(found, Unattached) else found
        return _deliver(world, route, unit, files)
    except XnatsyncError as error:
        return fail_unit(world, unit, error)


def base_of(world: World, route: DropRoute, unit: UnitRow, view: ServerView) -> dict[str, BaseNode]:
    """The merge base of the session that holds the unit's study, which may have another label than the unit wants."""
    label = next((seen.label for seen in view.sessions if seen.study_uid == unit.study_uid), unit.session)
    return {
        key: BaseNode(key, _STATES[entry.state], entry.source_sha256.hex(), acknowledged=bool(entry.acknowledged))
        for key, entry in world.ledger.entries(unit.route, route.target(unit.server, unit.project, label)).items()
    }


_STATES = {"sent": BaseState.SENT, "verified": BaseState.VERIFIED}


def wish_of(world: World, route: DropRoute, unit: UnitRow) -> Wish:
    """What a unit wants, in the words of the pure core."""
    item = world.ledger.item(unit.item_id)
    return Wish(
        project=unit.project,
        subject=unit.subject,
        session=unit.session,
        study_uid=unit.study_uid,
        destination=route.destination_of(unit),
        collision=route.collision_of(unit),
        exact=route.given is not None,
        where=f"study {unit.study_uid} (in {item.path})",
    )


_EFFECTS: dict[type, str] = {Send: "import", Build: "build", Commit: "commit"}


def _deliver(world: World, route: DropRoute, unit: UnitRow, files: list[FileRow]) -> Result:
    view = observe(world, unit, files)
    source = source_tree(file for file in files if file.kind == Kind.DICOM)  # attachments follow the archiving
    last = last_attempt(world.ledger.attempts(unit.id))
    wish = wish_of(world, route, unit)
    step = decide(wish, unit.phase, unit.sends, last, view, source, base_of(world, route, unit, view), world.now())
    effect = _EFFECTS.get(type(step), "")
    if effect and (held := held_back(world, unit, effect)) is not None:
        return held
    match step:
        case Wait(seconds, why):
            world.progress.unit(unit, why)
            return Due(seconds, why)
        case Stop(error):
            raise error
        case Relabel(session, why):
            theirs = any(seen.study_uid == unit.study_uid and seen.label == session for seen in view.sessions)
            return _relabel(world, route, unit, session, why, new=not theirs)
        case Send(keys):
            refuse_what_is_there(route, unit, view)
            refuse_what_is_refused(world, route, unit, files, view)
            refuse_to_send_twice(world, unit, files, frozenset(keys), view)
            refuse_taken_names(files, frozenset(keys), view)
            return send(world, route, unit, files, frozenset(keys), view)
        case Build(uri):
            return build(world, route, unit, uri)
        case Commit(uri):
            return commit(world, route, unit, uri)
        case Landed(session_id, leftover):
            return _land(world, unit, session_id, leftover, view.row)
        case Again(why):
            return _again(world, unit, why)


def _relabel(world: World, route: DropRoute, unit: UnitRow, session: str, why: str, *, new: bool) -> Result:
    """Take another label; a new number only if no other study of ours took it since the server was looked at."""
    with world.ledger.write():
        if new and session in world.ledger.claimed_sessions(unit.server, unit.project, unit.study_uid):
            return Due()
        world.ledger.relabel_unit(unit.id, session, route.target(unit.server, unit.project, session))
        world.note(unit, "unit.relabelled", f"unit {unit.id} is delivered under another label")
    world.progress.unit(world.ledger.unit(unit.id), f"session {session}: {why}")
    return Due()


def _land(world: World, unit: UnitRow, session_id: str | None, leftover: str, row: PrearchiveSeen | None) -> Result:
    """Note where it landed; a row may be known from the listing alone: an earlier item's, or that of a lost reply.

    Another part of the study may wait for a person because a session of another UID has its label: where a script
    rewrites UIDs, that is the very session in which the study is known to be now.
    """
    with world.ledger.write():
        if (busy := lease_taken(world, unit)) is not None:
            return busy
        if session_id is None and row is not None:
            world.ledger.set_unit(unit.id, prearchive=row.uri)
        world.ledger.move_unit(unit.id, UnitPhase.LANDED, world.now(), session_id=session_id)
        world.note(unit, "unit.landed", f"unit {unit.id}: everything is listed where it belongs")
        for other in world.ledger.held_of_study(unit, SessionCollision.code) if session_id is not None else ():
            world.ledger.release_unit(other.id)
            world.note(other, "unit.again", f"unit {other.id} is looked at again: its study landed with unit {unit.id}")
        if leftover:
            text = f"unit {unit.id}: the archive holds everything, and our upload is still in the prearchive"
            world.note(unit, "prearchive.leftover", text, level="warning")
    world.progress.unit(world.ledger.unit(unit.id), "landed; the proof follows")
    return Due()


def _again(world: World, unit: UnitRow, why: str) -> Result:
    with world.ledger.write():
        world.ledger.move_unit(unit.id, UnitPhase.PLANNED, world.now())
        world.note(unit, "unit.again", f"unit {unit.id} is planned again: {why}", level="warning")
    return Due()
