"""Site preferences, build information, the login page and the home page (hierarchy.md §2.5, import.md §6.6)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.gate import LOGIN_PAGE
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.settings import DEFAULTS, Value, build_info, may_read
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    pages = _Pages(site)
    routes.add("GET", "/", pages.home)
    routes.add("GET", "/app/template/Login.vm", pages.login)
    routes.add("GET", "/app/**", pages.home)
    config = _Config(site)
    routes.add("GET", "/xapi/siteConfig", config.show)
    routes.add("POST", "/xapi/siteConfig", config.change)
    routes.add("GET", "/xapi/siteConfig/buildInfo", config.build)
    routes.add("GET", "/xapi/siteConfig/buildInfo/{KEY}", config.build)
    routes.add("GET", "/xapi/siteConfig/uptime", config.uptime)
    routes.add("GET", "/xapi/siteConfig/values/{KEYS}", config.some)
    routes.add("GET", "/xapi/siteConfig/{KEY}", config.one)
    for method in ("POST", "PUT"):
        routes.add(method, "/xapi/siteConfig/{KEY}", config.change_one)


@dataclass(frozen=True, slots=True)
class _Pages:
    site: Site

    def home(self, request: Request, _: Match) -> Response:
        """A page for people; clients only look at its status and cookies."""
        who = html.escape(request.user.login)
        if request.user.guest:
            who = '<span style="color:red;">Guest</span>'
        shown = f'<span id="user_info">Logged in as: {who}</span>'
        page = f"<!DOCTYPE html>\n<html><title>XNAT</title><body>{shown}</body></html>\n"
        return text(page, kind="text/html")

    def login(self, _request: Request, _match: Match) -> Response:
        """The page strangers are sent to."""
        return text(LOGIN_PAGE, kind="text/html")


def _readable(request: Request, key: str) -> bool:
    return may_read(key, admin=request.user.admin, guest=request.user.guest)


@dataclass(frozen=True, slots=True)
class _Config:
    site: Site

    def show(self, request: Request, _: Match) -> Response:
        """Show what the caller may see."""
        values = self.site.settings.values
        return json_answer({key: value for key, value in values.items() if _readable(request, key)})

    def some(self, request: Request, match: Match) -> Response:
        """Show several preferences."""
        wanted = match.values["KEYS"].split(",")
        values = self.site.settings.values
        return json_answer({key: values[key] for key in wanted if key in values and _readable(request, key)})

    def one(self, request: Request, match: Match) -> Response:
        """Show one preference."""
        key = match.values["KEY"]
        if not _readable(request, key):
            raise Refusal(403)
        if key not in self.site.settings.values:
            raise Refusal(404, f"No site configuration property named {key}")
        value = self.site.settings.values[key]
        return json_answer(value) if isinstance(value, bool | int | list) else text(value)

    def change(self, request: Request, _: Match) -> Response:
        """Set several preferences from a JSON map."""
        self._admin(request)
        values = request.json()
        if not isinstance(values, dict):
            raise Refusal(400, "A map of properties is expected.")
        self._set({str(key): _value(value) for key, value in values.items()})
        return Response()

    def change_one(self, request: Request, match: Match) -> Response:
        """Set one preference from the body: JSON or plain text."""
        self._admin(request)
        body = request.body.read().decode("utf-8", "replace").strip()
        lowered = body.strip('"').lower()
        value: Value = (
            lowered == "true" if lowered in {"true", "false"} else int(body) if body.isdigit() else body.strip('"')
        )
        self._set({match.values["KEY"]: value})
        return Response()

    def build(self, _: Request, match: Match) -> Response:
        """Tell the version; no login needed."""
        info = build_info()
        key = match.values.get("KEY")
        if key is None:
            return json_answer(info)
        if key not in info:
            raise Refusal(404, f"No build information named {key}")
        return text(info[key])

    def uptime(self, _request: Request, _match: Match) -> Response:
        """Say how long the site has been up; parts that are zero are left out."""
        seconds = max(0.0, self.site.clock() - self.site.started)
        parts = {"days": seconds // 86400, "hours": seconds // 3600 % 24, "minutes": seconds // 60 % 60}
        shown = {name: str(int(value)) for name, value in parts.items() if value >= 1}
        return json_answer({**shown, "seconds": f"{seconds % 60:.3f}"})

    def _admin(self, request: Request) -> None:
        if not request.user.admin:
            raise Refusal(403)

    def _set(self, values: dict[str, Value]) -> None:
        for key, value in values.items():
            _check(key, value)
        with self.site.lock:
            self.site.settings.update(values)
            self.site.save_site()


def _check(key: str, value: Value) -> None:
    """Refuse for a preference what is no value of its kind."""
    default, given = DEFAULTS.get(key), str(value).strip().lower()
    if isinstance(default, bool):
        if given not in {"true", "false", "1", "0"}:
            raise Refusal(400, f"{key} is true or false, not {value}")
    elif isinstance(default, int | float) and not re.fullmatch(r"-?\d+(\.\d+)?", given):
        raise Refusal(400, f"{key} is a number, not {value}")


def _value(value: object) -> Value:
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, list):
        return [str(item) for item in value]
    return str(value)
