"""`scan show|delete|quality|note`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from xnatsync.cli.changing import ended, goes_on
from xnatsync.cli.options import (
    DryRunOption,
    OutputOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    SessionOption,
    YesOption,
)
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.changes import DONE, FAILED, PLANNED, Change

if TYPE_CHECKING:
    from xnatsync.services.scans import ScanService

ScansOption = Annotated[str, typer.Option("--scans", "-s", metavar="1,2,3", help="Scans by ID; '*' for all.")]
WORKERS: Final = 4


def register(group: typer.Typer) -> None:
    """Add the commands of this module to `scan`."""
    for command in (show, delete, quality, note):
        group.command()(command)


def show(
    ctx: typer.Context,
    scan: Annotated[str, typer.Argument(metavar="SCAN", show_default=False, help="Its ID.")],
    experiment: SessionOption,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a scan with its resources."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-show", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.scans import ScanService
    from xnatsync.services.sessions import SessionService
    from xnatsync.views.services import scan_blocks, scan_fields

    with serving(shell, profile) as client:
        session = Accession(SessionService(client).get(experiment, project).id)
        service = ScanService(client)
        found, resources = service.get(session, scan), service.get_resources(session, scan)
    shell.show(scan_blocks(found, resources), scan_fields(found, session, resources))
    return Exit.OK


def delete(
    ctx: typer.Context,
    experiment: SessionOption,
    scans: ScansOption,
    project: ProjectOption = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, max=8, metavar="N", help="The number of scans at once.")
    ] = WORKERS,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Delete scans with their files; a scan that is not in the session is an error before anything is deleted."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-delete", output, quiet)
    from xnatsync.services.finding import Accession
    from xnatsync.services.scans import ScanService
    from xnatsync.services.sessions import SessionService

    with serving(shell, profile) as client:
        held, held_by = SessionService(client).deletable(experiment, project)
        service, session = ScanService(client), Accession(held.id)
        wanted = service.named(session, scans)
        plan = [Change("delete", "scan", name, name, held_by, outcome=PLANNED) for name in wanted]
        question = f"Delete {len(wanted)} scans ({', '.join(wanted)}) of session {held.label} ({held.id})?"
        if not goes_on(shell, plan, dry_run=dry_run, yes=yes, question=question):
            return Exit.OK
        done = service.delete_multiple(session, wanted, workers=workers) if wanted else {"deleted": [], "errors": []}
    failed = {row["scan_id"]: row for row in done["errors"]}
    return ended(shell, [_deleted(change, failed.get(change.id)) for change in plan])


def _deleted(change: Change, error: dict[str, str] | None) -> Change:
    if error is None:
        return change.as_(DONE)
    return Change(change.deed, change.kind, change.id, change.label, change.project, "", "", FAILED, *_told(error))


def _told(error: dict[str, str]) -> tuple[str, str]:
    return error["error"], error["code"]


def quality(
    ctx: typer.Context,
    experiment: SessionOption,
    scans: ScansOption,
    value: Annotated[
        str,
        typer.Argument(
            metavar="QUALITY", show_default=False, help="usable, questionable, unusable, or a word that the site uses."
        ),
    ],
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Say how good scans are."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-quality", output, quiet)
    with serving(shell, profile) as client:
        from xnatsync.services.scans import ScanService

        return _set(shell, ScanService(client), (experiment, project, scans), "quality", value, dry_run=dry_run)


def note(
    ctx: typer.Context,
    experiment: SessionOption,
    scans: ScansOption,
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False, help="Instead of the note it has.")],
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Write a note to scans."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-note", output, quiet)
    with serving(shell, profile) as client:
        from xnatsync.services.scans import ScanService

        return _set(shell, ScanService(client), (experiment, project, scans), "note", text, dry_run=dry_run)


def _set(
    shell: Shell, service: ScanService, which: tuple[str, str | None, str], field: str, value: str, *, dry_run: bool
) -> int:
    """Set a field of scans; all of them are there before the first is changed."""
    from xnatsync.services.finding import Accession
    from xnatsync.services.sessions import SessionService

    experiment, project, scans = which
    session = SessionService(service.client).get(experiment, project)
    wanted = service.named(Accession(session.id), scans)
    changes = [Change("set", field, name, f"scan {name}", session.project, after=value) for name in wanted]
    if not goes_on(shell, [change.as_(PLANNED) for change in changes], dry_run=dry_run):
        return Exit.OK
    for name in wanted:
        (service.set_quality if field == "quality" else service.set_note)(Accession(session.id), name, value)
    return ended(shell, changes)
