"""One history: the production engine, ledger and route, unchanged, on one simulated world, from a seed.

The simulation plays the dispatcher's threads: it takes what the dispatcher says is ready, in seeded order, and steps it
in this thread.  A step of another key may run at a boundary inside a step: that is what two workers look like.

Two phases.  With faults on, everything that the judge knows must be true after every tick.  Then faults stop:
everything must come to its end, or wait for a person with a reason, who resolves it, and it goes on by itself.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

from sim import content, people, places, slate
from sim.clock import SimClock, SimIds
from sim.disk import SimDisk, is_object
from sim.faults import Chance, Crash, Faults
from sim.invariants import Judge, Violation
from sim.server import PROJECT, SimServer, SimXnat
from xnatsync.core import errors
from xnatsync.core.errors import DiskFull, DiskUnwell, LedgerHeld, XnatsyncError
from xnatsync.core.group import Routing
from xnatsync.core.manifest import Level
from xnatsync.core.names import Template
from xnatsync.engine import perform
from xnatsync.engine.discover import discover
from xnatsync.engine.dispatcher import Dispatcher, Key
from xnatsync.engine.items import step_item
from xnatsync.engine.recover import recover
from xnatsync.engine.release import release_unit, unsure_s
from xnatsync.engine.units import step_unit
from xnatsync.engine.world import Paused, Result, Silent, World
from xnatsync.ledger.connection import Row, Values
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import ItemRow, ReceiptRow, UnitRow
from xnatsync.routes.drop import DropRoute
from xnatsync.sandbox.model import deletion, operations
from xnatsync.sandbox.model.creation import ModelError

PATIENCE_S = 120.0
STEPS_MAX = 1_500  # L2: so many steps are enough for any history of this size, once nothing goes wrong any more
ROUNDS_MAX = 24  # so often a person may be asked until everything is resolved
ASKED_MAX = 6  # and so often about one item, before it is given up


class InlinePool:
    """Runs at once, in this thread, what the engine hands to its threads."""

    def __init__(self, max_workers: int = 1, thread_name_prefix: str = "") -> None:
        """Takes what a ThreadPoolExecutor takes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class SimLedger(Ledger):
    """The ledger: boundaries before and after each transaction, and what can go wrong with its disk."""

    def __init__(self, raw: sqlite3.Connection, history: History) -> None:
        super().__init__(raw)
        self.history = history
        self.read: dict[Any, list[Any]] = {}
        self.read_at = -1

    # What was read is remembered until something is written or undone: nobody else can change this ledger.

    def _all(self, make: Callable[..., Row], sql: str, values: Values = ()) -> list[Row]:
        if isinstance(values, dict):
            return super()._all(make, sql, values)
        if self.read_at != self._raw.total_changes:
            self.read.clear()
            self.read_at = self._raw.total_changes
        key = (make, sql, *values)
        found = self.read.get(key)
        if found is None:
            found = self.read[key] = super()._all(make, sql, values)
        return found.copy()

    def forget(self) -> None:
        """Something was undone: what was read meanwhile is no longer so."""
        self.read_at = -1

    def _undo(self, mark: str) -> None:
        self.forget()
        super()._undo(mark)

    def _commit(self) -> None:
        try:
            super()._commit()
        except BaseException:
            self.forget()
            raise

    def write(self) -> AbstractContextManager[None]:
        return self._outermost() if self._depth == 0 else super().write()

    @contextmanager
    def _outermost(self) -> Iterator[None]:
        self.history.boundary("ledger.write")
        if self.history.faults.fires("ledger busy", "ledger.write"):
            raise LedgerHeld("another process is writing to the ledger")
        with super().write():
            yield
        self.history.boundary("ledger.write, committed")

    def _run(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        if self._depth and sql.startswith(("insert", "update", "delete", "commit")):
            if self.history.faults.fires("ledger full", "ledger.write"):
                if self._raw.in_transaction:
                    self._raw.execute("rollback")  # as SQLite does by itself
                    self.forget()
                raise DiskFull("the ledger cannot grow: no space left on its disk")
            if self.history.faults.fires("ledger io", "ledger.write"):
                raise DiskUnwell("the ledger cannot be written: disk I/O error")
        return super()._run(sql, values)

    def conclude(self, unit_id: int, **more: Any) -> ReceiptRow:
        vouched = self.history.judge.before_receipt(unit_id, Level(more["level"]))
        receipt = super().conclude(unit_id, **more)
        for digest, level in vouched.items():
            held = self.history.judge.vouched.get(digest, Level.COUNTS)
            self.history.judge.vouched[digest] = level if level.rank > held.rank else held
        self.history.marks["receipt"] += 1
        return receipt

    def event(self, code: str, text: str, **more: Any) -> None:
        super().event(code, text, **more)
        self.history.marks[code] += 1


class Inline(Dispatcher):
    """The production dispatcher without its threads."""

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
        kind, number = key
        ledger = self.world.ledger
        result: Result
        try:
            if kind == "item":
                result = step_item(self.world, ledger.item(number))
            else:
                result = step_unit(self.world, ledger.unit(number))
        except XnatsyncError as error:
            result = Paused("the ledger", error)
        self._take(key, result)


class History:
    """The world of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        ticks: int | None = None,
        script: Callable[[History], None] | None = None,
        order: int = 0,
        settings: Mapping[str, Any] | None = None,
        forced: Mapping[places.Cell, int] | None = None,
        spot: places.Cell | None = None,
    ) -> None:
        self.seed = seed
        self.order = order
        self.faults = Faults(seed, masked, only, forced, spot)
        self.clock, self.ids = SimClock(), SimIds()
        self.trace: list[str] = []
        self.marks: Counter[str] = Counter()
        self.asked: Counter[int] = Counter()
        self.held: Counter[str] = Counter()  # what a person was asked when faults had stopped
        self.known: dict[bytes, bytes] = {}  # every content that anybody ever dropped
        self.torn: set[bytes] = set()
        self.stamps: dict[tuple[str, int, int], bytes] = {}  # what had a path, a size and an old time first
        self.given_up: set[bytes] = set()  # contents that people took away or overwrote, or that a power cut took
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.touched = False  # somebody acted on the server during this step
        self.jumps = 0
        self.stirred = False  # something happened that a watcher would have noticed
        self.writes = 0
        self.in_flight: list[tuple[str, str]] = []
        self.depth = 0
        self.alive = False
        self.steps = 0
        self.crashes = 0
        chance = self.faults.random("route", 0)
        self.route = self._route(chance, dict(settings or {}))
        self.disk = SimDisk(self, self.route.folder, self.route.done, chance.choice((1, 1, 2_000_000_000)))
        self.server = SimServer(self, anonymises=chance.random() < 0.5, checksums=chance.random() < 0.8)
        self.password = self.server.password
        self.judge = Judge(self)
        self.slate = slate.take()
        self.raw = self.slate.raw
        self.ledger = SimLedger(self.raw, self)
        self.dispatcher: Inline | None = None
        self.ticks = ticks if ticks is not None else chance.choice((40, 60, 80, 120))
        self.script = script

    def _route(self, chance: Chance, given: dict[str, Any]) -> DropRoute:
        folder = Path("/drop")
        after = chance.choice(("move", "move", "move", "delete", "keep"))
        level = Level.PIXELS if after == "delete" else chance.choice((Level.NAMES, Level.NAMES, Level.PIXELS))
        waits = level is Level.NAMES and chance.random() < 0.15  # in the prearchive: proven by names, no attachments
        values: dict[str, Any] = {
            "name": "r",
            "folder": folder,
            "done": chance.choice((folder / "done", Path("/filed"))),
            "server": "s",
            "routing": Routing(
                PROJECT, Template.parse("{PatientID}"), Template.parse("{PatientID}_{Modality}_{StudyDate}")
            ),
            "settle_s": chance.choice((0.0, 5.0, 60.0)),
            "destination": "prearchive" if waits else "archive",
            "after": after,
            "level": level,
            "collision": chance.choice(("hold", "suffix")),
            "other": chance.choice(("keep", "ignore") if waits else ("keep", "attach", "attach", "ignore")),
            "member_names": "uid" if waits else chance.choice(("uid", "uid", "original")),
            "quiet_s": 60.0,
        }  # fmt: skip
        return DropRoute(**{**values, **self._on_the_way_to(self.faults.spot[1]), **given})

    def _on_the_way_to(self, where: str) -> dict[str, Any]:
        """The settings without which a method is never called."""
        match where:
            case "xnat.put_file" | "xnat.resource_files":
                return {"other": "attach", "destination": "archive", "member_names": "uid"}
            case "xnat.fetch_scans":
                return {"level": Level.PIXELS, "destination": "archive", "after": "delete"}
            case "disk.remove":
                return {"level": Level.PIXELS, "destination": "archive", "after": "delete"}
            case "disk.move" | "disk.prune" | "disk.exists":
                return {"after": "move"}
            case "xnat.commit":
                return {"destination": "archive"}
            case _:
                return {}

    # --- playing -------------------------------------------------------------------------------------------------

    def play(self) -> History:
        """Plays both phases; Violation when a promise is broken."""
        original, perform.ThreadPoolExecutor = perform.ThreadPoolExecutor, InlinePool  # type: ignore[assignment, misc]
        try:
            if self.script is not None:
                self.script(self)
            else:
                for number in range(self.faults.random("drops", 0).choice((1, 1, 2, 3))):
                    chance = self.faults.random("drop", number)
                    self.at(chance.choice((0, 0, 1_000, 30_000, 200_000)), self.acting(people.drop, chance))
            for _ in range(self.ticks):
                self.tick()
                self.judge.after_tick()
            self.calm_down()
        finally:
            perform.ThreadPoolExecutor = original  # type: ignore[misc]
            slate.give_back(self.slate)
        return self

    def acting(self, act: people.Act, chance: Chance) -> Callable[[], None]:
        def run() -> None:
            self.log(f"people: {act.__name__}: {act(self, chance)}")

        return run

    def tick(self) -> None:
        """One step of the process, or the beginning or the end of one, or some time."""
        try:
            if not self.alive:
                self.begin()
                return
            assert self.dispatcher is not None
            if self.faults.on and self.faults.next("discover").random() < (0.7 if self.stirred else 0.15):
                self.stirred = False
                self.find()
            if not self.work():
                self.rest(PATIENCE_S)
        except Crash:
            self.die()
        except XnatsyncError as error:  # in discovery or recovery: the command ends with it
            self.log(f"the run ended: {error.code}")
            self.stop_run()

    def begin(self) -> None:
        """A process starts."""
        if self.faults.on and self.faults.only is None and self.faults.next("let go").random() < 0.25:
            self.let_go()
        self.log("start")
        self.alive = True
        self.ledger = SimLedger(self.raw, self)
        xnat = SimXnat(self.server, self.password)
        now = self.ledger_now()
        run_id = self.ledger.start_run("command", 1, "boot", "0", now)
        self.ledger.remember_route("r", "drop", "digest", now)
        world = World(
            ledger=self.ledger, disk=self.disk, clock=self.clock, ids=self.ids, server=lambda name: xnat,
            routes={"r": self.route}, run_id=run_id, progress=Silent(), stopping=lambda: False,
        )  # fmt: skip
        recover(world)
        self.dispatcher = Inline(world, 64, PATIENCE_S, self.log)
        self.find()

    def let_go(self) -> None:
        """A person says `xnatsync retry` while nothing runs: whatever is held is tried again, mended or not."""
        self.ledger = SimLedger(self.raw, self)
        for item in self.ledger.held_items():
            self.log(f"person: retry item {item.id}")
            try:
                if item.hold is not None:
                    self.ledger.release_item(item.id)
                for unit in self.ledger.units(item_id=item.id):
                    if unit.hold is not None and self.ledger.unit(unit.id).phase != "dismissed":
                        release_unit(self.ledger, self.ledger.item(item.id), unit, self.ledger_now())
            except XnatsyncError as error:  # a ledger that fails, or a late upload that may still arrive
                self.log(f"not now: {error.code}")

    def find(self) -> None:
        """Discovery; a folder that is not there ends the command."""
        assert self.dispatcher is not None
        due = set(self.dispatcher.due) | self.dispatcher.busy
        for item in discover(self.dispatcher.world, self.route):
            if ("item", item.id) not in due:
                self.dispatcher.add(item)

    def work(self) -> bool:
        """Steps one key; False when none is ready."""
        assert self.dispatcher is not None
        key = self.dispatcher.pick(self.faults.next(f"order {self.order}"))
        if key is None:
            return False
        self._step(key)
        return True

    def _step(self, key: Key) -> None:
        assert self.dispatcher is not None
        self.steps += 1
        before = self.judge.hidden, self.touched
        self.judge.hidden, self.touched = set(), False
        self.log(f"step {key[0]} {key[1]}")
        self.depth += 1
        try:
            self.dispatcher.one(key)
        finally:
            self.depth -= 1
            self.judge.hidden, self.touched = before[0], before[1] or self.touched

    def rest(self, patience_s: float) -> None:
        """Lets time pass until something is due; ends the run when that is too far away."""
        assert self.dispatcher is not None
        wait_s = self.dispatcher._next_s()
        if wait_s is None or wait_s > patience_s:
            self.stop_run()
            self.pass_time(self.faults.next("pause").choice((1_000, 10_000, 60_000, 300_000, 4_000_000)))
        else:
            self.pass_time(max(1, int(wait_s * 1000) + 1))

    def pass_time(self, ms: int) -> None:
        """Lets time pass; stops early where something happens on the way."""
        moments = [moment for moment, _, _ in self.events] + [one.due_ms for one in self.server.pending]
        until = min([self.clock.ms + ms, *(moment for moment in moments if moment > self.clock.ms)])
        self.clock.ms = until
        self.happen()

    def stop_run(self) -> None:
        """A command ends by itself."""
        if self.alive and self.dispatcher is not None:
            try:
                self.ledger.end_run(self.dispatcher.world.run_id, "ok", {}, self.ledger_now())
            except XnatsyncError:
                self.log("the end of the run could not be written")
            except Crash:
                self.die()
        self.alive = False
        self.dispatcher = None
        self.pass_time(1_000)

    def die(self) -> None:
        """The process is killed: what was not committed is gone, and so is its memory."""
        self.crashes += 1
        self.log("killed")
        if self.raw.in_transaction:
            self.raw.execute("rollback")
            self.ledger.forget()
        self.in_flight.clear()
        self.depth = 0
        self.alive = False
        self.dispatcher = None
        self.pass_time(self.faults.next("downtime").choice((10, 1_000, 30_000, 300_000)))

    # --- boundaries ----------------------------------------------------------------------------------------------

    def boundary(self, where: str) -> None:
        """Between any two effects: time passes, the world goes on, and the process may die."""
        self.clock.ms += 5
        self.trace.append(where)
        self.happen()
        if not self.alive:
            return
        faults = self.faults
        if faults.fires("crash", where):
            raise Crash
        if faults.fires("power cut", where):
            self.disk.power_cut()
            raise Crash
        if chance := faults.fires("clock jump", where):
            self.clock.offset_ms += chance.choice((-30_000, -500, 500, 45_000, 3_600_000, 100_000_000))
            self.jumps += 1
        if chance := faults.fires("act", where, 5.0 if where == "disk.move" else 1.0):  # the moment that counts
            self.acting(chance.choice(people.ACTS), chance)()
        if self.depth == 1 and not self.ledger._depth and (chance := faults.fires("worker", where)):
            assert self.dispatcher is not None
            key = self.dispatcher.pick(chance)
            if key is not None:
                self._step(key)

    def happen(self) -> None:
        """What was to happen by now."""
        while self.events and self.events[0][0] <= self.clock.ms:
            heapq.heappop(self.events)[2]()
            self.stirred = True
        self.server.tick()

    # --- what people need ----------------------------------------------------------------------------------------

    def at(self, wait_ms: int, act: Callable[[], None]) -> None:
        """Lets something happen later."""
        heapq.heappush(self.events, (self.clock.ms + wait_ms, self.faults.counts["event"], act))
        self.faults.counts["event"] += 1

    def learn(self, *contents: bytes) -> None:
        """Takes note of contents, whole or inside archives."""
        for data in contents:
            self.known[content.sha(data)] = data
            self.given_up.discard(content.sha(data))

    def write(self, path: Path, data: bytes, mtime_ns: int | None = None) -> None:
        """A person writes a file of the drop folder; without its disk, nothing is written."""
        if not self.disk.mounted:
            return
        place = self.route.folder / path
        if (
            mtime_ns is not None
            and self.stamps.setdefault((str(place), len(data), mtime_ns // self.disk.grain_ns), data) != data
        ):
            mtime_ns = None  # another content with the very same old time: what nobody could notice is not promised
        if str(place) in self.disk.files:
            self.give_up(place)
        self.learn(data, *(inner for _, inner in (content.members(data) if content.is_archive(data) else ())))
        self.disk.put(place, data, mtime_ns)

    def later(self, wait_ms: int, path: Path, data: bytes, mtime_ns: int | None) -> None:
        """The same, later."""
        if wait_ms:
            self.at(wait_ms, lambda: self.write(path, data, mtime_ns))
        else:
            self.write(path, data, mtime_ns)

    def give_up(self, path: Path) -> None:
        """A person removes or overwrites something."""
        for name in self.disk.below(path):
            self.lose(self.disk.files[name].data)
        self.disk.take_away(path)

    def lose(self, data: bytes) -> None:
        """Takes note of a content that is gone, and not through us."""
        self.given_up.add(content.sha(data))
        if content.is_archive(data):
            try:
                self.given_up |= {content.sha(inner) for _, inner in content.members(data)}
            except Exception:  # torn before
                return

    def dropped_files(self) -> list[str]:
        """What lies in the drop folder, for people: not our own folder."""
        if not self.disk.mounted:
            return []
        own = (f"{self.route.folder}/.xnatsync/", f"{self.route.folder}/done/")
        return [name for name in self.disk.below(self.route.folder) if not name.startswith(own)]

    def mount(self) -> None:
        """The disk is back."""
        self.disk.mounted = True

    def done_is_back(self) -> None:
        """The done folder is on the disk of the drop folder again."""
        self.disk.done_elsewhere = False

    def configure_password(self) -> None:
        """The configuration has the new password; the next process reads it."""
        self.password = self.server.password

    # --- the ledger, without boundaries --------------------------------------------------------------------------

    def questions(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.raw.execute(sql, values).fetchall()

    def question(self, sql: str, *values: Any) -> Any:
        return self.questions(sql, *values)[0][0]

    def ledger_now(self) -> str:
        from xnatsync.core.moment import stamp

        return stamp(self.clock.now())

    def log(self, line: str) -> None:
        self.trace.append(f"[{self.clock.ms}] {line}")

    # --- the quiet phase -----------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Faults stop; everything must come to its end."""
        self.log("--- quiet")
        self.faults.on = False
        self._finish_everything()
        if self.alive:
            self.stop_run()
        for number in range(ROUNDS_MAX):
            self.settle_down()
            living = self._living()
            self._everyone_knows_why(living)
            if number == 0:
                self.held = Counter(code for _, code in self._held(living))
            if all(item.phase == "left" for item in living):
                break
            for item in living:
                self.resolve(item)
        else:
            self.settle_down()
            if codes := sorted(code for _, code in self._held(self._living())):
                raise Violation("L5", f"still not resolved: {codes}")
        self.judge.nothing_is_forgotten()
        self.judge.everything_is_somewhere()
        self.judge.nothing_secret_is_told()
        self._again_does_nothing()

    def _finish_everything(self) -> None:
        while self.events or self.server.pending:
            moments = [self.events[0][0]] if self.events else []
            moments += [one.due_ms for one in self.server.pending]
            self.clock.ms = max(self.clock.ms, min(moments))
            self.happen()
        self.mount()
        self.done_is_back()
        self.configure_password()

    def settle_down(self) -> None:
        """Runs, each to its end however long it takes, until a run finds nothing to do."""
        begun = self.steps
        for _ in range(12):
            before = self._progress()
            self.begin()
            while self.work() or self._wait_on():
                if self.steps - begun > STEPS_MAX:
                    raise Violation("L2", f"no end after {STEPS_MAX} steps")
            self.judge.after_tick()
            self.stop_run()
            if self._progress() == before:
                return
        raise Violation("L2", "every run finds something to do")

    def _wait_on(self) -> bool:
        assert self.dispatcher is not None
        wait_s = self.dispatcher._next_s()
        if wait_s is None or wait_s == float("inf"):
            return False
        self.pass_time(max(1, int(wait_s * 1000) + 1))
        return True

    def _progress(self) -> tuple[Any, ...]:
        return (
            *self.questions("select id, phase, hold, code from item order by id"),
            *self.questions("select id, phase, hold, code from unit order by id"),
            *self.questions("select count(*) from attempt"),
        )

    def _living(self) -> list[ItemRow]:
        return self.ledger.items(route="r")

    def _held(self, items: Sequence[ItemRow]) -> list[tuple[UnitRow | ItemRow, str]]:
        rows: list[UnitRow | ItemRow] = []
        for item in items:
            rows += [item] if item.hold == "person" else []
            rows += [unit for unit in self.ledger.units(item_id=item.id) if unit.hold == "person"]
        return [(row, row.code or "") for row in rows]

    def _everyone_knows_why(self, living: Sequence[ItemRow]) -> None:
        """L1: what has not come to its end waits for a person, itself, or behind a writer that does."""
        for item in living:
            if item.phase == "left" or item.hold == "person":
                continue
            units = self.ledger.units(item_id=item.id)
            if not units:
                raise Violation("L1", f"item {item.id} is {item.phase}, and nobody is asked")
            for unit in units:
                self.judge.blames_nobody(unit)
                writer = self.ledger.writer_of(unit.target)
                waits = unit.hold == "person" or (
                    writer is not None and writer.id != unit.id and writer.hold == "person"
                )
                if not waits and not (unit.phase in {"verified", "closed"} and len(units) > 1):
                    raise Violation("L1", f"unit {unit.id} is {unit.phase}, and nobody is asked")

    def resolve(self, item: ItemRow) -> None:
        """A person does what the advice says, and then lets go; at last with the hammer."""
        for row, code in self._held([item]):
            self.log(f"person: {code}")
            self.asked[item.id] += 1
            if self.asked[item.id] > ASKED_MAX and item.phase in {"seen", "settled"}:
                self._dismiss(item)
                return
            match code:
                case errors.SourceGone.code if item.phase == "verified":
                    self.disk.has_own_folder = True  # as the advice says
                case errors.SourceUnreadable.code if item.phase == "verified":
                    pass  # it can be read again
                case (
                    errors.SessionCollision.code
                    | errors.SourceGone.code
                    | errors.SourceUnreadable.code
                    | errors.Unverifiable.code
                ):
                    self._dismiss(item)
                    return
                case errors.ObjectsBroken.code | errors.SourceDamaged.code:
                    self._remove_broken(item)
                case errors.ObjectsConflict.code:
                    self._remove_rivals(item)
                case _ if isinstance(row, UnitRow):
                    self._clear_server(row, code, hammer=self.asked[item.id] >= 3)
            self._release(item, row)

    def _dismiss(self, item: ItemRow) -> None:
        while (wait_s := unsure_s(self.ledger, item.id, self.ledger_now())) > 0:
            self.pass_time(int(wait_s * 1000) + 1)
        self.ledger.dismiss_item(item.id, self.ledger_now())
        self.marks["dismissed"] += 1

    def _release(self, item: ItemRow, row: ItemRow | UnitRow) -> None:
        if isinstance(row, ItemRow):
            self.ledger.release_item(row.id)
            return
        while (wait_s := unsure_s(self.ledger, item.id, self.ledger_now())) > 0:
            self.pass_time(int(wait_s * 1000) + 1)
        if self.ledger.unit(row.id).phase != "dismissed":
            release_unit(self.ledger, self.ledger.item(item.id), self.ledger.unit(row.id), self.ledger_now())

    def _remove_broken(self, item: ItemRow) -> None:
        for name in self.disk.below(self.route.source_path(item.place, item.path)):
            data = self.disk.files[name].data
            try:
                whole = (
                    is_object(data) or name.endswith(".txt") or bool(content.is_archive(data) and content.members(data))
                )
            except Exception:  # a torn archive
                whole = False
            if not whole:
                self.give_up(Path(name))

    def _remove_rivals(self, item: ItemRow) -> None:
        seen: dict[str, bytes] = {}
        for name in self.disk.below(self.route.source_path(item.place, item.path)):
            data = self.disk.files[name].data
            known = content.facts(data) if not content.is_archive(data) else None
            if known is not None and seen.setdefault(known.sop_uid, data) != data:
                self.give_up(Path(name))

    def _clear_server(self, unit: UnitRow, code: str, *, hammer: bool) -> None:
        """Deletes on the server what the advice says is in the way."""
        sessions = {errors.ForeignContent.code, errors.ObjectsDiffer.code, errors.StudyElsewhere.code}
        for row in self.server.rows():
            if row.tag == unit.study_uid or row.name == unit.session:
                try:
                    operations.delete(self.server.site, row)
                except ModelError:
                    operations.reset(self.server.site, row)
        for session in self.server.sessions():
            if (hammer or code in sessions) and session.fields.get("UID") == unit.study_uid:
                deletion.delete_experiment(self.server.site, session, remove_files=True)

    def _again_does_nothing(self) -> None:
        """L3: another run writes nothing, moves nothing and plans nothing."""
        before = self.writes, self._progress(), {name: file.data for name, file in self.disk.files.items()}
        self.settle_down()
        after = self.writes, self._progress(), {name: file.data for name, file in self.disk.files.items()}
        if before != after:
            raise Violation("L3", "another run did something")

    # --- for comparisons -----------------------------------------------------------------------------------------

    def outcome(self) -> dict[str, list[str]]:
        """Where everything is in the end: what must not depend on orders, workers and kills."""
        archived = [
            f"{session.label}: {uid} {len(data)}"
            for session in self.server.sessions()
            for uid, data in self.server.objects(session.fields.get("UID", ""), prearchive=False)
        ]
        own = len(str(self.route.done)) + len("/2026-03-01/")
        filed = [name[own:] for name in self.disk.below(self.route.done)]
        left = [name for name in self.disk.below(self.route.folder) if not name.startswith(str(self.route.done))]
        return {"archived": sorted(archived), "filed": sorted(filed), "left": sorted(left)}
