"""`pipeline`: what can be run on a session, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage

OfProject = Annotated[
    str | None, typer.Option("--project", "-P", metavar="ID", help="In this project; else everywhere.")
]
OnSession = Annotated[
    str, typer.Option("--experiment", "-E", metavar="ID|LABEL", help="Accession ID, or with a project a label.")
]
Params = Annotated[
    list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter of it. Repeatable.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for its end.")]
Timeout = Annotated[int, typer.Option(metavar="SECONDS", min=0, help="How long to wait at most.")]
Interval = Annotated[int, typer.Option(metavar="SECONDS", min=1, help="The time between two looks.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", show_default=False, help="Its number, or its container.")]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="What can be run on a session.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_pipelines)
    for command in (run, status, cancel, jobs):
        group.command()(command)
    program.add_typer(group, name="pipeline")


def list_pipelines(
    ctx: typer.Context,
    project: OfProject = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List what can be run: wrappers of the Container Service, and pipelines of the old engine."""
    shell = ctx.ensure_object(Shell)
    shell.begin("pipeline-list", output, quiet, lists=True)
    from xnatsync.views.jobs import IN_A_PROJECT, PIPELINE_COLUMNS, pipeline_row

    with serving(shell, profile) as client:
        service = client.pipelines
        rows = [pipeline_row(row) for row in service.list(project)]
    shell.show_rows(rows, PIPELINE_COLUMNS | (IN_A_PROJECT if project else {}), key="name")
    return Exit.OK


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="As `list` shows it.")],
    experiment: OnSession,
    project: ProjectOption = None,
    param: Params = None,
    wait: Wait = False,
    timeout: Timeout = 3600,
    interval: Interval = 30,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Run a pipeline on a session; prints its job."""
    shell = ctx.ensure_object(Shell)
    shell.begin("pipeline-run", output, quiet)
    with serving(shell, profile) as client:
        service = client.pipelines
        job = service.run(name, experiment, project, parameters(param))
        if wait:
            job = service.wait(job, timeout, interval, _watching(shell))
    return show_job(shell, job)


def status(
    ctx: typer.Context,
    job: JobArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until it has ended.")] = False,
    interval: Interval = 30,
    timeout: Timeout = 3600,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show how far a job is."""
    shell = ctx.ensure_object(Shell)
    shell.begin("pipeline-status", output, quiet)
    with serving(shell, profile) as client:
        service = client.pipelines
        found = service.wait(job, timeout, interval, _watching(shell)) if watch else service.status(job)
    return show_job(shell, found)


def cancel(
    ctx: typer.Context,
    job: JobArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Cancel a job that runs, and see that it has ended."""
    shell = ctx.ensure_object(Shell)
    shell.begin("pipeline-cancel", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.jobs import cancelled_fields, job_blocks

    with serving(shell, profile) as client:
        service = client.pipelines
        found, cancelled = service.cancellable(job), False
        if not dry_run:
            would, plan = f"job {found.job_id} would be cancelled", job_blocks(found)
            sure(shell, yes=yes, question=f"Cancel job {found.job_id}?", would=would, plan=plan)
            cancelled = service.cancel(found)
            found = service.status(found)
    shell.show(job_blocks(found), cancelled_fields(found, dry_run=dry_run, cancelled=cancelled))
    return Exit.OK if cancelled or dry_run else Exit.HELD


def jobs(
    ctx: typer.Context,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-E", metavar="ID|LABEL", help="Only those of this session.")
    ] = None,
    project: OfProject = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="WORD", help="Only those: running, complete, failed.")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List jobs, the newest first: of a session, else the containers of a project or of the site."""
    shell = ctx.ensure_object(Shell)
    shell.begin("pipeline-jobs", output, quiet, lists=True)
    from xnatsync.views.jobs import JOB_COLUMNS, job_row

    with serving(shell, profile) as client:
        service = client.pipelines
        rows = [job_row(job) for job in service.list_jobs(experiment, project, status, None)]
    shell.show_rows(rows, JOB_COLUMNS, key="job_id")
    return Exit.OK


def parameters(given: list[str] | None) -> dict[str, Any]:
    """Read `name=value`; Usage when one is none."""
    found = {}
    for word in given or ():
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise Usage(f"{word} is no parameter", advice="Write it as NAME=VALUE.")
        found[name] = value
    return found


def show_job(shell: Shell, job: Mapping[str, Any]) -> int:
    """Print a job; with `-q` its number alone, for scripts."""
    from xnatsync.views.jobs import job_blocks, job_row

    if shell.quiet and not shell.is_json:
        shell.screen.document(str(job["job_id"]))
    else:
        shell.show(job_blocks(job), job_row(job))
    return Exit.HELD if job["state"] == "failed" else Exit.OK


def _watching(shell: Shell) -> Any:
    from xnatsync.views.jobs import watched_line

    return lambda job: shell.screen.say(watched_line(job))
