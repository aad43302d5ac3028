"""A project's users, and the site's, as tables (import.md §6.5)."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.http.router import Routes
from xnatsync.sandbox.model.hierarchy import find_project
from xnatsync.sandbox.model.members import join_group, leave_group, member_rows, role_of
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site


def attach(routes: Routes, site: Site) -> None:
    """Add the routes."""
    table = _Table(site)
    routes.add("GET", "/users", table.everybody)
    routes.add("GET", "/projects/{PROJECT_ID}/users", table.show)
    routes.add("GET", "/users/favorites/{DATA_TYPE}", table.favorites)
    routes.add("PUT", "/users/favorites/{DATA_TYPE}/{ID}", table.mark)
    routes.add("DELETE", "/users/favorites/{DATA_TYPE}/{ID}", table.unmark)
    template = "/projects/{PROJECT_ID}/users/{GROUP_ID}/{USER_ID}"
    routes.add("PUT", template, table.put)
    routes.add("DELETE", template, table.delete)


@dataclass(frozen=True, slots=True)
class _Table:
    site: Site

    def everybody(self, request: Request, _: Match) -> Response:
        """List the users of the site; to administrators alone where the site restricts it."""
        if self.site.settings.flag("restrictUserListAccessToAdmins") and not request.user.admin:
            raise Refusal(403)
        rows = [
            {
                "xdat_user_id": str(user.id),
                "login": user.login,
                "firstname": user.firstname,
                "lastname": user.lastname,
                "email": user.email,
            }
            for user in self.site.accounts
            if user.enabled
        ]
        return listing_response(request, rows)

    def favorites(self, request: Request, match: Match) -> Response:
        """List what the caller marked of a type."""
        kind = match.values["DATA_TYPE"]
        marked = [each.partition("/") for each in request.user.favorites]
        rows = [{"id": name, "datatype": of} for of, _, name in marked if of.lower() == kind.lower()]
        return listing_response(request, rows, columns=("id", "datatype"), title="User Favorites")

    def mark(self, request: Request, match: Match) -> Response:
        """Mark a thing for the caller, again too."""
        return self._mark(request, match, marked=True)

    def unmark(self, request: Request, match: Match) -> Response:
        """Take the mark off."""
        return self._mark(request, match, marked=False)

    def _mark(self, request: Request, match: Match, *, marked: bool) -> Response:
        name = f"{match.values['DATA_TYPE']}/{match.values['ID']}"
        with self.site.lock:
            others = [each for each in request.user.favorites if each.lower() != name.lower()]
            request.user.favorites = [*others, name] if marked else others
            self.site.save_accounts()
        return Response()

    def show(self, request: Request, match: Match) -> Response:
        """List the users of a project."""
        with self.site.lock:
            project = self._project(request, match, "read")
            return listing_response(request, member_rows(self.site, project), title="Projects")

    def put(self, request: Request, match: Match) -> Response:
        """Put users into a group; to somebody unknown XNAT sends an invitation, here nothing happens."""
        return self._change(request, match, join=True)

    def delete(self, request: Request, match: Match) -> Response:
        """Take users out of a group."""
        return self._change(request, match, join=False)

    def _change(self, request: Request, match: Match, *, join: bool) -> Response:
        with self.site.lock:
            project = self._project(request, match, "delete")
            group = match.values["GROUP_ID"]
            if not role_of(project, group):
                raise Refusal(404, f"Unable to identify group {group}")
            for name in match.values["USER_ID"].split(","):
                user = self.site.accounts.get(name) or next(
                    (item for item in self.site.accounts if item.email == name), None
                )
                if user is not None:
                    (join_group if join else leave_group)(self.site, project, group, user.login)
            return listing_response(request, member_rows(self.site, project), title="Projects")

    def _project(self, request: Request, match: Match, right: str) -> Project:
        project = find_project(self.site, match.values["PROJECT_ID"])
        if project is None or not self.site.can(request.user, project.id, "read"):
            raise Refusal(404)
        if not self.site.can(request.user, project.id, right):
            raise Refusal(403)
        return project
