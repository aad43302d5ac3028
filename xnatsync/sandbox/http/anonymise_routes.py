"""`/xapi/anonymize`: the scripts of the site and of projects, and whether they run (import.md §2.9)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, json_answer, text
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import anonymise, projectscript
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site

_SITE_FLAG = "enableSitewideAnonymizationScript"
_SITE_SCRIPT = "sitewideAnonymizationScript"


@dataclass(frozen=True, slots=True)
class _Scripts:
    site: Site

    def show_default(self, request: Request, match: Match) -> Response:
        """Show the script a new site has."""
        return text(anonymise.DEFAULT_SITE_SCRIPT)

    def show_site(self, request: Request, match: Match) -> Response:
        """Show the site's script."""
        return text(self.site.settings.text(_SITE_SCRIPT) or anonymise.DEFAULT_SITE_SCRIPT)

    def put_site(self, request: Request, match: Match) -> Response:
        """Replace the site's script."""
        _admin(request)
        with self.site.lock:
            script = _script(request)
            self.site.settings.update({_SITE_SCRIPT: script})
            projectscript.store(self.site, "", script, request.user.login)
            self.site.save_site()
        return Response()

    def site_enabled(self, request: Request, match: Match) -> Response:
        """Return whether the site's script runs."""
        return json_answer(self.site.settings.flag(_SITE_FLAG))

    def enable_site(self, request: Request, match: Match) -> Response:
        """Switch the site's script by the query parameter `enable`; `false` in the body alone is refused."""
        _admin(request)
        with self.site.lock:
            self.site.settings.update({_SITE_FLAG: _enable(request)})
            self.site.save_site()
        return Response()

    def show_project(self, request: Request, match: Match) -> Response:
        """Show a project's script; 204 while none is enabled."""
        project = self._project(request, match, "read")
        script = projectscript.script_of(self.site, project.id)
        return text(script) if script else Response(204)

    def put_project(self, request: Request, match: Match) -> Response:
        """Replace a project's script, which enables it."""
        project = self._project(request, match, "delete")
        with self.site.lock:
            projectscript.store(self.site, project.id, _script(request), request.user.login)
            project.anonymise = True
            self.site.save(project)
            self.site.save_site()
        return Response()

    def project_enabled(self, request: Request, match: Match) -> Response:
        """Return whether a project's script runs."""
        return json_answer(self._project(request, match, "read").anonymise)

    def enable_project(self, request: Request, match: Match) -> Response:
        """Switch a project's script."""
        project = self._project(request, match, "delete")
        with self.site.lock:
            if not projectscript.stored_script(self.site, project.id):
                where = f"tool anon and path {projectscript.config_key(project.id)}"
                raise Refusal(500, f"Couldn't find the site configuration for {where}")
            project.anonymise = _enable(request)
            self.site.save(project)
        return Response()

    # -- the legacy addresses (`DicomEdit`, import.md §2.9) ------------------------------------------------------------

    def legacy_script(self, request: Request, match: Match) -> Response:
        """Show a script with its `id`, which objects are recorded with; a project without one has no row."""
        name = self._legacy_name(request, match, "read")
        known = self._legacy_row(name)
        script = projectscript.stored_script(self.site, name) or anonymise.DEFAULT_SITE_SCRIPT
        row = {"project": name or "-1", "user": known["user"], "create_date": known["create_date"], "script": script}
        return listing_response(request, self._legacy_rows(name, {**row, "id": known["id"]}), total=False)

    def legacy_status(self, request: Request, match: Match) -> Response:
        """Tell whether a script runs."""
        name = self._legacy_name(request, match, "read")
        runs = self.site.projects[name].anonymise if name else self.site.settings.flag(_SITE_FLAG)
        row = {"project": name or "-1", "edit": str(runs).lower(), **self._legacy_row(name)}
        return listing_response(request, self._legacy_rows(name, row), total=False)

    def _legacy_row(self, name: str) -> dict[str, str]:
        document = self.site.record.configs.get(projectscript.config_key(name), {})
        return {
            "create_date": str(document.get("create_date", "")),
            "user": str(document.get("user", "admin")),
            "id": projectscript.script_number(self.site, name),
        }

    def _legacy_rows(self, name: str, row: dict[str, str]) -> list[dict[str, str]]:
        return [row] if not name or projectscript.stored_script(self.site, name) else []

    def legacy_put(self, request: Request, match: Match) -> Response:
        """Replace a script."""
        if self._legacy_name(request, match, "delete"):
            return self.put_project(request, match)
        return self.put_site(request, match)

    def legacy_switch(self, request: Request, match: Match) -> Response:
        """Switch a script by the query parameter `activate`."""
        name, wanted = self._legacy_name(request, match, "delete"), request.param("activate")
        if not request.has("activate"):
            raise Refusal(400, "Please set the activate query string parameter to true or false.")
        if wanted not in {"true", "false"}:
            raise Refusal(400, "The activate parameter should be either true or false.")
        with self.site.lock:
            if name:
                self.site.projects[name].anonymise = wanted == "true"
                self.site.save(self.site.projects[name])
            else:
                self.site.settings.update({_SITE_FLAG: wanted == "true"})
                self.site.save_site()
        return Response()

    def _legacy_name(self, request: Request, match: Match, right: str) -> str:
        name = match.values.get("PROJECT_ID")
        if name is None:
            if right != "read":
                _admin(request)
            return ""
        if name not in self.site.projects or not self.site.can(request.user, name, "read"):
            raise Refusal(404)
        if not self.site.can(request.user, name, right):
            raise Refusal(403)
        return name

    def _project(self, request: Request, match: Match, right: str) -> Project:
        project = self.site.projects.get(match.values["PROJECT_ID"])
        if project is None:
            raise Refusal(500, "Unknown project.")
        if not self.site.can(request.user, project.id, right):
            raise Refusal(403)
        return project


def _admin(request: Request) -> None:
    if not request.user.admin:
        raise Refusal(403)


def _script(request: Request) -> str:
    body = request.body.read().decode("utf-8", "replace")
    if request.content_type == "application/json" and body.startswith('"'):
        return str(json.loads(body))
    return body


def _enable(request: Request) -> bool:
    if request.content_type != "application/json":
        raise Refusal(415)
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    enable = words.get(request.param("enable", "true").lower())
    if enable is None or (not request.has("enable") and request.body.read().strip() == b"false"):
        raise Refusal(400, "Anonymization is switched by the parameter enable, true or false")
    return enable


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    scripts, project = _Scripts(site), "/xapi/anonymize/projects/{PROJECT_ID}"
    for place in ("/config/edit/image/dicom", "/config/edit/projects/{PROJECT_ID}/image/dicom"):
        routes.add("GET", f"{place}/script", scripts.legacy_script)
        routes.add("GET", f"{place}/status", scripts.legacy_status)
        routes.add("PUT", f"{place}/script", scripts.legacy_put)
        routes.add("PUT", f"{place}/status", scripts.legacy_switch)
    routes.add("GET", "/xapi/anonymize/default", scripts.show_default)
    routes.add("GET", "/xapi/anonymize/site", scripts.show_site)
    routes.add("PUT", "/xapi/anonymize/site", scripts.put_site)
    routes.add("GET", "/xapi/anonymize/site/enabled", scripts.site_enabled)
    routes.add("PUT", "/xapi/anonymize/site/enabled", scripts.enable_site)
    routes.add("GET", project, scripts.show_project)
    routes.add("PUT", project, scripts.put_project)
    routes.add("GET", f"{project}/enabled", scripts.project_enabled)
    routes.add("PUT", f"{project}/enabled", scripts.enable_project)
