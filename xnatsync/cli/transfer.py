"""`project transfer` and its companions: from the project of one server to that of another."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import BandwidthOption, DryRunOption, OutputOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.shell import Shell
from xnatsync.cli.transfer_words import DestProjectOption, Named, Words, named, naming_ends, the_project
from xnatsync.core.errors import Exit

if TYPE_CHECKING:
    from xnatsync.app.transfer import Transfers

_WORKERS_MAX = 32


class Engine(StrEnum):
    """Where the work is done."""

    LOCAL = "local"
    DASK = "dask"


class Dicom(StrEnum):
    """How DICOM travels."""

    COPY = "copy"
    IMPORT = "import"


def register(group: typer.Typer) -> None:
    """Add the commands of this module to `project`."""
    group.command(name="transfer")(naming_ends(transfer))
    group.command(name="transfer-check")(naming_ends(check))
    group.command(name="transfer-status")(status)
    group.command(name="transfer-history")(history)
    group.command(name="transfer-init")(init)


def transfer(
    ctx: typer.Context,
    ends: Named,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, max=_WORKERS_MAX, help="Requests at once; else 4.", show_default=False),
    ] = None,
    dicom: Annotated[
        Dicom | None,
        typer.Option(help="Copy DICOM, or import it: scripts of the destination run.", show_default=False),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Send again what was deleted at the destination.")] = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Do what a plan says: `--dry-run -o json` writes it.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Work in this process, or by the workers of a Dask cluster.")
    ] = Engine.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster: tls://host:port.")
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Copy a project to another server, with everything that belongs to it, and sign for it.

    With --to-folder it goes to a folder on disk, and with --from-folder from there to a server.  The source is only
    read, and nothing is overwritten at the destination.  The same command again finds what is new.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-plan" if dry_run else "project-transfer", output, quiet)
    shell.limit(bandwidth)
    from xnatsync.app.transfer_plan import read_plan

    words = Words(shell, ends)
    planned = read_plan(plan) if plan is not None else None
    if planned is not None:
        words.take(planned.document)
    order = words.order(workers=workers, dicom=dicom.value if dicom else None, repair=repair)
    if engine is Engine.DASK or scheduler is not None:
        order = words.by_engine(order, engine.value, scheduler)
    transfers = words.between(order)
    if dry_run:
        return _plan(shell, transfers)
    _sure(shell, transfers, yes=yes)
    return _transfer(shell, transfers, planned)


def check(
    ctx: typer.Context,
    ends: Named,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Ask both servers whether a transfer would go through. Changes nothing."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-check", output, quiet)
    from xnatsync.views.doctor import doctor_blocks, doctor_fields

    words = Words(shell, ends)
    checks = words.between(words.order()).check()
    shell.show(doctor_blocks(checks), doctor_fields(checks))
    return checks.exit_code


def status(
    ctx: typer.Context, project: ProjectOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show how the last transfer of a project ended."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-status", output, quiet)
    from xnatsync.app.transfer_runs import last_run
    from xnatsync.views.transfer import status_blocks, status_fields

    config = shell.known()
    found = last_run(config, the_project(shell, project))
    shell.show(status_blocks(found), status_fields(found))
    return Exit.OK


def history(
    ctx: typer.Context, project: ProjectOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List all transfers of a project, the newest first."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-history", output, quiet, lists=True)
    from xnatsync.app.transfer_runs import runs_of
    from xnatsync.views.transfer import run_row

    rows = [run_row(run) for run in runs_of(shell.known(), the_project(shell, project))]
    headings = {
        "id": "id", "status": "status", "started_at": "started", "ended_at": "ended", "subjects_synced": "subjects",
        "experiments_synced": "experiments", "dest_server": "to server", "dest_project": "to project",
    }  # fmt: skip
    shell.show_rows(rows, headings)
    return Exit.OK


def init(
    ctx: typer.Context,
    project: ProjectOption = None,
    dest_project: DestProjectOption = None,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", "-f", metavar="FILE", help="Write it there, not to the screen.")
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Write a file for `project transfer --config`, with every key and its default."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-transfer-init", output, quiet)
    from xnatsync.app.named_files import write_whole
    from xnatsync.config.transfer_yaml import transfer_yaml
    from xnatsync.views.blocks import Line, Tone

    source, destination = the_project(shell, project), named("--dest-project", dest_project)
    text = transfer_yaml(source, destination)
    if output_file is not None:
        write_whole(output_file, text, force=False)
    if shell.is_json or output_file is not None:
        written = str(output_file) if output_file is not None else None
        told = f"{written} is written: the option --config of `project transfer` reads it"
        shell.show([Line(told, Tone.GOOD)], {"path": written, "text": text})
    else:
        shell.screen.document(text.rstrip("\n"))
    return Exit.OK


# --- doing -------------------------------------------------------------------------------------------------------


def _sure(shell: Shell, transfers: Transfers, *, yes: bool) -> None:
    from xnatsync.cli.asking import sure

    here, there = transfers.ends.source.side(), transfers.ends.destination.side()
    where = there.url if transfers.config.to_folder is not None else f"{there.project} of {there.server}"
    what = f"project {here.project} of {here.server} would be copied to {where}"
    sure(shell, yes=yes, question=f"Copy project {here.project} to {where} now?", would=what)


def _transfer(shell: Shell, transfers: Transfers, planned: object) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.transfer_plan import Planned
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.certificate_page import signed
    from xnatsync.views.transfer import transfer_blocks, transfer_fields

    assert planned is None or isinstance(planned, Planned)
    with stop_on_signals(transfers.app.stop) as received, watched(shell) as (progress, log):
        if planned is None:
            report = transfers.run(progress=progress, sign=signed, on_bug=log.bug)
        else:
            report = transfers.run_planned(planned, progress=progress, sign=signed, on_bug=log.bug)
        for error in report.all_errors:
            log.failed(error.code, "run")
    code = by_signal(received, report.exit_code)
    shell.show(transfer_blocks(report), transfer_fields(report, code))
    return code


def _plan(shell: Shell, transfers: Transfers) -> int:
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.trees import exit_code_of
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.transfer import plan_blocks, plan_fields

    with stop_on_signals(transfers.app.stop) as received, watched(shell) as (progress, _):
        planned = transfers.plan(progress=progress)
    code = by_signal(received, exit_code_of(planned.errors))
    shell.show(plan_blocks(planned), plan_fields(transfers, planned, code))
    return code
