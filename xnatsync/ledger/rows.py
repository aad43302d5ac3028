"""The rows of the ledger as frozen facts.  Times are UTC ISO-8601 text with milliseconds, as stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, TypeVar

from xnatsync.core.errors import LedgerDamaged
from xnatsync.core.hold import HoldKind
from xnatsync.core.manifest import Compared
from xnatsync.core.phases import ItemPhase, UnitPhase

Outcome = Literal["ok", "refused", "failed", "unknown"]
Destination = Literal["archive", "prearchive"]
Collision = Literal["hold", "suffix"]
Phase = TypeVar("Phase", ItemPhase, UnitPhase)


def _phase(kind: type[Phase], text: str) -> Phase:
    try:
        return kind(text)
    except ValueError as error:
        raise LedgerDamaged("the ledger is damaged: it holds a phase that does not exist") from error


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One dropped thing."""

    id: int
    route: str
    place: str  # "drop": in the drop folder; "custody": strangers that were found in a custody box
    path: str  # relative to that place
    fingerprint: str
    phase: ItemPhase
    hold: HoldKind | None
    code: str | None
    detail: str | None
    advice: str | None
    retry_at: str | None
    tries: int
    files: int
    bytes: int
    seen_at: str
    steady_at: str  # the fingerprint has been unchanged since
    moved_at: str  # last change of phase
    filed_as: str | None  # where it was filed, relative to the done folder
    flat: int = 0  # 1: files at the top of the drop folder, which belong to one study; its path is a name for people
    filed_in: str | None = None  # the done folder in which it was filed
    unkept_at: str | None = None  # its filed copy was found to be wholly gone
    waits: str = ""  # for what, beyond being quiet, while it was only seen
    waits_until: str | None = None  # then it goes even so, or a person is asked

    def __post_init__(self) -> None:
        """Read the phase from its text."""
        object.__setattr__(self, "phase", _phase(ItemPhase, self.phase))


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file of an item's manifest."""

    item_id: int
    path: str
    position: int  # the order in which the item can be read
    size: int
    mtime_ns: int
    sha256: bytes
    crc32: int
    md5: bytes
    kind: str  # dicom | other | broken | duplicate
    reason: str
    unit_id: int | None  # the unit that delivers it (also of an attached file, and of a duplicate's twin)
    key: str  # SOP Instance UID, or path
    member: str  # the name it travels under
    series_uid: str
    series_number: str
    modality: str
    sop_class: str
    transfer_syntax: str
    pixels: bytes | None
    pixel_bytes: int
    left_by: str = ""  # the key of the route's selection that left it out; "" for all that nothing left out
    doubt: str = ""  # why it needs a person, or needed one (`core.manifest.Doubt`)
    packed: int | None = None  # bytes on disk of an object that lies there packed

    @property
    def stored_size(self) -> int:
        """Give its size on disk."""
        return self.size if self.packed is None else self.packed


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a manifest that is about to be written; `unit` is an index into the units written with it."""

    path: str
    position: int
    size: int
    mtime_ns: int
    sha256: bytes
    crc32: int
    md5: bytes
    kind: str
    reason: str
    unit: int | None
    key: str
    member: str
    series_uid: str = ""
    series_number: str = ""
    modality: str = ""
    sop_class: str = ""
    transfer_syntax: str = ""
    pixels: bytes | None = None
    pixel_bytes: int = 0
    left_by: str = ""
    doubt: str = ""
    packed: int | None = None


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit that is about to be written."""

    server: str
    project: str
    subject: str
    session: str
    study_uid: str
    target: str
    files: int
    bytes: int
    ruled: str = ""
    destination: Destination | None = None
    collision: Collision | None = None
    twin: int | None = None  # index of the unit before it whose files it delivers as well, to another server


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One indivisible delivery: one imaging session of one item to one server."""

    id: int
    item_id: int
    route: str
    server: str
    project: str
    subject: str
    session: str
    study_uid: str
    target: str  # server/project/session: what one writer at a time may write to
    phase: UnitPhase
    hold: HoldKind | None
    code: str | None
    detail: str | None
    advice: str | None
    retry_at: str | None
    tries: int
    sends: int  # how often the server acknowledged an upload since a person last released it
    files: int
    bytes: int
    prearchive: str | None  # URI of the prearchive row this unit made
    session_id: str | None  # accession ID, once seen in the archive
    planned_at: str
    moved_at: str
    ruled: str = ""  # the rule of the route that took it, for people
    destination: Destination | None = None  # None: the route's
    collision: Collision | None = None
    twin_of: int | None = None  # the unit whose files it delivers as well, to another server

    def __post_init__(self) -> None:
        """Read the phase from its text."""
        object.__setattr__(self, "phase", _phase(UnitPhase, self.phase))


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """The write-ahead trace of one outside effect."""

    id: int
    unit_id: int
    run_id: int
    effect: str  # import | build | commit | attach
    request_id: str
    began_at: str
    ended_at: str | None
    outcome: Outcome | None
    http: int | None
    code: str | None
    detail: str | None
    quiet_at: str  # until then a late effect of it may still land
    before: tuple[str, ...]  # prearchive URIs of this study that were there before: those are not ours


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One key of the synced tree: the merge base."""

    key: str
    state: str  # "sent": what is there may be our own unfinished work; "verified"
    source_size: int
    source_sha256: bytes
    target_size: int | None
    target_digest: str
    unit_id: int
    at: str
    acknowledged: int = 0  # 1: the server answered "stored" to an upload of this content from here


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """Proof that a target held everything a unit sent."""

    id: int
    unit_id: int
    level: str
    place: str  # archive | prearchive
    expected: int
    held: int
    manifest: bytes
    evidence: str  # JSON
    at: str

    @property
    def compared(self) -> dict[Compared, int]:
        """Count the objects by what was compared of them; empty for a receipt of an older version."""
        try:
            said = json.loads(self.evidence).get("compared", {})
            return {Compared(by): int(many) for by, many in said.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise LedgerDamaged("the ledger is damaged: the evidence of a receipt cannot be read") from error


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the diary."""

    id: int
    at: str
    level: str  # info | warning | error
    code: str
    text: str
    route: str | None
    run_id: int | None
    item_id: int | None
    unit_id: int | None
    data: str | None  # JSON

    @property
    def owner(self) -> int | None:
        """The number of the project, subject or session of a tree that it is about."""
        found = json.loads(self.data).get("owner") if self.data is not None else None
        return found if isinstance(found, int) else None

    @property
    def is_hold(self) -> bool:
        """Return whether it says that something is held, which its row says, too."""
        return self.data is not None and "hold" in json.loads(self.data)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One pass, by whomever it was asked for."""

    id: int
    cause: str
    pid: int
    started_at: str
    ended_at: str | None
    outcome: str | None
    counts: str
    boot_id: str = ""
    exit_code: int | None = None
    code: str | None = None  # of the gravest failure that did not concern one thing alone
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A route, a server, or the ledger, that is left alone."""

    what: str  # `route NAME`, `server NAME`, `writes to NAME`, `the ledger`
    run_id: int
    since: str
    until: str | None  # None: not in that run any more
    failures: int
    code: str
    detail: str
    advice: str


@dataclass(frozen=True, slots=True)
class BackoffRow:
    """An outside effect on a unit that failed."""

    unit_id: int
    effect: str
    failures: int  # in a row
    until: str
    code: str
    detail: str
