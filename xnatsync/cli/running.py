"""`run`, `pause` and `resume`: the agent, which works until it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage

if TYPE_CHECKING:
    from xnatsync.agent.agent import Agent
    from xnatsync.config.model import Config

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", show_default=False, help="Routes and jobs; all, if none is named."),
]


class LogLevel(StrEnum):
    """How grave a line is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


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
    log: Annotated[
        str | None, typer.Option("--log", metavar="PLACE", help="Where the log goes: stderr, journal, or a file.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="The least grave lines that are written.")] = LogLevel.INFO,
    log_size: Annotated[str, typer.Option(metavar="SIZE", help="A log file of this size gets another name.")] = "10MiB",
    log_keep: Annotated[int, typer.Option(min=1, max=1000, help="How many of those are kept.")] = 5,
    output: OutputOption = None,
) -> int:
    """Run as a service: watch drop folders, run mirrors and jobs by schedule, until it is stopped."""
    shell = ctx.ensure_object(Shell)
    if log is not None and shell.log_file is not None:
        raise Usage("--log and --log-file were given: --log takes a file, too")
    size_max = _size(log_size)
    place = log or (str(shell.log_file) if shell.log_file is not None else "stderr")
    shell.log_file = Path(place) if place not in {"stderr", "journal"} else None
    shell.begin("run", output)
    from xnatsync.views.blocks import Line, Tone

    config = shell.config()
    if check_config:
        from xnatsync.app.doctor import examine
        from xnatsync.views.doctor import doctor_blocks, doctor_fields

        words = f"{shell.place_of_config} is valid: the agent would take it"
        checks = examine(shell.config_file, asks_servers=False)
        fields = {**_names(config), "checks": doctor_fields(checks)["checks"]}
        shell.show([Line(words, Tone.GOOD), *doctor_blocks(checks)], fields)
        return Exit.OK
    from xnatsync.agent.agent import Agent
    from xnatsync.agent.watching import Events
    from xnatsync.app.app import App
    from xnatsync.report.log import open_lasting_log
    from xnatsync.views.certificate_page import signed

    with open_lasting_log(place, log_level.value, size_max, log_keep, partial(_no_log, shell, place)) as lines:
        if shell.log_file is None:  # of a file, whoever runs the program writes the first line and the last
            lines.began("run")
        make = partial(App, sign=signed)
        agent = Agent(shell.config, make=make, watcher=Events, observe=lines.hear, on_bug=lines.bug)
        with _signals(agent):
            code = agent.run()
        if shell.log_file is None:
            lines.ended("run", code)
    shell.show([], {**_names(config), "checks": []})
    return code


def _names(config: Config) -> dict[str, object]:
    return {"routes": sorted(config.routes), "jobs": sorted(config.jobs)}


def _size(text: str) -> int:
    from xnatsync.config.words import size_bytes

    try:
        return size_bytes(text)
    except ValueError as error:
        raise Usage(f"--log-size: {error}") from None


def _no_log(shell: Shell, place: str, error: OSError) -> None:
    """Say that there is no such log; the work goes on, and the lines go to stderr."""
    from xnatsync.views.blocks import Line, Tone

    words = error.strerror or type(error).__name__
    shell.screen.complain([Line(f"the log {place} cannot be written: {words}; its lines go to stderr", Tone.WARN)])


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
