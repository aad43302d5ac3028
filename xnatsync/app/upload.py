"""One upload to one destination: the engine of drop routes, on a route that is made for it.

What is named is read, sent, proven and written down as anything that is dropped, and only read: it stays as it is.  The
same order again goes on where it was; where everything is done, the server is looked at and nothing is sent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from xnatsync.app.app import App
from xnatsync.app.profile import Profile
from xnatsync.app.sync import ItemReport, SyncReport, end, report_item
from xnatsync.config.model import Config, ServerConfig
from xnatsync.config.uploads import STREAMS_MAX, UploadConfig
from xnatsync.config.words import duration
from xnatsync.core.drop_decision import Stop
from xnatsync.core.errors import Exit, LabelUnusable, LedgerHeld, NotThere, SourceGone, Usage, XnatsyncError
from xnatsync.core.given import Destination, Place, Transport, Unparsable
from xnatsync.core.labels import clean_label, is_valid_label
from xnatsync.core.manifest import Level
from xnatsync.core.phases import ItemPhase
from xnatsync.core.verification import DIFFERENCES, Verdict
from xnatsync.disk.spelling import shown
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.engine.progress import Progress
from xnatsync.engine.standing import write_down
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.discovery import discover
from xnatsync.routes.drop.kinds import add_item, drop_kinds
from xnatsync.routes.drop.recovery import recover
from xnatsync.routes.drop.settings import FLAT
from xnatsync.routes.drop.source import look_at_source, print_of
from xnatsync.routes.drop.world import World
from xnatsync.verify.drops import Drops
from xnatsync.verify.examiner import Looking
from xnatsync.xnat import projects
from xnatsync.xnat.server import XnatServer

if TYPE_CHECKING:
    from xnatsync.app.plan import PlanReport, UnitPlan

PATIENCE_S = 120.0
LEDGER_WAIT_S = 600.0  # so long another upload, or a run, may have the ledger before this one gives up
LOOK_AGAIN_S = 0.5
_PROJECTS_NAMED = 3
OTHERWISE = "labels.otherwise"  # of the diary
Overwrite = Literal["none", "append", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOrder:
    """What is to become which session, and how."""

    sources: Sequence[Path]  # one file, folder or archive; several files
    project: str
    subject: str
    session: str
    place: Place = "archive"
    transport: Transport = "zip"
    overwrite: Overwrite = "append"
    unparsable: Unparsable = "hold"
    workers: int = 4
    verify: Literal["names", "pixels", "bytes"] | None = None
    quiet_s: float = 60.0  # so long an upload without an answer may still arrive
    patience_s: float = PATIENCE_S


@dataclass(slots=True)
class UploadReport:
    """What an upload did, and how everything stands."""

    order: UploadOrder
    destination: Destination
    source: str
    run: SyncReport = field(default_factory=SyncReport)
    item: ItemReport | None = None  # the source that was named; None: it could not be looked at
    sent: int = 0  # objects, in this run
    again: bool = False  # it was done before: the server was looked at, and nothing was sent
    otherwise: tuple[str, ...] = ()  # where headers say something else than the order
    elapsed_s: float = 0.0

    @property
    def is_done(self) -> bool:
        """Return whether all of it is proven to be where it was to go."""
        return self.item is not None and self.item.item.phase is ItemPhase.DONE

    @property
    def exit_code(self) -> int:
        """0 only when all of it is proven."""
        if (code := self.run.exit_code) != Exit.OK:
            return code
        return Exit.OK if self.is_done else Exit.HELD

    @property
    def objects(self) -> int:
        """The objects of the source that are proven."""
        units = self.item.units if self.item is not None else ()
        return sum(unit.receipt.held for unit in units if unit.receipt is not None)


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload would do; `is_done`: all of it is proven, and the server lists it."""

    order: UploadOrder
    destination: Destination
    source: str
    report: PlanReport
    is_done: bool

    @property
    def exit_code(self) -> int:
        """0 only when nothing stands in the way."""
        if self.report.all_errors:
            return max(error.exit_code for error in self.report.all_errors)
        stops = any(
            part.stop is not None or part.item.hold == "person" or any(_stops(unit) for unit in part.units)
            for part in self.report.items
        )
        empty = not self.is_done and not any(part.units for part in self.report.items)
        return Exit.HELD if stops or empty else Exit.OK


def _stops(unit: UnitPlan) -> bool:
    return unit.unit.hold == "person" or isinstance(unit.step, Stop)


class Uploads:
    """One order on its way.  `server` is a connection of the caller, who closes it; else one is made of `app`."""

    def __init__(self, app: App, order: UploadOrder, destination: Destination, source: str) -> None:
        self.app, self.order, self.destination, self.source = app, order, destination, source

    @property
    def route(self) -> str:
        """The name of the route."""
        return self.destination.route

    def run(self, *, progress: Progress, on_bug: Callable[[str], None] = lambda trace: None) -> UploadReport:
        """Bring it as far as can be done now; NotThere, naming others, when there is no such project."""
        began = time.monotonic()
        report = UploadReport(self.order, self.destination, self.source)
        with closing(self.app):
            self._find_project()
            with self._world(progress) as world:
                recover(world)
                self._work(world, report, on_bug)
                end(self.app, world, report.run, [self.route])
        report.elapsed_s = time.monotonic() - began
        return report

    def plan(self, *, progress: Progress) -> UploadPlan:
        """Say what it would do, and change nothing."""
        from xnatsync.app.plan import PlanReport, plan

        with closing(self.app):
            self._find_project()
            with self.app.rehearsal(self.app.routes([self.route]), progress) as world:
                done = self._is_done(world)
            report = PlanReport() if done else plan(self.app, [self.route], progress=progress)
        return UploadPlan(self.order, self.destination, self.source, report, is_done=done)

    def _work(self, world: World, report: UploadReport, on_bug: Callable[[str], None]) -> None:
        route = world.routes[self.route]
        dispatcher = Dispatcher(drop_kinds(world), world, 2, self.order.patience_s, on_bug)
        write_down(world, dispatcher)
        report.again = self._is_done(world)
        try:
            items = [] if report.again else discover(world, route)
        except XnatsyncError as error:
            report.run.errors.append(error)
            return
        for item in items:
            add_item(dispatcher, world, item)
        dispatcher.run()
        report.run.errors += [pause.error for pause in dispatcher.pauses.values()]
        report.run.interrupted = world.stopping()
        self._tell(world, report, [item.id for item in items])

    def _tell(self, world: World, report: UploadReport, touched: Sequence[int]) -> None:
        mine = world.ledger.latest_item(self.route, "drop", self.source)
        numbers = {number for number in touched if world.ledger.has_item(number)} | ({mine.id} if mine else set())
        report.run.items = [report_item(world, number) for number in sorted(numbers)]
        report.item = next((part for part in report.run.items if mine and part.item.id == mine.id), None)
        report.sent = len(world.stored)
        if mine is not None:
            events = [event for event in world.ledger.events(item_id=mine.id) if event.code == OTHERWISE]
            report.otherwise = tuple(dict.fromkeys(json.loads(event.data or "{}").get("words", "") for event in events))
        elif not report.run.errors:
            report.run.errors.append(SourceGone(f"{self.source} is gone"))
        if report.item is not None and report.item.item.phase is ItemPhase.LEFT:
            report.run.errors.append(
                Usage(
                    f"nothing was sent: {report.item.item.detail or 'there is no DICOM object'}",
                    advice="Name a file, a folder or an archive that holds DICOM objects.",
                )
            )

    def _is_done(self, world: World) -> bool:
        """Return whether the source is as it was when all of it was proven, and the server holds it still.

        Where the server does not, or cannot be looked at, everything of it is due once more.
        """
        former = world.ledger.latest_item(self.route, "drop", self.source)
        if former is None or former.phase is not ItemPhase.DONE:
            return False
        route = world.routes[self.route]
        look = look_at_source(world, route, former)
        if look is None or print_of(look) != former.fingerprint:
            return False
        if _is_there(self.app, world, former):
            return True
        world.ledger.take_again(former.id)
        return False

    def _find_project(self) -> None:
        server, project = self.app.server(self.destination.server), self.destination.project
        if server.project(project) is not None:
            return
        known = [row.id for row in projects.listed(server.client)] if isinstance(server, XnatServer) else []
        alike = get_close_matches(project, known, _PROJECTS_NAMED, 0.5) or sorted(known)[:_PROJECTS_NAMED]
        near = f"; near it: {', '.join(alike)}" if alike else "; this account can read none"
        raise NotThere(
            f"the project {project} is not on the server, or this account may not see it{near}; nothing was sent",
            advice="`xnatsync project list` lists those that this account can read.",
        )

    @contextmanager
    def _world(self, progress: Progress) -> Iterator[World]:
        """Open the ledger; one that another run works with is waited for."""
        give_up = time.monotonic() + LEDGER_WAIT_S
        routes = self.app.routes([self.route])
        with ExitStack() as stack:
            while True:
                try:
                    world = stack.enter_context(self.app.world(routes, progress, cause="command"))
                    break
                except LedgerHeld:
                    if time.monotonic() > give_up or self.app.stop.wait(LOOK_AGAIN_S):
                        raise
                    progress.waiting(LOOK_AGAIN_S, "another run works with the ledger")
            yield world


def upload_to(profile: Profile, order: UploadOrder, stop: Event) -> Uploads:
    """Make an upload to the server of a profile; one that only the environment knows is called by its address."""
    name = server_name(profile)
    return upload_of(
        profile.config, name, profile.server, order, lambda config: App(config, stop, logins={name: profile.login})
    )


def server_name(profile: Profile) -> str:
    """Return how the ledger calls the server of a profile: by its name in the configuration, else by its address."""
    if profile.name in profile.config.servers:
        return profile.name
    alike = (name for name, server in profile.config.servers.items() if server.base_url == profile.login.url)
    return next(alike, profile.login.url)


def upload_of(
    config: Config, server_name: str, server: ServerConfig, order: UploadOrder, app: Callable[[Config], App]
) -> Uploads:
    """Make the route of an order; an error names what of it cannot be meant."""
    destination = Destination(server_name, order.project, order.subject, order.session, order.place)
    for what, label in (("project", order.project), ("subject", order.subject), ("session", order.session)):
        if not is_valid_label(label):
            raise LabelUnusable(
                f"{label!r} is no label of a {what} that XNAT keeps as it is",
                advice=f"A label is made of A-Z a-z 0-9 _ -, such as {clean_label(label)}.",
            )
    source, files = _sources(order.sources)
    settings = {
        "folder": Path("/") if files else Path(source).parent,
        "server": server_name, "project": order.project, "subject": order.subject, "session": order.session,
        "destination": order.place, "source": source, "files": files, "transport": order.transport,
        "adds": order.overwrite != "none", "unparsable": order.unparsable, "verify": order.verify,
        "quiet": duration(order.quiet_s), "settle": "0s", "streams": min(max(1, order.workers), STREAMS_MAX),
    }  # fmt: skip
    try:
        route = UploadConfig.model_validate(settings)
    except ValidationError as error:
        raise Usage("; ".join(one["msg"] for one in error.errors()), advice="Change these options.") from None
    wider = server.model_copy(update={"connections": max(server.connections, min(order.workers, STREAMS_MAX) + 2)})
    whole = config.model_copy(
        update={"servers": {**config.servers, server_name: wider}, "routes": {destination.route: route}}
    )
    return Uploads(app(whole), order, destination, source)


def _sources(paths: Sequence[Path]) -> tuple[str, tuple[str, ...]]:
    """Return the source as an item is called, and the files that were listed, below the root of the disk."""
    if not paths:
        raise Usage("there is nothing to send", advice="Name a file, a folder or an archive.")
    places = []
    for path in paths:
        try:
            places.append(shown(str(path.expanduser().resolve(strict=True))))
        except (OSError, RuntimeError):
            raise SourceGone(f"{path} is not there", advice="Name a file, a folder or an archive that is.") from None
    if len(places) == 1:
        return places[0], ()
    listed = tuple(sorted({place.lstrip("/") for place in places}))
    return f"{FLAT}/{hashlib.sha256(chr(10).join(listed).encode()).hexdigest()[:16]}", listed


def _is_there(app: App, world: World, item: ItemRow) -> bool:
    """Return whether the server lists everything of a done item, as it was proven; nothing else proves it."""
    looking = Looking(
        ledger=world.ledger, disk=world.disk, trees=app.make_tree_disk(), clock=world.clock, ids=world.ids,
        server=world.server, archive=app.archive, run_id=world.run_id, progress=world.progress,
        stopping=world.stopping,
    )  # fmt: skip
    examiner = Drops(looking, world.routes[item.route], Level.NAMES, repairing=False)
    mine = {unit.id for unit in world.ledger.units(item_id=item.id, living=False)}
    targets = [target for target in examiner.targets() if mine & set(target.ids)]
    wrong = DIFFERENCES | {Verdict.UNVERIFIABLE, Verdict.UNREADABLE}
    return bool(targets) and not any(
        found.verdict in wrong for target in targets for found in examiner.examine(target).findings
    )
