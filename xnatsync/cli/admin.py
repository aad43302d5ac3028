"""`admin`: catalogues, histories, users, settings, plug-ins and version of a server."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from xnatsync.cli import admin_users
from xnatsync.cli.options import DryRunOption, OutputOption, ProfileOption, QuietOption, YesOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage


class Refresh(StrEnum):
    """What a refresh does."""

    CHECKSUM = "checksum"
    DELETE = "delete"
    APPEND = "append"
    STATS = "populateStats"


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="What administrators ask for.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="refresh-catalogs")(refresh_catalogs)
    group.command(name="audit")(audit)
    admin_users.register(group)
    settings = typer.Typer(help="The settings of the site.", rich_markup_mode=None, no_args_is_help=True)
    settings.command(name="get")(get_setting)
    settings.command(name="set")(set_setting)
    group.add_typer(settings, name="site-config")
    group.command(name="plugins")(plugins)
    group.command(name="version")(version)
    program.add_typer(group, name="admin")


def refresh_catalogs(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(metavar="PROJECT", show_default=False, help="The ID of the project.")],
    option: Annotated[
        list[Refresh] | None,
        typer.Option(
            "--option",
            "-O",
            metavar="OPTION",
            help="Only append, checksum, delete or populateStats. Repeatable; else all of them.",
        ),
    ] = None,
    experiment: Annotated[
        list[str] | None, typer.Option("--experiment", "-E", metavar="ID|LABEL", help="Only this session. Repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="The greatest number of sessions; else all.")
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", metavar="N", min=1, help="How many sessions are refreshed at once; 8 at most."),
    ] = 4,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Let the server compare catalogues and disk, session by session; prints what became of each."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-refresh-catalogs", output, quiet)
    from xnatsync.views.admin import refresh_blocks, refresh_fields

    def tell(done: int, total: int, session: str) -> None:
        if shell.screen.is_live:
            shell.screen.say(f"{done} of {total}: {session}")

    with serving(shell, profile) as client:
        service = client.admin
        report = service.refresh_catalogs(
            project, experiment, [one.value for one in option or ()], limit, workers=workers, progress_callback=tell
        )
    shell.show(refresh_blocks(report), refresh_fields(report))
    return Exit.HELD if report.failed else Exit.OK


def audit(
    ctx: typer.Context,
    project: Annotated[
        str | None, typer.Option("--project", "-P", metavar="ID", help="Only of this project; else of all.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="Only what this user did.")] = None,
    action: Annotated[str | None, typer.Option(metavar="WORD", help="Only actions with this word.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Nothing older: 7d, 12h, 30m, 2w, or a date; else all.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="The greatest number of rows.")] = 50,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List what was done on the server, the newest first."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-audit", output, quiet, lists=True)
    from xnatsync.views.admin import AUDIT_COLUMNS, audit_row

    with serving(shell, profile) as client:
        service = client.admin
        rows = [audit_row(entry) for entry in service.audit_log(project, user, action, since, limit)]
    shell.show_rows(rows, AUDIT_COLUMNS, key="event_id")
    return Exit.OK


def get_setting(
    ctx: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", show_default=False, help="A setting, such as siteId; else all.")
    ] = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the settings of the site that this account may read, or one of them."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-site-config-get", output, quiet)
    from xnatsync.views.admin import setting_lines

    with serving(shell, profile) as client:
        service = client.admin
        found = service.get_site_config(key)
    shell.show(setting_lines(found), {"settings": dict(found)})
    return Exit.OK


def set_setting(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="A setting, such as siteId.")],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", show_default=False, help="Its new value, of the kind that it has.")
    ],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Set a setting of the site, and see that the server kept it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-site-config-set", output, quiet)
    from xnatsync.cli.asking import sure
    from xnatsync.views.blocks import Line

    with serving(shell, profile) as client:
        service = client.admin
        before = service.get_site_config(key)[key]
        wanted = _as_is(value, before)
        if not dry_run:
            would = f"{key} would be set to {wanted} for the whole site (today: {before})"
            sure(shell, yes=yes, question=f"Set {key}?", would=would, plan=[Line(would)])
            service.set_site_config(key, wanted)
    word = "would be" if dry_run else "is"
    told = {"dry_run": dry_run, "key": key, "before": before, "value": wanted}
    shell.show([Line(f"{key} {word} {wanted} (was {before})")], told)
    return Exit.OK


def plugins(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List the plug-ins of the server with their versions."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-plugins", output, quiet, lists=True)
    from xnatsync.views.admin import PLUGIN_COLUMNS

    with serving(shell, profile) as client:
        service = client.admin
        rows = service.list_plugins()
    shell.show_rows(rows, PLUGIN_COLUMNS)
    return Exit.OK


def version(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show the version of the server, its build and its plug-ins."""
    shell = ctx.ensure_object(Shell)
    shell.begin("admin-version", output, quiet)
    from xnatsync.views.admin import info_blocks

    with serving(shell, profile) as client:
        service = client.admin
        info = service.get_server_info()
    build = {key: value for key, value in info.items() if key not in {"version", "url", "plugins", "uptime"}}
    fields = {key: info.get(key) for key in ("version", "url", "plugins", "uptime")}
    shell.show(info_blocks(info), {**fields, "build": build})
    return Exit.OK


def _as_is(value: str, before: object) -> object:
    """Read a value as one of the kind that the setting has."""
    if isinstance(before, bool):
        if value.lower() not in {"true", "false"}:
            raise Usage(f"{value} is neither true nor false")
        return value.lower() == "true"
    if isinstance(before, int):
        try:
            return int(value)
        except ValueError:
            raise Usage(f"{value} is no whole number") from None
    if isinstance(before, list):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
