"""The other projects listing, with lower-case columns, that some parameters switch to (hierarchy.md §3.2, notes)."""

from __future__ import annotations

from xnatsync.sandbox.http.exchange import Request
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.site import Site

_SWITCHES = frozenset(
    "accessible data owner member collaborator recent favorite activeSince users prearc_code".split()  # noqa: SIM905
)
_ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}


def is_filtered_listing(request: Request) -> bool:
    """Tells whether a request switches to this listing."""
    return any(key in _SWITCHES for key, _ in request.query)


def project_table(site: Site, request: Request) -> list[dict[str, str]]:
    """Gives the rows: projects the caller has one of the roles asked for in, or may read when `accessible` is asked."""
    roles = [role for role in _ROLES if request.flag(role)]
    code = request.param("prearc_code")
    return [
        _row(project, request)
        for project in site.projects.values()
        if site.can(request.user, project.id, "read")
        and (not roles or project.members.get(request.user.login) in roles)
        and (not code or str(project.prearchive_code) in code.split(","))
    ]


def _row(project: Project, request: Request) -> dict[str, str]:
    role = _ROLES.get(project.members.get(request.user.login, ""), "")
    return {
        "id": project.id,
        "secondary_id": project.secondary_id,
        "name": project.name,
        "description": project.fields.get("description", ""),
        "pi": ", ".join(filter(None, (project.fields.get("pi_lastname"), project.fields.get("pi_firstname")))),
        "project_invs": "",
        "project_access": project.accessibility,
        "project_access_img": "",
        "insert_date": project.stamps.insert_date,
        "insert_user": project.stamps.insert_user,
        f"user_role_{request.user.id}": role,
        f"last_accessed_{request.user.id}": "",
        "URI": f"/data/projects/{project.id}",
    }
