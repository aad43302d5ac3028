"""How an error is said to a person."""

from __future__ import annotations

from xnatsync.core.errors import XnatsyncError
from xnatsync.views.blocks import Block, Line, Tone


def error_blocks(error: XnatsyncError) -> list[Block]:
    """Say an error to a person: what happened, its code, what to do."""
    first, *rest = error.lines
    return [
        Line(f"error: {first}  [{error.code}]", Tone.BAD),
        *(Line(text, indent=2) for text in rest),
        Line(f"what to do: {error.remedy}", indent=2, hang=12),
    ]
