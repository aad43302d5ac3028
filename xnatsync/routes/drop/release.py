"""Letting go of what was held: because a person asked for it, or because the route's settings changed."""

from __future__ import annotations

from xnatsync.core.drop_view import quiet_s
from xnatsync.core.errors import (
    LabelUnusable,
    NoRule,
    ObjectsConflict,
    PatientDiffers,
    RuleHolds,
    ServerBusy,
    SessionCollision,
    TableMiss,
    TableUnusable,
)
from xnatsync.core.phases import ItemPhase, UnitPhase
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.world import last_attempt

# What lies in the labels or in the manifest itself: the item is read anew, so that templates are applied again.
REPLANNED = frozenset(
    kind.code
    for kind in (
        PatientDiffers,
        LabelUnusable,
        NoRule,
        RuleHolds,
        TableMiss,
        TableUnusable,
        SessionCollision,
        ObjectsConflict,
    )
)


def release_unit(ledger: Ledger, item: ItemRow, unit: UnitRow, now: str, *, other_settings: bool = False) -> bool:
    """Release a unit; True when its whole item was taken back instead, to be planned anew.

    That is so for what lies in the labels; under `other_settings`, for everything of which nothing is on its way: not
    yet sent, or landed and not to be proven as the manifest says (what it is compared by was read under the old ones).
    ServerBusy while an upload without an answer may still arrive for the item: planned anew, it would be forgotten.
    """
    with ledger.write():
        planned = unit.phase is UnitPhase.PLANNED and (other_settings or unit.code in REPLANNED)
        landed = unit.phase is UnitPhase.LANDED and other_settings
        if item.phase is not ItemPhase.SETTLED or not (planned or landed):
            if unit.hold is not None:
                ledger.release_unit(unit.id)
            return False
        if (wait_s := unsure_s(ledger, item.id, now)) > 0:
            raise ServerBusy(
                f"an upload of item {item.id} without an answer may still arrive",
                advice=f"Ask again in {wait_s:.0f} seconds.",
            )
        ledger.reset_item(item.id, item.fingerprint, item.files, item.bytes, now)
        return True


def wake(ledger: Ledger, route: str, now: str, *, selects: bool = False) -> None:
    """Release everything of a route whose settings changed; what cannot be planned anew at this moment stays held.

    What the selection left out may be taken now, and the other way round (`selects`: it leaves something out from now
    on): an item of which nothing is on its way is read anew, and one that was kept where it lies is a new one.
    """
    for item in ledger.items(route=route):
        if item.hold is not None:
            ledger.release_item(item.id)
        for unit in ledger.units(item_id=item.id):
            if unit.hold is None:
                continue
            try:
                if release_unit(ledger, item, unit, now, other_settings=True):
                    break
            except ServerBusy:
                continue
        if selects and _is_quiet(ledger, ledger.item(item.id)):
            ledger.reset_item(item.id, item.fingerprint, item.files, item.bytes, now)
    for item in ledger.items_with_left_out(route):
        if item.phase is ItemPhase.LEFT or _is_quiet(ledger, item):
            ledger.reset_item(item.id, item.fingerprint, item.files, item.bytes, now)
        elif item.phase is ItemPhase.DONE and item.filed_as is None:
            ledger.take_again(item.id)


def _is_quiet(ledger: Ledger, item: ItemRow) -> bool:
    """Return whether nothing of a settled item is on its way: what was begun is ended as it was planned."""
    return item.phase is ItemPhase.SETTLED and all(
        unit.phase is UnitPhase.VERIFIED or (unit.phase is UnitPhase.PLANNED and not ledger.attempts(unit.id))
        for unit in ledger.units(item_id=item.id)
    )


def unsure_s(ledger: Ledger, item_id: int, now: str) -> float:
    """Tell for how many seconds an upload without an answer may still arrive for an item; 0 when none can."""
    units = ledger.units(item_id=item_id)
    return max((quiet_s(last_attempt(ledger.attempts(unit.id)), now) for unit in units), default=0.0)
