"""Looks over REST whether what was stored by C-STORE is there: in the prearchive or the archive, object by object.

A receiver's 0x0000 is no proof: an XNAT answers so too for what a filter or a script dropped (import.md §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from xnatsync.core.errors import NotThere, ReadFailed
from xnatsync.core.remote import FileListing, PrearchiveState
from xnatsync.core.store_plan import Sendable
from xnatsync.xnat.arrivals import mark_in, mark_of, rows_of_study, sessions_of_study
from xnatsync.xnat.server import XnatServer

_FIRST_S, _MOST_S = 1.0, 15.0  # between looks
_SETTLED = 2  # looks in a row in which nothing is received or worked at, and an object is missing all the same
_MOVING = frozenset({PrearchiveState.RECEIVING, PrearchiveState.WORKING})


@dataclass(slots=True)
class Proof:
    """What was looked for, and where it is; `missing` are the paths of objects that are listed nowhere."""

    server: str
    expected: int
    found: int = 0
    missing: tuple[str, ...] = ()
    places: tuple[str, ...] = ()  # sessions and prearchive rows that hold some
    waiting: bool = False  # the server was still receiving or building when the wait was over
    seconds: float = 0.0


@dataclass(slots=True)
class _Look:
    found: set[str] = field(default_factory=set)  # SOP Instance UIDs
    places: set[str] = field(default_factory=set)
    moving: bool = False


def prove(
    server: XnatServer,
    objects: Sequence[Sendable],
    *,
    project: str | None,
    wait_s: float,
    wait: Callable[[float], bool],
    told: Callable[[str], None] = lambda text: None,
) -> Proof:
    """Look again and again until all are listed, the server is done and some are not, or the wait is over."""
    began, pause, quiet = monotonic(), _FIRST_S, 0
    studies: dict[str, list[Sendable]] = {}
    for one in objects:
        studies.setdefault(one.study_uid, []).append(one)
    proof = Proof(server.name, len(objects))
    while True:
        looked = {uid: _look(server, uid, wanted, project) for uid, wanted in studies.items()}
        found = set().union(*(look.found for look in looked.values())) if looked else set()
        proof.found = len(found)
        proof.missing = tuple(one.path for one in objects if one.sop_uid not in found)
        proof.places = tuple(sorted(set().union(*(look.places for look in looked.values())))) if looked else ()
        proof.waiting = any(look.moving or not look.places for look in looked.values())
        proof.seconds = monotonic() - began
        quiet = 0 if proof.waiting else quiet + 1
        if not proof.missing or quiet >= _SETTLED:
            return proof
        if proof.seconds + pause > wait_s or wait(pause):
            return proof
        told(f"{proof.found} of {proof.expected} objects are listed on {server.name}")
        pause = min(_MOST_S, pause * 1.5)


def _look(server: XnatServer, study_uid: str, wanted: Sequence[Sendable], project: str | None) -> _Look:
    """List what is there of a study.  What cannot be listed at this time is neither there nor missing: look again."""
    look, uids = _Look(), {one.sop_uid for one in wanted}
    marks = _marks(wanted)
    for row in rows_of_study(server.client, study_uid, project):
        look.moving = look.moving or row.state in _MOVING
        try:
            listing = server.prearchive_files(row.uri)
        except NotThere:
            look.moving = True
            continue
        look.places.add(row.uri)
        _note(look, listing, uids, marks)
    for session in sessions_of_study(server.client, study_uid):
        try:
            listing = server.session_files(session.id)
        except (NotThere, ReadFailed):
            look.moving = True
            continue
        look.places.add(session.id)
        _note(look, listing, uids, marks)
    return look


def _marks(wanted: Iterable[Sendable]) -> dict[str, str]:
    """Return by which mark in its name each object is known; none for two that share one."""
    found: dict[str, str] = {}
    shared = set()
    for one in wanted:
        mark = mark_of(one.pair.sop_class, one.sop_uid)
        if found.setdefault(mark, one.sop_uid) != one.sop_uid:
            shared.add(mark)
    return {mark: uid for mark, uid in found.items() if mark not in shared}


def _note(look: _Look, listing: FileListing, uids: set[str], marks: dict[str, str]) -> None:
    look.moving = look.moving or not listing.complete
    for file in listing.files:
        uid = file.sop_uid or marks.get(mark_in(file.name), "")
        if uid in uids:
            look.found.add(uid)
