"""What runs by schedule, or when somebody asks: mirrors, pushes, `verify` and `audit`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from xnatsync.agent.timetable import Timetable, due_in_s
from xnatsync.core.errors import Bug, Exit, XnatsyncError
from xnatsync.core.moment import later, parse, stamp
from xnatsync.engine.context import Context
from xnatsync.engine.dispatcher import After, Dispatcher, Key
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.agents import JobRow

CHECK_S = 30.0  # a schedule is looked at so often: clocks jump


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended."""

    exit_code: int
    code: str | None = None  # of the gravest failure


@dataclass(frozen=True, slots=True)
class Job:
    """A route that keeps a tree, or one of `[jobs.NAME]`."""

    name: str
    rival: str  # jobs of one kind run one after the other
    table: Timetable | None  # None: only when somebody asks
    act: Callable[[], Ended]


class Jobs:
    """The kind `job`."""

    def __init__(self, context: Context, jobs: Sequence[Job], quiet_s: Callable[[], float] = lambda: 0.0) -> None:
        self.context = context
        self.quiet_s = quiet_s  # for how long no schedule begins anything
        self.jobs = jobs
        self.dispatcher: Dispatcher | None = None
        self._numbers = {job.name: number for number, job in enumerate(jobs)}
        self._asked: set[str] = set()
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, dispatcher: Dispatcher) -> None:
        """Make every job due: whether it is, its schedule says."""
        self.dispatcher = dispatcher
        for number in range(len(self.jobs)):
            dispatcher.put(("job", number), 0.0)

    def ask(self, names: Iterable[str]) -> None:
        """Run jobs as soon as may be, whatever their schedule says; from any thread."""
        for name in names:
            with self._lock:
                self._asked.add(name)
            if self.dispatcher is not None:
                self.dispatcher.wake(("job", self._numbers[name]))

    def is_under_way(self, name: str) -> bool:
        """Return whether a job runs, or was asked for and has not begun."""
        with self._lock:
            return name in self._asked or name in self._running

    def tick(self) -> None:
        """Have every schedule looked at, in case that was lost to a bug."""
        if self.dispatcher is not None:
            for number in range(len(self.jobs)):
                if ("job", number) not in self.dispatcher.due:
                    self.dispatcher.wake(("job", number))

    def next_at(self, name: str) -> str | None:
        """Return when a job is due next, as far as its schedule says so."""
        job, row = self.jobs[self._numbers[name]], self.context.ledger.jobs().get(name)
        if job.table is None or row is None:
            return None
        wait_s = self._wait_s(job, row)
        return None if wait_s is None else later(self.context.now(), wait_s)

    # --- a kind of key ---------------------------------------------------------------------------------------------

    def step(self, number: int) -> Result:
        """Run a job whose time has come, or that was asked for."""
        job = self.jobs[number]
        row = self.context.ledger.know_job(job.name, self.context.now())
        wait_s = self._wait_s(job, row)
        with self._lock:
            is_asked = job.name in self._asked
            if wait_s == 0 and not is_asked and (quiet_s := self.quiet_s()) > 0:
                return Due(min(quiet_s, CHECK_S), "quiet hours")
            if is_asked or wait_s == 0:
                self._asked.discard(job.name)
                self._running.add(job.name)
        if is_asked or wait_s == 0:
            try:
                self._run(job)
            finally:
                with self._lock:
                    self._running.discard(job.name)
            wait_s = self._wait_s(job, self.context.ledger.know_job(job.name, self.context.now()))
        return Rest() if wait_s is None else Due(min(max(wait_s, 1.0), CHECK_S), "its schedule")

    def _wait_s(self, job: Job, row: JobRow) -> float | None:
        """Return in how many seconds it is due; at once where it was cut short, None where nothing says when."""
        if job.table is None:
            return None
        if row.began_at is not None and row.ended_at is None:
            return 0.0
        return due_in_s(job.table, parse(row.began_at or row.since), self.context.clock.now())

    def _run(self, job: Job) -> None:
        ledger = self.context.ledger
        ledger.job_began(job.name, stamp(self.context.clock.now()))
        self.context.diary.note("job.began", f"{job.name} begins")
        try:
            ended = job.act()
        except XnatsyncError as error:
            ended = Ended(error.exit_code, error.code)
        if self.context.stopping():  # it was cut short: it is due again when the agent is back
            return
        with ledger.write():
            ledger.job_ended(job.name, self.context.now(), ended.exit_code, ended.code)
            self.context.diary.note(
                "job.ended", f"{job.name} ended with exit code {ended.exit_code}",
                level="info" if ended.exit_code == Exit.OK else "warning", data={"exit_code": ended.exit_code},
            )  # fmt: skip

    def aims(self, number: int) -> Iterable[str]:
        """Return its route, or itself: what a person may pause."""
        return (f"route {self.jobs[number].name}",)

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return the others of its kind."""
        rival = self.jobs[number].rival
        return [key for key in at_work if self.jobs[key[1]].rival == rival]

    def hold(self, number: int, bug: Bug) -> None:
        """Note that it ended by a mistake of ours; `tick` looks at its schedule again."""
        self.context.ledger.job_ended(self.jobs[number].name, self.context.now(), Exit.INTERNAL, bug.code)

    def follow(self, number: int, *, due: bool) -> After:
        """Wake nothing."""
        return After()

    def rank(self, number: int, result: Result) -> int:
        """Return that it gets nowhere by itself."""
        return 0
