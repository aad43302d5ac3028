"""Creating, changing and deleting projects (hierarchy.md §4.3, import.md §6.4, §2.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response, text
from xnatsync.sandbox.http.loading import created_at, load_values, model_errors
from xnatsync.sandbox.http.parameters import only
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model import investigators
from xnatsync.sandbox.model.creation import check_project_names, create_project
from xnatsync.sandbox.model.deletion import delete_project
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.nested import settle
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply

_ACCESS = ("private", "protected", "public")


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    writer = _Writer(site)
    routes.add("POST", "/projects", writer.post)
    routes.add("PUT", "/projects/{PROJECT_ID}", writer.put)
    routes.add("POST", "/projects/{PROJECT_ID}", writer.put)
    routes.add("DELETE", "/projects/{PROJECT_ID}", writer.delete)
    routes.add("GET", "/projects/{PROJECT_ID}/accessibility", writer.show_accessibility)
    routes.add("PUT", "/projects/{PROJECT_ID}/accessibility/{LEVEL}", writer.put_accessibility)
    for name in ("prearchive_code", "quarantine_code", "current_arc"):
        routes.add("GET", f"/projects/{{PROJECT_ID}}/{name}", writer.show_setting)
    for name in ("prearchive_code", "quarantine_code", "current_arc", "scan_type_mapping"):
        routes.add("PUT", f"/projects/{{PROJECT_ID}}/{name}/{{VALUE}}", writer.put_setting)


@dataclass(frozen=True, slots=True)
class _Writer:
    site: Site

    def post(self, request: Request, _: Match) -> Response:
        """Create a project from XML; answer its URL."""
        values = load_values(request, "xnat:projectData")
        project_id = values.fields.get("ID", "")
        if not project_id:
            raise Refusal(417, "Requires XNAT ProjectData ID")
        with self.site.lock:
            if project_id in self.site.projects:
                raise Refusal(409, "Project already exists.")
            self._write(request, project_id, values)
        return created_at(self.site, f"/data/projects/{project_id}")

    def put(self, request: Request, match: Match) -> Response:
        """Create or changes a project."""
        project_id = match.values["PROJECT_ID"]
        with self.site.lock:
            known = find_project(self.site, project_id)
        if match.tail.strip("/") and known is not None:
            raise Refusal(400, f"Unsupported path {match.tail}")
        values = load_values(request, "xnat:projectData")
        if values.xsi_type not in {"", "xnat:projectData"}:
            raise Refusal(422, f"Unexpected document type {values.xsi_type}")
        if values.fields.get("ID", project_id).lower() != project_id.lower():
            raise Refusal(417, "The project ID for the REST call must match the value in submitted request body.")
        if known is not None and known.id != project_id:  # found by an alias: no name for a second project (§4.2)
            raise Refusal(409, f"Requested new project conflicts with existing projects: {known.id}")
        with self.site.lock:
            self._write(request, known.id if known else project_id, values)
        return Response()

    def delete(self, request: Request, match: Match) -> Response:
        """Delete a project with everything it owns."""
        if match.tail.strip("/"):
            raise Refusal(400, f"Unsupported path {match.tail}")
        with self.site.lock, model_errors():
            project = self._project(request, match)
            if not self.site.can(request.user, project.id, "delete"):
                raise Refusal(403, "User account doesn't have permission to delete this project.")
            if self.site.settings.flag("security.prevent-data-deletion"):
                raise Refusal(403, "User account doesn't have permission to delete this project.")
            delete_project(self.site, project, remove_files=request.flag("removeFiles"))
        return Response()

    def show_accessibility(self, request: Request, match: Match) -> Response:
        """Say how visible a project is."""
        with self.site.lock:
            project = find_project(self.site, match.values["PROJECT_ID"])
            if project is None or not self.site.can_see(request.user, project):
                raise Refusal(404, f"Could not find the project with ID '{match.values['PROJECT_ID']}'")
            return text(project.accessibility)

    def put_accessibility(self, request: Request, match: Match) -> Response:
        """Change how visible a project is."""
        only(request)
        level = match.values["LEVEL"]
        with self.site.lock:
            project = self._project(request, match)
            self._may_edit(request, project, "delete")
            self._set_accessibility(project, level)
            self.site.save(project)
        return Response()

    def show_setting(self, request: Request, match: Match) -> Response:
        """Tell a setting as bare text."""
        name = request.path.rstrip("/").rpartition("/")[2]
        with self.site.lock:
            project = self._project(request, match)
            values = {"prearchive_code": project.prearchive_code, "quarantine_code": project.quarantine_code}
            return text(str(values.get(name, project.fields.get("current_arc", "arc001"))))

    def _write(self, request: Request, project_id: str, values: Values) -> None:
        site, project = self.site, self.site.projects.get(project_id)
        names = [values.fields.get(key, "") for key in ("secondary_ID", "name")] + [*values.aliases]
        with model_errors():
            check_project_names(site, project_id, names)
            investigators.check(site, values.people)
            if project is None:
                if not request.user.admin and (
                    request.user.guest or not site.settings.flag("uiAllowNonAdminProjectCreation")
                ):
                    raise Refusal(403, "User account doesn't have permission to create projects.")
                project = create_project(site, project_id, request.user)
            else:
                self._may_edit(request, project, "delete")
            changed = apply(values, project)
            changed |= investigators.settle(site, project, values.people, request.user)
            if settle(site, request.user, project, values) or changed:
                site.changed(project)
        if access := request.param("accessibility"):
            self._set_accessibility(project, access)
        site.save(project)

    def _set_accessibility(self, project: Project, level: str) -> None:
        if level not in _ACCESS:
            raise Refusal(400, f"Unknown accessibility {level}")
        if level != "private" and not self.site.settings.flag("securityAllowNonPrivateProjects"):
            raise Refusal(403, "Non-private projects are not allowed on this site.")
        project.accessibility = level

    def put_setting(self, request: Request, match: Match) -> Response:
        """Change a setting: `/prearchive_code/4` (import.md §2.8)."""
        only(request)
        name, value = request.path.rstrip("/").split("/")[-2], match.values["VALUE"]
        with self.site.lock:
            project = find_project(self.site, match.values["PROJECT_ID"])
            if project is None:
                raise Refusal(404, "Unable to find the specified experiment.")
            self._may_edit(request, project, "delete")
            code = {"true": 1, "false": 0}.get(value, int(value) if re.fullmatch(r"-?\d+", value) else None)
            if name in {"prearchive_code", "quarantine_code"}:
                if code is None:
                    raise Refusal(400, f"Unsupported value {value}")
                if name == "prearchive_code" and code and not self.site.settings.flag("project.allow-auto-archive"):
                    raise Refusal(403, "Auto-archiving is not allowed on this site.")
                setattr(project, name, code)
            elif name == "scan_type_mapping" and code not in {0, 1}:
                raise Refusal(400, f"Unsupported value {value}")
            else:
                project.fields[name] = value
            self.site.save(project)
        return Response()

    def _project(self, request: Request, match: Match) -> Project:
        project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can_see(request.user, project):
            raise Refusal(404, "Unable to find the specified experiment.")
        return project

    def _may_edit(self, request: Request, project: Project, right: str) -> None:
        if not self.site.can(request.user, project.id, right):  # what owners alone may do
            raise Refusal(403, "User account doesn't have permission to edit this project.")
