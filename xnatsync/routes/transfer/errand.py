"""What a worker on another machine is asked to do for one entity, and what it answers: values alone.

No password, no session of a login and no setting of a server is in it.  A worker has no ledger: it does what it is
told, in this order, up to the first that fails, and says what became of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from xnatsync.core.described import Described, Part
from xnatsync.core.errors import ReplyStrange, XnatsyncError
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.routes.transfer.load import Arrived, Bytes

How = Literal["fields", "custom", "share"]


# --- what is asked ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Make:
    """A thing is created with its fields; without a part it is the entity itself."""

    TAGGED: ClassVar = True

    part: str
    thing: Described
    subject_id: str  # at the destination, of a session


@dataclass(frozen=True, slots=True)
class Alter:
    """Facts of a thing that is there are sent."""

    TAGGED: ClassVar = True

    how: How
    thing: Described
    part: Part
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MakeResource:
    """An empty resource is created."""

    TAGGED: ClassVar = True

    target: ResourceKey
    format: str
    content: str


@dataclass(frozen=True, slots=True)
class Send:
    """Files of a resource are carried; the destination is asked to catalogue what came."""

    TAGGED: ClassVar = True

    key: ResourceKey
    target: ResourceKey
    files: tuple[RemoteFile, ...]
    listed: tuple[RemoteFile, ...]
    replaces: bool
    keeps_out: bool  # what is a DICOM object is left where it is
    request_id: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A file is fetched from one side, to compare it."""

    TAGGED: ClassVar = True

    side: Literal["source", "destination"]
    key: ResourceKey
    name: str


Order = Make | Alter | MakeResource | Send | Fetch


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt at one entity.  `attempt` is never used again: what another one answers is no answer to this."""

    attempt: str
    to_project: str
    owner: Owner  # of the source
    there: Owner | None
    orders: tuple[Order, ...]


# --- what is answered ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of ours on its way between two machines."""

    code: str
    text: str
    remedy: str = ""
    http: int | None = None
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: XnatsyncError) -> Fault:
        """Write an error down."""
        return cls(error.code, str(error), error.remedy, error.http, error.retry_after_s)

    def error(self) -> XnatsyncError:
        """Return the error again; a code that this version does not have is an answer that no worker gives."""
        kind = _kind_of(self.code)
        if kind is None:
            return ReplyStrange(f"a worker failed with {self.code}, which this version does not know")
        retry_after_s = float(self.retry_after_s) if self.retry_after_s is not None else None
        return kind(self.text, advice=self.remedy or None, http=self.http, retry_after_s=retry_after_s)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """A file that was not carried, and why."""

    name: str
    why: Fault


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one order."""

    fault: Fault | None = None
    there_id: str = ""  # of what was made
    arrived: tuple[Arrived, ...] = ()
    occupied: tuple[Arrived, ...] = ()
    lost: tuple[LeftBehind, ...] = ()
    changed: tuple[LeftBehind, ...] = ()
    refused: tuple[LeftBehind, ...] = ()
    begun: tuple[str, ...] = ()
    requests: int = 0
    catalogued: bool = False
    catalogue: Fault | None = None  # why it was not
    fetched: Bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an errand: an order without a place in `done` was not begun."""

    attempt: str
    done: tuple[Done, ...]


class Place(Protocol):
    """A place at a worker, kept for one entity."""

    def do(self, errand: Errand) -> Answer:
        """Have an errand done; an error says that nobody knows what of it was done."""
        ...


class Cluster(Protocol):
    """Workers on other machines."""

    def place(self) -> AbstractContextManager[Place]:
        """Wait for a free place at a worker and keep it within the block; Stopped, or why there will be none."""
        ...


def _kind_of(code: str) -> type[XnatsyncError] | None:
    waiting: list[type[XnatsyncError]] = [XnatsyncError]
    while waiting:
        kind = waiting.pop()
        if kind.__dict__.get("code") == code:
            return kind
        waiting += kind.__subclasses__()
    return None
