"""One step of an item: seen → settled → verified → done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from xnatsync.core.accounting import accounted, examined
from xnatsync.core.completeness import Count, Go
from xnatsync.core.drop_selection import Chosen, choose
from xnatsync.core.errors import NotComplete, SourceChanged, SourceGone, SourceUnreadable, XnatsyncError
from xnatsync.core.group import Study
from xnatsync.core.hold import Hold
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
from xnatsync.core.moment import parse
from xnatsync.core.otherwise import otherwise
from xnatsync.core.phases import PROVEN, ItemPhase
from xnatsync.core.wording import counted, left_out_words
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.rows import FileRow, ItemRow, NewFile, NewUnit, UnitRow
from xnatsync.ports.drop import ItemLook, ProblemSeen
from xnatsync.routes.drop.filing import file_away, is_back
from xnatsync.routes.drop.holds import fail_item, is_tried_again, still_held
from xnatsync.routes.drop.loose import hand_over
from xnatsync.routes.drop.patients import guard, note_patients
from xnatsync.routes.drop.release import unsure_s
from xnatsync.routes.drop.ruled import surroundings
from xnatsync.routes.drop.settings import DropRoute, attached_names, member_names
from xnatsync.routes.drop.source import look_at_source, print_of, read_source
from xnatsync.routes.drop.twins import twins
from xnatsync.routes.drop.unaccounted import are_accepted, refusal, refuse_all, rules_of
from xnatsync.routes.drop.usual import note_kinds
from xnatsync.routes.drop.waiting import blocked_now, judge
from xnatsync.routes.drop.world import World

NO_DIGEST = bytes(32)
REREAD_MAX = 5  # a disk that gives other bytes each time is a matter for a person


def step_item(world: World, item: ItemRow) -> Result:
    """Bring an item one step further, with at most one outside effect; never raises an XnatsyncError."""
    route = world.routes[item.route]
    try:
        held = still_held(item, world.now())
        if held is not None and is_tried_again(world, item):
            world.ledger.release_item(item.id)
        elif held is not None:
            if not _changed_meanwhile(world, route, item):
                return held
            world.ledger.release_item(item.id)
            item = world.ledger.item(item.id)
        match item.phase:
            case ItemPhase.SEEN:
                return _seen(world, route, item)
            case ItemPhase.SETTLED | ItemPhase.LEFT:
                return _settled(world, route, item)
            case ItemPhase.VERIFIED:
                return file_away(world, route, item)
            case _:
                return Rest()
    except XnatsyncError as error:
        return fail_item(world, item, error)


def _changed_meanwhile(world: World, route: DropRoute, item: ItemRow) -> bool:
    """Whatever an item is held for, another content is another matter; so is one taken away unsent, or put back."""
    if item.phase is ItemPhase.VERIFIED:
        return item.code == SourceGone.code and is_back(world, route, item)
    if item.phase not in {ItemPhase.SEEN, ItemPhase.SETTLED}:
        return False
    if item.code == NotComplete.code and not route.patience.marks:
        return True
    try:
        look = look_at_source(world, route, item)
    except SourceGone:  # still: nothing changed about that
        return False
    if look is None:
        return item.phase is ItemPhase.SEEN or not any(
            world.ledger.attempts(unit.id) for unit in world.ledger.units(item_id=item.id)
        )
    if item.code == NotComplete.code and not blocked_now(world, route, item, look):
        return True
    put_back = item.code == SourceGone.code or (item.phase is ItemPhase.SETTLED and item.code == SourceUnreadable.code)
    if put_back and not any(problem.unreadable for problem in look.problems):
        return True
    return print_of(look) != item.fingerprint


def _seen(world: World, route: DropRoute, item: ItemRow) -> Result:
    look = _look(world, route, item)
    if look is None:
        world.ledger.forget_item(item.id)
        return Rest()
    if (changed := _touch(world, route, item, look)) is not None:
        return changed
    found = judge(world, route, item, look)
    if isinstance(found, Due):
        return found
    if _is_single(item, look) and (study := hand_over(world, route, item, look.files[0])) is not None:
        return Rest(wakes=(("item", study),))
    files = read_source(
        world, route, item, look, lambda count, size_bytes: world.progress.read("item", item.id, count, size_bytes)
    )
    after = _look(world, route, item)
    if after is None or (changed := _touch(world, route, item, after)) is not None:
        return Due(route.settle_s, "it changed while it was read")
    if isinstance(found, Count):
        found = judge(world, route, item, after, files)
        if isinstance(found, Due):
            return found
    _write_manifest(world, route, item, files, look.problems)
    if isinstance(found, Go) and found.note:
        world.note(item, "item.short", f"item {item.id} was waited for in vain: {found.note}", level="warning")
    return Due()


def _is_single(item: ItemRow, look: ItemLook) -> bool:
    """Return whether an item is a plain file at the top of the drop folder, which may be a part of a study there."""
    return (
        item.place == "drop"
        and not item.flat
        and [file.path for file in look.files] == [item.path]
        and not look.problems
    )


def _look(world: World, route: DropRoute, item: ItemRow) -> ItemLook | None:
    look = look_at_source(world, route, item)
    if look is not None and (unreadable := [problem for problem in look.problems if problem.unreadable]):
        raise SourceUnreadable(f"{unreadable[0].path}: {unreadable[0].reason}")
    return look


def _touch(world: World, route: DropRoute, item: ItemRow, look: ItemLook) -> Result | None:
    seen = print_of(look)
    set_back = item.steady_at > world.now()  # the clock was: the wait begins anew, or it would last until then
    if seen == item.fingerprint and not set_back:
        return None
    size_bytes = sum(file.size for file in look.files)
    world.ledger.touch_item(item.id, seen, len(look.files), size_bytes, world.now())
    return Due(route.settle_s, "it still changes")


def _write_manifest(
    world: World, route: DropRoute, item: ItemRow, files: Sequence[ManifestFile], problems: Sequence[ProblemSeen]
) -> None:
    """Freeze the manifest and plan the units, in one transaction."""
    dropped = min(parse(item.seen_at), world.clock.now())  # later than now: by a clock that was ahead
    wanted = route.wanted.on(dropped.date())
    rules = rules_of(world, route, item)
    around = surroundings(world, route, item)
    attaching = route.other == "attach"
    chosen = choose(examined(files, rules), route.routing, route.collision, wanted, attaching=attaching, around=around)
    never_read = accounted([_never_read(problem) for problem in problems], (), rules)
    chosen = replace(chosen, files=(*accounted(chosen.files, chosen.attached.keys(), rules), *never_read))
    studies = chosen.studies
    refuse_all(route, chosen.files, studies)
    patients = guard(world, route, item, studies)
    rows = _rows(world, route, item, chosen)
    now = world.now()
    with world.ledger.write():
        if not studies and not any(file.kind is Kind.BROKEN for file in chosen.files):
            _leave(world, route, item, rows, now)
        else:
            planned = [_new_unit(route, study) for study in studies]
            written = world.ledger.settle_item(item.id, rows, [*planned, *twins(route, studies, planned)], now)
            units = written[: len(studies)]
            note_patients(world, units, patients)
            note_kinds(world, route, units, files)
            for unit, study in zip(units, studies, strict=True):
                if (error := study.error) is not None:
                    world.ledger.hold_unit(unit.id, Hold.for_person(error))
                    world.progress.failed(error.code, f"unit {unit.id}")
            found = f"{counted(len(rows), 'file')}, {counted(len(studies), 'study')}"
            if len(written) > len(studies):
                found += f", {counted(len(written), 'delivery')}"
            _tell_otherwise(world, route, item, files)
            world.note(item, "item.settled", f"item {item.id} settled: {found}{left_out_words(_left_out(rows), ', ')}")
    world.progress.item(world.ledger.item(item.id), "settled")


def _tell_otherwise(world: World, route: DropRoute, item: ItemRow, files: Sequence[ManifestFile]) -> None:
    """Note where headers say something else than the command did: its labels are used all the same."""
    if route.given is None or route.routing.project is None:
        return
    for one in otherwise(files, route.given, route.routing.project):
        data = {"field": one.field, "objects": one.objects, "words": one.text}
        world.note(item, "labels.otherwise", f"item {item.id}: {one.text}", level="warning", data=data)


def _leave(world: World, route: DropRoute, item: ItemRow, rows: Sequence[NewFile], now: str) -> None:
    """Nothing in it is to be delivered: that the route's own settings say so is no warning."""
    left_out = _left_out(rows)
    reason = "it is empty" if not rows else "nothing in it is a DICOM object"
    if left_out:
        reason = f"the route's selection takes nothing of it{left_out_words(left_out, ': ')}"
    world.ledger.leave_item(item.id, rows, reason, now)
    level = "info" if left_out or route.other == "ignore" else "warning"
    world.note(item, "item.left", f"item {item.id} stays where it is: {reason}", level=level)


def _left_out(rows: Sequence[NewFile]) -> dict[str, int]:
    return dict(sorted(Counter(row.left_by for row in rows if row.left_by).items()))


def _new_unit(route: DropRoute, study: Study) -> NewUnit:
    rule = study.ruling.rule
    target = (
        route.target(route.server, study.project, study.session)
        if study.session
        else f"{route.server}//{study.study_uid}"
    )
    return NewUnit(
        server=route.server,
        project=study.project,
        subject=study.subject,
        session=study.session,
        study_uid=study.study_uid,
        target=target,
        files=len(study.files),
        bytes=sum(file.size for file in study.files),
        ruled=study.ruling.called,
        destination=rule.destination if rule is not None else None,
        collision=rule.collision if rule is not None else None,
    )


def _taken(world: World, route: DropRoute, item: ItemRow, study: Study) -> dict[str, str]:
    """Return the names that objects of the study have in its session already, as far as they were sent from here."""
    return world.ledger.names_of(route.server, study.project, study.study_uid, but=item.id)


def _rows(world: World, route: DropRoute, item: ItemRow, chosen: Chosen) -> list[NewFile]:
    index = {study.study_uid: number for number, study in enumerate(chosen.studies)}
    members: dict[str, str] = {}
    for study in chosen.studies:
        taken = _taken(world, route, item, study) if route.member_names == "original" else {}
        members |= member_names(study.files, route.member_names, taken)
    owners = dict(chosen.attached)
    members |= {path: f"{item.id}/{name}" for path, name in attached_names(owners).items()}
    owners |= {
        file.path: file.identity.study_uid
        for file in chosen.files
        if file.identity is not None and file.kind in {Kind.DICOM, Kind.DUPLICATE}
    }
    return [
        _row(file, position, index.get(owners.get(file.path, "")), members.get(file.path, ""), route)
        for position, file in enumerate(chosen.files)
    ]


def _row(file: ManifestFile, position: int, unit: int | None, member: str, route: DropRoute) -> NewFile:
    identity = file.identity
    reason = file.reason
    if file.kind is Kind.OTHER and route.other == "ignore" and not file.left_by:
        reason = f"{reason}; ignored, as the route says"
    if file.kind is Kind.OTHER and unit is not None:
        reason = f"{reason}; goes to the session as {route.attach_to}/{member}"
    return NewFile(
        path=file.path,
        position=position,
        size=file.size,
        mtime_ns=file.mtime_ns,
        sha256=file.sha256,
        crc32=file.crc32,
        md5=file.md5,
        kind=file.kind.value,
        reason=reason,
        unit=unit,
        key=file.key,
        member=member,
        series_uid=identity.series_uid if identity is not None else "",
        series_number=identity.series_number if identity is not None else "",
        modality=identity.modality if identity is not None else "",
        sop_class=identity.sop_class if identity is not None else "",
        transfer_syntax=identity.transfer_syntax if identity is not None else "",
        pixels=file.pixels,
        pixel_bytes=file.pixel_bytes,
        left_by=file.left_by,
        doubt=file.doubt.value,
        packed=file.packed,
    )


def _never_read(problem: ProblemSeen) -> ManifestFile:
    """A link or a special file: it is listed with its reason, and it has no content of its own; data may lie there."""
    return ManifestFile(
        path=problem.path,
        size=0,
        mtime_ns=0,
        sha256=NO_DIGEST,
        crc32=0,
        md5=bytes(16),
        kind=Kind.BROKEN,
        reason=problem.reason,
        doubt=Doubt.LOST,
    )


def _settled(world: World, route: DropRoute, item: ItemRow) -> Result:
    """Wait for its units; go back to `seen` when the source is no longer what the manifest says."""
    units = world.ledger.units(item_id=item.id)
    broken = world.ledger.files(item.id, kind=Kind.BROKEN.value) if item.phase is ItemPhase.SETTLED else []
    if units and not broken and all(unit.phase in PROVEN for unit in units):
        with world.ledger.write():
            world.ledger.move_item(item.id, ItemPhase.VERIFIED, world.now())
            world.note(item, "item.verified", f"item {item.id}: every session is proven")
        world.progress.item(world.ledger.item(item.id), "verified")
        return Due()
    look = _look(world, route, item)
    if look is None:
        if item.phase is ItemPhase.LEFT:
            world.ledger.forget_item(item.id, world.now())
            return Rest()
        if not any(world.ledger.attempts(unit.id) for unit in units):
            return _give_up(world, item)
        raise SourceGone(
            f"{item.path} is gone from the drop folder before everything of it was delivered",
            advice=f"Put it back. If it is not to be delivered: `xnatsync dismiss {item.id}`.",
        )
    seen = print_of(look)
    if seen == item.fingerprint and not _to_be_read_again(world, item, units, broken):
        if broken:
            raise refusal(broken)
        return Rest()
    if (wait_s := unsure_s(world.ledger, item.id, world.now())) > 0:
        return Due(wait_s, "it changed; an upload without an answer may still arrive")
    size_bytes = sum(file.size for file in look.files)
    with world.ledger.write():
        world.ledger.reset_item(item.id, seen, len(look.files), size_bytes, world.now())
        world.note(item, "item.changed", f"item {item.id} changed and is read again")
    return Due(route.settle_s, "it changed")


def _give_up(world: World, item: ItemRow) -> Result:
    """Nothing of it was ever sent, and whoever dropped it took it away: it is told once, and nobody is asked.

    Put back, however like it looks, it is a new item.
    """
    with world.ledger.write():
        world.ledger.give_up_item(item.id, world.now())
        world.note(item, "item.given_up", f"item {item.id} was taken away before anything of it was sent")
    world.progress.item(world.ledger.item(item.id), "taken away before anything of it was sent: given up")
    return Rest()


def _to_be_read_again(world: World, item: ItemRow, units: Sequence[UnitRow], broken: Sequence[FileRow]) -> bool:
    """Return whether the manifest no longer says what is to be done, though names, sizes and times are as they were.

    A person has accepted what holds the item; or a file was not what it says: but not for ever.
    """
    if are_accepted(world, item, broken):
        return True
    if not any(unit.code == SourceChanged.code for unit in units):
        return False
    return len(world.ledger.units(item_id=item.id, living=False)) < len(units) * REREAD_MAX
