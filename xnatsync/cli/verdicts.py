"""`retry` and `dismiss`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.cli.lines import Block, Line, Tone
from xnatsync.cli.summary import item_fields
from xnatsync.core.wording import counted

if TYPE_CHECKING:
    from xnatsync.service.resolve import Dismissed, Prospect, Released


def retry_blocks(released: Sequence[Released]) -> Iterator[Block]:
    """Tells a person what was released."""
    for part in released:
        if part.code is None:
            yield Line(f"{part.name} ({part.item.path}) was not held", Tone.DIM)
        elif part.anew:
            yield Line(
                f"{part.name} ({part.item.path}) is read and planned anew; it was held by {part.code}", Tone.GOOD
            )
        else:
            yield Line(f"{part.name} ({part.item.path}) is released; it was held by {part.code}", Tone.GOOD)
    number = sum(part.code is not None for part in released)
    yield Line(f"{counted(number, 'hold')} released" + ("; `xnatsync sync` tries again" if number else ""), Tone.HEAD)


def retry_fields(released: Sequence[Released]) -> dict[str, object]:
    """The same for programs."""
    return {
        "released": [
            {
                "name": part.name,
                "item": part.item.id,
                "unit": part.unit.id if part.unit is not None else None,
                "path": part.item.path,
                "code": part.code,
                "was_held": part.code is not None,
                "anew": part.anew,
            }
            for part in released
        ]
    }


def dismiss_question(what: Prospect, *, prearchive: bool) -> Iterator[Block]:
    """Tells a person what a dismissal gives up, before the question."""
    yield Line(
        f"{what.item.path}  #{what.item.id} of route {what.item.route} will not be delivered any more.", Tone.HEAD
    )
    for unit in what.units:
        name = f"session {unit.session} of {unit.project}" if unit.session else f"study {unit.study_uid}"
        yield Line(f"- {name}: {counted(unit.files, 'object')}, {unit.phase}", indent=2)
    for uri in what.prearchive:
        yield Line(f"- {uri} {'is deleted on the server' if prearchive else 'stays on the server'}", indent=2)
    yield Line("Its files stay where they are.", indent=2)


def dismiss_blocks(done: Dismissed) -> Iterator[Block]:
    """Tells a person what was given up."""
    yield Line(f"{done.item.path}  #{done.item.id} is dismissed; its files stay where they are", Tone.GOOD)
    for uri in done.deleted:
        yield Line(f"- deleted on the server: {uri}", indent=2)
    for uri in done.left:
        yield Line(f"still on the server: {uri} (delete it there)", indent=2)


def dismiss_fields(done: Dismissed) -> dict[str, object]:
    """The same for programs."""
    return {
        "item": item_fields(done.item),
        "prearchive_deleted": list(done.deleted),
        "prearchive_left": list(done.left),
    }
