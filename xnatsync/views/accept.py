"""What `accept` says, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Command, Line, Tone
from xnatsync.views.sync import file_fields, item_fields, item_name, undelivered_blocks

if TYPE_CHECKING:
    from xnatsync.app.accept import Accepting


def accept_blocks(found: Sequence[Accepting], *, done: bool) -> Iterator[Block]:
    """Tell a person what is accepted, or would be."""
    for part in found:
        yield Line(f"{item_name(part.item)}:", Tone.HEAD)
        if part.complete:
            yield Line("delivered as it is, whatever its markers say", Tone.WARN, indent=2)
        if part.as_they_are:
            yield Line(f"delivered as they are: {counted(len(part.as_they_are), 'odd object')}", Tone.WARN, indent=2)
            yield from undelivered_blocks(part.as_they_are, {}, indent=4)
        if part.undelivered:
            yield Line(f"not delivered: {counted(len(part.undelivered), 'file')}", Tone.WARN, indent=2)
            yield from undelivered_blocks(part.undelivered, {}, indent=4)
    if done:
        yield Command("accepted; to go on: ", ("sync",))
    else:
        yield Line("What is not delivered goes along when the item is filed, and nothing of it is removed.")


def accept_fields(found: Sequence[Accepting], *, done: bool) -> dict[str, object]:
    """The same for programs."""
    return {
        "accepted": done,
        "items": [
            {
                "item": item_fields(part.item),
                "as_they_are": [file_fields(file) for file in part.as_they_are],
                "not_delivered": [file_fields(file) for file in part.undelivered],
                "complete": part.complete,
            }
            for part in found
        ],
    }
