"""What is to be carried of one resource, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import AccessDenied, NameRefused, NotEnabled, NotThere, RequestRefused, XnatsyncError
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.packing import may_be_packed
from xnatsync.core.remote import RemoteFile
from xnatsync.xnat import resource_names

# A server that cannot make a catalogue leaves more to be fetched back, and that is all.
UNABLE: Final = (RequestRefused, AccessDenied, NotEnabled, NotThere)


@dataclass(frozen=True, slots=True)
class Load:
    """One resource: the files that are to be carried, as the source lists them, and where they belong.

    `listed` are all files that the source lists of it, wanted or not: they tell whether a zip of all is worth it.
    """

    source: ResourceKey
    target: ResourceKey
    files: tuple[RemoteFile, ...]
    listed: tuple[RemoteFile, ...] = ()
    overwrite: bool = False  # what is at the destination under these names is known to be ours
    keeps_out: bool = False  # True: what is a DICOM object is left where it is
    keeps_names: bool = True  # False: its files arrive under names of ours, whatever they are called


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that the destination took: what it was when it passed through, not yet what the destination holds."""

    name: str
    size: int
    sha256: bytes
    md5: str  # lower-case hex


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a file was found to hold when it passed through, or was fetched to compare."""

    size: int
    sha256: bytes
    md5: str


@dataclass(frozen=True, slots=True)
class Left:
    """A file that was not carried, and why."""

    name: str
    error: XnatsyncError


@dataclass(slots=True)
class Carried:
    """What became of a load.  A file that is in none of the lists was not tried: `failure` says why."""

    arrived: list[Arrived] = field(default_factory=list)
    occupied: list[Arrived] = field(default_factory=list)  # something of this name was there, and stayed
    lost: list[Left] = field(default_factory=list)  # listed at the source, which gave it at no try
    changed: list[Left] = field(default_factory=list)  # the source lists it otherwise by now: to be looked at again
    refused: list[Left] = field(default_factory=list)  # would not arrive as it is, or the destination will not take it
    begun: list[str] = field(default_factory=list)  # of those lost or changed: the destination may hold a part
    failure: XnatsyncError | None = None  # what ended it before its end
    requests: int = 0  # that stored something
    bytes: int = 0  # of what arrived

    @property
    def complete(self) -> bool:
        """Return whether the destination took every file of the load."""
        return not (self.failure or self.occupied or self.lost or self.changed or self.refused)


def refusal(target: ResourceKey, file: RemoteFile) -> RequestRefused | None:
    """Say why a file would not arrive as it is at the destination; None when it does (hierarchy.md §6.1, §6.3)."""
    try:
        resource_names.check_resource(target)
        resource_names.check_sendable(file.name)
    except RequestRefused as error:
        return error
    if may_travel_together(file) or resource_names.has_address(file.name):
        return None
    return NameRefused(
        "no address can say this name, and the file is too large to travel with others",
        advice="Rename the file: letters, digits, blanks, `.`, `_`, `-` and `+`.",
    )


@dataclass(frozen=True, slots=True)
class _Sized:
    name: str
    size: int


def may_travel_together(file: RemoteFile) -> bool:
    """Return whether a file may travel in a zip of ours: never one that somebody packed, nor one of unknown size."""
    return file.size is not None and may_be_packed(_Sized(file.name, file.size))


def shared_out(files: Sequence[RemoteFile]) -> tuple[list[RemoteFile], list[RemoteFile]]:
    """Tell apart what travels in zips of ours and what travels alone."""
    together = [file for file in files if may_travel_together(file)]
    return together, [file for file in files if not may_travel_together(file)]
