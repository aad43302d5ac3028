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
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sim import choices, content, given, people, places, slate
from sim.calm import Calm
from sim.clock import SimClock, SimIds
from sim.disk import SimDisk
from sim.faults import Chance, Crash, Faults
from sim.invariants import Judge, Violation
from sim.ledger import SimLedger
from sim.observers import Failing
from sim.server import PROJECT, SimServer, SimXnat
from sim.steps import Inline, InlinePool
from xnatsync.core.claim import Claim
from xnatsync.core.errors import ACCEPTABLE, XnatsyncError
from xnatsync.core.group import Routing
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Level
from xnatsync.engine.dispatcher import Key
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop import effects as perform
from xnatsync.routes.drop import gradual
from xnatsync.routes.drop.discovery import discover
from xnatsync.routes.drop.recovery import recover
from xnatsync.routes.drop.release import release_unit, wake
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

LOCKS_OF = 7  # in one history of so many, devices make locks
PATIENCE_S = 120.0


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
        choice: choices.Choice = choices.EVERYTHING,
    ) -> None:
        self.seed = seed
        self.order = order
        self.script = script
        plays = script is None and only is None and not forced and settings is None
        self.is_given = plays and given.is_drawn(seed, spot)  # a command names the source and the session
        self.faults = Faults(seed, masked, only, forced, spot or (given.spot(seed) if self.is_given else None))
        self.clock, self.ids = SimClock(), SimIds()
        self.trace: list[str] = []
        self.marks: Counter[str] = Counter()
        self.asked: Counter[int] = Counter()
        self.held: Counter[str] = Counter()  # what a person was asked when faults had stopped
        self.known: dict[bytes, bytes] = {}  # every content that anybody ever dropped
        self.torn: set[bytes] = set()
        self.junk: set[bytes] = set()  # what is left of objects that were lost before they were dropped
        self.let_be: set[tuple[int, bytes]] = set()  # by item and content: what a person has accepted
        self.stamps: dict[tuple[str, int, int], bytes] = {}  # what had a path, a size and an old time first
        self.given_up: set[bytes] = set()  # contents that people took away or overwrote, or that a power cut took
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.touched = False  # somebody acted on the server during this step
        self.step_began_ms = 0
        self.jumps = 0
        self.ahead_ms = 0  # by how much the clock is ahead during this run
        self.unwilling = (0, 0)  # until when the server takes no writes, and what it answers
        self.stirred = False  # something happened that a watcher would have noticed
        self.writes = 0
        self.in_flight: list[tuple[str, str]] = []
        self.depth = 0
        self.alive = False
        self.steps = 0
        self.crashes = 0
        self.choice, self.wider_at = choice, 0  # what is selected, and with which start everything is
        if script is None and only is None:
            self.choice, self.wider_at = choices.draw(self.faults.random("selection", 0))
        if self.is_given:
            self.choice, self.wider_at = choices.EVERYTHING, 0
        self.first_choice = self.choice
        self.starts = 0
        chance = self.faults.random("route", 0)
        self.route = self._route(chance, dict(settings or {}))
        locks = settings is None and script is None and only is None and seed % LOCKS_OF == LOCKS_OF - 2
        if locks and not self.is_given:
            self.route = replace(self.route, wait_while=("{item}.lock",))
        self.disk = SimDisk(self, self.route.folder, self.route.done, chance.choice((1, 1, 2_000_000_000)))
        self.server = SimServer(self, anonymises=chance.random() < 0.5, checksums=chance.random() < 0.8)
        self.password = self.server.password
        self.judge = Judge(self)
        self.slate = slate.take()
        self.raw = self.slate.raw
        self.identity = f"{seed % 2**31:08x}"  # of the ledger; another one after it was lost
        self.saved: sqlite3.Connection | None = None  # a backup of the ledger
        self.losses = 0
        self.ledger = SimLedger(self.raw, self)
        self.dispatcher: Inline | None = None
        self.ticks = ticks if ticks is not None else chance.choice((40, 60, 80, 120))

    def _route(self, chance: Chance, wanted: dict[str, Any]) -> DropRoute:
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
            "wanted": self.choice.wanted,
        }  # fmt: skip
        more = given.settings(self.faults.random("given", 0)) if self.is_given else {}
        return DropRoute(**{**values, **self._on_the_way_to(self.faults.spot[1]), **more, **wanted})

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
        pools = perform.ThreadPoolExecutor, gradual.ThreadPoolExecutor
        perform.ThreadPoolExecutor = gradual.ThreadPoolExecutor = InlinePool  # type: ignore[assignment, misc]
        try:
            if self.script is not None:
                self.script(self)
            else:
                for number in range(self.faults.random("drops", 0).choice((1, 1, 2, 3))):
                    chance = self.faults.random("drop", number)
                    self.at(chance.choice((0, 0, 1_000, 30_000, 200_000)), self.acting(people.drop, chance))
                self._others_come()
                self._devices_lock()
            for _ in range(self.ticks):
                self.tick()
                self.judge.after_tick()
            Calm(self).calm_down()
        except OSError as error:
            raise Violation("BUG", f"the engine met {error}, which is not its matter") from error
        finally:
            perform.ThreadPoolExecutor, gradual.ThreadPoolExecutor = pools  # type: ignore[misc]
            slate.give_back(self.slate)
        return self

    def _others_come(self) -> None:
        """In one history of four something else of the first study comes too, mostly late: drawn apart."""
        chance = self.faults.random("others", 0)
        wanted = self.faults.spot[1] == "xnat.site_setting"
        if self.faults.only is not None or self.first_choice is choices.CHOICES[-1]:
            return
        for number in range(2 if wanted else chance.choice((0, 0, 0, 0, 0, 0, 1, 2))):
            draws = self.faults.random("other", number)
            act = draws.choice((people.add_other, people.add_other, people.add_other, people.push_other))
            self.at(draws.choice((0, 5_000, 200_000, 1_000_000, 4_000_000)), self.acting(act, draws))

    def _devices_lock(self) -> None:
        """Where a route waits for locks to go, devices make some and remove them: before, beside and after drops."""
        for number, name in enumerate(people.NAMES if self.route.wait_while else ()):
            draws = self.faults.random("lock", number)
            place = self.route.folder / f"{name}{draws.choice(('', '', '.zip', '.dcm'))}.lock"
            begins = draws.choice((0, 0, 1_000, 200_000))
            self.at(begins, partial(self._lock, place))
            self.at(begins + draws.choice((20_000, 400_000, 4_000_000)), partial(self.disk.take_away, place))

    def _lock(self, place: Path) -> None:
        if self.disk.mounted:
            self.disk.put(place, b"")

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
        if self.faults.on and self.faults.only is None and self.script is None:
            self.fate(self.faults.next("ledger"))
        self.starts += 1
        if self.starts == self.wider_at:
            self.log("person: the selection is wider")
            self.choice = choices.EVERYTHING
            self.route = replace(self.route, wanted=self.choice.wanted)
        if chance := self.faults.fires("clock ahead", "run"):
            self.ahead_ms = chance.choice((3_600_000, 40 * 86_400_000, 400 * 86_400_000))
            self.clock.offset_ms += self.ahead_ms
            self.jumps += 1
        self.log("start")
        self.alive = True
        self.ledger = SimLedger(self.raw, self)
        xnat = SimXnat(self.server, self.password)
        now = self.ledger_now()
        run_id = self.ledger.start_run("command", 1, "boot", "0", now)
        with self.ledger.write():
            if self.ledger.remember_route("r", "drop", self.choice.name, now):
                wake(self.ledger, "r", now, selects=not self.route.wanted.is_everything)
        world = World(
            ledger=self.ledger, disk=self.disk, clock=self.clock, ids=self.ids, server=lambda name: xnat,
            routes={"r": self.route}, run_id=run_id, progress=Progress(Failing(self).hear), stopping=lambda: False,
            claim=Claim(self.identity, "here", f"/ledgers/{self.identity}"),
            lives=lambda claim: claim.ledger == self.identity,
        )  # fmt: skip
        recover(world)
        self.dispatcher = Inline(world, 64, PATIENCE_S, self.log)
        self.find()

    def fate(self, chance: Chance) -> None:
        """While nothing runs a backup of the ledger is made; sometimes it is lost, and a backup is put back, or none.

        What a lost ledger knew of requests without an answer is lost with it.
        """
        if self.raw.in_transaction:
            return
        drawn = chance.random()
        if drawn < 0.3 and self.saved is None:
            self.log("person: backs the ledger up")
            self.saved = sqlite3.connect(":memory:", isolation_level=None)
            self.raw.backup(self.saved)
        elif drawn > (0.6 if self.disk.below(self.route.custody) else 0.97):  # the moment that counts
            old = self.saved if chance.random() < 0.7 else None
            self.log(f"the ledger is lost, and {'its backup is put back' if old is not None else 'begins anew'}")
            before = self.starts_over()
            self.slate.put(old)
            # Its units are gone from the count, and what it knew of refusals with it: every write may begin anew, once.
            self.marks["forgotten"] += before - self.starts_over() + 1
            self.losses += 1
            self.jumps += 1  # no quiet time is known any more
            if old is None:
                self.identity = f"{(self.seed + 2**31 + self.losses) % 2**32:08x}"
            self.judge.judged_at = -1

    def let_go(self) -> None:
        """A person says `xnatsync retry` while nothing runs: whatever is held is tried again, mended or not."""
        self.marks["let go"] += 1
        self.ledger = SimLedger(self.raw, self)
        for item in self.ledger.held_items():
            self.log(f"person: retry item {item.id}")
            try:
                if item.code in ACCEPTABLE and self.faults.next("accept").random() < 0.4:
                    self.accept(item)
                if item.hold is not None:
                    self.ledger.release_item(item.id)
                for unit in self.ledger.units(item_id=item.id):
                    if unit.hold is not None and self.ledger.unit(unit.id).phase != "dismissed":
                        release_unit(self.ledger, self.ledger.item(item.id), unit, self.ledger_now())
            except XnatsyncError as error:  # a ledger that fails, or a late upload that may still arrive
                self.log(f"not now: {error.code}")

    def accept(self, item: ItemRow) -> None:
        """A person says `xnatsync accept`: this content of these files is let be."""
        held = self.ledger.files(item.id, kind="broken")
        self.ledger.accept(item.id, held, self.ledger_now())
        self.let_be |= {(item.id, file.sha256) for file in held}
        self.marks["accepted"] += 1
        self.log(f"person: accepts {len(held)} files of item {item.id}")

    def starts_over(self) -> int:
        """How often a unit was planned, let go by a person, or forgotten with a ledger: its writes begin anew then."""
        return int(self.question("select count(*) from unit")) + self.marks["let go"] + self.marks["forgotten"]

    def find(self) -> None:
        """Discovery; a folder that is not there ends the command."""
        assert self.dispatcher is not None
        routes = given.named(self, self.faults.next("named")) if self.is_given else [self.route]
        due = set(self.dispatcher.due) | self.dispatcher.busy
        for route in routes:
            for item in discover(self.dispatcher.world, route):
                if ("item", item.id) not in due:
                    due.add(("item", item.id))
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
        before = self.judge.hidden, self.touched, self.step_began_ms
        self.judge.hidden, self.touched, self.step_began_ms = set(), False, self.clock.ms
        self.log(f"step {key[0]} {key[1]}")
        self.depth += 1
        try:
            self.dispatcher.one(key)
        finally:
            self.depth -= 1
            self.judge.hidden, self.touched = before[0], before[1] or self.touched
            self.step_began_ms = before[2]

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

    def set_clock_right(self) -> None:
        """The clock was ahead for one run."""
        if self.ahead_ms:
            self.clock.offset_ms -= self.ahead_ms
            self.ahead_ms = 0
            self.jumps += 1

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
        self.set_clock_right()
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
        self.set_clock_right()
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
