"""`subject list|show|create|delete|share|unshare|vars`; `subject_renaming` has `subject rename`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from xnatsync.cli import subject_renaming
from xnatsync.cli.changing import ended, goes_on, pairs
from xnatsync.cli.options import (
    DryRunOption,
    OutputOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    RemoveOption,
    YesOption,
)
from xnatsync.cli.serving import serving
from xnatsync.cli.sharing import FromOption, IntoOption, LabelOption, shared, taken_out
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.changes import PLANNED, Change

SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", show_default=False, help="Label or accession ID.")]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The subjects of a project.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_subjects)
    for command in (show, create, delete, share, unshare):
        group.command()(command)
    group.command(name="rename")(subject_renaming.rename)
    group.command(name="vars")(variables)
    program.add_typer(group, name="subject")


def list_subjects(
    ctx: typer.Context,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the subjects of a project, with the number of their sessions."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-list", output, quiet, lists=True)
    from xnatsync.services.subjects import SubjectService
    from xnatsync.views.nouns import subject_row

    with serving(shell, profile) as client:
        service = SubjectService(client)
        rows = [subject_row(found) for found in service.list(service.named_project(project))]
    shell.show_rows(rows, {"id": "id", "label": "label", "sessions": "sessions"}, key="label")
    return Exit.OK


def show(
    ctx: typer.Context,
    subject: SubjectArgument,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a subject with everything that belongs to it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-show", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.subjects import SubjectService
    from xnatsync.views.services import subject_blocks, subject_fields

    with serving(shell, profile) as client:
        service = SubjectService(client)
        found = service.get(subject, project)
        experiments, custom = service.held(Accession(found.id)), service.variables(Accession(found.id))
    shell.show(subject_blocks(found, experiments, custom), subject_fields(found, experiments, custom))
    return Exit.OK


def create(
    ctx: typer.Context,
    label: Annotated[
        str, typer.Argument(metavar="LABEL", show_default=False, help="Its label, which is not taken yet.")
    ],
    project: ProjectOption = None,
    group: Annotated[str | None, typer.Option(metavar="TEXT", help="Its group.")] = None,
    gender: Annotated[str | None, typer.Option(metavar="WORD", help="male, female, other or unknown.")] = None,
    yob: Annotated[int | None, typer.Option(metavar="YEAR", help="Year of birth.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Create a subject that is not there yet."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-create", output, quiet)
    from xnatsync.services.subjects import SubjectService

    with serving(shell, profile) as client:
        service = SubjectService(client)
        home = service.home(project)
        service.check_new(home, label)
        if not goes_on(shell, [Change("create", "subject", "", label, home, outcome=PLANNED)], dry_run=dry_run):
            return Exit.OK
        made = service.create(home, label, group, gender, yob)
    return ended(shell, [Change("create", "subject", made.id, made.label, home)])


def delete(
    ctx: typer.Context,
    subject: SubjectArgument,
    project: ProjectOption = None,
    remove_files: RemoveOption = False,
    force: Annotated[bool, typer.Option("--force", help="Delete its sessions too, in every project.")] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete a subject that has no sessions; with --force everything that belongs to it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-delete", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.subjects import SubjectService

    with serving(shell, profile) as client:
        service = SubjectService(client)
        found, experiments = service.deletable(subject, project, force=force)
        changes = [
            *(
                Change("delete", "session", str(row["ID"]), str(row["label"]), str(row["project"]))
                for row in experiments
            ),
            Change("delete", "subject", found.id, found.label, found.held_by),
        ]
        plan = [change.as_(PLANNED) for change in changes]
        along = f" with {len(experiments)} sessions" if experiments else ""
        question = f"Delete subject {found.label} ({found.id}) of project {found.held_by}{along}?"
        if not goes_on(shell, plan, dry_run=dry_run, yes=yes, question=question):
            return Exit.OK
        service.delete(Accession(found.id), None, remove_files=remove_files, force=force)
    return ended(shell, changes)


def share(
    ctx: typer.Context,
    subject: SubjectArgument,
    into: IntoOption,
    label: LabelOption = None,
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a subject in a second project, under its own label unless another is given."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-share", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.subjects import SubjectService

    with serving(shell, profile) as client:
        service = SubjectService(client)
        found = service.get(subject, project)
        change = Change("share", "subject", found.id, found.label, found.project, after=into)
        share_it = partial(service.share, Accession(found.id), into, label)
        return shared(shell, service, change, into, share_it, dry_run=dry_run, yes=yes)


def unshare(
    ctx: typer.Context,
    subject: SubjectArgument,
    out_of: FromOption,
    project: ProjectOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Take a subject, with its sessions, out of a project that only shows it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-unshare", output, quiet)
    from xnatsync.services.subjects import SubjectService

    with serving(shell, profile) as client:
        service = SubjectService(client)
        found = service.get(subject, project)
        change = Change("unshare", "subject", found.id, found.label, before=out_of)
        return taken_out(shell, service, change, dry_run=dry_run, yes=yes)


def variables(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="SUBJECT [NAME=VALUE]...", show_default=False, help="With values: set them."),
    ],
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the custom variables of a subject, or set some."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-vars", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.subjects import SubjectService
    from xnatsync.views.services import variables_blocks, variables_fields

    if words[:1] == ["set"] and len(words) > 1 and "=" not in words[1]:  # as xnatctl has it
        words = words[1:]
    wanted = pairs(words[1:])
    with serving(shell, profile) as client:
        service = SubjectService(client)
        found = service.get(words[0], project)
        if wanted and not dry_run:
            service.set_variables(Accession(found.id), wanted)
        shown = service.variables(Accession(found.id))
    told = variables_fields(found.id, found.label, shown, wanted, dry_run=dry_run)
    shell.show(variables_blocks(shown, wanted, dry_run=dry_run), told)
    return Exit.OK
