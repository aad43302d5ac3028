"""Files that are stored beside a landed session: the last effect of a unit, before its proof is concluded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from xnatsync.core.drop_decision import AGAIN_S
from xnatsync.core.drop_view import quiet_s
from xnatsync.core.errors import ForeignContent, ReadFailed, ServerBusy, XnatsyncError
from xnatsync.core.manifest import Kind
from xnatsync.core.moment import seconds_between
from xnatsync.core.wording import counted
from xnatsync.engine.attempts import OnUnit
from xnatsync.engine.holds import LOOK_AGAIN_S
from xnatsync.engine.result import Due, Result
from xnatsync.ledger.rows import AttemptRow, FileRow, UnitRow
from xnatsync.routes.drop.effects import carry_out
from xnatsync.routes.drop.holds import held_back
from xnatsync.routes.drop.members import as_manifest
from xnatsync.routes.drop.proof import Unattached
from xnatsync.routes.drop.settings import DropRoute, attached_key
from xnatsync.routes.drop.world import World, last_attempt

UNLISTED = (
    "A store that was cut, perhaps one of ours that a lost ledger knew of, leaves such a part. Have an administrator "
    "refresh the catalogue of that resource (options append and checksum), which lists it. Compare it, move it away "
    "if it is a part of the file here, or another one. The same file is left as it is, and counts as attached."
)


def attach(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], rest: Unattached) -> Result:
    """Store what is still to be attached, unless what was stored before may still show itself."""
    if not rest.listed.complete:  # what it does not show may be stored: sent again, it would be taken for another's
        raise ReadFailed(f"could not be listed: {counted(len(rest.keys), 'attached file')}; nothing is concluded")
    attempts = world.ledger.attempts(unit.id)
    last = last_attempt(attempts)
    if last is not None and last.effect == "attach":
        if (rest_s := quiet_s(last, world.now())) > 0:
            return Due(rest_s, "an attachment without an answer may still be stored")
        if _is_said_to_be_there(attempts[-1]) and seconds_between(last.began_at, world.now()) < AGAIN_S:
            raise ServerBusy(f"said to be there and not listed: {counted(len(rest.keys), 'attached file')}")
    if (held := held_back(world, unit, "attach")) is not None:
        return held
    return _attach(world, route, unit, files, rest.keys)


def _is_said_to_be_there(attempt: AttemptRow) -> bool:
    return attempt.outcome == "ok" or attempt.code == ForeignContent.code


def _attach(world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], keys: Sequence[str]) -> Result:
    """Store files beside the session, one after the other, never over one that is there.

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
        until = world.ledger.unsure_until(unit)
        if until is not None and (rest_s := seconds_between(world.now(), until)) > 0:
            return Due(rest_s, "an attachment without an answer may still be stored")
        our_part = True
    effect = OnUnit("attach", unit.id, counted(len(wanted), "file"), keys=[key for key in keys if key not in inherited])

    def act(attempt: AttemptRow) -> list[XnatsyncError]:
        _put(world, route, unit, wanted, attempt.request_id, over_part=our_part)
        return []

    try:
        return carry_out(world, route, unit, effect, act)
    except ForeignContent as error:
        if refused:
            raise _unlisted(error) from error
        return Due(LOOK_AGAIN_S, str(error))


def _unlisted(error: XnatsyncError) -> ForeignContent:
    """Say what fits a file that is there and in no catalogue, and that nobody here knows to be ours."""
    found = ForeignContent(f"{error}, and in no catalogue", http=error.http, advice=UNLISTED)
    found.effect = "attach"
    return found


def _put(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], request_id: str, *, over_part: bool
) -> None:
    """Store files in their order; the first is the one at which the attempt before ended."""
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
