"""Knows our study again on a server whose scripts may have rewritten its Study Instance UID.

A header is the weakest sign: a site's script may rewrite it for good reasons.  Stronger are the session in which the
study was seen before, the address that the server gave when it archived our row, the address of the row that our upload
made, and the SOP Instance UIDs that name our objects in a listing.  What is recognised by these is shown under the UID
that was sent, so that whatever is decided afterwards knows one study by one UID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xnatsync.core.errors import NotThere, ReadFailed
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, SessionSeen
from xnatsync.ledger.rows import UnitRow
from xnatsync.ports.drop import Xnat
from xnatsync.routes.drop.settings import object_key
from xnatsync.routes.drop.world import World


def sessions(world: World, unit: UnitRow, members: Mapping[str, str]) -> tuple[SessionSeen, ...]:
    """List the sessions of our study and of our label; ours have the UID that was sent."""
    server = world.server(unit.server)
    found = {one.id: one for one in server.sessions(unit.project, study_uid=unit.study_uid)}
    found |= {one.id: one for one in server.sessions(unit.project, label=unit.session)}
    known = world.ledger.landed_in(unit.server, unit.project, unit.study_uid)
    if known - found.keys():  # renamed on the server perhaps, with another UID: neither question would show it
        found |= {one.id: one for one in server.sessions(unit.project) if one.id in known}
    places = world.ledger.archived_as(unit.server, unit.project, unit.study_uid)
    seen = [found[key] for key in sorted(found)]
    by_header = any(one.study_uid == unit.study_uid for one in seen)
    return tuple(
        replace(one, study_uid=unit.study_uid)
        if one.study_uid != unit.study_uid
        and (one.id in known or (not by_header and (_is_at(one, places) or _holds_ours(server, one, members))))
        else one
        for one in seen
    )


def _is_at(one: SessionSeen, places: frozenset[str]) -> bool:
    """Return whether the server said that it archived our row as this session: by its ID, or by subject and label."""
    tails = {tuple(place.split("/")) for place in places}
    return any(
        tail[-1] == one.id
        or (len(tail) > 3 and tail[-1] == one.label and tail[-3].casefold() == one.subject.casefold())
        for tail in tails
    )


def _holds_ours(server: Xnat, one: SessionSeen, members: Mapping[str, str]) -> bool:
    """Return whether a session under our label holds an object of ours by its name: no two objects share a UID.

    What an incomplete listing does not show may be there: taken for a rival, our own study would be sent a second time.
    """
    try:
        listing = server.session_files(one.id)
    except NotThere:
        return False
    ours = set(members.values())
    if any(object_key(file, members) in ours for file in listing.files):
        return True
    if not listing.complete:
        raise ReadFailed(f"session {one.label} could not be listed whole, and may be ours: nothing is concluded")
    return False


def own_row(
    world: World, unit: UnitRow, rows: Sequence[PrearchiveSeen], members: Mapping[str, str]
) -> PrearchiveSeen | None:
    """Find our prearchive row: one that we know by its URI, or one that was not there before we first sent.

    The second covers the crash between the server's answer and our writing it down.  There the study's UID tells that
    it is ours or, where a script rewrote that, that it holds nothing but what we send.
    """
    known = world.ledger.prearchive_uris(unit.server, unit.project, unit.study_uid)
    before = world.ledger.strangers_before(unit.server, unit.project, unit.study_uid)
    candidates = [
        row
        for row in rows
        if row.uri in known
        or (
            before is not None
            and row.uri  # what has no address that can be read is nothing to act on
            and row.uri not in before
            and row.name == unit.session
            and (row.study_uid == unit.study_uid or _is_all_ours(world.server(unit.server), row, members))
        )
    ]
    candidates.sort(key=lambda row: (row.uri == unit.prearchive, row.uri))
    return replace(candidates[-1], study_uid=unit.study_uid) if candidates else None


def _is_all_ours(server: Xnat, row: PrearchiveSeen, members: Mapping[str, str]) -> bool:
    if row.state is not PrearchiveState.READY:
        return False
    try:
        listing = server.prearchive_files(row.uri)
    except NotThere:
        return False
    ours = set(members.values())
    return bool(listing.files) and listing.complete and all(object_key(file, members) in ours for file in listing.files)
