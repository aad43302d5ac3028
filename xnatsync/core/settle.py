"""When is a dropped item complete?  When nothing of it has changed for the settle time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from xnatsync.core.moment import later, parse


def fingerprint(files: Iterable[tuple[str, int, int]], problems: Iterable[tuple[str, str]]) -> str:
    """Digest the cheap look at an item: (path, size, mtime_ns) of its files and what could not be read."""
    digest = hashlib.sha256()
    for path, size, mtime_ns in sorted(files):
        digest.update(f"{path}\0{size}\0{mtime_ns}\n".encode("utf-8", "surrogateescape"))
    for path, reason in sorted(problems):
        digest.update(f"!{path}\0{reason}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def settles_at(steady_at: str, settle_s: float, now: str) -> str:
    """Return the moment from which the item counts as complete.

    A clock that was set back would make it wait for ever: then the wait begins anew, and is never longer than asked.
    """
    begin = min(parse(steady_at), parse(now))
    return later(steady_at if begin == parse(steady_at) else now, settle_s)
