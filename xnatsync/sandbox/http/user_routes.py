"""Users over /xapi: list, create, change, enable, groups, roles, sessions (import.md §6.5, hierarchy.md §2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, escaped, json_answer, text
from xnatsync.sandbox.http.gate import idle_limit
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.members import groups_of, join_group, leave_group
from xnatsync.sandbox.model.site import Site

ROLES = ("Administrator", "CustomFormManager", "Privileged", "non_expiring")  # those of a plain site (import.md §6.5)
"""Roles of a plain site; which others there are is a doubt."""

ALL_DATA = frozenset({"ALL_DATA_ADMIN", "ALL_DATA_ACCESS"})


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    users, sessions = _Users(site), _Sessions(site)
    routes.add("GET", "/app/action/XDATActionRouter/**", users.document)
    routes.add("GET", "/xapi/users", users.names)
    routes.add("POST", "/xapi/users", users.create)
    for name in ("profiles", "current"):
        routes.add("GET", f"/xapi/users/{name}", users.profiles)
    routes.add("GET", "/xapi/users/rolemap", users.rolemap)
    routes.add("GET", "/xapi/users/roles", users.role_names)
    routes.add("GET", "/xapi/users/roles/{ROLE}", users.with_role)
    routes.add("GET", "/xapi/role/projects", users.role_projects)
    routes.add("GET", "/xapi/users/profile", users.own)
    routes.add("GET", "/xapi/users/username", users.own_name)
    routes.add("GET", "/xapi/users/profile/{USER}", users.show)
    routes.add("GET", "/xapi/users/{USER}", users.show)
    routes.add("PUT", "/xapi/users/{USER}", users.change)
    routes.add("GET", "/xapi/users/{USER}/groups", users.groups)
    routes.add("PUT", "/xapi/users/{USER}/groups", users.join_all)
    routes.add("PUT", "/xapi/users/{USER}/groups/{GROUP}", users.join)
    routes.add("DELETE", "/xapi/users/{USER}/groups/{GROUP}", users.leave)
    routes.add("GET", "/xapi/users/{USER}/roles", users.roles)
    routes.add("PUT", "/xapi/users/{USER}/roles", users.give_roles)
    routes.add("PUT", "/xapi/users/{USER}/roles/{ROLE}", users.give_role)
    routes.add("DELETE", "/xapi/users/{USER}/roles/{ROLE}", users.take_role)
    for name in ("enabled", "verified"):
        routes.add("GET", f"/xapi/users/{{USER}}/{name}", users.flag)
        routes.add("PUT", f"/xapi/users/{{USER}}/{name}/{{FLAG}}", users.set_flag)
    routes.add("GET", "/xapi/users/active", sessions.all)
    routes.add("GET", "/xapi/users/active/{USER}", sessions.of_user)
    routes.add("DELETE", "/xapi/users/active/{USER}", sessions.end)


@dataclass(frozen=True, slots=True)
class _Users:
    site: Site

    def names(self, request: Request, _: Match) -> Response:
        """List user names."""
        _admin(request)
        return json_answer(sorted(user.login for user in self.site.accounts))

    def profiles(self, request: Request, _: Match) -> Response:
        """List users with their particulars."""
        _admin(request)
        return json_answer([profile(user) for user in self.site.accounts])

    def own(self, request: Request, _: Match) -> Response:
        """Show the caller."""
        return json_answer(profile(request.user))

    def own_name(self, request: Request, _: Match) -> Response:
        """Name the caller."""
        return text(request.user.login)

    def show(self, request: Request, match: Match) -> Response:
        """Show one user: oneself, or anybody to an administrator."""
        return json_answer(profile(self._user(request, match)))

    def document(self, request: Request, match: Match) -> Response:
        """Show a user as XML, without the password (T:`TestUsersApi`); other actions of the router are pages."""
        words = match.tail.strip("/").split("/")
        wanted = dict(zip(words[::2], words[1::2], strict=False))
        if wanted.get("xdataction") != "xml" or wanted.get("search_element") != "xdat:user":
            return text("<!DOCTYPE html>\n<html><title>XNAT</title></html>\n", kind="text/html")
        _admin(request)
        user = self.site.accounts.get(escaped(wanted.get("search_value", "")))
        if user is None:
            raise Refusal(404)
        root = ET.Element("xdat:user", {"xmlns:xdat": "http://nrg.wustl.edu/security", "ID": str(user.id)})
        for name, value in (
            ("login", user.login),
            ("firstname", user.firstname),
            ("lastname", user.lastname),
            ("email", user.email),
        ):
            ET.SubElement(root, f"xdat:{name}").text = value
        return text(ET.tostring(root, "unicode"), kind="text/xml")

    def create(self, request: Request, _: Match) -> Response:
        """Create a user: 201."""
        _admin(request)
        wanted = _fields(request)
        login, password = str(wanted.get("username", "")), str(wanted.get("password", ""))
        if not login or not password:
            raise Refusal(400, "A new user needs a username and a password.")
        with self.site.lock:
            if self.site.accounts.get(login) is not None:
                raise Refusal(409, f"The user {login} already exists.")
            user = self.site.accounts.add(login, password)
            _set(user, wanted)
            self.site.save_accounts()
        return json_answer(profile(user), 201)

    def change(self, request: Request, match: Match) -> Response:
        """Change a user: 304 when there is nothing to change."""
        _admin(request)
        user, wanted = self._user(request, match), _fields(request)
        if wanted.get("username", user.login) != user.login:
            raise Refusal(400, "The username in the body differs from that of the URL.")
        with self.site.lock:
            changed = _set(user, wanted)
            if password := str(wanted.get("password") or ""):
                self.site.accounts.set_password(user, password)
                changed = True
            if not changed:
                return Response(304)
            self._saved(user)
        return json_answer(profile(user))

    def groups(self, request: Request, match: Match) -> Response:
        """List the groups of a user."""
        user = self._user(request, match)
        return json_answer([*groups_of(self.site, user.login), *user.groups])

    def join_all(self, request: Request, match: Match) -> Response:
        """Put a user into the groups of a JSON list."""
        answer = Response()
        for group in _names(request):
            answer = self._regroup(request, match, group, join=True)
        return answer

    def join(self, request: Request, match: Match) -> Response:
        """Put a user into a group."""
        return self._regroup(request, match, match.values["GROUP"], join=True)

    def leave(self, request: Request, match: Match) -> Response:
        """Take a user out of a group."""
        return self._regroup(request, match, match.values["GROUP"], join=False)

    def roles(self, request: Request, match: Match) -> Response:
        """List the roles of a user."""
        return json_answer(_roles(self._user(request, match)))

    def rolemap(self, request: Request, _: Match) -> Response:
        """Name the users of each role."""
        _admin(request)
        return json_answer({role: self._with(role) for role in ROLES})

    def role_names(self, request: Request, _: Match) -> Response:
        """List the roles there are."""
        _admin(request)
        return json_answer(list(ROLES))

    def with_role(self, request: Request, match: Match) -> Response:
        """Name the users of a role."""
        _admin(request)
        return json_answer(self._with(_role(match.values["ROLE"])))

    def role_projects(self, request: Request, _: Match) -> Response:
        """List all projects to whom has the role `Privileged` (T:`TestPrivilegedUserPermissions`; rows a doubt)."""
        if not request.user.admin and "Privileged" not in request.user.roles:
            raise Refusal(403)
        return json_answer([{"id": one.id, "name": one.name} for one in self.site.projects.values()])

    def give_roles(self, request: Request, match: Match) -> Response:
        """Return a user the roles of a JSON list."""
        _admin(request)
        for role in _names(request):
            self._give(self._user(request, match), _role(role), given=True)
        return Response()

    def _with(self, role: str) -> list[str]:
        return [user.login for user in self.site.accounts if role in _roles(user)]

    def give_role(self, request: Request, match: Match) -> Response:
        """Make a user an administrator."""
        return self._role(request, match, given=True)

    def take_role(self, request: Request, match: Match) -> Response:
        """Make a user an ordinary one."""
        return self._role(request, match, given=False)

    def flag(self, request: Request, match: Match) -> Response:
        """Return whether a user is enabled or verified."""
        name = request.path.rstrip("/").rpartition("/")[2]
        return json_answer(bool(getattr(self._user(request, match), name)))

    def set_flag(self, request: Request, match: Match) -> Response:
        """Enable, disables, verifies; who is disabled loses all sessions (§2.2)."""
        _admin(request)
        name, wanted = request.path.split("/")[-2], _boolean(match.values["FLAG"])
        with self.site.lock:
            user = self._user(request, match)
            if getattr(user, name) == wanted:
                return Response(304)
            setattr(user, name, wanted)
            self._saved(user)
        return Response()

    def _saved(self, user: User) -> None:
        if not user.enabled:
            self.site.logins.close_all(user.login)
        self.site.save_accounts()

    def _regroup(self, request: Request, match: Match, group: str, *, join: bool) -> Response:
        user = self._user(request, match)
        with self.site.lock:
            if group in ALL_DATA:
                _admin(request)
                user.groups = sorted({*user.groups, group} if join else {*user.groups} - {group})
                self.site.save_accounts()
                return json_answer([*groups_of(self.site, user.login), *user.groups])
            project = group.rpartition("_")[0]
            if project not in self.site.projects:
                raise Refusal(404, f"No such group {group}")
            if not self.site.can(request.user, project, "delete"):
                raise Refusal(403)
            done = (join_group if join else leave_group)(self.site, self.site.projects[project], group, user.login)
            if not done:
                raise Refusal(404, f"No such group {group}")
            return json_answer([*groups_of(self.site, user.login), *user.groups])

    def _role(self, request: Request, match: Match, *, given: bool) -> Response:
        _admin(request)
        self._give(self._user(request, match), _role(match.values["ROLE"]), given=given)
        return Response()

    def _give(self, user: User, role: str, *, given: bool) -> None:
        with self.site.lock:
            if role == "Administrator":
                user.admin = given
            else:
                user.roles = sorted({*user.roles, role} if given else {*user.roles} - {role})
            self.site.save_accounts()

    def _user(self, request: Request, match: Match) -> User:
        login = match.values["USER"]
        if login != request.user.login:
            _admin(request)
        user = self.site.accounts.get(login)
        if user is None:
            raise Refusal(404, f"No user with the username {login} was found.")
        return user


@dataclass(frozen=True, slots=True)
class _Sessions:
    site: Site

    def all(self, request: Request, _: Match) -> Response:
        """Show who is logged in, with their sessions."""
        _admin(request)
        return json_answer(
            {user: {"sessions": self._ids(user), "count": len(self._ids(user))} for user in self._users()}
        )

    def of_user(self, request: Request, match: Match) -> Response:
        """Show the sessions of a user."""
        return json_answer(self._ids(self._allowed(request, match)))

    def end(self, request: Request, match: Match) -> Response:
        """End all sessions of a user, the calling one too; name the others."""
        ended = self.site.logins.close_all(self._allowed(request, match))
        return json_answer([session_id for session_id in ended if session_id != request.session_id])

    def _users(self) -> list[str]:
        return self.site.logins.users()

    def _ids(self, user: str) -> list[str]:
        return [login.id for login in self.site.logins.of(user, self.site.clock(), idle_limit(self.site))]

    def _allowed(self, request: Request, match: Match) -> str:
        if match.values["USER"] != request.user.login:
            _admin(request)
        return match.values["USER"]


def _roles(user: User) -> list[str]:
    return (["Administrator"] if user.admin else []) + user.roles


def _role(name: str) -> str:
    if name in {"Administrator", "ADMIN", "Admin"}:
        return "Administrator"
    if name not in ROLES:
        raise Refusal(404, f"No such role {name}")
    return name


_FLAGS = frozenset({"enabled", "verified"})
_KEYS = frozenset({"id", "username", "firstName", "lastName", "email", "password", "salt", "authorization"}) | {
    *("enabled", "verified", "secured", "lastModified"),
}


def _names(request: Request) -> list[str]:
    names = request.json()
    if not isinstance(names, list):
        raise Refusal(400, "A list of names is expected.")
    return [str(name) for name in names]


def profile(user: User) -> dict[str, object]:
    """Return a user's particulars as /xapi shows them."""
    return {
        "id": user.id,
        "username": user.login,
        "firstName": user.firstname,
        "lastName": user.lastname,
        "email": user.email,
        "enabled": user.enabled,
        "verified": user.verified,
        "secured": True,
    }


def _admin(request: Request) -> None:
    if not request.user.admin:
        raise Refusal(403)


def _fields(request: Request) -> dict[str, object]:
    parsed = request.json()
    if not isinstance(parsed, dict):
        raise Refusal(400, "A user object is expected.")
    if unknown := sorted(set(parsed) - _KEYS):
        raise Refusal(400, f"A user has no {unknown[0]}.")
    return {
        key: _boolean(value) if key in _FLAGS and value is not None else value if value is None else str(value)
        for key, value in parsed.items()
    }


def _boolean(value: object) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise Refusal(400, f"{value!s} is neither true nor false.")
    return found


def _set(user: User, wanted: dict[str, object]) -> bool:
    names = {
        "firstName": "firstname",
        "lastName": "lastname",
        "email": "email",
        "enabled": "enabled",
        "verified": "verified",
    }
    changed = False
    for key, name in names.items():
        value = wanted.get(key)
        if value is not None and getattr(user, name) != value:
            setattr(user, name, value)
            changed = True
    return changed
