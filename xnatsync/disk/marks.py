"""Marks of ours in folders that others use too: small texts that say whose something is."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from xnatsync.disk.anchors import Anchors
from xnatsync.disk.atomic import on_a_link, way_to
from xnatsync.disk.drafts import begin_at
from xnatsync.disk.failures import LinkOnTheWay, our_disk
from xnatsync.disk.handles import reach

MARK_MAX = 1 << 14  # bytes
_WRITING = threading.Lock()  # a process has one draft for each place: two threads would rename it away from each other


def read_mark(path: Path, anchors: Anchors) -> str | None:
    """Return what a mark says; None when it is not there, cannot be read, or is no short text of UTF-8."""
    try:
        with reach(*anchors.steps(path)).reading() as handle:
            raw = os.read(handle, MARK_MAX + 1)
        return raw.decode() if len(raw) <= MARK_MAX else None
    except (OSError, UnicodeDecodeError):
        return None


def write_mark(path: Path, text: str, anchors: Anchors) -> None:
    """Write a mark, whole and durably; another one of that name is replaced, a link never followed."""
    try:
        with _WRITING, begin_at(way_to(anchors, path), 0o644) as draft:
            draft.file.write(text.encode())
            draft.land(replace=True)
    except LinkOnTheWay as error:
        raise on_a_link(error) from error
    except OSError as error:
        raise our_disk(error, f"writing {path}") from error
