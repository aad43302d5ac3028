"""The two state machines, as data.  Anything that is not in these tables is a bug."""

from __future__ import annotations

from enum import StrEnum

from xnatsync.core.errors import ImpossibleMove


class ItemPhase(StrEnum):
    """How far an item has come."""

    SEEN = "seen"  # its name and looks are known
    SETTLED = "settled"  # complete: its manifest is frozen and its units exist
    VERIFIED = "verified"  # every unit has its receipt
    DONE = "done"  # filed, removed or kept, as the route says
    LEFT = "left"  # nothing in it to deliver: it stays where it is, listed with its reason
    DISMISSED = "dismissed"  # given up by a person; its source is untouched


class UnitPhase(StrEnum):
    """How far a unit has come."""

    PLANNED = "planned"
    STAGED = "staged"  # fetched to this machine: for transfers, which do not exist yet; no drop is ever staged
    SENT = "sent"  # something was sent: the unit holds the lease on its target
    LANDED = "landed"  # everything is listed where it belongs
    VERIFIED = "verified"  # a receipt exists
    CLOSED = "closed"  # its item is filed
    DISMISSED = "dismissed"


UNDER_WAY = frozenset({UnitPhase.PLANNED, UnitPhase.SENT, UnitPhase.LANDED})  # a step may bring it further
ENDED = frozenset({ItemPhase.DONE, ItemPhase.LEFT, ItemPhase.DISMISSED})  # nothing is still to be done
DISMISSED = frozenset({ItemPhase.DISMISSED, UnitPhase.DISMISSED})
PROVEN = frozenset({UnitPhase.VERIFIED, UnitPhase.CLOSED})  # a receipt exists

ITEM_MOVES: frozenset[tuple[ItemPhase, ItemPhase]] = frozenset(
    {
        (ItemPhase.SEEN, ItemPhase.SETTLED),
        (ItemPhase.SEEN, ItemPhase.LEFT),
        (ItemPhase.SETTLED, ItemPhase.SEEN),
        (ItemPhase.LEFT, ItemPhase.SEEN),
        (ItemPhase.SETTLED, ItemPhase.VERIFIED),
        (ItemPhase.VERIFIED, ItemPhase.DONE),
        (ItemPhase.SEEN, ItemPhase.DISMISSED),
        (ItemPhase.SETTLED, ItemPhase.DISMISSED),
        (ItemPhase.LEFT, ItemPhase.DISMISSED),
    }
)

UNIT_MOVES: frozenset[tuple[UnitPhase, UnitPhase]] = frozenset(
    {
        (UnitPhase.PLANNED, UnitPhase.STAGED),
        (UnitPhase.PLANNED, UnitPhase.SENT),
        (UnitPhase.PLANNED, UnitPhase.LANDED),
        (UnitPhase.STAGED, UnitPhase.SENT),
        (UnitPhase.STAGED, UnitPhase.PLANNED),
        (UnitPhase.SENT, UnitPhase.PLANNED),
        (UnitPhase.SENT, UnitPhase.LANDED),
        (UnitPhase.LANDED, UnitPhase.PLANNED),
        (UnitPhase.LANDED, UnitPhase.VERIFIED),
        (UnitPhase.VERIFIED, UnitPhase.CLOSED),
        (UnitPhase.PLANNED, UnitPhase.DISMISSED),
        (UnitPhase.STAGED, UnitPhase.DISMISSED),
        (UnitPhase.SENT, UnitPhase.DISMISSED),
        (UnitPhase.LANDED, UnitPhase.DISMISSED),
    }
)


def advance_item(phase: ItemPhase, to: ItemPhase) -> ItemPhase:
    """Return the new phase of an item; ImpossibleMove for a move that is not in the table."""
    if (phase, to) not in ITEM_MOVES:
        raise ImpossibleMove(f"an item cannot go from {phase} to {to}")
    return to


def advance_unit(phase: UnitPhase, to: UnitPhase) -> UnitPhase:
    """Return the new phase of a unit; ImpossibleMove for a move that is not in the table."""
    if (phase, to) not in UNIT_MOVES:
        raise ImpossibleMove(f"a unit cannot go from {phase} to {to}")
    return to
