"""Stores what is in an archive of a person's, where that is asked for: XNAT unpacks it by its name (hierarchy.md §6.3).

Its members are read here first, so that what came out of it there can be compared with what is in it.
"""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import RequestRefused, SourceDamaged, Usage
from xnatsync.disk.archive import Kind, members
from xnatsync.disk.given import GivenFile
from xnatsync.services.client import WORK_S
from xnatsync.services.resource_sending import Run, Sender
from xnatsync.xnat import resource_names, resource_upload

_KINDS: Final[tuple[tuple[str, str, Kind], ...]] = (  # of a name: how it ends, how XNAT wants it to end, what it is
    (".zip", ".zip", "zip"),
    (".zar", ".zip", "zip"),
    (".tar.gz", ".tar.gz", "tar"),
    (".tgz", ".tar.gz", "tar"),
    (".tar", ".tar", "tar"),
    (".xar", ".tar", "tar"),
)
_PIECE: Final = 1 << 20


@dataclass(slots=True)
class Unpacker(Sender):
    """Sends one archive whose members are what is compared and proven."""

    archive: GivenFile = field(kw_only=True)

    def members(self) -> list[GivenFile]:
        """Read what is in it, with the digest of each; SourceDamaged when it is not whole."""
        found = []
        for name, pieces in _content(self.archive):
            digest, size = hashlib.md5(usedforsecurity=False), 0
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
            found.append(GivenFile(name, self.archive.path, size, 0))
            self.md5[name] = digest.hexdigest()
        return found

    def refuse(self, files: Sequence[GivenFile]) -> None:
        """Refuse members that XNAT would not list."""
        for file in files:
            try:
                resource_names.check_name(file.name)
            except RequestRefused as error:
                raise RequestRefused(f"{file.name!r} in the archive: {error}; nothing was sent") from error

    def runs(self, fresh: Sequence[GivenFile], changed: Sequence[GivenFile]) -> list[Run]:
        """All of it is one request."""
        return [([*fresh, *changed], self.wish.overwrite)] if fresh or changed else []

    def store(self, parcel: Sequence[GivenFile], *, overwrite: bool) -> frozenset[str]:
        """Send the archive."""
        wanted = {file.name for file in parcel}
        left = resource_upload.put_archive(
            self.client.low,
            self.place.owner,
            self.place.key(self.wish.label),
            _name(self.archive.name),
            self._pieces(),
            size=self.archive.size,
            overwrite=overwrite,
            request_id=str(uuid.uuid4()),
            timeout_s=WORK_S,
            described=self.wish.described,
        )
        return left & wanted

    def _pieces(self) -> Iterator[bytes]:
        for piece in self.archive.pieces():
            yield piece
            self.tell("uploading")


def is_archive(name: str) -> bool:
    """Return whether XNAT would unpack a file of this name, and we can read what is in it."""
    return name.lower().endswith((*(ending for ending, _, _ in _KINDS), ".gz"))


def refuse_no_archive(name: str) -> None:
    """Usage when something is to be unpacked that is no archive."""
    if not is_archive(name):
        raise Usage(
            f"{name} is no archive that XNAT unpacks", advice="Leave --extract out, or name a .zip, .tar, .tgz or .gz."
        )


def _name(name: str) -> str:
    """Return the name to send: what XNAT goes by is how it ends, in small letters; a .gz is named by the rest of it."""
    for ending, sent, _ in _KINDS:
        if name.lower().endswith(ending):
            return f"xnatsync-{uuid.uuid4().hex}{sent}"
    return f"{name[:-3]}.gz"


def _content(archive: GivenFile) -> Iterator[tuple[str, Iterator[bytes]]]:
    for ending, _, kind in _KINDS:
        if archive.name.lower().endswith(ending):
            for part in members(archive.path, archive.name, kind):
                yield part.path, part.open()
            return
    yield archive.name[:-3], _gunzip(archive)


def _gunzip(archive: GivenFile) -> Iterator[bytes]:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for piece in archive.pieces():
            rest = piece
            while rest and not inflater.eof:
                yield inflater.decompress(rest, _PIECE)
                rest = inflater.unconsumed_tail
    except zlib.error as error:
        raise SourceDamaged(f"{archive.name} is not in GZIP format") from error
    if not inflater.eof:
        raise SourceDamaged(f"{archive.name} ends in the middle")
