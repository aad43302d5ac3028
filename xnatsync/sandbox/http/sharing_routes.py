"""What subjects and experiments have in common: `…/projects/P2` and DELETE (hierarchy.md §4.5)."""

from __future__ import annotations

import re

from xnatsync.sandbox.http.exchange import Match, Refusal, Request, Response
from xnatsync.sandbox.http.history import note_request
from xnatsync.sandbox.http.loading import model_errors
from xnatsync.sandbox.http.parameters import SHARING, only
from xnatsync.sandbox.model.deletion import delete_experiment, delete_subject, unshare
from xnatsync.sandbox.model.hierarchy import find_project, session_of
from xnatsync.sandbox.model.objects import Experiment, Subject
from xnatsync.sandbox.model.sharing import move, share
from xnatsync.sandbox.model.site import Site


def put_share(site: Site, request: Request, item: Subject | Experiment, tail: str) -> Response:
    """Share an item into the project the tail names, or moves it there with `primary=true`."""
    only(request, SHARING)
    with site.lock:
        project_id = tail_project(site, tail)
        if not site.may(request.user, item, "create", project_id):
            raise Refusal(403, "Sharing is not allowed.")
        with model_errors():
            if request.flag("primary"):
                if not site.may(request.user, item, "delete"):
                    raise Refusal(403, "Specified user account has insufficient privileges to move this item.")
                move(site, item, project_id, request.param("label"))
            else:
                share(site, item, project_id, request.param("label"))
        if isinstance(item, Experiment):
            action = "Modified project" if request.flag("primary") else "Configured project sharing"
            note_request(site, request, item, action=action)
            site.save(site.experiments.get(item.id) or session_of(site, item.id))
    return Response()


def delete_or_unshare(site: Site, request: Request, item: Subject | Experiment, match: Match) -> Response:
    """Delete an item — also by mistake, through `…/projects/{owner}` — or unshares it from any other project."""
    with site.lock, model_errors():
        if match.tail.strip("/"):
            project_id = tail_project(site, match.tail)
        else:
            project_id = match.values.get("PROJECT_ID") or item.project
            project_id = project_id if project_id in item.shares else item.project
        if not site.may(request.user, item, "delete", project_id) or site.settings.flag(
            "security.prevent-data-deletion"
        ):
            raise Refusal(403, "User account doesn't have permission to delete this item.")
        if site.settings.flag("requireChangeJustification") and not request.param("event_reason"):
            raise Refusal(403, "Justification required.")
        if project_id != item.project:
            unshare(site, item, project_id)
        elif isinstance(item, Subject):
            delete_subject(site, item, remove_files=request.flag("removeFiles"))
        else:
            delete_experiment(site, item, remove_files=request.flag("removeFiles"))
    return Response()


def tail_project(site: Site, tail: str) -> str:
    """Read `/projects/P` behind an item's URL; anything else there is refused (§1.5)."""
    found = re.fullmatch(r"/projects/([^/]+)/?", tail)
    if found is None:
        raise Refusal(400, f"Illegal file path '{tail.lstrip('/')}' does not start with 'projects/'.")
    project = find_project(site, found[1])
    if project is None:
        raise Refusal(404, f"Unable to identify project {found[1]}")
    return project.id
