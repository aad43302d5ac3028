"""Command lines that a person can paste into a shell, as they are printed."""

from __future__ import annotations

import shlex

PROGRAM = "xnatsync"


def command_line(*words: str) -> str:
    """Return a command of ours as a shell reads it: every word is quoted that a shell would change."""
    return shlex.join([PROGRAM, *words])


def operand(name: str) -> tuple[str, ...]:
    """Return a name that was given by others as the last words of a command: it is never read as an option."""
    return ("--", name) if name.startswith("-") else (name,)
