"""`command`, `wrapper` and `container`: the Container Service."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, ProjectOption, QuietOption, YesOption
from xnatsync.cli.pipeline import (
    Interval,
    OfProject,
    OnSession,
    Params,
    Timeout,
    Wait,
    parameters,
    show_job,
)
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

ContainerArgument = Annotated[
    str, typer.Argument(metavar="CONTAINER", show_default=False, help="Its ID, as `container list` shows it.")
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="The commands of the Container Service.", rich_markup_mode=None, no_args_is_help=True)
    commands.command(name="list")(list_commands)
    commands.command(name="show")(show_command)
    program.add_typer(commands, name="command")
    wrappers = typer.Typer(help="The ways in which commands are run.", rich_markup_mode=None, no_args_is_help=True)
    wrappers.command(name="list")(list_wrappers)
    program.add_typer(wrappers, name="wrapper")
    group = typer.Typer(help="The containers of the Container Service.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_containers)
    for command in (show, launch, logs, kill):
        group.command()(command)
    program.add_typer(group, name="container")


def list_commands(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List the commands with image and version."""
    shell = ctx.ensure_object(Shell)
    shell.begin("command-list", output, quiet, lists=True)
    from xnatsync.views.jobs import COMMAND_COLUMNS, command_row

    with serving(shell, profile) as client:
        service = client.pipelines
        rows = [command_row(row) for row in service.containers.commands()]
    shell.show_rows(rows, COMMAND_COLUMNS)
    return Exit.OK


def show_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="COMMAND", show_default=False, help="Its number or name.")],
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a command as the server describes it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("command-show", output, quiet)
    from xnatsync.views.jobs import command_blocks

    with serving(shell, profile) as client:
        service = client.pipelines
        found = service.containers.command(name)
    shell.show(command_blocks(found), {"command": found})
    return Exit.OK


def list_wrappers(
    ctx: typer.Context,
    project: OfProject = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the wrappers; with a project, where each is enabled."""
    shell = ctx.ensure_object(Shell)
    shell.begin("wrapper-list", output, quiet, lists=True)
    from xnatsync.views.jobs import IN_A_PROJECT, WRAPPER_COLUMNS, pipeline_row

    with serving(shell, profile) as client:
        service = client.pipelines
        rows = [pipeline_row(row) for row in service.containers.wrappers(project)]
    shell.show_rows(rows, WRAPPER_COLUMNS | (IN_A_PROJECT if project else {}))
    return Exit.OK


def list_containers(
    ctx: typer.Context,
    project: OfProject = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="WORD", help="Only those whose status begins so.")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the containers that this account may see."""
    shell = ctx.ensure_object(Shell)
    shell.begin("container-list", output, quiet, lists=True)
    from xnatsync.views.jobs import CONTAINER_COLUMNS, container_row

    with serving(shell, profile) as client:
        service = client.pipelines
        rows = [container_row(row) for row in service.containers.list(project, status)]
    shell.show_rows(rows, CONTAINER_COLUMNS)
    return Exit.OK


def show(
    ctx: typer.Context,
    container: ContainerArgument,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a container with its job, its image and its inputs."""
    shell = ctx.ensure_object(Shell)
    shell.begin("container-show", output, quiet)
    from xnatsync.views.jobs import container_blocks, container_row

    with serving(shell, profile) as client:
        service = client.pipelines
        found = service.containers.get(container)
    shell.show(container_blocks(found), {**container_row(found), "inputs": found.inputs, "raw": found.raw})
    return Exit.OK


def launch(
    ctx: typer.Context,
    wrapper: Annotated[str, typer.Argument(metavar="WRAPPER", show_default=False, help="Its number or name.")],
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
    """Launch a wrapper on a session; prints its job."""
    shell = ctx.ensure_object(Shell)
    shell.begin("container-launch", output, quiet)
    with serving(shell, profile) as client:
        service = client.pipelines
        service.containers.find(wrapper)  # never a pipeline of the old engine that has the name
        job = service.run(wrapper, experiment, project, parameters(param))
        if wait:
            job = service.wait(job, timeout, interval)
    return show_job(shell, job)


def logs(
    ctx: typer.Context,
    container: ContainerArgument,
    stderr: Annotated[bool, typer.Option("--stderr", help="What it wrote to stderr, not to stdout.")] = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Print what a container wrote."""
    shell = ctx.ensure_object(Shell)
    shell.begin("container-logs", output, quiet)
    from xnatsync.views.printable import printable

    stream = "stderr" if stderr else "stdout"
    with serving(shell, profile) as client:
        service = client.pipelines
        text = service.containers.logs(container, stream)
    if shell.is_json:
        shell.show((), {"id": container, "stream": stream, "text": text})
    else:
        for line in text.splitlines():
            shell.screen.document(printable(line))
    return Exit.OK


def kill(
    ctx: typer.Context,
    container: ContainerArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Kill a container that runs, and see that it is killed."""
    shell = ctx.ensure_object(Shell)
    shell.begin("container-kill", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.jobs import container_blocks, container_row

    with serving(shell, profile) as client:
        service = client.pipelines
        found = service.containers.killable(container)
        if not dry_run:
            would, plan = f"container {container} would be killed", container_blocks(found)
            sure(shell, yes=yes, question=f"Kill container {container}?", would=would, plan=plan)
            found = service.containers.kill(container)
    shell.show(container_blocks(found), {"dry_run": dry_run, **container_row(found)})
    return Exit.OK
