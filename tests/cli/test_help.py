"""The help read aloud, by rule: every word that can be typed is explained, in the same words everywhere, to its end."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

import typer

from xnatsync.cli import helping
from xnatsync.cli.everywhere import spread
from xnatsync.cli.program import build

# Options that mean something of their own in each command; every other one has the same words wherever it stands.
SEVERAL = {
    "--all", "--at", "--config", "--dry-run", "--experiment", "--file", "--folder", "--force", "--format", "--html",
    "--label", "--limit", "--modality", "--name", "--output", "--output-file", "--overwrite", "--password", "--port",
    "--project",
    "--recursive", "--repair", "--role", "--scans", "--session", "--set", "--since", "--status", "--subject",
    "--timeout", "--to", "--url", "--user", "--username", "--wait", "--workers",
}  # fmt: skip
MEASURES = {"N", "SECONDS", "MINUTES", "TIME", "YEAR", "N|P%|1/T"}
# Numbers whose absence is nothing to say: what was not given is not set.
UNSET = {"--yob"}


@cache
def program() -> Any:
    found = typer.main.get_command(build())
    spread(found)
    helping.explain(found)
    return found


def below(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command and group, by its words."""
    yield " ".join(words), command
    for name, child in getattr(command, "commands", {}).items():
        yield from below(child, (*words, name))


def leaves() -> list[tuple[str, Any]]:
    return [(words, one) for words, one in below(program()) if not hasattr(one, "commands")]


def long_name(option: Any) -> str:
    return str(max(option.opts, key=len))


def unexplained(words: str, command: Any) -> list[str]:
    """What of a command a person would have to guess."""
    found = []
    for one in command.params:
        name, told = long_name(one), getattr(one, "help", None) or ""
        where = f"{words} {name}"
        if not told.strip():
            found.append(f"{where}: no word of help")
            continue
        if not told.rstrip().endswith("."):
            found.append(f"{where}: no sentence: {told}")
        if re.search(r"the manual|the docs|documentation|\.\.\.", told):
            found.append(f"{where}: help that is somewhere else: {told}")
        if one.param_type_name == "option" and one.multiple and not re.search(r"Repeatable|commas", told):
            found.append(f"{where}: may be given several times, and does not say so")
        shown = one.required or one.default is not None
        if one.metavar in MEASURES and not shown and name not in UNSET and not re.search(r"\b[Ee]lse\b", told):
            found.append(f"{where}: nothing says what holds without it")
    return found


def test_nothing_that_can_be_typed_has_to_be_guessed() -> None:
    """Every argument and option has a sentence; a number and a time say what holds without them."""
    assert [one for words, command in leaves() for one in unexplained(words, command)] == []


def test_the_same_option_has_the_same_words() -> None:
    """So that what was read of one command holds for the next; the table of exceptions names none that is not one."""
    texts: dict[str, set[str]] = defaultdict(set)
    for _, command in leaves():
        for option in command.params:
            if option.param_type_name == "option":
                texts[long_name(option)].add(option.help)

    assert {name for name, several in texts.items() if len(several) > 1} == SEVERAL


def test_a_list_of_commands_cuts_no_sentence() -> None:
    """The first sentence of each stands there whole, and says more than the name."""
    for words, group in below(program()):
        if not hasattr(group, "commands"):
            continue
        context = group.context_class(group, info_name="xnatsync", terminal_width=80)
        listed = group.get_help(context).partition("Commands:")[2].partition("Exit codes")[0]
        assert "..." not in listed, words
        for name, child in group.commands.items():
            first = helping.first_sentence(child.help or "")
            assert first.endswith("."), f"{words} {name}"
            assert " ".join(listed.split()).count(first) >= 1, f"{words} {name}"


def test_help_that_leaves_something_open_is_found() -> None:
    """A word without help, one that points elsewhere, a number without a default, a list that is not told."""

    def odd(
        ctx: typer.Context,
        bare: str,
        there: Annotated[bool, typer.Option(help="See the manual.")] = False,
        half: Annotated[bool, typer.Option(help="Half a sentence")] = False,
        many: Annotated[list[str] | None, typer.Option(help="Names.")] = None,
        long_s: Annotated[int | None, typer.Option("--long", metavar="SECONDS", help="How long.")] = None,
        told_s: Annotated[
            int | None, typer.Option("--told", metavar="SECONDS", help="How long; else for ever.")
        ] = None,
    ) -> None:
        """Do it."""

    group = typer.Typer(add_completion=False)
    group.command()(odd)

    found = unexplained("odd", typer.main.get_command(group))

    assert [one.split(":")[0].split()[-1] for one in found] == ["bare", "--there", "--half", "--many", "--long"]
    assert helping.first_sentence("Do it\nto the end. And more.\n\nMuch more.") == "Do it to the end."
