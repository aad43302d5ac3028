"""Lists a whole project in a few requests: sessions, scans and resources with their counts (hierarchy.md §3.5, §3.6 A).

Five requests for any project: its item, its subjects, its sessions with their scans, the sessions' own resources, and
the sessions shared in.  An empty listing says nothing before the project was seen (§3.8).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from xnatsync.core.errors import NotThere, ReadFailed, ReplyStrange, RequestRefused
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.modality import modality_of
from xnatsync.xnat import addresses, names, replies
from xnatsync.xnat.addresses import RESOURCE_FIELDS, SCAN_COLUMNS, SCAN_FILE, SESSION_FILE, SHARE, SUBJECT_FILE
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply, Row

_EXPERIMENT: Final = "/experiments/"
_SUBJECT: Final = "/subjects/"
_COUNT_MAX: Final = 18  # digits


def inventory(client: Client, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
    """List a project; NotThere when it is absent or hidden.

    A server that does not join the resources of sessions or subjects to their listing is asked for them owner by owner.
    """
    item = client.get(addresses.owner(OwnerKind.PROJECT, project))
    draft = _Draft(names.segment(replies.item_field(item, "ID"), item.call.what))
    if OwnerKind.SUBJECT in kinds:
        _subjects(client, draft)
    if OwnerKind.SESSION in kinds:
        _own_sessions(client, draft)
        _shared_sessions(client, draft, with_subjects=OwnerKind.SUBJECT in kinds)
    if OwnerKind.PROJECT in kinds:
        owner = Owner(OwnerKind.PROJECT, draft.project, draft.project, stamp=_item_stamp(item))
        draft.add(owner)
        odd: replies.Refused = []
        for fields in replies.item_children(item, "resources/resource", odd):
            row: Row = {name: fields.get(name) for name in RESOURCE_FIELDS}  # an item leaves out what is null (§4.1)
            _resource(draft, owner.id, row, "", "", item.call.what)
        for _, _, why in odd:
            draft.refused[owner.id, why] = None
    return draft.inventory()


@dataclass(slots=True)
class _Draft:
    """An inventory in the making.  A name is looked at once, however many rows repeat it."""

    project: str
    owners: dict[str, Owner] = field(default_factory=dict)
    resources: dict[str, dict[ResourceKey, ResourceSeen]] = field(default_factory=dict)
    refused: dict[tuple[str, str], None] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # accession IDs of owners with a hostile name
    odd_subjects: set[str] = field(default_factory=set)  # IDs of subjects with a hostile label, "" for an odd ID
    _segments: dict[object, str] = field(default_factory=dict)
    _texts: dict[object, str] = field(default_factory=dict)

    def add(self, owner: Owner) -> None:
        """Add an owner, with no resources yet."""
        self.owners[owner.id] = owner
        self.resources.setdefault(owner.id, {})

    def drop(self, owner: Owner, error: ReplyStrange) -> None:
        """Take an owner away again, because of what it turned out to lack."""
        del self.owners[owner.id], self.resources[owner.id]
        self.refuse(owner.id, error)

    def refuse(self, owner_id: str, error: ReplyStrange) -> None:
        """Leave something out because of its name, and remembers that it did."""
        self.refused[owner_id, str(error)] = None

    def segment(self, value: object, what: str) -> str:
        """Look at a name that becomes a part of a path."""
        known = self._segments.get(value) if isinstance(value, str) else None
        if known is None:
            known = names.segment(value, what)
            self._segments[value] = known
        return known

    def text(self, value: object, what: str) -> str:
        """Return a text that nothing is addressed by; what is odd in it is quoted."""
        known = self._texts.get(value) if isinstance(value, str) else None
        if known is None:
            known = names.shown(value)
            if isinstance(value, str):
                self._texts[value] = known
        return known

    def inventory(self) -> Inventory:
        """Return what was found."""
        return Inventory(
            self.project,
            {
                owner: tuple(seen for _, seen in sorted(self.resources[owner.id].items()))
                for owner in self.owners.values()
            },
            complete=not self.refused,
            refused=tuple(self.refused),
        )


# --- sessions ----------------------------------------------------------------------------------------------------


def _own_sessions(client: Client, draft: _Draft) -> None:
    reply = client.get(addresses.project_sessions(draft.project))
    wanted = ("URI", "label", "xsiType", *SCAN_COLUMNS)
    for row in replies.rows(reply, wanted):
        if _is_of_ours(draft, row, reply.call.what):  # the server's filter may be wider than asked
            _session_row(draft, row, reply.call.what, own_resources=False)
    sessions = [owner for owner in draft.owners.values() if owner.kind is OwnerKind.SESSION]
    joined = _joined_resources(client, draft, sessions) if sessions else True
    for owner in () if joined else sessions:
        _of_one(client, draft, owner)


def _joined_resources(client: Client, draft: _Draft, sessions: Iterable[Owner]) -> bool:
    """Take the sessions' own resources from one listing; False when the server cannot join them."""
    reply = _joined(lambda: client.get(addresses.project_session_resources(draft.project)), SESSION_FILE)
    if reply is None:
        return False
    there = {owner.id for owner in sessions}
    what = reply.call.what
    for row in replies.rows(reply, ("URI",)):
        session = _known(draft, row, _EXPERIMENT, what)
        if session in there:
            _resource(draft, session, row, SESSION_FILE, "", what)
    return True


def _shared_sessions(client: Client, draft: _Draft, *, with_subjects: bool) -> None:
    """Add what other projects share into this one, under the labels it has here (§3.2)."""
    joined = _joined(lambda: client.get(addresses.shared_sessions(draft.project, resources=True)), SESSION_FILE)
    reply = joined or client.get(addresses.shared_sessions(draft.project, resources=False))
    what = reply.call.what
    before = set(draft.owners)
    for row in replies.rows(reply, ("URI", "label", "xsiType", SHARE + "project", SHARE + "label", *SCAN_COLUMNS)):
        if _is_shared_here(draft, row, what) and _project(row) != draft.project:
            _session_row(draft, row, what, own_resources=joined is not None)
    shared = [owner for owner in draft.owners.values() if owner.id not in before]
    if not shared:
        return
    known = {owner.id: owner.subject for owner in draft.owners.values() if owner.kind is OwnerKind.SUBJECT}
    labels = known if with_subjects else _subject_labels(client, draft)
    for owner in shared:
        if owner.subject_id not in labels and draft.odd_subjects & {owner.subject_id, ""}:
            draft.drop(owner, ReplyStrange(f"{what}: its subject has no usable label in this project"))
            continue
        draft.owners[owner.id] = replace(owner, subject=labels.get(owner.subject_id, owner.subject))
        if joined is None:
            _of_one(client, draft, owner)


def _session_row(draft: _Draft, row: Row, what: str, *, own_resources: bool) -> None:
    session = _known(draft, row, _EXPERIMENT, what)
    if not session or session in draft.lost:
        return
    if session not in draft.owners:
        try:
            draft.add(_session(draft, row, session, what))
        except ReplyStrange as error:
            draft.lost.add(session)
            draft.refuse(session, error)
            return
    _scan_resource(draft, session, row, what)
    if own_resources:
        _resource(draft, session, row, SESSION_FILE, "", what)


def _session(draft: _Draft, row: Row, session: str, what: str) -> Owner:
    home = _project(row)
    shared = row.get(SHARE + "project") == draft.project
    xsi_type = draft.text(row["xsiType"], what)
    return Owner(
        OwnerKind.SESSION,
        draft.project,
        session,
        subject=draft.segment(_either(row, "subject_label", "xnat:subjectdata/label"), what),
        subject_id=draft.segment(_either(row, "subject_ID", "xnat:imagesessiondata/subject_id"), what),
        session=draft.segment(_label_here(row, session) if shared else row["label"], what),
        xsi_type=xsi_type,
        date=draft.text(_either(row, "date"), what),
        modality=modality_of(xsi_type),
        stamp=_stamp(draft, row, what),
        home="" if home == draft.project else draft.segment(home, what),
    )


def _scan_resource(draft: _Draft, session: str, row: Row, what: str) -> None:
    if _is_empty(row[SCAN_FILE + "label"]) and _is_empty(row[SCAN_FILE + "xnat_abstractresource_id"]):
        return
    try:
        scan = draft.segment(row["xnat:imagescandata/id"], what)
    except ReplyStrange as error:
        draft.refuse(session, error)
        return
    _resource(draft, session, row, SCAN_FILE, scan, what)


def _resource(draft: _Draft, owner_id: str, row: Row, prefix: str, scan: str, what: str) -> None:
    """Add the resource a row tells of, if any; rows that repeat it change nothing."""
    label = row.get(prefix + "label", names.Lacking(prefix + "label"))
    nothing = _is_empty(label) and _is_empty(row.get(prefix + "xnat_abstractresource_id"))
    if nothing or owner_id not in draft.resources:
        return
    try:
        key = ResourceKey(scan, draft.segment(label, what))
    except ReplyStrange as error:
        draft.refuse(owner_id, error)
        return
    kept = draft.resources[owner_id]
    seen = _seen(draft, key, row, prefix, what)
    before = kept.setdefault(key, seen)
    if before != seen:  # two resources of one label: which files are whose, nobody can tell
        kept[key] = replace(before, id=f"{before.id}+{seen.id}", files=None, size=None)


def _seen(draft: _Draft, key: ResourceKey, row: Row, prefix: str, what: str) -> ResourceSeen:
    more = (
        {
            "scan_type": draft.text(row["xnat:imagescandata/type"], what),
            "scan_description": draft.text(row["xnat:imagescandata/series_description"], what),
            "quality": draft.text(row["xnat:imagescandata/quality"], what),
        }
        if key.scan
        else {}
    )
    return ResourceSeen(
        key,
        id=draft.text(row.get(prefix + "xnat_abstractresource_id"), what),
        files=_count(row.get(prefix + "file_count")),
        size=_count(row.get(prefix + "file_size")),
        **more,
    )


# --- subjects and the project ------------------------------------------------------------------------------------


def _subjects(client: Client, draft: _Draft) -> None:
    ask = addresses.project_subjects
    joined = _joined(lambda: client.get(ask(draft.project, resources=True)), SUBJECT_FILE)
    reply = joined or client.get(ask(draft.project, resources=False))
    what = reply.call.what
    for row in replies.rows(reply, ("URI", "label")):
        subject = _known(draft, row, _SUBJECT, what)
        if not subject or subject in draft.odd_subjects:
            draft.odd_subjects.add(subject)
            continue
        if subject not in draft.owners:
            try:
                draft.add(_subject(draft, row, subject, what))
            except ReplyStrange as error:
                draft.odd_subjects.add(subject)
                draft.refuse(subject, error)
                continue
        if joined is not None:
            _resource(draft, subject, row, SUBJECT_FILE, "", what)
    if joined is None:
        for owner in [owner for owner in draft.owners.values() if owner.kind is OwnerKind.SUBJECT]:
            _of_one(client, draft, owner)


def _subject(draft: _Draft, row: Row, subject: str, what: str) -> Owner:
    home = draft.project if _is_empty(_project(row)) else _project(row)
    return Owner(
        OwnerKind.SUBJECT,
        draft.project,
        subject,
        subject=draft.segment(row["label"], what),
        subject_id=subject,
        stamp=_stamp(draft, row, what),
        home="" if home == draft.project else draft.segment(home, what),
    )


def _subject_labels(client: Client, draft: _Draft) -> dict[str, str]:
    """Return the labels subjects have in this project; one with a hostile label is left out, and known to be."""
    reply = client.get(addresses.project_subjects(draft.project, resources=False))
    found = {}
    for row in replies.rows(reply, ("URI", "label")):
        subject = ""
        try:
            subject = _id_of(draft, row, _SUBJECT, reply.call.what)
            found[subject] = draft.segment(row["label"], reply.call.what)
        except ReplyStrange:
            draft.odd_subjects.add(subject)
    return found


def _of_one(client: Client, draft: _Draft, owner: Owner) -> None:
    """Take one owner's own resources from its own listing; an owner that is gone meanwhile is left out."""
    try:
        reply = client.get(addresses.owner_resources(owner.kind, owner.id))
    except NotThere:
        del draft.owners[owner.id], draft.resources[owner.id]
        return
    for row in replies.rows(reply, RESOURCE_FIELDS):
        _resource(draft, owner.id, row, "", "", reply.call.what)


# --- cells -------------------------------------------------------------------------------------------------------


def _joined(ask: Callable[[], Reply], prefix: str) -> Reply | None:
    """Ask for a listing with joined resources; None when the server cannot join them (§3.4: 400, 500, no column)."""
    try:
        reply = ask()
    except (ReadFailed, RequestRefused) as error:
        if error.http not in {400, 500}:
            raise
        return None
    listed = replies.rows(reply, ())
    return (
        None if listed and not any(all(prefix + name in row for name in RESOURCE_FIELDS) for row in listed) else reply
    )


def _id_of(draft: _Draft, row: Row, before: str, what: str) -> str:
    """Return the accession ID out of the row's address: the ID column changes its name with what is asked (§3.4)."""
    uri = row["URI"]
    if not isinstance(uri, str) or before not in uri:
        raise ReplyStrange(f"{what}: an entry without an address is listed")
    return draft.segment(uri.rpartition("/")[2], what)


def _known(draft: _Draft, row: Row, before: str, what: str) -> str:
    """Return the same; "" for a row without one, which is refused by itself and make the inventory incomplete."""
    try:
        return _id_of(draft, row, before, what)
    except ReplyStrange as error:
        draft.refuse("", error)
        return ""


def _project(row: Row) -> object:
    return row.get("project", "")


def _is_of_ours(draft: _Draft, row: Row, what: str) -> bool:
    """Tell whether a row is of this project; one of which nobody can tell may be, and is refused by itself."""
    project = _project(row)
    if isinstance(project, str) and project:
        return project == draft.project
    draft.refuse("", ReplyStrange(f"{what}: a session without a project is listed"))
    return False


def _is_shared_here(draft: _Draft, row: Row, what: str) -> bool:
    """Tell the same of a share, of which a row may have none."""
    project = row[SHARE + "project"]
    if isinstance(project, str) or project is None:
        return project == draft.project
    draft.refuse("", ReplyStrange(f"{what}: a share without a project is listed"))
    return False


def _label_here(row: Row, session: str) -> object:
    label = row.get(SHARE + "label")
    return session if _is_empty(label) else label


def _is_empty(value: object) -> bool:
    """Tell whether there is nothing in a cell: only so does a listing say that there is no scan or no resource."""
    return value is None or value == ""


def _either(row: Row, *columns: str) -> object:
    return next((row[column] for column in columns if column in row), "")


def _stamp(draft: _Draft, row: Row, what: str) -> str:
    return f"{draft.text(row.get('insert_date', ''), what)}|{draft.text(row.get('last_modified', ''), what)}"


def _item_stamp(reply: Reply) -> str:
    """Stamp an item that shows no times of its own by what it says."""
    fields = replies.item_fields(reply)
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def _count(value: object) -> int | None:
    """Read a number; None when the server never counted, or wrote something else: then it is looked at closely."""
    said = value if isinstance(value, str) else str(value)
    return int(said) if said.isascii() and said.isdigit() and len(said) <= _COUNT_MAX else None
