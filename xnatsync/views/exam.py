"""What became of an examination, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.errors import Exit
from xnatsync.views.blocks import Block, Command, Tone
from xnatsync.views.blocks import Line as Text
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import error_fields
from xnatsync.views.resources import stored_blocks, stored_fields
from xnatsync.views.upload import plan_blocks, plan_fields, upload_blocks, upload_fields

if TYPE_CHECKING:
    from xnatsync.services.exam_uploads import ExamReport


def exam_blocks(report: ExamReport) -> Iterator[Block]:
    """Tell a person how it went: the objects first, then each resource."""
    if report.plan is not None:
        yield from plan_blocks(report.plan)
    if report.upload is not None:
        yield from upload_blocks(report.upload)
    for stored in report.stored:
        yield Text(f"resource {stored.label}", Tone.HEAD)
        yield from stored_blocks(stored)
        for error in stored.errors:
            yield from error_blocks(error)
    for error in report.errors:
        yield from error_blocks(error)
    if report.upload is not None and report.upload.exit_code != Exit.OK:
        yield Text("no resource was stored: that begins when the objects are proven", Tone.WARN)
    elif report.exit_code != Exit.OK and report.upload is not None:
        order = report.order
        words = ("session", "upload-exam", str(order.root), "-P", order.project, "-S", order.subject)
        yield Command("to store the rest again: ", (*words, "-E", order.session, "--attach-only"), indent=2)


def exam_fields(report: ExamReport, exit_code: int) -> dict[str, object]:
    """The same for programs."""
    order, upload, plan = report.order, report.upload, report.plan
    dicom: dict[str, object] | None = None
    if upload is not None:
        dicom = upload_fields(upload)
    elif plan is not None:
        dicom = plan_fields(plan, plan.exit_code)
    return {
        "exit_code": exit_code,
        "source": str(order.root),
        "project": order.project,
        "subject": order.subject,
        "session": order.session,
        "session_id": report.session_id or None,
        "destination": order.place,
        "dry_run": report.dry_run,
        "dicom": dicom,
        "resources": [stored_fields(stored) for stored in report.stored],
        "errors": [error_fields(error) for error in report.errors],
    }
