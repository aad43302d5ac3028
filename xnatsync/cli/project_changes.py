"""`project create|delete|access|users|grant|revoke`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from xnatsync.cli.changing import ended, goes_on
from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, QuietOption, RemoveOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.changes import ALREADY, PLANNED, Change

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", show_default=False, help="The ID of the project.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", show_default=False, help="The login of a user.")]


class Access(StrEnum):
    """Who may see a project."""

    PRIVATE = "private"
    PROTECTED = "protected"
    PUBLIC = "public"


class Role(StrEnum):
    """What a user may do in a project."""

    OWNER = "owner"
    MEMBER = "member"
    COLLABORATOR = "collaborator"


def register(group: typer.Typer) -> None:
    """Add the commands of this module to `project`."""
    for command in (create, delete, access, users, grant, revoke):
        group.command()(command)


def create(
    ctx: typer.Context,
    project: ProjectArgument,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Its title; else the ID.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about.")] = None,
    keywords: Annotated[str | None, typer.Option(metavar="TEXT", help="Keywords, with commas.")] = None,
    pi: Annotated[str | None, typer.Option(metavar="NAME", help="The investigator: First Last.")] = None,
    accessibility: Annotated[Access, typer.Option(help="Who may see it.")] = Access.PRIVATE,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Create a project that is not there yet."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-create", output, quiet)
    from xnatsync.services.projects import ProjectService

    first, _, last = (pi or "").strip().rpartition(" ")
    with serving(shell, profile) as client:
        service = ProjectService(client)
        service.check_new(project, accessibility.value)
        plan = Change("create", "project", project, name or project, project, outcome=PLANNED)
        if not goes_on(shell, [plan], dry_run=dry_run):
            return Exit.OK
        made = service.create(project, name, description, keywords, first or None, last or None, accessibility.value)
    return ended(shell, [Change("create", "project", made.id, made.name, made.id, after=made.accessibility or "")])


def delete(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(metavar="PROJECT", show_default=False, help="Its ID; no other name.")],
    remove_files: RemoveOption = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete a project with all its subjects and sessions, for good; on a terminal its ID has to be typed again."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-delete", output, quiet)
    from xnatsync.services.projects import ProjectService
    from xnatsync.views.changes import deletion_of

    with serving(shell, profile) as client:
        service = ProjectService(client)
        held = service.deletable(project)
        change = deletion_of(held)
        question = f"Delete project {held.id} with {held.words}? Its ID can never be used again."
        plan = [change.as_(PLANNED)]
        if not goes_on(shell, plan, dry_run=dry_run, yes=yes, question=question, typed=held.id):
            return Exit.OK
        service.delete(held.id, remove_files, holding=held)
    return ended(shell, [change])


def access(
    ctx: typer.Context,
    project: ProjectArgument,
    level: Annotated[Access | None, typer.Option("--set", help="Make it so.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show who may see a project, or change it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-access", output, quiet)
    from xnatsync.services.finding import project as find
    from xnatsync.services.projects import ProjectService

    with serving(shell, profile) as client:
        service = ProjectService(client)
        held = find(client, project).id
        before = service.accessibility(held)
        after = level.value if level is not None else before
        if after == before:
            return ended(shell, [Change("set", "project", held, held, held, after=before, outcome=ALREADY)])
        plan = Change("set", "project", held, held, held, before, after, outcome=PLANNED)
        question = f"Change who may see project {held}, from {before} to {after}?"
        if not goes_on(shell, [plan], dry_run=dry_run, yes=yes, question=question):
            return Exit.OK
        service.set_accessibility(held, after)
    return ended(shell, [Change("set", "project", held, held, held, before, after)])


def users(
    ctx: typer.Context,
    project: ProjectArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the users of a project with their roles."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-users", output, quiet, lists=True)
    from xnatsync.services.projects import ProjectService

    with serving(shell, profile) as client:
        rows = [member.model_dump() for member in ProjectService(client).users(project)]
    shell.show_rows(rows, {"login": "login", "role": "role", "firstname": "first", "lastname": "last"}, key="login")
    return Exit.OK


def grant(
    ctx: typer.Context,
    project: ProjectArgument,
    user: UserArgument,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.MEMBER,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Give a user a role in a project; users that the server does not know are not invited."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-grant", output, quiet)
    from xnatsync.services.projects import ProjectService

    with serving(shell, profile) as client:
        service = ProjectService(client)
        held, before = service.check_user(project, user, role.value)
        change = Change("grant", "user", user, user, held, before, role.value, outcome=PLANNED)
        if not goes_on(shell, [change], dry_run=dry_run):
            return Exit.OK
        service.grant(held, user, role.value)
    outcome = ALREADY if before == role.value else "done"
    return ended(shell, [Change("grant", "user", user, user, held, before, role.value, outcome=outcome)])


def revoke(
    ctx: typer.Context,
    project: ProjectArgument,
    user: UserArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Take a user out of a project."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-revoke", output, quiet)
    from xnatsync.services.projects import ProjectService

    with serving(shell, profile) as client:
        service = ProjectService(client)
        held, before = service.check_user(project, user, None)
        plan = Change("revoke", "user", user, user, held, before, outcome=PLANNED)
        question = f"Take user {user} ({before}) out of project {held}?"
        if not goes_on(shell, [plan], dry_run=dry_run, yes=yes, question=question):
            return Exit.OK
        service.revoke(held, user)
    return ended(shell, [Change("revoke", "user", user, user, held, before)])
