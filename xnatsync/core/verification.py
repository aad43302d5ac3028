"""What `verify` may say of a thing, how strongly it looked, and what is looked at when not everything can be.

Nothing is called the same for want of evidence, and nothing missing for want of a listing: both are `unverifiable`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Self

from xnatsync.core.errors import Exit, XnatsyncError
from xnatsync.core.manifest import Level

Side = Literal["server", "filed", "tree"]  # where: on the server, in the done folder, in the tree of a mirror

FINDINGS_MAX = 10_000  # kept in a report; the ledger has all of them


class Verdict(StrEnum):
    """What was found of one thing."""

    SAME = "same"
    MISSING = "missing"
    DIFFERS = "differs"
    EXTRA = "extra"  # there, and not brought by us: told, and no difference unless it is asked for
    UNREADABLE = "unreadable"  # it is there, and our disk does not give it
    UNVERIFIABLE = "unverifiable"  # neither the same nor different: why is said


DIFFERENCES = frozenset({Verdict.MISSING, Verdict.DIFFERS, Verdict.UNREADABLE})
GRAVITY = (Verdict.MISSING, Verdict.DIFFERS, Verdict.UNREADABLE, Verdict.UNVERIFIABLE, Verdict.EXTRA, Verdict.SAME)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not simply the same."""

    side: Side
    verdict: Verdict
    key: str | None  # SOP Instance UID, or a path; None: the whole target
    detail: str = ""
    count: int = 1  # so many files or objects are meant
    special: bool = False  # a link, a pipe or a device is in its place

    @property
    def unreadable_advice(self) -> str:
        """Return what a person can do where it could not be read."""
        if self.special:
            return "take away what is in its place, and run verify again: it is no file"
        return "give this account the right to read it, or replace the disk"


@dataclass(frozen=True, slots=True)
class Depth:
    """How strongly each side is looked at."""

    server: Level
    local: Level

    def __str__(self) -> str:
        """As the ledger notes it: `names/bytes`."""
        return f"{self.server}/{self.local}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` wrote; None for anything else."""
        try:
            server, local = map(Level, text.split("/"))
        except ValueError:
            return None
        return cls(server, local)

    def covers(self, other: Depth) -> bool:
        """Return whether who looked so deeply has looked as deeply as another would."""
        return self.server.rank >= other.server.rank and self.local.rank >= other.local.rank


@dataclass(frozen=True, slots=True)
class Tally:
    """How much one side should hold, how much of it is the same, and how many bytes were read to know."""

    expected: int = 0
    same: int = 0
    read_bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.expected + other.expected, self.same + other.same, self.read_bytes + other.read_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is verified as one: a session on a server with what we have of it, or an owner of a mirror's resources."""

    route: str
    server: str
    project: str
    subject: str = ""
    session: str = ""
    session_id: str = ""
    ids: tuple[int, ...] = ()  # of units, or of the one owner
    files: int = 0  # about how many: none is listed for it

    @property
    def name(self) -> str:
        """How people find it: server/project/session, or what there is of it."""
        return "/".join(part for part in (self.server, self.project, self.session or self.subject) if part)


@dataclass(frozen=True, slots=True)
class Unkept:
    """A filed copy that is wholly gone: somebody keeps it no longer, which is told once and is no difference."""

    route: str
    item_id: int
    filed_as: str


@dataclass(frozen=True, slots=True)
class Looked:
    """One target after it was looked at.  `local` is the filed copy, or the tree."""

    target: Target
    depth: Depth
    server: Tally = Tally()
    local: Tally = Tally()
    findings: tuple[Finding, ...] = ()
    unkept: tuple[Unkept, ...] = ()  # filed copies that are gone, and of which that was not known

    @property
    def verdict(self) -> Verdict:
        """The gravest of everything that was found."""
        found = {finding.verdict for finding in self.findings}
        return next((verdict for verdict in GRAVITY if verdict in found), Verdict.SAME)

    def counts(self) -> dict[Verdict, int]:
        """Count what was found, things that are the same included."""
        counted = Counter({Verdict.SAME: self.server.same + self.local.same})
        for finding in self.findings:
            counted[finding.verdict] += finding.count
        return {verdict: counted[verdict] for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class Repair:
    """What mends something, or why only a person can.  `done` is False in a rehearsal."""

    target: Target
    key: str | None
    action: Literal["redeliver", "fetch", "send", "person"]
    text: str
    done: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """One target in a report: what stays of it when its findings are too many to be kept."""

    target: Target
    depth: Depth
    server: Tally
    local: Tally
    verdict: Verdict
    counts: Mapping[Verdict, int]


@dataclass(slots=True)
class VerifyReport:
    """What a run of `verify` found.  Bounded: of very many findings only the first are kept one by one."""

    began_at: str = ""
    ended_at: str = ""
    ledger: str = ""
    run_id: int | None = None
    strict: bool = False
    routes: tuple[str, ...] = ()
    known: int = 0  # targets there are, of which a sample may have been taken
    chosen: int = 0
    summaries: list[Summary] = field(default_factory=list)
    findings: list[tuple[Target, Finding]] = field(default_factory=list)
    more: int = 0  # findings that are not kept
    unconfigured: dict[str, int] = field(default_factory=dict)  # items that routes delivered which are gone from it
    unkept: list[Unkept] = field(default_factory=list)  # filed copies that were found to be gone, told once
    repairs: list[Repair] = field(default_factory=list)
    rehearsed: bool = False  # nothing was repaired, it was only asked what would be
    errors: list[XnatsyncError] = field(default_factory=list)  # about whole routes, servers and disks
    interrupted: bool = False
    elapsed_s: float = 0.0

    def add(self, looked: Looked) -> None:
        """Take in one target."""
        self.summaries.append(
            Summary(looked.target, looked.depth, looked.server, looked.local, looked.verdict, looked.counts())
        )
        room = max(0, FINDINGS_MAX - len(self.findings))
        self.findings += [(looked.target, finding) for finding in looked.findings[:room]]
        self.more += len(looked.findings[room:])

    @property
    def counts(self) -> dict[Verdict, int]:
        """Sum up all targets."""
        return {verdict: sum(part.counts[verdict] for part in self.summaries) for verdict in Verdict}

    @property
    def server(self) -> Tally:
        """Sum up what servers should hold."""
        return sum((part.server for part in self.summaries), Tally())

    @property
    def local(self) -> Tally:
        """Sum up what we should hold."""
        return sum((part.local for part in self.summaries), Tally())

    @property
    def exit_code(self) -> int:
        """4: something differs.  5: all that was seen agrees, and not everything could be seen.  7: halted."""
        codes = [error.exit_code for error in self.errors]
        if Exit.HALTED in codes:
            return Exit.HALTED
        counts = self.counts
        wrong = DIFFERENCES | ({Verdict.EXTRA} if self.strict else set())
        if any(counts[verdict] for verdict in wrong):
            return Exit.DIFFERENT
        if codes:
            return max(codes) if max(codes) == Exit.DENIED else Exit.TEMPORARY
        return Exit.TEMPORARY if self.interrupted or counts[Verdict.UNVERIFIABLE] else Exit.OK
