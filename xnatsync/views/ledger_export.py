"""What `ledger export` wrote, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xnatsync.app.ledger_tables import Exported
from xnatsync.core.wording import counted
from xnatsync.core.wording import size_words as size
from xnatsync.views.blocks import Block, Line, Tone


def export_blocks(done: Sequence[Exported]) -> Iterator[Block]:
    """Say which file holds which table."""
    for one in done:
        yield Line(f"+ {one.path}: {counted(one.rows, 'row')}, {size(one.bytes)}", Tone.GOOD)


def export_fields(done: Sequence[Exported]) -> dict[str, object]:
    """Return the same as fields."""
    return {
        "files": [{"table": one.table, "path": str(one.path), "rows": one.rows, "bytes": one.bytes} for one in done]
    }
