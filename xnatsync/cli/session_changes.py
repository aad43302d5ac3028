"""`session create|set|delete|share|unshare|vars`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from xnatsync.cli.changing import ended, goes_on, pairs
from xnatsync.cli.options import (
    DryRunOption,
    OutputOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    RemoveOption,
    SessionOption,
    YesOption,
)
from xnatsync.cli.serving import serving
from xnatsync.cli.sharing import FromOption, IntoOption, LabelOption, shared, taken_out
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.changes import DONE, PLANNED, Change

ValuesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", show_default=False, help="Set these.")
]


def register(group: typer.Typer) -> None:
    """Add the commands of this module to `session`."""
    group.command()(create)
    group.command(name="set")(set_fields)
    for command in (delete, share, unshare):
        group.command()(command)
    group.command(name="vars")(variables)


def create(
    ctx: typer.Context,
    experiment: Annotated[str, typer.Option("--experiment", "-E", metavar="LABEL", help="The label of the new one.")],
    subject: Annotated[str, typer.Option("--subject", "-S", metavar="LABEL|ID", help="Its subject, which is there.")],
    project: ProjectOption = None,
    modality: Annotated[str | None, typer.Option(metavar="NAME", help="MR, PET, CT; wins over --type.")] = None,
    kind: Annotated[str, typer.Option("--type", metavar="TYPE", help="XNAT's type.")] = "xnat:mrSessionData",
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="When it was.")] = None,
    time: Annotated[str | None, typer.Option(metavar="HH:MM:SS", help="When on that day.")] = None,
    visit: Annotated[str | None, typer.Option(metavar="ID", help="The visit.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Create a session of a subject that is there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-create", output, quiet)
    from xnatsync.services.sessions import SessionService

    with serving(shell, profile) as client:
        service = SessionService(client)
        home = service.home(project)
        service.check_new(home, subject, experiment)
        if not goes_on(shell, [Change("create", "session", "", experiment, home, outcome=PLANNED)], dry_run=dry_run):
            return Exit.OK
        made = service.create(home, subject, experiment, kind, date, time, visit, modality)
    return ended(shell, [Change("create", "session", made.id, made.label, home)])


def set_fields(
    ctx: typer.Context,
    experiment: SessionOption,
    words: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE...", show_default=False, help="Such as note=fine.")
    ],
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Set fields of a session, such as `note` or `acquisition_site`."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-set", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.sessions import SessionService

    wanted = {words[0]: words[1]} if len(words) == 2 and "=" not in words[0] else pairs(words)
    with serving(shell, profile) as client:
        service = SessionService(client)
        found = service.get(experiment, project)
        changes = [
            Change("set", name, found.id, found.label, found.project, after=text) for name, text in wanted.items()
        ]
        if not goes_on(shell, [change.as_(PLANNED) for change in changes], dry_run=dry_run):
            return Exit.OK
        service.set_fields(Accession(found.id), wanted)
    return ended(shell, changes)


def delete(
    ctx: typer.Context,
    experiment: SessionOption,
    project: ProjectOption = None,
    remove_files: RemoveOption = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete a session with its scans."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-delete", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.sessions import SessionService

    with serving(shell, profile) as client:
        service = SessionService(client)
        held, held_by = service.deletable(experiment, project)
        scans = len(service.get_scans(Accession(held.id)))
        change = Change("delete", "session", held.id, held.label, held_by, reason=f"scans: {scans}")
        question = f"Delete session {held.label} ({held.id}) of project {held_by} with {scans} scans?"
        if not goes_on(shell, [change.as_(PLANNED)], dry_run=dry_run, yes=yes, question=question):
            return Exit.OK
        service.delete(Accession(held.id), None, remove_files=remove_files)
    return ended(shell, [change.as_(DONE)])


def share(
    ctx: typer.Context,
    experiment: SessionOption,
    into: IntoOption,
    label: LabelOption = None,
    primary: Annotated[bool, typer.Option("--primary", help="Move it there, with its files.")] = False,
    project: ProjectOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a session in a second project, with its subject; with --primary, move it there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-share", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.sessions import SessionService

    with serving(shell, profile) as client:
        service = SessionService(client)
        found = service.get(experiment, project)
        deed = "move" if primary else "share"
        change = Change(deed, "session", found.id, found.label, found.project, found.project, into)
        share_it = partial(service.share, Accession(found.id), into, label, primary)
        return shared(shell, service, change, into, share_it, dry_run=dry_run, yes=yes)


def unshare(
    ctx: typer.Context,
    experiment: SessionOption,
    out_of: FromOption,
    project: ProjectOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Take a session out of a project that only shows it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-unshare", output, quiet)
    from xnatsync.services.sessions import SessionService

    with serving(shell, profile) as client:
        service = SessionService(client)
        found = service.get(experiment, project)
        change = Change("unshare", "session", found.id, found.label, before=out_of)
        return taken_out(shell, service, change, dry_run=dry_run, yes=yes)


def variables(
    ctx: typer.Context,
    experiment: SessionOption,
    words: ValuesArgument = None,
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the custom variables of a session, or set some."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-vars", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.sessions import SessionService
    from xnatsync.views.services import variables_blocks, variables_fields

    wanted = pairs(words or [])
    with serving(shell, profile) as client:
        service = SessionService(client)
        found = service.get(experiment, project)
        if wanted and not dry_run:
            service.set_variables(Accession(found.id), wanted)
        shown = service.variables(Accession(found.id))
    told = variables_fields(found.id, found.label, shown, wanted, dry_run=dry_run)
    shell.show(variables_blocks(shown, wanted, dry_run=dry_run), told)
    return Exit.OK
