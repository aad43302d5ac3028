"""What an upload did, for people and for programs: what is proven where, what was sent, what headers say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.app.account import account_words, held_words
from xnatsync.core.errors import ACCEPTABLE, Exit
from xnatsync.core.phases import DISMISSED
from xnatsync.core.wording import counted, size
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.views.blocks import Block, Command, Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.plan import NOTHING_CHANGED
from xnatsync.views.plan import plan_blocks as run_plan_blocks
from xnatsync.views.plan import plan_fields as run_plan_fields
from xnatsync.views.sync import item_report_fields, proven_words, undelivered_blocks, waits_blocks

if TYPE_CHECKING:
    from xnatsync.app.sync import ItemReport, UnitReport
    from xnatsync.app.upload import UploadPlan, UploadReport


def upload_blocks(report: UploadReport) -> Iterator[Block]:
    """Tell a person how an upload went."""
    for words in report.otherwise:
        yield Line(f"! headers say otherwise: {words}; the labels given are used", Tone.WARN)
    for part in report.run.items:
        yield from _item_blocks(report, part)
    for error in report.run.errors:
        yield from error_blocks(error)
    yield Line(_closing(report), Tone.HEAD)
    if report.run.interrupted or report.exit_code == Exit.TEMPORARY:
        yield Command("the same command goes on with it: ", _words(report), indent=2)


def upload_fields(report: UploadReport) -> dict[str, object]:
    """The same for programs."""
    order, to = report.order, report.destination
    units = report.item.units if report.item is not None else ()
    return {
        "exit_code": report.exit_code,
        "operation": "upload",
        "status": status_of(report),
        "server": to.server,
        "project": to.project,
        "subject": to.subject,
        "session": to.session,
        "session_id": next((unit.unit.session_id for unit in units if unit.unit.session_id), None),
        "destination": to.place,
        "source": report.source,
        "route": to.route,
        "transport": order.transport,
        "sent": report.sent,
        "proven": report.objects,
        "already_there": report.again,
        "receipts": [unit.receipt.id for unit in units if unit.receipt is not None],
        "headers_otherwise": list(report.otherwise),
        "duration_seconds": round(report.elapsed_s, 3),
        "items": [item_report_fields(part) for part in report.run.items],
        "errors": [error_fields(error) for error in report.run.errors],
        "interrupted": report.run.interrupted,
    }


def plan_blocks(planned: UploadPlan) -> Iterator[Block]:
    """Tell a person what an upload would do."""
    if planned.is_done:
        yield Line(f"{planned.source}: all of it is proven, and the server lists it: nothing would be sent", Tone.HEAD)
        yield Line(NOTHING_CHANGED)
        return
    yield from run_plan_blocks(planned.report)


def plan_fields(planned: UploadPlan, exit_code: int) -> dict[str, object]:
    """The same for programs."""
    to = planned.destination
    return {
        **run_plan_fields(planned.report, exit_code),
        "operation": "upload",
        "server": to.server,
        "project": to.project,
        "subject": to.subject,
        "session": to.session,
        "destination": to.place,
        "source": planned.source,
        "route": to.route,
        "transport": planned.order.transport,
        "already_there": planned.is_done,
    }


def status_of(report: UploadReport) -> str:
    """Return `success` where everything is proven, `partial` where something is, else `failed`."""
    if report.exit_code == Exit.OK:
        return "success"
    return "partial" if report.sent or report.objects else "failed"


def _words(report: UploadReport) -> tuple[str, ...]:
    to, order = report.destination, report.order
    place = ("--prearchive",) if to.place == "prearchive" else ()
    gradual = ("--gradual",) if order.transport == "gradual" else ()
    return ("session", "upload", report.source, "-P", to.project, "-S", to.subject, "-E", to.session, *place, *gradual)


def _closing(report: UploadReport) -> str:
    if report.again:
        return f"nothing to send: {counted(report.objects, 'object')} of it are proven, and the server lists them"
    if report.exit_code == Exit.OK:
        sent = f"{counted(report.sent, 'object')} sent" if report.sent else "nothing to send"
        there = report.objects - report.sent
        also = f", {there} there before" if report.sent and there > 0 else ""
        return f"{sent}{also}; {counted(report.objects, 'object')} proven"
    sent = f"{counted(report.sent, 'object')} sent" if report.sent else "nothing was sent"
    return f"{sent}; not everything of it is proven" if report.sent or report.objects else sent


def _item_blocks(report: UploadReport, part: ItemReport) -> Iterator[Block]:
    item = part.item
    yield Line(f"{item.path} (item {item.id})", Tone.HEAD)
    for unit in part.units:
        yield from _unit_blocks(unit, part)
    yield from waits_blocks(part.waits, indent=2)
    if part.account.is_short:
        yield Line(account_words(part.account), Tone.WARN, indent=2)
    yield from undelivered_blocks(part.others, part.left_out, indent=2)
    yield from _hold_blocks(item)


def _unit_blocks(part: UnitReport, item: ItemReport) -> Iterator[Block]:
    unit, receipt = part.unit, part.receipt
    where = f"session {unit.session} of {unit.project}" if unit.session else f"study {unit.study_uid}"
    if receipt is None:
        yield Line(f"{'!' if unit.hold else ' '} {where}: {unit.phase}", indent=2)
        yield from _hold_blocks(unit)
        return
    place = f" as {unit.session_id}" if unit.session_id else ""
    yield Line(
        f"= {where}: {held_words(receipt, item.account)} in the {receipt.place}{place}, {size(unit.bytes)}, "
        f"{proven_words(receipt)} (receipt {receipt.id})",
        Tone.GOOD,
        indent=2,
    )


def _hold_blocks(row: ItemRow | UnitRow) -> Iterator[Block]:
    """Say why something does not move; the same command tries it again."""
    if row.hold is None or row.phase in DISMISSED:
        return
    yield Line(f"! {row.detail or 'held'}  [{row.code}]", Tone.BAD if row.hold == "person" else Tone.WARN, indent=4)
    yield Line(f"what to do: {row.advice or ''}", indent=6, hang=12)
    if row.code in ACCEPTABLE:
        item = row.item_id if isinstance(row, UnitRow) else row.id
        yield Command("or let them be: ", ("accept", str(item)), indent=6)
