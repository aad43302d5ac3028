"""Options that mean the same after every command."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer

from xnatsync.cli.shell import Output
from xnatsync.core.errors import Usage

OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--output", "-o", help="How to print: table, which is the default, or json; a listing also as csv or tsv."
    ),
]
QUIETLY = "Nothing but the result and errors; of a listing, the IDs alone."
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help=QUIETLY)]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", "-p", metavar="NAME", help="The server, by its name in the configuration; else its default one."
    ),
]
ProjectOption = Annotated[
    str | None, typer.Option("--project", "-P", metavar="ID", help="The project; else the configured default.")
]
SessionOption = Annotated[
    str, typer.Option("--experiment", "-E", metavar="ID|LABEL", help="Accession ID, or with a project a label.")
]
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", show_default=False, help="The session.")]
ScanOption = Annotated[str | None, typer.Option("--scan", metavar="ID", help="Of this scan, not of the session.")]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", "-S", metavar="LABEL|ID", help="A subject of the project, and its own.")
]
WORDS_OF_RESOURCE = "The session (accession ID, or with -P its label), if it is one's, and the resource's label."
WordsOfResource = Annotated[
    list[str], typer.Argument(metavar="[SESSION] LABEL", show_default=False, help=WORDS_OF_RESOURCE)
]
RoutesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ROUTE]...", show_default=False, help="Routes; all, if none is named.")
]
RemoveOption = Annotated[bool, typer.Option("--remove-files", help="Remove its files from the server's disk too.")]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do it without asking; needed where no terminal can be asked.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Look, show what would be done, and change nothing.")]
BandwidthOption = Annotated[
    str | None,
    typer.Option("--bandwidth", metavar="RATE", help="At most so much, such as 20MiB/s, beside what is configured."),
]
UsernameOption = Annotated[
    str | None, typer.Option("--username", "-u", metavar="NAME", help="The account; else the configured one.")
]
PasswordOption = Annotated[
    str | None,
    typer.Option("--password", metavar="WORD", help="Visible to others: --password-stdin is better."),
]
PasswordStdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
]


def named_resource(words: list[str], project: str | None, subject: str | None) -> tuple[str | None, str]:
    """Read `SESSION LABEL`, or `LABEL` where a project was named: then it is the project's own, or a subject's."""
    if len(words) == 2:
        if subject is not None:
            raise Usage("a session and a subject were named", advice="Leave -S out: a session belongs to one subject.")
        return words[0], words[1]
    if len(words) == 1 and (project is not None or subject is not None):
        return None, words[0]
    what = "no session was named" if len(words) == 1 else f"{len(words)} words were given"
    raise Usage(what, advice="Give SESSION LABEL; or -P PROJECT LABEL for the project's own, and -S for a subject's.")


def options_of_listings() -> list[Any]:
    """Return new options of a listing, as the parser has them; `everywhere.spread` gives them to each listing."""
    return _parsed(_listing)


def profile_option() -> Any:
    """Return a new option that names a server, as the parser has it."""
    return _parsed(_named)[0]


def _parsed(function: Callable[..., None]) -> list[Any]:
    return [copy.copy(option) for option in _parsed_once(function)]


@cache
def _parsed_once(function: Callable[..., None]) -> list[Any]:
    program = typer.Typer(add_completion=False)
    program.command()(function)
    return [option for option in typer.main.get_command(program).params if option.name != "help"]


def _named(profile: ProfileOption = None) -> None:
    """Hold the option that names a server."""


def _listing(
    columns: Annotated[
        str | None, typer.Option(metavar="FIELD,FIELD", help="Only these columns, in this order.")
    ] = None,
    sort_by: Annotated[
        str | None, typer.Option(metavar="FIELD[:desc]", help="Sort by this field; `:desc` for the greatest first.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="The greatest number of rows; else all.")] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="FIELD:GLOB", help="Only rows whose field matches; `!GLOB` is not. Repeatable."
        ),
    ] = None,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="No line of headings.")] = False,
) -> None:
    """Hold the options of listings."""
