"""`session list`, `session show` and `session download`."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli import download, upload, upload_dicom, upload_exam
from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption, SessionOption
from xnatsync.cli.serving import serving
from xnatsync.cli.session_changes import register as add_changes
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The imaging sessions of a project.", rich_markup_mode=None, no_args_is_help=True)
    add_changes(group)
    group.command(name="list")(list_sessions)
    group.command()(show)
    group.command(name="download")(download.session)
    group.command(name="upload-dicom")(upload_dicom.upload_dicom)
    group.command(name="upload")(upload.session)
    group.command(name="upload-exam")(upload_exam.exam)
    program.add_typer(group, name="session")


def list_sessions(
    ctx: typer.Context,
    project: ProjectOption = None,
    subject: Annotated[
        str | None, typer.Option("--subject", "-S", metavar="LABEL|ID", help="Only those of this subject.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only those of this modality: MR, PT (or PET).")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the imaging sessions of a project, with those shared into it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-list", output, quiet, lists=True)
    from xnatsync.services.sessions import SessionService
    from xnatsync.views.nouns import SESSION_COLUMNS, session_row

    with serving(shell, profile) as client:
        service = SessionService(client)
        found = service.list(service.named_project(project), subject, modality)
    rows = [session_row(each) for each in found]
    shell.show_rows(rows, SESSION_COLUMNS)
    return Exit.OK


def show(
    ctx: typer.Context,
    experiment: SessionOption,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a session with its scans and resources."""
    shell = ctx.ensure_object(Shell)
    shell.begin("session-show", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.resources import ResourceService
    from xnatsync.services.scans import ScanService
    from xnatsync.services.sessions import SessionService
    from xnatsync.views.nouns import session_blocks, session_fields

    with serving(shell, profile) as client:
        found = SessionService(client).get(experiment, project)
        scans = ScanService(client).list(Accession(found.id), counted=False)
        resources = ResourceService(client).list(Accession(found.id))
    shell.show(session_blocks(found, scans, resources), session_fields(found, scans, resources))
    return Exit.OK
