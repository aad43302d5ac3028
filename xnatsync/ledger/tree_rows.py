"""The rows of the ledger that are about mirrors and pushes, as frozen facts.  Times are UTC text, as stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xnatsync.core.hold import HoldKind
from xnatsync.core.inventory import ResourceKey
from xnatsync.ledger.rows import Outcome

Ended = Literal["replaced", "removed", "moved", "edited"]
Verdict = Literal["same", "missing", "differs", "extra", "unreadable", "unverifiable"]


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """A project, subject or session of a route."""

    id: int
    route: str
    project: str
    kind: str  # "project", "subject" or "session"
    server_id: str  # project ID or accession ID
    subject: str  # labels that its folders are named by
    session: str
    stamp: str  # of its metadata, as last agreed
    phase: str  # known | agreed | gone
    hold: HoldKind | None
    code: str | None
    detail: str | None
    advice: str | None
    retry_at: str | None
    tries: int
    seen_at: str
    agreed_at: str | None
    gone_at: str | None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it on its server; see `core.inventory.Owner.key`."""
        return self.kind, self.server_id


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource of an owner, as last agreed."""

    owner_id: int
    scan: str
    label: str
    stamp: str
    files: int
    bytes: int
    agreed_at: str

    @property
    def key(self) -> ResourceKey:
        """Which one of its owner it is."""
        return ResourceKey(self.scan, self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """What has come to lie at a path of the tree, and is about to be written down."""

    owner_id: int
    scan: str
    label: str
    name: str
    route: str
    path: str
    size: int
    sha256: bytes
    md5: str
    mtime_ns: int
    origin: Literal["server", "tree"]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What lay at a path of the tree, from when until when."""

    id: int
    owner_id: int
    scan: str
    label: str
    name: str
    route: str
    path: str
    size: int
    sha256: bytes
    md5: str
    mtime_ns: int
    origin: str
    since: str
    until: str | None  # None: living, the merge base
    ended: Ended | None
    trash: str | None
    run_id: int | None

    @property
    def key(self) -> ResourceKey:
        """Which resource of its owner it is of."""
        return ResourceKey(self.scan, self.label)


@dataclass(frozen=True, slots=True)
class PlacedVersion:
    """What lay somewhere at a moment, and where its bytes are today, as far as the ledger knows."""

    version: VersionRow
    where: Literal["tree", "trash", "nowhere"]
    place: str  # path in the tree or in the trash; "" for nowhere


@dataclass(frozen=True, slots=True)
class Difference:
    """A path at which something else lay at two moments; None: nothing."""

    path: str
    before: VersionRow | None
    after: VersionRow | None


@dataclass(frozen=True, slots=True)
class NewTrouble:
    """Why something of an owner is not in agreement."""

    path: str  # in the tree; scan/label for a whole resource; "" for the owner
    code: str
    detail: str
    person: bool  # waits for a person; else it is only told
    many: int = 1  # files: of very many of a kind some are told one by one, and the number of all in one without a path


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """The same, as it is kept until the owner is looked at again."""

    owner_id: int
    path: str
    code: str
    detail: str
    person: bool
    at: str  # since when it is there
    many: int = 1  # files


@dataclass(frozen=True, slots=True)
class UnplacedRow:
    """A file in the tree of a push that is not sent, and has no owner who could be in trouble for it."""

    route: str
    path: str  # "" for the number of all of a kind
    code: str
    detail: str
    person: bool
    at: str  # since when it is known
    many: int = 1  # files; of very many some have rows of their own, and one without a path has the number of all


@dataclass(frozen=True, slots=True)
class DeedRow:
    """The write-ahead trace of one effect of a push."""

    id: int
    owner_id: int
    run_id: int
    scan: str
    label: str
    name: str
    sha256: bytes
    request_id: str
    began_at: str
    ended_at: str | None
    outcome: Outcome | None
    code: str | None
    quiet_at: str  # until then a late effect of it may still land


@dataclass(frozen=True, slots=True)
class NewAudit:
    """A finding of a verification that is about to be written."""

    target: str  # server/project/session, or what was verified else
    level: str
    verdict: Verdict
    key: str | None = None  # the file or object; None: the whole
    detail: str | None = None
    route: str | None = None
    owner_id: int | None = None
    unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One finding of a verification."""

    id: int
    run_id: int
    unit_id: int | None
    target: str
    key: str | None
    level: str
    verdict: Verdict
    detail: str | None
    at: str
    route: str | None
    owner_id: int | None


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """How a route of this kind stands."""

    owners: int = 0  # that the server has
    agreed: int = 0
    gone: int = 0
    held: int = 0  # wait for a person
    retrying: int = 0
    files: int = 0  # living in the tree
    bytes: int = 0
    trash_files: int = 0
    trash_bytes: int = 0
    troubles: int = 0  # that wait for a person
    told: int = 0  # that wait for nobody
    session: int = 0  # of the owners: sessions, subjects and projects
    subject: int = 0
    project: int = 0

    @property
    def kinds(self) -> dict[str, int]:
        """The owners by kind."""
        return {"session": self.session, "subject": self.subject, "project": self.project}
