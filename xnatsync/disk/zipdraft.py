"""A zip in the making: it has its name only when all of it is there, and was read back.

A zip of ours carries a mark in its comment: what the server listed, and what the directory held.  By it a later run
knows a zip that it wrote, that nobody touched since, and that is still what the server has.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from xnatsync.core.errors import ContentDiffers, PlaceTaken
from xnatsync.disk import atomic, drafts
from xnatsync.disk.failures import our_disk
from xnatsync.disk.space import check_room
from xnatsync.disk.spelling import real

State = Literal["absent", "same", "ours", "foreign"]

SPOOL_BYTES: Final = 8 << 20  # a member up to this size waits in memory until it is proven, a larger one on the disk
_PIECE: Final = 1 << 20
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def zip_state(path: Path, listing: str, of: str, label: str) -> State:
    """Say what lies at a zip's place; `same` only after every byte of it was read.

    A zip of ours that holds something else than `of` says is foreign: a person wanted that one too.
    """
    place = real(path)
    if not os.path.lexists(place):
        return "absent"
    if place.is_symlink() or not place.is_file():
        return "foreign"
    try:
        with zipfile.ZipFile(place) as found:
            mark = _mark(found.comment)
            if mark is None or mark.get("content") != _content(found):
                return "foreign"
            if not _is_of(found, mark, of, label):
                return "foreign"
            return "same" if mark.get("listing") == listing and found.testzip() is None else "ours"
    except _BROKEN:
        return "foreign"
    except OSError as error:
        raise our_disk(error, f"reading {path}") from error


class ZipDraft:
    """Writes one zip beside its place under a name of its own; leaving the block throws away what was not landed."""

    def __init__(self, target: Path) -> None:
        self.target = target
        try:
            atomic.make_folder(real(target.parent))
            self._draft = drafts.begin(real(target), 0o666)
            self._zip = zipfile.ZipFile(self._draft.file, "w", zipfile.ZIP_STORED, allowZip64=True)
        except OSError as error:
            raise our_disk(error, f"writing beside {target}") from error
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, and remove the draft if it is still there."""
        with suppress(OSError, ValueError):  # a full disk cannot take the directory either
            self._zip.close()
        self._draft.discard()

    def add(self, name: str, pieces: Iterator[bytes], check: Callable[[int, str], None]) -> tuple[int, str]:
        """Take one file in, after `check` was content with its size and MD5, and return both.

        When it raises, the zip is as before.
        """
        try:
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES, dir=str(real(self.target.parent))) as spool:
                digest = hashlib.md5(usedforsecurity=False)
                size = 0
                for piece in pieces:
                    spool.write(piece)
                    digest.update(piece)
                    size += len(piece)
                    self._check_room()
                md5 = digest.hexdigest()
                check(size, md5)
                spool.seek(0)
                info = zipfile.ZipInfo(name, _EPOCH)
                info.external_attr = 0o644 << 16
                with self._zip.open(info, "w", force_zip64=size >= zipfile.ZIP64_LIMIT // 2) as member:
                    while piece := spool.read(_PIECE):
                        member.write(piece)
            self._sizes[name] = size
        except OSError as error:
            raise our_disk(error, f"writing beside {self.target}") from error
        return size, md5

    def _check_room(self) -> None:
        if self._zip.fp is not None:
            check_room(self._zip.fp.fileno())

    def land(self, listing: str, of: str, *, replace: bool) -> int:
        """Close the zip, reads it back, and return it its name; return its size in bytes.

        ContentDiffers when the disk does not give back what was written; PlaceTaken when something is there and
        `replace` is not asked for.
        """
        try:
            self._zip.comment = json.dumps(
                {"by": "xnatsync", "of": of, "listing": listing, "content": _content(self._zip)}
            ).encode()
            self._zip.close()
            self._draft.flush()
            _check(self._draft.spot.path, self._sizes, self.target)
            size = os.fstat(self._draft.file.fileno()).st_size
            self._draft.land(replace=replace)
        except FileExistsError:
            raise PlaceTaken(f"{self.target} is already there: it was not overwritten") from None
        except OSError as error:
            raise our_disk(error, f"writing {self.target}") from error
        return size


def _check(draft: Path, sizes: Mapping[str, int], target: Path) -> None:
    try:
        with zipfile.ZipFile(draft) as written:
            found = {info.filename: info.file_size for info in written.infolist()}
            bad = written.testzip()
    except _BROKEN as error:
        raise ContentDiffers(
            f"{target} could not be read back: the disk is damaged ({type(error).__name__})"
        ) from error
    if bad is not None or found != dict(sizes):
        raise ContentDiffers(f"{target} could not be read back as it was written: the disk is damaged")


def _content(found: zipfile.ZipFile) -> str:
    digest = hashlib.sha256()
    for info in sorted(found.infolist(), key=lambda info: info.filename):
        digest.update(f"{info.filename}\0{info.file_size}\0{info.CRC}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _is_of(found: zipfile.ZipFile, mark: Mapping[str, object], of: str, label: str) -> bool:
    """Tell whether a zip of ours holds what is wanted now; older ones tell it by the label that they begin with."""
    if (told := mark.get("of")) is not None:
        return told == of
    return all(info.filename.startswith(f"{label}/") for info in found.infolist())


def _mark(comment: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(comment)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("by") == "xnatsync" else None
