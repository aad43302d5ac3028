"""Write one page per command from its own `--help`, for the documentation site and for the man pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from xnatsync.cli import helping
from xnatsync.cli.everywhere import spread
from xnatsync.cli.program import build

Page = tuple[tuple[str, ...], str]  # the words of a command, and its help


def pages() -> list[Page]:
    """Return the help of the program and of every command and group below it, in alphabetical order."""
    program: Any = typer.main.get_command(build())
    spread(program)
    helping.explain(program)
    return list(_below(program, ("xnatsync",), None))


def _below(command: Any, words: tuple[str, ...], parent: Any) -> list[Page]:
    names = ["-h", "--help"]
    context = command.context_class(
        command, info_name=words[-1], parent=parent, terminal_width=88, max_content_width=88, help_option_names=names
    )
    found = [(words, str(command.get_help(context)))]
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            found += _below(child, (*words, name), context)
    return found


def summary(text: str) -> str:
    """Return the first sentence of a help text: what stands between its usage and its first empty line."""
    paragraphs = text.split("\n\n")
    return " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else ""


def write(folder: Path) -> list[tuple[str, str, str]]:
    """Write `folder/index.md` and one page per command; return name, title and summary of each page."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for words, text in pages():
        name, title = "-".join(words), " ".join(words)
        (folder / f"{name}.md").write_text(f"# {title}\n\n```text\n{text.rstrip()}\n```\n", encoding="utf-8")
        made.append((name, title, summary(text)))
    lines = [f"- [{title}]({name}.md): {said}" for name, title, said in made]
    tree = "\n".join(name for name, _, _ in made)
    index = "\n".join(["# Command reference", "", "As each command's `--help` says.", "", *lines, ""])
    index += f"\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    (folder / "index.md").write_text(index, encoding="utf-8")
    return made
