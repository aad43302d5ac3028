"""The config service: small documents of tools, per site and per project, with versions (import.md §6.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.site import Site

_COLUMNS = ("tool", "path", "project", "user", "create_date", "reason", "contents", "unversioned", "version", "status")


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    shelf = _Shelf(site)
    for root in ("/config", "/projects/{PROJECT_ID}/config"):
        routes.add("GET", root, shelf.tools)
        routes.add("GET", f"{root}/{{TOOL}}", shelf.get)
        routes.add("PUT", f"{root}/{{TOOL}}", shelf.put)
        routes.add("DELETE", f"{root}/{{TOOL}}", shelf.delete)


@dataclass(frozen=True, slots=True)
class _Shelf:
    site: Site

    def tools(self, request: Request, match: Match) -> Response:
        """List the tools that keep something here."""
        prefix = f"{self._project(request, match, 'read')}/"
        names = {
            key.removeprefix(prefix).partition("/")[0] for key in self.site.record.configs if key.startswith(prefix)
        }
        return listing_response(request, [{"tool": name} for name in sorted(names)])

    def get(self, request: Request, match: Match) -> Response:
        """Show a document as a table row, or its bare contents."""
        with self.site.lock:
            key = self._key(request, match, "read")
            if not match.tail.strip("/"):
                found = [item for name, item in self.site.record.configs.items() if name.startswith(f"{key}/")]
                if not found:
                    return _absent(request, match)
                return listing_response(request, [_row(item) for item in found])
            document = self.site.record.configs.get(key)
            if document is None:
                return _absent(request, match)
            versions = cast("list[dict[str, object]]", document["history"])
            if request.param("action") == "getHistory":
                return listing_response(request, [_row(item) for item in (*versions, document)])
            if wanted := request.param("version"):
                document = next((item for item in (*versions, document) if str(item["version"]) == wanted), None)
                if document is None:
                    return _absent(request, match)
            contents, meta = request.flag("contents"), request.flag("meta")
            if contents and not meta:
                if document["status"] == "disabled":
                    return _absent(request, match)
                return text(str(document["contents"]))
            row = _row(document)
            return listing_response(request, [row | {"contents": ""} if meta and not contents else row])

    def put(self, request: Request, match: Match) -> Response:
        """Store a new version, or switches a document on or off."""
        status = _status(request.param("status"))
        contents = request.body.read().decode("utf-8", "replace") if request.length != 0 else None
        if contents is not None and request.content_type == "application/json":
            contents, status = _wrapped(contents, status)
        if contents is None and not status:
            raise Refusal(
                400,
                "You must specify either the status querystring parameter or a configuration object in the request "
                "body.",
            )
        if contents is not None and not contents.strip():
            raise Refusal(500, "No contents provided")
        with self.site.lock:
            key = self._key(request, match, "delete")
            before = self.site.record.configs.get(key)
            if before is None and contents is None:
                raise _unknown(request, match)
            if before is not None and contents == before["contents"] and (status or "enabled") == before["status"]:
                return Response()  # as it is: no new version, and its id stays
            history: list[object] = []
            version = 1
            if before is not None:
                history = cast("list[object]", before["history"])
                version = cast("int", before["version"])
                if not request.flag("unversioned") and contents not in {None, before["contents"]}:
                    history = [*history, {name: value for name, value in before.items() if name != "history"}]
                    version += 1
            project, tool, path = key.split("/", 2)
            self.site.record.configs[key] = {
                "tool": tool,
                "path": path,
                "project": project,
                "user": request.user.login,
                "create_date": self.site.now_text(),
                "reason": request.param("reason"),
                "contents": contents if contents is not None else (before or {}).get("contents", ""),
                "unversioned": request.flag("unversioned"),
                "version": version,
                "status": status or "enabled",
                "history": history,
                "id": self.site.next_key(),
            }
            self.site.save_site()
        return Response(200 if before is not None else 201)

    def delete(self, request: Request, match: Match) -> Response:
        """Switch a document off: XNAT deletes none."""
        with self.site.lock:
            document = self.site.record.configs.get(self._key(request, match, "delete"))
            if document is None:
                raise _unknown(request, match)
            document["status"] = "disabled"
            self.site.save_site()
        return Response()

    def _key(self, request: Request, match: Match, right: str) -> str:
        project, path = self._project(request, match, right), match.tail.strip("/")
        return f"{project}/{match.values['TOOL']}/{path}" if path else f"{project}/{match.values['TOOL']}"

    def _project(self, request: Request, match: Match, right: str) -> str:
        name = match.values.get("PROJECT_ID")
        if name is None:
            if right != "read" and not request.user.admin:
                raise Refusal(403)
            return ""
        project = find_project(self.site, name)
        if project is None:
            raise Refusal(404)
        if not self.site.can(request.user, project.id, "read"):
            raise Refusal(404 if right == "read" else 403)
        if not self.site.can(request.user, project.id, right):
            raise Refusal(403)
        return project.id


def _row(document: Mapping[str, object]) -> dict[str, str]:
    return {name: str(document.get(name, "")) for name in _COLUMNS}


def _wrapped(contents: str, status: str) -> tuple[str, str]:
    """Take the contents, and the status if there is one, out of a JSON document that holds them."""
    try:
        document = json.loads(contents)
    except ValueError:
        return contents, status
    if not isinstance(document, dict) or not isinstance(document.get("contents"), str):
        return contents, status
    return document["contents"], _status(str(document.get("status", status)))


def _status(given: str) -> str:
    found = {"": "", "enabled": "enabled", "true": "enabled", "disabled": "disabled", "false": "disabled"}
    if given.lower() not in found:
        raise Refusal(400, f"Only valid values for the status flag are enabled or true and disabled or false: {given}")
    return found[given.lower()]


def _absent(request: Request, match: Match) -> Response:
    if request.flag("accept-not-found"):
        return Response(204)
    raise _unknown(request, match)


def _unknown(request: Request, match: Match) -> Refusal:
    project, path = match.values.get("PROJECT_ID"), match.tail.strip("/")
    where = f"user {request.user.login}" + (f" and project {project}" if project else "")
    tool = f" on tool [{match.values['TOOL']}]" + (f" path [{path}]" if path else "")
    return Refusal(404, f"Couldn't find config for {where}{tool}")
