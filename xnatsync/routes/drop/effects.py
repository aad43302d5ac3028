"""The outside effects of a unit on its server, by which its session comes into being; attachments come after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from xnatsync.core.drop_view import ServerView
from xnatsync.core.errors import (
    Disposition,
    PrearchiveStuck,
    RequestRefused,
    XnatsyncError,
)
from xnatsync.core.hold import still_waits_s
from xnatsync.core.manifest import Kind
from xnatsync.core.moment import seconds_between
from xnatsync.core.phases import UnitPhase
from xnatsync.core.remote import ImportTarget
from xnatsync.core.wording import counted
from xnatsync.engine.attempts import Attempt, OnUnit
from xnatsync.engine.holds import LOOK_AGAIN_S
from xnatsync.engine.observers import tell
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.rows import AttemptRow, FileRow, UnitRow
from xnatsync.routes.drop.gradual import send_one_by_one
from xnatsync.routes.drop.members import members_of, note_destination
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World
from xnatsync.xnat.tarstream import tar_size
from xnatsync.xnat.zipstream import zip_size


def send(
    world: World, route: DropRoute, unit: UnitRow, files: Sequence[FileRow], keys: frozenset[str], view: ServerView
) -> Result:
    """Upload objects, one streamed zip for each series; the first alone, because it creates the prearchive row."""
    wanted = [file for file in files if file.kind == Kind.DICOM and file.key in keys]
    effect = OnUnit(
        "import",
        unit.id,
        counted(len(wanted), "object"),
        tuple(sorted(row.uri for row in view.strangers)),
        [file.key for file in wanted],
    )

    def act(attempt: AttemptRow) -> list[XnatsyncError]:
        world.progress.unit(world.ledger.unit(unit.id), f"sending {counted(len(wanted), 'object')}")
        if route.given is not None and route.given.transport == "gradual":
            return send_one_by_one(world, route, unit, attempt, wanted)
        return _send_all(world, route, unit, attempt, _by_series(wanted))

    return carry_out(world, route, unit, effect, act, unless=lambda: lease_taken(world, unit))


def _send_all(
    world: World, route: DropRoute, unit: UnitRow, attempt: AttemptRow, series: Sequence[Sequence[FileRow]]
) -> list[XnatsyncError]:
    failures: list[XnatsyncError] = []
    _send_series(world, route, unit, attempt, 0, series[0], failures)
    if not failures and len(series) > 1:
        with ThreadPoolExecutor(max_workers=max(1, route.streams), thread_name_prefix="send") as pool:
            parts = [
                pool.submit(_send_series, world, route, unit, attempt, number, part, failures)
                for number, part in enumerate(series[1:], start=1)
            ]
        for part_sent in parts:
            part_sent.result()  # a mistake of ours in a thread must not pass for a success
    return failures


def carry_out(
    world: World, route: DropRoute, unit: UnitRow, effect: OnUnit, act: Callable[[AttemptRow], Sequence[XnatsyncError]],
    unless: Callable[[], Result | None] = lambda: None,
) -> Result:  # fmt: skip
    """Announce an effect, do it and record it; a write that went ends the wait of all writes to its server."""
    if (instead := Attempt(world, effect, route.quiet_s).carry_out(act, unless)) is not None:
        return instead
    if world.writes.went(unit.server):
        tell(world.ledger.unpause, f"writes to {unit.server}")
    return Due()


def lease_taken(world: World, unit: UnitRow) -> Due | Rest | None:
    """Say when to ask again, if another unit writes to this target; decided for good only inside the transaction.

    Behind a writer that itself waits for a person, or is of a route that does not run now, nothing is asked again.
    """
    writer = world.ledger.writer_of(unit.target)
    if writer is not None and writer.id == unit.id:
        return None
    if writer is None:
        return _former_upload(world, unit)
    if writer.hold == "person" or writer.route not in world.routes:
        world.progress.unit(unit, f"waits for unit {writer.id}, which writes to this session")
        return Rest()
    wait_s = still_waits_s(writer, world.now())  # nothing happens there before, and a day may pass
    return Due(max(wait_s, LOOK_AGAIN_S), f"unit {writer.id} writes to this session")


def _former_upload(world: World, unit: UnitRow) -> Due | None:
    """An upload without an answer outlives the unit it was made for: what was planned anew waits for it as well.

    One of which the answer is only on its way, for another item of the study, is asked about again soon.
    """
    until = world.ledger.unsure_until(unit) if unit.phase is UnitPhase.PLANNED else None
    wait_s = seconds_between(world.now(), until) if until is not None else 0.0
    if wait_s > LOOK_AGAIN_S and world.ledger.is_sending_beside(unit):
        return Due(LOOK_AGAIN_S, "another item of this study is being sent")
    return Due(wait_s, "an upload without an answer may still arrive") if wait_s > 0 else None


def _by_series(files: Sequence[FileRow]) -> list[list[FileRow]]:
    """Return the smallest series first, because nothing goes beside it, then the others from the largest on."""
    series: dict[str, list[FileRow]] = {}
    for file in files:
        series.setdefault(file.series_uid, []).append(file)
    falling = sorted(series.values(), key=lambda part: sum(file.size for file in part), reverse=True)
    return falling[-1:] + falling[:-1]


def _send_series(
    world: World, route: DropRoute, unit: UnitRow, attempt: AttemptRow, number: int, files: Sequence[FileRow],
    failures: list[XnatsyncError],
) -> None:  # fmt: skip
    """Send one series; what goes wrong is noted in `failures`, and nothing further is sent then."""
    if failures:
        return
    try:
        tar = route.given is not None and route.given.transport == "tar"
        sizes = [(file.member, file.size) for file in files]
        reply = (world.server(unit.server).import_tar if tar else world.server(unit.server).import_zip)(
            ImportTarget(unit.project, unit.subject, unit.session),
            members_of(world, route, unit, files),
            size=tar_size(sizes) if tar else zip_size(sizes),
            request_id=f"{attempt.request_id}.{number}",
        )
        note_destination(world, unit, reply)
        world.acknowledge(unit, [file.key for file in files])
    except XnatsyncError as error:
        failures.append(error)


def build(world: World, route: DropRoute, unit: UnitRow, uri: str) -> Result:
    """Let the server build our row."""

    def act(attempt: AttemptRow) -> list[XnatsyncError]:
        world.progress.unit(world.ledger.unit(unit.id), "building")
        world.server(unit.server).build(uri, request_id=attempt.request_id)
        return []

    return carry_out(world, route, unit, OnUnit("build", unit.id, uri), act, unless=lambda: lease_taken(world, unit))


def commit(world: World, route: DropRoute, unit: UnitRow, uri: str) -> Result:
    """Archive our row, which was proven complete a moment ago.

    The first refusal is not the unit's end: mostly the row says why, and the next look reads it there.  Where it says
    nothing, the refusal stands: the same request is not made again before a person asks for it.
    """
    if (refusal := _standing_refusal(world, unit)) is not None:
        raise refusal

    def act(attempt: AttemptRow) -> list[XnatsyncError]:
        world.progress.unit(world.ledger.unit(unit.id), "archiving")
        archived = world.server(unit.server).commit(uri, request_id=attempt.request_id)
        if not archived:
            raise PrearchiveStuck(f"the server was asked to archive {uri} and left it where it is")
        world.ledger.note_archived(attempt.id, archived)
        return []

    effect = OnUnit("commit", unit.id, uri)
    try:
        return carry_out(world, route, unit, effect, act, unless=lambda: lease_taken(world, unit))
    except XnatsyncError as error:
        if error.disposition is not Disposition.REFUSED or unit.tries:
            raise
        world.ledger.count_try(unit.id)  # a row that shows no conflict afterwards would be asked for ever
        return _after_refusal(world, unit, error)


def _standing_refusal(world: World, unit: UnitRow) -> XnatsyncError | None:
    """Return the refusal with which the last request ended; None where nobody refused, or a person said `retry`."""
    last = next(reversed(world.ledger.attempts(unit.id)), None)
    if not unit.tries or last is None or (last.effect, last.outcome) != ("commit", "refused"):
        return None
    refusal = RequestRefused(last.detail or "the server refused to archive it", http=last.http)
    refusal.effect = "commit"
    return refusal


def _after_refusal(world: World, unit: UnitRow, error: XnatsyncError) -> Result:
    """Look at the row at once: CONFLICT and ERROR are explained there."""
    world.progress.unit(world.ledger.unit(unit.id), str(error))
    return Due(LOOK_AGAIN_S, str(error))
