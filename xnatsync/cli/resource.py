"""`resource list|show|upload|download|delete|refresh`: files at every level of an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli import download
from xnatsync.cli.options import (
    WORDS_OF_RESOURCE,
    BandwidthOption,
    DryRunOption,
    OutputOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    ScanOption,
    SubjectOption,
    WordsOfResource,
    YesOption,
    named_resource,
)
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="The resources of sessions, scans, subjects and projects.", rich_markup_mode=None, no_args_is_help=True
    )
    group.command(name="list")(list_resources)
    group.command()(show)
    group.command()(upload)
    group.command(name="download")(download.resource)
    group.command()(delete)
    group.command()(refresh)
    program.add_typer(group, name="resource")


def list_resources(
    ctx: typer.Context,
    session: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", show_default=False, help="Accession ID, or with -P its label.")
    ] = None,
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the resources of a session, of one of its scans, of a subject (-P -S) or of a project (-P)."""
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-list", output, quiet, lists=True)
    from xnatsync.views.resources import RESOURCE_COLUMNS, resource_row

    named_resource([session, ""] if session is not None else [""], project, subject)
    with serving(shell, profile) as client:
        from xnatsync.services.resources import ResourceService

        rows = ResourceService(client).list(session, scan, project, subject=subject)
    shell.show_rows([resource_row(each) for each in rows], RESOURCE_COLUMNS, key="label")
    return Exit.OK


def show(
    ctx: typer.Context,
    words: WordsOfResource,
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a resource with its files, their sizes and digests."""
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-show", output, quiet)
    from xnatsync.services.resources import ResourceService
    from xnatsync.views.resources import resource_blocks, resource_fields

    session, label = named_resource(words, project, subject)
    with serving(shell, profile) as client:
        service = ResourceService(client)
        held = service.get(session, label, scan, project, subject=subject)
        files = service.list_files(session, label, scan, project, subject=subject)
    shell.show(resource_blocks(held, files), resource_fields(held, files))
    return Exit.OK


def upload(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[SESSION] LABEL PATH", show_default=False, help=f"{WORDS_OF_RESOURCE} A file or folder."
        ),
    ],
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    content: Annotated[str | None, typer.Option(metavar="WORD", help="The content, for the server's list.")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="WORD", help="The format, for the server's list.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there with another content.")] = False,
    extract: Annotated[bool, typer.Option("--extract", help="PATH is an archive: store what is in it.")] = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Upload a file, or everything below a folder, and prove each file by a new listing.

    Files keep their names, and nothing in them is unpacked.  What is there already is not sent again.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-upload", output, quiet)
    shell.limit(bandwidth)
    from xnatsync.cli.sending import sending
    from xnatsync.services.places import find_place
    from xnatsync.services.resource_sending import Wish
    from xnatsync.services.resource_uploads import ResourceUploads
    from xnatsync.views.errors import error_blocks
    from xnatsync.views.resources import stored_blocks, stored_fields

    *named, path = words
    if not named:
        raise Usage("no path was given", advice="Give [SESSION] LABEL PATH: the path is the last word.")
    session, label = named_resource(named, project, subject)
    wish = Wish(label, overwrite, format_, content, dry_run)
    with serving(shell, profile) as client, sending(shell.screen) as callback:
        place = find_place(client, session, scan=scan, project=project, subject=subject)
        done = ResourceUploads(client).store(place, [Path(path)], wish, extract=extract, callback=callback)
    for error in done.errors:
        shell.screen.complain(error_blocks(error))
    shell.show(stored_blocks(done), stored_fields(done))
    return done.exit_code


def delete(
    ctx: typer.Context,
    words: WordsOfResource,
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete a resource with all its files."""
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-delete", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.services.resources import ResourceService
    from xnatsync.views.resources import resource_blocks, resource_fields

    session, label = named_resource(words, project, subject)
    with serving(shell, profile) as client:
        service = ResourceService(client)
        held = service.get(session, label, scan, project, subject=subject)
        files = service.list_files(session, label, scan, project, subject=subject)
        plan = list(resource_blocks(held, files))
        if not dry_run:
            would = f"resource {label} with {len(files)} files would be deleted"
            sure(shell, yes=yes, question=f"Delete resource {label} with its files?", would=would, plan=plan)
            service.delete(session, label, scan, project, subject=subject)
    from xnatsync.views.resources import deleted_line

    shell.show(
        [*plan, deleted_line(dry_run=dry_run)],
        {**resource_fields(held, files), "dry_run": dry_run, "deleted": not dry_run},
    )
    return Exit.OK


def refresh(
    ctx: typer.Context,
    words: WordsOfResource,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--options", metavar="WORD", help="append, checksum, delete, populateStats. Repeatable, or with commas."
        ),
    ] = None,
    scan: ScanOption = None,
    project: ProjectOption = None,
    subject: SubjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Let the server look at its disk again: list, digest and count the files of a resource.

    Without --options, files are listed, digests computed and everything counted; `delete` also takes files off the list
    that are not on its disk.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-refresh", output, quiet)
    from xnatsync.services.resources import ResourceService
    from xnatsync.views.resources import resource_blocks, resource_fields

    session, label = named_resource(words, project, subject)
    wanted = [word for given in options or () for word in given.split(",") if word]
    with serving(shell, profile) as client:
        service = ResourceService(client)
        more = {"options": wanted} if wanted else {}
        held = service.refresh(session, label, scan, project, subject=subject, **more)
        files = service.list_files(session, label, scan, project, subject=subject)
    shell.show(resource_blocks(held, files), resource_fields(held, files))
    return Exit.OK
