"""`retry` and `dismiss`, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.given import given_route
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Line, Tone
from xnatsync.views.sync import item_fields, item_name
from xnatsync.views.troubles import owner_fields, owner_name

if TYPE_CHECKING:
    from xnatsync.app.dismiss import Dismissed, Prospect, Remains
    from xnatsync.app.resolve import Release, Released, Reminded


def retry_blocks(done: Release) -> Iterator[Block]:
    """Tell a person what was released."""
    for reminder in done.reminded:
        yield from _reminder(reminder)
    released = done.released
    for part in released:
        if part.code is None:
            yield Line(f"{_name(part)} was not held", Tone.DIM)
        elif part.anew:
            yield Line(f"{_name(part)} is read and planned again; it was held by {part.code}", Tone.GOOD)
        else:
            yield Line(f"{_name(part)} is released; it was held by {part.code}", Tone.GOOD)
    number = sum(part.code is not None for part in released)
    if number or not done.reminded:
        uploads = bool(released) and all(given_route(part.item.route) is not None for part in released)
        again = "the same upload once more" if uploads else "`xnatsync sync`"
        told = not number or (uploads and done.uploads)
        yield Line(f"{counted(number, 'hold')} released" + ("" if told else f"; {again} tries again"), Tone.HEAD)
    for line in done.uploads:
        yield Line(f"- `{line}` tries again", indent=2, hang=4)


def _name(part: Released) -> str:
    return f"{part.item.path} ({part.name if part.unit is not None else f'item {part.name}'})"


def _reminder(part: Reminded) -> Iterator[Block]:
    name, code = owner_name(part.owner), part.owner.code
    if code is None:
        yield Line(f"{name} is not held", Tone.DIM)
    elif part.soon:
        yield Line(f"{name} is tried again with the next sync; it was held by {code}", Tone.GOOD)
    else:
        yield Line(f"{name} is held by {code}: there is nothing to release, it is looked at in every run", Tone.WARN)
        yield Line(f"what to do: {part.owner.advice or ''}", indent=2, hang=12)


def retry_fields(done: Release) -> dict[str, object]:
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
            for part in done.released
        ],
        "commands": list(done.uploads),
        "reminded": [{"entity": owner_fields(part.owner), "soon": part.soon} for part in done.reminded],
    }


def dismiss_question(what: Prospect, *, prearchive: bool) -> Iterator[Block]:
    """Tell a person what a dismissal gives up, before the question."""
    yield Line(f"{item_name(what.item)} will not be delivered any more.", Tone.HEAD)
    for unit in what.units:
        name = f"session {unit.session} of {unit.project}" if unit.session else f"study {unit.study_uid}"
        yield Line(f"- {name}: {counted(unit.files, 'object')}, {unit.phase}", indent=2)
    if prearchive:
        for row in what.remains.waiting:
            yield Line(f"- {row.uri} ({row.status}) is deleted on the server", indent=2)
    yield from _remains(what.remains, waiting=not prearchive)


def dismiss_blocks(done: Dismissed) -> Iterator[Block]:
    """Tell a person what was given up."""
    where = "its files are gone" if done.remains.source_gone else "its files stay where they are"
    yield Line(f"{item_name(done.item)} is dismissed; {where}", Tone.GOOD)
    for uri in done.deleted:
        yield Line(f"- deleted on the server: {uri}", indent=2)
    yield from _remains(done.remains, waiting=True, source=False)


def _remains(there: Remains, *, waiting: bool, source: bool = True) -> Iterator[Block]:
    """Say what is there, as it was just seen."""
    for session in there.archived:
        text = (
            f"{counted(session.objects, 'object')} stay in the archive: session {session.session}, {session.session_id}"
        )
        yield Line(text if session.objects > 1 else text.replace(" stay ", " stays ", 1), indent=2)
    for row in there.waiting if waiting else ():
        yield Line(f"still in the prearchive: {row.uri} ({row.status})", indent=2)
    if there.unknown:
        yield Line(f"what is on the server could not be looked at: {there.unknown}", Tone.WARN, indent=2)
    if source:
        yield Line("Its files are gone." if there.source_gone else "Its files stay where they are.", indent=2)


def dismiss_fields(done: Dismissed) -> dict[str, object]:
    """The same for programs."""
    return {
        "item": item_fields(done.item),
        "prearchive_deleted": list(done.deleted),
        "prearchive_left": [row.uri for row in done.remains.waiting],
        "archived": [
            {"session": one.session, "session_id": one.session_id, "objects": one.objects}
            for one in done.remains.archived
        ],
        "source_gone": done.remains.source_gone,
        "server_unknown": done.remains.unknown or None,
    }
