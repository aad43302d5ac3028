"""Files at the top of a drop folder: which study each is of, and taking some of them away together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from xnatsync.core.errors import DiskError
from xnatsync.dicom.identity import study_in
from xnatsync.disk.anchors import Anchors
from xnatsync.disk.atomic import on_a_link, way_to
from xnatsync.disk.failures import LinkOnTheWay, Operation, one_thing, our_disk
from xnatsync.disk.handles import Spot, reach
from xnatsync.disk.scan import named_archive
from xnatsync.disk.spelling import real_name

HEAD_MAX = 1 << 18  # bytes: the study is told near the beginning, whatever a vendor writes before it


def study_of(path: Path) -> str:
    """Return the Study Instance UID in the head of a file; "" when it has none, is no object, or cannot be read.

    What is named like an archive stays an item of its own.
    """
    if named_archive(path.name):
        return ""
    try:
        with reach(*Anchors().steps(path)).reading() as handle:
            return study_in(_pieces(handle))
    except OSError:
        return ""


def _pieces(handle: int) -> Iterator[bytes]:
    left = HEAD_MAX
    while left and (piece := os.read(handle, min(left, 1 << 15))):
        left -= len(piece)
        yield piece


def gather(folder: Path, names: Sequence[str], target: Path, anchors: Anchors) -> None:
    """Rename files of one folder into another, each atomically and never over something.

    One that is gone, or whose place is taken, stays out; one that cannot be renamed keeps no other one.  When this
    returns, or fails, both folders are on the disk.
    """
    failed: list[DiskError] = []
    try:
        start = reach(*anchors.steps(folder / "x"))
        end = way_to(anchors, target / "x")
        try:
            for name in names:
                failed += _rename(start.beside(real_name(name)), end.beside(real_name(name)))
        finally:
            end.sync()
            start.sync()
    except LinkOnTheWay as error:
        raise on_a_link(error) from error
    except OSError as error:
        raise our_disk(error, f"moving files of {folder} to {target}") from error
    if failed:
        raise failed[0]


def _rename(source: Spot, target: Spot) -> list[DiskError]:
    try:
        source.rename_exclusively(target)
    except (FileExistsError, FileNotFoundError):
        return []
    except OSError as error:
        return [one_thing(error, f"moving {source} to {target}", Operation.RENAME)]
    return []
