"""What an item that is neither done nor held waits for: no "not finished yet" stands without a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.app.uploads_known import goes_on, is_upload
from xnatsync.core.moment import clock_words, seconds_between, stamp
from xnatsync.core.pasting import command_line
from xnatsync.core.phases import ENDED, ItemPhase, UnitPhase
from xnatsync.core.settle import settles_at
from xnatsync.core.wording import span

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ledger.rows import AttemptRow, ItemRow, PauseRow, UnitRow

_UNDER_WAY = {  # phases in which something is still to be done, and for what
    "planned": "to be sent",
    "sent": "for the server, which puts together or archives what it got",
    "landed": "for its proof",
}
_EFFECTS = {"import": "upload", "build": "build", "commit": "archiving", "attach": "attached file"}


def waits_now(
    config: Config, ledger: Ledger, item: ItemRow, units: Iterable[UnitRow], *, pauses: bool = True
) -> tuple[str, ...]:
    """Return what an item waits for at this moment, by the settle time of its configured route.

    Without `pauses` for who tells these himself.
    """
    route = config.drop_routes.get(item.route)
    if route is None:
        units = list(units)
        held = item.hold is not None or any(unit.hold is not None for unit in units)
        if is_upload(item):
            return () if held or item.phase in ENDED else (f"for its upload: {goes_on(item, units)}",)
        give_up = command_line("dismiss", str(item.id))
        also = "" if held else f"; `{give_up}` gives it up, and leaves its files where they are"
        return (f"for its route {item.route}, which is not configured any more: no sync goes on with it{also}",)
    return waits_of(ledger, item, units, route.settle, stamp(datetime.now(UTC)), pauses=pauses)


def waits_of(
    ledger: Ledger,
    item: ItemRow,
    units: Iterable[UnitRow],
    settle_s: float | None,
    now: str,
    *,
    pauses: bool = True,
) -> tuple[str, ...]:
    """Return what an item and its units wait for, in words, each once; nothing for what is held, which says it."""
    alone = ledger.pauses() if pauses else []
    return tuple(dict.fromkeys(_waits(ledger, item, units, settle_s, now, alone)))


def _waits(
    ledger: Ledger,
    item: ItemRow,
    units: Iterable[UnitRow],
    settle_s: float | None,
    now: str,
    pauses: Sequence[PauseRow],
) -> Iterator[str]:
    if item.phase is ItemPhase.SEEN and item.hold is None and item.waits:
        steady = f"unchanged for {span(max(0.0, seconds_between(item.steady_at, now)))}"
        until = f", until {clock_words(item.waits_until)} at the latest" if item.waits_until else ""
        yield f"{item.waits}; {steady}{until}"
    elif item.phase is ItemPhase.SEEN and item.hold is None and settle_s is not None:
        until = settles_at(item.steady_at, settle_s, now)
        yield f"it settles: taken {_after(until, now)}, if nothing of it changes until then"
    for unit in units:
        if unit.hold is None and unit.phase in _UNDER_WAY:
            yield _unit_waits(ledger, unit, now, pauses)


def _unit_waits(ledger: Ledger, unit: UnitRow, now: str, pauses: Sequence[PauseRow]) -> str:
    """Return what a session under way waits for: another one of ours, an answer, or its turn."""
    writer = ledger.writer_of(unit.target)
    if writer is not None and writer.id != unit.id:
        return _behind(ledger, writer, now)
    attempts = ledger.attempts(unit.id)
    if attempts and attempts[-1].outcome in {None, "unknown"}:
        return unsure_words(attempts[-1], now)
    until = ledger.unsure_until(unit) if unit.phase is UnitPhase.PLANNED else None
    if until is not None and seconds_between(now, until) > 0:
        return f"an upload to its session had no usable answer, and may still arrive: it goes on {_after(until, now)}"
    about = {f"route {unit.route}", "the ledger", f"server {unit.server}", f"writes to {unit.server}"}
    for pause in pauses:
        if pause.what in about:
            return f"{left_alone(pause.what)} since {clock_words(pause.since)}: {pause.detail} [{pause.code}]"
    return f"{_UNDER_WAY[unit.phase]}: the next sync goes on with it"


def _behind(ledger: Ledger, writer: UnitRow, now: str) -> str:
    """Return how long something waits behind the item that writes to its session, and the way on."""
    other = ledger.item(writer.item_id)
    name = f"{other.path} (item {other.id} of route {other.route}), which writes to the same session"
    why = f"`{command_line('why', str(other.id))}` says what to do"
    if writer.hold == "person":
        return f"for {name} and is held for a person [{writer.code}]: {why}; this one follows it"
    if writer.hold == "retry" and writer.retry_at is not None:
        return f"for {name} and is tried again {_after(writer.retry_at, now)} [{writer.code}]; this one follows it"
    return f"for {name}: this one follows it"


def unsure_words(attempt: AttemptRow, now: str) -> str:
    """Return why an effect of unknown outcome is waited for, with the reason that was noted, and until when."""
    why = f" ({attempt.detail})" if attempt.detail else ""
    return (
        f"no usable answer came to the {_EFFECTS[attempt.effect]}{why}: it may still take effect, and the server is "
        f"looked at {_after(attempt.quiet_at, now)}"
    )


def _after(moment: str, now: str) -> str:
    when = f"after {clock_words(moment)}" if seconds_between(now, moment) > 0 else ""
    return f"by the next sync {when}".rstrip()


def phase_words(unit: UnitRow) -> str:
    """Return the phase of a unit for people: what no server acknowledged is not called sent."""
    return "sending" if unit.phase is UnitPhase.SENT and not unit.sends else unit.phase


def left_alone(what: str) -> str:
    """Return how a pause is told: `server prod is left alone`; writes to a server are several."""
    return f"{what} {'are' if what.startswith('writes ') else 'is'} left alone"
