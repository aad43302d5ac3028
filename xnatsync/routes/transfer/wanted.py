"""What one look at both sides of an entity leads to: changes of the destination, troubles, and what is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from xnatsync.core.described import Described, Part
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.ledger.tree_rows import NewVersion, OwnerRow


@dataclass(frozen=True, slots=True)
class Look:
    """An entity as both sides show it now."""

    row: OwnerRow
    owner: Owner
    here: Described  # with those parts alone that go
    here_files: FileListing
    there: Described | None = None
    there_owner: Owner | None = None
    there_files: FileListing = field(default_factory=lambda: FileListing(()))
    left: tuple[Part, ...] = ()  # parts that cannot be at the destination, which is the server of the source


@dataclass(frozen=True, slots=True)
class Create:
    """A thing is created with its fields; `part` is "" for the entity itself."""

    part: str
    thing: Described
    pending: Mapping[str, tuple[str, str]]  # the facts that go with it, as they stand in the ledger until they are seen

    @property
    def digest(self) -> bytes:
        """Return what it is known again by."""
        return _digest(self.pending)


@dataclass(frozen=True, slots=True)
class Change:
    """Facts of a thing that is there are sent: fields, values of custom forms, or shares."""

    part: str
    thing: Described  # of the source
    there: Part  # of the destination
    paths: Mapping[str, str]  # the values by path
    pending: Mapping[str, tuple[str, str]]

    @property
    def digest(self) -> bytes:
        """Return what it is known again by."""
        return _digest(self.pending)


@dataclass(frozen=True, slots=True)
class CreateResource:
    """A resource is created with what the source says of it."""

    key: ResourceKey  # at the source
    target: ResourceKey
    format: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class CarryFiles:
    """Files of a resource are sent: all to empty places, or all in the place of what was put there from here."""

    key: ResourceKey
    target: ResourceKey
    files: tuple[RemoteFile, ...]
    listed: tuple[RemoteFile, ...]
    replaces: bool

    @property
    def bytes(self) -> int:
        """Return how much it is, as far as the source tells."""
        return sum(file.size or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class ImportFiles:
    """Objects of a scan's resource are sent as a DICOM import: foreseen by a plan; see `images` for how it is done."""

    key: ResourceKey
    target: ResourceKey
    files: tuple[RemoteFile, ...]
    listed: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        """Return how much it is, as far as the source tells."""
        return sum(file.size or 0 for file in self.files)


Effect = Create | Change | CreateResource | CarryFiles | ImportFiles


@dataclass(slots=True)
class Noted:
    """What is known of a thing and its stand-in from now on."""

    source_id: str
    there_id: str
    there_label: str
    facts: dict[str, tuple[str, str]]


@dataclass(slots=True)
class Wanted:
    """What follows from a look."""

    effects: list[Effect] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    noted: dict[str, Noted] = field(default_factory=dict)  # by part
    begun: list[NewVersion] = field(default_factory=list)
    ended: list[tuple[int, str]] = field(default_factory=list)
    compared: int = 0  # files that a run fetches from both sides to compare; a plan counts them
    agreed: int = 0  # files that both sides hold
    later: str = ""  # until then an earlier write may still land
    cut: bool = False  # a listing was not whole: something was not decided

    def tell(self, path: str, code: str, detail: str, *, person: bool) -> None:
        """Add a trouble."""
        self.troubles.append(Trouble(path, code, detail, person))


def _digest(facts: Mapping[str, tuple[str, str]]) -> bytes:
    return hashlib.sha256(repr(sorted(facts.items())).encode()).digest()
