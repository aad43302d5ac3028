"""The program: the tree of commands, the global options, and the one place where everything ends."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from xnatsync.cli import (
    accept,
    account,
    admin,
    api,
    assign,
    audit,
    certificate,
    completing,
    configuration,
    container,
    demo,
    dicom,
    health,
    helping,
    inspect,
    ledger,
    metrics,
    mirror,
    notify,
    pipeline,
    prearchive,
    project,
    prune,
    resolve,
    resource,
    rules,
    running,
    sandbox,
    scan,
    service,
    session,
    subject,
    sync,
    verify,
)
from xnatsync.cli.everywhere import spreading, take
from xnatsync.cli.exits import Terminated, by_loss, leave, leave_bug, terminated_by_signal
from xnatsync.cli.options import QUIETLY, OutputOption, ProfileOption
from xnatsync.cli.shell import Output, Shell
from xnatsync.cli.tree import Finish, parser
from xnatsync.core.errors import Exit, Usage, XnatsyncError
from xnatsync.report import streams
from xnatsync.views.blocks import Line, Tone

_MODULES = (
    *(demo, sync, verify, prune, inspect, resolve, accept, assign, rules, mirror, configuration, health, sandbox),
    *(account, project, subject, session, scan, resource, audit, certificate, ledger, completing, helping),
    *(prearchive, pipeline, container, api, dicom, admin, running, service, notify, metrics),
)
# Newer versions of typer carry click inside: its exceptions are found through the one that typer exports.
_CLICK_EXCEPTION = typer.BadParameter.__mro__[2]
_FOR_PEOPLE = {
    "InsecureConnection",
    "NotWrittenDown",
    "SessionIgnored",
}  # warnings of ours by name: their modules are heavy to import


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code; never raises.  The log, where one is wanted, ends with that code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    shell = Shell(output=_output_wanted(given))
    code = _ended(given, shell)
    shell.unlimit()
    shell.to_log(lambda log: log.ended(shell.command, code))
    return code


def _ended(given: list[str], shell: Shell) -> int:
    _completion_as_click_asks()
    try:
        with terminated_by_signal(), warnings.catch_warnings():
            _show_warnings(shell)
            return _run(given, shell)
    except SystemExit as done:  # the parser has printed a completion
        return done.code if isinstance(done.code, int) else Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated:
        return Exit.TERMINATED


def _run(given: list[str], shell: Shell) -> int:
    try:
        program = parser(build(), _finishing)
        completing.take_over(program, shell)
        result = program(args=given, prog_name="xnatsync", standalone_mode=False, obj=shell)
        streams.stdout(shell.loss).flush()
    except XnatsyncError as error:
        return leave(shell, error)
    except typer.Abort:
        return Exit.INTERRUPTED
    except Exception as error:  # the second supervisor: nothing leaves this program as a bare trace
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: what it can do is shown
            shell.screen.document(str(getattr(error, "message", error)))
            return by_loss(shell, Exit.OK)
        if isinstance(error, _CLICK_EXCEPTION):
            return leave(shell, _usage(error))
        if isinstance(error, OSError) and traceback.extract_tb(error.__traceback__)[-1].name == "echo":
            shell.loss.error = error  # the parser printed help, or a completion, that nobody could take
            return by_loss(shell, Exit.OK)
        return leave_bug(shell, error)
    return by_loss(shell, result if isinstance(result, int) else Exit.OK)


def _finishing(program: Any) -> Finish:
    """Return what completes a command: the options that it takes as all do, and its help."""
    spread = spreading(program)

    def finish(command: Any, path: tuple[str, ...]) -> None:
        spread(command, path)
        helping.explain_one(command, path)

    return finish


def _show_warnings(shell: Shell) -> None:
    """Print warnings that are for the user on stderr, each time; other libraries' stay as they are."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__name__ in _FOR_PEOPLE:
            shell.screen.complain([Line(f"warning: {message}", Tone.WARN)])
        else:
            others(message, category, *rest, **more)

    warnings.showwarning = show
    warnings.filterwarnings("always", category=UserWarning, module=r"xnatsync\.")


def build() -> typer.Typer:
    """Build the tree of commands."""
    program = typer.Typer(
        name="xnatsync",
        help="Send imaging data to XNAT, prove that it arrived, and keep the receipt.",
        epilog="Exit codes: 0 done, 2 usage or configuration, 3 something is held, 4 differences, 5 temporary, "
        "6 denied, 7 halted for safety, 8 another instance is at work.",
        rich_markup_mode=None,
        add_completion=True,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    program.callback(invoke_without_command=True)(_options)
    for module in _MODULES:
        module.register(program)
    return program


def _options(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar="XNATSYNC_CONFIG",
            help="The configuration file; else the usual one, which `xnatsync doctor` names.",
        ),
    ] = None,
    output: OutputOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help=QUIETLY)] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (as does NO_COLOR).")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Write the log to stderr.")] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file", metavar="FILE", help="Append the log to this file, as JSON lines; else it is not kept."
        ),
    ] = None,
    server: ProfileOption = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    shell = ctx.ensure_object(Shell)
    shell.profile = server or ""
    take(shell, config=config, output=output, quiet=quiet, no_color=no_color, verbose=verbose, log_file=log_file)
    if version:
        from xnatsync import __version__

        shell.screen.document(f"xnatsync {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        shell.screen.document(ctx.get_help())
        raise typer.Exit


def _usage(error: Exception) -> Usage:
    """Turn what the parser says into one of our errors; name the command whose help tells more."""
    words = error.format_message() if hasattr(error, "format_message") else str(error)
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return Usage(words)
    if (word := helping.unknown_command(words)) is not None:
        words = helping.absent(word, ctx.command.commands)
    return Usage(words, advice=f"`{ctx.command_path} --help` shows how to use it.")


def _completion_as_click_asks() -> None:
    """Take a request for completion as most programs spell it: `bash_source`, where typer has `source_bash`."""
    wanted = os.environ.get("_XNATSYNC_COMPLETE", "")
    shell, _, what = wanted.rpartition("_")
    if shell in {"bash", "zsh", "fish"} and what in {"source", "complete"}:
        os.environ["_XNATSYNC_COMPLETE"] = f"{what}_{shell}"


def _output_wanted(given: Sequence[str]) -> Output:
    """Look ahead for the form of the output, so that even a usage error is told in it."""
    for word, following in zip_longest(given, given[1:]):
        if word in {"-ojson", "--output=json"} or (word in {"-o", "--output"} and following == "json"):
            return Output.JSON
    return Output.TABLE
