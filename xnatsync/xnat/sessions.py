"""The imaging sessions of a project, and one session by what a person calls it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, RequestRefused
from xnatsync.core.modality import code_of, modality_of
from xnatsync.core.nouns import SessionHeld
from xnatsync.core.pasting import command_line
from xnatsync.xnat import addresses, names, replies, wire
from xnatsync.xnat.addresses import SHARE
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Row


def listed(client: Client, project_id: str) -> tuple[SessionHeld, ...]:
    """List them by label, with those shared into the project; NotThere when it is absent or hidden."""
    call = wire.held_sessions(project_id)
    rows = replies.rows(client.get(call), ("label", "URI"))
    held = [_held(row, project_id, call.what) for row in rows]
    here = labels_here(client, project_id, (each.project for each in held))
    return _sorted(replace(each, label=here.get(each.id, each.label)) for each in held)


def scan_counts(client: Client, project_id: str) -> dict[SessionHeld, int]:
    """Count the scans of each session of a project in one request, whatever its size (hierarchy.md §3.5)."""
    call = wire.held_sessions(project_id, with_scans=True)
    found: dict[str, tuple[SessionHeld, set[str]]] = {}
    for row in replies.rows(client.get(call), ("label", "URI", wire.SCAN_ID_COLUMN)):
        held = _held(row, project_id, call.what)
        _, scans = found.setdefault(held.id, (held, set()))
        if row[wire.SCAN_ID_COLUMN]:
            scans.add(names.shown(row[wire.SCAN_ID_COLUMN]))
    here = labels_here(client, project_id, (held.project for held, _ in found.values()))
    return {replace(held, label=here.get(held.id, held.label)): len(scans) for held, scans in found.values()}


def one(client: Client, name: str, project_id: str | None) -> SessionHeld:
    """Find a session by its label or accession ID in a project, or by its accession ID alone.

    A label wins over an ID.  NotThere when there is none; labels mean nothing without a project (hierarchy.md §4.2).
    """
    if project_id is None:
        return by_id(client, name)
    seen = listed(client, project_id)
    for key in ("label", "id"):
        for held in seen:
            if getattr(held, key) == name:
                return held
    raise NotThere(
        f"project {project_id} has no session {name}",
        advice=f"`{command_line('session', 'list', '-P', project_id)}` lists its sessions.",
    )


def by_id(client: Client, session_id: str) -> SessionHeld:
    """Look a session up by its accession ID, in whatever project it is."""
    call = wire.session(session_id)
    try:
        reply = client.get(call)
    except NotThere as error:
        raise NotThere(
            f"there is no session {session_id}, or it is hidden from this account",
            http=error.http,
            advice="Name its project with -P: without one, only accession IDs (XNAT_E00001) are found, not labels.",
        ) from error
    fields = replies.item_fields(reply)
    kind = replies.item_type(reply)
    return SessionHeld(
        id=names.segment(fields.get("ID"), call.what),
        label=names.text(fields.get("label"), call.what),
        project=names.text(fields.get("project"), call.what),
        subject_id=names.text(fields.get("subject_ID"), call.what),
        date=names.text(fields.get("date"), call.what),
        modality=code_of(names.text(fields.get("modality"), call.what)) or modality_of(kind),
        xsi_type=kind,
    )


def _held(row: Row, project_id: str, what: str) -> SessionHeld:
    """The address is the key: the ID column changes its name with what is asked (hierarchy.md §3.4)."""
    kind = names.shown(row.get("xsiType"))
    return SessionHeld(
        id=_id(row, what),
        label=names.shown(row["label"]),
        project=names.shown(row.get("project")) or project_id,
        subject=names.shown(row.get("subject_label")),
        subject_id=names.shown(row.get("subject_ID")),
        date=names.shown(row.get("date")),
        modality=code_of(names.shown(row.get("modality"))) or modality_of(kind),
        xsi_type=kind,
    )


def _id(row: Row, what: str) -> str:
    """Return the accession ID; of a row with an odd address, what there is of it, quoted: it addresses nothing."""
    try:
        return replies.experiment_id(row["URI"], what)
    except ReplyStrange:
        return names.shown(row["URI"]).rpartition("/")[2]


def labels_here(client: Client, project_id: str, held_by: Iterable[str]) -> dict[str, str]:
    """Return the labels that shared sessions have in this project, by their IDs.

    XNAT writes them into the rows itself only where the key column has its own name, which `session_ID` is not; then
    the rows tell the owner's project and label (hierarchy.md §3.2, §3.4).  A server that cannot join the shares leaves
    it at these: they are shown, and nothing is decided by them.
    """
    if all(project == project_id for project in held_by):
        return {}
    call = addresses.shared_sessions(project_id, resources=False)
    try:
        rows = replies.rows(client.get(call), ("URI", SHARE + "project", SHARE + "label"))
    except (NotThere, ReadFailed, RequestRefused) as error:
        if error.http not in {400, 404, 500}:
            raise
        return {}
    found = {}
    for row in rows:
        try:
            if row[SHARE + "project"] == project_id:
                session = replies.experiment_id(row["URI"], call.what)
                found[session] = names.text(row[SHARE + "label"], call.what) or session
        except ReplyStrange:
            continue  # an odd row costs its own label
    return found


def _sorted(held: Iterable[SessionHeld]) -> tuple[SessionHeld, ...]:
    unique = {session.id: session for session in held}
    return tuple(sorted(unique.values(), key=lambda session: (session.label, session.id)))
