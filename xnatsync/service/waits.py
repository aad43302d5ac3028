"""What an item that is neither done nor held waits for: no "not finished yet" stands without a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.core.moment import clock_words, parse, stamp
from xnatsync.core.settle import settles_at

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ledger.rows import AttemptRow, ItemRow, UnitRow

_EFFECTS = {"import": "upload", "build": "build", "commit": "archiving", "attach": "attached file"}


def waits_now(config: Config, ledger: Ledger, item: ItemRow, units: Iterable[UnitRow]) -> tuple[str, ...]:
    """Return what an item waits for at this moment, by the settle time of its configured route."""
    route = config.drop_routes.get(item.route)
    return waits_of(ledger, item, units, route.settle if route is not None else None, stamp(datetime.now(UTC)))


def waits_of(
    ledger: Ledger, item: ItemRow, units: Iterable[UnitRow], settle_s: float | None, now: str
) -> tuple[str, ...]:
    """Return what an item and its units wait for, in words; nothing for what is held, which says so itself."""
    return tuple(_waits(ledger, item, units, settle_s, now))


def _waits(ledger: Ledger, item: ItemRow, units: Iterable[UnitRow], settle_s: float | None, now: str) -> Iterator[str]:
    if item.phase == "seen" and item.hold is None and settle_s is not None:
        until = settles_at(item.steady_at, settle_s, now)
        yield f"it settles: taken {_after(until, now)}, if nothing of it changes until then"
    for unit in units:
        if unit.hold is None and unit.phase in {"planned", "sent", "landed"}:
            attempts = ledger.attempts(unit.id)
            if attempts and attempts[-1].outcome in {None, "unknown"}:
                yield unsure_words(attempts[-1], now)


def unsure_words(attempt: AttemptRow, now: str) -> str:
    """Return why an effect of unknown outcome is waited for, with the reason that was noted, and until when."""
    why = f" ({attempt.detail})" if attempt.detail else ""
    return (
        f"no usable answer came to the {_EFFECTS[attempt.effect]}{why}: it may still take effect, and the server is "
        f"looked at {_after(attempt.quiet_at, now)}"
    )


def _after(moment: str, now: str) -> str:
    when = f"after {clock_words(moment)}" if parse(moment) > parse(now) else ""
    return f"by the next sync {when}".rstrip()


def phase_words(unit: UnitRow) -> str:
    """Return the phase of a unit for people: what no server acknowledged is not called sent."""
    return "sending" if unit.phase == "sent" and not unit.sends else unit.phase


def left_alone(what: str) -> str:
    """Return how a pause is told: `server prod is left alone`; writes to a server are several."""
    return f"{what} {'are' if what.startswith('writes ') else 'is'} left alone"
