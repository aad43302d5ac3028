"""One-shot: bring everything that is in the drop folders now to its server, mirrors into agreement, and report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnatsync.app.account import Account, account_of
from xnatsync.app.app import App
from xnatsync.app.transfer_routes import run_transfers
from xnatsync.app.trees import MirrorReport, exit_code_of, gravest_of, run_mirrors
from xnatsync.app.waits import waits_of
from xnatsync.core.errors import Exit, XnatsyncError
from xnatsync.core.phases import ENDED, ItemPhase
from xnatsync.engine.blame import LEDGER
from xnatsync.engine.context import Context
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.engine.progress import Progress
from xnatsync.engine.standing import write_down
from xnatsync.ledger.rows import FileRow, ItemRow, ReceiptRow, UnitRow
from xnatsync.routes.drop.beside import show
from xnatsync.routes.drop.discovery import discover
from xnatsync.routes.drop.kinds import add_item, drop_kinds
from xnatsync.routes.drop.recovery import recover
from xnatsync.routes.drop.world import World

if TYPE_CHECKING:
    from xnatsync.app.transfer import TransferReport

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class UnitReport:
    """How one session fared."""

    unit: UnitRow
    receipt: ReceiptRow | None


@dataclass(frozen=True, slots=True)
class ItemReport:
    """How one item fared, and which of its files were not delivered, each with its reason."""

    item: ItemRow
    units: tuple[UnitReport, ...]
    others: tuple[FileRow, ...]
    left_out: Mapping[str, int]  # by the route's selection: how many files by which key
    account: Account
    waits: tuple[str, ...] = ()  # for what, where it is neither at its end nor held


@dataclass(slots=True)
class SyncReport:
    """What a run did and what it left."""

    items: list[ItemReport] = field(default_factory=list)
    mirrors: list[MirrorReport] = field(default_factory=list)
    transfers: list[TransferReport] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)  # about whole routes, servers, disks
    interrupted: bool = False

    @property
    def all_errors(self) -> list[XnatsyncError]:
        """What did not concern one thing alone, of every kind of route."""
        mirrors = [error for report in self.mirrors for error in report.errors]
        return [*self.errors, *mirrors, *(error for report in self.transfers for error in report.all_errors)]

    @property
    def exit_code(self) -> int:
        """0 only when nothing is held, failed, or still to be done."""
        if errors := self.all_errors:
            return exit_code_of(errors)
        wholes = {report.exit_code for report in self.mirrors} | {report.exit_code for report in self.transfers}
        if any(self.is_held(report) for report in self.items) or Exit.HELD in wholes:
            return Exit.HELD
        open_items = [report for report in self.items if report.item.phase not in ENDED]
        return Exit.TEMPORARY if open_items or self.interrupted or wholes - {Exit.OK} else Exit.OK

    @staticmethod
    def is_held(report: ItemReport) -> bool:
        """Return whether an item waits for a person."""
        return report.item.hold == "person" or any(part.unit.hold == "person" for part in report.units)


def sync(
    app: App,
    names: Sequence[str],
    *,
    progress: Progress,
    settle_s: float | None = None,
    recheck: bool = False,
    workers: int = 2,
    patience_s: float | None = None,
    on_bug: Callable[[str], None] = lambda trace: None,
) -> SyncReport:
    """Run the named routes (all, if none is named) until nothing more can be done now."""
    routes = app.routes(names, settle_s)
    report = SyncReport()
    with app.world(routes, progress, cause="command") as world:
        recover(world)
        if patience_s is None:
            patience_s = max([PATIENCE_S, *(route.settle_s * 2 for route in routes.values())])
        dispatcher = Dispatcher(drop_kinds(world), world, workers, patience_s, on_bug)
        write_down(world, dispatcher)
        touched = _discover(world, dispatcher, report)
        dispatcher.run()
        if not world.stopping():
            report.mirrors = run_mirrors(
                app, world.ledger, world.run_id, names,
                progress=progress, workers=workers, patience_s=patience_s, on_bug=on_bug,
                settle_s=settle_s, recheck=recheck,
            )  # fmt: skip
        if not world.stopping():
            report.transfers, errors = run_transfers(
                app, world.ledger, world.run_id, names, progress=progress, on_bug=on_bug
            )
            report.errors += errors
        report.errors += [pause.error for pause in dispatcher.pauses.values()]
        report.interrupted = world.stopping()
        report.items = [report_item(world, item_id) for item_id in touched_items(world, touched)]
        _show(world)
        end(app, world, report, names)
    return report


def _show(world: World) -> None:
    """Leave beside the data how it stands now."""
    world.shown_at.clear()
    for route in world.routes.values():
        if route.given is None and (route.marker or route.receipt_page):
            with suppress(XnatsyncError):
                show(world, route, world.disk.entries(route.folder))


def end(app: App, world: Context, report: SyncReport, names: Sequence[str]) -> None:
    """Write down how a run of these routes ended."""
    outcome = "interrupted" if report.interrupted else "ok" if report.exit_code == Exit.OK else "partial"
    gravest = gravest_of(report.all_errors)
    world.ledger.outlive_pauses(world.run_id, _used(app, names))
    world.ledger.end_run(
        world.run_id, outcome, counts(report), world.now(),
        exit_code=report.exit_code,
        code=gravest.code if gravest is not None else None,
        detail=str(gravest) if gravest is not None else None,
    )  # fmt: skip


def _used(app: App, names: Sequence[str]) -> list[str]:
    """List what this run had to do with, as pauses are called."""
    chosen = names or list(app.config.routes)
    servers = app.config.servers_of(chosen)
    return [LEDGER, *(f"route {name}" for name in chosen), *(f"server {name}" for name in servers)] + [
        f"writes to {name}" for name in servers
    ]


def _discover(world: World, dispatcher: Dispatcher, report: SyncReport) -> list[int]:
    touched: list[int] = []
    for route in world.routes.values():
        try:
            items = discover(world, route)
        except XnatsyncError as error:
            report.errors.append(error)
            continue
        for item in items:
            add_item(dispatcher, world, item)
            touched.append(item.id)
    return touched


def touched_items(world: World, before: Sequence[int]) -> list[int]:
    """List the items of this run: those it began with, and strangers that became items meanwhile."""
    living = [item.id for name in world.routes for item in world.ledger.items(route=name)]
    return sorted({number for number in [*before, *living] if world.ledger.has_item(number)})


def report_item(world: World, item_id: int) -> ItemReport:
    """Read back how an item fared, by its manifest of today: what was planned for a former one is over."""
    ledger = world.ledger
    item = ledger.item(item_id)
    route = world.routes.get(item.route)
    shown = tuple(UnitReport(unit, ledger.receipt(unit.id)) for unit in ledger.planned_units(item_id))
    return ItemReport(
        item,
        shown,
        tuple(ledger.aside(item_id)),
        ledger.left_out(item_id),
        account_of(ledger, item_id),
        waits_of(ledger, item, [part.unit for part in shown], route.settle_s if route else None, world.now()),
    )


def counts(report: SyncReport) -> dict[str, int]:
    """What the run row remembers."""
    return {
        "items": len(report.items),
        "done": sum(part.item.phase is ItemPhase.DONE for part in report.items),
        "held": sum(SyncReport.is_held(part) for part in report.items),
        "left": sum(part.item.phase is ItemPhase.LEFT for part in report.items),
        "left_out": sum(sum(part.left_out.values()) for part in report.items),
        **{f"{part.route}.{what}": many for part in report.mirrors for what, many in sorted(part.counts.items())},
        **{f"{part.route}.{what}": many for part in report.transfers for what, many in part.counts.items()},
    }
