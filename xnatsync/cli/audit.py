"""`audit`: is everything there that should be?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Line, Tone


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(audit)


def audit(
    ctx: typer.Context,
    manifest: Annotated[
        Path | None, typer.Argument(metavar="[MANIFEST]", show_default=False, help="Expected sessions, JSON or CSV.")
    ] = None,
    project: ProjectOption = None,
    init: Annotated[
        Path | None, typer.Option("--init", metavar="FILE", help="Write a manifest of what is there now, and end.")
    ] = None,
    schedule: Annotated[
        Path | None, typer.Option("--schedule", metavar="FILE", help="What was to be acquired when, as CSV.")
    ] = None,
    mirror: Annotated[
        str | None, typer.Option("--mirror", metavar="ROUTE|DIR", help="A mirror that should hold all of it.")
    ] = None,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Extra sessions are no difference.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page of it, too.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the FILE of --init or --html.")] = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compare a project with what is expected of it.

    With a manifest of sessions and scan counts, a schedule, a mirror, or all of them.  Changes nothing.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("audit", output, quiet)
    from xnatsync.app import audit as service
    from xnatsync.app import audit_files as expectations
    from xnatsync.app import named_files as handwritten
    from xnatsync.app.clock import today
    from xnatsync.app.profile import choose, connected
    from xnatsync.views.audit import audit_blocks, audit_fields
    from xnatsync.views.audit_page import audit_page

    expected = expectations.read_manifest(manifest) if manifest is not None else None
    planned = expectations.read_schedule(schedule) if schedule is not None else None
    handwritten.refuse_taken([path for path in (init, html) if path is not None], force=force)
    chosen = choose(shell.config_file, profile)
    wanted = chosen.project_or_default(project)
    place = service.mirror_place(chosen.config, mirror, today()) if mirror is not None else None
    if init is None:
        service.refuse_nothing(expected, planned, place)
    with connected(chosen) as server:
        counts = service.held(server, wanted)
    if init is not None:
        expectations.write_manifest(init, counts, force=force)
        text = f"{init} names {counted(len(counts), 'session')} of project {wanted} as they are now"
        shell.show([Line(text, Tone.GOOD)], audit_fields(service.nothing_compared(counts, wanted, today())))
        return Exit.OK
    report = service.audit(
        counts, wanted, today(), manifest=expected, schedule=planned, mirror=place, allow_extra=allow_extra
    )
    if html is not None:
        page = audit_page(report.project, report.today, report.findings, report.differences)
        handwritten.write_whole(html, page, force=force)
    shell.show(audit_blocks(report, quiet=shell.quiet), audit_fields(report))
    return report.exit_code
