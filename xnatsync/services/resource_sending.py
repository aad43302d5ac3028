"""Puts files into a resource: looked at before, sent once, and proven file by file afterwards.

What the server has already is not sent again; what it has of another content is told, and replaced only where that is
asked for.  Small files travel together in zips that are written as they go out; nothing is written to this disk.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import (
    ContentDiffers,
    ForeignContent,
    ReadFailed,
    RequestRefused,
    Stopped,
    Usage,
    XnatsyncError,
)
from xnatsync.core.packing import may_be_packed, parcels
from xnatsync.core.remote import RemoteFile
from xnatsync.core.streams import closed_after
from xnatsync.core.wording import counted
from xnatsync.disk.digests import Digests
from xnatsync.disk.given import GivenFile
from xnatsync.ports.tree import SmallFile
from xnatsync.services.client import WORK_S, XNATClient
from xnatsync.services.places import Place, refuse_read_only
from xnatsync.services.progress import Teller, UploadProgress
from xnatsync.xnat import owner_files, resource_names, resource_upload
from xnatsync.xnat.wire import Query

NAMED_MAX: Final = 5  # files that one message names
TOLD_EACH: Final = 100  # small files between two words to the callback
PUT_OFF: Final = "Nothing to do by hand: the same command compares what arrived, and sends what is missing."
UNLISTED: Final = (
    "An interrupted upload may have left it. `--overwrite` replaces it; `xnatsync resource refresh SESSION LABEL` "
    "lets the server list it, to be looked at first."
)
OTHER: Final = "Compare the two; `--overwrite` replaces what is on the server."

Listed = Mapping[str, RemoteFile]
Run = tuple[list[GivenFile], bool]  # what one request stores, and whether it replaces what is there


@dataclass(frozen=True, slots=True)
class Wish:
    """How files are to be stored."""

    label: str
    overwrite: bool = False
    format: str | None = None
    content: str | None = None
    dry_run: bool = False

    @property
    def described(self) -> Query:
        """Format and content, as parts of a request."""
        given = (("format", self.format), ("content", self.content))
        return tuple((name, value) for name, value in given if value)


@dataclass(slots=True)
class Stored:
    """What became of files that were to be stored."""

    place: Place
    label: str
    dry_run: bool = False
    files: int = 0
    bytes: int = 0
    sent: int = 0  # and proven; under `dry_run`: that would be sent
    sent_bytes: int = 0
    same: int = 0  # there already, byte for byte
    replaced: int = 0  # of those sent: they replaced another content
    no_digest: int = 0  # of those sent: the server lists their size alone
    requests: int = 0  # that stored something
    errors: list[XnatsyncError] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 when everything is there as it is here."""
        return max((error.exit_code for error in self.errors), default=0)


@dataclass(slots=True)
class Sender:
    """Stores files in one resource of one parent, one request after the other: XNAT has one writer for each (§6.1)."""

    client: XNATClient
    place: Place
    wish: Wish
    teller: Teller[UploadProgress]
    md5: dict[str, str] = field(default_factory=dict)  # of what was read
    taken: set[str] = field(default_factory=set)  # left alone by the server, as they were there
    done: int = 0
    moved: int = 0  # bytes
    result: Stored = field(init=False)

    def __post_init__(self) -> None:
        self.result = Stored(self.place, self.wish.label, self.wish.dry_run)

    def send(self, files: Sequence[GivenFile]) -> Stored:
        """Store what is missing; whatever ends the whole is raised, and what concerns single files is in the result."""
        began, result = time.monotonic(), self.result
        result.files, result.bytes = len(files), sum(file.size for file in files)
        self.refuse(files)
        resource_names.check_resource(self.place.key(self.wish.label))
        refuse_read_only(self.client, self.place)
        fresh, changed = self._standing(files, self.listing())
        due, runs = [*fresh, *changed], self.runs(fresh, changed)
        if self.wish.dry_run:
            result.sent, result.sent_bytes = len(due), sum(file.size for file in due)
            result.replaced, result.requests = len(changed), len(runs)
            return result
        failure = self._store(runs)
        if due:
            try:
                self.tell("verifying")
                self._prove(due, {file.name for file in changed}, failure)
            except XnatsyncError as error:
                raise (failure or error) from error
        if failure is not None and (isinstance(failure, Stopped) or result.errors or result.sent < len(due)):
            raise _told(failure, result)
        result.seconds = time.monotonic() - began
        self.tell("done")
        return result

    def refuse(self, files: Sequence[GivenFile]) -> None:
        """Refuse what would not arrive as it is."""
        refuse_unsendable(files)

    def runs(self, fresh: Sequence[GivenFile], changed: Sequence[GivenFile]) -> list[Run]:
        """Share the files out to requests."""
        mine = self.wish.overwrite  # also over what an interrupted upload left, which no catalogue names
        return [(parcel, mine) for parcel in parcels(fresh)] + [(parcel, True) for parcel in parcels(changed)]

    def tell(self, phase: str) -> None:
        """Tell the callback how far it is."""
        seen = self.result
        self.teller.tell(
            UploadProgress(phase, seen.files, seen.same + self.done, len(seen.errors), seen.bytes, self.moved)
        )

    # --- looking -------------------------------------------------------------------------------------------------

    def listing(self) -> Listed:
        """Return what the server lists of the resource, by name."""
        seen = owner_files.resource_files(self.client.low, self.place.owner, self.place.scan, self.wish.label)
        if not seen.complete and not seen.refused:
            raise ReadFailed(f"the files of a resource of {self.place.words} could not be listed completely")
        return {file.name: file for file in seen.files}

    def _standing(self, files: Sequence[GivenFile], listed: Listed) -> tuple[list[GivenFile], list[GivenFile]]:
        """Tell apart what is not there, and what is to replace another content; note the rest."""
        fresh, changed, other = [], [], list[str]()
        for file in files:
            there = listed.get(file.name)
            if there is None:
                fresh.append(file)
            elif self._is_same(file, there):
                self.result.same += 1
                self.moved += file.size
            elif self.wish.overwrite:
                changed.append(file)
            else:
                other.append(file.name)
        if other:
            self.result.errors.append(foreign(other))
        return fresh, changed

    def _is_same(self, file: GivenFile, there: RemoteFile) -> bool:
        if there.size is not None and there.size != file.size:
            return False
        if file.name not in self.md5:
            self.md5[file.name] = file.md5()
        return self.md5[file.name] == (there.digest or self._digest_there(there))

    def _digest_there(self, there: RemoteFile) -> str:
        """Fetch what the server states no digest of."""
        digest = hashlib.md5(usedforsecurity=False)
        key = self.place.key(self.wish.label)
        with closed_after(self.client.server.fetch_file(self.place.owner, key, there.name)) as pieces:
            for piece in pieces:
                digest.update(piece)
        return digest.hexdigest()

    # --- storing -------------------------------------------------------------------------------------------------

    def _store(self, runs: Sequence[Run]) -> XnatsyncError | None:
        """Send one request after the other; return what ended it before its end."""
        for parcel, overwrite in runs:
            try:
                self.tell("uploading")
                self.result.requests += 1
                self.taken |= self.store(parcel, overwrite=overwrite)
            except ForeignContent:
                self.taken.add(parcel[0].name)
            except XnatsyncError as error:
                return error
            self.done += len(parcel)
        return None

    def store(self, parcel: Sequence[GivenFile], *, overwrite: bool) -> frozenset[str]:
        """Do one request; return the names of files that were there and were left alone."""
        if len(parcel) > 1 or not resource_names.has_address(parcel[0].name):
            return self._together(parcel, overwrite=overwrite)
        self._alone(parcel[0], overwrite=overwrite)
        return frozenset()

    def _together(self, parcel: Sequence[GivenFile], *, overwrite: bool) -> frozenset[str]:
        small = [SmallFile(file.name, file.size, lambda file=file: self._read(file)) for file in parcel]  # type: ignore[misc]
        return resource_upload.put_resource_files(
            self.client.low,
            self.place.owner,
            self.place.key(self.wish.label),
            small,
            overwrite=overwrite,
            request_id=str(uuid.uuid4()),
            timeout_s=WORK_S,
            described=self.wish.described,
        )

    def _read(self, file: GivenFile) -> bytes:
        content = file.whole()
        self.md5[file.name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.moved += file.size
        if len(self.md5) % TOLD_EACH == 0:
            self.tell("uploading")
        return content

    def _alone(self, file: GivenFile, *, overwrite: bool) -> None:
        with Digests(sha256=False) as digests:
            try:
                resource_upload.put_resource_file(
                    self.client.low,
                    self.place.owner,
                    self.place.key(self.wish.label),
                    file.name,
                    self._counted(file, digests),
                    size=file.size,
                    overwrite=overwrite,
                    request_id=str(uuid.uuid4()),
                    timeout_s=WORK_S,
                    described=self.wish.described,
                )
            finally:
                if digests.size == file.size:  # all of it went out, whatever was answered
                    self.md5[file.name] = digests.finish()[1]

    def _counted(self, file: GivenFile, digests: Digests) -> Iterator[bytes]:
        for piece in file.pieces(digests.update):
            self.moved += len(piece)
            yield piece
            self.tell("uploading")

    # --- proving -------------------------------------------------------------------------------------------------

    def _prove(self, due: Sequence[GivenFile], changed: set[str], failure: XnatsyncError | None) -> None:
        """Compare everything that was to be stored with a new listing: an answer of 200 proves nothing (§6.1)."""
        listed, result = self.listing(), self.result
        lost, wrong, unlisted, other = (list[str]() for _ in range(4))
        proven: list[GivenFile] = []
        for file in due:
            there = listed.get(file.name)
            if there is not None and file.name in self.md5 and self._shows(file, there):
                proven.append(file)
                result.no_digest += not there.digest
            elif file.name in self.taken:
                (unlisted if there is None else other).append(file.name)
            elif failure is None:
                (lost if there is None else wrong).append(file.name)
        result.sent, result.sent_bytes = len(proven), sum(file.size for file in proven)
        result.replaced = sum(file.name in changed for file in proven)
        if other:
            result.errors.append(foreign(other))
        if unlisted:
            text = f"the server keeps {_named(unlisted)}, which it does not list: left as it is"
            result.errors.append(ForeignContent(text, advice=UNLISTED))
        if lost:
            result.errors.append(
                ContentDiffers(f"the server took {_named(lost)}, and does not list it", advice=PUT_OFF)
            )
        if wrong:
            result.errors.append(
                ContentDiffers(f"the server took {_named(wrong)}, and lists another content", advice=PUT_OFF)
            )

    def _shows(self, file: GivenFile, there: RemoteFile) -> bool:
        """The listing shows exactly what was read here; without a digest, its size."""
        return there.size == file.size and (not there.digest or there.digest == self.md5[file.name])


def refuse_unsendable(files: Iterable[GivenFile]) -> None:
    """Refuse before the first byte what would not arrive under its own name."""
    refused = [(file.name, error) for file in files if (error := _unsendable(file)) is not None]
    if not refused:
        return
    name, first = refused[0]
    more = f" ({counted(len(refused), 'file')} like this; nothing was sent)" if refused[1:] else "; nothing was sent"
    raise RequestRefused(f"{name!r}: {first}{more}", advice=first.remedy)


def _unsendable(file: GivenFile) -> RequestRefused | None:
    try:
        resource_names.check_sendable(file.name)
    except RequestRefused as error:
        return error
    if may_be_packed(file) or resource_names.has_address(file.name):
        return None
    return RequestRefused(
        "no address can say this name, and the file is too large to travel with others",
        advice="Rename the file: letters, digits, blanks, `.`, `_`, `-` and `+`.",
    )


def refuse_none(files: Sequence[GivenFile]) -> None:
    """Usage when there is nothing to store: an empty folder is no success."""
    if not files:
        raise Usage("there is no file in what was named", advice="Name a file, or a folder that holds some.")


def foreign(names: Sequence[str]) -> ForeignContent:
    """Say which files the server holds with another content."""
    return ForeignContent(f"the server holds another content of {_named(names)}: left as it is", advice=OTHER)


def _named(names: Sequence[str]) -> str:
    more = f" and {counted(len(names) - NAMED_MAX, 'file')} more" if len(names) > NAMED_MAX else ""
    return f"{', '.join(names[:NAMED_MAX])}{more}"


def _told(failure: XnatsyncError, result: Stored) -> XnatsyncError:
    """Say with what ended an upload how far it came."""
    arrived = f"{counted(result.sent + result.same, 'file')} of {result.files} are proven to be there"
    failure.lines = (*failure.lines, arrived)
    return failure
