"""`verify`: the same look at both sides as a run takes, and no effect; what is found is told and written down."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from xnatsync import __version__
from xnatsync.app.app import App
from xnatsync.app.kinds import KINDS
from xnatsync.app.running import boot
from xnatsync.app.uploads_known import knowing_uploads
from xnatsync.core.errors import Disposition, Exit, Stopped, XnatsyncError
from xnatsync.core.manifest import Level
from xnatsync.core.moment import later
from xnatsync.core.sampling import Round, Sample, Scope, pick, pick_part
from xnatsync.core.verification import (
    DIFFERENCES,
    Depth,
    Finding,
    Looked,
    Tally,
    Target,
    Unkept,
    Verdict,
    VerifyReport,
)
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger
from xnatsync.verify.examiner import Examiner, Looking

_AHEAD = 2  # targets that wait for each worker: enough to be busy, few enough to forget
AUDITS_KEPT_S = 30 * 86400.0  # after that, what only repeats what was seen before and after it is forgotten
_LOOKS_MAX = 4  # at one target that a run beside us may be changing
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks of `verify`.  No level: that of each route."""

    level: Level | None = None
    sample: Sample | None = None
    scope: Scope = field(default_factory=Scope)
    strict: bool = False
    repair: bool = False
    rehearse: bool = False  # say what would be repaired, and repair nothing
    workers: int = 2


def verify(app: App, names: Sequence[str], asked: Asked, *, progress: Progress) -> VerifyReport:
    """Verify the named routes (all, if none is named).

    Nothing is changed but the ledger's own notes of what was seen, so it works beside a run; with `repair`, what is
    wrong is made due, and nobody else may work with the ledger: LedgerHeld.
    """
    app = knowing_uploads(app)
    app.config.refuse_unknown(names)
    chosen = tuple(dict.fromkeys(names or app.config.routes))
    path = app.config.ledger.path
    report = VerifyReport(ledger=str(path), strict=asked.strict, routes=chosen, rehearsed=asked.rehearse)
    if not path.exists():  # nothing was ever brought anywhere
        return report
    with looking_at(app, progress, alone=asked.repair and not asked.rehearse) as looking:
        report.run_id, report.began_at = looking.run_id, looking.now()
        began_s = looking.clock.elapsed_s()
        report.unconfigured = {} if names else _unconfigured(app, looking.ledger)
        for name in chosen:
            if looking.stopping():
                break
            _Run(looking, asked, report).route(_examiner(app, looking, asked, name), name)
        report.interrupted = looking.stopping()
        report.ended_at, report.elapsed_s = looking.now(), looking.clock.elapsed_s() - began_s
        looking.flush()
        looking.ledger.thin_audits(later(looking.now(), -AUDITS_KEPT_S))
        counts = {verdict.value: count for verdict, count in report.counts.items()}
        looking.ledger.end_run(
            looking.run_id,
            _outcome(report),
            {"targets": len(report.summaries)} | counts,
            looking.now(),
            exit_code=report.exit_code,
        )
    return report


def _unconfigured(app: App, ledger: Ledger) -> dict[str, int]:
    """Count what routes delivered that are not configured any more: it is not verified, and that is reported."""
    found: dict[str, int] = {}
    for (name, phase, _), (items, _) in sorted(ledger.phase_counts().items()):
        if name not in app.config.routes and phase == "done":
            found[name] = found.get(name, 0) + items
    return found


def _outcome(report: VerifyReport) -> str:
    if report.interrupted:
        return "interrupted"
    code = report.exit_code
    return "ok" if code == Exit.OK else "halted" if code == Exit.HALTED else "partial"


@contextmanager
def looking_at(app: App, progress: Progress, *, alone: bool) -> Iterator[Looking]:
    """Open the ledger for one run; `alone`: for this process only.  Routes stay as the last run knew them."""
    path = app.config.ledger.path
    with hold(path) if alone else nullcontext():
        ledger = app.make_ledger() if alone else open_ledger(path, beside=True)
        try:
            clock = app.make_clock()
            looking = Looking(
                ledger=ledger,
                disk=app.make_disk(),
                trees=app.make_tree_disk(),
                clock=clock,
                ids=app.make_ids(),
                server=app.server,
                archive=app.archive,
                run_id=0,
                progress=progress,
                stopping=app.stop.is_set,
                alone=alone,
                beside=frozenset(run.id for run in ledger.open_runs()),
            )
            looking.run_id = _begin(ledger, looking.now())
            yield looking
            looking.flush()
        finally:
            app.close()
            ledger.close()


def _begin(ledger: Ledger, now: str) -> int:
    return ledger.start_run("command", os.getpid(), boot(), __version__, now)


# --- which examiner ----------------------------------------------------------------------------------------------


def _examiner(app: App, looking: Looking, asked: Asked, name: str) -> Examiner:
    kind = KINDS[app.config.routes[name].kind]
    return kind.examiner(app, looking, asked.level, asked.repair, name)


# --- one route ---------------------------------------------------------------------------------------------------


class _Run:
    """Verifies one route, some targets at a time; what concerns its whole server or disk ends it."""

    def __init__(self, looking: Looking, asked: Asked, report: VerifyReport) -> None:
        self.looking, self.asked, self.report = looking, asked, report
        self.halted = False
        self.wrong: list[Looked] = []  # mended when everything was looked at: it must not change meanwhile

    def route(self, examiner: Examiner, name: str) -> None:
        """Verify what is asked of it."""
        try:
            known = [target for target in examiner.targets() if self.asked.scope.takes(target)]
            chosen, going_on = self._chosen(examiner, name, known)
            self.report.known += len(known)
            self.report.chosen += len(chosen)
            examiner.prepare(chosen)
            self._all(examiner, chosen)
            if going_on is not None:
                self._note(examiner, name, going_on)
            if self.asked.sample is None and self.asked.scope == Scope() and not self._stops:
                for looked in examiner.aside():
                    self._take(examiner, looked)
            for looked in self.wrong if not self._stops else ():
                self.report.repairs += examiner.mend(looked, rehearse=self.asked.rehearse)
        except Stopped:
            self.report.interrupted = True
        except XnatsyncError as error:
            self.report.errors.append(error)

    @property
    def _stops(self) -> bool:
        return self.halted or self.looking.stopping()

    def _chosen(self, examiner: Examiner, name: str, known: Sequence[Target]) -> tuple[list[Target], Round | None]:
        """Take what is asked for; where runs take one part each, with how far they have come."""
        last, sample = self._last(examiner, name, known), self.asked.sample
        if sample is None or sample.parts is None:
            return pick(known, last, sample), None
        said = self.looking.ledger.position(name, self._round(examiner))
        before = Round(*map(int, said.split("/"))) if re.fullmatch(r"[0-9]+/[0-9]+", said) else Round()
        return pick_part(known, last, sample.parts, before, self.looking.ledger.newest_audit())

    def _note(self, examiner: Examiner, name: str, going_on: Round) -> None:
        """A run that could not look at its whole part has not taken it: what is left comes in the next ones."""
        runs = going_on.runs + (not self._stops)
        position = f"{going_on.since}/{runs}"
        self.looking.ledger.note_position(name, self._round(examiner), position, self.looking.now())

    def _round(self, examiner: Examiner) -> str:
        """Name the runs that belong together: of the same parts, as deep, of the same scope."""
        assert self.asked.sample is not None
        scope = hashlib.sha256(repr(self.asked.scope).encode()).hexdigest()[:12]
        return f"verify 1/{self.asked.sample.parts} {examiner.depth} {scope}"

    def _last(self, examiner: Examiner, name: str, known: Sequence[Target]) -> dict[Target, int]:
        """Say how late each target was last verified, at least as deeply as it is now; never: it is not there."""
        if self.asked.sample is None:
            return {}
        late: dict[int, int] = {}
        for kind, number, level, when in self.looking.ledger.last_verified(name):
            depth = Depth.parse(level)
            if kind == examiner.kind and depth is not None and depth.covers(examiner.depth):
                late[number] = max(when, late.get(number, -1))
        return {target: min(late.get(number, -1) for number in target.ids) for target in known if target.ids}

    def _all(self, examiner: Examiner, targets: Sequence[Target]) -> None:
        waiting: set[Future[Looked | None]] = set()
        with ThreadPoolExecutor(self.asked.workers, thread_name_prefix="verify") as pool:
            for target in targets:
                if self._stops:
                    break
                waiting.add(pool.submit(self._one, examiner, target))
                if len(waiting) >= self.asked.workers * _AHEAD:
                    waiting = self._taken(examiner, waiting)
            while waiting:
                waiting = self._taken(examiner, waiting)

    def _taken(self, examiner: Examiner, waiting: set[Future[Looked | None]]) -> set[Future[Looked | None]]:
        done, rest = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            if (looked := future.result()) is not None:
                self._take(examiner, looked)
        return set(rest)

    def _one(self, examiner: Examiner, target: Target) -> Looked | None:
        if self._stops:
            return None
        try:
            return self._settled(examiner, target, examiner.examine(target))
        except Stopped:
            return None
        except XnatsyncError as error:
            if error.disposition is Disposition.PAUSE or error.exit_code in {Exit.DENIED, Exit.HALTED, Exit.INTERNAL}:
                self._halt(error)
                return None
            return unlooked(target, examiner.depth, str(error))

    def _settled(self, examiner: Examiner, target: Target, looked: Looked) -> Looked:
        """What a run changes while we look differs for a moment: a difference counts when a new look shows it too."""
        for _ in range(_LOOKS_MAX - 1):
            if not any(map(_may_pass, looked.findings)) or not self.looking.others_at_work():
                break
            self.looking.clock.wait(_LOOK_AGAIN_S)
            before, looked = looked, examiner.again(target)
            if looked.findings == before.findings:
                break
        return looked

    def _halt(self, error: XnatsyncError) -> None:
        if not self.halted:
            self.halted = True
            self.report.errors.append(error)

    def _take(self, examiner: Examiner, looked: Looked) -> None:
        self.report.add(looked)
        self.looking.audit(looked, examiner.kind)
        for unkept in looked.unkept:
            self._unkeep(unkept)
        examiner.note(looked)
        wrong = DIFFERENCES | {Verdict.EXTRA}
        if self.asked.repair and any(found.verdict in wrong for found in looked.findings):
            self.wrong.append(looked)

    def _unkeep(self, unkept: Unkept) -> None:
        """Note that a filed copy is gone; told once, by the run that finds it so."""
        ledger, now = self.looking.ledger, self.looking.now()
        with ledger.write():
            if not ledger.unkeep(unkept.item_id, now):
                return
            text = f"the filed copy of item {unkept.item_id} is no longer kept"
            self.looking.diary.note("copy.unkept", text, route=unkept.route, item_id=unkept.item_id)
        self.report.unkept.append(unkept)


def _may_pass(found: Finding) -> bool:
    """Return whether a run that was at work with a file at that moment may be why it is not the same."""
    return found.verdict in DIFFERENCES or (found.side != "server" and found.verdict is Verdict.UNVERIFIABLE)


def unlooked(target: Target, depth: Depth, why: str) -> Looked:
    """What is said of a target that could not be looked at."""
    return Looked(
        target, depth, server=Tally(target.files),
        findings=(Finding("server", Verdict.UNVERIFIABLE, None, why, max(target.files, 1)),),
    )  # fmt: skip
