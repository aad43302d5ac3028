"""Files that a person named: a report, a page, a list.  Nothing of somebody else's is ever overwritten by one."""

from __future__ import annotations

import io
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from xnatsync.core.errors import PlaceTaken
from xnatsync.disk import atomic, drafts
from xnatsync.disk.failures import our_disk

_DATABASE = b"SQLite format 3\0"
_CONFIGURATION_MAX = 1 << 20  # bytes; no configuration is longer
_ANOTHER = "Name another file."


def refuse_taken(places: Sequence[Path], *, force: bool) -> None:
    """Refuse before the work what `write_whole` would refuse after it."""
    for place in places:
        if not os.path.lexists(place):
            continue
        if (what := _never_ours(place)) is not None:
            raise PlaceTaken(f"{place} is {what}: it was left as it is", advice=_ANOTHER)
        if not force:
            raise PlaceTaken(f"{place} is already there", advice="Name another file, or give --force to overwrite it.")


def write_whole(place: Path, text: str, *, force: bool) -> None:
    """Write a text file that we alone may read, whole or not at all.

    PlaceTaken when something is there and `force` is not asked for, and where no report can ever have been.
    """
    with streamed(place, force=force) as file:
        file.write(text)


@contextmanager
def streamed(place: Path, *, force: bool) -> Iterator[TextIO]:
    """Write a text file as `write_whole` does, piece by piece: it has its name when the block ends well."""
    refuse_taken([place], force=force)
    try:
        atomic.make_folder(place.parent)
        with drafts.begin(place) as draft:
            text = io.TextIOWrapper(draft.file, encoding="utf-8", errors="surrogatepass", newline="")
            yield text
            text.flush()
            text.detach()
            draft.land(replace=force)
    except FileExistsError:
        raise PlaceTaken(f"{place} was made meanwhile: it was left as it is", advice=_ANOTHER) from None
    except OSError as error:
        raise our_disk(error, f"writing {place}") from error


def put_ours(place: Path, content: bytes) -> bool:
    """Write a small file of the program's own, over an older one of it; False when exactly this lies there."""
    if place.is_file() and place.read_bytes() == content:
        return False
    atomic.make_folder(place.parent)
    drafts.write(place, content, replace=place.exists(), mode=0o644)
    return True


def _never_ours(place: Path) -> str | None:
    """Say what lies there that no report is: it stays, whatever a person orders; None for a plain file of text."""
    mode = place.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISDIR(mode):
        return "a folder"
    if not stat.S_ISREG(mode):
        return "no plain file"
    try:
        with place.open("rb") as file:
            begin = file.read(_CONFIGURATION_MAX + 1)
    except OSError:
        return "a file that cannot be read"
    if begin.startswith(_DATABASE):
        return "a database, such as a ledger"
    return "a configuration" if _is_configuration(begin) else None


def _is_configuration(content: bytes) -> bool:
    try:
        found = tomllib.loads(content.decode("utf-8-sig"))
    except ValueError:
        return False
    return len(content) <= _CONFIGURATION_MAX and bool(found.keys() & {"servers", "routes", "ledger", "defaults"})
