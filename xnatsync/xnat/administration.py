"""Calls of administrators: users, groups, roles, settings of the site, histories, catalogues (import.md §6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xnatsync.core.errors import AccessDenied, ReplyStrange
from xnatsync.xnat import names, raw, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.resources import shown_amount
from xnatsync.xnat.wire import Call, Due

REFRESHES = ("append", "checksum", "delete", "populateStats")
_DONE = frozenset({200})
_SET = frozenset({200, 304})  # 304: it was so already (§6.5)


@dataclass(frozen=True, slots=True)
class User:
    """An account; None is not told to us."""

    username: str
    id: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    enabled: bool | None = None
    verified: bool | None = None
    group: str = ""  # in the project that was asked about


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a history."""

    id: str
    at: object  # milliseconds, or a text of the server's own clock
    action: str
    user: str
    type: str
    status: str
    reason: str


# --- users -------------------------------------------------------------------------------------------------------


def users(client: Client) -> tuple[User, ...]:
    """List the accounts of the site; to who is no administrator, those that XNAT shows to everybody."""
    call = _read("/xapi/users/profiles", "listing the users")
    try:
        listed = replies.parsed(client.get(call))
    except AccessDenied:
        return _everybody(client)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ReplyStrange(f"{call.what}: the answer is no list of users")
    return tuple(_user(one) for one in listed)


def _everybody(client: Client) -> tuple[User, ...]:
    rows = replies.rows(client.get(wire.read("/data/users", "listing the users")), ("login",))
    return tuple(_of_table(row) for row in rows)


def members(client: Client, project_id: str) -> tuple[User, ...]:
    """List the users of a project with their groups there."""
    call = wire.read(f"/data/projects/{wire.seg(project_id)}/users", f"listing the users of project {project_id}")
    return tuple(_of_table(row) for row in replies.rows(client.get(call), ("login",)))


def user(client: Client, name: str) -> User:
    """Look one account up; NotThere when there is none."""
    call = _read(f"/xapi/users/{wire.seg(name)}", f"looking up user {name}")
    found = replies.parsed(client.get(call))
    if not isinstance(found, dict):
        raise ReplyStrange(f"{call.what}: the answer is no user")
    return _user(found)


def groups(client: Client, name: str) -> tuple[str, ...]:
    """List the groups of an account."""
    return _words(client, f"/xapi/users/{wire.seg(name)}/groups", f"listing the groups of user {name}")


def roles(client: Client, name: str) -> tuple[str, ...]:
    """List the roles of an account."""
    return _words(client, f"/xapi/users/{wire.seg(name)}/roles", f"listing the roles of user {name}")


def regroup(client: Client, name: str, group: str, *, join: bool, request_id: str, timeout_s: float) -> None:
    """Put an account into a group or take it out; one group of a project takes the place of another."""
    path = f"/xapi/users/{wire.seg(name)}/groups/{wire.seg(group)}"
    what = f"putting user {name} into group {group}" if join else f"taking user {name} out of group {group}"
    _write(client, "PUT" if join else "DELETE", path, what, request_id, timeout_s)


def give_role(client: Client, name: str, role: str, *, given: bool, request_id: str, timeout_s: float) -> None:
    """Give an account a role, or take it."""
    path = f"/xapi/users/{wire.seg(name)}/roles/{wire.seg(role)}"
    what = f"{'giving' if given else 'taking'} role {role} {'to' if given else 'from'} user {name}"
    _write(client, "PUT" if given else "DELETE", path, what, request_id, timeout_s)


def enable(client: Client, name: str, *, on: bool, request_id: str, timeout_s: float) -> None:
    """Enable an account or disable it; 304 says that it was so already."""
    path = f"/xapi/users/{wire.seg(name)}/enabled/{str(on).lower()}"
    _write(client, "PUT", path, f"{'enabling' if on else 'disabling'} user {name}", request_id, timeout_s)


# --- the site ----------------------------------------------------------------------------------------------------


def build_info(client: Client) -> dict[str, str]:
    """Return what the server says of its build; open to everybody."""
    return _texts(client, wire.build_info())


def uptime(client: Client) -> dict[str, str]:
    """Return how long the server has been up, as it says it."""
    return _texts(client, _read("/xapi/siteConfig/uptime", "asking how long the server has been up"))


def settings(client: Client) -> dict[str, object]:
    """Return the site's settings that this account may read."""
    call = _read("/xapi/siteConfig", "reading the settings of the site")
    found = replies.parsed(client.get(call))
    if not isinstance(found, dict):
        raise ReplyStrange(f"{call.what}: the answer is no map of settings")
    return found


def setting(client: Client, key: str) -> object:
    """Return one setting; a text comes as it is, anything else as JSON (§6.6)."""
    call = wire.site_setting(key)
    said = client.get(Call(call.verb, call.method, call.path, call.what, due=Due.TEXT)).text.strip()
    try:
        return json.loads(said)
    except ValueError:
        return said


def change_setting(client: Client, key: str, value: object, *, request_id: str, timeout_s: float) -> None:
    """Set one setting of the site."""
    call = Call(Verb.CHANGE, "POST", "/xapi/siteConfig", f"setting {key}", due=Due.TEXT)
    body = raw.json_body({key: value})
    client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_DONE)


# --- histories and catalogues ------------------------------------------------------------------------------------


def history(client: Client, kind: str, key: str) -> tuple[Happening, ...]:
    """Return what was done to a project, a subject or an experiment (hierarchy.md §16)."""
    what = f"reading the history of {key}"
    path = f"/data/services/audit/{kind}/{wire.seg(key)}"
    document = replies.parsed(client.get(Call(Verb.READ, "GET", path, what)))
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise ReplyStrange(f"{what}: the answer is no history")
    return tuple(
        Happening(
            id=names.shown(one.get("event_id")),
            at=one.get("event_date"),
            action=names.shown(one.get("event_action")),
            user=names.shown(one.get("event_user")),
            type=names.shown(one.get("event_type")),
            status=names.shown(one.get("event_status")),
            reason=names.shown(one.get("event_reason")),
        )
        for one in events
        if isinstance(one, dict)
    )


def refresh(client: Client, session_id: str, options: Iterable[str], *, request_id: str, timeout_s: float) -> None:
    """Refresh the catalogues of a session; the answer comes when it is done, and a repeat harms nothing (§6.1)."""
    query = [("resource", f"/archive/experiments/{session_id}")]
    if wanted := ",".join(options):
        query.append(("options", wanted))
    what = f"refreshing the catalogues of session {session_id}"
    call = Call(Verb.CHANGE, "POST", "/data/services/refresh/catalog", what, tuple(query), Due.TEXT)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=_DONE)


def counted(client: Client, session_id: str) -> tuple[int | None, int | None]:
    """Count files and bytes of all resources of a session, scans included; None when one was never counted."""
    path, what = f"/data/experiments/{wire.seg(session_id)}/resources", f"counting the files of session {session_id}"
    call = wire.read(path, what, ("all", "true"))
    files: int | None = 0
    size: int | None = 0
    for row in replies.rows(client.get(call), ("label", "file_count", "file_size")):
        count, bytes_ = shown_amount(row["file_count"]), shown_amount(row["file_size"])
        files = None if files is None or count is None else files + count
        size = None if size is None or bytes_ is None else size + bytes_
    return files, size


def _read(path: str, what: str) -> Call:
    return Call(Verb.READ, "GET", path, what)


def _write(client: Client, method: str, path: str, what: str, request_id: str, timeout_s: float) -> None:
    call = Call(Verb.CHANGE, method, path, what, due=Due.TEXT)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=_SET)


def _words(client: Client, path: str, what: str) -> tuple[str, ...]:
    found = replies.parsed(client.get(_read(path, what)))
    if isinstance(found, dict):  # some versions answer a map of them
        found = list(found)
    if not isinstance(found, list):
        raise ReplyStrange(f"{what}: the answer is no list")
    return tuple(names.shown(one) for one in found)


def _texts(client: Client, call: Call) -> dict[str, str]:
    found = replies.parsed(client.get(call))
    if not isinstance(found, dict):
        raise ReplyStrange(f"{call.what}: the answer is no map")
    return {names.shown(key): names.shown(value) for key, value in found.items()}


def _user(found: Mapping[str, object]) -> User:
    enabled, verified = found.get("enabled"), found.get("verified")
    return User(
        username=names.shown(found.get("username")),
        id=names.shown(found.get("id")),
        first_name=names.shown(found.get("firstName")),
        last_name=names.shown(found.get("lastName")),
        email=names.shown(found.get("email")),
        enabled=enabled if isinstance(enabled, bool) else None,
        verified=verified if isinstance(verified, bool) else None,
    )


def _of_table(row: Mapping[str, object]) -> User:
    return User(
        username=names.shown(row["login"]),
        id=names.shown(row.get("xdat_user_id")),
        first_name=names.shown(row.get("firstname")),
        last_name=names.shown(row.get("lastname")),
        email=names.shown(row.get("email")),
        group=names.shown(row.get("GROUP_ID")),
    )
