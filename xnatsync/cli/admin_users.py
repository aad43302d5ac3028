"""`admin user`: the accounts of a server."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, QuietOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage

UserArgument = Annotated[str, typer.Argument(metavar="USER", show_default=False, help="The login of a user.")]
GroupsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[GROUP]...", show_default=False, help="As in P_member; or with projects.")
]
ProjectsOption = Annotated[
    str | None, typer.Option("--projects", "--project", "-P", metavar="ID,ID", help="In each of these projects.")
]


class Role(StrEnum):
    """The usual groups of a project."""

    OWNER = "owner"
    MEMBER = "member"
    COLLABORATOR = "collaborator"


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The accounts of a server.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_users)
    for command in (show, add, remove, enable, disable, groups, roles):
        group.command()(command)
    program.add_typer(group, name="user")


def list_users(
    ctx: typer.Context,
    project: Annotated[
        str | None, typer.Option("--project", "-P", metavar="ID", help="Those of this project, with their groups.")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the accounts of the server, or those of a project."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-list", output, quiet, lists=True)
    from xnatsync.views.admin import OF_PROJECT, OF_SITE, USER_COLUMNS, user_row

    with serving(shell, profile) as client:
        service = client.admin
        rows = [user_row(row) for row in service.list_users(project)]
    shell.show_rows(rows, USER_COLUMNS | (OF_PROJECT if project else OF_SITE), key="username")
    return Exit.OK


def show(
    ctx: typer.Context,
    user: UserArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show an account with its groups and roles."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-show", output, quiet)
    with serving(shell, profile) as client:
        service = client.admin
        found = service.get_user(user)
    _show(shell, found)
    return Exit.OK


def add(
    ctx: typer.Context,
    user: UserArgument,
    groups: GroupsArgument = None,
    projects: ProjectsOption = None,
    role: Annotated[Role, typer.Option("--role", help="The group of each project, where none is named.")] = Role.MEMBER,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Put an account into groups, and see that it is in them."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-add", output, quiet)
    from xnatsync.views.admin import groups_blocks

    with serving(shell, profile) as client:
        service = client.admin
        report = service.add_user_to_groups(user, groups or [], _listed(projects), role.value)
    shell.show(groups_blocks(report), {"username": user, **report})
    return Exit.HELD if report.failed else Exit.OK


def remove(
    ctx: typer.Context,
    user: UserArgument,
    groups: GroupsArgument = None,
    projects: ProjectsOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Take an account out of groups; with projects alone, out of those that it has there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-remove", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.admin import groups_blocks

    with serving(shell, profile) as client:
        service = client.admin
        wanted = service.leavable(user, groups or [], _listed(projects))
        report: dict[str, object] = {"removed": [], "absent": [], "failed": [], "errors": []}
        if not dry_run:
            words = ", ".join(wanted)
            sure(shell, yes=yes, question=f"Remove {user} from {words}?", would=f"{user} would be removed from {words}")
            report = service.remove_user_from_groups(user, wanted)
    fields = {"dry_run": dry_run, "username": user, "groups": wanted, **report}
    shell.show(groups_blocks({"absent": [], **report, **({"already": wanted} if dry_run else {})}), fields)
    return Exit.HELD if report["failed"] else Exit.OK


def enable(
    ctx: typer.Context,
    user: UserArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Let an account log in again."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-enable", output, quiet)
    with serving(shell, profile) as client:
        service = client.admin
        service.set_enabled(user, enabled=True)
        found = service.get_user(user)
    _show(shell, found)
    return Exit.OK


def disable(
    ctx: typer.Context,
    user: UserArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Keep an account from logging in; its sessions end."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-disable", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.admin import user_blocks

    with serving(shell, profile) as client:
        service = client.admin
        found = service.get_user(user)
        if not dry_run:
            plan = user_blocks(found)
            sure(shell, yes=yes, question=f"Disable {user}?", would=f"user {user} would be disabled", plan=plan)
            service.set_enabled(user, enabled=False)
            found = service.get_user(user)
    _show(shell, found, dry_run=dry_run)
    return Exit.OK


def groups(
    ctx: typer.Context,
    user: UserArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the groups that an account is in."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-groups", output, quiet, lists=True)
    with serving(shell, profile) as client:
        service = client.admin
        rows = [{"id": group} for group in service.groups(user)]
    shell.show_rows(rows, {"id": "group"})
    return Exit.OK


def roles(
    ctx: typer.Context,
    user: UserArgument,
    grant: Annotated[str | None, typer.Option("--grant", metavar="ROLE", help="Give this role.")] = None,
    revoke: Annotated[str | None, typer.Option("--revoke", metavar="ROLE", help="Take this role.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the roles of an account, or give or take one."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-user-roles", output, quiet)
    from xnatsync.cli.asking import sure

    if grant and revoke:
        raise Usage("a role is given or taken, one at a time", advice="Give --grant or --revoke.")
    with serving(shell, profile) as client:
        service = client.admin
        found = service.get_user(user)
        if (role := grant or revoke) and not dry_run:
            words = f"give {role} to {user}" if grant else f"take {role} from {user}"
            sure(shell, yes=yes, question=f"{words[0].upper()}{words[1:]}?", would=f"one would {words}")
            (service.grant_role if grant else service.revoke_role)(user, role)
            found = service.get_user(user)
    _show(shell, found, dry_run=dry_run)
    return Exit.OK


def _show(shell: Shell, user: dict[str, object], **more: object) -> None:
    from xnatsync.views.admin import user_blocks, user_row

    shell.show(user_blocks(user), {**user_row(user), "groups": user["groups"], "roles": user["roles"], **more})


def _listed(projects: str | None) -> list[str] | None:
    return None if projects is None else [part.strip() for part in projects.split(",") if part.strip()]
