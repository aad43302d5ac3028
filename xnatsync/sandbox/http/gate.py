"""Who is asking: cookies, basic auth, open URLs, and what a stranger is told (hierarchy.md §2)."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.logins import Login
from xnatsync.sandbox.model.site import Site

LOGIN_PAGE = """<!DOCTYPE html>
<html>
<head><title>XNAT</title></head>
<body>
<!-- BEGIN xnat-templates/screens/Login.vm -->
<form id="login_form" method="post" action="/login">
<input name="username"/><input name="password" type="password"/>
</form>
<!-- END xnat-templates/screens/Login.vm -->
</body>
</html>
"""

_OPEN = re.compile(
    r"/(data|REST)/(JSESSION|services/auth)(/.*)?|/xapi/siteConfig/buildInfo(/.*)?"
    r"|/xapi/siteConfig/(siteId|siteUrl|siteHome|siteLogoPath)|/app/template/Login\.vm"
)
_DATA = re.compile(r"/(xapi|data|REST|fs)(/.*)?")


@dataclass(slots=True)
class Visitor:
    """The outcome: who it is, with which session, which cookies to set; or the answer that ends the request."""

    user: User
    login: Login | None = None
    cookies: list[str] = field(default_factory=list)
    answer: Response | None = None


class Gate:
    """Lets requests in, or answers them itself."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def admit(self, path: str, headers: Mapping[str, str]) -> Visitor:
        """Decide about one request by its cookie, its basic credentials and its path."""
        site = self._site
        with site.lock:
            login = site.logins.find(session_cookie(headers), site.clock(), idle_limit(site))
            user = site.accounts.get(login.user) if login else None
            if user is None or not user.enabled:
                login, user = None, site.accounts.guest
            basic = headers.get("authorization", "")
            if basic[:6].lower() == "basic ":
                return self._basic(basic[6:], user, login)
            visitor = Visitor(user, login)
            if user.guest and not _OPEN.fullmatch(path):
                if site.settings.flag("requireLogin"):
                    visitor.answer = self._entry_point(path, headers)
                elif login is None:
                    self._open_session(visitor)
            elif user.guest and login is None:
                self._open_session(visitor)
            return visitor

    def sign_in(self, name: str, password: str, before: Login | None) -> Login | None:
        """Check credentials and open a session under a new id; None when they are wrong or the user has too many."""
        site = self._site
        settings, now = site.settings, site.clock()
        user = site.accounts.check(
            name,
            password,
            now,
            most_failures=int(settings.number("maxFailedLogins")),
            lockout=settings.seconds("maxFailedLoginsLockoutDuration"),
            token_life=settings.seconds("aliasTokenTimeout"),
        )
        if user is None:
            return None
        most = int(settings.number("concurrentMaxSessions"))
        if before is not None:
            site.logins.close(before.id)  # session-fixation protection: every login changes the id (§2.1)
        if len(site.logins.of(user.login, now, idle_limit(site))) >= most > 0:
            return None
        return site.logins.open(user.login, now)

    def refused(self) -> Response:
        """Return the answer to wrong credentials."""
        failure = self._site.settings.text("uiLoginFailureMessage")
        return Response(401, {**self._challenge(), "Content-Type": "text/plain;charset=UTF-8"}, failure.encode())

    def _basic(self, encoded: str, user: User, login: Login | None) -> Visitor:
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            decoded = ""
        name, colon, password = decoded.partition(":")
        if not colon:
            return Visitor(
                user,
                answer=Response(
                    500, {"Content-Type": "text/html;charset=UTF-8"}, b"<html><h1>HTTP Status 500</h1></html>"
                ),
            )
        if login is not None and login.user == self._site.accounts.owner_of(name):
            return Visitor(user, login)  # XNAT does not check the password again (§2.1)
        fresh = self.sign_in(name, password, login)
        if fresh is None:
            return Visitor(self._site.accounts.guest, answer=self.refused())
        owner = self._site.accounts.get(fresh.user)
        return Visitor(owner or self._site.accounts.guest, fresh, [cookie(fresh)])

    def _open_session(self, visitor: Visitor) -> None:
        visitor.login = self._site.logins.open("guest", self._site.clock())
        visitor.cookies.append(cookie(visitor.login))

    def _entry_point(self, path: str, headers: Mapping[str, str]) -> Response:
        agent = headers.get("user-agent", "")
        forced = headers.get("x-requested-with", "") == "XMLHttpRequest" or not agent or "XNATDesktopClient" in agent
        patterns = self._site.settings.values["interactiveAgentIds"]
        interactive = not forced and isinstance(patterns, list) and any(re.fullmatch(item, agent) for item in patterns)
        if _DATA.fullmatch(path) and not interactive:
            body = b"<!doctype html><html><body><h1>HTTP Status 401 - Unauthorized</h1></body></html>"
            return Response(401, {**self._challenge(), "Content-Type": "text/html;charset=utf-8"}, body)
        return Response(302, {"Location": f"http://{headers.get('host', '127.0.0.1')}/app/template/Login.vm"})

    def _challenge(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'Basic realm="{self._site.settings.text("siteId")}"'}


_BROWSERS = re.compile("Mozilla|Opera|MSIE|AppleWebKit")


def forged(site: Site, request: Request, login: Login | None) -> bool:
    """Return whether a browser's write lacks its session's token; other agents are not asked for one (§2.4)."""
    agent = request.headers.get("user-agent", "")
    if (
        request.method not in {"POST", "PUT", "DELETE"}
        or request.user.guest
        or not site.settings.flag("enableCsrfToken")
    ):
        return False
    if not request.path.startswith(("/data", "/REST")) or "XNATDesktopClient" in agent or not _BROWSERS.search(agent):
        return False
    return login is None or request.param("XNAT_CSRF") != login.csrf


def idle_limit(site: Site) -> float:
    """Return how long a session may be idle, in seconds."""
    return site.settings.seconds("sessionTimeout")


def cookie(login: Login) -> str:
    """Write the session cookie."""
    return f"JSESSIONID={login.id}; Path=/; HttpOnly"


def expiration_cookie(site: Site) -> str:
    """Write the clock cookie every response carries, quotes included (§2.2)."""
    return f'SESSION_EXPIRATION_TIME="{int(site.clock() * 1000)},{int(idle_limit(site) * 1000)}"; Version=1; Path=/'


def session_cookie(headers: Mapping[str, str]) -> str:
    """Find the session id a client sent."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "JSESSIONID":
            return urllib.parse.unquote(value.strip('"'))
    return ""
