"""The file of the service, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.views.blocks import Block, Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.service_install import Standing

_STATES = {
    "absent": "does not exist yet",
    "ours": "is as it was written",
    "edited": "was edited since it was written",
    "foreign": "is not from `xnatsync service install`",
}


def install_blocks(seen: Standing, *, written: bool, dry_run: bool) -> Iterator[Block]:
    """Say what was written, or would be, and which commands put it in force."""
    if dry_run:
        yield Line(f"this would be written to {seen.path}, which {_STATES[seen.state]}", Tone.HEAD)
    elif written:
        yield Line(f"{seen.path} was written", Tone.GOOD)
    else:
        yield Line(f"{seen.path} is as it would be written now: nothing was changed", Tone.GOOD)
    yield from _typed("what puts it in force:", seen.begins)
    yield from _noted(seen)


def uninstall_blocks(seen: Standing, *, removed: bool, dry_run: bool) -> Iterator[Block]:
    """Say what was removed, or would be, and which commands have come first."""
    if seen.state == "absent":
        yield Line(f"{seen.path} is not there: nothing was removed", Tone.DIM)
    elif dry_run:
        yield Line(f"would be removed: {seen.path}", Tone.HEAD)
    elif removed:
        yield Line(f"{seen.path} was removed", Tone.GOOD)
    yield from _typed("what stops the service, if it runs:", seen.ends)


def standing_blocks(seen: Standing) -> Iterator[Block]:
    """Say how the file stands."""
    yield Line(f"{seen.path}: {_STATES[seen.state]}", Tone.GOOD if seen.is_current else Tone.WARN)
    if seen.state == "ours" and not seen.is_current:
        yield Line("the configuration or the program has changed since: `xnatsync service install` renews it", indent=2)
    if seen.is_enabled:
        yield Line("it is started with the machine, or the login", indent=2)
    elif seen.state != "absent":
        yield from _typed("what puts it in force:", seen.begins)
    yield from _noted(seen)


def _typed(before: str, commands: tuple[str, ...]) -> Iterator[Block]:
    yield Line(before)
    yield from (Line(command, indent=4) for command in commands)


def _noted(seen: Standing) -> Iterator[Block]:
    yield from (Line(f"- {note}", Tone.WARN) for note in seen.notes)


def service_fields(seen: Standing, *, changed: bool) -> dict[str, object]:
    """The same for programs."""
    return {
        "manager": seen.setup.manager,
        "scope": seen.setup.scope,
        "path": str(seen.path),
        "state": seen.state,
        "current": seen.is_current,
        "enabled": seen.is_enabled,
        "changed": changed,
        "text": seen.text,
        "begins": list(seen.begins),
        "ends": list(seen.ends),
        "notes": list(seen.notes),
    }
