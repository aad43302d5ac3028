"""How a download ended, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted, size, span
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.jsonout import error_fields

if TYPE_CHECKING:
    from xnatsync.app.download import DownloadReport


def download_blocks(report: DownloadReport) -> Iterator[Block]:
    """Tell a person."""
    held, order = report.session, report.order
    whole = f"{counted(report.scans, 'scan')}, {counted(report.files, 'file')}, {size(report.bytes)}"
    yield Line(f"{held.label or held.id} ({held.id}): {whole}", Tone.HEAD)
    if not report.files and not report.errors:
        yield Line("there is nothing to download", Tone.WARN, indent=2)
        return
    fetched = f"{counted(report.fetched_files, 'file')}, {size(report.fetched_bytes)}"
    where = order.single or order.folder
    if order.dry_run:
        yield Line(f"+ would be fetched to {where}: {fetched}", indent=2)
    elif report.fetched_files:
        yield Line(f"+ fetched in {span(report.seconds)}: {fetched}", Tone.GOOD, indent=2)
    if report.kept_files:
        yield Line(f"= there already: {counted(report.kept_files, 'file')}", indent=2)
    if report.errors:
        yield Line(f"! {counted(len(report.errors), 'problem')}, listed above", Tone.BAD, indent=2)
    if report.no_digest:
        text = f"{counted(report.no_digest, 'file')} compared by size alone: the server states no digest of them"
        yield Line(text, Tone.WARN, indent=2)
    if not order.dry_run:
        for path in report.zips or [where]:
            yield Line(f"in {path}", indent=2)


def download_fields(report: DownloadReport, code: int) -> dict[str, object]:
    """The same for programs."""
    return {
        "exit_code": code,
        "session": report.session.id,
        "label": report.session.label,
        "project": report.session.project,
        "output": str(report.order.single or report.order.folder),
        "unpacked": report.order.unpacked,
        "dry_run": report.order.dry_run,
        "scans": report.scans,
        "files": report.files,
        "bytes": report.bytes,
        "fetched_files": report.fetched_files,
        "fetched_bytes": report.fetched_bytes,
        "kept_files": report.kept_files,
        "no_digest": report.no_digest,
        "zips": [str(path) for path in report.zips],
        "seconds": round(report.seconds, 3),
        "errors": [error_fields(error) for error in report.errors],
    }
