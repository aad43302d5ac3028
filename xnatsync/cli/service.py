"""`service install`, `uninstall` and `status`: the file by which a manager of services knows the agent."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

if TYPE_CHECKING:
    from xnatsync.app.service_install import Standing


class ManagerName(StrEnum):
    """What starts services."""

    SYSTEMD = "systemd"
    LAUNCHD = "launchd"
    WINDOWS = "windows"


ManagerOption = Annotated[ManagerName | None, typer.Option("--manager", help="What starts it; else that of here.")]
SystemOption = Annotated[
    bool | None, typer.Option("--system/--user", help="A service of the machine, or of this user.", show_default=False)
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What the service is called.")]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="As whom the system's service runs.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="FOLDER", help="Where the file belongs; else its usual place.")
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The agent as a service.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(install)
    group.command()(uninstall)
    group.command(name="status")(standing)
    program.add_typer(group, name="service")


def install(
    ctx: typer.Context,
    manager: ManagerOption = None,
    system: SystemOption = None,
    name: NameOption = "xnatsync",
    account: AccountOption = None,
    folder: FolderOption = None,
    dry_run: DryRunOption = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that was edited, or is another's.")] = False,
    output: OutputOption = None,
) -> int:
    """Write the file that lets systemd, launchd or Windows run the agent, and say which commands put it in force."""
    shell = ctx.ensure_object(Shell)
    shell.begin("service-install", output)
    from xnatsync.app import service_install
    from xnatsync.app.written_down import note_deed
    from xnatsync.views.service_install import install_blocks, service_fields

    seen = _seen(shell, manager, system, name, account, folder)
    written = not dry_run and service_install.install(seen, force=force)
    if written:
        told = {"manager": seen.setup.manager, "scope": seen.setup.scope}
        note_deed(shell.place_of_config, "service.installed", "the file of the service was written", **told)
    blocks = install_blocks(seen, written=written, dry_run=dry_run)
    if dry_run and not shell.is_json:  # the file alone on stdout, byte for byte
        shell.screen.exact(seen.text)
        shell.screen.say(*blocks)
    else:
        shell.show(blocks, service_fields(seen, changed=written))
    return Exit.OK


def uninstall(
    ctx: typer.Context,
    manager: ManagerOption = None,
    system: SystemOption = None,
    name: NameOption = "xnatsync",
    folder: FolderOption = None,
    dry_run: DryRunOption = False,
    force: Annotated[bool, typer.Option("--force", help="Also one that was edited, or is enabled.")] = False,
    output: OutputOption = None,
) -> int:
    """Remove the file that `service install` wrote. Ledger, configuration and logs stay."""
    shell = ctx.ensure_object(Shell)
    shell.begin("service-uninstall", output)
    from xnatsync.app import service_install
    from xnatsync.app.written_down import note_deed
    from xnatsync.views.service_install import service_fields, uninstall_blocks

    seen = _seen(shell, manager, system, name, None, folder)
    removed = not dry_run and service_install.uninstall(seen, force=force)
    if removed:
        told = {"manager": seen.setup.manager, "scope": seen.setup.scope}
        note_deed(shell.place_of_config, "service.uninstalled", "the file of the service was removed", **told)
    shell.show(uninstall_blocks(seen, removed=removed, dry_run=dry_run), service_fields(seen, changed=removed))
    return Exit.OK


def standing(
    ctx: typer.Context,
    manager: ManagerOption = None,
    system: SystemOption = None,
    name: NameOption = "xnatsync",
    account: AccountOption = None,
    folder: FolderOption = None,
    output: OutputOption = None,
) -> int:
    """Show whether the file of the service is there, is as it was written, and is enabled, and what is missing."""
    shell = ctx.ensure_object(Shell)
    shell.begin("service-status", output)
    from xnatsync.views.service_install import service_fields, standing_blocks

    seen = _seen(shell, manager, system, name, account, folder)
    shell.show(standing_blocks(seen), service_fields(seen, changed=False))
    return Exit.OK if seen.is_current else Exit.DIFFERENT


def _seen(
    shell: Shell,
    manager: ManagerName | None,
    system: bool | None,
    name: str,
    account: str | None,
    folder: Path | None,
) -> Standing:
    from xnatsync.app import service_install
    from xnatsync.app.service_install import Wanted
    from xnatsync.config.load import default_path

    scope = None if system is None else ("system" if system else "user")
    wanted = Wanted(manager.value if manager is not None else None, scope, name, account, folder)  # type: ignore[arg-type]
    place = shell.place_of_config.absolute()
    named = None if scope == "user" and place == default_path() else place
    return service_install.standing(shell.config(), named, wanted)
