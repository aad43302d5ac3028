"""One transfer from one project to another, as a command orders it: the engine of transfers, on a route made for it.

The same order again goes on where it was; where the listings of both sides show that nothing changed, nothing is asked
beyond them.  What was done is signed for by a certificate.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from xnatsync import __version__
from xnatsync.app.app import App
from xnatsync.app.certificates import Certificate, Side, Sign, Written
from xnatsync.app.engines import engine_of
from xnatsync.app.settings import transfer_route
from xnatsync.app.status import reading
from xnatsync.app.transfer_check import Asked, TransferChecks, transfer_checks
from xnatsync.app.transfer_ends import Ends, ends_of, note_version, refuse_exchanged
from xnatsync.app.transfer_legs import leg_fields, seal
from xnatsync.app.transfer_plan import Planned, changed_since
from xnatsync.app.trees import exit_code_of, gravest_of
from xnatsync.config.model import TransferConfig
from xnatsync.config.show import route_digest
from xnatsync.config.transfers import FilteringConfig
from xnatsync.core.errors import (
    Exit,
    NotCarried,
    NotThere,
    RenamedThere,
    XnatsyncError,
)
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import OwnerRow, TroubleRow
from xnatsync.routes.transfer.folder_state import FolderState
from xnatsync.routes.transfer.limits import Lines
from xnatsync.routes.transfer.run import TransferPlan, TransferRun, plan, run
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.world import TransferWorld
from xnatsync.verify.transfers import Examination

PATIENCE_S = 120.0
_TOLD = frozenset({NotCarried.code, RenamedThere.code})  # troubles with which a transfer is complete


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """What is to go where, and how."""

    project: str
    to_project: str
    filtering: FilteringConfig = field(default_factory=FilteringConfig)
    dicom: str = "copy"
    sync_new_only: bool = True
    max_failures: int = 5
    retries: int = 3
    retry_delay_s: float = 5.0
    verify: bool = True
    workers: int = 4
    repair: bool = False
    quiet_s: float = 60.0
    engine: str = "local"
    scheduler: str | None = None  # of a Dask cluster


@dataclass(slots=True)
class TransferReport:
    """What a transfer did, and how everything stands."""

    route: str
    source: Side
    destination: Side
    done: TransferRun
    held: tuple[OwnerRow, ...] = ()
    troubles: tuple[TroubleRow, ...] = ()
    names: Mapping[int, OwnerRow] = field(default_factory=dict)  # of what is in trouble
    signed: Written | None = None  # in this run
    outcome: str | None = None  # of the newest certificate
    certificate: str | None = None  # where it was written
    errors: tuple[XnatsyncError, ...] = ()  # beyond those of the run
    not_done: tuple[tuple[str, str], ...] = ()  # of a plan that was to be done: what, and why it was not
    elapsed_s: float = 0.0
    folder: FolderState | None = None  # that is one of the ends

    @property
    def all_errors(self) -> list[XnatsyncError]:
        """What did not concern one thing alone."""
        return [*self.done.errors, *self.errors]

    @property
    def counts(self) -> Mapping[str, int]:
        """What the run did, as its row remembers it."""
        return counts_of(self.done)

    @property
    def ended(self) -> str:
        """Say in one word how it ended: never `complete` where something of it is lost, differs or waits."""
        word = self.done.outcome
        return "partial" if word == "complete" and self.exit_code != Exit.OK else word

    @property
    def exit_code(self) -> int:
        """0 only when everything that was to be carried is there as it was."""
        if self.all_errors:
            return exit_code_of(self.all_errors)
        asked = self.held or any(trouble.person for trouble in self.troubles)
        if asked or self.done.failed or self.not_done:
            return Exit.HELD
        if self.done.interrupted or self.done.unfinished:
            return Exit.TEMPORARY
        return Exit.HELD if self.outcome == "incomplete" else Exit.OK


class Transfers:
    """One order on its way."""

    def __init__(self, app: App, route: str, *, repair: bool = False, ends: Ends | None = None) -> None:
        self.app, self.route, self.repair = app, route, repair
        self.config: TransferConfig = app.config.transfer_routes[route]
        self._ends = ends

    @property
    def ends(self) -> Ends:
        """Both ends; an error where a folder cannot be one."""
        if self._ends is None:
            self._ends = ends_of(self.app, self.config)
        return self._ends

    def run(
        self,
        *,
        progress: Progress,
        sign: Sign,
        only: frozenset[tuple[str, str]] | None = None,
        on_bug: Callable[[str], None] = lambda trace: None,
    ) -> TransferReport:
        """Bring it as far as can be done now, and sign for it; `only`: of these entities alone."""
        began = time.monotonic()
        with closing(self.app), self.app.world({}, progress, cause="command") as whole:
            world = self._world(whole.ledger, whole.run_id, progress)
            self._begin(world)
            report = self._carried(world, only, on_bug)
            self._settle(world, report, sign)
            self._end(world, report)
        report.elapsed_s = time.monotonic() - began
        return report

    def run_within(
        self, ledger: Ledger, run_id: int, *, progress: Progress, sign: Sign, on_bug: Callable[[str], None]
    ) -> TransferReport:
        """Bring it as far as can be done now in a run that somebody else began and ends, and sign for it.

        What waits for a person goes on waiting, as nobody asked for this route alone to be tried again.
        """
        began = time.monotonic()
        world = self._world(ledger, run_id, progress)
        self._find_source()
        self._remember(world)
        report = self._carried(world, None, on_bug)
        self._settle(world, report, sign)
        report.elapsed_s = time.monotonic() - began
        return report

    def plan_within(self, ledger: Ledger, run_id: int, *, progress: Progress) -> TransferPlan:
        """Say what it would do, on a copy of the ledger that is forgotten."""
        world = self._world(ledger, run_id, progress)
        self._find_source()
        self._remember(world)
        return plan(world, world.routes[self.route])

    def run_planned(
        self,
        planned: Planned,
        *,
        progress: Progress,
        sign: Sign,
        on_bug: Callable[[str], None] = lambda trace: None,
    ) -> TransferReport:
        """Do exactly what a plan says: what changed since is left as it is, and named."""
        now = self.plan(progress=progress)
        if now.errors:
            raise now.errors[0]
        only, told = changed_since(planned, now)
        report = self.run(progress=progress, sign=sign, only=only, on_bug=on_bug)
        report.not_done = told
        return report

    def check(self) -> TransferChecks:
        """Ask both servers whether it would go through."""
        config = self.config
        with closing(self.app), reading(self.app.config) as ledger:
            known = {}
            if ledger is not None:
                known = {row.source_id: row.there_id for row in ledger.counterparts_of(self.route).values()}
            sides = [
                Asked(name=end.name, url=end.url, project=end.project, server=end.server(), about=end.about,
                      whoami=end.whoami, is_folder=end.folder is not None)
                for end in (self.ends.source, self.ends.destination)
            ]  # fmt: skip
            return transfer_checks(sides[0], sides[1], config.filters.filter, dicom=config.dicom, known=known)

    def settings(self) -> dict[str, object]:
        """Return what a plan has to know of the order, as the keys of a transfer's file."""
        config = self.config
        return {
            "source_project": config.project, "dest_project": config.to_project, "sync_new_only": config.sync_new_only,
            "max_failures": config.max_failures, "scan_retry_count": config.retries,
            "scan_retry_delay": config.retry_delay, "verify_after_transfer": config.verify,
            "scan_workers": config.workers, "dicom": config.dicom,
            "filtering": config.filters.model_dump(exclude_defaults=True),
        }  # fmt: skip

    def plan(self, *, progress: Progress) -> TransferPlan:
        """Say what it would do, and change nothing."""
        with closing(self.app), self.app.rehearsal({}, progress) as whole:
            world = self._world(whole.ledger, whole.run_id, progress)
            self._begin(world)
            return plan(world, replace(world.routes[self.route], repair=self.repair))

    def certify(self, *, progress: Progress, sign: Sign) -> Written:
        """Compare both sides anew and sign for what is there now."""
        with closing(self.app), self.app.world({}, progress, cause="command") as whole:
            world = self._world(whole.ledger, whole.run_id, progress)
            self._remember(world)
            made = self._certificate(world, {}, "")
            whole.ledger.end_run(whole.run_id, "ok", {"certificate": 1}, world.now(), exit_code=Exit.OK)
            return self._signed(world, made, sign)

    # --- inner parts ---------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return self.app.config.ledger.path.parent / "certificates"

    def _world(self, ledger: Ledger, run_id: int, progress: Progress) -> TransferWorld:
        clock = self.app.make_clock()
        connections = {name: server.connections for name, server in self.app.config.servers.items()}
        return TransferWorld(
            ledger=ledger, clock=clock, lines=Lines(connections), ids=self.app.make_ids(),
            server=self.ends.server, routes={self.route: self.settled}, run_id=run_id, progress=progress,
            stopping=self.app.stop.is_set, threads=True,
        )  # fmt: skip

    @property
    def settled(self) -> TransferRoute:
        """The route in the words of the engine."""
        route, ends = transfer_route(self.route, self.config), self.ends
        return replace(route, server=ends.source.name, to_server=ends.destination.name)

    def _carried(
        self, world: TransferWorld, only: frozenset[tuple[str, str]] | None, on_bug: Callable[[str], None]
    ) -> TransferReport:
        route = replace(world.routes[self.route], repair=self.repair, only=only)
        try:
            with engine_of(self.app, self.config, world, self.route) as workers:
                done = run(world, route, workers=workers, patience_s=PATIENCE_S, on_bug=on_bug)
        except XnatsyncError as error:  # there are no workers: nothing was done
            done = TransferRun(route, errors=[error])
        return self._report(world.ledger, done)

    def _settle(self, world: TransferWorld, report: TransferReport, sign: Sign) -> None:
        if self._is_to_sign(world.ledger, report):
            self._sign(world, report, sign)
        self._tell_certificate(world.ledger, report)
        if report.ended != report.done.outcome:  # the certificate says so, and the run itself has ended
            counts = counts_of(report.done)
            world.ledger.end_transfer_run(world.run_id, self.route, report.ended, counts, world.now())

    def _remember(self, world: TransferWorld) -> None:
        refuse_exchanged(world.ledger, self.route, self.ends.destination)
        with world.ledger.write():
            world.ledger.remember_route(self.route, "transfer", route_digest(self.config), world.now())

    def _begin(self, world: TransferWorld) -> None:
        """Note the route; whoever gives the same command again asks for another try of what is held."""
        self._find_source()
        with world.ledger.write():
            self._remember(world)
            for row in world.ledger.owners(self.route):
                if row.hold is not None:
                    world.ledger.release_owner(row.id)

    def _find_source(self) -> None:
        note_version(self.ends)
        if self.ends.source.server().project(self.config.project) is None:
            raise NotThere(
                f"the project {self.config.project} is not on server {self.config.server}, or this account may not "
                "see it; nothing was sent",
                advice="`xnatsync project list` shows those that this account can read.",
            )

    def _report(self, ledger: Ledger, done: TransferRun) -> TransferReport:
        rows = {row.id: row for row in ledger.owners(self.route)}
        troubles = tuple(ledger.troubles(self.route))
        held = tuple(row for row in rows.values() if row.hold is not None)
        named = {row.owner_id: rows[row.owner_id] for row in troubles if row.owner_id in rows}
        return TransferReport(
            self.route, self.ends.source.side(), self.ends.destination.side(), done, held, troubles,
            named | {row.id: row for row in held}, folder=self.ends.source.folder or self.ends.destination.folder,
        )  # fmt: skip

    def _end(self, world: TransferWorld, report: TransferReport) -> None:
        done, gravest = report.done, gravest_of(report.all_errors)
        outcome = "interrupted" if done.interrupted else "ok" if report.exit_code == Exit.OK else "partial"
        world.ledger.end_run(
            world.run_id, outcome, counts_of(done), world.now(), exit_code=report.exit_code,
            code=gravest.code if gravest is not None else None, detail=str(gravest) if gravest is not None else None,
        )  # fmt: skip

    def _is_to_sign(self, ledger: Ledger, report: TransferReport) -> bool:
        """Return whether there is anything new to sign for: what was looked at, or what was not complete before."""
        if not self.config.verify or report.all_errors or report.done.interrupted:
            return False
        to_fill = self.ends.destination.folder
        if to_fill is not None and not to_fill.manifest.is_sealed:
            return True
        rows = ledger.certificates(self.route)
        is_signed = bool(rows) and rows[0].outcome == "complete" and Path(rows[0].path).exists()
        troubled = report.held or any(one.code not in _TOLD for one in report.troubles)
        return bool(report.done.synced or report.done.failed or troubled) or not is_signed

    def _sign(self, world: TransferWorld, report: TransferReport, sign: Sign) -> None:
        try:
            made = self._certificate(world, counts_of(report.done), report.done.outcome)
            report.signed = self._signed(world, made, sign)
        except XnatsyncError as error:
            report.errors = (error,)

    def _signed(self, world: TransferWorld, made: Certificate, sign: Sign) -> Written:
        """Write a certificate; a folder that was filled is sealed with it."""
        written = sign(world.ledger, made, self._folder)
        seal(self.ends.destination, made, written, world.now())
        return written

    def _tell_certificate(self, ledger: Ledger, report: TransferReport) -> None:
        rows = ledger.certificates(self.route)
        if rows and (report.signed is not None or not report.all_errors):
            report.outcome, report.certificate = rows[0].outcome, rows[0].path

    def _certificate(self, world: TransferWorld, moved: Mapping[str, int], outcome: str) -> Certificate:
        config, route, ends = self.config, world.routes[self.route], self.ends
        examination = Examination(
            ledger=world.ledger, route=route, source=ends.source.server(), there=ends.destination.server(),
            stopping=self.app.stop.is_set,
        )  # fmt: skip
        entities = tuple(examination.entities())
        planned: dict[str, int] = {}
        for one in entities:
            if not one.source.home:
                planned[one.source.kind.value] = planned.get(one.source.kind.value, 0) + 1
        return Certificate(
            id=f"XSC-{uuid.uuid4().hex}", route=self.route, run_id=world.run_id, made_at=world.now(),
            program=f"xnatsync {__version__}", source=ends.source.side(asked=True),
            destination=ends.destination.side(asked=True), dicom=config.dicom,
            filtering=config.filters.model_dump(exclude_defaults=True), planned=planned, moved=moved,
            entities=entities, outcome_of_run=outcome, manifest=leg_fields(ends.source, ends.destination),
        )  # fmt: skip


def counts_of(done: TransferRun) -> dict[str, int]:
    """Return what a run did, as its row remembers it."""
    counts = {f"{what}_{kind}s": many for what, kinds in _fates(done) for kind, many in sorted(kinds.items())}
    return {**dict(sorted(done.counts.items())), **counts}


def _fates(done: TransferRun) -> Iterator[tuple[str, Mapping[str, int]]]:
    yield from (("synced", done.synced), ("failed", done.failed), ("skipped", done.skipped))
