"""Showing something in a second project, and taking it out of there: what `subject` and `session` have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.changing import ended, goes_on
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.changes import ALREADY, PLANNED, Change

if TYPE_CHECKING:
    from xnatsync.services.sessions import SessionService
    from xnatsync.services.subjects import SubjectService

    Service = SubjectService | SessionService

IntoOption = Annotated[str, typer.Option("--into", metavar="PROJECT", help="The second project.")]
FromOption = Annotated[str, typer.Option("--from", metavar="PROJECT", help="The project that only shows it.")]
LabelOption = Annotated[str | None, typer.Option("--label", metavar="LABEL", help="Another label there.")]


def shared(
    shell: Shell, service: Service, change: Change, into: str, share: Callable[[], object], *, dry_run: bool, yes: bool
) -> int:
    """Do a share, or a move, which asks; what is there already is no error, and is not sent again."""
    moves = change.deed == "move"
    is_there = into in service.places(change.id) and not moves
    question = f"Move {change.kind} {change.label} ({change.id}) into project {into}?"
    if not goes_on(shell, [change.as_(PLANNED)], dry_run=dry_run, yes=yes or not moves, question=question):
        return Exit.OK
    share()
    return ended(shell, [change.as_(ALREADY) if is_there else change])


def taken_out(shell: Shell, service: Service, change: Change, *, dry_run: bool, yes: bool) -> int:
    """Take something out of the project that is `before` in the change, which only shows it."""
    from xnatsync.services.finding import Accession

    is_there = service.check_unshare(change.id, change.before)
    question = f"Take {change.kind} {change.label} ({change.id}) out of project {change.before}?"
    if is_there and not goes_on(shell, [change.as_(PLANNED)], dry_run=dry_run, yes=yes, question=question):
        return Exit.OK
    service.unshare(Accession(change.id), change.before)
    return ended(shell, [change if is_there else change.as_(ALREADY)])
