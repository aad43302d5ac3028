"""What a plan says, for people and for programs: per session a sigil, counts and bytes.

`+` sent whole · `~` only what is missing is sent, or it is under way · `=` the server holds everything
`-` not delivered · `!` held
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_never

from xnatsync.app.trees import exit_code_of
from xnatsync.core.phases import ItemPhase
from xnatsync.core.wording import counted, size
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.sync import file_fields, hold_blocks, item_fields, item_name, undelivered_blocks, unit_fields
from xnatsync.views.tree_plan import (
    is_still,
    mirror_plan_fields,
    push_plan_fields,
    tree_closing,
    tree_plan_blocks,
    tree_totals,
)

if TYPE_CHECKING:
    from xnatsync.app.plan import ItemPlan, PlanReport, UnitPlan

NOTHING_CHANGED = "This is a plan: nothing was changed."
_TONES = {"+": Tone.GOOD, "~": Tone.WARN, "=": Tone.DIM, "!": Tone.BAD, "-": Tone.DIM}


def plan_blocks(report: PlanReport) -> Iterator[Block]:
    """Tell a person what a run would do."""
    for part in report.items:
        yield Line(
            f"{_name(part)}: {counted(part.item.files, 'file')}, {size(part.item.bytes)}",
            Tone.HEAD,
        )
        for unit in part.units:
            yield from _unit_blocks(unit, part)
        yield from undelivered_blocks(part.others, part.left_out, indent=2)
        yield from hold_blocks(part.item, str(part.item.id), indent=2, commands=not part.is_new)
        if part.stop is not None:
            yield Line(f"! it would be held for a person: {part.stop}  [{part.stop.code}]", Tone.BAD, indent=2)
            yield Line(f"what to do: {part.stop.remedy}", indent=4, hang=12)
        elif _is_nothing(part):
            yield Line("- it would be left where it is: there is nothing to deliver", Tone.WARN, indent=2)
    yield from tree_plan_blocks(report)
    if report.transfers:
        from xnatsync.views.transfer import foreseen_blocks  # with the engine of transfers: no other plan needs it

        for transfers, foreseen in report.transfers:
            yield Line(f"{transfers.route}:", Tone.HEAD)
            yield from foreseen_blocks(foreseen)
    for error in report.errors:
        yield from error_blocks(error)
    yield Line(_closing(report), Tone.HEAD)
    yield Line(NOTHING_CHANGED)


def plan_fields(report: PlanReport, exit_code: int) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": exit_code,
        "changed": False,
        "totals": _totals(report),
        "items": [_item_fields(part) for part in report.items],
        "mirrors": [mirror_plan_fields(part) for part in report.mirrors],
        "pushes": [push_plan_fields(part) for part in report.pushes],
        "transfers": _transfers_fields(report),
        "errors": [error_fields(error) for error in report.errors],
    }


def _totals(report: PlanReport) -> dict[str, int]:
    units = [unit for part in report.items for unit in part.units]
    return {
        "send_objects": sum(unit.send_files for unit in units),
        "send_bytes": sum(unit.send_bytes for unit in units),
        "sessions": sum(unit.send_files > 0 for unit in units),
        "held": sum(map(_is_held, report.items)),
        "not_delivered": sum(len(part.others) for part in report.items),
        "left_out": sum(sum(part.left_out.values()) for part in report.items),
        **tree_totals(report),
    }


def _transfers_fields(report: PlanReport) -> list[dict[str, object]]:
    if not report.transfers:
        return []
    from xnatsync.views.transfer import plan_fields as transfer_plan_fields

    return [transfer_plan_fields(transfers, part, exit_code_of(part.errors)) for transfers, part in report.transfers]


def _closing(report: PlanReport) -> str:
    totals = _totals(report)
    if not (report.items or report.errors or report.transfers) and is_still(report):
        return "nothing to do"
    parts = [
        (
            f"{counted(totals['send_objects'], 'object')} ({size(totals['send_bytes'])}) "
            f"of {counted(totals['sessions'], 'session')} to send"
        ),
    ]
    parts = parts if report.items or (is_still(report) and not report.transfers) else []
    parts += [f"{totals['held']} held"] if totals["held"] else []
    parts += [f"{counted(totals['not_delivered'], 'file')} not delivered"] if totals["not_delivered"] else []
    parts += [f"{counted(totals['left_out'], 'file')} left out by the selection"] if totals["left_out"] else []
    parts += [] if is_still(report) else tree_closing(report)
    parts += [
        f"transfer {part.route.name}: {counted(part.files, 'file')} ({size(part.bytes)}) to send"
        for _, part in report.transfers
    ]
    errors = len(report.all_errors) - len(report.errors)
    parts += [f"{counted(errors, 'error')}"] if errors else []
    return ", ".join(parts)


def _name(part: ItemPlan) -> str:
    item = part.item
    return f"{item.path} (route {item.route})" if part.is_new else item_name(item)


def _is_nothing(part: ItemPlan) -> bool:
    return part.item.phase is ItemPhase.LEFT or (part.item.phase is ItemPhase.SEEN and not part.item.files)


def _is_held(part: ItemPlan) -> bool:
    """Return whether an item waits for a person, or would."""
    return part.stop is not None or part.item.hold == "person" or any(sigil(unit)[0] == "!" for unit in part.units)


def _unit_blocks(part: UnitPlan, item: ItemPlan) -> Iterator[Block]:
    unit = part.unit
    mark, words = sigil(part)
    where = f"session {unit.session} of {unit.project}" if unit.session else f"study {unit.study_uid}"
    yield Line(f"{mark} {where}: {words}", _TONES[mark], indent=2)
    if part.step is None:
        yield from hold_blocks(unit, f"u{unit.id}", indent=4, commands=not item.is_new)
        return
    from xnatsync.core.drop_decision import Stop

    if isinstance(part.step, Stop):
        error = part.step.error
        yield Line(f"! {error}  [{error.code}]", Tone.BAD, indent=4)
        yield Line(f"what to do: {error.remedy}", indent=6, hang=12)


def sigil(part: UnitPlan) -> tuple[str, str]:
    """Return the sigil of a session and say in words what would happen to it next."""
    from xnatsync.core.drop_decision import Again, Build, Commit, Landed, Relabel, Send, Stop, Wait

    sending = f"{counted(part.send_files, 'object')}, {size(part.send_bytes)}"
    match part.step:
        case None:
            return ("!", "held for a person") if part.unit.hold == "person" else ("=", part.unit.phase)
        case Stop():
            return "!", "would be held for a person"
        case Send() if part.held_files:
            return "~", f"{sending} to send, {part.held_files} are there already"
        case Send():
            return "+", f"{sending} to send"
        case Landed():
            return "=", "everything is there; the proof follows"
        case Relabel(session, why):
            return "~", f"would be delivered as session {session}: {why}"
        case Build() | Commit():
            return "~", "everything was sent; it would be proven and archived"
        case Wait(_, why):
            return "~", f"waits: {why}"
        case Again(why):
            return "~", f"would be planned again: {why}"
        case _ as never:
            assert_never(never)


def _item_fields(part: ItemPlan) -> dict[str, object]:
    number = {"id": None, "command": None} if part.is_new else {}
    return {
        **item_fields(part.item),
        **number,
        "error": error_fields(part.stop) if part.stop is not None else None,
        "units": [{**_unit_fields(unit), **number} for unit in part.units],
        "not_delivered": [file_fields(file) for file in part.others],
        "left_out": dict(part.left_out),
    }


def _unit_fields(part: UnitPlan) -> dict[str, object]:
    from xnatsync.core.drop_decision import Stop

    mark, words = sigil(part)
    return {
        **unit_fields(part.unit),
        "sigil": mark,
        "next": words,
        "send_objects": part.send_files,
        "send_bytes": part.send_bytes,
        "there_objects": part.held_files,
        "error": error_fields(part.step.error) if isinstance(part.step, Stop) else None,
    }
