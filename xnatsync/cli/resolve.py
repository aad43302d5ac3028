"""`retry` and `dismiss`: what a person decides about something that is held."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption, YesOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(retry)
    program.command()(dismiss)


def retry(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            show_default=False,
            help="What `why` takes: 12, u7, o3, a path, a UID, a session; else all, after a question.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is held.")] = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Release what is held: the next `sync` tries again."""
    shell = ctx.ensure_object(Shell)
    shell.begin("retry", output, quiet)
    from xnatsync.app.resolve import all_held, release
    from xnatsync.views.resolve import retry_blocks, retry_fields

    config = shell.known()
    if not (names or everything) and shell.screen.can_ask:
        _ask_for_all(shell, all_held(config))
        everything = True
    released = release(config, tuple(names or ()), everything=everything)
    shell.show(retry_blocks(released), retry_fields(released))
    return Exit.OK


def _ask_for_all(shell: Shell, held: tuple[str, ...]) -> None:
    """Ask whether everything that is held is to be released; Declined when it is not."""
    from xnatsync.core.errors import Declined
    from xnatsync.core.wording import counted

    if held and not shell.screen.ask(f"Release {counted(len(held), 'hold')} ({', '.join(held)})?"):
        raise Declined("nothing was released", advice=f"Name what to release, as in `xnatsync retry {held[0]}`.")


def dismiss(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="NAME", help="An item: 12, its path, its session.")],
    prearchive: Annotated[
        bool, typer.Option("--prearchive", help="Delete also what we left in the server's prearchive.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Give up an item; its files stay where they are."""
    shell = ctx.ensure_object(Shell)
    shell.begin("dismiss", output, quiet)
    from xnatsync.app.app import App
    from xnatsync.app.dismiss import dismiss as give_up
    from xnatsync.app.dismiss import prospect
    from xnatsync.core.errors import Declined
    from xnatsync.views.resolve import dismiss_blocks, dismiss_fields, dismiss_question

    app = App(shell.known())
    try:
        what = prospect(app, id_, prearchive=prearchive)
        if not yes:
            if not shell.screen.can_ask:
                raise Declined(f"item {what.item.id} would be dismissed, and there is no terminal to ask on")
            shell.screen.say(*dismiss_question(what, prearchive=prearchive))
            if not shell.screen.ask(f"Dismiss item {what.item.id}?"):
                raise Declined(f"item {what.item.id} stays as it is")
        done = give_up(app, what.item.id, prearchive=prearchive)
    finally:
        app.close()
    shell.show(dismiss_blocks(done), dismiss_fields(done))
    return Exit.OK
