"""What a decision about one unit is made from: what is wanted, what was tried last, and what the server showed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from xnatsync.core.manifest import Level
from xnatsync.core.moment import seconds_between
from xnatsync.core.receipt import examine
from xnatsync.core.remote import PrearchiveSeen, ProjectSeen, SessionSeen
from xnatsync.core.tree import EMPTY, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a unit wants, as the route and the manifest say."""

    project: str
    subject: str
    session: str
    study_uid: str
    destination: Literal["archive", "prearchive"]
    collision: Literal["hold", "suffix"]
    where: str  # names the dropped side for people
    exact: bool = False  # a person named the session: the study goes to no other, whatever is there


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The newest outside effect of a unit."""

    effect: str
    outcome: str  # ok | refused | failed | unknown
    began_at: str
    quiet_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """What one look at the server showed.  What a phase does not need was not asked for and is None."""

    project: ProjectSeen | None
    may_edit: bool | None
    sessions: tuple[SessionSeen, ...]  # with our label or our study, in the project
    claimed: frozenset[str]  # labels that other living units of this project want
    archive: Tree | None  # the files of the session that holds our study; None: no such session
    row: PrearchiveSeen | None  # our own prearchive row
    strangers: tuple[PrearchiveSeen, ...]  # rows of our study or our label that we did not make
    staged: Tree | None  # the files of our built row
    log: str = ""
    labels: frozenset[str] = frozenset()  # every session label of the project; asked for only where ours is taken
    kin: Tree = field(default_factory=lambda: EMPTY)  # what other items of ours want in this session, of our study

    def kin_staged(self) -> frozenset[str]:
        """List what our built row holds of our other items, as far as it is plainly what they hold.

        A study may come in parts, and an upload that lost its answer may arrive when the next part has been sent.
        """
        if self.staged is None:
            return frozenset()
        found = Tree((node for key, node in self.kin.items() if key in self.staged), complete=True)
        findings = examine(found, self.staged, Level.NAMES, "prearchive")
        return frozenset(found) - {*findings.missing, *findings.differs, *findings.unproven}


def quiet_s(last: LastAttempt | None, now: str) -> float:
    """Say how many seconds an effect of unknown outcome may still land; 0 when none can."""
    if last is None or last.outcome != "unknown":
        return 0.0
    return max(0.0, seconds_between(now, last.quiet_at))
