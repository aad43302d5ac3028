"""Login, logout, who am I, alias tokens (hierarchy.md §2.1, §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.gate import Gate, cookie, idle_limit
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.accounts import Token, User
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    door = _Door(site)
    routes.add("GET", "/JSESSION", door.session)
    routes.add("POST", "/JSESSION", door.session)
    routes.add("DELETE", "/JSESSION", door.leave)
    routes.add("GET", "/auth", door.who)
    for method in ("PUT", "POST"):
        routes.add(method, "/services/auth", door.sign_in)
    tokens = _Tokens(site)
    routes.add("GET", "/services/tokens/{OPERATION}", tokens.serve)
    routes.add("GET", "/services/tokens/{OPERATION}/{FIRST}", tokens.serve)
    routes.add("GET", "/services/tokens/{OPERATION}/{FIRST}/{SECOND}", tokens.serve)


@dataclass(frozen=True, slots=True)
class _Door:
    site: Site

    def session(self, request: Request, _: Match) -> Response:
        """Name the session, an anonymous one too: never proof of a login (§2.1, the trap)."""
        return text(request.session_id + self._csrf(request))

    def leave(self, request: Request, _: Match) -> Response:
        """End the session."""
        self.site.logins.close(request.session_id)
        return Response(200, {"Content-Type": "text/plain;charset=UTF-8"})

    def who(self, request: Request, _: Match) -> Response:
        """Name the user, the guest of an open site too."""
        return text(f"User '{request.user.login}' is logged in{self._csrf(request)}")

    def sign_in(self, request: Request, _: Match) -> Response:
        """Take a form with user name and password."""
        fields = dict(
            [*request.query, *parse_qsl(request.body.read().decode("utf-8", "replace"), keep_blank_values=True)]
        )
        with self.site.lock:
            before = self.site.logins.find(request.session_id, self.site.clock(), idle_limit(self.site))
            fresh = Gate(self.site).sign_in(fields.get("username", ""), fields.get("password", ""), before)
        if fresh is None:
            raise Refusal(401, "Authentication failed.")
        answer = text(fresh.id)
        answer.cookies.append(cookie(fresh))
        return answer

    def _csrf(self, request: Request) -> str:
        if not request.flag("CSRF"):
            return ""
        login = self.site.logins.find(request.session_id, self.site.clock(), idle_limit(self.site))
        return f"; XNAT_CSRF={login.csrf}" if login else ""


@dataclass(frozen=True, slots=True)
class _Tokens:
    site: Site

    def serve(self, request: Request, match: Match) -> Response:
        """Issue, shows, validates and invalidates tokens (§2.3)."""
        operation, first, second = (match.values.get(name, "") for name in ("OPERATION", "FIRST", "SECOND"))
        with self.site.lock:
            self._drop_expired()
            if operation == "validate" and second:
                return self._validate(first, second)
            if operation == "invalidate" and first:
                return self._invalidate(request.user, first, second)
            if operation not in {"issue", "show"} or (first and not (first == "user" and second)):
                raise Refusal(404)
            owner = self._owner(request.user, second)
            if operation == "issue":
                token = self.site.accounts.issue(owner, self.site.clock())
                self.site.save_accounts()
                return json_answer(self._shown(token))
            tokens = [token for token in self.site.accounts.book.tokens.values() if token.login == owner.login]
            return json_answer([self._shown(token) for token in tokens])

    def _owner(self, user: User, login: str) -> User:
        if user.guest:
            raise Refusal(403)
        if login and login != user.login and not user.admin:
            raise Refusal(403, "Only admin users can issue or show tokens of other users.")
        owner = self.site.accounts.get(login) if login else user
        if owner is None:
            raise Refusal(404)
        return owner

    def _validate(self, alias: str, secret: str) -> Response:
        token = self.site.accounts.book.tokens.get(alias)
        if token is None or token.secret != secret:
            raise Refusal(404)
        return json_answer({"valid": token.login})

    def _invalidate(self, user: User, alias: str, secret: str) -> Response:
        token = self.site.accounts.book.tokens.get(alias)
        if token is not None:
            if token.login != user.login and not user.admin and token.secret != secret:
                raise Refusal(403)
            del self.site.accounts.book.tokens[alias]
            self.site.save_accounts()
        return json_answer({"result": "OK"})

    def _drop_expired(self) -> None:
        tokens = self.site.accounts.book.tokens
        oldest = self.site.clock() - self.site.settings.seconds("aliasTokenTimeout")
        for alias in [alias for alias, token in tokens.items() if token.created < oldest]:
            del tokens[alias]

    def _shown(self, token: Token) -> dict[str, object]:
        made = int(token.created * 1000)
        return {
            "alias": token.alias,
            "secret": token.secret,
            "xdatUserId": token.login,
            "estimatedExpirationTime": made + int(self.site.settings.seconds("aliasTokenTimeout") * 1000),
            "singleUse": False,
            "id": token.id,
            "enabled": True,
            "created": made,
            "timestamp": made,
        }
