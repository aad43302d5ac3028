"""Groups of a project with rights of their own, by type of data (hierarchy.md §21)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.members import USUAL, group_named
from xnatsync.sandbox.model.objects import Group, Project
from xnatsync.sandbox.model.schema import element
from xnatsync.sandbox.model.site import Site

_NAME, _ID, _TAG = "xdat:userGroup/displayName", "xdat:userGroup/ID", "xdat:userGroup/tag"
_RIGHT = re.compile(
    r"(?P<kind>\w+:\w+)_(?P<field>(?P=kind)/(?:project|sharing/share/project|ID))_(?P<tag>.+)_(?P<right>R|E|D|wasSet)"
)
_GIVES = {"R": ["read"], "E": ["read", "edit", "create"], "D": ["read", "delete"], "wasSet": []}


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    groups = _Groups(site)
    for path in ("/projects/{PROJECT_ID}/groups", "/projects/{PROJECT_ID}/groups/{GROUP_ID}"):
        routes.add("GET", path, groups.show)
        routes.add("PUT", path, groups.put)
        routes.add("POST", path, groups.put)
    routes.add("DELETE", "/projects/{PROJECT_ID}/groups/{GROUP_ID}", groups.delete)


@dataclass(frozen=True, slots=True)
class _Groups:
    site: Site

    def show(self, request: Request, match: Match) -> Response:
        """List the groups of a project, or show one as a document."""
        with self.site.lock:
            project = self._project(request, match, "read")
            if "GROUP_ID" in match.values:
                return _document(project, self._known(project, match.values["GROUP_ID"]))
            rows = [
                {
                    "id": each.id,
                    "displayname": each.name,
                    "tag": project.id,
                    "xdat_usergroup_id": str(each.key),
                    "users": str(sum(role in {each.id, each.id.removeprefix(f"{project.id}_")} for role in roles)),
                }
                for roles in [list(project.members.values())]
                for each in sorted(_all(project), key=lambda group: group.name, reverse=True)
            ]
        return listing_response(request, rows, title="Projects")

    def put(self, request: Request, match: Match) -> Response:
        """Create a group or replaces its rights; only who may delete the project may."""
        given = dict(request.form())
        name, reference = given.get(_NAME, ""), match.values.get("GROUP_ID") or given.get(_ID, "")
        if not name and not reference:
            raise Refusal(400, f"You must specify one of the GROUP_ID, {_ID}, or {_NAME} parameters.")
        with self.site.lock:
            project = self._project(request, match, "delete")
            known = group_named(project, reference) or group_named(project, name)
            if known is None and reference in {each.id for each in _all(project)}:
                raise Refusal(403)
            name = name or (known.name if known is not None else "")
            if not name:
                raise Refusal(400, "Display name is required.")
            if "_" in name:
                raise Refusal(400, "Display name cannot contain underscores.")
            identifier = known.id if known is not None else given.get(_ID) or f"{project.id}_{name.replace(' ', '')}"
            rights = _rights(project, given)
            key = known.key if known is not None else self.site.next_key()
            project.groups[identifier] = Group(identifier, name, key, rights)
            self.site.save(project)
        return Response()

    def delete(self, request: Request, match: Match) -> Response:
        """Remove a group and with it its members; the three usual ones stay."""
        with self.site.lock:
            project = self._project(request, match, "delete")
            known = self._known(project, match.values["GROUP_ID"])
            if known.id not in project.groups:
                raise Refusal(403)
            del project.groups[known.id]
            project.members = {login: role for login, role in project.members.items() if role != known.id}
            self.site.save(project)
        return Response()

    def _known(self, project: Project, reference: str) -> Group:
        found = group_named(project, reference)
        usual = (each for each in _all(project) if reference in {each.id, each.name})
        if (group := found or next(usual, None)) is None:
            raise Refusal(404, f"Unable to identify group {reference}")
        return group

    def _project(self, request: Request, match: Match, right: str) -> Project:
        project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can_see(request.user, project):
            raise Refusal(404, f"Couldn't find the requested project: {match.values['PROJECT_ID']}")
        if not self.site.can(request.user, project.id, right):
            raise Refusal(403)
        return project


def _all(project: Project) -> Iterable[Group]:
    usual = [Group(f"{project.id}_{role}", name, 0) for role, name in USUAL.items()]
    return (*usual, *project.groups.values())


def _rights(project: Project, given: dict[str, str]) -> dict[str, list[str]]:
    """Read the rights of a form: `xnat:mrSessionData_xnat:mrSessionData/project_P_R` and so on (src)."""
    rights: dict[str, list[str]] = {}
    for name in given:
        if name in {_NAME, _ID, _TAG, "src"} or ":" not in name:
            continue
        match = _RIGHT.fullmatch(name)
        if match is None or match["tag"] != project.id or element(match["kind"]) is None:
            raise Refusal(400, f"This request has no parameter {name}.")
        if match["field"].endswith("/sharing/share/project"):
            continue  # what is shared into the project is read as its own is
        held = rights.setdefault(match["kind"].lower(), [])
        held += [right for right in _GIVES[match["right"]] if right not in held]
    return rights


def _document(project: Project, group: Group) -> Response:
    about = f'ID="{escape(group.id)}" displayName="{escape(group.name)}" tag="{escape(project.id)}"'
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<xdat:UserGroup xmlns:xdat="http://nrg.wustl.edu/security"'
    return Response(headers={"Content-Type": "text/xml"}, body=f"{head} {about}/>".encode())
