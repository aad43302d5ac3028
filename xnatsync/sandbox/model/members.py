"""Who belongs to a project, in which role (import.md §6.5)."""

from __future__ import annotations

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.objects import Group, Project
from xnatsync.sandbox.model.site import Site

USUAL = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}


def role_of(project: Project, group: str) -> str:
    """Return the role a group stands for: its id `P_member`, or its display name; "" for an unknown one."""
    for role, display in USUAL.items():
        if group in {f"{project.id}_{role}", display, display.removesuffix("s"), role}:
            return role
    found = group_named(project, group)
    return found.id if found is not None else ""


def group_named(project: Project, reference: str) -> Group | None:
    """Find a group with rights of its own by its id, the end of its id, or its name."""
    for group in project.groups.values():
        if reference in {group.id, group.id.removeprefix(f"{project.id}_"), group.name}:
            return group
    return None


def groups_of(site: Site, login: str) -> list[str]:
    """List the groups of a user."""
    return [
        role if role in project.groups else f"{project.id}_{role}"
        for project in site.projects.values()
        if (role := project.members.get(login))
    ]


def join_group(site: Site, project: Project, group: str, login: str) -> bool:
    """Return a user a role, in place of any other; False when there is no such group."""
    role = role_of(project, group)
    if role:
        project.members[login] = role
        site.save(project)
    return bool(role)


def leave_group(site: Site, project: Project, group: str, login: str) -> bool:
    """Take a role from a user; False when there is no such group."""
    role = role_of(project, group)
    if role and project.members.get(login) == role:
        del project.members[login]
        site.save(project)
    return bool(role)


def member_rows(site: Site, project: Project) -> list[dict[str, str]]:
    """Return the rows of a project's user table."""
    rows = []
    for login, role in project.members.items():
        user = site.accounts.get(login) or User(login)
        rows.append(
            {
                "GROUP_ID": role if role in project.groups else f"{project.id}_{role}",
                "displayname": project.groups[role].name if role in project.groups else USUAL[role],
                "login": login,
                "firstname": user.firstname,
                "lastname": user.lastname,
                "email": user.email,
            }
        )
    return rows
