"""What `prune` says, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted, size_words
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.jsonout import error_fields
from xnatsync.views.sync import item_fields, item_name

if TYPE_CHECKING:
    from xnatsync.app.prune import PruneReport
    from xnatsync.verify.retention import Let


def prune_blocks(report: PruneReport) -> Iterator[Block]:
    """Tell a person what went, what stays, and why."""
    gone, kept = report.gone, report.kept
    for let in gone:
        stays = f"; {counted(let.left, 'file')} left there, never sent or changed since" if let.left else ""
        yield Line(f"{item_name(let.item)}: {counted(let.files, 'file')}, {size_words(let.bytes)}, {let.why}{stays}")
    for let in kept:
        yield Line(f"{item_name(let.item)} stays: {let.why}", Tone.WARN)
    for error in report.errors:
        yield Line(str(error), Tone.BAD)
    verb = "would be removed" if report.rehearsed else "removed"
    size = size_words(sum(let.bytes for let in gone))
    yield Line(f"{counted(len(gone), 'filed copy', 'filed copies')} {verb}, {size}; {len(kept)} kept", Tone.HEAD)


def prune_fields(report: PruneReport) -> dict[str, object]:
    """The same for programs."""
    return {
        "rehearsed": report.rehearsed,
        "routes": list(report.routes),
        "removed": [_let_fields(let) for let in report.gone],
        "kept": [_let_fields(let) for let in report.kept],
        "errors": [error_fields(error) for error in report.errors],
        "interrupted": report.interrupted,
        "exit_code": report.exit_code,
    }


def _let_fields(let: Let) -> dict[str, object]:
    return {
        "item": item_fields(let.item),
        "why": let.why,
        "files": let.files,
        "bytes": let.bytes,
        "left": let.left,
    }
