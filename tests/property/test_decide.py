"""`decide` driven to the end before a server that loses, delays, damages and forgets, and people who act meanwhile.

The server is a dozen lines of state; the driver does what the engine does with an answer, its bounds included.  Every
listing the server gives is true, though it may be cut; every conclusion drawn from one is checked against the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from property.strategies import (
    FLOOR,
    NOON,
    OTHER,
    SESSION,
    SIZE,
    STUDY,
    row,
    session,
    sources,
    view,
    wish,
)
from xnatsync.core.diff3 import BaseNode, BaseState
from xnatsync.core.drop_decision import Again, Build, Commit, Landed, Relabel, Send, Step, Stop, Wait, decide
from xnatsync.core.drop_view import LastAttempt, ServerView, Wish
from xnatsync.core.errors import (
    Disposition,
    OutcomeUnknown,
    PrearchiveStuck,
    RequestRefused,
    ServerBusy,
    XnatsyncError,
)
from xnatsync.core.moment import later
from xnatsync.core.phases import UnitPhase
from xnatsync.core.remote import PrearchiveState, SessionSeen
from xnatsync.core.retry import TRIES_MAX, asks_person, backoff_s
from xnatsync.core.tree import Node, Tree

KEYS = ("1.1", "1.2", "1.3", "1.4")
QUIET_S = 60.0
STEPS_MAX = 600
URI = row(PrearchiveState.READY).uri

Reply = Literal["ok", "lost", "unsent", "late", "busy"]
Chance = Callable[[str, list[str]], str]  # draws one of several fates; the first is "nothing happens"


@dataclass
class Row:
    """A prearchive row."""

    files: dict[str, int]
    state: PrearchiveState = PrearchiveState.RECEIVING
    label: str = SESSION
    done_at: float = 0.0  # when the server has finished what it is doing
    then: Callable[[], None] | None = None


@dataclass
class Server:
    """Archived sessions by label (study and sizes), our row, and what is still under way."""

    archive: dict[str, tuple[str, dict[str, int]]] = field(default_factory=dict)
    row: Row | None = None
    under_way: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    clock_s: float = 0.0
    imported: int = 0

    def let_pass(self, seconds: float) -> None:
        self.clock_s += seconds
        for due in [item for item in self.under_way if item[0] <= self.clock_s]:
            self.under_way.remove(due)
            due[1]()
        if self.row is not None and self.row.state is PrearchiveState.WORKING and self.row.done_at <= self.clock_s:
            then, self.row.then = self.row.then, None
            assert then is not None
            then()

    def receive(self, files: dict[str, int], label: str) -> None:
        if self.row is None or self.row.label != label:
            self.row = Row({}, label=label)
        self.row.files |= files
        self.row.state = PrearchiveState.RECEIVING
        self.row.then = None
        self.imported += 1

    def archive_row(self) -> None:
        """XNAT's own rules: another study or a file that is there is a conflict; else what is missing is merged."""
        assert self.row is not None
        study, held = self.archive.get(self.row.label, (STUDY, {}))
        if study != STUDY or set(held) & set(self.row.files):
            self.row.state = PrearchiveState.CONFLICT
            return
        self.archive[self.row.label] = (STUDY, held | self.row.files)
        self.row = None


@dataclass
class Life:
    """One unit before that server: what the ledger would remember of it."""

    server: Server
    chance: Chance
    wanted: Wish
    phase: str = "planned"
    sends: int = 0
    tries: int = 0
    last: LastAttempt | None = None
    base: dict[str, BaseNode] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    @property
    def now(self) -> str:
        return later(NOON, self.server.clock_s)

    # --- looking -------------------------------------------------------------------------------------------------

    def look(self) -> ServerView:
        archive = staged = seen = None
        for study, held in self.server.archive.values():
            if study == STUDY:
                archive = self._listing(held)
        mine = self.server.row
        if mine is not None:
            seen = row(mine.state, name=mine.label)
            if mine.state is PrearchiveState.READY:
                staged = self._listing(mine.files)
        return view(sessions=self._sessions(), archive=archive, row=seen, staged=staged)

    def _sessions(self) -> tuple[SessionSeen, ...]:
        return tuple(
            session(id=f"E{label}", label=label, study_uid=study)
            for label, (study, _) in sorted(self.server.archive.items())
            if study == STUDY or label == self.wanted.session
        )

    def _listing(self, files: dict[str, int]) -> Tree:
        cut = self.chance("listing", ["whole", "cut"]) == "cut"
        shown = list(files.items())[1:] if cut else list(files.items())
        return Tree((Node(key, size) for key, size in shown), complete=not cut)

    # --- acting --------------------------------------------------------------------------------------------------

    def run(self) -> Step:
        """Steps until the unit has landed or waits for a person; bounded."""
        for _ in range(STEPS_MAX):
            self.people()
            step = decide(
                self.wanted,
                UnitPhase(self.phase),
                self.sends,
                self.last,
                self.look(),
                sources(KEYS),
                self.base,
                self.now,
            )
            self.story.append(f"{self.server.clock_s:.1f} {self.phase}: {step}")
            if isinstance(step, Landed):
                return step
            if (held := self.carry_out(step)) is not None:
                return held
        raise AssertionError("it goes on for ever:\n" + "\n".join(self.story[-30:]))

    def people(self) -> None:
        """Somebody archives our row by hand, deletes it, or adds an object of their own to it."""
        mine = self.server.row
        if mine is None or mine.state is PrearchiveState.WORKING:
            return
        match self.chance("people", ["nothing", "archive", "rename", "delete", "contaminate"]):
            case "archive":
                self.server.archive_row()
            case "rename":
                mine.label = "EDITED"
            case "delete":
                self.server.row = None
            case "contaminate":
                mine.files["9.9"] = SIZE

    def carry_out(self, step: Step) -> Stop | None:
        match step:
            case Wait(seconds, _):
                assert seconds > 0
                self.server.let_pass(seconds)
                return None
            case Relabel(label, _):
                assert self.phase == "planned"
                self.wanted = wish(session=label, collision=self.wanted.collision)
                return None
            case Again():
                assert self.phase == "sent"
                self.phase = "planned"
                return None
            case Stop(error):
                return self.fail(error)
            case Send(keys):
                return self.effect("import", lambda: self.send(keys))
            case Build():
                return self.effect("build", self.build)
            case Commit():
                return self.effect("commit", self.commit)
            case Landed():
                raise AssertionError

    def fail(self, error: XnatsyncError) -> Stop | None:
        """As the engine does: a person, or another try after a while; no try is counted for nothing."""
        self.tries += 1
        if asks_person(error, self.tries):
            return Stop(error)
        look = error.disposition is Disposition.LOOK
        self.server.let_pass(0.5 if look else backoff_s(self.tries, "unit"))
        return None

    def effect(self, name: str, act: Callable[[], XnatsyncError | None]) -> Stop | None:
        began_at = self.now
        self.phase = "sent"
        error = act()
        outcome = "ok"
        if error is not None:
            outcome = "unknown" if error.disposition is Disposition.LOOK else "failed"
        self.last = LastAttempt(name, outcome, began_at, later(self.now, QUIET_S))
        if error is None:
            if name == "import":
                self.sends, self.tries = self.sends + 1, 0
            return None
        if error.disposition is Disposition.REFUSED and name == "commit" and not self.tries:
            self.tries += 1
            self.server.let_pass(0.5)
            return None
        return self.fail(error)

    def reply(self, name: str, happen: Callable[[], None]) -> XnatsyncError | None:
        match self.chance(name, ["ok", "lost", "unsent", "late", "busy"]):
            case "ok":
                happen()
                return None
            case "lost":
                happen()
            case "late":
                self.server.under_way.append((self.server.clock_s + QUIET_S * 0.9, happen))
            case "busy":
                return ServerBusy("locked")
        return OutcomeUnknown("no answer")

    def send(self, keys: tuple[str, ...]) -> XnatsyncError | None:
        held = {key for study, files in self.server.archive.values() if study == STUDY for key in files}
        assert not held & set(keys), "sends what the archive holds"
        files = dict.fromkeys(keys, SIZE)
        match self.chance("objects", ["all", "one lost", "one damaged", "all lost"]):
            case "one lost":
                files.pop(keys[0])
            case "one damaged":
                files[keys[-1]] = FLOOR - 1
            case "all lost":
                files = {}
        for key in keys:
            self.base[key] = BaseNode(key, BaseState.SENT)
        label = self.wanted.session
        return self.reply("import", lambda: self.server.receive(files, label))

    def build(self) -> XnatsyncError | None:
        def happen() -> None:
            mine = self.server.row
            if mine is None or mine.state is not PrearchiveState.RECEIVING:
                return
            match self.chance("built", ["ready", "slow", "forgotten", "error", "nothing"]):
                case "ready":
                    mine.state = PrearchiveState.READY
                case "slow":
                    self.work(mine, 30, lambda: setattr(mine, "state", PrearchiveState.READY))
                case "forgotten":
                    self.work(mine, float("inf"), lambda: None)
                case "error":
                    mine.state = PrearchiveState.ERROR

        return self.reply("build", happen)

    def commit(self) -> XnatsyncError | None:
        mine = self.server.row
        assert mine is not None
        archived = {key for study, files in self.server.archive.values() if study == STUDY for key in files}
        assert set(mine.files) <= set(KEYS), "archives a contaminated row"
        assert set(mine.files) | archived >= set(KEYS), "archives an incomplete row"
        assert all(size >= FLOOR for size in mine.files.values()), "archives a damaged object"
        assert mine.label == self.wanted.session, "archives under another label"
        assert self.wanted.destination == "archive", "archives what shall wait in the prearchive"
        match self.chance("archived", ["at once", "slow", "forgotten", "refused", "stays", "nothing"]):
            case "refused":
                return RequestRefused("no")
            case "stays":
                return PrearchiveStuck("it stays")
            case "nothing":
                return self.reply("commit", lambda: None)
            case "slow":
                return self.reply("commit", lambda: self.work(mine, 5000, self.server.archive_row))
            case "forgotten":
                return self.reply("commit", lambda: self.work(mine, float("inf"), lambda: None))
        return self.reply("commit", lambda: None if self.server.row is not mine else self.server.archive_row())

    def work(self, mine: Row, seconds: float, then: Callable[[], None]) -> None:
        if self.server.row is mine and mine.state is not PrearchiveState.WORKING:
            mine.state, mine.done_at, mine.then = PrearchiveState.WORKING, self.server.clock_s + seconds, then


def fates(data: st.DataObject, budget: int) -> Chance:
    """Draws what goes wrong; after so many mishaps nothing does any more."""
    left = budget

    def draw(kind: str, choices: list[str]) -> str:
        nonlocal left
        if left <= 0:
            return choices[0]
        fate = data.draw(st.sampled_from(choices), label=kind)
        left -= fate != choices[0]
        return fate

    return draw


def check_end(life: Life, end: Step) -> None:
    """What was concluded is true."""
    story = "\n".join(life.story)
    if isinstance(end, Stop):
        assert end.error.disposition is not Disposition.BUG, story
        assert end.error.remedy, story
        return
    assert isinstance(end, Landed)
    archived = {key for study, files in life.server.archive.values() if study == STUDY for key in files}
    waiting = set(life.server.row.files) if life.server.row is not None and end.session_id is None else set()
    assert archived | waiting >= set(KEYS), story
    if end.session_id is not None:
        assert archived >= set(KEYS), story


BEFORE = st.fixed_dictionaries(
    {},
    optional={
        SESSION: st.sampled_from([(STUDY, KEYS[:1]), (STUDY, KEYS), (OTHER, ("8.1",))]),
        "S1_MR_2": st.just((OTHER, ("8.2",))),
    },
)
WISHES = st.builds(
    lambda destination, collision: wish(destination=destination, collision=collision),
    st.sampled_from(["archive", "prearchive"]),
    st.sampled_from(["hold", "suffix"]),
)


def server_with(before: dict[str, tuple[str, tuple[str, ...]]]) -> Server:
    return Server({label: (study, dict.fromkeys(keys, SIZE)) for label, (study, keys) in before.items()})


@given(st.data(), BEFORE, WISHES, st.integers(0, 8))
def test_it_ends_with_everything_there_or_with_a_person(data: st.DataObject, before, wanted: Wish, budget: int) -> None:  # type: ignore[no-untyped-def]
    """In bounded steps; nothing incomplete, damaged or contaminated is archived, nothing is sent that is there."""
    server = server_with(before)
    foreign = {label: held for label, held in server.archive.items() if held[0] != STUDY}
    life = Life(server, fates(data, budget), wanted)

    check_end(life, life.run())

    assert {label: held for label, held in server.archive.items() if held[0] != STUDY} == foreign


@given(BEFORE, WISHES)
def test_without_mishaps_it_lands_unless_the_label_is_taken(before, wanted: Wish) -> None:  # type: ignore[no-untyped-def]
    """One upload at most, and a second life has nothing to do (L3)."""
    server = server_with(before)
    taken = before.get(SESSION, (STUDY, ()))[0] != STUDY
    life = Life(server, lambda kind, choices: choices[0], wanted)

    end = life.run()

    assert isinstance(end, Stop if taken and wanted.collision == "hold" else Landed), life.story
    assert server.imported <= 1
    if isinstance(end, Landed) and end.session_id is not None:
        again = Life(server, lambda kind, choices: choices[0], wanted)
        assert isinstance(again.run(), Landed)
        assert server.imported <= 1


ALWAYS = [
    ("import", "lost"), ("import", "unsent"), ("import", "late"), ("import", "busy"),
    ("objects", "one lost"), ("objects", "one damaged"), ("objects", "all lost"),
    ("build", "lost"), ("build", "unsent"), ("build", "late"), ("build", "busy"),
    ("built", "slow"), ("built", "forgotten"), ("built", "error"), ("built", "nothing"),
    ("commit", "lost"), ("commit", "unsent"), ("commit", "late"), ("commit", "busy"),
    ("archived", "slow"), ("archived", "forgotten"), ("archived", "refused"), ("archived", "stays"),
    ("archived", "nothing"),
    ("listing", "cut"), ("people", "delete"), ("people", "contaminate"),
]  # fmt: skip


@given(st.sets(st.sampled_from(ALWAYS), min_size=1, max_size=3), WISHES)
def test_mishaps_that_never_stop_end_too(mishaps: set[tuple[str, str]], wanted: Wish) -> None:
    """Whatever goes wrong every time, alone or with others: no loop without a bound, and no flood of uploads."""

    def always(kind: str, choices: list[str]) -> str:
        return next((fate for name, fate in sorted(mishaps) if name == kind), choices[0])

    life = Life(Server(), always, wanted)

    check_end(life, life.run())

    assert life.server.imported <= (TRIES_MAX + 1) * 4


def test_the_model_would_notice() -> None:
    """A unit that archives before it has looked is caught, and so is one that sends what is there."""
    hasty = Life(server_with({SESSION: (STUDY, KEYS[:1])}), lambda kind, choices: choices[0], wish())
    hasty.server.receive({KEYS[1]: SIZE}, SESSION)

    with pytest.raises(AssertionError, match="incomplete"):
        hasty.commit()
    with pytest.raises(AssertionError, match="archive holds"):
        hasty.send(KEYS)
    hasty.server.receive({**dict.fromkeys(KEYS[1:], SIZE), "9.9": SIZE}, SESSION)
    with pytest.raises(AssertionError, match="contaminated"):
        hasty.commit()
