"""One look at the server for one unit: as few requests as its phase needs, and none that changes anything."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.core.drop_view import ServerView
from xnatsync.core.errors import AccessDenied, NotThere, ReadFailed
from xnatsync.core.manifest import Kind
from xnatsync.core.phases import UnitPhase
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, ProjectSeen, SessionSeen
from xnatsync.core.tree import EMPTY, Node, Problem, Tree
from xnatsync.ledger.rows import FileRow, UnitRow
from xnatsync.ports.drop import Xnat
from xnatsync.routes.drop import recognition as recognise
from xnatsync.routes.drop.recognition import own_row
from xnatsync.routes.drop.settings import source_tree, target_tree
from xnatsync.routes.drop.world import World

_NO_PROJECT = ServerView(
    project=None, may_edit=None, sessions=(), claimed=frozenset(), archive=None, row=None, strangers=(), staged=None
)


def observe(world: World, unit: UnitRow, files: Sequence[FileRow]) -> ServerView:
    """See what the server holds of this unit's study and of its label."""
    server = world.server(unit.server)
    planned = unit.phase is UnitPhase.PLANNED
    project = server.project(unit.project) if planned else ProjectSeen(unit.project)
    if project is None:  # whatever else is asked of it would be answered as if a right were lacking
        return _NO_PROJECT
    try:
        prearchive = server.prearchive(unit.project)
    except AccessDenied:  # so answers a server of which the project was deleted, or taken from us, meanwhile
        if server.project(unit.project) is not None:
            raise
        return _NO_PROJECT
    known = world.ledger.prearchive_uris(unit.server, unit.project, unit.study_uid)
    rows = [
        row
        for row in prearchive
        if row.study_uid == unit.study_uid
        or row.uri in known
        or (row.project == unit.project and row.name == unit.session)
    ]
    members = {file.member: file.key for file in files if file.kind == Kind.DICOM}
    own = own_row(world, unit, rows, members)
    if own is None and not planned and any(_may_be_ours(row, unit) for row in prearchive):
        raise ReadFailed("a row of the prearchive cannot be read, and may be ours: nothing is concluded")
    sessions = recognise.sessions(world, unit, members)
    holder = next((session for session in sessions if session.study_uid == unit.study_uid), None)
    staged = _staged(server, own, members)
    stuck = own is not None and own.state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}
    return ServerView(
        project=project,
        may_edit=server.may_edit(unit.project) if planned else None,
        sessions=sessions,
        claimed=world.ledger.claimed_sessions(unit.server, unit.project, unit.study_uid),
        archive=target_tree(server.session_files(holder.id), members) if holder is not None else None,
        row=own,
        strangers=tuple(row for row in rows if own is None or row.uri != own.uri),
        staged=staged,
        log=server.prearchive_log(own.uri) if own is not None and stuck else "",
        labels=_labels(server, unit, sessions, [row for row in rows if own is None or row.uri != own.uri])
        | {row.name for row in prearchive},
        kin=EMPTY if staged is None or set(staged) <= set(members.values()) else _kin(world, unit),
    )


def _may_be_ours(row: PrearchiveSeen, unit: UnitRow) -> bool:
    """Tell whether a row of which the address cannot be read says nothing that speaks against it."""
    return not row.uri and row.study_uid in {"", unit.study_uid} and row.name in {"", unit.session}


def _labels(
    server: Xnat, unit: UnitRow, sessions: Sequence[SessionSeen], rows: Sequence[PrearchiveSeen]
) -> frozenset[str]:
    """List every label of the project, but only where another study has ours: a free one may have to be found."""
    taken = any(session.label == unit.session and session.study_uid != unit.study_uid for session in sessions)
    taken = taken or any(row.name == unit.session and row.study_uid != unit.study_uid for row in rows)
    return frozenset(session.label for session in server.sessions(unit.project)) if taken else frozenset()


def _staged(server: Xnat, own: PrearchiveSeen | None, members: dict[str, str]) -> Tree | None:
    if own is None or own.state is not PrearchiveState.READY:
        return None
    try:
        return target_tree(server.prearchive_files(own.uri), members)
    except NotThere:  # it has just been archived, deleted or begun to receive: the next look tells
        return None


def _kin(world: World, unit: UnitRow) -> Tree:
    """Return what other living items want to send of the same study to the same session."""
    nodes: dict[str, Node | Problem] = {}
    for other in world.ledger.units(route=unit.route):
        if other.id != unit.id and (other.target, other.study_uid) == (unit.target, unit.study_uid):
            files = world.ledger.files(other.item_id, unit_id=other.id)
            nodes |= dict(source_tree(file for file in files if file.kind == Kind.DICOM).items())
    return Tree(nodes.values(), complete=True)
