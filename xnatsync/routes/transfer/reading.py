"""The reading half of a transfer: the files of a resource, each checked before anybody may store it.

Small ones come as one zip that is unpacked on the fly, and are whole, in memory and compared with the listing before
they are passed on.  A big one is passed on piece by piece; its last piece is kept back until the whole was compared, so
that whoever sends it on is cut off before its end when it is not what the source lists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import (
    ContentDiffers,
    NotThere,
    PastAnonymisation,
    ReadFailed,
    ReplyStrange,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner
from xnatsync.core.packing import PACK_FILES, SMALL_BYTES
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.streams import at_most, closed_after
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.limits import UNLIMITED, Line
from xnatsync.routes.transfer.load import Left, Load, refusal, shared_out

SINGLE_MAX: Final = 3  # so few small files are fetched one by one
WORTH_A_ZIP: Final = 0.5  # the share of a resource's bytes that must be wanted: the rest would come in vain
BROKEN_MAX: Final = 3  # reads that broke one after the other, when nothing came at all: then it is not the files
BEGINNING: Final = 132  # bytes of a file, which tell whether it is a DICOM file
RESUMES_MAX: Final = 3  # times that a big file is gone on with
ODD: Final = (ReadFailed, ReplyStrange, NotThere, ContentDiffers)  # may be the matter of one file


@dataclass(frozen=True, slots=True)
class Loaded:
    """A small file, whole, as the source lists it."""

    file: RemoteFile
    content: bytes
    sha256: bytes
    md5: str

    @property
    def name(self) -> str:
        """Its path in the resource."""
        return self.file.name

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.content)


@dataclass(slots=True)
class Pack:
    """Small files that are stored with one request."""

    files: list[Loaded] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Begin:
    """A big file begins: pieces follow, and then its End."""

    file: RemoteFile
    size: int


@dataclass(frozen=True, slots=True)
class End:
    """A big file is over; with an error it must not come to its end anywhere."""

    sha256: bytes = b""
    md5: str = ""
    error: XnatsyncError | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """Everything of a load has been read that could be, or `failure` ended it."""

    lost: tuple[Left, ...] = ()
    changed: tuple[Left, ...] = ()
    refused: tuple[Left, ...] = ()
    failure: XnatsyncError | None = None


Event = Pack | Begin | bytes | End | Over


def weight(event: Event) -> int:
    """Return how many bytes of memory wait in it."""
    return event.size if isinstance(event, Pack) else len(event) if isinstance(event, bytes) else 0


@dataclass(slots=True)
class Reader:
    """Reads resources of one entity.  `pack_bytes` is how much is stored with one request at most."""

    source: Readable
    owner: Owner
    pack_bytes: int
    line: Line = UNLIMITED
    stopping: Callable[[], bool] = lambda: False
    _broken: list[tuple[RemoteFile, XnatsyncError]] = field(default_factory=list)  # to be asked for once more
    _failed: list[Left] = field(default_factory=list)  # at every try
    _came: int = 0  # files of this load
    _kept: list[Left] = field(default_factory=list)  # that are to stay where they are

    def read(self, loads: Sequence[Load]) -> Generator[Event]:
        """Read one load after the other; each ends with an Over, whatever became of it."""
        for load in loads:
            yield from self._load(load)

    def _load(self, load: Load) -> Generator[Event]:
        self._broken, self._failed, self._kept, self._came = [], [], [], 0
        refused = tuple(
            Left(file.name, error)
            for file in load.files
            if load.keeps_names and (error := refusal(load.target, file)) is not None
        )
        names = {left.name for left in refused}
        due = [file for file in load.files if file.name not in names]
        try:
            with self.line.stream():
                together, alone = shared_out(due)
                yield from self._packed(self._going(load, self._together(load, together)))
                for file in alone:
                    yield from self._alone(load, file)
                for file, _ in self._taken():
                    yield from self._again(load, file)
            lost, changed = self._judged(load)
            yield Over(lost, changed, (*refused, *self._kept))
        except XnatsyncError as error:
            yield Over(refused=refused, failure=error)

    def _going(self, load: Load, files: Iterator[Loaded]) -> Iterator[Loaded]:
        return (one for one in files if not self._is_kept(load, one.file, one.content))

    def _is_kept(self, load: Load, file: RemoteFile, beginning: bytes) -> bool:
        """Return whether a file is to stay where it is."""
        if not load.keeps_out or beginning[128:132] != b"DICM":
            return False
        why = "it is a DICOM object, and a copy would pass by the anonymisation of the destination"
        self._kept.append(Left(file.name, PastAnonymisation(why)))
        return True

    # --- small ones --------------------------------------------------------------------------------------------------

    def _packed(self, files: Iterator[Loaded]) -> Iterator[Pack]:
        pack = Pack()
        for one in files:
            if pack.files and (pack.size + one.size > self.pack_bytes or len(pack.files) == PACK_FILES):
                yield pack
                pack = Pack()
            pack.files.append(one)
            pack.size += one.size
        if pack.files:
            yield pack

    def _together(self, load: Load, files: Sequence[RemoteFile]) -> Iterator[Loaded]:
        """Return small files, the resource as one zip where that is worth it; what broke is asked for once more."""
        if self._is_worth_a_zip(load, files):
            yield from self._zipped(load, files)
            files = [file for file, _ in self._taken()]
        else:
            yield from self._one_by_one(load, files)
            files = [file for file, _ in self._taken()]
        yield from self._one_by_one(load, files)
        self._failed += [Left(file.name, error) for file, error in self._taken()]

    def _is_worth_a_zip(self, load: Load, files: Sequence[RemoteFile]) -> bool:
        whole = sum(file.size or 0 for file in load.listed or load.files)
        return len(files) > SINGLE_MAX and sum(file.size or 0 for file in files) >= WORTH_A_ZIP * whole

    def _zipped(self, load: Load, files: Sequence[RemoteFile]) -> Iterator[Loaded]:
        waiting = {file.name: file for file in files}
        sizes = {(load.source, file.name): file.size for file in load.listed or load.files}
        try:
            with closed_after(self.source.fetch_resources(self.owner, [load.source], sizes=sizes)) as came:
                for key, name, content in came:
                    file = waiting.get(name) if key == load.source else None
                    if file is None:
                        continue
                    try:
                        loaded = self._whole(file, content)
                    except ContentDiffers as error:
                        self._broken.append((waiting.pop(name), error))
                        continue
                    del waiting[name]
                    yield loaded
        except (ReadFailed, ReplyStrange) as error:
            self._broken += [(file, error) for file in waiting.values()]
            return
        gone = NotThere("it is listed, and did not come with the others")
        self._broken += [(file, gone) for file in waiting.values()]

    def _one_by_one(self, load: Load, files: Sequence[RemoteFile]) -> Iterator[Loaded]:
        row = 0
        for file in files:
            try:
                with closed_after(self.source.fetch_file(self.owner, load.source, file.name)) as content:
                    loaded = self._whole(file, content)
            except ODD as error:
                row = row + 1 if isinstance(error, ReadFailed) and error.http != 500 else 0
                if row >= BROKEN_MAX and not self._came:
                    raise
                self._broken.append((file, error))
                continue
            row = 0
            yield loaded

    def _whole(self, file: RemoteFile, content: Iterator[bytes]) -> Loaded:
        """Take a small file into memory and compare it with what is listed."""

        def longer(_: int) -> XnatsyncError:
            return ContentDiffers(f"more than the {file.size} bytes that are listed came")

        body = b"".join(self.moved(at_most(content, file.size, longer)))
        sha256, md5 = hashlib.sha256(body).digest(), hashlib.md5(body, usedforsecurity=False).hexdigest()
        compare(file, len(body), md5)
        self._came += 1
        return Loaded(file, body, sha256, md5)

    def moved(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass pieces on until we are asked to stop."""
        for piece in pieces:
            if self.stopping():
                raise Stopped("asked to stop")
            yield piece

    # --- one alone ---------------------------------------------------------------------------------------------------

    def _alone(self, load: Load, file: RemoteFile) -> Iterator[Event]:
        """Read what travels by itself; what does not even begin is asked for once more later."""
        if file.size is not None and file.size < SMALL_BYTES:
            yield from self._small_alone(load, file)
            return
        try:
            if file.size is None:
                file = self._measured(load, file)
            pieces = _Big(self, load, file).pieces()
            first = [next(pieces)]
        except ODD as error:
            self._broken.append((file, error))
            return
        assert file.size is not None
        first += _at_least(pieces, BEGINNING - weight(first[0])) if load.keeps_out else ()
        if self._is_kept(load, file, b"".join(piece for piece in first if isinstance(piece, bytes))):
            return
        yield Begin(file, file.size)
        yield from first
        yield from pieces

    def _small_alone(self, load: Load, file: RemoteFile) -> Iterator[Event]:
        for one in self._going(load, self._one_by_one(load, [file])):
            yield Pack([one], one.size)

    def _again(self, load: Load, file: RemoteFile) -> Iterator[Event]:
        yield from self._alone(load, file)
        self._failed += [Left(one.name, error) for one, error in self._taken()]

    def _measured(self, load: Load, file: RemoteFile) -> RemoteFile:
        """Read a file of unknown size once to learn it: what is sent needs a length, and is compared with this."""
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        with closed_after(self.source.fetch_file(self.owner, load.source, file.name)) as content:
            for piece in self.moved(content):
                digest.update(piece)
                size += len(piece)
        compare(file, size, digest.hexdigest())
        return RemoteFile(file.scan, file.resource, file.name, size, digest.hexdigest(), file.sop_uid)

    # --- the judgement -----------------------------------------------------------------------------------------------

    def _taken(self) -> list[tuple[RemoteFile, XnatsyncError]]:
        taken, self._broken = self._broken, []
        return taken

    def note(self, name: str, error: XnatsyncError) -> None:
        """Note a file that failed after it had begun."""
        self._failed.append(Left(name, error))

    def _judged(self, load: Load) -> tuple[tuple[Left, ...], tuple[Left, ...]]:
        """Tell apart what the source lists unchanged and gave at no try, and what changed there meanwhile."""
        if not self._failed:
            return (), ()
        found = self.source.all_files([self.owner]).get(self.owner)
        if found is None:
            raise NotThere(f"{self.owner.kind.value} {self.owner.id} is gone from the source")
        now = _named(found, load)
        asked = {file.name: file for file in load.files}
        lost: list[Left] = []
        changed: list[Left] = []
        for left in self._failed:
            before, after = asked[left.name], now.get(left.name)
            same = after is not None and (after.size, after.digest) == (before.size, before.digest)
            (lost if same else changed).append(left)
        return tuple(lost), tuple(changed)


@dataclass(slots=True)
class _Big:
    """A big file that is coming: gone on with when the stream is cut, and compared before its last piece is given."""

    reader: Reader
    load: Load
    file: RemoteFile
    came: int = 0

    def pieces(self) -> Iterator[Event]:
        """Return its pieces and its End; what breaks before the first piece is raised."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        last = b""
        begun = False
        try:
            for piece in self._coming():
                sha256.update(piece)
                md5.update(piece)
                if last:
                    begun = True
                    yield last
                last = piece
            compare(self.file, self.came, md5.hexdigest())
        except XnatsyncError as error:
            if not begun:
                raise
            if isinstance(error, ODD):
                self.reader.note(self.file.name, error)
            yield End(error=error)
            if not isinstance(error, ODD):
                raise
            return
        yield last
        yield End(sha256.digest(), md5.hexdigest())

    def _coming(self) -> Iterator[bytes]:
        """Return what comes; a stream that was cut is gone on with where it ended, or from its beginning."""
        reader, tries, whole = self.reader, 0, False
        while True:
            offset = 0 if whole else self.came
            skip = self.came - offset
            try:
                with closed_after(
                    reader.source.fetch_file(reader.owner, self.load.source, self.file.name, offset=offset)
                ) as content:
                    for piece in reader.moved(content):
                        fresh = piece[skip:] if skip else piece
                        skip = max(skip - len(piece), 0)
                        if fresh:
                            self._count(len(fresh))
                            yield fresh
            except (ReadFailed, ReplyStrange) as error:
                if self.came == self.file.size:
                    return
                tries += 1
                if not self.came or tries > RESUMES_MAX:
                    raise
                whole = isinstance(error, ReplyStrange)  # it does not go on where we were
            else:
                return

    def _count(self, size: int) -> None:
        self.came += size
        if self.file.size is not None and self.came > self.file.size:
            raise ContentDiffers(f"more than the {self.file.size} bytes that are listed came")


def _at_least(pieces: Iterator[Event], size: int) -> Iterator[Event]:
    """Return so many bytes at least, as far as there are any."""
    while size > 0 and (piece := next(pieces, None)) is not None:
        size -= weight(piece)
        yield piece


def _named(listing: FileListing, load: Load) -> dict[str, RemoteFile]:
    here = (load.source.scan, load.source.label)
    return {file.name: file for file in listing.files if (file.scan, file.resource) == here}


def compare(file: RemoteFile, size: int, md5: str) -> None:
    """Compare what came with what the source lists; ContentDiffers."""
    if file.size is not None and size != file.size:
        raise ContentDiffers(f"{size} bytes came and {file.size} are listed")
    if file.digest and md5 != file.digest:
        raise ContentDiffers("its digest is not the one that is listed")
