"""How files travel into a resource: many small ones in few zips that the server unpacks, the others each alone.

XNAT unpacks a whole request or nothing of it, by the name of what is sent (hierarchy.md §6.3).  What somebody packed
never travels inside a zip of ours, so that no server can unpack it as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

SMALL_BYTES: Final = 4 << 20  # a larger file gains nothing by company, and is sent again by itself when it was cut
PACK_BYTES: Final = 256 << 20  # of one zip: what a cut connection costs at most
PACK_FILES: Final = 5_000

_PACKED: Final = re.compile(r"\.(zip|zar|tar|xar|tgz|t?gz|jar|rar|ear|gar|mrb|bz2|tbz2|xz|7z)$", re.IGNORECASE)
_UNPACKED: Final = re.compile(r"\.(zip|zar|tar|xar|tgz|gz)$")


class Sized(Protocol):
    """Something that is to be sent."""

    @property
    def name(self) -> str:
        """Its path in the resource."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...


File = TypeVar("File", bound=Sized)


def is_packed(name: str) -> bool:
    """Return whether a name tells an archive, or a compressed file: it is never put into a zip of ours."""
    return _PACKED.search(name) is not None


def is_unpacked_there(name: str) -> bool:
    """Return whether XNAT would unpack a file of this name when it is asked to (§6.3)."""
    return _UNPACKED.search(name) is not None


def may_be_packed(file: Sized) -> bool:
    """Return whether a file may travel with others."""
    return file.size < SMALL_BYTES and not is_packed(file.name)


def packs(files: Sequence[File]) -> Iterator[list[File]]:
    """Share out what travels in zips, in the order given: as few as the bounds allow."""
    pack: list[File] = []
    size = 0
    for file in files:
        if pack and (len(pack) == PACK_FILES or size + file.size > PACK_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(file)
        size += file.size
    if pack:
        yield pack


def parcels(files: Sequence[File]) -> list[list[File]]:
    """Share files out to requests: a parcel of several is a zip, a parcel of one goes alone under its own name."""
    together = [file for file in files if may_be_packed(file)]
    return [*packs(together), *([file] for file in files if not may_be_packed(file))]
