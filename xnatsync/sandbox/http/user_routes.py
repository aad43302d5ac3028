"""Users over /xapi: list, create, change, enable, groups, roles, sessions (import.md §6.5, hierarchy.md §2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.gate import idle_limit
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.members import groups_of, join_group, leave_group
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, site: Site) -> None:
    """Adds the routes."""
    users, sessions = _Users(site), _Sessions(site)
    routes.add("GET", "/xapi/users", users.names)
    routes.add("POST", "/xapi/users", users.create)
    routes.add("GET", "/xapi/users/profiles", users.profiles)
    routes.add("GET", "/xapi/users/profile", users.own)
    routes.add("GET", "/xapi/users/username", users.own_name)
    routes.add("GET", "/xapi/users/profile/{USER}", users.show)
    routes.add("GET", "/xapi/users/{USER}", users.show)
    routes.add("PUT", "/xapi/users/{USER}", users.change)
    routes.add("GET", "/xapi/users/{USER}/groups", users.groups)
    routes.add("PUT", "/xapi/users/{USER}/groups/{GROUP}", users.join)
    routes.add("DELETE", "/xapi/users/{USER}/groups/{GROUP}", users.leave)
    routes.add("GET", "/xapi/users/{USER}/roles", users.roles)
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
        """Lists user names."""
        _admin(request)
        return json_answer(sorted(user.login for user in self.site.accounts))

    def profiles(self, request: Request, _: Match) -> Response:
        """Lists users with their particulars."""
        _admin(request)
        return json_answer([profile(user) for user in self.site.accounts])

    def own(self, request: Request, _: Match) -> Response:
        """Shows the caller."""
        return json_answer(profile(request.user))

    def own_name(self, request: Request, _: Match) -> Response:
        """Names the caller."""
        return text(request.user.login)

    def show(self, request: Request, match: Match) -> Response:
        """Shows one user: oneself, or anybody to an administrator."""
        return json_answer(profile(self._user(request, match)))

    def create(self, request: Request, _: Match) -> Response:
        """Creates a user: 201."""
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
        """Changes a user: 304 when there is nothing to change."""
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
        """Lists the groups of a user."""
        return json_answer(groups_of(self.site, self._user(request, match).login))

    def join(self, request: Request, match: Match) -> Response:
        """Puts a user into a group."""
        return self._regroup(request, match, join=True)

    def leave(self, request: Request, match: Match) -> Response:
        """Takes a user out of a group."""
        return self._regroup(request, match, join=False)

    def roles(self, request: Request, match: Match) -> Response:
        """Lists the roles of a user."""
        return json_answer(["Administrator"] if self._user(request, match).admin else [])

    def give_role(self, request: Request, match: Match) -> Response:
        """Makes a user an administrator."""
        return self._role(request, match, given=True)

    def take_role(self, request: Request, match: Match) -> Response:
        """Makes a user an ordinary one."""
        return self._role(request, match, given=False)

    def flag(self, request: Request, match: Match) -> Response:
        """Tells whether a user is enabled or verified."""
        name = request.path.rstrip("/").rpartition("/")[2]
        return json_answer(bool(getattr(self._user(request, match), name)))

    def set_flag(self, request: Request, match: Match) -> Response:
        """Enables, disables, verifies; who is disabled loses all sessions (§2.2)."""
        _admin(request)
        name, wanted = request.path.split("/")[-2], match.values["FLAG"].lower() == "true"
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

    def _regroup(self, request: Request, match: Match, *, join: bool) -> Response:
        user, group = self._user(request, match), match.values["GROUP"]
        with self.site.lock:
            project = group.rpartition("_")[0]
            if project not in self.site.projects:
                raise Refusal(404, f"No such group {group}")
            if not self.site.can(request.user, project, "delete"):
                raise Refusal(403)
            done = (join_group if join else leave_group)(self.site, self.site.projects[project], group, user.login)
            if not done:
                raise Refusal(404, f"No such group {group}")
            return json_answer(groups_of(self.site, user.login))

    def _role(self, request: Request, match: Match, *, given: bool) -> Response:
        _admin(request)
        with self.site.lock:
            user = self._user(request, match)
            if match.values["ROLE"] not in {"Administrator", "ADMIN", "Admin"}:
                raise Refusal(404, f"No such role {match.values['ROLE']}")
            user.admin = given
            self.site.save_accounts()
        return Response()

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
        """Shows who is logged in, with their sessions."""
        _admin(request)
        return json_answer(
            {user: {"sessions": self._ids(user), "count": len(self._ids(user))} for user in self._users()}
        )

    def of_user(self, request: Request, match: Match) -> Response:
        """Shows the sessions of a user."""
        return json_answer(self._ids(self._allowed(request, match)))

    def end(self, request: Request, match: Match) -> Response:
        """Ends all sessions of a user, the calling one too; names the others."""
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


def profile(user: User) -> dict[str, object]:
    """Gives a user's particulars as /xapi shows them."""
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
    return parsed


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
