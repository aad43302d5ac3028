"""Listings with the columns that somebody asks for, and items with their children, as rows of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import NotThere
from xnatsync.xnat import edits, listing, names, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply, Row
from xnatsync.xnat.wire import Call

Texts = dict[str, str]
_SAID: Final = frozenset({"note", "description"})  # what people write in several lines


@dataclass(frozen=True, slots=True)
class Item:
    """One thing as its server shows it: its type, its own fields, and those of what is in it, by the field's name."""

    xsi_type: str
    fields: Row
    children: dict[str, list[Row]]

    def text(self, name: str) -> str:
        """Return a field, "" when it is absent."""
        return names.shown(self.fields.get(name))


@dataclass(frozen=True, slots=True)
class Place:
    """A project in which a subject or a session is, and its label there; the first one of a listing holds it."""

    project: str
    label: str


def projects(client: Client, *, everything: bool) -> list[Texts]:
    """List the projects of this account, or, for an administrator, all (hierarchy.md §3.2)."""
    query = (("allDataOverride", "true"),) if everything else ()
    call = wire.read("/data/projects", "listing projects", *query)
    return _texts(client, call, ("ID", "name"))


def subjects(client: Client, project: str | None, columns: Sequence[str]) -> list[Texts]:
    """List the subjects of a project with those shared into it, or all that this account can read (§3.2)."""
    where = f"/data/projects/{wire.seg(project)}/subjects" if project is not None else "/data/subjects"
    what = f"listing the subjects of project {project}" if project is not None else "listing subjects"
    call = wire.read(where, what, ("columns", ",".join(columns)))
    return _texts(client, call, ("ID", "label"))


def sessions(client: Client, project: str | None, columns: Sequence[str]) -> list[Texts]:
    """List imaging sessions of a project with those shared into it, or all that this account can read (§3.2)."""
    where = f"/data/projects/{wire.seg(project)}/experiments" if project is not None else "/data/experiments"
    what = f"listing sessions of project {project}" if project is not None else "listing sessions"
    call = wire.read(where, what, ("xsiType", "xnat:imageSessionData"), ("columns", ",".join(columns)))
    return _texts(client, call, ("label", "URI"))


def scans(client: Client, session_id: str, columns: Sequence[str]) -> list[Texts]:
    """List the scans of a session; NotThere when the session is not to be seen (§3.8)."""
    path = f"/data/experiments/{wire.seg(session_id)}/scans"
    call = wire.read(path, f"listing the scans of session {session_id}", ("columns", ",".join(columns)))
    return [_text(row) for row in replies.rows(listing.of_session(client, session_id, call), ("ID",))]


def resources(client: Client, session_id: str, *, everything: bool) -> list[Texts]:
    """List the resources of a session, on request with those of its scans (§3.6 B); NotThere when it is not seen."""
    path = f"/data/experiments/{wire.seg(session_id)}/resources"
    more = (("all", "true"),) if everything else ()
    call = wire.read(path, f"listing the resources of session {session_id}", *more)
    return [_text(row) for row in replies.rows(listing.of_session(client, session_id, call), ("label",))]


def members(client: Client, project_id: str) -> list[Texts]:
    """List the users of a project, a row for each of their groups (import.md §6.5)."""
    return _texts(client, edits.members(project_id), ("GROUP_ID", "login"))


def users(client: Client) -> list[Texts]:
    """List the users of the site; AccessDenied where this account may not."""
    return _texts(client, edits.site_users(), ("login",))


def experiments_of(client: Client, subject_id: str) -> list[Texts]:
    """List everything that belongs to a subject, in whichever project this account can read; never more than that."""
    rows = _texts(client, edits.experiments_of(subject_id), ("ID", "subject_ID"))
    return [row for row in rows if row["subject_ID"] == subject_id]


def experiments_in(client: Client, project_id: str) -> list[Texts]:
    """List everything of subjects that a project shows, sessions or not, with the project that each belongs to."""
    return _texts(client, edits.experiments_in(project_id), ("label", "URI", "project"))


def places(client: Client, kind: str, item_id: str) -> list[Place]:
    """List the projects in which a subject or a session is (§4.1); NotThere when it is not to be seen."""
    found = _texts(client, edits.places(kind, item_id), ("ID", "label"))
    return [Place(row["ID"], row["label"]) for row in found]


def item(client: Client, call: Call) -> Item:
    """Read one thing with what is in it (§4.1)."""
    reply = client.get(call)
    inside = {name: replies.item_children(reply, name) for name in _kinds(reply)}
    return Item(replies.item_type(reply), replies.item_fields(reply), inside)


def is_there(client: Client, call: Call) -> bool:
    """Tell whether one thing is to be seen under its own address (§3.8)."""
    try:
        client.get(call)
    except NotThere:
        return False
    return True


def accessibility(client: Client, project_id: str) -> str:
    """Return `private`, `protected` or `public` (§18)."""
    return names.words(client.get(edits.accessibility(project_id)).text).lower()


def _kinds(reply: Reply) -> tuple[str, ...]:
    """Read of which kinds an item has children, such as `scans/scan`."""
    document = replies.parsed(reply)
    items = document.get("items") if isinstance(document, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    children = first.get("children") if isinstance(first, dict) else None
    found = [child.get("field") for child in children if isinstance(child, dict)] if isinstance(children, list) else []
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str)))


def _texts(client: Client, call: Call, needed: Sequence[str]) -> list[Texts]:
    return [_text(row) for row in replies.rows(client.get(call), needed)]


def _text(row: Row) -> Texts:
    return {key: names.said(value) if key in _SAID else names.shown(value) for key, value in row.items()}
