"""The one way in which a command that changes a server asks for a person's yes."""

from __future__ import annotations

from collections.abc import Iterable

from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Declined
from xnatsync.views.blocks import Block


def sure(shell: Shell, *, yes: bool, question: str, would: str, plan: Iterable[Block] = (), typed: str = "") -> None:
    """Go on only with a yes: `--yes`, or an answer on a terminal, to which the plan is shown before the question.

    `would` says what is at stake, as in `session XNAT_E00001 would be deleted`.  `typed` has to be typed
    instead of a yes, for what nobody should agree to by habit.  Declined otherwise: nothing is done.
    """
    if yes:
        return
    if not shell.screen.can_ask:
        raise Declined(f"{would}, and there is no terminal to ask on")
    shell.screen.say(*plan)
    if typed and shell.screen.ask_for(f"{question} Type {typed} to do it") != typed:
        raise Declined(f"nothing was changed: {would}, and the answer was not {typed}")
    if not typed and not shell.screen.ask(question):
        raise Declined(f"nothing was changed: {would}, and the answer was not yes")
