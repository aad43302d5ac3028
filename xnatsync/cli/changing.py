"""What commands that change a server share: the plan that is asked about, and how they end."""

from __future__ import annotations

from collections.abc import Sequence

from xnatsync.cli.asking import sure
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage
from xnatsync.views.changes import Change, change_blocks, change_fields


def goes_on(
    shell: Shell, plan: Sequence[Change], *, dry_run: bool, yes: bool = True, question: str = "", typed: str = ""
) -> bool:
    """Return whether the plan is to be done: not in a dry run, which shows it; Declined where a yes is missing.

    `question` is asked on a terminal unless `yes`, and `typed` is the answer to it, else a yes; without a question the
    command destroys nothing, and does not ask.
    """
    if dry_run:
        shell.show(change_blocks(plan, dry_run=True), change_fields(plan, dry_run=True))
        return False
    would = question.rstrip("?")
    sure(shell, yes=yes, question=question, would=f"asked was: {would}", plan=change_blocks(plan), typed=typed)
    return True


def ended(shell: Shell, changes: Sequence[Change]) -> int:
    """Show what was changed; HELD when something that was asked for is not so."""
    shell.show(change_blocks(changes), change_fields(changes, dry_run=False))
    return Exit.HELD if any(change.is_failure for change in changes) else Exit.OK


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE` words; the first `=` parts them, and a word `set` before them is passed over."""
    rest = words[1:] if words[:1] == ["set"] else words
    found = dict[str, str]()
    for word in rest:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise Usage(f"{word!r} is not NAME=VALUE", advice="Write it as age_grp=A.")
        found[name] = value
    return found
