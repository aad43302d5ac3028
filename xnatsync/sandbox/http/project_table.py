"""The three other handlers of `/data/projects`, each with rows of its own; parameters choose (hierarchy.md §14)."""

from __future__ import annotations

from xnatsync.sandbox.http.exchange import Refusal, Request, Response
from xnatsync.sandbox.http.negotiation import listing_response
from xnatsync.sandbox.model.objects import Project
from xnatsync.sandbox.model.schema import element
from xnatsync.sandbox.model.site import Site

_SWITCHES = frozenset(
    "accessible data owner member collaborator recent favorite activeSince admin prearc_code".split()  # noqa: SIM905
)
_ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
_IMAGES = {"public": "/@WEBAPPimages/globe.gif"}
_RIGHTS = frozenset({"read", "create", "edit", "delete"})


def other_listing(site: Site, request: Request) -> Response | None:
    """Answer by the strongest handler that the parameters choose; None = the default one."""
    with site.lock:
        if request.flag("creatableTypes"):
            return listing_response(request, _creatable(site, request))
        if request.has("permissions"):
            return listing_response(request, _permitted(site, request))
        if any(key in _SWITCHES for key, _ in request.query):
            rows = [_row(project, request) for project in _filtered(site, request)]
            extra = {"xdat_user_id": str(request.user.id)}
            return listing_response(request, rows, title="Projects", extra=extra)
    return None


def _creatable(site: Site, request: Request) -> list[dict[str, str]]:
    kind = request.param("data-type")
    if kind and element(kind) is None:
        raise Refusal(500, f"Unknown data type {kind}")
    return [
        {**_names(project), "name": project.name, "description": project.fields.get("description", "")}
        for project in site.projects.values()
        if _may_create(site, request, project, kind)
    ]


def _may_create(site: Site, request: Request, project: Project, kind: str) -> bool:
    group = project.groups.get(project.members.get(request.user.login, ""))
    if kind or group is None:
        return site.can(request.user, project.id, "create", kind)
    return any("create" in rights for rights in group.rights.values()) or request.user.admin


def _permitted(site: Site, request: Request) -> list[dict[str, str]]:
    """The projects in which one has a right on data of a type; what cannot be read as such a question is a 500."""
    right, kind = request.param("permissions"), request.param("dataType")
    if right not in _RIGHTS or element(kind) is None:
        raise Refusal(500)
    found = [project for project in site.projects.values() if site.can(request.user, project.id, right, kind)]
    return [_names(project) for project in sorted(found, key=lambda project: project.secondary_id)]


def _filtered(site: Site, request: Request) -> list[Project]:
    user, found = request.user, list(site.projects.values())
    if data := request.param("data"):
        if data not in {"readable", "writable"}:
            raise Refusal(500)
        right = {"readable": "read", "writable": "edit"}[data]
        found = [project for project in found if site.can(user, project.id, right)]
    elif request.has("accessible") and not user.admin:
        mine = request.flag("accessible")
        found = [
            project for project in found if site.can_see(user, project) and (mine or user.login not in project.members)
        ]
    roles = [role for role in _ROLES if request.flag(role)]
    if request.flag("favorite"):
        found = [project for project in found if f"project/{project.id}".lower() in map(str.lower, user.favorites)]
    if request.flag("recent"):
        found = [project for project in found if project.id in user.accessed]
    shown = [
        project
        for project in found
        if site.can_see(user, project) and (not roles or project.members.get(user.login) in roles)
    ]
    return sorted(shown, key=lambda project: project.secondary_id)


def _names(project: Project) -> dict[str, str]:
    return {"id": project.id, "secondary_id": project.secondary_id}


def _row(project: Project, request: Request) -> dict[str, str]:
    people = (project.fields.get("pi_firstname", ""), project.fields.get("pi_lastname", ""))
    pi = " ".join(filter(None, people))
    role = project.members.get(request.user.login, "")
    group = project.groups.get(role)
    row = {
        **_names(project),
        "name": project.name,
        "description": project.fields.get("description", ""),
        "pi": pi,
        "project_invs": _investigators(project, pi),
        "project_access": project.accessibility,
        "project_access_img": _IMAGES.get(project.accessibility, "/@WEBAPPimages/key.gif"),
        "insert_date": project.stamps.insert_date,
        "insert_user": project.stamps.insert_user,
        f"user_role_{request.user.id}": group.name if group is not None else _ROLES.get(role, ""),
        f"last_accessed_{request.user.id}": request.user.accessed.get(project.id, ""),
        "quarantine_status": "active",
    }
    if request.flag("prearc_code"):
        row |= {
            "proj_quarantine": str(project.quarantine_code),
            "proj_prearchive_code": str(project.prearchive_code),
        }
    return row


def _investigators(project: Project, pi: str) -> str:
    others = (part.values for part in project.parts.get("investigators/investigator", ()))
    names = [" ".join(filter(None, (one.get("firstname"), one.get("lastname")))) for one in others]
    return " <br/> ".join(filter(None, (pi, *names)))
