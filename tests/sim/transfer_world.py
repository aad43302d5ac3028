"""One history of a transfer between two servers: its run, the real ledger and the route, unchanged, from a seed.

The simulation plays the workers and the coordinators: another entity may be stepped, or another coordinator run to its
end, at a boundary inside a step.  With faults on, everything the judge knows must be true after every effect.  Then
faults stop: both sides agree, or a person is asked with a reason, who acts, and it goes on by itself.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sim import slate, transfer_choices
from sim.clock import SimClock, SimIds
from sim.faults import Chance, Crash
from sim.grid import Cell
from sim.invariants import Violation
from sim.ledger import SimLedger
from sim.observers import Failing
from sim.transfer_faults import TransferFaults
from sim.transfer_invariants import SECRET, VALUE, TransferJudge
from sim.transfer_people import AT_DESTINATION, AT_SOURCE, Act, add_subject
from sim.transfer_server import Held, SimSide, flat
from transfer.model import Thing
from xnatsync.app.transfer_plan import Planned, changed_since, step_digest
from xnatsync.core.errors import GoneThere, XnatsyncError
from xnatsync.core.moment import stamp
from xnatsync.engine.dispatcher import Dispatcher, Key
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import NewVersion
from xnatsync.routes.transfer import run as running
from xnatsync.routes.transfer.run import TransferPlan, TransferRun, plan, run
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.world import TransferWorld
from xnatsync.verify.transfers import Examination

PATIENCE_S = 120.0
STEPS_MAX = 600  # L2: so many steps are enough for any run of this size
ROUNDS_MAX = 12  # so often a person may be asked until everything is resolved


class TransferLedger(SimLedger):
    """The ledger of one coordinator; the judge looks at what is written down."""

    history: TransferHistory  # type: ignore[assignment]

    def __init__(self, raw: sqlite3.Connection, coordinator: Coordinator) -> None:
        super().__init__(raw, coordinator.history)  # type: ignore[arg-type]
        self.coordinator = coordinator

    def change_versions(
        self, begun: Sequence[NewVersion], ended: Iterable[tuple[int, str]], now: str, run_id: int | None
    ) -> None:
        self.history.judge.before_versions(self.coordinator, begun)
        super().change_versions(begun, ended, now, run_id)

    def owner_gone(self, owner_id: int, now: str) -> None:
        self.history.judge.before_gone(self.owner(owner_id))
        super().owner_gone(owner_id, now)


class Coordinator:
    """A machine that runs the transfer, with a ledger of its own."""

    def __init__(self, history: TransferHistory, name: str) -> None:
        self.history, self.name = history, name
        self.slate = slate.take()
        self.raw = self.slate.raw
        self.ledger = TransferLedger(self.raw, self)
        self.alive = self.dying = False

    def questions(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks the ledger, without boundaries."""
        return self.raw.execute(sql, values).fetchall()

    def stand_in(self, thing: Thing) -> Thing | None:
        """What stands for something of the source, as the ledger knows it."""
        rows = self.questions(
            "select c.there_id from counterpart c join owner o on o.id = c.owner_id "
            "where c.part = '' and o.server_id = ?",
            thing.id,
        )
        there = self.history.there
        return (there.things.get(rows[0][0]) or there.projects.get(rows[0][0])) if rows else None


class InlineRota(Dispatcher):
    """The production dispatcher without its threads."""

    def __init__(self, coordinator: Coordinator, *given: Any) -> None:
        super().__init__(*given)
        self.coordinator, self.history = coordinator, coordinator.history
        self.workers = 64

    def run(self, *, forever: bool = False) -> None:
        """Steps in seeded order until nothing more can be done now."""
        history = self.history
        history.rotas.append(self)
        try:
            while not self.context.stopping():
                history.boundary("rota")
                key = self.pick(history.faults.random(f"order {history.order}", history.steps))
                if key is not None:
                    self.one(key)
                    continue
                wait_s = self._next_s()
                if wait_s is None or wait_s > self.patience_s - self.waited_s:
                    break
                self.waited_s += wait_s
                history.pass_time(int(wait_s * 1000) + 1)
        finally:
            history.rotas.remove(self)

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
        history.log(f"{self.coordinator.name}: step {key[1]}")
        if history.steps - history.run_steps > STEPS_MAX:
            raise Violation("L2", f"no end after {STEPS_MAX} steps of one run")
        history.depth += 1
        result = self.kinds[key[0]].step(key[1])
        history.depth -= 1
        self._take(key, result)


class TransferHistory:
    """The world of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        ticks: int | None = None,
        script: Callable[[TransferHistory], None] | None = None,
        order: int = 0,
        settings: Mapping[str, Any] | None = None,
        forced: Mapping[Cell, int] | None = None,
        spot: Cell | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """`without` are kinds of faults that never happen."""
        self.seed, self.order, self.script = seed, order, script
        self.faults = TransferFaults(seed, masked, only, forced, spot, without)
        self.clock, self.ids = SimClock(), SimIds()
        self.trace: list[str] = []
        self.marks: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.events: list[tuple[int, int, Callable[[], object]]] = []
        self.rotas: list[InlineRota] = []
        self.at_work: list[Coordinator] = []  # whose process runs now; those before it wait in the middle of theirs
        self.steps = self.run_steps = self.crashes = self.jumps = self.depth = 0
        self.ahead_runs = 0  # runs whose clock was far ahead: they end every wait
        self.looked_ms = 0  # when our latest step began
        self.was_ahead = self.stopping = self.repairing = False
        self.meddled = False  # somebody changed the destination, or wrote there beside us
        self.lied = self.hidden = self.limbo = False  # the destination said something false
        self.conflict_of: Callable[[], object] | None = None
        self.numbers = iter(range(1, 1_000_000))
        chance = self.faults.random("route", 0)
        self.taken = transfer_choices.draw(chance)
        self.judge = TransferJudge(self)
        self.source = Held(self, "a", digests=chance.random() < 0.85)
        self.there = Held(self, "b", digests=chance.random() < 0.75)
        self.shares = chance.random() < 0.5  # a second project is transferred as well
        self.sizeless = chance.random() < 0.2  # the source states no size of some files
        self.keeps_otherwise = chance.random() < 0.2
        self.there.keeps = lambda path, value: value.upper() if self.keeps_otherwise and path == "more" else value
        self.route = self.configured = self._route(chance, dict(settings or {}))
        self.by_command = chance.random() < 0.6  # whoever gives the command again asks for another try
        self.coordinators = [Coordinator(self, "one"), Coordinator(self, "two")]
        self.ticks = ticks if ticks is not None else chance.choice((2, 3, 4, 6))
        self._furnish(chance)

    def _route(self, chance: Chance, given: dict[str, Any]) -> TransferRoute:
        values: dict[str, Any] = {
            "name": "t", "server": "a", "project": "P", "to_server": "b", "to_project": "Q",
            "filters": self.taken.filter, "sync_new_only": chance.random() < 0.85,
            "max_failures": chance.choice((1, 5, 100)), "retries": chance.choice((0, 1, 3)),
            "delay_s": chance.choice((0.0, 5.0)), "quiet_s": 60.0, "verify": chance.random() < 0.8,
        }  # fmt: skip
        return TransferRoute(**{**values, **given})

    def _furnish(self, chance: Chance) -> None:
        project = self.source.project("P", description=self.value())
        self.source.put(project, "NOTES", {"p.txt": self.content()})
        for _ in range(chance.choice((1, 1, 2))):
            add_subject(self, chance)
        for number in ("P2", "R2"):
            (self.source if number == "P2" else self.there).project(number)
        if chance.random() < 0.4:
            self.there.project("Q", description=self.value())
        self.judge.learn()
        self.clock.ms += 60_000

    def name(self, letter: str) -> str:
        return f"{SECRET}{letter}{next(self.numbers)}"

    def value(self) -> str:
        return f"{VALUE}{next(self.numbers)}"

    def content(self) -> bytes:
        """A new content that nobody had before, each longer than the last."""
        number = next(self.numbers)
        return f"{number:.>{8 + number}}".encode()

    # --- playing -------------------------------------------------------------------------------------------------

    def play(self) -> TransferHistory:
        """Plays both phases; Violation when a promise is broken."""
        original = running.Dispatcher
        try:
            for number in range(self.ticks):
                if self.script is not None:
                    if number == 0:
                        self.script(self)
                elif number and self.faults.only is None:
                    self._between(self.faults.random("between", number))
                mine = self.coordinators[0 if self.faults.random("who", number).random() < 0.85 else 1]
                self.process(mine)
            self.calm_down()
        finally:
            running.Dispatcher = original  # type: ignore[misc]
            for one in self.coordinators:
                slate.give_back(one.slate)
        return self

    def _between(self, chance: Chance) -> None:
        """Between two runs people have all the time they want."""
        for number in range(chance.choice((0, 1, 1, 2, 4))):
            draws = self.faults.random(f"between {chance.text}", number)
            if not self.faults.masks("between", f"between runs {number}"):
                self.act(draws)
            self.pass_time(draws.choice((10, 5_000, 90_000, 4_000_000)))

    def act(self, chance: Chance) -> None:
        """A person does something at either end."""
        self.acting(chance.choice(AT_SOURCE if chance.random() < 0.7 else AT_DESTINATION), chance)

    def acting(self, act: Act, chance: Chance) -> None:
        done = self.people(lambda: act(self, chance))
        self.log(f"people: {act.__name__}: {done}")
        self.marks[act.__name__] += 1

    def people(self, act: Callable[[], object]) -> object:
        """Whatever it changes at the destination is somebody's."""
        before = flat(self.there)
        try:
            done = act()
        except XnatsyncError as error:
            done = f"refused: {error}"
        except KeyError:
            done = "nothing is there"
        self.judge.learn()
        self.judge.people_did(before)
        return done

    # --- one process ---------------------------------------------------------------------------------------------

    def process(self, mine: Coordinator, *, certify: bool | None = None) -> TransferRun | None:
        """One run of one coordinator, as `project transfer` or `sync` makes it; None when it was killed or refused."""
        if mine.alive:
            self.log(f"{mine.name}: another run has the ledger")
            return None
        self.log(f"{mine.name}: start")
        if mine is not self.coordinators[0]:
            self.meddled = True
        ahead_ms = self._clock_ahead()
        self.clock.offset_ms += ahead_ms
        was = running.Dispatcher, self.run_steps, self.looked_ms, self.depth, self.stopping
        running.Dispatcher = partial(InlineRota, mine)  # type: ignore[assignment, misc]
        self.run_steps, self.depth, self.stopping = self.steps, 0, False
        mine.alive = True
        self.at_work.append(mine)
        done: TransferRun | None = None
        try:
            mine.ledger = TransferLedger(mine.raw, mine)
            done = self._run(mine, certify)
            self.log(f"{mine.name}: {dict(done.counts)} {[error.code for error in done.errors]}")
        except Crash:
            self._die(mine)
        except XnatsyncError as error:
            self.log(f"{mine.name}: the run ended: {error.code}")
        finally:
            mine.alive = False
            self.at_work.pop()
            running.Dispatcher, self.run_steps, self.looked_ms, self.depth, self.stopping = was  # type: ignore[misc]
            self.clock.offset_ms -= ahead_ms
        self.judge.after_run(mine)
        self.pass_time(1_000)
        return done

    def _run(self, mine: Coordinator, certify: bool | None) -> TransferRun:
        world = self.world(mine)
        ledger = world.ledger
        for name in ("t", "u"):
            ledger.remember_route(name, "transfer", "digest", self.now())
        if self.shares:  # the other project was transferred before, by the same ledger
            ledger.begin_transfer_run(
                world.run_id, "u", server="a", project="P2", to_server="b", to_project="R2", now=self.now()
            )
            ledger.end_transfer_run(world.run_id, "u", "complete", {}, self.now())
        if self.by_command:
            with ledger.write():
                for row in ledger.owners("t"):
                    if row.hold is not None:
                        ledger.release_owner(row.id)
        else:
            ledger.disbelieve_the_future(self.now())  # as `recover` does before any route of a run
            ledger.end_cut_deeds(self.now())
        route = replace(self.route, repair=self.repairing)
        planned = self._planned(mine, route)
        if planned is not None:
            only, _ = changed_since(planned, self._plan(mine, route))
            route = replace(route, only=only)
        bugs: list[str] = []
        done = run(world, route, workers=4, patience_s=PATIENCE_S, on_bug=bugs.append)
        if route.only is not None:
            self._only_that(mine, world.run_id, route.only)
        wanted = certify if certify is not None else self.faults.random("certify", self.steps).random() < 0.4
        if wanted:
            self._certify(mine, world)
        ledger.end_run(world.run_id, "ok", {}, self.now())
        return done

    def world(self, mine: Coordinator, ledger: Ledger | None = None) -> TransferWorld:
        ledger = ledger or mine.ledger
        sides: dict[str, Any] = {
            "a": SimSide(self, self.source, "source", mine.name), "b": SimSide(self, self.there, "there", mine.name)
        }  # fmt: skip
        self.sides = sides
        run_id = ledger.start_run("command", 1, "boot", "0", self.now())
        return TransferWorld(
            ledger=ledger, clock=self.clock, ids=self.ids, run_id=run_id, progress=Progress(Failing(self).hear),  # type: ignore[arg-type]
            stopping=lambda: self.stopping, server=sides.__getitem__, routes={"t": self.route},
        )  # fmt: skip

    def _planned(self, mine: Coordinator, route: TransferRoute) -> Planned | None:
        """In some runs a plan was made before, and somebody may have done something since."""
        chance = self.faults.random("planned", self.steps)
        if not self.faults.on or chance.random() > 0.15:
            return None
        found = self._plan(mine, route)
        if found.errors:
            return None
        steps = {owner.key: step_digest(wanted) for owner, wanted in found.steps if wanted.effects}
        if chance.random() < 0.5:
            self.act(chance)
        return Planned({}, steps, {})

    def _plan(self, mine: Coordinator, route: TransferRoute) -> TransferPlan:
        """Plans on a copy of the ledger: no request of it writes."""
        raw = sqlite3.connect(":memory:", isolation_level=None)
        mine.raw.backup(raw)
        apart = Ledger(raw)
        self.judge.planning = True
        try:
            return plan(self.world(mine, apart), route)
        finally:
            self.judge.planning = False
            raw.close()

    def _only_that(self, mine: Coordinator, run_id: int, only: frozenset[tuple[str, str]]) -> None:
        rows = mine.questions(
            "select distinct o.kind, o.server_id from deed d join owner o on o.id = d.owner_id where d.run_id = ?",
            run_id,
        )
        self.judge.checks["planned"] += 1
        if more := set(rows) - only:
            raise Violation("T1", f"a plan was to be done, and beyond it {more}")

    def _certify(self, mine: Coordinator, world: TransferWorld) -> bool:
        before = flat(self.source), flat(self.there)
        examination = Examination(
            ledger=mine.ledger, route=self.route, source=world.server("a"), there=world.server("b"),
            stopping=lambda: self.stopping,
        )  # fmt: skip
        try:
            entities = tuple(examination.entities())
        except XnatsyncError as error:
            self.log(f"no certificate: {error.code}")
            return False
        is_complete = bool(entities) and all(one.is_complete for one in entities if not one.source.home)
        grave = [(one.source.id, told) for one in entities for told in one.comparison.differences if told.is_grave]
        self.log(f"certificate: complete: {is_complete} {[one.error for one in entities if one.error]} {grave[:2]}")
        if mine is self.coordinators[0]:
            self.judge.certified(before, is_complete=is_complete)
        return is_complete

    def _die(self, mine: Coordinator) -> None:
        """The process is killed: what was not committed is gone, and so is its memory."""
        self.crashes += 1
        self.log(f"{mine.name}: killed")
        if mine.raw.in_transaction:
            mine.raw.execute("rollback")
        mine.ledger.forget()
        mine.dying = False
        self.pass_time(self.faults.next("downtime").choice((10, 1_000, 30_000, 300_000)))

    def _clock_ahead(self) -> int:
        """For one run, and never for two in a row, the clock may be far ahead: a battery, a wrong hand."""
        was, self.was_ahead = self.was_ahead, False
        if any(one.alive for one in self.coordinators) or was or not self.faults.on:
            return 0
        if not (chance := self.faults.fires("clock ahead", "run")):
            return 0
        self.was_ahead = True
        self.ahead_runs += 1
        self.log("the clock is ahead")
        return 86_400_000 * chance.choice((2, 40, 400))

    # --- boundaries ----------------------------------------------------------------------------------------------

    def boundary(self, where: str) -> None:
        """Between any two effects: time passes, the world goes on, and the process may die."""
        mine = self.at_work[-1] if self.at_work else None
        if mine is not None and mine.dying:
            raise Crash  # no handler on the way up does anything more
        self.clock.ms += 5
        self.trace.append(where)
        self.happen()
        if where == "source.describe":
            self.looked_ms = self.clock.ms
        if mine is None or not self.faults.on:
            return
        faults = self.faults
        if faults.fires("crash", where):
            mine.dying = True
            raise Crash
        if chance := faults.fires("clock jump", where):
            self.clock.offset_ms += chance.choice((-30_000, -500, 500, 45_000, 3_600_000, 100_000_000))
            self.jumps += 1
        if faults.fires("stop", where):
            self.stopping = True
        if chance := faults.fires("restart", where):
            chance.choice((self.source, self.there)).down_ms = self.clock.ms + chance.choice((2_000, 60_000, 900_000))
        if chance := faults.fires("act", where):
            self.act(chance)
        if mine.ledger._depth:
            return
        if len(self.at_work) < 2 and faults.fires("second run", where):
            self.process(self.coordinators[1 if mine is self.coordinators[0] else 0])
        if (
            self.depth == 1
            and self.rotas
            and self.rotas[-1].coordinator is mine
            and (chance := faults.fires("worker", where))
        ):
            rota = self.rotas[-1]
            key = rota.pick(chance)
            if key is not None:
                looked, rota_depth = self.looked_ms, self.depth
                rota.one(key)
                self.looked_ms, self.depth = looked, rota_depth

    def happen(self) -> None:
        """What was to happen by now."""
        while self.events and self.events[0][0] <= self.clock.ms:
            heapq.heappop(self.events)[2]()

    def pass_time(self, ms: int) -> None:
        """Lets time pass, and what happens in it."""
        self.clock.ms += ms
        self.happen()

    def at(self, wait_ms: int, act: Callable[[], object]) -> None:
        """Lets something happen later."""
        self.faults.counts["event"] += 1
        heapq.heappush(self.events, (self.clock.ms + wait_ms, self.faults.counts["event"], act))

    def outcome(self) -> list[str]:
        """Where everything is in the end, without the destination's own keys."""
        there = self.there
        found = []
        for (number, part, kind, name), value in flat(there).items():
            label = there.things[number].label if number in there.things else number
            found.append(f"{label} {part} {kind} {name} {value!r}")
        return sorted(found)

    def now(self) -> str:
        return stamp(self.clock.now())

    def log(self, line: str) -> None:
        self.trace.append(f"[{self.clock.ms}] {line}")

    # --- the quiet phase -----------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Faults stop; everything must come to its end."""
        self.log("--- quiet")
        self.faults.on = False
        while self.events:
            self.pass_time(400_000)
        for server in (self.source, self.there):
            server.down_ms, server.unwilling = 0, (0, 0)
        self.pass_time(400_000)
        self.route = replace(self.configured, max_failures=1_000_000)  # so many people may be asked at once
        mine = self.coordinators[0]
        for number in range(ROUNDS_MAX):
            self.settle_down(mine)
            if number == 0:
                self._nobody_is_blamed(mine)
                self.judge.agreed_is_the_same(mine)
            if not self._resolve(mine):
                break
        else:
            raise Violation("L5", f"still not resolved: {self._asked(mine)}")
        self._everything_ends(mine)
        self._again_does_nothing(mine)

    def settle_down(self, mine: Coordinator) -> None:
        """Runs until a run finds nothing to do."""
        same = 0
        for _ in range(16):
            before = self._progress(mine)
            done = self.process(mine, certify=False)
            if done is None:
                raise Violation("L1", "nothing goes wrong, and a run does not come to its end")
            if done.errors:
                raise Violation("L1", f"nothing goes wrong, and a run ends with {done.errors}")
            same = same + 1 if self._progress(mine) == before else 0
            if same == 2 or (same and not done.unfinished):
                return
            self.pass_time(100_000)  # longer than a route's `quiet`
        new = [one for one in self._progress(mine) if one not in before]
        raise Violation("L2", f"every run finds something to do: {new[:2]}")

    def _progress(self, mine: Coordinator) -> tuple[Any, ...]:
        return (
            *mine.questions("select id, phase, hold, code, subject, session from owner order by id"),
            *mine.questions("select id, name, until from version order by id"),
            *mine.questions("select owner_id, path, code, person from trouble order by 1, 2, 3"),
            *mine.questions("select owner_id, part, there_id, facts from counterpart order by 1, 2"),
            tuple(sorted(map(repr, flat(self.there).items()))),
        )

    def _asked(self, mine: Coordinator) -> list[tuple[Any, ...]]:
        return mine.questions("select owner_id, path, code, detail from trouble where person") + mine.questions(
            "select id, hold, code, detail from owner where hold is not null"
        )

    def _nobody_is_blamed(self, mine: Coordinator) -> None:
        """L1: a person is asked only where somebody did something."""
        self.held = Counter(code for (code,) in mine.questions("select code from trouble where person"))
        if self.meddled or self.lied or self.keeps_otherwise:
            return
        empty = "the resource was deleted at the destination"  # said to be made and never shown: nothing tells that
        if found := [one for one in self._asked(mine) if not (self.limbo and str(one[3]).endswith(empty))]:
            raise Violation("L1", f"a person is asked, and nobody did anything: {found[:2]}")

    def _resolve(self, mine: Coordinator) -> bool:
        """A person does what the advice says; False when there is nothing to resolve."""
        asked = self._asked(mine)
        self.repairing = self.repairing or any(code == GoneThere.code for _, _, code, _ in asked)
        for number, path, code, _ in asked:
            self.log(f"person: o{number} {code} {path}")
            self._mend(mine, number, code)
        for number, _ in mine.questions("select id, hold from owner where hold is not null"):
            mine.ledger.release_owner(number)
        return bool(asked)

    def _mend(self, mine: Coordinator, number: int, code: str) -> None:
        kind, server_id = mine.questions("select kind, server_id from owner where id = ?", number)[0]
        here = self.source.projects.get(server_id) if kind == "project" else self.source.things.get(server_id)
        if here is None:
            return
        if code == "XS-PREARCHIVE-OCCUPIED":
            self.there.uploads.clear()
        elif code == "XS-FOREIGN-CONTENT":  # what no listing shows is taken away on the server's disk
            self.there.parts_left.clear()
        elif code == "XS-LABEL-TAKEN":
            self._make_way(mine, here)
        elif code == "XS-CHANGED-THERE" and (there := mine.stand_in(here)) is not None:
            self.people(lambda: _bring(here, there))

    def _make_way(self, mine: Coordinator, here: Thing) -> None:
        """Whoever has the label or the study at the destination is taken away by hand."""
        there = mine.stand_in(here)
        uid = here.fields.get("UID", "")
        for other in list(self.there.things.values()):
            taken = other.label == here.label or (uid and other.fields.get("UID") == uid)
            if other is not there and other.kind is here.kind and taken:
                del self.there.things[other.id]
        if there is not None:
            mine_parts = {(part.kind, part.name): part.xsi_type for part in here.parts}
            wrong = [
                part for part in there.parts if mine_parts.get((part.kind, part.name), part.xsi_type) != part.xsi_type
            ]
            for part in wrong:
                there.parts.remove(part)
            there.changes += 1
        here.changes += 1

    def _everything_ends(self, mine: Coordinator) -> None:
        """L1: everything agrees, or what does not is told."""
        for number, phase, server_id in mine.questions("select id, phase, server_id from owner where phase <> 'gone'"):
            if phase != "agreed" and (server_id in self.source.things or server_id in self.source.projects):
                raise Violation("L1", f"o{number} is {phase} in the end, and nobody is asked")
        told = mine.questions("select code from trouble")
        self.marks["troubles in the end"] += bool(told)
        if told:
            return
        self.judge.agrees()
        is_plain = self.source.digests and self.there.digests and not (self.sizeless or self.meddled)
        if is_plain and not self._certify(mine, self.world(mine)):
            raise Violation("T2", f"everything agrees, and no certificate says complete: {self.trace[-1]}")

    def _again_does_nothing(self, mine: Coordinator) -> None:
        """L3: another run writes nothing, changes nothing, and asks for two listings of each side."""
        before = self._progress(mine)
        self.process(mine, certify=False)
        if more := [one for one in self._progress(mine) if one not in before]:
            raise Violation("L3", f"another run did something: {more[:2]}")
        calls = {side: list(one.calls) for side, one in self.sides.items()}
        quiet = not mine.questions("select 1 from trouble") and self.route.sync_new_only
        if quiet and any(asked != ["inventory", "part_stamps"] for asked in calls.values()):
            raise Violation("L3", f"another run asked {calls}")


def _bring(here: Thing, there: Thing) -> None:
    """Puts the source's version at the destination by hand."""
    there.fields |= here.fields
    there.custom |= here.custom
    for key, res in here.resources.items():
        theirs = there.resources.get(key)
        if theirs is not None:
            theirs.files |= {name: data for name, data in res.files.items() if name in theirs.files}
            theirs.changes += 1
    for part in here.parts:
        for other in there.parts:
            if (other.kind, other.name) == (part.kind, part.name):
                _bring(part, other)
    there.changes += 1
