"""One history of a transfer from a seed: faults, kills and people at both sides; then quiet, and everything is judged.

The production code runs unchanged in this thread on a real ledger in memory; only the two archives are ours.
S3: the source is never written to.  S4: nothing that others put at the destination is replaced or removed.  S5: what is
called agreed is the same on both sides.  S8: the diary names nothing by a label.  L1: in the end everything agrees or
waits with a reason.  L2: a run ends.  L3: another run changes nothing, and asks for two listings of each side.
"""

from __future__ import annotations

import itertools
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transfer.engine_world import EngineWorld
from transfer.model import WRITES, Archive, Thing
from xnatsync.core.described import ThingKind
from xnatsync.core.errors import OutcomeUnknown, ReadFailed, ServerUnreachable, ServerUnwell, XnatsyncError
from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.routes.transfer import run as running
from xnatsync.routes.transfer.run import TransferRun

SECRET = "Geheim"  # in every label
ROUNDS_MAX = 12


class Killed(BaseException):
    """The process is gone.  No handler of the product may swallow it."""


class Violation(BaseException):
    """A promise was broken; the product must not take it for a mistake of its own."""


class Inline(Dispatcher):
    """The production dispatcher without its threads."""

    def run(self, *, forever: bool = False) -> None:
        while True:
            for key in self._ready():
                self.busy.add(key)
                self._step(key)
            self._drain()
            if self.due and self.order and self.order[0][0] <= self._now():
                continue
            if not self._wait():
                return


@contextmanager
def inline() -> Iterator[None]:
    """Steps run in this thread meanwhile."""
    original, running.Dispatcher = running.Dispatcher, Inline  # type: ignore[misc]
    try:
        yield
    finally:
        running.Dispatcher = original  # type: ignore[misc]


class History:
    """A seed, played."""

    def __init__(self, seed: int, folder: Path, plant: Callable[[History], None] = lambda history: None) -> None:
        self.chance = random.Random(seed)
        self.on, self.dying, self.calls, self.kills = True, False, 0, 0
        self.rate = self.chance.choice([0.0, 0.01, 0.03, 0.1])
        self.acts = self.chance.choice([0.0, 0.01, 0.03])
        digests = self.chance.random() < 0.8
        self.source, self.there = Archive("a"), Archive("b", digests=digests)
        self.theirs: dict[tuple[str, str, str], tuple[str, int]] = {}  # what people put there: what, and when
        self.odd = {"odd": self.chance.random() < 0.3}
        self.there.keeps = lambda path, value: value.upper() if self.odd["odd"] and path == "note" else value
        self.names = itertools.count(1)
        self.meddled = False  # somebody changed the destination
        self.looked = 0  # at the destination, when it was last asked to describe something
        self.furnish()
        self.worlds = [EngineWorld(folder / f"c{number}", self.source, self.there, quiet_s=20.0) for number in (1, 2)]
        for archive in (self.source, self.there):
            archive.before = lambda call, archive=archive: self.boundary(archive, call, done=False)  # type: ignore[misc]
            archive.after = lambda call, archive=archive: self.boundary(archive, call, done=True)  # type: ignore[misc]
        plant(self)

    # --- people ------------------------------------------------------------------------------------------------------

    def name(self, letter: str) -> str:
        return f"{SECRET}{letter}{next(self.names)}"

    def furnish(self) -> None:
        project = self.source.project("P", description="d")
        self.source.put(project, "DOC", {"p.txt": b"p"})
        for _ in range(self.chance.randint(1, 2)):
            self.new_subject()
        if self.chance.random() < 0.3:
            self.there.project("Q", description="other")

    def new_subject(self) -> None:
        subject = self.source.subject("P", self.name("S"), gender="f", note="n")
        record = self.source.part_of(subject, ThingKind.RECORD, self.name("R"), "xnat:aData", date="1")
        self.source.put(record, "FORM", {"f.txt": b"f"})
        for _ in range(self.chance.randint(1, 2)):
            self.new_session(subject)

    def new_session(self, subject: Thing) -> None:
        session = self.source.session(subject, self.name("E"), UID=f"1.{next(self.names)}", note="x")
        for scan in range(1, self.chance.randint(1, 3)):
            made = self.source.part_of(session, ThingKind.SCAN, str(scan), "xnat:mrScanData", type="T1")
            self.source.put(made, "DICOM", {f"{one}.dcm": self.bytes() for one in range(3)})
        self.source.put(session, "NOTES", {"a.txt": self.bytes()})

    def bytes(self) -> bytes:
        return f"{next(self.names)} {self.chance.random()}".encode()

    def thing(self, archive: Archive) -> Thing:
        whole = [*archive.things.values()] or [*archive.projects.values()]
        return self.chance.choice(sorted(whole, key=lambda one: one.id))

    def act_at_source(self) -> None:
        thing = self.thing(self.source)
        match self.chance.randrange(5):
            case 0:
                thing.fields["note"] = self.name("v")
            case 1:
                thing.custom["form"] = self.name("v")
            case 2:
                self.source.put(thing, "NOTES", {self.chance.choice(["a.txt", "b.txt"]): self.bytes()})
            case 3:
                subjects = [one for one in self.source.things.values() if one.kind is ThingKind.SUBJECT]
                if len(self.source.things) < 8:
                    self.new_session(self.chance.choice(subjects))
            case _:
                part = self.source.part_of(thing, ThingKind.RECORD, self.name("R"), "xnat:aData", date="2")
                part.fields["note"] = "r"
        thing.changes += 1

    def act_there(self) -> None:
        """Somebody changes the destination, and it is known what is theirs."""
        if not self.there.things:
            return
        thing, self.meddled = self.thing(self.there), True
        value = self.name("t")
        match self.chance.randrange(4):
            case 0:
                thing.fields["note"] = value
                self.theirs[thing.id, "field", "note"] = value, self.calls
            case 1:
                self.there.put(thing, "NOTES", {"a.txt": value.encode()})
                self.theirs[thing.id, "file", "a.txt"] = value, self.calls
            case 2:
                self.there.put(thing, "NOTES", {"b.txt": value.encode()})
                self.theirs[thing.id, "file", "b.txt"] = value, self.calls
            case _:
                notes = thing.resources.get(("", "NOTES"))
                if notes is not None and (thing.id, "file", "a.txt") not in self.theirs:
                    notes.files.pop("a.txt", None)
                    notes.changes += 1
        thing.changes += 1

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def boundary(self, archive: Archive, call: str, *, done: bool) -> None:
        self.calls += 1
        if archive is self.there and call == "describe" and not done:
            self.looked = self.calls
        if archive is self.there and call in WRITES and not done:  # what came after the look, no client can spare
            self.theirs = {key: one for key, one in self.theirs.items() if key[1] == "file" or one[1] < self.looked}
        if self.calls > 20_000:
            raise Violation("L2: no run of this size asks so much")
        self.worlds[0].clock.s += 0.01
        if self.dying:
            raise Killed
        if archive is self.source and call in WRITES:
            raise Violation(f"S3: the source was asked to {call}")
        if not self.on:
            return
        if self.chance.random() < self.acts:
            self.chance.choice([self.act_at_source, self.act_there])()
        if self.chance.random() >= self.rate:
            return
        if self.chance.random() < 0.2:
            self.dying = True
            raise Killed
        if call in WRITES:
            raise self.chance.choice(
                [OutcomeUnknown("no answer"), ServerUnwell("503") if not done else OutcomeUnknown("")]
            )
        if not done:
            raise self.chance.choice([ReadFailed("cut"), ServerUnreachable("down")])

    # --- playing -----------------------------------------------------------------------------------------------------

    def process(self, world: EngineWorld) -> TransferRun | None:
        """One run; None when it was killed."""
        bugs: list[str] = []
        self.dying = False
        try:
            with inline():
                done = running.run(world.world(), world.route, workers=1, patience_s=300.0, on_bug=bugs.append)
        except Killed:
            self.kills += 1
            world.killed()
            return None
        except XnatsyncError as error:
            raise Violation(f"a run ended with {error!r}") from error
        if bugs:
            raise Violation(f"a bug: {bugs[0]}")
        self.judge(world)
        return done

    def play(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            world = self.worlds[0] if self.chance.random() < 0.8 else self.worlds[1]
            self.meddled = self.meddled or world is self.worlds[1]  # what another coordinator wrote is not ours
            self.process(world)
            self.worlds[0].clock.s += self.chance.choice([0.1, 30.0])
            if self.chance.random() < 0.5:
                self.act_at_source()
            if self.chance.random() < 0.3:
                self.act_there()
        self.on = False
        self.calm_down(self.worlds[0])

    def calm_down(self, world: EngineWorld) -> None:
        for _ in range(ROUNDS_MAX):
            self.worlds[0].clock.s += 4000.0
            before = self.there.state_text()
            done = self.process(world)
            assert done is not None
            if done.errors:
                raise Violation(f"L1: quiet, and the run ends with {done.errors}")
            if self.there.state_text() == before and not done.unfinished:
                break
        else:
            raise Violation("L2: every run finds something to do")
        rows = world.ledger.owners("t", ("known", "agreed"))
        for row in rows:
            if row.hold == "person" and not (self.meddled or self.odd["odd"]):
                raise Violation(f"L1: o{row.id} waits for a person with {row.code}, and no person did anything")
            if row.phase != "agreed" and row.hold != "person":
                raise Violation(f"L1: o{row.id} is {row.phase}, held {row.hold} by {row.code}")
        self.process(world)
        if not any(row.hold for row in rows):
            self.there.calls.clear()
            self.source.calls.clear()
            self.process(world)
            if self.there.writes or (not world.troubles() and self.there.calls != ["inventory", "part_stamps"]):
                raise Violation(f"L3: another run asked {self.there.calls}")

    def close(self) -> None:
        for world in self.worlds:
            world.ledger.close()

    # --- judging -----------------------------------------------------------------------------------------------------

    def judge(self, world: EngineWorld) -> None:
        for (number, kind, name), (value, _) in self.theirs.items():
            thing = self.there.things.get(number)
            if thing is None:
                continue
            found: Any = thing.fields.get(name) if kind == "field" else None
            if kind == "file":
                notes = thing.resources.get(("", "NOTES"))
                found = notes.files.get(name, b"").decode() if notes else None
            if found != value:
                raise Violation(f"S4: {kind} {name} of {number} was {value}, and is {found}")
        for event in world.ledger.events():
            if SECRET in event.text or SECRET in (event.data or ""):
                raise Violation(f"S8: {event.text}")
        if not self.on:
            self.judge_agreed(world)

    def judge_agreed(self, world: EngineWorld) -> None:
        """S5: what agrees without any trouble is the same, but for what others added."""
        troubled = {trouble.owner_id for trouble in world.troubles()}
        for row in world.ledger.owners("t", ("agreed",)):
            if row.kind == "project" or row.id in troubled:
                continue
            here = self.source.things[row.server_id]
            there = self.there.things[world.ledger.counterparts(row.id)[""].there_id]
            if wrong := differences(here, there):
                raise Violation(f"S5: o{row.id} is called agreed: {wrong}")


def differences(here: Thing, there: Thing) -> list[str]:
    """What of the source is not there as it is."""
    found = [f"field {path}" for path, value in here.fields.items() if there.fields.get(path) != value]
    found += [f"custom {path}" for path, value in here.custom.items() if there.custom.get(path) != value]
    for key, res in here.resources.items():
        theirs = there.resources.get(key)
        found += [
            f"file {key}/{name}"
            for name, content in res.files.items()
            if theirs is None or theirs.files.get(name) != content
        ]
    for part in here.parts:
        other = next((one for one in there.parts if one.kind is part.kind and one.name == part.name), None)
        found += [f"part {part.name}"] if other is None else differences(part, other)
    return found


def main() -> None:
    """Plays the seeds that are asked for, such as 0-500."""
    first, last = (int(part) for part in sys.argv[1].split("-"))
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            history = History(seed, Path(folder))
            try:
                history.play()
            except Violation as found:
                print(f"seed {seed}: {found}")
            history.close()


if __name__ == "__main__":
    main()
