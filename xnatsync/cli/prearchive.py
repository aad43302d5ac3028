"""`prearchive`: what has arrived and is not yet in the archive."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

if TYPE_CHECKING:
    from xnatsync.app.prearchive_needs import Need

ProjectArgument = Annotated[
    str, typer.Argument(metavar="PROJECT", show_default=False, help="The project that it waits in; or Unassigned.")
]
TimestampArgument = Annotated[
    str, typer.Argument(metavar="TIMESTAMP", show_default=False, help="When it came, as `prearchive list` shows it.")
]
NameArgument = Annotated[str, typer.Argument(metavar="SESSION", show_default=False, help="As `list` shows it.")]


class Mode(StrEnum):
    """What a project does with what arrives."""

    MANUAL = "manual"
    AUTO = "auto-archive"
    OVERWRITE = "auto-archive-overwrite"


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="What has arrived and is not yet in the archive.", rich_markup_mode=None, no_args_is_help=True
    )
    group.command(name="list")(list_rows)
    for command in (show, scans, archive, delete, rebuild, move, settings):
        group.command()(command)
    program.add_typer(group, name="prearchive")


def list_rows(
    ctx: typer.Context,
    project: Annotated[
        str | None, typer.Option("--project", "-P", metavar="ID", help="Only of this project; else of all.")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List what waits in the prearchive."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-list", output, quiet, lists=True)
    from xnatsync.views.prearchive import COLUMNS, prearchive_row

    with serving(shell, profile) as client:
        service = client.prearchive
        rows = [prearchive_row(row) for row in service.list(project, count_scans=False)]
    shell.show_rows(rows, COLUMNS, key="url")
    return Exit.OK


def show(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show one session with its scans, and what the server last said about it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-show", output, quiet)
    from xnatsync.views.prearchive import prearchive_scan_row, shown_blocks, shown_fields

    with serving(shell, profile) as client:
        service = client.prearchive
        row = service.get(project, timestamp, session)
    rows = [prearchive_scan_row(scan) for scan in row.scans]
    shell.show(shown_blocks(row, rows), shown_fields(row, rows))
    return Exit.OK


def scans(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the scans of one session, with the number of their files."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-scans", output, quiet, lists=True)
    from xnatsync.views.prearchive import SCAN_COLUMNS, prearchive_scan_row

    with serving(shell, profile) as client:
        service = client.prearchive
        rows = [prearchive_scan_row(scan) for scan in service.get_scans(project, timestamp, session)]
    shell.show_rows(rows, SCAN_COLUMNS)
    return Exit.OK


def archive(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    subject: Annotated[
        str | None, typer.Option("--subject", "-S", metavar="LABEL", help="The subject that it is of; else as it is.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help="Another label in the archive; else as it is.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of the same study that are in the archive already.")
    ] = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Archive one session, and see that it is in the archive."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-archive", output, quiet)
    from xnatsync.views.prearchive import archived_blocks

    with serving(shell, profile) as client:
        service = client.prearchive
        meant = _meant(shell, service.needs(project, timestamp, session, deed="archived"), "archived", yes=yes)
        done = service.archive(project, timestamp, session, subject, label, overwrite, although_needed=meant)
    shell.show(archived_blocks(done), done)
    return Exit.OK


def delete(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete one session that waits; never while files arrive or the server works on it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-delete", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.prearchive import deleted_blocks, deleted_fields

    with serving(shell, profile) as client:
        service = client.prearchive
        row = service.deletable(project, timestamp, session)
        needs = service.needs(project, timestamp, session)
        if not dry_run:
            words = f"{project}/{timestamp}/{session}"
            plan = deleted_blocks(row, needs, dry_run=True)
            told = "".join(f"; {need.words}" for need in needs)
            sure(shell, yes=yes, question=f"Delete {words}?", would=f"{words} would be deleted{told}", plan=plan)
            service.delete(project, timestamp, session, although_needed=True)
    shell.show(deleted_blocks(row, needs, dry_run=dry_run), deleted_fields(row, needs, dry_run=dry_run))
    return Exit.OK


def rebuild(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Build one session from its files, also one that is still receiving."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-rebuild", output, quiet)
    from xnatsync.views.prearchive import prearchive_row, row_blocks

    with serving(shell, profile) as client:
        service = client.prearchive
        meant = _meant(shell, service.needs(project, timestamp, session, deed="built"), "built", yes=yes)
        row = service.rebuild(project, timestamp, session, although_needed=meant)
    shell.show(row_blocks(row), {**prearchive_row(row), "scan_count": row.scan_count})
    return Exit.OK


def move(
    ctx: typer.Context,
    project: ProjectArgument,
    timestamp: TimestampArgument,
    session: NameArgument,
    target: Annotated[str, typer.Argument(metavar="TARGET", show_default=False, help="The project to move it to.")],
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Move one session to the prearchive of another project; PROJECT may be `Unassigned`."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-move", output, quiet)
    from xnatsync.views.prearchive import prearchive_row, row_blocks

    with serving(shell, profile) as client:
        service = client.prearchive
        meant = _meant(shell, service.needs(project, timestamp, session, deed="moved"), "moved", yes=yes)
        row = service.move(project, timestamp, session, target, although_needed=meant)
    shell.show(row_blocks(row), {**prearchive_row(row), "scan_count": row.scan_count})
    return Exit.OK


def _meant(shell: Shell, needs: Sequence[Need], deed: str, *, yes: bool) -> bool:
    """Return whether items of our own count on a row and a person wants it all the same; Declined where not."""
    from xnatsync.cli.asking import sure
    from xnatsync.views.prearchive import need_blocks

    if needs:
        words = "; ".join(need.words for need in needs)
        would = f"it would be {deed}, and {words}"
        sure(shell, yes=yes, question=f"Have it {deed} all the same?", would=would, plan=need_blocks(needs))
    return bool(needs)


def settings(
    ctx: typer.Context,
    project: ProjectOption = None,
    mode: Annotated[Mode | None, typer.Option("--set", help="Set it, instead of showing it.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show or set what a project does with what arrives: let it wait, archive it, or archive over what is there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("prearchive-settings", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.prearchive import settings_blocks, settings_fields

    with serving(shell, profile) as client:
        service = client.prearchive
        wanted = service.named_project(project)
        before = service.get_routing_mode(wanted)
        if mode is not None and not dry_run and mode.value != before:
            would = f"what arrives in project {wanted} would be treated as {mode.value} (today: {before})"
            sure(shell, yes=yes, question=f"Set it to {mode.value}?", would=would)
            service.set_routing_mode(wanted, mode.value)
    now, was = (before, None) if mode is None else (mode.value, before)
    dry_run = dry_run and mode is not None
    shell.show(settings_blocks(wanted, now, was, dry_run=dry_run), settings_fields(wanted, now, was, dry_run=dry_run))
    return Exit.OK
