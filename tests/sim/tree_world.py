"""One history of a mirror and a push: `mirror.run`, the real ledger and the routes, unchanged, from a seed.

The simulation plays the workers: it takes owners that are ready in seeded order and steps them in this thread; another
owner may be stepped at a boundary inside a step.  With faults on, everything the judge knows must be true after every
run.  Then faults stop: everything agrees, or waits for a person with a reason, who acts, and it goes on by itself.
"""

from __future__ import annotations

import atexit
import hashlib
import heapq
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sim import slate, tree_people
from sim.clock import SimClock, SimIds
from sim.faults import Chance, Crash
from sim.grid import Cell
from sim.invariants import Violation
from sim.observers import Failing
from sim.tree_disk import SimTreeDisk
from sim.tree_faults import TreeFaults
from sim.tree_invariants import TreeJudge
from sim.tree_names import LAYOUTS, ODD_ACTS, call_otherwise, tame
from sim.tree_server import OTHER, PROJECT, SECRET, FileKey, SimArchive, TreeServer
from sim.world import SimLedger
from xnatsync.core import errors
from xnatsync.core.errors import LedgerHeld, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceSeen
from xnatsync.core.layout import Layout
from xnatsync.core.moment import parse, stamp
from xnatsync.core.paths import clashes
from xnatsync.core.selection import Selection
from xnatsync.engine.dispatcher import Dispatcher, Key
from xnatsync.engine.progress import Progress
from xnatsync.ledger import lock
from xnatsync.ledger.tree_rows import NewVersion
from xnatsync.routes.tree import run as running
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.run import TreeRun, push, run
from xnatsync.routes.tree.world import TreeWorld
from xnatsync.sandbox.model import files
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import label_in
from xnatsync.sandbox.model.objects import Experiment

PATIENCE_S = 120.0
STEPS_MAX = 600  # L2: so many steps are enough for any run of this size, once nothing goes wrong any more
ROUNDS_MAX = 20  # so often a person may be asked until everything is resolved
DELICATE = {f"disk.{method}" for method in ("stat", "keep", "keep, done", "copy", "copy, done", "land", "discard")}
REPLACING = {"disk.keep, done", "disk.copy, done", "disk.land"}  # where something lies that is replaced next
SIZES = (12, 12, 90, 90, 700)
TREE = Path("/tree")
LOCKS = Path(tempfile.mkdtemp(prefix="xnatsync-sim-"))  # where the lock of the ledgers lies: one history at a time
atexit.register(shutil.rmtree, LOCKS, ignore_errors=True)


class TreeLedger(SimLedger):
    """The ledger: boundaries around each transaction; the judge looks at what is written about files."""

    history: TreeHistory  # type: ignore[assignment]

    def __init__(self, raw: sqlite3.Connection, history: TreeHistory) -> None:
        super().__init__(raw, history)  # type: ignore[arg-type]

    def change_versions(
        self, begun: Sequence[NewVersion], ended: Iterable[tuple[int, str]], now: str, run_id: int | None
    ) -> None:
        ended = list(ended)
        self.history.judge.before_versions(begun, ended)
        super().change_versions(begun, ended, now, run_id)


class InlineRota(Dispatcher):
    """The production dispatcher without its threads."""

    def __init__(self, history: TreeHistory, *given: Any) -> None:
        super().__init__(*given)
        self.world: Any = self.context
        self.history = history
        self.workers = 64

    def run(self, *, forever: bool = False) -> None:
        """Steps in seeded order until nothing more can be done now."""
        history, history.rota = self.history, self
        while True:
            history.boundary("rota")
            key = self.pick(history.faults.random(f"order {history.order}", history.steps))
            if key is not None:
                self.one(key)
                continue
            wait_s = self._next_s()
            if wait_s is None or wait_s > self.patience_s:
                break
            history.pass_time(int(wait_s * 1000) + 1)
        history.rota = None

    def pick(self, chance: Chance) -> Key | None:
        """One of the keys that are ready; the others stay so."""
        ready = self._ready()
        if not ready:
            return None
        key = chance.choice(sorted(ready))
        for other in ready:
            if other != key:
                self.put(other, 0.0)
        self.busy.add(key)
        return key

    def one(self, key: Key) -> None:
        """Steps a key, as a worker does; whatever is no failure of ours ends the history."""
        history = self.history
        history.steps += 1
        history.log(f"step {key[1]} of {self.world.ledger.owner(key[1]).route}")
        if history.steps - history.run_steps > STEPS_MAX:
            raise Violation("L2", f"no end after {STEPS_MAX} steps of one run")
        history.depth += 1
        result = self.kinds[key[0]].step(key[1])
        history.depth -= 1
        self._take(key, result)


class TreeHistory:
    """The world of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        ticks: int | None = None,
        script: Callable[[TreeHistory], None] | None = None,
        order: int = 0,
        settings: Mapping[str, Any] | None = None,
        forced: Mapping[Cell, int] | None = None,
        spot: Cell | None = None,
        plain: bool = False,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """`plain`: the default layout, a disk that tells `A` from `a`, and names that any disk can hold.

        `without` are kinds of faults that never happen.
        """
        self.seed, self.order, self.script = seed, order, script
        self.faults = TreeFaults(seed, masked, only, forced, spot, without)
        self.clock, self.ids = SimClock(), SimIds()
        self.trace: list[str] = []
        self.marks: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.steps = self.run_steps = self.crashes = self.jumps = self.contents = 0
        self.was_ahead = False
        self.ahead_runs = 0  # the trash is emptied when two runs agree: of two that were ahead nothing is promised
        self.unwilling = (0, 0)  # until when the server takes no files, and what it answers
        self.reads = self.writes = self.fetches = 0
        self.depth = 0
        self.dying = self.alive = False
        self.rota: InlineRota | None = None
        self.at_hand = ""  # the file that the disk works on
        self.began_ms = self.owners_moved_ms = -1
        self.person_wrote: dict[str, int] = {}  # when people last changed what lies at a path
        self.moved_by_hand: set[str] = set()
        self.told: dict[int, int | None] = {}  # how many files the last inventory gave a resource
        self.listed: dict[FileKey, bytes] = {}  # what was there when we last looked
        self.digests: dict[FileKey, str] = {}  # and the digest we were told
        chance, odd = self.faults.random("route", 0), self.faults.random("odd", 0)
        self.layout = Layout.parse(odd.choice((LAYOUTS[0], *LAYOUTS)) if not plain else LAYOUTS[0])
        self.plain = plain
        self.acts = (*tree_people.ACTS, *ODD_ACTS) if odd.random() < 0.4 and not plain else tree_people.ACTS
        folding = odd.random() < 0.3 and not plain
        self.configured = self.mirror = self._mirror(chance, dict(settings or {}))
        self.push = PushRoute(
            "p", "s", PROJECT, TREE, self.layout, Selection.parse(resources=["QC"]),
            settle_s=chance.choice((0.0, 0.0, 5.0)), quiet_s=60.0,
        )  # fmt: skip
        self.pushes = chance.random() < 0.7 or self.faults.spot[0] == "unwilling"
        self.judge = TreeJudge(self)
        self.disk = SimTreeDisk(self, TREE, chance.choice((1, 1, 2_000_000_000)), folding=folding)
        self.server = TreeServer(self, checksums=chance.random() < 0.8)
        self.password = self.server.password
        self.slate = slate.take()
        self.raw = self.slate.raw
        self.ledger = TreeLedger(self.raw, self)
        self.ticks = ticks if ticks is not None else chance.choice((4, 6, 8, 12))
        self._furnish(chance)

    def _mirror(self, chance: Chance, given: dict[str, Any]) -> MirrorRoute:
        policy: Literal["add", "replica"] = chance.choice(("add", "replica", "replica"))
        wanted = chance.choice((Selection(), Selection(), Selection.parse(resources=["!QC"])))
        values: dict[str, Any] = {
            "name": "m", "server": "s", "projects": (PROJECT,), "folder": TREE, "layout": self.layout,
            "selection": wanted, "policy": policy, "max_delete": chance.choice(("10%", "10%", 1, 3)),
            "recheck_s": chance.choice((0.0, 3600.0, 7 * 86400.0)),
            "trash_keep_s": chance.choice((3600.0, 30 * 86400.0)), "metadata": chance.random() < 0.6,
            "big_file": chance.choice((80, 64 << 20)),
        }  # fmt: skip
        return MirrorRoute(**{**values, **given})

    def _furnish(self, chance: Chance) -> None:
        """Two subjects with a session each, and one of another project that may be shared."""
        server = self.server
        for number, project in ((1, PROJECT), (2, PROJECT), (3, OTHER)):
            subject = server.subject(f"{SECRET}{number}", project)
            session = server.session(subject, f"{SECRET}{number}_MR")
            for scan_number in range(1, chance.choice((1, 2, 3))):
                scan = server.scan(session, str(scan_number))
                for file in range(chance.choice((1, 2, 5))):
                    data = self.content("server", chance)
                    server.people_store(server.place(session, scan), "NIFTI", f"{file}.nii", data)
            if chance.random() < 0.5:
                server.people_store(server.place(subject), "PLAN", "plan.txt", self.content("server", chance))
        if chance.random() < 0.5:
            project_place = server.place(server.site.projects[PROJECT])
            server.people_store(project_place, "DOCS", "read me.txt", self.content("server", chance))
        self.clock.ms += 60_000
        self.server.born.clear()

    def content(self, kind: str, chance: Chance, size: int | None = None) -> bytes:
        """A new content that nobody had before, of a size if one is given."""
        self.contents += 1
        wanted = chance.choice(SIZES) if size is None else size
        word = f"{self.contents}:{kind}. "
        return (word * (wanted // len(word) + 1))[: max(wanted, 4)].encode()

    def sha(self, data: bytes) -> bytes:
        """The digest that the ledger keeps."""
        return hashlib.sha256(data).digest()

    # --- playing -------------------------------------------------------------------------------------------------

    def play(self) -> TreeHistory:
        """Plays both phases; Violation when a promise is broken."""
        original, running.Dispatcher = running.Dispatcher, partial(InlineRota, self)  # type: ignore[assignment, misc]
        try:
            for number in range(self.ticks):
                if self.script is not None:
                    if number == 0:
                        self.script(self)
                elif number and (self.faults.only is None):
                    self._between(self.faults.random("between", number))
                if self.faults.spot[0] == "unwilling" and number:  # where nothing is stored, nothing is refused
                    self.acting(tree_people.add_result, self.faults.random("result", number))
                self.process()
                self.judge.after_tick()
            self.calm_down()
        except OSError as error:
            raise Violation("E1", f"who watches, or the system, fails the work: {error}") from error
        finally:
            running.Dispatcher = original  # type: ignore[misc]
            slate.give_back(self.slate)
        return self

    def _between(self, chance: Chance) -> None:
        """Between two runs people have all the time they want."""
        for number in range(chance.choice((0, 1, 1, 2, 4))):
            draws = self.faults.random(f"between {chance.text}", number)
            if self.faults.masks("between", f"between runs {number}"):
                continue
            self.acting(draws.choice(self.acts), draws)
            self.pass_time(draws.choice((10, 5_000, 40_000, 4_000_000)))

    def acting(self, act: tree_people.Act, chance: Chance) -> None:
        """A person does something."""
        try:
            done = act(self, chance)
        except ModelError as error:
            done = f"refused: {error.message}"
        self.log(f"people: {act.__name__}: {done}")
        self.marks[act.__name__] += 1

    def process(self) -> list[TreeRun]:
        """One process of ours: a run of `sync` over both routes, if it gets the ledger for itself."""
        self.log("start")
        ahead_ms = self._clock_ahead()
        self.clock.offset_ms += ahead_ms
        try:
            with lock.hold(LOCKS / f"{os.getpid()}.db"):
                return self._run()
        except LedgerHeld:
            self.log("another run has the ledger")
        finally:
            self.clock.offset_ms -= ahead_ms
        return []

    def _clock_ahead(self) -> int:
        """For one run, and never for two in a row, the clock may be far ahead: a battery, a wrong hand."""
        was, self.was_ahead = self.was_ahead, False
        if self.alive or was or not self.faults.on or not (chance := self.faults.fires("clock ahead", "run")):
            return 0
        self.was_ahead = True
        self.ahead_runs += 1
        self.log("the clock is ahead")
        return 86_400_000 * chance.choice((2, 40, 400))

    def _run(self) -> list[TreeRun]:
        """Pushes go first, as the service does it."""
        self.judge.before_run(alone=not self.alive)
        self.mirror = self.configured
        self.alive = True
        self.began_ms = self.clock.ms
        self.judge.removed = 0
        self.run_steps = self.steps
        done: list[TreeRun] = []
        try:
            self.ledger = TreeLedger(self.raw, self)
            run_id = self.ledger.start_run("command", 1, "boot", "0", self.now())
            self.ledger.disbelieve_the_future(self.now())  # as `recover` does before any route of a run
            self.ledger.end_cut_deeds(self.now())
            archive = SimArchive(self.server, self.password)
            world = TreeWorld(
                ledger=self.ledger, disk=self.disk, clock=self.clock, ids=self.ids, archive=lambda name: archive,
                routes={"m": self.mirror, "p": self.push}, run_id=run_id, stopping=lambda: False,
                progress=Progress(Failing(self).hear),
                folders={"m": TREE, "p": TREE},
            )  # fmt: skip
            for route in (self.push, self.mirror) if self.pushes else (self.mirror,):
                kind = "mirror" if isinstance(route, MirrorRoute) else "push"
                self.ledger.remember_route(route.name, kind, "digest", self.now())
                given: dict[str, Any] = {"workers": 4, "patience_s": PATIENCE_S, "on_bug": self.log}
                done.append(
                    run(world, route, **given) if isinstance(route, MirrorRoute) else push(world, route, **given)
                )
                codes = ", ".join(error.code for error in done[-1].errors)
                self.log(f"{kind}: {dict(done[-1].counts)} {codes}")
            self.ledger.end_run(run_id, "ok", {}, self.now())
        except Crash:
            self._die()
        except XnatsyncError as error:
            self.log(f"the run ended: {error.code}")
        self.alive = False
        self.rota = None
        self.depth = 0
        self.pass_time(1_000)
        return done

    def _die(self) -> None:
        """The process is killed: what was not committed is gone, and so is its memory."""
        self.crashes += 1
        self.log("killed")
        if self.raw.in_transaction:
            self.raw.execute("rollback")
        self.ledger.forget()
        self.dying = False
        self.pass_time(self.faults.next("downtime").choice((10, 1_000, 30_000, 300_000)))

    # --- boundaries ----------------------------------------------------------------------------------------------

    def boundary(self, where: str) -> None:
        """Between any two effects: time passes, the world goes on, and the process may die."""
        if self.dying:
            raise Crash  # no handler on the way up does anything more
        self.clock.ms += 5
        self.trace.append(where)
        self.happen()
        if not self.alive or not self.faults.on:
            return
        faults = self.faults
        if faults.fires("crash", where):
            self.dying = True
            raise Crash
        if faults.fires("power cut", where):
            self.log("power cut")
            self.dying = True
            self.disk.power_cut()
            raise Crash
        if chance := faults.fires("clock jump", where):
            self.clock.offset_ms += chance.choice((-30_000, -500, 500, 45_000, 3_600_000, 100_000_000))
            self.jumps += 1
        if chance := faults.fires("act", where, self._act_weight(where)):
            self.acting(self._act_at(where, chance), chance)
        if not self.ledger._depth and faults.fires("second run", where):
            self.process()  # somebody else types `xnatsync sync`
        free = self.depth == 1 and not self.ledger._depth and not where.startswith("archive.owner_files")
        if free and self.rota is not None and (chance := faults.fires("worker", where)):
            key = self.rota.pick(chance)
            if key is not None:
                self.rota.one(key)

    def _act_weight(self, where: str) -> float:
        """Few histories replace a file at all: what people write in that moment is met in more of them."""
        if where in REPLACING and not self.plain and self.at_hand in self.disk.names:
            return 16.0
        return 4.0 if where in DELICATE else 1.0

    def _act_at(self, where: str, chance: Chance) -> tree_people.Act:
        """While one file is brought to its place, people often touch that very file; not as drawn before odd names."""
        if where in DELICATE and not self.plain and chance.random() < 0.5:
            return chance.choice(tree_people.ON_A_FILE)
        return chance.choice(self.acts)

    def happen(self) -> None:
        """What was to happen by now."""
        while self.events and self.events[0][0] <= self.clock.ms:
            heapq.heappop(self.events)[2]()
        self.server.tick()

    def pass_time(self, ms: int) -> None:
        """Lets time pass, and what happens in it."""
        self.clock.ms += ms
        self.happen()

    # --- what people need ----------------------------------------------------------------------------------------

    def at(self, wait_ms: int, act: Callable[[], None]) -> None:
        """Lets something happen later."""
        self.faults.counts["event"] += 1
        heapq.heappush(self.events, (self.clock.ms + wait_ms, self.faults.counts["event"], act))

    def write_by_hand(self, path: str, data: bytes, *, in_place: bool) -> None:
        """A person writes a file; where a folder lies, or a file lies on the way, nothing can be written."""
        disk, path = self.disk, self.disk.spelled(path)
        parts = path.split("/")
        on_the_way = any("/".join(parts[:n]) in disk.names for n in range(1, len(parts)))
        if on_the_way or any(name.startswith(f"{path}/") for name in disk.names):
            return
        if (there := disk.names.get(path)) is not None:
            self.judge.throw_away(there.data)
        disk.write(path, data, in_place=in_place)
        self.judge.learn(data)
        self.person_wrote[path] = self.clock.ms

    def delete_by_hand(self, path: str) -> None:
        """A person removes a file."""
        self.judge.throw_away(self.disk.names[path].data)
        self.disk.drop(path)
        self.person_wrote[path] = self.clock.ms

    def mount(self) -> None:
        """The disk is back."""
        self.disk.mounted = True

    def bring_back(self) -> None:
        """The folder .xnatsync is back; what was made meanwhile makes way."""
        if self.disk.own_away is not None:
            self.disk.names.update(self.disk.own_away)
            self.disk.own_away = None

    def configure_password(self) -> None:
        """The configuration has the new password; the next process reads it."""
        self.password = self.server.password

    # --- the ledger, without boundaries --------------------------------------------------------------------------

    def questions(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.raw.execute(sql, values).fetchall()

    def question(self, sql: str, *values: Any) -> Any:
        return self.questions(sql, *values)[0][0]

    def now(self) -> str:
        return stamp(self.clock.now())

    def log(self, line: str) -> None:
        self.trace.append(f"[{self.clock.ms}] {line}")

    def shown(self) -> list[Owner]:
        """Whom people see in the project."""
        return SimArchive(self.server, self.server.password).shown(PROJECT)

    def calm_inventory(self) -> Mapping[Owner, tuple[ResourceSeen, ...]]:
        """What a project holds, with nothing going wrong."""
        return SimArchive(self.server, self.server.password).inventory(PROJECT, frozenset(OwnerKind)).owners

    # --- the quiet phase -----------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Faults stop; everything must come to its end."""
        self.log("--- quiet")
        self.faults.on = False
        while self.events or self.server.pending:
            self.pass_time(400_000)
        self.mount()
        self.bring_back()
        self.unwilling = (0, 0)
        self.configure_password()
        if self.ahead_runs:  # looks that lie in the future are seen now; once their time has passed, nobody could tell
            self.process()
        self.pass_time(int(self.mirror.recheck_s * 1000) + 1_000)  # what leaves no trace is seen when it is time
        for number in range(ROUNDS_MAX):
            done = self.settle_down()
            self._everyone_knows_why(done)
            if number == 0:
                self.held = Counter(code for (code,) in self.questions("select code from trouble where person"))
                self.judge.conflict_copies_are_told()
                self.judge.what_is_stuck_keeps_nothing_else_back()
                self.judge.odd_names_are_told(done)
            if not self._resolve(done):
                break
        else:
            raise Violation("L5", f"still not resolved: {self._troubles()}")
        self.judge.agrees()
        self.judge.own_folder_is_tidy()
        self._again_does_nothing()

    def settle_down(self) -> list[TreeRun]:
        """Runs until a run finds nothing to do."""
        for _ in range(14):
            before = self._progress()
            done = self.process()
            self.judge.after_tick()
            shown = {owner.id for owner in self.shown()}
            rows = self.questions("select retry_at, server_id from owner where hold = 'retry'")
            halted = any(one.errors for one in done)  # then nobody is taken for gone who is not shown
            waits = [str(at) for at, number in rows if number in shown or not halted]
            if self._progress() == before and not waits:
                return done
            wait_s = max([(parse(at) - self.clock.now()).total_seconds() for at in waits], default=0.0)
            self.pass_time(max(100_000, int(wait_s * 1000) + 1))  # longer than a route's `quiet`
        raise Violation("L2", "every run finds something to do")

    def _progress(self) -> tuple[Any, ...]:
        return (
            *self.questions("select id, phase, hold, code, tries, subject, session from owner order by id"),
            *self.questions("select id, path, mtime_ns, until, trash from version order by id"),
            *self.questions("select owner_id, path, code, person from trouble order by 1, 2, 3"),
        )

    def _troubles(self) -> list[tuple[Any, ...]]:
        return self.questions(
            "select o.route, t.path, t.code from trouble t join owner o on o.id = t.owner_id where person"
        )

    def _everyone_knows_why(self, done: list[TreeRun]) -> None:
        """L1: an owner agrees, is gone, or waits for a person with a reason."""
        halted = {error.code for one in done for error in one.errors}
        rows = self.questions("select id, route, phase, hold, code from owner")
        for number, route, phase, hold, code in rows:
            if route == "p" or phase == "gone" or halted or hold == "person":
                continue
            shown = {(owner.kind.value, owner.id) for owner in self.calm_inventory()}
            there = self.questions("select kind, server_id from owner where id = ?", number)[0] in shown
            if hold is not None or (there and phase != "agreed"):
                raise Violation("L1", f"owner {number} is {phase}, held {hold} by {code}, and nobody is asked")

    def _resolve(self, done: list[TreeRun]) -> bool:
        """A person does what the advice says; False when there is nothing to resolve."""
        acted = tamed = False
        for one in done:
            for error in one.errors:
                acted = True
                self.log(f"person: {error.code}")
                if isinstance(error, errors.MaxDelete):
                    self.configured = replace(self.configured, max_delete=1_000)
                elif isinstance(error, errors.NameHostile) and (tamed or tame(self)):
                    tamed = True
                else:
                    raise Violation("L1", f"the run still ends with {error.code}: {error}")
            for path, _ in one.unplaced:
                acted = True
                self.judge.is_nobodys(path)
                self.delete_by_hand(path)
        for route, path, code in self._troubles():
            acted = True
            self.log(f"person: {route} {code} {path}")
            self._mend(route, path, code)
        for number, code in self.questions(
            "select id, code from owner where hold = 'person' and id not in (select owner_id from trouble where person)"
        ):
            acted = True
            self.log(f"person: retry owner {number}, {code}")
            self.ledger.release_owner(number)
        return acted

    def _mend(self, route: str, path: str, code: str) -> None:
        if code == errors.DiskRefused.code:
            self.disk.stuck.clear()
            return
        if code == errors.ForeignContent.code and self._delete_ours_there(path):
            return
        if code in {errors.NameHostile.code, errors.NameClash.code, errors.PlaceTaken.code} and tame(self):
            return
        there = self.disk.spelled(path)
        if there != path:  # what is called alike makes way, with everything in it
            pairs = list(zip(path.split("/"), there.split("/"), strict=True))
            first = next(number for number, (mine, other) in enumerate(pairs) if mine != other)
            if code == errors.PlaceTaken.code and call_otherwise(self, pairs[first][0]):
                return
            there = "/".join(other for _, other in pairs[: first + 1])
        away = {name for name in self.disk.shown() if name == there or name.startswith(f"{there}/")}
        if code == errors.NameClash.code:  # what lies here alone makes way
            away |= {name for group in clashes({*self.disk.shown(), path}) if path in group for name in group} - {path}
        for name in sorted(away):
            self.delete_by_hand(name)

    def _delete_ours_there(self, path: str) -> bool:
        """A half of what we sent is taken off the server by hand; what others put there is theirs."""
        place = self.mirror.layout.locate(path)
        assert place is not None
        for one, _ in self.server.owners():
            if not isinstance(one, Experiment) or (
                place.session_id != one.id and label_in(one, PROJECT) != place.session
            ):
                continue
            if place.scan and place.scan not in one.scans:
                return False
            scan = one.scans[place.scan] if place.scan else None
            resource = (scan or one).resources.get(place.resource)
            if resource is None or place.name not in resource.entries:
                return False
            if self.server.content(resource, place.name) in self.server.foreign:
                return False
            where = self.server.place(one, scan)
            files.delete_files(self.server.site, where, resource, [resource.entries[place.name]], remove=True)
            return True
        return False

    def _again_does_nothing(self) -> None:
        """L3: another run writes nothing, changes nothing, and asks for an inventory at most, of each route."""

        def state() -> tuple[Any, ...]:
            names = {path: (inode.data, inode.mtime_ns) for path, inode in self.disk.names.items()}
            return self.writes, self.fetches, self._progress(), names

        before, reads = state(), self.reads
        self.process()
        if state() != before:
            raise Violation("L3", "another run did something")
        many = self.reads - reads
        if self.mirror.recheck_s and many > 1 + self.pushes:
            raise Violation("L3", f"another run asked {many} questions")

    # --- for comparisons -----------------------------------------------------------------------------------------

    def outcome(self) -> dict[str, list[str]]:
        """Where everything is in the end: what must not depend on orders, workers and kills."""
        return {
            "tree": sorted(f"{path} {self.sha(inode.data).hex()[:12]}" for path, inode in self.disk.shown().items()),
            "server": sorted(f"{key} {self.sha(data).hex()[:12]}" for key, data in self.server.truth().items()),
        }
