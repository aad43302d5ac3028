"""What a person lets be: files that hold an item are accepted as they are.

An odd object is delivered as it is; anything else is not delivered, goes along when the item is filed, and is never
removed.  It is written down for each file with its content and the reason: another content is another matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.app.lookup import one_item
from xnatsync.app.mailbox import either
from xnatsync.core.errors import ACCEPTABLE, NotComplete, Usage
from xnatsync.core.manifest import Doubt, Kind
from xnatsync.core.moment import stamp
from xnatsync.core.pasting import command_line
from xnatsync.core.phases import ItemPhase
from xnatsync.core.wording import counted
from xnatsync.engine.diary import Diary
from xnatsync.ledger.rows import FileRow, ItemRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Accepting:
    """What accepting an item means: objects that are delivered as they are, and files that are not delivered."""

    item: ItemRow
    as_they_are: tuple[FileRow, ...]
    undelivered: tuple[FileRow, ...]
    complete: bool = False  # it is taken as complete, whatever its markers say

    @property
    def files(self) -> tuple[FileRow, ...]:
        """Give all of them."""
        return (*self.as_they_are, *self.undelivered)


def proposed(config: Config, names: Sequence[str]) -> tuple[Accepting, ...]:
    """Tell what accepting these items would mean; nothing is changed.

    NothingFound for a name that is not known; Usage for an item that no file holds, with what to do instead.
    """
    from xnatsync.app.status import reading

    with reading(config) as ledger:
        return _proposed(config, ledger, names)


def accept(config: Config, names: Sequence[str]) -> tuple[Accepting, ...]:
    """Accept what holds these items, all or nothing; the next run, or the agent, goes on with them."""
    before = proposed(config, names)  # what the agent has accepted, it may have read anew by the time it has answered
    return either(
        config, "accept", {"names": list(names)}, lambda: _accept_alone(config, names),
        lambda answer: tuple(part for part in before if part.item.id in answer["items"]),
    )  # fmt: skip


def _accept_alone(config: Config, names: Sequence[str]) -> tuple[Accepting, ...]:
    from xnatsync.ledger.lock import hold
    from xnatsync.ledger.open import open_ledger

    with hold(config.ledger.path), closing(open_ledger(config.ledger.path)) as ledger:
        return accept_in(config, ledger, names)


def accept_in(config: Config, ledger: Ledger, names: Sequence[str]) -> tuple[Accepting, ...]:
    """Accept what holds these items, all or nothing, in a ledger that is ours."""
    with ledger.write():
        found = _proposed(config, ledger, names)
        for part in found:
            _accept(ledger, part, stamp(datetime.now(UTC)))
    return found


def _proposed(config: Config, ledger: Ledger | None, names: Sequence[str]) -> tuple[Accepting, ...]:
    if not names:
        raise Usage("name the items to accept", advice="`xnatsync status` lists what is held.")
    if ledger is None:
        raise Usage("there is no ledger yet: nothing is held", advice="`xnatsync sync` begins one.")
    return tuple(_of_item(ledger, item) for item in named(config, ledger, names))


def named(config: Config, ledger: Ledger, names: Sequence[str]) -> tuple[ItemRow, ...]:
    """Return the items that are named, each once."""
    items = {item.id: item for item in (one_item(config, ledger, name, "accept") for name in names)}
    return tuple(items.values())


def _of_item(ledger: Ledger, item: ItemRow) -> Accepting:
    if item.phase is ItemPhase.SEEN and item.code == NotComplete.code:
        return Accepting(item, (), (), complete=True)
    held = ledger.files(item.id, kind=Kind.BROKEN.value) if item.phase is ItemPhase.SETTLED else []
    if not held:
        raise Usage(
            f"no file of item {item.id} ({item.path}) waits to be accepted",
            advice=_instead(item),
        )
    odd = tuple(file for file in held if file.doubt == Doubt.ODD)
    return Accepting(item, odd, tuple(file for file in held if file.doubt != Doubt.ODD))


def _instead(item: ItemRow) -> str:
    why = command_line("why", str(item.id))
    if item.hold == "person" and item.phase in {ItemPhase.SEEN, ItemPhase.SETTLED}:
        return f"`{why}` says what holds it; `{command_line('dismiss', str(item.id))}` gives it up."
    return f"`{why}` shows its state."


def _accept(ledger: Ledger, part: Accepting, now: str) -> None:
    """Write the decision down; the next step of the item reads it anew, once nothing of it is on its way any more."""
    item = part.item
    ledger.accept(item.id, part.files, now)
    if part.complete:
        ledger.accept_complete(item.id, now)
    if item.code in ACCEPTABLE:
        ledger.release_item(item.id)
    Diary(ledger, lambda: now).note(
        "item.accepted",
        f"item {item.id}: a person accepted {counted(len(part.undelivered), 'file')} as not delivered "
        f"and {counted(len(part.as_they_are), 'odd object')} to be delivered as they are",
        level="warning", route=item.route, item_id=item.id,
        data={"not_delivered": len(part.undelivered), "as_they_are": len(part.as_they_are)},
    )  # fmt: skip
