"""`mirror ls`, `diff`, `restore`, `manifest`: what lay in a tree at a moment.  They only read, also beside a run."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Output, Shell
from xnatsync.core.errors import Exit

RouteArgument = Annotated[str, typer.Argument(metavar="ROUTE", show_default=False, help="A route that keeps a tree.")]
_MOMENT = "A day (its end), a time (UTC if no zone is given), `2h ago`, or now."
AtOption = Annotated[str, typer.Option("--at", metavar="TIME", help=_MOMENT)]


class Form(StrEnum):
    """The form of a manifest."""

    JSON = "json"
    CSV = "csv"
    TSV = "tsv"


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="What was in the tree of a mirror, and when.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="ls")(list_tree)
    group.command(name="diff")(diff)
    group.command(name="restore")(restore)
    group.command(name="manifest")(manifest)
    program.add_typer(group, name="mirror")


def list_tree(
    ctx: typer.Context,
    route: RouteArgument,
    path: Annotated[str, typer.Argument(metavar="[PATH]", show_default=False, help="In the tree.")] = "",
    at: AtOption = "now",
    long: Annotated[bool, typer.Option("--long", "-l", help="Size, since when, and where the bytes are now.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Every file, instead of folders.")] = False,
    output: OutputOption = None,
) -> int:
    """List what was in a mirror at a given time."""
    shell = ctx.ensure_object(Shell)
    shell.begin("mirror-ls", output)
    from xnatsync.app.history import look_back, moment_of
    from xnatsync.views.history import sight_blocks, sight_fields, sight_lines

    now = moment_of("now")  # before what was asked: then "now" is not earlier
    seen = look_back(shell.config(), route, path, moment_of(at), deep=recursive, now=now)
    if shell.output is not Output.TABLE or long or shell.picking.is_asked or not seen.entries:
        shell.show(sight_blocks(seen), sight_fields(seen))
    else:
        shell.screen.document("\n".join(sight_lines(seen)))
    return Exit.OK


def diff(
    ctx: typer.Context,
    route: RouteArgument,
    before: Annotated[str, typer.Argument(metavar="FROM", show_default=False, help=_MOMENT)],
    after: Annotated[
        str, typer.Argument(metavar="[TO]", show_default=False, help="The later timestamp; else now.")
    ] = "now",
    path: Annotated[str, typer.Option("--path", metavar="PATH", help="Only at or below this path of the tree.")] = "",
    output: OutputOption = None,
) -> int:
    """Show what changed in a mirror between two timestamps."""
    shell = ctx.ensure_object(Shell)
    shell.begin("mirror-diff", output)
    from xnatsync.app.history import compare, moment_of
    from xnatsync.views.history import comparison_blocks, comparison_fields

    now = moment_of("now")
    found = compare(shell.config(), route, moment_of(before, "FROM"), moment_of(after, "TO"), path, now=now)
    shell.show(comparison_blocks(found), comparison_fields(found))
    return Exit.OK


def restore(
    ctx: typer.Context,
    route: RouteArgument,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", show_default=False, help="In the tree; `.` is all.")],
    at: AtOption,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Outside of every route's folder.")],
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Copy what was in a mirror at a given time into another folder.

    From the tree or its trash; each file is compared with its digest, and nothing is overwritten.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("mirror-restore", output, quiet)
    from xnatsync.app.app import App
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.history import moment_of
    from xnatsync.app.restore import restore as copy
    from xnatsync.cli.exits import by_signal
    from xnatsync.views.history import restore_blocks, restore_fields

    stop = threading.Event()
    with stop_on_signals(stop) as received:
        now = moment_of("now")
        report = copy(App(shell.config(), stop), route, paths, moment_of(at), to, now=now)
    code = by_signal(received, report.exit_code)
    shell.show(restore_blocks(report), {"exit_code": code, **restore_fields(report)})
    return code


def manifest(
    ctx: typer.Context,
    route: RouteArgument,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help=f"{_MOMENT} Else since the tree last changed.")
    ] = None,
    form: Annotated[Form | None, typer.Option("--output", "-o", help="The form; csv, if nothing else is said.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Write it to a new file instead of showing it.")
    ] = None,
    quiet: QuietOption = False,
) -> int:
    """Write a manifest of a mirror for a paper: path, digest and origin of every file.

    Written again, it is the same bytes.
    """
    shell = ctx.ensure_object(Shell)
    chosen = form or (Form(shell.output) if shell.output is not Output.TABLE else Form.CSV)
    shell.begin("mirror-manifest", Output.JSON if chosen is Form.JSON else Output.TABLE, quiet)
    from xnatsync.app.tree_manifest import tree_list, write_list
    from xnatsync.views.tree_manifest import manifest_line, manifest_text

    config = shell.config()
    listed = tree_list(config, route, at)
    text = manifest_text(listed, chosen.value)
    if file is None:
        shell.screen.exact(text)
    else:
        shell.screen.say(manifest_line(listed, str(file), is_new=write_list(config, file, text)))
    return Exit.OK
