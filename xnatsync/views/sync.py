"""What a run did, for people and for programs: what arrived where, what was not delivered and why, what is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from xnatsync.app.account import Account, account_words, held_words
from xnatsync.app.waits import phase_words
from xnatsync.core.errors import ACCEPTABLE
from xnatsync.core.moment import clock_words
from xnatsync.core.pasting import command_line
from xnatsync.core.phases import DISMISSED, ItemPhase, UnitPhase
from xnatsync.core.receipt import compared_words
from xnatsync.core.wording import counted, left_out_words, size
from xnatsync.ledger.rows import FileRow, ItemRow, ReceiptRow, UnitRow
from xnatsync.views.blocks import Block, Command, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.tree_run import is_idle, mirror_blocks, mirror_fields, mirrors_closing

if TYPE_CHECKING:
    from xnatsync.app.sync import ItemReport, SyncReport, UnitReport

_LEFT_SHOWN = 20  # items in which there is nothing to deliver
_PATHS_SHOWN = 3  # of each reason; JSON has all
_ENDED = {"done", "left", "dismissed"}


def sync_blocks(report: SyncReport) -> Iterator[Block]:
    """Tell a person how a run went."""
    left = [part for part in report.items if part.item.phase is ItemPhase.LEFT]
    hidden = {part.item.id for part in left[_LEFT_SHOWN:]}
    for part in report.items:
        if part.item.id not in hidden:
            yield from _item_blocks(part)
    if hidden:
        yield Line(f"- and {counted(len(hidden), 'item')} more with nothing to deliver (JSON has all)", Tone.DIM)
    for mirror in report.mirrors:
        yield from mirror_blocks(mirror)
    if report.transfers:
        from xnatsync.views.transfer import transfer_blocks  # with the engine of transfers: no other run needs it

        for transfer in report.transfers:
            yield Line(f"{transfer.route}:", Tone.HEAD)
            yield from transfer_blocks(transfer)
    for error in report.errors:
        yield from error_blocks(error)
    yield Line(_closing(report), Tone.HEAD)


def sync_fields(report: SyncReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": report.exit_code,
        "interrupted": report.interrupted,
        "items": [item_report_fields(part) for part in report.items],
        "mirrors": [mirror_fields(part) for part in report.mirrors],
        "transfers": _transfers_fields(report),
        "errors": [error_fields(error) for error in report.errors],
    }


def _transfers_fields(report: SyncReport) -> list[dict[str, object]]:
    if not report.transfers:
        return []
    from xnatsync.views.transfer import transfer_fields

    return [transfer_fields(part, part.exit_code) for part in report.transfers]


def _closing(report: SyncReport) -> str:
    items = report.items
    mirrors = [part for part in report.mirrors if not is_idle(part)]
    if not (items or mirrors or report.transfers or report.errors):
        return "interrupted: run it again to go on" if report.interrupted else "nothing to do"
    ended = [part for part in items if part.item.phase is ItemPhase.DONE]
    held = sum(report.is_held(part) for part in items)
    left = [part for part in items if part.item.phase is ItemPhase.LEFT]
    unwanted = sum(bool(part.left_out) for part in left)
    left_out = sum(sum(part.left_out.values()) for part in items)
    waiting = sum(part.item.phase not in _ENDED and not report.is_held(part) for part in items)
    objects = sum(unit.receipt.held for part in ended for unit in part.units if unit.receipt is not None)
    done = f"{counted(len(ended), 'item')} done ({counted(objects, 'object')} proven)"
    parts = [done] if items or not (mirrors or report.transfers) else []
    parts += [f"{held} held"] if held else []
    parts += [f"{waiting} not finished yet"] if waiting else []
    parts += [f"{len(left) - unwanted} without DICOM"] if len(left) > unwanted else []
    parts += [f"{counted(unwanted, 'item')} not selected"] if unwanted else []
    parts += [f"{counted(left_out, 'file')} left out by the selection"] if left_out else []
    parts += mirrors_closing(mirrors) if mirrors else []
    parts += [f"transfer {part.route}: {part.ended}" for part in report.transfers]
    errors = len(report.all_errors)
    parts += [f"{counted(errors, 'error')}"] if errors else []
    return ", ".join(parts) + (" (interrupted: run it again to go on)" if report.interrupted else "")


# --- one item ----------------------------------------------------------------------------------------------------


def _item_blocks(part: ItemReport) -> Iterator[Block]:
    item = part.item
    word, tone = state_of(item, [unit.unit for unit in part.units])
    filed = f", filed as {item.filed_as}" if item.filed_as else ""
    yield Line(f"{item_name(item)}: {word}{filed}", tone)
    for unit in part.units:
        yield from _unit_blocks(unit, part.account)
    yield from waits_blocks(part.waits, indent=4 if part.units else 2)
    if part.account.is_short:
        yield Line(account_words(part.account), Tone.WARN, indent=2)
    if part.account.odd:
        yield Line(f"{counted(part.account.odd, 'odd object')} to be delivered as they are", Tone.WARN, indent=2)
    yield from undelivered_blocks(part.others, part.left_out, indent=2)
    yield from hold_blocks(item, str(item.id), indent=2)


def item_name(item: ItemRow) -> str:
    """Return how an item is named: by its path, and by the number that commands take."""
    return f"{item.path} (item {item.id} of route {item.route})"


def state_of(item: ItemRow, units: Sequence[UnitRow]) -> tuple[str, Tone]:
    """Say in a word or two where an item is."""
    if item.hold == "person" or any(unit.hold == "person" for unit in units if unit.phase is not UnitPhase.DISMISSED):
        return "held for a person", Tone.BAD
    match item.phase:
        case ItemPhase.DONE:
            return "done", Tone.GOOD
        case ItemPhase.LEFT:
            return "nothing to deliver, it stays where it is", Tone.WARN
        case ItemPhase.DISMISSED:
            return item.detail or "dismissed", Tone.DIM
        case _:
            retry = item.hold == "retry" or any(unit.hold == "retry" for unit in units)
            return f"{item.phase}, {'tried again later' if retry else 'not finished yet'}", Tone.WARN


def _unit_blocks(part: UnitReport, account: Account) -> Iterator[Block]:
    unit, receipt = part.unit, part.receipt
    if receipt is None:
        yield Line(f"{'!' if unit.hold else ' '} {_where(unit)}: {phase_words(unit)}", indent=2)
        yield from hold_blocks(unit, f"u{unit.id}", indent=4)
        return
    place = f" as {unit.session_id}" if unit.session_id else ""
    yield Line(
        f"= {_where(unit)}: {held_words(receipt, account)} in the {receipt.place}{place}, "
        f"{size(unit.bytes)}, {proven_words(receipt)} (receipt {receipt.id})",
        indent=2,
    )


def proven_words(receipt: ReceiptRow) -> str:
    """Say what was compared of each object: `proven by pixels`, or `proven: 598 by pixels, 2 by content`."""
    words = compared_words(receipt.compared) or receipt.level
    return f"proven: {words}" if len(receipt.compared) > 1 else f"proven by {words}"


def _where(unit: UnitRow) -> str:
    if not unit.session:
        return f"study {unit.study_uid}"
    return f"session {unit.session} of {unit.project}"


def hold_blocks(row: ItemRow | UnitRow, name: str, indent: int, *, commands: bool = True) -> Iterator[Block]:
    """Say why something does not move, and the command that resolves it, unless it is not in the ledger yet."""
    if row.hold is None:
        return
    yield Line(f"! {row.detail or 'held'}  [{row.code}]", Tone.BAD if row.hold == "person" else Tone.WARN, indent)
    if row.hold == "retry":
        yield Line(f"the next sync {_after(row)}tries again", indent=indent + 2)
        yield Line(f"what to do: {row.advice or ''}", Tone.DIM, indent + 2, hang=12)
        if commands and row.retry_at is not None:
            yield Command("or have it tried at once: ", ("retry", name), indent=indent + 2)
        return
    yield Line(f"what to do: {row.advice or ''}", indent=indent + 2, hang=12)
    if not commands:
        return
    item = row.id if isinstance(row, ItemRow) else row.item_id
    if row.code in ACCEPTABLE:
        yield Command("or let them be: ", ("accept", str(item)), indent=indent + 2)
    else:
        yield Command("then: ", ("retry", name), indent=indent + 2)
    yield Command("or give it up: ", ("dismiss", str(item)), indent=indent + 2)


def _after(row: ItemRow | UnitRow) -> str:
    return f"after {clock_words(row.retry_at)} " if row.retry_at is not None else ""


def waits_blocks(waits: Iterable[str], indent: int) -> Iterator[Block]:
    """Say what is waited for by something that is neither at its end nor held."""
    for words in waits:
        yield Line(f"waits: {words}", Tone.WARN, indent=indent, hang=7)


def undelivered_blocks(files: Iterable[FileRow], left_out: Mapping[str, int], indent: int) -> Iterator[Block]:
    """List the files that were not delivered, by reason; what the selection left out, by key, with its number."""
    reasons: dict[str, list[str]] = {}
    for file in files:
        reasons.setdefault(file.reason or file.kind, []).append(file.path)
    for reason, paths in reasons.items():
        more = f" and {len(paths) - _PATHS_SHOWN} more" if len(paths) > _PATHS_SHOWN else ""
        yield Line(f"- {counted(len(paths), 'file')}: {reason}: {', '.join(paths[:_PATHS_SHOWN])}{more}", indent=indent)
    yield from left_out_blocks(left_out, indent)


def left_out_blocks(left_out: Mapping[str, int], indent: int) -> Iterator[Block]:
    """Say what a route's selection left out."""
    if left_out:
        yield Line(f"- {left_out_words(left_out)} of the route's selection", indent=indent)


# --- for programs ------------------------------------------------------------------------------------------------


def item_report_fields(part: ItemReport) -> dict[str, object]:
    """One item with everything of it."""
    return {
        **item_fields(part.item),
        **held_fields(part.item, [unit.unit for unit in part.units]),
        "units": [unit_report_fields(unit) for unit in part.units],
        "not_delivered": [file_fields(file) for file in part.others],
        "left_out": dict(part.left_out),
        "account": account_fields(part.account),
        "waits": list(part.waits),
    }


def account_fields(account: Account) -> dict[str, int]:
    """How many files of an item are what: all but `files` and `odd` add up to `files`."""
    return {"files": account.files, **asdict(account)}


def item_fields(item: ItemRow) -> dict[str, object]:
    """The facts of an item."""
    return {
        "id": item.id,
        "route": item.route,
        "place": item.place,
        "path": item.path,
        "phase": item.phase,
        **hold_fields(item, str(item.id)),
        "files": item.files,
        "bytes": item.bytes,
        "seen_at": item.seen_at,
        "moved_at": item.moved_at,
        "filed_as": item.filed_as,
    }


def held_fields(item: ItemRow, units: Sequence[UnitRow]) -> dict[str, object]:
    """What holds an item, itself or one of its units, as the text says it: who waits for a person comes first."""
    every: list[ItemRow | UnitRow] = [item, *units]
    rows = [row for row in every if row.hold is not None and row.phase not in DISMISSED]
    rows.sort(key=lambda row: row.hold != "person")
    first = rows[0] if rows else item
    return hold_fields(first, str(first.id) if isinstance(first, ItemRow) else f"u{first.id}")


def unit_report_fields(part: UnitReport) -> dict[str, object]:
    """The facts of a unit with its receipt."""
    receipt = part.receipt
    return {
        **unit_fields(part.unit),
        "receipt": None
        if receipt is None
        else {
            "id": receipt.id,
            "level": receipt.level,
            "place": receipt.place,
            "expected": receipt.expected,
            "held": receipt.held,
            "compared": {by.value: many for by, many in receipt.compared.items()},
            "at": receipt.at,
        },
    }


def unit_fields(unit: UnitRow) -> dict[str, object]:
    """The facts of a unit."""
    return {
        "id": unit.id,
        "server": unit.server,
        "project": unit.project,
        "subject": unit.subject,
        "session": unit.session,
        "session_id": unit.session_id,
        "study_uid": unit.study_uid,
        "phase": unit.phase,
        **hold_fields(unit, f"u{unit.id}"),
        "objects": unit.files,
        "bytes": unit.bytes,
        "prearchive": unit.prearchive,
        "rule": unit.ruled or None,
    }


def hold_fields(row: ItemRow | UnitRow, name: str) -> dict[str, object]:
    """Why something does not move, and the command that resolves it."""
    return {
        "hold": row.hold,
        "code": row.code,
        "detail": row.detail,
        "advice": row.advice,
        "retry_at": row.retry_at,
        "command": _resolving(row, name) if row.hold is not None else None,
    }


def _resolving(row: ItemRow | UnitRow, name: str) -> str:
    return command_line("accept" if row.hold == "person" and row.code in ACCEPTABLE else "retry", name)


def file_fields(file: FileRow) -> dict[str, object]:
    """A file that was not delivered."""
    return {"path": file.path, "bytes": file.size, "kind": file.kind, "reason": file.reason}
