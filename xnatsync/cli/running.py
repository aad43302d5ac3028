"""`run`, `pause` and `resume`: the agent, which works until it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

if TYPE_CHECKING:
    from xnatsync.agent.agent import Agent

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", show_default=False, help="Routes and jobs; all, if none is named."),
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(run)
    program.command()(pause)
    program.command()(resume)


def run(
    ctx: typer.Context,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Only read the configuration as the agent does, and end.")
    ] = False,
    output: OutputOption = None,
) -> int:
    """Run as a service: watch drop folders, run mirrors and jobs by schedule, until it is stopped."""
    shell = ctx.ensure_object(Shell)
    shell.begin("run", output)
    from xnatsync.views.blocks import Line, Tone

    config = shell.config()
    if check_config:
        words = f"{shell.place_of_config} is valid: the agent would take it"
        shell.show([Line(words, Tone.GOOD)], {"routes": sorted(config.routes), "jobs": sorted(config.jobs)})
        return Exit.OK
    from xnatsync.agent.agent import Agent
    from xnatsync.agent.watching import Events
    from xnatsync.app.app import App
    from xnatsync.report.log import open_log
    from xnatsync.views.certificate_page import signed

    with open_log(shell.log_file, shell.no_log) as log:
        agent = Agent(shell.config, make=partial(App, sign=signed), watcher=Events, observe=log.hear, on_bug=log.bug)
        with _signals(agent):
            code = agent.run()
    shell.show([], {"routes": sorted(config.routes), "jobs": sorted(config.jobs)})
    return code


@contextmanager
def _signals(agent: Agent) -> Iterator[None]:
    """SIGTERM and SIGINT ask the agent to end (the second time it ends at once), SIGHUP to read its configuration."""

    def stop(number: int, frame: Any) -> None:
        if agent.stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        agent.stop.set()
        agent.wake.set()

    def reload(number: int, frame: Any) -> None:
        agent.reload.set()
        agent.wake.set()

    wanted = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hasattr(signal, "SIGHUP"):
        wanted[signal.SIGHUP] = reload
    former = {number: signal.signal(number, act) for number, act in wanted.items()}
    try:
        yield
    finally:
        for number, act in former.items():
            signal.signal(number, act)


def pause(
    ctx: typer.Context, names: NamesArgument = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Let the agent begin nothing more with routes or jobs, until `resume`."""
    return _pause(ctx.ensure_object(Shell), "pause", names or [], output, quiet)


def resume(
    ctx: typer.Context, names: NamesArgument = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Let the agent go on with what was paused."""
    return _pause(ctx.ensure_object(Shell), "resume", names or [], output, quiet)


def _pause(shell: Shell, verb: str, names: list[str], output: OutputOption, quiet: bool) -> int:
    shell.begin(verb, output, quiet)
    from xnatsync.app import pausing
    from xnatsync.views.agent import pause_blocks, pause_fields

    found = (pausing.pause if verb == "pause" else pausing.resume)(shell.config(), names)
    shell.show(pause_blocks(found, verb), pause_fields(found))
    return Exit.OK
