"""`verify`: is what was brought still there, on both sides?"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption, RoutesArgument
from xnatsync.cli.shell import Shell

if TYPE_CHECKING:
    from xnatsync.app.verify import Asked
    from xnatsync.core.verification import VerifyReport

_WORKERS = 2
_WORKERS_MAX = 16


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(verify)


def verify(
    ctx: typer.Context,
    routes: RoutesArgument = None,
    level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="counts, names, pixels or bytes; else that of each route.")
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(metavar="N|P%|1/T", help="How many of each route, those verified longest ago first; else all."),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option("--project", "-P", metavar="PATTERN", help="Only these projects. Repeatable.")
    ] = None,
    subject: Annotated[
        list[str] | None, typer.Option("--subject", "-S", metavar="PATTERN", help="Only these subjects. Repeatable.")
    ] = None,
    session: Annotated[
        list[str] | None, typer.Option("--session", "-E", metavar="PATTERN", help="Only these sessions. Repeatable.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Report files that we did not send as differences.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Queue repairs for the next `sync`. Changes nothing on the server.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what --repair would do, and do nothing.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page, too.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report for programs (JSON), too.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the FILE of --html or --report.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=_WORKERS_MAX, help="How many sessions are verified at once.")
    ] = _WORKERS,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compare delivered data with the server and the local copy; report missing, different and extra files.

    Changes nothing; with --repair, repairs are queued for the next `sync`.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("verify", output, quiet)
    asked = _asked(
        level, sample, (project or [], subject or [], session or []),
        strict=strict, repair=repair, rehearse=dry_run, workers=workers,
    )  # fmt: skip
    return _run(shell, routes or (), asked, html, report, force=force)


def _run(
    shell: Shell, routes: Sequence[str], asked: Asked, html: Path | None, report: Path | None, *, force: bool
) -> int:
    from xnatsync.app import named_files as handwritten
    from xnatsync.app import verify as service
    from xnatsync.app.app import App
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.views.verify import verify_blocks, verify_fields

    handwritten.refuse_taken([path for path in (html, report) if path is not None], force=force)
    stop = threading.Event()
    app = App(shell.known(), stop)
    with stop_on_signals(stop) as received, watched(shell) as (progress, _):
        found = service.verify(app, routes, asked, progress=progress)
    code = by_signal(received, found.exit_code)
    fields = {**verify_fields(found), "exit_code": code}
    _write(shell, html, report, found, fields, force=force)
    shell.show(verify_blocks(found), fields)
    return code


def _asked(
    level: str | None,
    sample: str | None,
    scope: tuple[list[str], list[str], list[str]],
    *,
    strict: bool,
    repair: bool,
    rehearse: bool,
    workers: int,
) -> Asked:
    from xnatsync.app.verify import Asked
    from xnatsync.core.errors import Usage
    from xnatsync.core.manifest import Level
    from xnatsync.core.sampling import Sample, Scope

    if level is not None and level not in set(Level):
        raise Usage(f"--level: `{level}` is not a level: {', '.join(Level)}")
    if rehearse and not repair:
        raise Usage("--dry-run says what --repair would do: give both; `verify` alone changes nothing")
    try:
        return Asked(
            Level(level) if level is not None else None,
            Sample.parse(sample) if sample is not None else None,
            Scope.parse(*scope),
            strict=strict,
            repair=repair,
            rehearse=rehearse,
            workers=workers,
        )
    except ValueError as error:
        raise Usage(str(error)) from error


def _write(
    shell: Shell, html: Path | None, report: Path | None, found: VerifyReport, fields: dict[str, object], *, force: bool
) -> None:
    """Write the files that were asked for, each whole or not at all."""
    from xnatsync import __version__
    from xnatsync.app.named_files import write_whole
    from xnatsync.views.jsonout import document
    from xnatsync.views.verification_page import verification_page

    if html is not None:
        write_whole(html, verification_page(found, f"xnatsync {__version__}"), force=force)
    if report is not None:
        write_whole(report, document(shell.command, fields, shell.calling) + "\n", force=force)
