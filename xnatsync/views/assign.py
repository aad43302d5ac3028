"""What `assign` says, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Command, Line, Tone
from xnatsync.views.sync import item_fields, item_name, unit_fields

if TYPE_CHECKING:
    from xnatsync.app.assign import Assignment


def assign_blocks(found: Assignment, *, done: bool) -> Iterator[Block]:
    """Tell a person what goes where, or would."""
    to = found.to
    yield Line(f"{item_name(found.item)}:", Tone.HEAD)
    where = [f"project {to.project}"]
    where += [f"subject {to.subject}"] if to.subject is not None else ["the subject by the route's template"]
    where += [f"session {to.session}"] if to.session is not None else ["the session by the route's template"]
    yield Line(f"{counted(len(found.units), 'study')}: {', '.join(where)}", indent=2)
    for unit in found.units:
        yield Line(f"u{unit.id}: study {unit.study_uid}, {counted(unit.files, 'object')}", indent=4)
    if done:
        yield Command("assigned; to go on: ", ("sync", found.item.route))
    else:
        yield Line("It counts for these studies from now on, also for parts of them that come later.")


def assign_fields(found: Assignment, *, done: bool) -> dict[str, object]:
    """The same for programs."""
    return {
        "assigned": done,
        "item": item_fields(found.item),
        "units": [unit_fields(unit) for unit in found.units],
        "project": found.to.project,
        "subject": found.to.subject,
        "session": found.to.session,
    }
